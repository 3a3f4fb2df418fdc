/** The product end to end, as a user runs it: mvctl against a node in a process of its own, unmodified Debian inside. */
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, describe, expect, it } from 'vitest';
import { connectNode } from '../../src/node/index.ts';
import { ROOT, start } from './mvctl-process.ts';

const scratch = mkdtempSync(join(tmpdir(), 'mvctl-upgrade-'));
const used = new Set<string>();

afterEach(async () => {
  for (const stateDir of used) await powerOff(stateDir);
  used.clear();
});

afterAll(() => {
  rmSync(scratch, { recursive: true, force: true });
});

async function powerOff(stateDir: string): Promise<void> {
  const node = await connectNode({ stateDir });
  await node.shutDown();
  await node.close();
}

interface Prepared {
  readonly args: string[];
  readonly resume: string[];
  readonly report: string;
}

function argsFor(name: string, more: readonly string[] = []): Prepared {
  const [stateDir, report] = [join(scratch, name), join(scratch, `${name}.json`)];
  used.add(stateDir);
  const playbook = join(ROOT, 'playbooks/online-os-upgrade.yaml');
  const where = ['--state-dir', stateDir, '--output', `json=${report}`];
  return { args: ['apply', playbook, ...where, ...more], resume: ['resume', ...where], report };
}

const readReport = (path: string) => JSON.parse(readFileSync(path, 'utf8'));

/** What of a report depends on this computer's clock. */
const WALL_CLOCK = new Set(['wallMs', 'startedAt']);
const withoutWallClock = (report: unknown): string =>
  JSON.stringify(report, (key, value) => (WALL_CLOCK.has(key) ? undefined : value));

describe('an online upgrade of the OS of a live server', () => {
  let first: unknown;

  it('ends with another kernel and web server, and no client noticed', async () => {
    const { args, report } = argsFor('first');
    const { exitCode, printed } = await start(args).finished;
    expect(exitCode, printed).toBe(0);
    const measured = readReport(report);
    first = measured;
    expect(measured.run.outcome).toBe('succeeded');
    expect(measured.service).toMatchObject({ failed: 0, downtimeMs: 0, resolutionMs: 5 });
    const { short, keepAlive, download } = measured.service.load;
    expect([short.failed, keepAlive.failed, download.failed]).toEqual([0, 0, 0]);
    // Some of each were under way when the service moved.
    expect(Math.min(short.requests, keepAlive.requests)).toBeGreaterThan(1000);
    expect(download.requests).toBeGreaterThan(5);
    expect(measured.service.requests).toBeGreaterThan(1000);
    expect(measured.os.before.kernel).toMatch(/^6\./);
    expect(measured.os.after.kernel).toMatch(/^7\./);
    expect(measured.os.after.packages.nginx).not.toBe(measured.os.before.packages.nginx);
    expect(measured.microvisor).toMatchObject({ stateIdentical: true, bareTrapsExtra: 0 });
  });

  it('killed again and again is resumed and measures what a run that was never killed does', async () => {
    const { args, resume, report } = argsFor('killed');
    for (const step of ['giveUpMemory', 'bootCopy', 'install', 'rebootCopy', 'moveService', 'shutDownOld', 'slipOut']) {
      const { child, finished, tells } = start(step === 'giveUpMemory' ? args : resume);
      await tells(`… ${step}\n`);
      child.kill('SIGKILL');
      await finished;
    }
    const { exitCode, printed } = await start(resume).finished;
    expect(exitCode, printed).toBe(0);
    expect(withoutWallClock(readReport(report).os)).toBe(withoutWallClock((first as { os: unknown }).os));
    expect(withoutWallClock(readReport(report).service)).toBe(
      withoutWallClock((first as { service: unknown }).service),
    );
  });

  it('measures the same again, byte for byte but for the wall clock', async () => {
    const { args, report } = argsFor('second');
    const { exitCode, printed } = await start(args).finished;
    expect(exitCode, printed).toBe(0);
    expect(withoutWallClock(readReport(report))).toBe(withoutWallClock(first));
  });

  for (const broken of ['broken-package', 'broken-service', 'broken-kernel']) {
    it(`with a ${broken} is rolled back, and the old OS has served all along`, async () => {
      const { args, report } = argsFor(broken, ['--disk', `upgrades=${broken}`]);
      const { exitCode, printed } = await start(args).finished;
      expect(exitCode, printed).toBe(20);
      const measured = readReport(report);
      expect(measured.run.outcome).toBe('rolled-back');
      expect(measured.service.failed).toBe(0);
      expect(measured.microvisor.stateIdentical).toBe(true);
      expect(measured.os.after).toEqual(measured.os.before);
    });
  }
});
