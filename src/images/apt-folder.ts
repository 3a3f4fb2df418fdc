/**
 * An apt of its own in a folder: the recipe's suites and local packages, no package installed but those it is told of.
 * It only simulates.
 */
import { mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { type AptStanza, parseStanzas, stanzaText } from './apt-stanza.ts';
import { ImageError } from './image-error.ts';
import { controlFile } from './local-package.ts';
import { type LockedPackage, packageId } from './lock.ts';
import type { LoadedRecipe } from './recipe.ts';
import { runCommand } from './run-command.ts';

/** A package that apt would install. */
export interface Install {
  readonly package: string;
  readonly version: string;
}

interface IndexEntry {
  readonly suite: string;
  readonly stanza: AptStanza;
}

/** Suite name of the packages made here, and the folder apt sees them in. */
const LOCAL = 'local';

export class AptFolder {
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
    for (const name of ['lists/partial', 'cache/archives/partial', 'etc/apt.conf.d', 'etc/preferences.d', LOCAL]) {
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

  private async run(args: readonly string[], code: 'archive-unreachable' | 'package-unresolvable'): Promise<string> {
    try {
      const { stdout } = await runCommand('apt-get', args, {
        env: { ...process.env, APT_CONFIG: join(this.folder, 'apt.conf'), LC_ALL: 'C.UTF-8' },
        ...(this.signal === undefined ? {} : { signal: this.signal }),
      });
      return stdout;
    } catch (cause) {
      if (!(cause instanceof ImageError) || cause.code !== 'command-failed') throw cause;
      if (code === 'package-unresolvable') throw new ImageError(code, cause.message, { cause });
      const said = cause.message.split('\n').filter((line) => line.startsWith('E: '));
      throw new ImageError(code, `the indices of the archive cannot be used\n${said.join('\n')}`, {
        cause,
        hint: 'if the archive is being updated try again later, or set MVCTL_DEBIAN_MIRROR to another one',
      });
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
