/**
 * Puts every shipped playbook to the proof: validated, verified, simulated, its tests run, and applied once to a new emulated node.
 * Prints the table of docs/playbook-language.md.
 *
 *   node tools/shipped-playbooks.ts [--only application-upgrade,must-roll-back]
 */
import { spawnSync } from 'node:child_process';
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { EXIT } from '../src/engine/exit-codes.ts';
import type { Report } from '../src/engine/index.ts';
import { formatMs } from '../src/engine/values/duration.ts';

const ROOT = join(import.meta.dirname, '..');
/** What a playbook that does not succeed has to end with. */
const EXPECTED: Readonly<Record<string, number>> = { 'must-roll-back': EXIT.budget.code };

function mvctl(...args: readonly string[]): { readonly status: number | null; readonly said: string } {
  const main = join(ROOT, 'src/cli/main.ts');
  const { status, stdout, stderr } = spawnSync(process.execPath, [main, ...args], { cwd: ROOT, encoding: 'utf8' });
  return { status, said: stdout + stderr };
}

/** Of the clients of `service.load`: short and kept requests together, downloads. */
function othersFailed({ service }: Report): string {
  const load = service?.load;
  if (!load) return '–';
  const { short, keepAlive, download } = load;
  const failed = (short?.failed ?? 0) + (keepAlive?.failed ?? 0);
  const requests = (short?.requests ?? 0) + (keepAlive?.requests ?? 0);
  return `${failed} of ${requests}, ${download?.failed ?? 0} of ${download?.requests ?? 0} downloads`;
}

function demand(what: string, expected: number, ...args: readonly string[]): void {
  const { status, said } = mvctl(...args);
  if (status !== expected) throw new Error(`${what}: expected exit code ${expected}, found ${status}\n${said}`);
}

function prove(name: string): Report {
  const playbook = `playbooks/${name}.yaml`;
  const folder = mkdtempSync(join(tmpdir(), 'mvctl-shipped-'));
  const report = join(folder, 'report.json');
  try {
    demand('validate', EXIT.ok.code, 'validate', playbook);
    demand('verify', EXIT.ok.code, 'verify', playbook);
    demand('simulate', EXIT.ok.code, 'simulate', playbook, '--state-dir', folder);
    const tests = `playbooks/${name}.test.yaml`;
    if (existsSync(join(ROOT, tests))) demand('test', EXIT.ok.code, 'test', tests);
    const expected = EXPECTED[name] ?? EXIT.ok.code;
    demand('apply', expected, 'apply', playbook, '--state-dir', folder, '--output', `json=${report}`);
    return JSON.parse(readFileSync(report, 'utf8')) as Report;
  } finally {
    mvctl('node', 'down', '--state-dir', folder);
    rmSync(folder, { recursive: true, force: true });
  }
}

const { values } = parseArgs({ options: { only: { type: 'string' } } });
const shipped = readdirSync(join(ROOT, 'playbooks'))
  .filter((file) => file.endsWith('.yaml') && !file.endsWith('.test.yaml'))
  .map((file) => file.replace(/\.yaml$/, ''));
const names = values.only?.split(',') ?? shipped;

console.log(
  '| playbook | outcome | node time | downtime | failed of requests | of other clients | virtualize, devirtualize |',
);
console.log('| --- | --- | --- | --- | --- | --- | --- |');
for (const name of names) {
  const report = prove(name);
  const { run, service, microvisor } = report;
  const us = (value: number | null | undefined): string => (value == null ? '–' : `${value.toFixed(1)} µs`);
  const cells = [
    name,
    run.outcome,
    formatMs(run.nodeMs),
    service ? `${service.downtimeMs} ms` : '–',
    service ? `${service.failed} of ${service.requests}` : '–',
    othersFailed(report),
    microvisor ? `${us(microvisor.virtualizeUs)}, ${us(microvisor.devirtualizeUs)}` : '–',
  ];
  console.log(`| ${cells.join(' | ')} |`);
}
