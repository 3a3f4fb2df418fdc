/** What the world hands to mvctl in place of what it expects: it says what is wrong, in words, and keeps what people have. */
import { spawnSync } from 'node:child_process';
import {
  chmodSync,
  closeSync,
  cpSync,
  existsSync,
  lstatSync,
  mkdirSync,
  mkdtempSync,
  openSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  truncateSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { ERASE_LINE, liveLine } from '../../src/cli/live-line.ts';
import { describe as describeProgress } from '../../src/cli/run-lines.ts';
import { RunStore } from '../../src/engine/index.ts';
import { decodeLine, encodeRecord } from '../../src/engine/journal/record-line.ts';
import { stepsOf } from '../../src/engine/plan/plan.ts';
import { paint } from '../../src/engine/report/paint.ts';
import { modelFor, ONLINE, options, planOf, runPlan } from '../engine/model-run.ts';
import { type Ran, runMvctl } from './run-mvctl.ts';

const SETTING = join(import.meta.dirname, '../../playbooks/configuration-change.yaml');

/** Whatever is wrong, nobody is shown where in mvctl it was noticed. */
async function mvctl(...argv: readonly string[]): Promise<Ran> {
  const ran = await runMvctl(argv);
  expect(ran.err).not.toMatch(/\n\s+at .*:\d+:\d+|internal error/);
  return ran;
}

const MAIN = join(import.meta.dirname, '../../src/cli/main.ts');
let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'mvctl-hostile-'));
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

const made = (name: string, content: string | Uint8Array): string => {
  const path = join(folder, name);
  writeFileSync(path, content);
  return path;
};

describe('a file that is no playbook', () => {
  const MADE: readonly (readonly [what: string, make: () => string, exitCode: number, says: RegExp])[] = [
    ['is not there', () => join(folder, 'none.yaml'), 2, /cannot read .*none\.yaml: there is no such file/],
    ['has no name', () => '', 2, /cannot read '': there is no such file/],
    [
      'is a link to itself',
      () => {
        symlinkSync('loop.yaml', join(folder, 'loop.yaml'));
        return join(folder, 'loop.yaml');
      },
      2,
      /loop\.yaml: it is a link to itself/,
    ],
    ['never ends', () => '/dev/zero', 1, /MV0004: expected at most 1048576 bytes, found more/],
    [
      'is larger than Node.js reads',
      () => {
        truncateSync(made('large.yaml', ''), 3 * 2 ** 30);
        return join(folder, 'large.yaml');
      },
      1,
      /MV0004: expected at most 1048576 bytes, found more/,
    ],
    ['is binary', () => made('binary.yaml', Uint8Array.of(0xff, 0xfe, 0x00, 0x80)), 1, /MV0006: expected UTF-8 text/],
    ['is UTF-16', () => made('wide.yaml', Buffer.from('\ufeffkind: Playbook', 'utf16le')), 1, /MV0006: expected UTF-8/],
    ['is empty', () => made('empty.yaml', ''), 1, /MV0007: expected a playbook, found an empty file/],
    [
      'expands for ever',
      () =>
        made(
          'bomb.yaml',
          Array.from(
            { length: 12 },
            (_, i) =>
              `a${i}: &a${i} [${Array(9)
                .fill(i ? `*a${i - 1}` : 'x')
                .join(', ')}]`,
          ).join('\n'),
        ),
      1,
      /MV0005: expected at most 100000 values after aliases are expanded/,
    ],
    ['is indented with tabs', () => made('tabs.yaml', 'phases:\n\t- id: a\n'), 1, /MV0002: expected spaces/],
    [
      'says something twice',
      () => made('twice.yaml', 'kind: Playbook\nkind: Fragment\n'),
      1,
      /MV0003: expected each key once/,
    ],
  ];
  it.each(MADE)('and %s is told by every verb that reads one', async (_what, make, exitCode, says) => {
    const path = make();
    for (const verb of [['validate'], ['verify'], ['plan'], ['simulate'], ['graph'], ['apply', '--dry-run']]) {
      const found = await mvctl(...verb, path);
      expect(found, verb.join(' ')).toMatchObject({ exitCode });
      expect(found.err + found.out, verb.join(' ')).toMatch(says);
    }
  });

  it('is a folder for those verbs that take one file', async () => {
    for (const verb of [['plan'], ['simulate'], ['graph'], ['apply', '--dry-run']]) {
      expect(await mvctl(...verb, folder)).toMatchObject({
        exitCode: 2,
        err: `mvctl: cannot read ${folder}: it is a folder\n`,
      });
    }
  });

  it('is a folder for those that take many, and those of its kind count', async () => {
    for (const [verb, kind] of [
      ['validate', ''],
      ['verify', ' and kind: Playbook'],
      ['test', ' and kind: PlaybookTest'],
    ] as const) {
      expect(await mvctl(verb, folder)).toMatchObject({
        exitCode: 2,
        err: `mvctl: ${folder}: no YAML file in it has apiVersion: mvctl/v1${kind}\n`,
      });
    }
    const test = SETTING.replace('.yaml', '.test.yaml');
    cpSync(SETTING, join(folder, 'configuration-change.yaml'));
    cpSync(test, join(folder, 'configuration-change.test.yaml'));
    cpSync(join(dirname(SETTING), 'fragments'), join(folder, 'fragments'), { recursive: true });
    const verified = await mvctl('verify', folder);
    expect(verified).toMatchObject({ exitCode: 0, err: '' });
    expect(verified.out).toContain(`${folder}/configuration-change.yaml: every one of`);
    const tested = await mvctl('test', folder);
    expect(tested).toMatchObject({ exitCode: 0, err: '' });
    expect(tested.out).toContain(`${folder}/configuration-change.test.yaml\n`);
  });

  it('that is a test is none to verify, which says so', async () => {
    const test = SETTING.replace('.yaml', '.test.yaml');
    expect(await mvctl('verify', test)).toMatchObject({
      exitCode: 2,
      err: `mvctl: expected a playbook, found tests of playbooks: ${test}\n`,
    });
  });

  it('of which there is none is told', async () => {
    expect(await mvctl('verify', join(folder, '*.yaml'))).toMatchObject({ exitCode: 2 });
  });

  it('keeps no verb from the others of a command line', async () => {
    const broken = made('broken.yaml', 'apiVersion: mvctl/v1\nkind: Playbook\nname: x\n');
    const verified = await mvctl('verify', broken, SETTING);
    expect(verified).toMatchObject({ exitCode: 1 });
    expect(verified.out).toContain('configuration-change.yaml: every one of');
    const test = made(
      'broken.test.yaml',
      `apiVersion: mvctl/v1\nkind: PlaybookTest\nplaybook: broken.yaml\ntests: [{ name: a, expect: { outcome: succeeded } }]\n`,
    );
    const tested = await mvctl('test', test, SETTING.replace('.yaml', '.test.yaml'));
    expect(tested).toMatchObject({ exitCode: 1 });
    expect(tested.out).toContain(' passed');
  });

  it('may have the ends of lines of another system, and a byte order mark', async () => {
    const text = readFileSync(SETTING, 'utf8');
    for (const other of [text.replaceAll('\n', '\r\n'), `\ufeff${text}`]) {
      expect(await mvctl('validate', made('other.yaml', other))).toMatchObject({ exitCode: 0 });
      expect(await mvctl('verify', made('other.yaml', other))).toMatchObject({ exitCode: 0 });
    }
  });
});

