/**
 * What `mvctl validate` costs: a playbook beside a bare `node -e 0` (whole process, paired runs, medians), many playbooks
 * at once, and other tools on work of the same size, where they are installed: `node bench/validate.ts [--rounds 15]`.
 * Needs `npm run build`. Wall-clock time: leave the machine alone meanwhile.
 */
import { execFileSync, spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { cpus, tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';

const ROOT = join(import.meta.dirname, '..');
const MVCTL = join(ROOT, 'bin/mvctl.js');
const ONE = join(ROOT, 'playbooks/online-os-upgrade.yaml');
const PLAYBOOKS = 1_000;
const STEPS = 50;
/** A tool that starts an interpreter of its own for each file is not asked a thousand times. */
const PEER_FILES = 20;

const { values } = parseArgs({ options: { rounds: { type: 'string', default: '15' } } });
const rounds = Number(values.rounds);

interface Times {
  readonly wallMs: number;
  readonly cpuMs: number;
}

/** Runs a command in a shell that counts its time, with everything it starts. @throws Error where ours fails; a linter may find something */
function timed(command: string, args: readonly string[], cwd = ROOT): Times {
  const script = `TIMEFORMAT='%R %U %S'; { time "$@" >/dev/null 2>&1; } 2>&1`;
  const { stdout, status } = spawnSync('bash', ['-c', script, 'bash', command, ...args], { cwd, encoding: 'utf8' });
  if (args[0] === MVCTL && status !== 0) {
    throw new Error(
      `mvctl ${args.slice(1, 3).join(' ')} …: expected exit code 0, found ${status}; npm run build first`,
    );
  }
  const [real = 0, user = 0, system = 0] = stdout.trim().split(' ').map(Number);
  return { wallMs: real * 1e3, cpuMs: (user + system) * 1e3 };
}

const median = (list: readonly number[]): number => list.toSorted((a, b) => a - b)[list.length >> 1]!;

/** Two commands, in turn: what the second costs more than the first, run by run. */
function paired(node: string): void {
  const [bare, full, more, moreCpu]: number[][] = [[], [], [], []];
  for (let round = 0; round < rounds; round++) {
    const first = timed(node, ['-e', '0']);
    const second = timed(node, [MVCTL, 'validate', ONE]);
    bare!.push(first.wallMs);
    full!.push(second.wallMs);
    more!.push(second.wallMs - first.wallMs);
    moreCpu!.push(second.cpuMs - first.cpuMs);
  }
  const version = execFileSync(node, ['--version'], { encoding: 'utf8' }).trim();
  const [bareMs, fullMs, moreMs, cpuMs] = [bare!, full!, more!, moreCpu!].map((list) => median(list).toFixed(0));
  console.log(`| ${version} | ${bareMs} | ${fullMs} | ${moreMs} | ${cpuMs} |`);
}

/** Steps as they are written: a comment, a script, an expression, a retry, by turns. */
function playbookText(number: number): string {
  const steps = Array.from({ length: STEPS - 2 }, (_, i) => stepText(i));
  const end = [
    '      - id: check',
    '        uses: service.check',
    '      - id: commit',
    '        uses: commit',
    '        with: { guest: old }',
  ];
  const head = [
    'apiVersion: mvctl/v1',
    'kind: Playbook',
    `name: playbook-${number}`,
    'vars:',
    '  soakFor: { type: duration, default: 30s }',
    '  word: { type: string, default: hello }',
    'phases:',
    '  - id: work',
    '    steps:',
  ];
  return `${[...head, ...steps, ...end].join('\n')}\n`;
}

function stepText(i: number): string {
  const forms = [
    `      # ${i}: let it settle\n      - id: pause${i}\n        uses: pause\n        with: { for: '\${{ vars.soakFor }}' }`,
    `      - id: facts${i}\n        uses: guest.facts\n        with: { guest: old, packages: [nginx, openssl] }`,
    `      - id: assert${i}\n        uses: assert\n        with: { that: 'steps.facts${i - 1}.kernel != ""', message: 'kernel is \${{ steps.facts${i - 1}.kernel }}' }`,
    `      - id: run${i}\n        name: Run command ${i}\n        uses: guest.run\n        with:\n          guest: old\n          script: |\n            echo "$WORD"\n            sync\n          env: { WORD: '\${{ vars.word }}' }\n        timeout: 30s\n        retry: { attempts: 3, delay: 1s }\n        undo: none`,
  ];
  return forms[i % forms.length]!;
}

/** The same number of tasks in the words of Ansible. */
function ansibleText(): string {
  const tasks = Array.from(
    { length: STEPS },
    (_, i) =>
      `    - name: Run command ${i}\n      ansible.builtin.command:\n        cmd: sync\n      changed_when: false\n      retries: 3\n      delay: 1`,
  );
  return `---\n- name: Bench\n  hosts: localhost\n  gather_facts: false\n  tasks:\n${tasks.join('\n')}\n`;
}

const isInstalled = (command: string): boolean => spawnSync('bash', ['-c', `command -v ${command}`]).status === 0;

function peer(name: string, command: string, args: readonly string[], files: number, cwd: string): void {
  if (!isInstalled(command) && !existsSync(command)) {
    console.log(`| ${name} | not installed | | |`);
    return;
  }
  const times = Array.from({ length: 3 }, () => timed(command, args, cwd));
  const [wallMs, cpuMs] = [median(times.map((each) => each.wallMs)), median(times.map((each) => each.cpuMs))];
  console.log(`| ${name} | ${files} | ${wallMs.toFixed(0)} | ${cpuMs.toFixed(0)} |`);
}

console.log(`${cpus()[0]?.model}, ${rounds} pairs\n`);
console.log(
  '| Node.js | `node -e 0`, ms | `mvctl validate`, ms | more, ms (median of pairs) | more CPU, ms |\n| --- | ---: | ---: | ---: | ---: |',
);
for (const node of new Set([process.execPath, '/usr/bin/node'])) if (existsSync(node)) paired(node);

const folder = mkdtempSync(join(tmpdir(), 'mvctl-bench-'));
try {
  mkdirSync(join(folder, 'many'));
  mkdirSync(join(folder, 'some'));
  for (let i = 0; i < PLAYBOOKS; i++) writeFileSync(join(folder, 'many', `${i}.yaml`), playbookText(i));
  for (let i = 0; i < PEER_FILES; i++) writeFileSync(join(folder, 'some', `${i}.yaml`), playbookText(i));
  writeFileSync(join(folder, 'site.yml'), ansibleText());
  const bin = (name: string): string => join(ROOT, 'node_modules/.bin', name);
  const some = Array.from({ length: PEER_FILES }, (_, i) => `some/${i}.yaml`);
  console.log(`\n| ${STEPS} steps a file | files | wall, ms | CPU, ms |\n| --- | ---: | ---: | ---: |`);
  peer('mvctl validate', process.execPath, [MVCTL, 'validate', 'many'], PLAYBOOKS, folder);
  peer('mvctl validate', process.execPath, [MVCTL, 'validate', 'some'], PEER_FILES, folder);
  peer('mvctl validate', process.execPath, [MVCTL, 'validate', 'some/0.yaml'], 1, folder);
  peer('js-yaml (parses, checks nothing)', bin('js-yaml'), ['some/0.yaml'], 1, folder);
  peer('yaml valid (parses, checks nothing)', 'bash', ['-c', `${bin('yaml')} valid < some/0.yaml`], 1, folder);
  peer(
    'ansible-playbook --syntax-check',
    'ansible-playbook',
    ['--syntax-check', '-i', 'localhost,', 'site.yml'],
    1,
    folder,
  );
  peer('ansible-lint --offline', 'ansible-lint', ['--offline', 'site.yml'], 1, folder);
  peer('yamllint', 'yamllint', some, PEER_FILES, folder);
} finally {
  rmSync(folder, { recursive: true, force: true });
}
