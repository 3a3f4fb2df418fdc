// What a guest is told to do through its agent.
import { needsRunning } from './requirements.ts';
import {
  GUEST,
  guestArg,
  LOOKS_ONLY,
  leavesNothing,
  listArg,
  node,
  numberArg,
  type StepArgs,
  type StepKind,
  textArg,
} from './step-kind.ts';

const PACKAGES = {
  type: 'list<string>',
  summary: 'packages whose versions are asked for with dpkg-query',
  default: [],
} as const;

/** A script runs in a shell that stops at the first error; values reach it as environment variables only. */
const argvOf = (args: StepArgs): readonly string[] =>
  args['script'] === undefined ? listArg<string>(args, 'argv') : ['/bin/sh', '-euc', textArg(args, 'script')];

export const GUEST_STEPS: readonly StepKind[] = [
  {
    name: 'guest.run',
    summary: 'Runs a command, or a shell script, in a guest.',
    args: {
      guest: GUEST,
      argv: { type: 'list<string>', summary: 'the command and its arguments; or give script' },
      script: { type: 'string', summary: 'a program for /bin/sh -eu; pass values with env', isShell: true },
      env: { type: 'map<string, string>', summary: 'environment variables', default: {}, maySecret: true },
      expectExit: { type: 'list<int>', summary: 'exit codes that mean success', default: [0] },
    },
    does: node('guest.run', (args) => ({
      guest: guestArg(args),
      argv: argvOf(args),
      env: args['env'] as { readonly [name: string]: string },
      expectExit: listArg<number>(args, 'expectExit'),
    })),
    outputs: {
      stdout: { type: 'string', summary: 'standard output' },
      stderr: { type: 'string', summary: 'standard error' },
      exitCode: { type: 'int', summary: 'exit code' },
    },
    timeoutMs: 60_000,
    undo: { how: 'ask' },
    atomic: false,
    volatile: false,
    requires: [needsRunning()],
    effects: [],
    prior: { ms: 300 },
  },
  {
    name: 'guest.copy',
    summary: 'Writes a file in a guest.',
    args: {
      guest: GUEST,
      to: { type: 'string', summary: 'absolute path in the guest', required: true },
      content: { type: 'string', summary: 'the content; or give from', maySecret: true },
      from: { type: 'file', summary: 'a file beside the playbook' },
      mode: { type: 'int', summary: 'permission bits, e.g. 0o644', default: 0o644, min: 0, max: 0o7777 },
    },
    does: node('guest.copy', (args) => ({
      guest: guestArg(args),
      to: textArg(args, 'to'),
      contentBase64:
        args['from'] === undefined
          ? Buffer.from(textArg(args, 'content'), 'utf8').toString('base64')
          : textArg(args, 'from'),
      mode: numberArg(args, 'mode'),
    })),
    outputs: { bytes: { type: 'int', summary: 'size of the file' } },
    timeoutMs: 60_000,
    undo: { how: 'ask' },
    atomic: false,
    volatile: false,
    requires: [needsRunning()],
    effects: [],
    prior: { ms: 20, spread: 0.05 },
  },
  {
    name: 'guest.wait-for',
    summary: 'Waits until the agent of a guest answers, or a command in it succeeds.',
    args: {
      guest: GUEST,
      argv: { type: 'list<string>', summary: 'the command; none waits for the agent', default: [] },
      every: { type: 'duration', summary: 'time between two attempts', default: '500ms' },
    },
    does: node('guest.wait-for', (args) => ({
      guest: guestArg(args),
      argv: listArg<string>(args, 'argv'),
      intervalMs: numberArg(args, 'every'),
    })),
    outputs: { attempts: { type: 'int', summary: 'how often it was tried' } },
    timeoutMs: 'must',
    ...leavesNothing('it only waits'),
    requires: [needsRunning()],
    prior: { ms: 1_000 },
  },
  {
    name: 'guest.facts',
    summary: 'Asks a guest for its kernel, its OS release and versions of packages.',
    args: { guest: GUEST, packages: PACKAGES },
    does: node('guest.facts', (args) => ({ guest: guestArg(args), packages: listArg<string>(args, 'packages') })),
    outputs: {
      kernel: { type: 'string', summary: '`uname -r`' },
      osRelease: { type: 'map<string, string>', summary: '/etc/os-release' },
      packages: { type: 'map<string, string>', summary: 'version by package' },
    },
    timeoutMs: 30_000,
    ...LOOKS_ONLY,
    requires: [needsRunning()],
    prior: { ms: 200, spread: 0.05 },
  },
  {
    name: 'guest.sample-work',
    summary: 'Runs a fixed piece of work in a guest and accounts for it; bare and virtualized give the overhead.',
    args: {
      guest: GUEST,
      argv: { type: 'list<string>', summary: 'the work: a command that does the same each time', required: true },
      times: {
        type: 'int',
        summary: 'how often in a row',
        default: 1,
        min: 1,
        max: 1000,
      },
    },
    does: node('guest.sample-work', (args) => ({
      guest: guestArg(args),
      argv: listArg<string>(args, 'argv'),
      times: args['times'] as number,
    })),
    outputs: {
      virtualized: { type: 'bool', summary: 'whether the Microvisor was there' },
      nodeNs: { type: 'int', summary: 'node time of one, the median' },
      instructions: { type: 'int', summary: 'instructions the guest retired' },
      traps: { type: 'json', summary: 'M-mode entries by cause' },
    },
    timeoutMs: 120_000,
    ...leavesNothing('the work leaves nothing behind'),
    requires: [needsRunning()],
    prior: { ms: 500 },
  },
];
