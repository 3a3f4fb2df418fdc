/**
 * Recipe → lock: asks apt, on the archive's signed indices, which packages installing the recipe's would take. apt works
 * in a folder of its own with an empty (then: the system disk's) list of installed packages; nothing is installed.
 */
import { mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { type AptStanza, parseStanzas, stanzaText } from './apt-stanza.ts';
import { defaultCacheDir, prepareCache, scratchFolder } from './cache.ts';
import { ImageError } from './image-error.ts';
import { controlFile } from './local-package.ts';
import { type Lock, type LockedPackage, lockPathOf, packageId, selectionDigest, writeLock } from './lock.ts';
import { archiveMirror } from './mirror.ts';
import { type LoadedRecipe, localPackage } from './recipe.ts';
import { runCommand } from './run-command.ts';
import { ensureTools } from './tools.ts';

export interface UpdateLockOptions {
  readonly cacheDir?: string;
  readonly lockPath?: string;
  /** The present time: the archive's time in the lock. */
  readonly now: Date;
  readonly signal?: AbortSignal;
  readonly env?: NodeJS.ProcessEnv;
}

/** Writes the lock file and returns what is in it. Throws `package-unresolvable` with what apt says. */
export async function updateLock(recipe: LoadedRecipe, options: UpdateLockOptions): Promise<Lock> {
  await ensureTools({ uses: ['lock'] });
  const cacheDir = resolve(options.cacheDir ?? defaultCacheDir(options.env));
  prepareCache(cacheDir);
  const scratch = scratchFolder(cacheDir);
  try {
    const apt = await AptFolder.create(recipe, scratch, await archiveMirror(recipe, options.env), options.signal);
    const lock = await resolveLock(recipe, apt, options.now);
    writeLock(options.lockPath ?? lockPathOf(recipe), lock);
    return lock;
  } finally {
    rmSync(scratch, { recursive: true, force: true });
  }
}

async function resolveLock(recipe: LoadedRecipe, apt: AptFolder, now: Date): Promise<Lock> {
  const packages = new Map<string, LockedPackage>();
  const lockAll = (installs: readonly Install[]): string[] =>
    installs.map((install) => {
      if (localPackage(recipe, install.package) !== undefined) return install.package;
      const locked = apt.locked(install);
      packages.set(packageId(locked), locked);
      return packageId(locked);
    });

  const installs = await apt.simulate(recipe.system.suite, ['?essential', ...recipe.system.packages]);
  const system = lockAll(installs);
  const systemStatus = installs.map((install) => apt.stanza(install));

  const upgrades: Record<string, string[][]> = {};
  for (const disk of recipe.upgrades) {
    const status = new Map(systemStatus.map((stanza) => [stanza.fields['Package'] ?? '', stanza]));
    const stages: string[][] = [];
    for (const stage of disk.stages) {
      apt.setInstalled([...status.values()]);
      const wanted = stage.map((name) =>
        localPackage(recipe, name) === undefined && disk.suite !== undefined ? `${name}/${disk.suite}` : name,
      );
      const added = await apt.simulate(recipe.system.suite, wanted);
      for (const install of added) status.set(install.package, apt.stanza(install));
      stages.push(lockAll(added));
    }
    upgrades[disk.name] = stages;
  }

  const sources: string[] = [];
  for (const { subsetOf } of recipe.localPackages) {
    if (subsetOf !== undefined) sources.push(...lockAll([apt.newest(subsetOf.package, subsetOf.suite)]));
  }
  return {
    apiVersion: 'mvctl/v1',
    kind: 'ImageLock',
    recipe: recipe.name,
    selectionSha256: selectionDigest(recipe),
    archiveTime: now.toISOString().replace(/[-:]|\.\d+/g, ''),
    packages: [...packages.values()].sort((a, b) => (packageId(a) < packageId(b) ? -1 : 1)),
    system,
    upgrades,
    sources,
  };
}

interface Install {
  readonly package: string;
  readonly version: string;
}

interface IndexEntry {
  readonly suite: string;
  readonly stanza: AptStanza;
}

/** Suite name of the packages made here, and the folder apt sees them in. */
const LOCAL = 'local';

class AptFolder {
  private readonly folder: string;
  private readonly entries = new Map<string, IndexEntry>();
  private readonly signal: AbortSignal | undefined;

  private constructor(folder: string, signal: AbortSignal | undefined) {
    this.folder = folder;
    this.signal = signal;
  }

  static async create(
    recipe: LoadedRecipe,
    scratch: string,
    mirror: string,
    signal: AbortSignal | undefined,
  ): Promise<AptFolder> {
    const folder = join(scratch, 'apt');
    const local = join(folder, LOCAL);
    for (const name of ['lists/partial', 'cache/archives/partial', 'etc', LOCAL]) {
      mkdirSync(join(folder, name), { recursive: true });
    }
    const keyring = recipe.archive.keyring;
    const sources = recipe.archive.suites.map((suite) => `deb [signed-by=${keyring}] ${mirror} ${suite} main\n`);
    writeFileSync(join(folder, 'etc/sources.list'), `${sources.join('')}deb [trusted=yes] file:${local} ./\n`);
    const stanzas = recipe.localPackages.map((item) => parseStanzas(controlFile(recipe, item))[0]);
    const index = stanzas
      .filter((stanza) => stanza !== undefined)
      .map((stanza) => `${stanzaText(stanza)}Filename: ./${stanza.fields['Package']}.deb\nSize: 1\n`);
    writeFileSync(join(local, 'Packages'), index.join('\n'));
    // A suite that is not released gets new index files every day; an old one of a mirror is good enough to lock from,
    // and its signature is still checked.
    writeFileSync(
      join(folder, 'apt.conf'),
      `Dir "${folder}"; Dir::State "${folder}"; Dir::State::status "${folder}/status"; Dir::Cache "${folder}/cache";\n` +
        `Dir::Etc "${folder}/etc"; APT::Architecture "${recipe.architecture}"; APT::Architectures { "${recipe.architecture}"; };\n` +
        'APT::Install-Recommends "false"; APT::Sandbox::User "root"; Acquire::Languages "none";\n' +
        'Acquire::Check-Valid-Until "false"; Debug::NoLocking "true";\n',
    );
    const apt = new AptFolder(folder, signal);
    apt.setInstalled([]);
    await apt.run(['update'], 'archive-unreachable');
    for (const file of readdirSync(join(folder, 'lists')).filter((name) => name.endsWith('_Packages'))) {
      const suite = recipe.archive.suites.find((name) => file.includes(`_dists_${name}_`)) ?? LOCAL;
      apt.addIndex(suite, readFileSync(join(folder, 'lists', file), 'utf8'));
    }
    return apt;
  }

  private addIndex(suite: string, text: string): void {
    for (const stanza of parseStanzas(text)) {
      const id = packageId({ package: stanza.fields['Package'] ?? '', version: stanza.fields['Version'] ?? '' });
      if (!this.entries.has(id)) this.entries.set(id, { suite, stanza });
    }
  }

  private async run(
    args: readonly string[],
    code: 'archive-unreachable' | 'package-unresolvable' | 'command-failed',
  ): Promise<string> {
    try {
      const { stdout } = await runCommand('apt-get', args, {
        env: { ...process.env, APT_CONFIG: join(this.folder, 'apt.conf'), LC_ALL: 'C.UTF-8' },
        ...(this.signal === undefined ? {} : { signal: this.signal }),
      });
      return stdout;
    } catch (cause) {
      if (cause instanceof ImageError && cause.code === 'command-failed')
        throw new ImageError(code, cause.message, { cause });
      throw cause;
    }
  }

  /** What `apt-get install` would install, in order. */
  async simulate(suite: string, wanted: readonly string[]): Promise<Install[]> {
    const text = await this.run(
      ['--simulate', '--yes', '-o', `APT::Default-Release=${suite}`, 'install', ...wanted],
      'package-unresolvable',
    );
    return [...text.matchAll(/^Inst (\S+?)(?::\S+)? (?:\[[^\]]*\] )?\((\S+) /gm)].map(
      ([, name = '', version = '']) => ({
        package: name,
        version,
      }),
    );
  }

  setInstalled(stanzas: readonly AptStanza[]): void {
    const text = stanzas.map((stanza) => `${stanzaText(stanza)}Status: install ok installed\n`).join('\n');
    writeFileSync(join(this.folder, 'status'), text);
  }

  stanza(install: Install): AptStanza {
    return this.entry(install).stanza;
  }

  locked(install: Install): LockedPackage {
    const { suite, stanza } = this.entry(install);
    return {
      ...install,
      suite,
      path: stanza.fields['Filename'] ?? '',
      bytes: Number(stanza.fields['Size']),
      sha256: stanza.fields['SHA256'] ?? '',
    };
  }

  /** The one version of a package in a suite. */
  newest(name: string, suite: string): Install {
    for (const { suite: from, stanza } of this.entries.values()) {
      if (from === suite && stanza.fields['Package'] === name) {
        return { package: name, version: stanza.fields['Version'] ?? '' };
      }
    }
    throw new ImageError('package-unresolvable', `suite ${suite} has no package ${name}`);
  }

  private entry(install: Install): IndexEntry {
    const entry = this.entries.get(packageId(install));
    if (entry === undefined) {
      throw new ImageError('package-unresolvable', `apt chose ${packageId(install)}, which is in no index`);
    }
    return entry;
  }
}
