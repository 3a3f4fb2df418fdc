/** Runs playbooks on a model node, with whatever goes wrong on the way: the only place where the tests touch the engine's run API. */
import { cpSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import {
  type ActRequest,
  formatDiagnostic,
  type Interference,
  ModelNode,
  type ModelOptions,
  makePlan,
  type Plan,
  parseYaml,
  priorTiming,
  type Report,
  type RunEnd,
  type RunOptions,
  resumeRun,
  runPlan,
  validatePlaybook,
} from '../../src/engine/index.ts';
import { JournalWriter } from '../../src/engine/journal/journal-writer.ts';
import type { Journal } from '../../src/engine/run/run-plan.ts';

export const ONLINE = join(import.meta.dirname, '../../playbooks/online-os-upgrade.yaml');
export const OFFLINE = join(import.meta.dirname, '../../playbooks/offline-os-upgrade.yaml');

/** What the model's OS says after the upgrade. */
const MODEL_VARS = { expectedKernel: '2.' };

export function planOf(file: string, vars: { readonly [name: string]: string } = MODEL_VARS): Plan {
  return planText(file, readFileSync(file, 'utf8'), vars);
}

export function planText(
  file: string,
  text: string,
  vars: { readonly [name: string]: string } = {},
  readFile = (path: string): Uint8Array => readFileSync(join(dirname(file), path)),
): Plan {
  const { playbook, diagnostics } = validatePlaybook(parseYaml(file, text), { readFile });
  const problems = playbook ? makePlan(playbook, { vars, readFile }) : undefined;
  if (problems?.plan) return problems.plan;
  const told = [...diagnostics, ...(problems?.problems ?? [])].map((found) => formatDiagnostic(found, text));
  throw new Error(told.join('\n'));
}

export function modelFor(
  plan: Plan,
  interfere?: (request: ActRequest, model: ModelNode) => Interference | undefined,
  timing: ModelOptions['timing'] = priorTiming(plan),
): ModelNode {
  return new ModelNode({ timing, hardware: plan.node, ...(interfere ? { interfere } : {}) });
}

/** Folders that go away with the test. */
export class TestFolders implements Disposable {
  readonly #folders: string[] = [];

  make(): string {
    const folder = mkdtempSync(join(tmpdir(), 'mvctl-engine-'));
    this.#folders.push(folder);
    return folder;
  }

  copy(folder: string): string {
    const copy = this.make();
    cpSync(folder, copy, { recursive: true });
    return copy;
  }

  [Symbol.dispose](): void {
    for (const folder of this.#folders) rmSync(folder, { recursive: true, force: true });
  }
}

export const options = (port: ModelNode, stateDir: string): RunOptions => ({ port, stateDir, wallNow: () => 0 });

/** The report of a run that went on to its end or to a pause. */
export function reportOf(end: RunEnd): Report {
  if (end.kind !== 'over') throw new Error(`expected the run to be over, found ${end.kind}`);
  return end.report;
}

/**
 * Runs until the engine would write record number `stopBefore`, and there ceases to exist. Gives the folder it leaves
 * behind, or the end of the run if it has fewer records.
 */
export async function runUntilCrash(
  plan: Plan,
  model: ModelNode,
  stopBefore: number,
  folders: TestFolders,
  more: Partial<RunOptions> = {},
): Promise<{ readonly left: string } | { readonly end: RunEnd }> {
  const stateDir = folders.make();
  let crash: (() => void) | undefined;
  const crashed = new Promise<'crashed'>((resolve) => {
    crash = () => resolve('crashed');
  });
  const openJournal = async (path: string, seq: number): Promise<Journal> => {
    const writer = await JournalWriter.open(path, seq);
    let records = seq;
    return {
      append(record) {
        records += 1;
        if (records < stopBefore) return writer.append(record);
        // What a process holds open ends with it.
        void writer.close().then(crash);
        return new Promise(() => {});
      },
      close: () => writer.close(),
    };
  };
  const end = await Promise.race([crashed, runPlan(plan, { ...options(model, stateDir), ...more, openJournal })]);
  // The dead engine holds its lock in this process, so the journal moves to a folder of its own.
  return end === 'crashed' ? { left: folders.copy(stateDir) } : { end };
}

export { resumeRun, runPlan };
