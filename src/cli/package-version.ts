import { readFileSync } from 'node:fs';

/** Version of the package, from its package.json: it is as far from src/cli as from the folders of the build. */
export function packageVersion(): string {
  const text = readFileSync(new URL('../../package.json', import.meta.url), 'utf8');
  return (JSON.parse(text) as { readonly version: string }).version;
}