describe('an output', () => {
  it('that would end up inside another one is refused', async () => {
    for (const [verb, first, second] of [
      ['validate', 'json', 'sarif'],
      ['validate', 'json=a', 'junit=a'],
      ['apply', 'json', 'pretty'],
    ] as const) {
      const found = await mvctl(verb, SETTING, '--output', first, '--output', second);
      expect(found).toMatchObject({ exitCode: 2, out: '' });
      expect(found.err).toMatch(/(?:json goes to (?:standard output|a) already)/);
    }
    expect(await mvctl('validate', SETTING, '--output', 'github', '--output', 'pretty')).toMatchObject({ exitCode: 0 });
  });

  it('that cannot be written has an exit code of its own', async () => {
    const found = await mvctl('validate', SETTING, '--output', `json=${folder}`);
    expect(found).toMatchObject({ exitCode: 5, err: `mvctl: cannot write ${folder}: it is a folder\n` });
  });

  it('of a run is tried before the run, and so is the report to put beside it', async () => {
    for (const [flag, value] of [
      ['--output', `json=${folder}`],
      ['--output', 'html='],
      ['--compare', join(folder, 'none.json')],
      ['--compare', made('null.json', 'null')],
    ] as const) {
      expect(await mvctl('apply', SETTING, flag, value, '--state-dir', join(folder, 'node'))).toMatchObject({
        exitCode: 2,
        out: '',
      });
    }
    expect(existsSync(join(folder, 'node'))).toBe(false);
  });
});

