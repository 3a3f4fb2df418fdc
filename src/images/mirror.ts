/**
 * Which Debian archive packages are fetched from: `$MVCTL_DEBIAN_MIRROR`, else the one this computer's apt is configured
 * with, else the recipe's.
 */
import type { Recipe } from './recipe.ts';
import { runCommand } from './run-command.ts';

const FORMAT = '$(REPO_URI) $(COMPONENT)';

export async function archiveMirror(recipe: Recipe, env: NodeJS.ProcessEnv = process.env): Promise<string> {
  const asked = env['MVCTL_DEBIAN_MIRROR'];
  if (asked) return asked.replace(/\/+$/, '');
  try {
    const { stdout } = await runCommand('apt-get', ['indextargets', '--format', FORMAT, 'Created-By: Packages']);
    return mirrorFromIndexTargets(stdout) ?? recipe.archive.mirror;
  } catch {
    // A computer without apt has no mirror of its own.
    return recipe.archive.mirror;
  }
}

/** The first archive in apt's list that looks like Debian's own: its component main, its path ending in /debian. */
export function mirrorFromIndexTargets(text: string): string | undefined {
  for (const line of text.split('\n')) {
    const [uri = '', component = ''] = line.split(' ');
    if (component === 'main' && /^https?:\/\/.*\/debian\/?$/.test(uri)) return uri.replace(/\/+$/, '');
  }
  return undefined;
}
