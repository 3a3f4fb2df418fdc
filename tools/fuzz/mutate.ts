/** Files as people, editors and attackers break them: from bytes up to whole parts of a playbook. */

/** A whole number from 0 up to but not including `below`. */
export type Random = (below: number) => number;

/** xorshift32 (Marsaglia, "Xorshift RNGs"): the same seed, the same files. */
export function randomFrom(seed: number): Random {
  let state = (Math.imul(seed, 0x9e37_79b9) ^ 0x5bd1_e995) >>> 0 || 1;
  return (below) => {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    return (state >>> 0) % below;
  };
}

/** What stands out in YAML, in expressions, and in the words of the language. */
const TOKENS = [
  ...[
    ' ',
    '  ',
    '\n',
    '\n\n',
    '\t',
    '\r\n',
    '\0',
    '\u0085',
    '\u2028',
    '\ufeff',
    '\u{1f600}',
    '\ud800',
    '\u202e',
    '\u001b[2J',
  ],
  ...[
    '- ',
    ': ',
    ':',
    '#',
    ' #',
    ',',
    '[',
    ']',
    '{',
    '}',
    '"',
    "'",
    '|',
    '|-',
    '>',
    '>+2',
    '&a ',
    '*a',
    '*b',
    '<<: *a',
    '!!str ',
    '!x ',
  ],
  ...[
    '? ',
    '---\n',
    '...\n',
    '%YAML 1.1\n',
    '@',
    '`',
    '\\',
    '\\x',
    '~',
    'null',
    'true',
    'yes',
    '0',
    '-1',
    '1e400',
    '0x1',
    '.nan',
    '-0',
  ],
  ...[
    '99999999999999999999999999',
    '1'.repeat(400),
    '${{',
    '}}',
    '${{ vars.x }}',
    '${{ steps.',
    '${{ "}}" }}',
    '${{ 1/0 }}',
    '${{ {}[1] }}',
  ],
  ...['__proto__', 'constructor', 'toString', 'hasOwnProperty', 'a'.repeat(70_000), '(((((((((('],
  ...[
    'when',
    'unless',
    'needs',
    'forEach',
    'include',
    'with',
    'doneIf',
    'undo',
    'none',
    'retry',
    'onFailure',
    'continue',
    'abort',
  ],
  ...[
    'budget',
    'gate',
    'window',
    'secrets',
    'outputs',
    'phases',
    'steps',
    'commit',
    'vm.create',
    'old',
    'new',
    'each.item',
    'params.x',
  ],
  ...[
    '1s',
    '1h30m',
    'PT1H',
    'P1M',
    '0s',
    '999999h',
    '512MiB',
    '1e9GiB',
    '100%',
    'Europe/Berlin',
    '24:00',
    '2026-02-30',
  ],
  ...['# mvctl-ignore MV0311: x', '# mvctl-ignore', '# mvctl-ignore MV0001,MV9: '],
] as const;

type Mutation = (text: string, random: Random, others: readonly string[]) => string;

const pick = <T>(from: readonly T[], random: Random): T => from[random(from.length)]!;

/** Takes some of the lines out and puts what `change` makes of them back. */
function changeLines(
  text: string,
  random: Random,
  change: (lines: string[], at: number, count: number) => void,
): string {
  const lines = text.split('\n');
  change(lines, random(lines.length), 1 + random(6));
  return lines.join('\n');
}

