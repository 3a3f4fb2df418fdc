import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { OpenNode } from '../../src/cli/open-node.ts';
import { type Interference, NodeUnreachable, type Report } from '../../src/engine/index.ts';
import { lockNode, lockState } from '../../src/engine/journal/node-lock.ts';
import { modelFor, OFFLINE, ONLINE, planOf } from '../engine/model-run.ts';
import { type Ran, runMvctl } from './run-mvctl.ts';

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'mvctl-cli-'));
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

/** Runs a command line as `mvctl` would, on a model node where it needs one. */
async function mvctl(argv: readonly string[], open?: OpenNode): Promise<Ran> {
  const ran = await runMvctl(argv, open);
  expect(ran.err).not.toMatch(/\n\s+at .*:\d+:\d+/);
  return ran;
}

const MODEL = ['--var', 'expectedKernel=2.'];

function modelNode(fails?: { readonly step: string }): OpenNode {
  const interfere = ({ key }: { readonly key: string }): Interference | undefined =>
    fails && key.split('/')[2] === fails.step && !key.includes('/undo/') ? { fails: 'refused' } : undefined;
  const model = modelFor(planOf(ONLINE), interfere);
  return () => Promise.resolve(model);
}

describe('mvctl validate', () => {
  it('accepts the playbooks that are shipped', async () => {
    expect(await mvctl(['validate', ONLINE, OFFLINE])).toMatchObject({ exitCode: 0, err: '' });
  });

  it('tells mistakes on standard output and exits with 1', async () => {
    const path = join(folder, 'bad.yaml');
    writeFileSync(path, readFileSync(ONLINE, 'utf8').replace('uses: vm.create', 'uses: vm.crate'));
    const { out, exitCode } = await mvctl(['validate', path]);
    expect(exitCode).toBe(1);
    expect(out).toContain('error MV0112: unknown step kind "vm.crate"');
    expect(out).toContain('hint: did you mean "vm.create"?');
    const json = await mvctl(['validate', path, '--output', 'json']);
    expect(JSON.parse(json.out)).toMatchObject([{ code: 'MV0112', severity: 'error' }]);
  });
});

