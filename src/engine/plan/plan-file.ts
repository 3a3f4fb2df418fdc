/**
 * A plan as a file: what `apply` executes exactly, or refuses as a whole before it does anything. It holds the plan and
 * the hash of everything that went into it, the node's state as a serial (how many runs it had), and until when it holds.
 */
import { createHash } from 'node:crypto';
import type { Json } from '../node-port.ts';
import { canonicalJson } from '../values/json.ts';
import type { Plan } from './plan.ts';

export interface PlanBasis {
  readonly mvctl: string;
  readonly playbook: string;
  /** Fragments and calendars together. */
  readonly files: string;
  readonly vars: string;
  /** What the node said of itself; null: it did not exist. */
  readonly facts: string | null;
  /** What the playbook wants of the node: disks, memory, image. */
  readonly node: string;
}

export interface PlanFile {
  readonly apiVersion: 'mvctl/v1';
  readonly kind: 'Plan';
  /** Path of the playbook as it was given. */
  readonly path: string;
  readonly stateDir: string;
  /** Runs that the node had. A plan is made for one state of the node, so it can be used once. */
  readonly runs: number;
  /** Wall clock, ISO 8601. */
  readonly createdAt: string;
  readonly expiresAt: string;
  /** SHA-256 of each, in hexadecimal; the version of mvctl as it is. */
  readonly basis: PlanBasis;
  /** What the node said of itself. */
  readonly facts: { readonly [name: string]: Json } | null;
  readonly plan: Plan;
  /** Of everything else. */
  readonly sha256: string;
}

/** What apply finds, in the same words. */
export interface PlanState {
  readonly mvctl: string;
  /** SHA-256 of the playbook as it is now; undefined: it is not there, and the plan has all that is needed of it. */
  readonly playbookSha256: string | undefined;
  /** By path: SHA-256 of a fragment or calendar; undefined where it is not there. */
  readonly fileSha256: (file: string) => string | undefined;
  readonly stateDir: string;
  readonly runs: number;
  readonly nowMs: number;
}

const sha256 = (value: unknown): string => createHash('sha256').update(canonicalJson(value)).digest('hex');

/** Facts that say where something is reached, not what it is. */
const VOLATILE_FACTS: readonly string[] = ['forwardedPort'];

const factsHash = (facts: PlanFile['facts']): string | null =>
  facts && sha256(Object.fromEntries(Object.entries(facts).filter(([name]) => !VOLATILE_FACTS.includes(name))));

export interface PlanFileOptions {
  readonly path: string;
  readonly stateDir: string;
  readonly runs: number;
  readonly mvctl: string;
  readonly facts: PlanFile['facts'];
  readonly nowMs: number;
  readonly holdsMs: number;
}

export function makePlanFile(plan: Plan, options: PlanFileOptions): PlanFile {
  const { path, stateDir, runs, mvctl, facts, nowMs, holdsMs } = options;
  const content = {
    apiVersion: 'mvctl/v1',
    kind: 'Plan',
    path,
    stateDir,
    runs,
    createdAt: new Date(nowMs).toISOString(),
    expiresAt: new Date(nowMs + holdsMs).toISOString(),
    basis: {
      mvctl,
      playbook: plan.playbookSha256,
      files: sha256(plan.files),
      vars: sha256(plan.vars),
      facts: factsHash(facts),
      node: sha256(plan.node),
    },
    facts,
    plan,
  } as const;
  return { ...content, sha256: sha256(content) };
}

/** The plan in a text, or why there is none. */
export function readPlanFile(text: string): PlanFile | { readonly problem: string } {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (error) {
    return { problem: `it is not JSON: ${(error as Error).message}` };
  }
  if (value === null || typeof value !== 'object' || Array.isArray(value)) return { problem: 'it is no plan' };
  const { sha256: told, ...content } = value as { readonly [key: string]: unknown };
  if (content['apiVersion'] !== 'mvctl/v1' || content['kind'] !== 'Plan') {
    const [version = 'none', kind = 'none'] = [content['apiVersion'], content['kind']].map(
      (found) => found ?? undefined,
    );
    return { problem: `expected apiVersion mvctl/v1 and kind Plan, found ${String(version)} and ${String(kind)}` };
  }
  // Whoever made it made all of it: with the right hash it has the right shape.
  if (told !== sha256(content)) return { problem: 'it was changed after it was made: its sha256 does not fit' };
  return value as PlanFile;
}

/** Why the plan does not hold any more, before the node is asked. Empty: it does. */
export function planProblems(file: PlanFile, state: PlanState): readonly string[] {
  const { basis, plan } = file;
  const problems: string[] = [];
  if (state.mvctl !== basis.mvctl) problems.push(`mvctl: planned with ${basis.mvctl}, this is ${state.mvctl}`);
  if (state.nowMs > Date.parse(file.expiresAt)) problems.push(`it expired at ${file.expiresAt}`);
  if (state.playbookSha256 !== undefined && state.playbookSha256 !== basis.playbook) {
    problems.push(changed(`playbook ${file.path}`, basis.playbook, state.playbookSha256));
  }
  for (const { file: path, sha256: planned } of plan.files) {
    const now = state.fileSha256(path);
    if (now !== undefined && now !== planned) problems.push(changed(path, planned, now));
  }
  if (state.stateDir !== file.stateDir) problems.push(`node: planned for ${file.stateDir}, this is ${state.stateDir}`);
  else if (state.runs !== file.runs) {
    const since = state.runs - file.runs;
    problems.push(`node: it had ${since} ${since === 1 ? 'run' : 'runs'} since; a plan can be used once`);
  }
  return problems;
}

/** Which facts are others than planned. A node that did not exist can say anything. */
export function factProblems({ facts: planned }: PlanFile, now: { readonly [name: string]: Json }): readonly string[] {
  if (planned === null || factsHash(planned) === factsHash(now)) return [];
  const names = [...new Set([...Object.keys(planned), ...Object.keys(now)])].sort();
  return names
    .filter((name) => !VOLATILE_FACTS.includes(name) && canonicalJson(planned[name]) !== canonicalJson(now[name]))
    .map((name) => `facts.${name}: planned on ${JSON.stringify(planned[name])}, now ${JSON.stringify(now[name])}`);
}

const changed = (what: string, planned: string, now: string): string =>
  `${what}: planned with sha256 ${planned.slice(0, 12)}, now ${now.slice(0, 12)}`;
