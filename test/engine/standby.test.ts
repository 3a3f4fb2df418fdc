import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { type ModelNode, type Plan, parseYaml, type Report, validatePlaybook } from '../../src/engine/index.ts';
import { verifyPlan } from '../../src/engine/verify/verify-plan.ts';
import { modelFor, options, planOf, reportOf, runPlan, TestFolders } from './model-run.ts';

const PLAYBOOKS = join(import.meta.dirname, '../../playbooks');
const PREPARE = planOf(join(PLAYBOOKS, 'prepare-standby.yaml'), {});
/** Commits the OS there was, with whatever was changed. */
const OTHER = planOf(join(PLAYBOOKS, 'memory-replacement.yaml'), {});
const WAKE = planOf(join(PLAYBOOKS, 'stateful-os-upgrade.yaml'), { standby: 'standby', install: 'false' });

/** One run after the other on one node; how each ended. */
async function runAll(model: ModelNode, plans: readonly Plan[]): Promise<readonly string[]> {
  using folders = new TestFolders();
  const folder = folders.make();
  const reports: Report[] = [];
  for (const plan of plans) reports.push(reportOf(await runPlan(plan, options(model, folder))));
  return reports.map(({ run, failure }) => (failure ? `${run.outcome}: ${failure.step} ${failure.code}` : run.outcome));
}

/** The same node without standbys that somebody kept before. */
function emptied(model: ModelNode): ModelNode {
  model.state.standbys.clear();
  return model;
}

describe('a standby', () => {
  it('is woken by a run after the one that kept it, whose own commit does it no harm', async () => {
    const model = emptied(modelFor(PREPARE));
    expect(await runAll(model, [PREPARE, WAKE])).toEqual(['succeeded', 'succeeded']);
    expect(model.history.filter((act) => /^(?:disk\.clone|vm\.(?:keep|create))/.test(act))).toEqual([
      'disk.clone system-new',
      'vm.create new',
      'vm.keep new',
      'vm.create new',
    ]);
  });

  it('is thrown away when a run begins after the commit of one that did not keep it', async () => {
    expect(await runAll(emptied(modelFor(PREPARE)), [PREPARE, OTHER, WAKE])).toEqual([
      'succeeded',
      'succeeded',
      'rolled-back: createVm no-such-standby',
    ]);
  });

  it('outlives a run that wakes it and is rolled back', async () => {
    let failures = 1;
    const model = modelFor(WAKE, ({ key }) =>
      key.includes('/getReady/') && failures-- > 0 ? { fails: 'refused' } : undefined,
    );
    expect(await runAll(emptied(model), [PREPARE, WAKE, WAKE])).toEqual([
      'succeeded',
      'rolled-back: getReady refused',
      'succeeded',
    ]);
  });

  it('is thrown away when the run that kept it is rolled back: nobody has said that it is right', async () => {
    let failures = 1;
    const model = modelFor(PREPARE, ({ key }) =>
      key.includes('/wakes/') && failures-- > 0 ? { fails: 'exit-code' } : undefined,
    );
    expect(await runAll(emptied(model), [PREPARE, WAKE])).toEqual([
      'rolled-back: wakes exit-code',
      'rolled-back: createVm no-such-standby',
    ]);
  });

  it('that nobody kept is missed when its guest is created, and nothing of it is left', async () => {
    const model = emptied(modelFor(WAKE));
    expect(await runAll(model, [WAKE])).toEqual(['rolled-back: createVm no-such-standby']);
    expect([...model.state.disks]).toEqual(['upgrades', 'store']);
  });

  it.each([
    ['is kept', PREPARE],
    ['is woken', WAKE],
  ])('%s with every property holding, whatever fails', async (_, plan) => {
    const { violations, isComplete } = await verifyPlan(plan);
    expect({ violations, isComplete }).toEqual({ violations: [], isComplete: true });
  });
});

/** Codes of what is wrong with a playbook that creates a guest and throws it away, with these steps in place of the clone. */
function findingsOf(clone: string, create: string): readonly string[] {
  const text = `apiVersion: mvctl/v1
kind: Playbook
name: small
vars:
  standby: { type: string, default: "", description: name }
phases:
  - id: work
    steps:
      - { id: under, uses: microvisor.virtualize }
      - { id: giveUp, uses: memory.give-up, with: { guest: old } }
${clone}      - { id: create, uses: vm.create, with: { guest: new, disk: other${create} } }
      - { id: boot, uses: vm.boot, with: { guest: new }, when: vars.standby == "" }
      - { id: wake, uses: vm.boot, with: { guest: new }, unless: vars.standby == "" }
      - { id: facts, uses: guest.facts, with: { guest: new } }
      - { id: destroy, uses: vm.destroy, with: { guest: new } }
      - { id: remove, uses: disk.remove, with: { disk: other }, undo: none }
      - { id: takeUp, uses: memory.take-up, with: { guest: old } }
      - { id: out, uses: microvisor.devirtualize }
      - { id: check, uses: service.check }
      - { id: commit, uses: commit, with: { guest: old } }
`;
  return validatePlaybook(parseYaml('p.yaml', text)).diagnostics.map(({ code, message }) => `${code}: ${message}`);
}

describe('the disk of a guest', () => {
  const CLONE = '      - { id: clone, uses: disk.clone, with: { from: old, disk: other }';

  it('is there before it, or comes with its standby', () => {
    expect(findingsOf(`${CLONE} }\n`, '')).toEqual([]);
    expect(findingsOf('', ', standby: kept')).toEqual([]);
    expect(findingsOf(`${CLONE}, when: vars.standby == "" }\n`, ', standby: "${{ vars.standby }}"')).toEqual([]);
  });

  it('is missed without a standby, and what only some runs make as well', () => {
    expect(findingsOf('', '')).toEqual(['MV0306: expected a disk that exists, but other does not at this point']);
    expect(findingsOf(`${CLONE}, when: vars.standby == "" }\n`, '')).toEqual([
      'MV0306: expected a disk that exists, but other does not at this point if the condition of an earlier step does not hold',
    ]);
  });
});
