import { readFileSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { expandPlaybook } from '../../src/engine/expand/expand-playbook.ts';
import type { Playbook } from '../../src/engine/generated/playbook.ts';
import { makePlan, type Plan, parseYaml, validatePlaybook } from '../../src/engine/index.ts';
import { foresee } from '../../src/engine/plan/foresee.ts';
import { type PlannedBudget, type PlannedGate, type PlannedPhase, stepsOf } from '../../src/engine/plan/plan.ts';
import { readTest } from '../../src/engine/playbook-test/read-test.ts';
import { runTest } from '../../src/engine/playbook-test/run-test.ts';
import { outlineOf } from '../../src/engine/validate/outline.ts';
import { counterTests } from '../../src/engine/verify/counter-test.ts';
import type { Property } from '../../src/engine/verify/properties.ts';
import { renderVerification } from '../../src/engine/verify/render-verification.ts';
import { tellStory } from '../../src/engine/verify/story.ts';
import { type Verification, verifyPlan } from '../../src/engine/verify/verify-plan.ts';
import { randomFrom } from '../../tools/fuzz/mutate.ts';
import { smallPlaybook } from '../../tools/fuzz/small-playbook.ts';
import { OFFLINE, ONLINE, planOf, planText, TestFolders } from './model-run.ts';

const RESTART = join(import.meta.dirname, '../../playbooks/online-os-restart.yaml');
const QUICK = join(import.meta.dirname, '../../playbooks/quick-application-upgrade.yaml');

const errorsOf = ({ violations }: Verification) => violations.filter(({ severity }) => severity === 'error');

describe('the shipped playbooks', () => {
  it.each([ONLINE, OFFLINE, QUICK])('%s holds every property, whatever fails', async (file) => {
    const verification = await verifyPlan(planOf(file, {}));
    expect(errorsOf(verification)).toEqual([]);
    expect(verification.isComplete).toBe(true);
  });

  it('are seen whole: every step fails, times out and is resumed after a crash', async () => {
    const verification = await verifyPlan(planOf(ONLINE, {}));
    expect(verification.states).toBeGreaterThan(500);
    expect(verification.crashes).toBeGreaterThan(400);
    expect(verification.worst.duration.ms).toBeGreaterThan(3_600_000);
    expect(await verifyPlan(planOf(ONLINE, {}))).toMatchObject({ states: verification.states });
  });
});

interface Mistake {
  readonly what: string;
  /** A part of online-os-upgrade.yaml and what stands there instead. */
  readonly part: string;
  readonly instead: string;
  readonly property: Property;
  /** The line that is shown begins with this text after the edit; or the step's. */
  readonly step: string;
  /** A sentence of the story. */
  readonly story: RegExp;
}

const MISTAKES: readonly Mistake[] = [
  {
    what: 'a VM that is not taken back',
    part: '        with: { guest: new, disk: system-new }\n',
    instead: '        with: { guest: new, disk: system-new }\n        undo: none\n',
    property: 'undo-works',
    step: 'createVm',
    story: /taking back cloneDisk is refused: disk system-new is in use/,
  },
  {
    what: 'a disk that is not taken back',
    part: '        with: { from: old, disk: system-new }\n',
    instead: '        with: { from: old, disk: system-new }\n        undo: none\n',
    property: 'nothing-left',
    step: 'cloneDisk',
    story: /the run has been rolled back: bare; .*disks upgrades, system-new/,
  },
  {
    what: 'memory that is not given back',
    part: '        retry: { attempts: 3, delay: 2s, backoff: { factor: 2 } }\n',
    instead: '        undo: none\n',
    property: 'nothing-left',
    step: 'giveUpMemory',
    story: /giveUpMemory \(memory.give-up\) (?:fails|times out)/,
  },
  {
    what: 'a lock on a disk that is not released',
    part: '        with: { guest: new, disk: upgrades, readOnly: true }\n',
    instead: '        with: { guest: old, disk: upgrades, readOnly: true }\n        undo: none\n',
    property: 'nothing-left',
    step: 'attachUpgrades',
    story: /attachUpgrades \(disk.attach\) (?:is done|fails half-way)/,
  },
  {
    what: 'a cut-over that is not taken back',
    part: '        uses: service.cut-over\n        with: { from: old, to: new }\n',
    instead: '        uses: service.cut-over\n        with: { from: old, to: new }\n        undo: none\n',
    property: 'service-stays',
    step: 'moveService',
    story: /createVm is taken back/,
  },
  {
    what: 'an undo the wrong way round',
    part: '        uses: service.cut-over\n        with: { from: old, to: new }\n',
    instead:
      '        uses: service.cut-over\n        with: { from: old, to: new }\n        undo: { uses: service.cut-over, with: { from: old, to: new } }\n',
    property: 'service-stays',
    step: 'moveService',
    story: /moveService is taken back/,
  },
  {
    what: 'a cut-over whose failure is passed over',
    part: '        uses: service.cut-over\n        with: { from: old, to: new }\n',
    instead: '        uses: service.cut-over\n        with: { from: old, to: new }\n        onFailure: continue\n',
    property: 'service-stays',
    step: 'moveService',
    story: /moveService \(service.cut-over\) fails half-way/,
  },
  {
    what: 'an abort on a virtualized node',
    part: '        uses: microvisor.devirtualize\n      - id: audit',
    instead: '        uses: microvisor.devirtualize\n        onFailure: abort\n      - id: audit',
    property: 'ends-bare',
    step: 'slipOut',
    story: /slipOut \(microvisor.devirtualize\) fails/,
  },
  {
    what: 'memory that is left idle where taking it up fails',
    part: '        retry: { attempts: 3, delay: 2s }\n',
    instead: '        onFailure: continue\n',
    property: 'nothing-left',
    step: 'takeUpMemory',
    story: /takeUpMemory \(memory.take-up\) (?:fails|times out)/,
  },
  {
    what: 'a service that is stopped and not started again',
    part: '      - id: bootCopy\n',
    instead:
      '      - id: halt\n        uses: service.stop\n        with: { guest: old }\n        undo: none\n      - id: bootCopy\n',
    property: 'service-stays',
    step: 'halt',
    story: /old, which does not answer/,
  },
  {
    what: 'a step that can never run',
    part: '      - id: soaking\n',
    instead:
      '      - id: never\n        uses: service.check\n        when: vars.soakFor == "1s" && vars.soakFor == "2s"\n      - id: soaking\n',
    property: 'no-dead-step',
    step: 'never',
    story: /^$/,
  },
  {
    what: 'two steps in the wrong order',
    part: '      - id: createVm\n',
    instead: '      - id: early\n        uses: vm.boot\n        with: { guest: new }\n      - id: createVm\n',
    property: 'can-succeed',
    step: 'early',
    story: /early \(vm.boot\) is refused: the node has no guest new/,
  },
];

/** Of a text whose mistakes `validate` may know as well. */
function planAnyway(text: string): Plan {
  const readFile = (path: string): Uint8Array => readFileSync(join(dirname(ONLINE), path));
  const validation = validatePlaybook(parseYaml(ONLINE, text), { readFile });
  const { source } = validation;
  const playbook = validation.playbook ?? outlineOf(expandPlaybook(source, source.data as Playbook));
  const { plan } = makePlan(playbook, { readFile });
  if (!plan) throw new Error('the playbook has no plan');
  return plan;
}

describe('a mistake in a playbook', () => {
  const shipped = readFileSync(ONLINE, 'utf8');

  it.each(MISTAKES)('$what is found, with its line and its story', async (mistake) => {
    expect(shipped).toContain(mistake.part);
    const text = shipped.replace(mistake.part, mistake.instead);
    const plan = planAnyway(text);
    const verification = await verifyPlan(plan);
    const found = errorsOf(verification).find(({ property, step }) => {
      return property === mistake.property && step?.id === mistake.step;
    });
    expect(found, JSON.stringify(errorsOf(verification).map(({ message }) => message))).toBeDefined();
    expect(text.split('\n')[found!.line - 1]).toContain(`- id: ${mistake.step}`);
    const story = tellStory(found!.path, stepsOf(plan)).map((sentence) => sentence.text);
    expect(story.join('\n')).toMatch(mistake.story);
    const rendered = renderVerification(verification, { color: false, file: ONLINE });
    expect(rendered).toContain(`${ONLINE}:${found!.line}: error ${mistake.property}`);
  });

  it.each(MISTAKES.filter(({ property }) => property !== 'no-dead-step'))(
    '$what becomes a playbook test that fails',
    async (mistake) => {
      using folders = new TestFolders();
      const plan = planAnyway(shipped.replace(mistake.part, mistake.instead));
      const { violations } = await verifyPlan(plan);
      const found = violations.filter(
        ({ property, step }) => property === mistake.property && step?.id === mistake.step,
      );
      const path = join(folders.make(), 'counter.test.yaml');
      writeFileSync(path, counterTests(plan, stepsOf(plan), found));
      const { test, diagnostics } = readTest(parseYaml(path, readFileSync(path)));
      expect(diagnostics).toEqual([]);
      for (const one of test!.tests) expect((await runTest(plan, one, test!.mocks)).mismatches).not.toEqual([]);
    },
  );
});

describe('harts that a playbook gives up', () => {
  const restart = readFileSync(RESTART, 'utf8');
  const without = (part: string, instead = ''): string => {
    expect(restart).toContain(part);
    return restart.replace(part, instead);
  };

  it('and takes up again are no matter, whatever fails', async () => {
    expect(errorsOf(await verifyPlan(planOf(RESTART, {})))).toEqual([]);
  });

  it('and forgets to take up keep the Microvisor in the node', async () => {
    const takesUp = '      - id: takeUpHarts\n        uses: cpu.take-up\n        with: { guest: new }\n';
    const plan = planAnyway(without(takesUp));
    const [found] = errorsOf(await verifyPlan(plan));
    expect(found).toMatchObject({ property: 'can-succeed', step: { id: 'slipOut' } });
    const story = tellStory(found!.path, stepsOf(plan)).map(({ text }) => text);
    expect(story).toContainEqual('giveUpHarts (cpu.give-up) is done');
    expect(story).toContainEqual(
      'slipOut (microvisor.devirtualize) is refused: every hart has to be online in the one OS there is; hart 0 is not',
    );
  });

  it('and does not take back are found where the run is rolled back, with the step that gave them up', async () => {
    const uses = '        uses: cpu.give-up\n';
    const text = without(uses, `${uses}        undo: none\n`);
    const found = errorsOf(await verifyPlan(planAnyway(text))).find(({ property }) => property === 'undo-works');
    expect(found).toMatchObject({ step: { id: 'giveUpHarts' } });
    expect(found!.message).toContain('hart 1 is not');
  });
});

describe('the language beyond steps in a row', () => {
  const playbook = (phase: string): string => `apiVersion: mvctl/v1
kind: Playbook
name: small
phases:
  - id: work
${phase}
  - id: commit
    steps:
      - { id: checked, uses: service.check }
      - { id: commit, uses: commit, with: { guest: old } }
`;
  const verifyText = async (text: string): Promise<Verification> => verifyPlan(planAnyway(text));

  it('knows that a condition can go either way, and the same way twice', async () => {
    const { violations } = await verifyText(
      playbook(`    steps:
      - { id: before, uses: guest.facts, with: { guest: old } }
      - { id: under, uses: microvisor.virtualize, when: 'steps.before.kernel == "x"' }
      - { id: out, uses: microvisor.devirtualize, when: 'steps.before.kernel == "x"' }`),
    );
    expect(violations).toEqual([]);
  });

  const withFragment = (steps: string, flag: string): Plan => {
    const fragment = `apiVersion: mvctl/v1
kind: Fragment
name: part
params: { flag: { type: bool } }
steps:
${steps}`;
    const text = playbook(`    steps:
      - { id: before, uses: guest.facts, with: { guest: old } }
      - { id: part, include: part.yaml, with: { flag: ${flag} } }`);
    return planText('p.yaml', text, {}, () => new TextEncoder().encode(fragment));
  };

  it('knows that what a fragment is given can go either way', async () => {
    const stops = '  - { id: stop, uses: service.stop, with: { guest: old }, undo: none, when: params.flag }\n';
    const plan = withFragment(stops, '\'${{ steps.before.kernel == "x" }}\'');
    expect(errorsOf(await verifyPlan(plan))[0]).toMatchObject({ property: 'service-stays' });
    expect(foresee(plan, {})[1]).toMatchObject({ prospect: { will: 'depend', until: ['before'] } });
  });

  it('takes no step for dead that its fragment is told to leave out here', async () => {
    const looks = '  - { id: look, uses: service.check, when: params.flag }\n';
    expect(errorsOf(await verifyPlan(withFragment(looks, 'false')))).toEqual([]);
    const never = '  - { id: look, uses: service.check, when: params.flag && !params.flag }\n';
    expect(errorsOf(await verifyPlan(withFragment(never, 'false')))[0]).toMatchObject({ property: 'no-dead-step' });
  });

  it('knows that the same condition is another one in another round', async () => {
    const text = playbook(`    steps:
      - { id: before, uses: guest.facts, with: { guest: old } }
      - { id: stop, forEach: [a, b], uses: guest.run, with: { guest: old, argv: [do] }, undo: none, when: 'steps.before.kernel == each.item' }`);
    const same = text.replace('== each.item', '== "a"');
    const [other, alike] = [await verifyText(text), await verifyText(same)];
    expect(other.states).toBeGreaterThan(alike.states);
  });

  it('finds the condition that is missing', async () => {
    const verification = await verifyText(
      playbook(`    steps:
      - { id: before, uses: guest.facts, with: { guest: old } }
      - { id: under, uses: microvisor.virtualize }
      - { id: out, uses: microvisor.devirtualize, when: 'steps.before.kernel == "x"' }`),
    );
    expect(errorsOf(verification)[0]).toMatchObject({ property: 'ends-bare', step: { id: 'under' } });
  });

  it('reaches a phase that runs out of time', async () => {
    const verification = await verifyText(
      playbook(`    timeout: 3m
    steps:
      - { id: one, uses: guest.run, with: { guest: old, argv: [one] }, undo: none }
      - { id: two, uses: guest.run, with: { guest: old, argv: [two] }, undo: none }`),
    );
    expect(errorsOf(verification)).toEqual([]);
    expect(verification.worst.duration.ms).toBeGreaterThan(120_000);
  });
});

describe('what the language has besides steps', () => {
  const online = planOf(ONLINE, {});
  const withPhase = (id: string, change: Partial<PlannedPhase>): Plan => ({
    ...online,
    phases: online.phases.map((phase) => (phase.id === id ? { ...phase, ...change } : phase)),
  });
  const gate: PlannedGate = {
    approvers: ['ann', 'bob'],
    required: 1,
    timeoutMs: 3_600_000,
    onFailure: 'rollback',
    message: '',
    line: 42,
  };

  it('a gate is approved, refused and not answered, and every way ends well', async () => {
    const verification = await verifyPlan(withPhase('cut-over', { gate }));
    expect(errorsOf(verification)).toEqual([]);
    const plain = await verifyPlan(online);
    expect(verification.states).toBeGreaterThan(plain.states);
  });

  it('a gate without a timeout is found with its line', async () => {
    const { violations } = await verifyPlan(withPhase('cut-over', { gate: { ...gate, timeoutMs: null } }));
    expect(violations).toContainEqual(expect.objectContaining({ property: 'no-endless-wait', line: 42 }));
  });

  it('a budget that can be exceeded is found, with the step that takes longest', async () => {
    const budget: PlannedBudget = { downtimeMs: 60_000, errors: null, errorRate: null, action: 'pause', line: 9 };
    const offline = planOf(OFFLINE, {});
    const phases = offline.phases.map((phase) => (phase.id === 'reboot' ? { ...phase, budget } : phase));
    const verification = await verifyPlan({ ...offline, phases });
    const found = errorsOf(verification).find(({ property }) => property === 'within-budget');
    expect(found).toMatchObject({ step: { id: 'reboot' } });
    expect(found!.message).toBe('the service can be down for 10m in phase reboot, and its budget is 1m');
  });

  it('a budget that is spent is followed by its action', async () => {
    const budget: PlannedBudget = { downtimeMs: 100, errors: null, errorRate: null, action: 'rollback', line: 9 };
    const verification = await verifyPlan(withPhase('soak', { budget }));
    expect(errorsOf(verification)).toEqual([]);
    expect(verification.states).toBeGreaterThan((await verifyPlan(online)).states);
  });

  it('steps that run beside each other end in any order, and are taken back the other way round', async () => {
    const step = (id: string): string =>
      `      - { id: ${id}, uses: guest.run, with: { guest: old, argv: [x] }, undo: { uses: guest.run, with: { guest: old, argv: [y] } } }`;
    const plan = planAnyway(`apiVersion: mvctl/v1
kind: Playbook
name: beside
phases:
  - id: work
    steps:
${['one', 'two', 'three'].map(step).join('\n')}
  - id: commit
    steps:
      - { id: check, uses: service.check }
      - { id: commit, uses: commit, with: { guest: old } }
`);
    const [work, ...others] = plan.phases;
    const beside = { ...work!, steps: work!.steps.map((one) => ({ ...one, needs: [] })) };
    const verification = await verifyPlan({ ...plan, phases: [beside, ...others] });
    expect(verification.violations).toEqual([]);
    expect(verification.states).toBeGreaterThan((await verifyPlan(plan)).states);
  });

  it('an order of steps beside each other that nobody thought of is found', async () => {
    const text = readFileSync(QUICK, 'utf8').replace('needs: [giveUpMemory, cloneDisk]', 'needs: [cloneDisk]');
    using folders = new TestFolders();
    const plan = planAnyway(text);
    const verification = await verifyPlan(plan);
    const found = errorsOf(verification).find(({ property }) => property === 'can-succeed');
    expect(found).toMatchObject({ step: { id: 'createVm' } });
    const path = join(folders.make(), 'counter.test.yaml');
    writeFileSync(path, counterTests(plan, stepsOf(plan), [found!]));
    const { test } = readTest(parseYaml(path, readFileSync(path)));
    expect(test!.tests[0]!.mocks).toMatchObject({ cloneDisk: { takes: '1s' } });
    const { mismatches } = await runTest(plan, test!.tests[0]!, test!.mocks);
    expect(mismatches[0]?.message).toContain('expected outcome succeeded, found rolled-back (createVm failed');
    expect(text.split('\n')[found!.line - 1]).toContain('- id: createVm');
    expect(found!.message).toContain('no memory was given up');
  });

  it('a run of steps beside each other goes on after a crash as without it, however they need each other', async () => {
    for (let seed = 1; seed <= 12; seed++) {
      const plan = planAnyway(smallPlaybook(randomFrom(seed)));
      const { violations, isComplete } = await verifyPlan(plan);
      expect(isComplete, `seed ${seed}`).toBe(true);
      const alarms = violations.filter(({ property }) => property !== 'nothing-left' && property !== 'parked-serving');
      expect(
        alarms.map(({ message }) => message),
        `seed ${seed}`,
      ).toEqual([]);
    }
  });

  it('gives up where there are too many states, and says so', async () => {
    expect(await verifyPlan(online, 100)).toMatchObject({ isComplete: false });
  });
});

describe('a step that is switched off', () => {
  it('by the value of a variable is not dead', async () => {
    const text = readFileSync(ONLINE, 'utf8').replace(
      '      - id: soaking\n',
      '      - { id: wanted, uses: service.check, when: vars.soakFor == "1s" }\n      - id: soaking\n',
    );
    expect(errorsOf(await verifyPlan(planAnyway(text)))).toEqual([]);
  });
});