describe('mvctl apply', () => {
  it('runs a playbook and writes the report in every form asked for', async () => {
    const path = join(folder, 'reports/online.json');
    const output = ['--output', 'pretty', '--output', `json=${path}`];
    const { out, err, exitCode } = await mvctl(
      ['apply', ONLINE, ...MODEL, '--state-dir', folder, ...output],
      modelNode(),
    );
    expect(exitCode).toBe(0);
    expect(out).toContain('online-os-upgrade succeeded');
    expect(err).toContain('cut-over\n  … getReady\n  ✔ getReady 900ms\n  … moveService\n  ✔ moveService 60ms');
    expect((JSON.parse(readFileSync(path, 'utf8')) as Report).run.outcome).toBe('succeeded');
  });

  it('exits with 20 when it was rolled back', async () => {
    const { out, exitCode } = await mvctl(
      ['apply', ONLINE, ...MODEL, '--state-dir', folder],
      modelNode({ step: 'install' }),
    );
    expect(exitCode).toBe(20);
    expect(out).toContain('failed and was rolled back');
    expect(out).toMatch(/online-os-upgrade\.yaml:\d+: upgrade\/install failed: refused/);
  });

  it('pauses after the commit with 30, keeps other runs away, and resumes', async () => {
    const open = modelNode({ step: 'takeUpMemory' });
    const args = ['--state-dir', folder];
    expect(await mvctl(['apply', ONLINE, ...MODEL, ...args], open)).toMatchObject({ exitCode: 30 });
    expect(await mvctl(['apply', ONLINE, ...MODEL, ...args], open)).toMatchObject({ exitCode: 31 });
    expect(await mvctl(['apply', '--resume', ...args], open)).toMatchObject({ exitCode: 30 });
  });

  it('brings the node what it needs when it has the node alone, and not before', async () => {
    const model = modelFor(planOf(ONLINE), ({ key }) =>
      key.split('/')[2] === 'takeUpMemory' ? { fails: 'refused' } : undefined,
    );
    const happened: string[] = [];
    const status = model.status.bind(model);
    model.status = () => {
      happened.push('asked');
      return status();
    };
    const open: OpenNode = async () =>
      Object.assign(model, {
        prepare: async () => {
          happened.push((await lockState(folder)).state);
        },
      });
    const argv = ['apply', ONLINE, ...MODEL, '--state-dir', folder];
    const lock = await lockNode(folder, { pid: 1, since: 'now', playbook: 'another' });
    expect(await mvctl(argv, open)).toMatchObject({ exitCode: 24 });
    await lock.release();
    expect(happened).toEqual([]);
    expect(await mvctl(argv, open)).toMatchObject({ exitCode: 30 });
    expect(happened.slice(0, 2)).toEqual(['held', 'asked']);
    happened.length = 0;
    expect(await mvctl(argv, open)).toMatchObject({ exitCode: 31 });
    expect(happened).toEqual([]);
  });

  it('exits with 26 where the node does not answer, and with 32 where there is nothing to resume', async () => {
    const open: OpenNode = () => Promise.reject(new NodeUnreachable('nobody there'));
    expect(await mvctl(['apply', ONLINE, '--state-dir', folder], open)).toMatchObject({ exitCode: 26 });
    expect(await mvctl(['apply', '--resume', '--state-dir', folder], modelNode())).toMatchObject({ exitCode: 32 });
  });

  it('rehearses on a model and says that nothing was measured', async () => {
    const { out, exitCode } = await mvctl(['apply', ONLINE, '--dry-run']);
    expect(exitCode).toBe(0);
    expect(out).toContain('dry run: durations and downtimes are priors, nothing was measured');
  });

  it.each([
    ['no playbook', ['apply']],
    ['an unknown option', ['apply', ONLINE, '--nope']],
    ['a malformed variable', ['apply', ONLINE, '--var', 'x']],
    ['an unknown format', ['apply', ONLINE, '--output', 'xml']],
    ['a file that is not there', ['apply', 'nowhere.yaml']],
    ['a playbook with --resume', ['apply', ONLINE, '--resume']],
    ['a dry run with --resume, which would be none', ['apply', '--resume', '--dry-run']],
    ['a variable with --resume', ['apply', '--resume', '--var', 'a=b']],
  ])('exits with 2 for %s', async (_, argv) => {
    expect(await mvctl(argv)).toMatchObject({ exitCode: 2 });
  });
});

describe('what mvctl says of a wrong command line', () => {
  it.each([
    [['vaildate'], "mvctl: unknown command 'vaildate'\n(Did you mean validate?)\n  hint: mvctl --help\n"],
    [['lock', 'brake'], "mvctl: unknown command 'brake'\n(Did you mean break?)\n  hint: mvctl lock --help\n"],
    [['validate'], "mvctl: missing required argument 'playbook'\n  hint: mvctl validate --help\n"],
  ])('%s has the help that is meant', async (argv, err) => {
    expect(await mvctl(argv)).toEqual({ out: '', err, exitCode: 2 });
  });

  it('is not said of help, which is there for verbs of verbs, too', async () => {
    const { out, exitCode } = await mvctl(['help', 'lock', 'break']);
    expect(exitCode).toBe(0);
    expect(out).toContain('Usage: mvctl lock break');
  });
});

