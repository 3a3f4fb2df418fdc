/**
 * Which packages must be on the disk before dpkg can run in it: the essential ones and all they depend on [Debian Policy,
 * "Essential packages": "must supply all of their core functionality even when unconfigured"].
 */

export interface ControlFields {
  readonly package: string;
  readonly essential: boolean;
  readonly depends: string;
  readonly provides: string;
}

/** Parses the output of `dpkg-deb --show --showformat` with SHOW_FORMAT. */
// biome-ignore lint/suspicious/noTemplateCurlyInString: dpkg-deb fills in the fields
export const SHOW_FORMAT = '${Package}\t${Essential}\t${Pre-Depends}, ${Depends}\t${Provides}\n';

export function parseShown(line: string): ControlFields {
  const [name = '', essential = '', depends = '', provides = ''] = line.split('\t');
  return { package: name, essential: essential === 'yes', depends, provides };
}

/** Names in a relation field, alternatives in inner lists: `a (>= 1) | b, c:any` → [[a, b], [c]]. */
export const relationNames = (field: string): string[][] =>
  field
    .split(',')
    .map((group) => group.split('|').map((name) => name.trim().split(/[\s:(]/)[0] ?? ''))
    .map((group) => group.filter((name) => name !== ''))
    .filter((group) => group.length > 0);

/** Closure of the essential packages under Depends and Pre-Depends, within the packages given. */
export function essentialClosure(packages: readonly ControlFields[]): Set<string> {
  const providers = new Map<string, ControlFields>();
  for (const fields of packages) {
    for (const [name] of relationNames(fields.provides)) if (name !== undefined) providers.set(name, fields);
  }
  for (const fields of packages) providers.set(fields.package, fields);
  const closure = new Set<string>();
  const queue = packages.filter((fields) => fields.essential);
  for (let fields = queue.pop(); fields !== undefined; fields = queue.pop()) {
    if (closure.has(fields.package)) continue;
    closure.add(fields.package);
    for (const alternatives of relationNames(fields.depends)) {
      const chosen = alternatives.map((name) => providers.get(name)).find((provider) => provider !== undefined);
      if (chosen !== undefined) queue.push(chosen);
    }
  }
  return closure;
}
