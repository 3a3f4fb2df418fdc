import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { runProgram } from '../../src/cli/program.ts';
import { VERBS } from '../../src/cli/verbs.ts';

const PLAYBOOKS = join(import.meta.dirname, '../../playbooks');
const ONLINE = join(PLAYBOOKS, 'online-os-upgrade.yaml');

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'mvctl-test-'));
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

async function mvctl(...argv: readonly string[]): Promise<{ out: string; err: string; exitCode: number }> {
  let [out, err, exitCode] = ['', '', 0];
  const io = {
    stdout: { write: (text: string) => (out += text) },
    stderr: { write: (text: string) => (err += text) },
    isColor: false,
    wallNow: () => 0,
    setExitCode: (code: number) => {
      exitCode = code;
    },
  };
  await runProgram(argv, io, VERBS);
  expect(err).not.toMatch(/\n\s+at .*:\d+:\d+/);
  return { out, err, exitCode };
}

/** A test of the online upgrade in a folder of its own. */
function write(tests: string): string {
  const file = join(folder, 'x.test.yaml');
  writeFileSync(file, `apiVersion: mvctl/v1\nkind: PlaybookTest\nplaybook: online-os-upgrade.yaml\ntests:\n${tests}`);
  writeFileSync(join(folder, 'online-os-upgrade.yaml'), readFileSync(ONLINE));
  return file;
}

describe('mvctl test', () => {
  it.each(readdirSync(PLAYBOOKS).filter((name) => name.endsWith('.test.yaml')))('%s passes', async (name) => {
    const { out, err, exitCode } = await mvctl('test', join(PLAYBOOKS, name));
    expect({ out, err, exitCode }).toMatchObject({ exitCode: 0, err: '' });
  });

  it('refuses what could never come to pass: a fault where nothing is asked, an assumption about nothing', async () => {
    const file = write(`  - name: soaking fails
    vars: { expectedKernel: "2." }
    mocks: { soaking: { takes: 1h } }
    faults: [{ at: soaking, what: fails }]
    assume: { "vars.doesNotExist": true }
    expect: { outcome: succeeded }
`);
    const { err, exitCode } = await mvctl('test', file);
    expect(exitCode).toBe(1);
    expect(err).toContain(`${file}:7:14: error MV0104: soaking asks nothing of the node`);
    expect(err).toContain(`${file}:8:20: error MV0104: soaking asks nothing of the node`);
    expect(err).toContain(`${file}:9:15: error MV0204: the playbook has no condition, and no assertion,`);
  });

  it('shows the line of an expectation that is not met', async () => {
    const file = write(`  - name: it is down for long
    vars: { expectedKernel: "2." }
    expect:
      outcome: succeeded
      order: [commit, moveService]
      downtime: { min: 1h }
`);
    const { out, exitCode } = await mvctl('test', file);
    expect(exitCode).toBe(4);
    expect(out).toContain(`${file}:9:23: moveService was done before commit`);
    expect(out).toContain(`${file}:10:24: expected a downtime of at least 1h, found 0ms`);
    expect(out).toContain('1 of 1 failed');
  });

  it('writes JUnit', async () => {
    const file = write('  - { name: a & b, expect: { outcome: paused } }\n');
    const { out } = await mvctl('test', file, '--output', 'junit');
    expect(out).toContain('<testcase classname=');
    expect(out).toContain('name="a &amp; b"');
    expect(out).toContain('failures="1"');
  });

  it.each([
    ['a step that does not exist', 'faults: [{ at: instal, what: fails }]', 'did you mean "install"?'],
    ['a fault that does not exist', 'faults: [{ at: install, what: explodes }]', 'MV0104'],
    ['a duration without a unit', 'mocks: { install: { takes: "5" } }', 'write the unit'],
    ['a failure code that does not exist', 'faults: [{ at: install, what: fails, code: oops }]', 'failure code'],
    ['an unknown key', 'fault: []', 'did you mean "faults"?'],
  ])('says where a test names %s', async (_, line, told) => {
    const file = write(`  - name: x\n    ${line}\n    expect: { outcome: succeeded }\n`);
    const { err, exitCode } = await mvctl('test', file);
    expect(exitCode).toBe(1);
    expect(err).toContain(`${file}:6:`);
    expect(err).toContain(told);
  });
});

describe('mvctl verify', () => {
  it('exits with 0 where every property holds, and says how much it saw', async () => {
    const { out, exitCode } = await mvctl('verify', ONLINE);
    expect(exitCode).toBe(0);
    expect(out).toMatch(/\d{3,} states, \d{4,} transitions, \d{3,} crashes of mvctl resumed/);
  });

  it('tells a mistake as a story with lines, exits with 1 and writes it as a test', async () => {
    const file = join(folder, 'online-os-upgrade.yaml');
    const text = readFileSync(ONLINE, 'utf8').replace(
      'disk: system-new }\n\n',
      'disk: system-new }\n        undo: none\n\n',
    );
    writeFileSync(file, text);
    const tests = join(folder, 'counter.test.yaml');
    const { out, exitCode } = await mvctl('verify', file, '--tests', tests);
    expect(exitCode).toBe(1);
    expect(out).toMatch(/online-os-upgrade\.yaml:\d+: error /);
    expect(out).toMatch(/ {2}1\. slipUnder \(microvisor\.virtualize\) .* {2}.*online-os-upgrade\.yaml:\d+/);
    expect((await mvctl('test', tests)).exitCode).toBe(4);
  });

  it('writes JSON and JUnit', async () => {
    const json = JSON.parse((await mvctl('verify', ONLINE, '--output', 'json')).out) as [{ states: number }];
    expect(json[0].states).toBeGreaterThan(500);
    expect((await mvctl('verify', ONLINE, '--output', 'junit')).out).toContain('failures="0"');
  });
});