describe('a command that mvctl tells to go on with', () => {
  it('names the folder of the node, as a shell takes it', async () => {
    const stateDir = join(folder, "it's a node");
    const argv = ['apply', ONLINE, ...MODEL, '--state-dir', stateDir];
    const open = modelNode({ step: 'takeUpMemory' });
    expect(await mvctl(argv, open)).toMatchObject({ exitCode: 30 });
    const { err } = await mvctl(argv, open);
    const [, resume = ''] = /hint: (.*) or mvctl rollback/.exec(err) ?? [];
    const words = execFileSync('bash', ['-c', `printf '%s\n' ${resume}`], { encoding: 'utf8' });
    expect(words).toBe(`mvctl\nresume\n--state-dir\n${stateDir}\n`);
  });

  it('is one that can go on: where no run was begun there is none', async () => {
    const off: OpenNode = () => Promise.reject(new NodeUnreachable('nobody there'));
    const before = await mvctl(['apply', ONLINE, ...MODEL, '--state-dir', folder], off);
    expect(before).toMatchObject({ exitCode: 26, err: 'mvctl: nobody there\n' });
    const model = modelFor(planOf(ONLINE));
    model.waitUntil = () => Promise.reject(new NodeUnreachable('gone'));
    const during = await mvctl(['apply', ONLINE, ...MODEL, '--state-dir', folder], () => Promise.resolve(model));
    expect(during.exitCode).toBe(26);
    expect(during.err).toContain(`mvctl: gone\n  hint: mvctl resume --state-dir ${folder} goes on`);
  });
});

describe('mvctl resume and rollback', () => {
  it('go on with a run or take it back, and say where there is none', async () => {
    const args = ['--state-dir', folder];
    expect(await mvctl(['resume', ...args], modelNode())).toMatchObject({ exitCode: 32 });
    expect(await mvctl(['rollback', ...args], modelNode())).toMatchObject({ exitCode: 32 });
    const open = modelNode({ step: 'takeUpMemory' });
    expect(await mvctl(['apply', ONLINE, ...MODEL, ...args], open)).toMatchObject({ exitCode: 30 });
    const refused = await mvctl(['rollback', ...args], open);
    expect(refused.exitCode).toBe(35);
    expect(refused.err).toContain('past its commit');
    expect(await mvctl(['resume', ...args], open)).toMatchObject({ exitCode: 30 });
  });
});

describe('mvctl runs', () => {
  it('lists the runs of a node and tells what each did', async () => {
    const args = ['--state-dir', folder];
    expect((await mvctl(['runs', 'ls', ...args])).out).toContain('no run yet');
    expect(await mvctl(['runs', 'show', ...args])).toMatchObject({ exitCode: 36 });
    const open = modelNode({ step: 'install' });
    await mvctl(['apply', ONLINE, ...MODEL, ...args], open);
    await mvctl(['apply', ONLINE, ...MODEL, ...args], open);
    const { out } = await mvctl(['runs', 'ls', ...args]);
    expect(out).toMatch(/^1 .* online-os-upgrade {2}rolled-back /m);
    expect(JSON.parse((await mvctl(['runs', 'ls', '--output', 'json', ...args])).out)).toMatchObject([
      { number: 1, state: 'rolled-back', takenOver: 0 },
      { number: 2, state: 'rolled-back' },
    ]);
    const told = await mvctl(['runs', 'show', '1', ...args]);
    expect(told.out).toMatch(/ {2}✘ install +refused: as the test wants it\n/);
    expect(told.out).toContain('✔ taking back createVm');
    expect(told.out).toContain('end rolled-back');
    expect(await mvctl(['runs', 'show', '7', ...args])).toMatchObject({ exitCode: 36 });
  });
});

describe('mvctl report', () => {
  it('shows the report of a run by its number, the last one when none is named', async () => {
    const args = ['--state-dir', folder];
    expect(await mvctl(['report', ...args])).toMatchObject({ exitCode: 36 });
    await mvctl(['apply', ONLINE, ...MODEL, ...args], modelNode());
    const last = await mvctl(['report', ...args]);
    expect(last.out).toContain('online-os-upgrade succeeded');
    expect(await mvctl(['report', '1', ...args])).toEqual(last);
  });

  it('puts the ordinary way beside the other', async () => {
    const paths = { online: join(folder, 'online.json'), offline: join(folder, 'offline.json') };
    await mvctl(['apply', ONLINE, '--dry-run', '--output', `json=${paths.online}`]);
    await mvctl(['apply', OFFLINE, '--dry-run', '--output', `json=${paths.offline}`]);
    const { out } = await mvctl(['report', paths.online, paths.offline]);
    expect(out).toMatch(/\d+(\.\d)? times less downtime/);
  });
});
