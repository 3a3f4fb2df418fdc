/** Completion scripts of shells. They hold everything they need: pressing Tab starts no process of ours. */

import { quoted } from './shell-word.ts';

export interface CompletedVerb {
  readonly name: string;
  readonly summary: string;
  /** Verbs of a verb, e.g. `build` of `image`. */
  readonly words: readonly string[];
  readonly options: readonly { readonly long: string; readonly description: string }[];
}

export const SHELLS = ['bash', 'zsh', 'fish'] as const;
export type Shell = (typeof SHELLS)[number];

export const COMPLETION_SCRIPTS: { readonly [shell in Shell]: (verbs: readonly CompletedVerb[]) => string } = {
  bash,
  zsh,
  fish,
};

const longs = ({ options }: CompletedVerb): string => options.map(({ long }) => long).join(' ');

function bash(verbs: readonly CompletedVerb[]): string {
  const cases = verbs.map((verb) => `    ${verb.name}) words='${[...verb.words, longs(verb)].join(' ').trim()}' ;;`);
  return `# bash completion of mvctl
_mvctl() {
  local words='' current="\${COMP_WORDS[COMP_CWORD]}"
  COMPREPLY=()
  if [ "$COMP_CWORD" -eq 1 ]; then
    mapfile -t COMPREPLY < <(compgen -W '${verbs.map(({ name }) => name).join(' ')} --help --version' -- "$current")
    return
  fi
  case "\${COMP_WORDS[1]}" in
${cases.join('\n')}
  esac
  mapfile -t COMPREPLY < <(compgen -W "$words --help" -- "$current"; compgen -f -- "$current")
}
complete -o filenames -F _mvctl mvctl
`;
}

function zsh(verbs: readonly CompletedVerb[]): string {
  const list = verbs.map(({ name, summary }) => `    ${quoted(`${name}:${summary}`)}`);
  const cases = verbs.map((verb) => {
    const options = verb.options.map(({ long, description }) => quoted(`${long}[${bracketless(description)}]`));
    const words = verb.words.length > 0 ? [quoted(`1:verb:(${verb.words.join(' ')})`)] : [];
    return `    ${verb.name}) _arguments ${[...options, ...words, "'*:file:_files'"].join(' ')} ;;`;
  });
  return `#compdef mvctl
# zsh completion of mvctl
_mvctl() {
  local -a verbs
  verbs=(
${list.join('\n')}
  )
  if (( CURRENT == 2 )); then
    _describe verb verbs
    return
  fi
  local verb=$words[2]
  shift words
  (( CURRENT-- ))
  case $verb in
${cases.join('\n')}
  esac
}
compdef _mvctl mvctl
`;
}

function fish(verbs: readonly CompletedVerb[]): string {
  const lines = verbs.flatMap(({ name, summary, words, options }) => [
    `complete -c mvctl -n __fish_use_subcommand -f -a ${name} -d ${quoted(summary)}`,
    ...words.map((word) => `complete -c mvctl -n '__fish_seen_subcommand_from ${name}' -a ${word}`),
    ...options.map(
      ({ long, description }) =>
        `complete -c mvctl -n '__fish_seen_subcommand_from ${name}' -l ${long.slice('--'.length)} -d ${quoted(description)}`,
    ),
  ]);
  return `# fish completion of mvctl\n${lines.join('\n')}\n`;
}

const bracketless = (text: string): string => text.replaceAll('[', '(').replaceAll(']', ')').replaceAll(':', '\\:');