describe.skipIf(!existsSync('/dev/full'))('a terminal or a log that takes nothing', () => {
  const run = (what: 'stdout' | 'stderr', ...argv: readonly string[]) => {
    const full = openSync('/dev/full', 'w');
    try {
      const stdio = what === 'stdout' ? (['ignore', full, 'pipe'] as const) : (['ignore', 'pipe', full] as const);
      return spawnSync(process.execPath, [MAIN, ...argv], { stdio: [...stdio], encoding: 'utf8' });
    } finally {
      closeSync(full);
    }
  };

  it.each([
    ['validate', SETTING, '--output', 'json'],
    ['apply', SETTING, '--dry-run'],
    ['graph', SETTING],
  ])('is told of on standard error, and by the exit code (%s)', (...argv) => {
    const { status, stderr } = run('stdout', ...argv);
    expect({ status, stderr }).toMatchObject({ status: 5 });
    expect(stderr).toContain('mvctl: cannot write to standard output: ENOSPC');
    expect(stderr).not.toMatch(/\n\s+at /);
  });

  it('ends no run where it is standard error', () => {
    const { status, stdout } = run('stderr', 'apply', SETTING, '--dry-run');
    expect(status).toBe(0);
    expect(stdout).toContain('configuration-change succeeded');
  });
});

describe('what a guest says', () => {
  it('reaches the terminal as text, never as orders', () => {
    const plan = planOf(SETTING, {});
    const [step] = stepsOf(plan);
    const message = 'no\u001b[2J\u009b31m such\tfile\nor \u0007folder';
    const told = { step: step!, code: 'exit-code', message, atNs: 0 } as const;
    for (const progress of [
      { type: 'step-failed', attempt: 1, ...told },
      { type: 'undo-failed', ...told },
    ] as const) {
      // biome-ignore lint/suspicious/noControlCharactersInRegex: these must not be there
      expect(describeProgress(progress, paint(false))).not.toMatch(/[\u0000-\u0008\u000b-\u001f\u007f-\u009f]/);
      expect(describeProgress(progress, paint(false))).toContain('such\tfile\nor');
    }
  });
});

describe('a file that mvctl writes anew', () => {
  it('keeps its mode, and stays where a link says it is', async () => {
    const real = made(
      'real.yaml',
      readFileSync(SETTING, 'utf8').replace('name: configuration-change', 'name:   configuration-change'),
    );
    chmodSync(real, 0o640);
    symlinkSync('real.yaml', join(folder, 'link.yaml'));
    expect(await mvctl('fmt', join(folder, 'link.yaml'))).toMatchObject({ exitCode: 0 });
    expect(readFileSync(real, 'utf8')).toBe(readFileSync(SETTING, 'utf8'));
    expect(statSync(real).mode & 0o777).toBe(0o640);
    expect(lstatSync(join(folder, 'link.yaml')).isSymbolicLink()).toBe(true);
    expect(existsSync(`${real}.new`)).toBe(false);
  });
});

/** mvctl as another user, where that one may read it. */
const asNobody = (...argv: readonly string[]) =>
  spawnSync(process.execPath, [MAIN, ...argv], { uid: 65_534, gid: 65_534, encoding: 'utf8' });
const hasNobody = process.getuid?.() === 0 && asNobody('--version').status === 0;

describe('a state directory', () => {
  it('that is not there is not made by who has nothing to keep', async () => {
    const stateDir = join(folder, 'node');
    const verbs = [
      ['resume'],
      ['rollback'],
      ['runs', 'ls'],
      ['lock', 'ls'],
      ['lock', 'break'],
      ['report'],
      ['approve', 'a', '--as', 'b'],
      ['node', 'down'],
    ];
    for (const verb of verbs) await mvctl(...verb, '--state-dir', stateDir);
    expect(await mvctl('resume', '--state-dir', stateDir)).toMatchObject({ exitCode: 32 });
    expect(existsSync(stateDir)).toBe(false);
  });

  it('that cannot be made is told before disks are built for it', async () => {
    const inFile = join(made('file', ''), 'node');
    const found = await mvctl('apply', SETTING, '--state-dir', inFile);
    expect(found).toMatchObject({
      exitCode: 2,
      err: `mvctl: --state-dir: cannot make ${inFile}: a part of its path is no folder\n`,
    });
  });

  it.skipIf(!hasNobody)('that may not be looked into is not taken for an empty one', () => {
    const stateDir = join(folder, 'private/node');
    mkdirSync(join(stateDir, 'runs'), { recursive: true });
    chmodSync(folder, 0o755);
    for (const [closed, verbs] of [
      [stateDir, ['runs ls', 'lock ls', 'resume', 'node down']],
      [dirname(stateDir), ['lock ls']],
    ] as const) {
      chmodSync(closed, 0o700);
      for (const verb of verbs) {
        const { status, stderr } = asNobody(...verb.split(' '), '--state-dir', stateDir);
        expect([status, stderr], verb).toEqual([2, `mvctl: --state-dir: cannot look into ${stateDir}: you may not\n`]);
      }
    }
  });

  it('that is a file is the wrong command line', async () => {
    const file = made('file', '');
    for (const verb of [['resume'], ['runs', 'ls'], ['apply', SETTING]])
      expect(await mvctl(...verb, '--state-dir', file)).toMatchObject({
        exitCode: 2,
        err: `mvctl: --state-dir: expected a folder, found the file ${file}\n`,
      });
  });
});