const MUTATIONS: readonly Mutation[] = [
  (text, random) => insert(text, random(text.length + 1), pick(TOKENS, random)),
  (text, random) => {
    const at = random(text.length + 1);
    return text.slice(0, at) + text.slice(at + 1 + random(8));
  },
  (text, random) => {
    const at = random(text.length + 1);
    return text.slice(0, at) + pick(TOKENS, random) + text.slice(at + 1 + random(4));
  },
  (text, random) => text.slice(0, random(text.length + 1)),
  (text, random) => changeLines(text, random, (lines, at, count) => lines.splice(at, count)),
  (text, random) =>
    changeLines(text, random, (lines, at, count) => lines.splice(at, 0, ...lines.slice(at, at + count))),
  (text, random) =>
    changeLines(text, random, (lines, at, count) => {
      const moved = lines.splice(at, count);
      lines.splice(random(lines.length + 1), 0, ...moved);
    }),
  (text, random) =>
    changeLines(text, random, (lines, at, count) => {
      const shift = pick(['  ', '    ', '\t', ' ', '      '], random);
      for (let i = at; i < Math.min(lines.length, at + count); i++) lines[i] = shift + lines[i]!;
    }),
  (text, random) =>
    changeLines(text, random, (lines, at, count) => {
      for (let i = at; i < Math.min(lines.length, at + count); i++) lines[i] = lines[i]!.replace(/^ {1,2}/, '');
    }),
  // A part of another file.
  (text, random, others) =>
    changeLines(text, random, (lines, at, count) => {
      const other = pick(others, random).split('\n');
      const from = random(other.length);
      lines.splice(at, random(3), ...other.slice(from, from + count * 2));
    }),
  // Another value for a key, or another word for a word.
  (text, random) => text.replace(nth(/: [^\n{[]+/g, text, random), () => `: ${pick(TOKENS, random)}`),
  (text, random) => text.replace(nth(/[A-Za-z][\w.-]+/g, text, random), () => pick(TOKENS, random)),
  (text, random) => {
    const word = nth(/[A-Za-z][\w.-]+/g, text, random);
    return text.replace(nth(/[A-Za-z][\w.-]+/g, text, random), () => word);
  },
];

/** Changes after which a playbook may well make sense, and be another one. */
const GENTLE: readonly Mutation[] = [
  (text, random) => text.replace(nth(/\b\d+(?:ms|s|m|h)\b/g, text, random), () => pick(DURATIONS, random)),
  (text, random) =>
    text.replace(nth(/^ +(?:timeout|expected|retry|onFailure|undo|name|title|when): .*\n/gm, text, random), ''),
  (text, random) => text.replace(nth(/^ +- id: \w+\n(?: {8}.*\n)*/gm, text, random), ''),
  (text, random) =>
    text.replace(nth(/guest: (?:old|new)\b/g, text, random), () => `guest: ${pick(['old', 'new'], random)}`),
  (text, random) => text.replace(nth(/^ {8}uses: .*\n/gm, text, random), (line) => line + pick(SETTINGS, random)),
  (text, random) => text.replace(nth(/\b\d+\b/g, text, random), () => String(random(40))),
  (text, random) => text.replace(nth(/^ {4}steps:\n/gm, text, random), (line) => pick(PHASE_SETTINGS, random) + line),
];

const DURATIONS = ['1ms', '250ms', '3s', '45s', '2m', '1h', '0s'] as const;

const SETTINGS = [
  '        onFailure: pause\n',
  '        onFailure: continue\n',
  '        retry: { attempts: 3, delay: 1s, jitter: 0.5 }\n',
  '        retry: { attempts: 2, delay: 5s, backoff: { factor: 2, max: 1m }, maxDuration: 3m }\n',
  '        when: run.id != ""\n',
  '        unless: phase.id == "work"\n',
  '        needs: []\n',
  '        forEach: [a, b]\n',
  '        timeout: 7s\n',
  '        doneIf: { uses: service.check }\n',
] as const;

const PHASE_SETTINGS = [
  '    gate: { approvers: [alice, bob], required: 2, timeout: 1h, onFailure: rollback }\n',
  '    window: { timeZone: Europe/Berlin, open: [{ from: "22:00", to: "24:00" }], onClosed: wait }\n',
  '    budget: { downtime: 1s, errors: 3, action: rollback }\n',
  '    retry: { attempts: 2, delay: 10s }\n',
  '    onFailure: pause\n',
  '    timeout: 20m\n',
] as const;

const insert = (text: string, at: number, what: string): string => text.slice(0, at) + what + text.slice(at);

/** One of the matches in a text; what is nowhere where there is none. */
function nth(pattern: RegExp, text: string, random: Random): string {
  const found = text.match(pattern);
  return found ? pick(found, random) : '\0\0';
}

/** Files that are built to be too much. */
const BOMBS: readonly ((random: Random) => string)[] = [
  (random) => {
    const fan = 2 + random(20);
    const levels = 3 + random(30);
    const lines = ['a0: &a0 [x, x, x]'];
    for (let i = 1; i < levels; i++)
      lines.push(
        `a${i}: &a${i} [${Array(fan)
          .fill(`*a${i - 1}`)
          .join(', ')}]`,
      );
    return lines.join('\n');
  },
  (random) => '['.repeat(random(100_000)) + ']'.repeat(random(100_000)),
  (random) => '{a: '.repeat(random(20_000)),
  (random) => '- '.repeat(random(50_000)),
  (random) => Array.from({ length: random(3_000) }, (_, i) => `${' '.repeat(i)}a:`).join('\n'),
  (random) => 'a: &a\n'.concat('  b: *a\n'.repeat(random(50))),
  (random) => `a: ${'"\\u0041'.repeat(random(10_000))}`,
  (random) => `a: |\n${' x\n'.repeat(random(100_000))}`,
  (random) => `${'k'.repeat(random(200_000))}: 1`,
  (random) => Array.from({ length: random(20_000) }, (_, i) => `k${i}: ${i}`).join('\n'),
  (random) => `when: ${'('.repeat(random(5_000))}1${')'.repeat(random(5_000))}`,
];

/** A condition or an argument that is too much for a careless reader of expressions. */
const EXPRESSION_BOMBS: readonly ((random: Random) => string)[] = [
  (random) => `${'('.repeat(random(3_000))}1${')'.repeat(random(3_000))} == 1`,
  (random) => `${'!'.repeat(random(3_000))}true`,
  (random) => `${'['.repeat(random(2_000))}`,
  (random) => `1${' + 1'.repeat(random(5_000))} > 0`,
  (random) => `[1, 2, 3]${'.map(x, [1, 2, 3])'.repeat(random(30))}.size() > 0`,
  (random) => `"${'a'.repeat(random(50_000))}" == ""`,
];

export type FuzzFile = Uint8Array | string;

/** A file made from one that is sound. */
export function mutated(bases: readonly string[], random: Random): FuzzFile {
  if (random(100) === 0) return pick(BOMBS, random)(random);
  let text = pick(bases, random);
  const gentle = random(5) * random(2);
  for (let round = 0; round < gentle; round++) text = pick(GENTLE, random)(text, random, bases);
  if (gentle > 0 && random(3) > 0) return text;
  if (random(60) === 0) {
    const bomb = pick(EXPRESSION_BOMBS, random)(random);
    text = text.replace(nth(/(?:when|that): [^\n}]+/g, text, random), () => `when: ${JSON.stringify(bomb)}`);
  }
  const rounds = 1 + random(random(4) === 0 ? 12 : 3);
  for (let round = 0; round < rounds; round++) text = pick(MUTATIONS, random)(text, random, bases);
  return encoded(text, random);
}

/** Mostly text; now and then bytes of another encoding, or none. */
function encoded(text: string, random: Random): FuzzFile {
  switch (random(40)) {
    case 0:
      return Buffer.from(text, 'utf16le');
    case 1:
      return Buffer.from(`\ufeff${text}`, 'utf16le');
    case 2:
      return Buffer.from(text, 'utf16le').swap16();
    case 3:
      return Buffer.from(`${text}# caf\u00e9\n`, 'latin1');
    case 4:
      return Buffer.from(`\ufeff${text}`);
    case 5:
      return Buffer.from(text.replaceAll('\n', '\r\n'));
    case 6: {
      const bytes = Buffer.from(text);
      for (let i = 0; i < 1 + random(4); i++) bytes[random(Math.max(1, bytes.length))] = random(256);
      return bytes;
    }
    default:
      return text;
  }
}