describe('what earlier runs left', () => {
  let kept: { readonly journal: Buffer; readonly report: Buffer };
  let stateDir: string;
  let journal: string;
  let report: string;
  const plan = planOf(ONLINE);
  beforeAll(async () => {
    stateDir = mkdtempSync(join(tmpdir(), 'mvctl-left-'));
    for (let run = 0; run < 2; run++) await runPlan(plan, options(modelFor(plan), stateDir));
    journal = new RunStore(stateDir).runs()[1]!.journalPath;
    report = join(dirname(journal), 'report.json');
    kept = { journal: readFileSync(journal), report: readFileSync(report) };
  });
  afterEach(() => {
    writeFileSync(journal, kept.journal);
    writeFileSync(report, kept.report);
    rmSync(join(stateDir, 'epoch'));
    mkdirSync(stateDir, { recursive: true });
    writeFileSync(join(stateDir, 'epoch'), '2\n');
  });
  afterAll(() => rmSync(stateDir, { recursive: true, force: true }));
  const on = (...argv: readonly string[]) => mvctl(...argv, '--state-dir', stateDir);

  it.each(['{}', 'null', '[]', '{"apiVersion":"mvctl/v1","kind":"Report"}', '{"apiVersion":', ''])(
    'a report that says %s is none, and other verbs do without it',
    async (text) => {
      writeFileSync(report, text);
      const found = await on('report');
      expect(found).toMatchObject({ exitCode: 2 });
      expect(found.err).toMatch(/report\.json: expected (?:a report of mvctl\/v1|JSON)/);
      for (const verb of ['simulate', 'plan']) expect(await on(verb, ONLINE)).toMatchObject({ exitCode: 0 });
      expect(await on('runs', 'ls')).toMatchObject({ exitCode: 0 });
    },
  );

  it.each([
    [
      'is damaged before its end',
      () => Buffer.concat([kept.journal.subarray(0, 9), Buffer.from('!'), kept.journal.subarray(10)]),
      /damaged at byte 0/,
    ],
    ['holds other lines', () => 'these are\nno records\n', /damaged at byte 0: expected a record with a checksum/],
    ['is of another version', () => ofVersion(2), /expected a journal of version 1, found 2/],
  ])('a journal that %s stops who would go on with it, and hides no other', async (_what, content, says) => {
    writeFileSync(journal, content());
    for (const verb of [['resume'], ['rollback'], ['runs', 'show'], ['approve', 'a', '--as', 'b']]) {
      const found = await on(...verb);
      expect(found, verb.join(' ')).toMatchObject({ exitCode: 29 });
      expect(found.err).toMatch(says);
    }
    const listed = await on('runs', 'ls');
    expect(listed).toMatchObject({ exitCode: 29 });
    expect(listed.out).toMatch(/^1 .*succeeded/m);
    expect(listed.err).toMatch(says);
    expect(await on('simulate', ONLINE)).toMatchObject({ exitCode: 0 });
  });

  function ofVersion(version: number): string {
    const [first, ...rest] = kept.journal.toString().split(/(?<=\n)/);
    const decoded = decodeLine(first!.trimEnd());
    if (!decoded.ok || decoded.record.type !== 'begin') throw new Error('expected the begin of a run');
    const { seq, crc: _, ...record } = decoded.record;
    return encodeRecord(seq, { ...record, version: version as 1 }) + rest.join('');
  }

  it.each(['', 'x', '-5', '1e9', '9'.repeat(30)])('an epoch that says %j lets no engine begin', async (text) => {
    writeFileSync(join(stateDir, 'epoch'), text);
    await expect(runPlan(plan, options(modelFor(plan), stateDir))).rejects.toMatchObject({
      name: 'JournalError',
      message: expect.stringContaining('epoch: expected a whole number'),
    });
  });

  it('a last record that is there twice is no matter', async () => {
    const last = kept.journal
      .toString()
      .split(/(?<=\n)/)
      .at(-1)!;
    writeFileSync(journal, kept.journal + last);
    expect((await on('runs', 'ls')).out).toMatch(/^2 .*succeeded/m);
    expect(await on('resume')).toMatchObject({ exitCode: 32 });
  });
});

describe('a live line', () => {
  it.each([
    [40, 39],
    [0, 79],
    [undefined, 79],
  ])('of a terminal of %s columns stays one', (columns, length) => {
    expect(liveLine('x'.repeat(200), columns)).toBe(`${ERASE_LINE}${'x'.repeat(length)}`);
  });
});
