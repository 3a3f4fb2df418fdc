import { describe, expect, it } from 'vitest';
import { type ActRequest, type Interference, type ModelNode, type Plan, readJournal } from '../../src/engine/index.ts';
import { stepsOf } from '../../src/engine/plan/plan.ts';
import type { RunOptions } from '../../src/engine/run/run-plan.ts';
import { modelFor, options, planText, reportOf, resumeRun, runPlan, runUntilCrash, TestFolders } from './model-run.ts';

/** A playbook of phases, each written as YAML below `phases:`. */
const playbook = (phases: string, head = ''): string => `
apiVersion: mvctl/v1
kind: Playbook
name: example
${head}
phases:
${phases}
  - id: commit
    steps:
      - { id: check, uses: service.check }
      - { id: commit, uses: commit, with: { guest: old } }
`;

const run = (id: string, more = ''): string =>
  `      - { id: ${id}, uses: guest.run, with: { guest: old, argv: [do, ${id}] }, undo: { uses: guest.run, with: { guest: old, argv: [undo, ${id}] } }${more} }\n`;

type Interfere = (request: ActRequest, model: ModelNode) => Interference | undefined;

/** What was done in the guest, in order. */
const commandsOf = (seen: ActRequest[]): string[] =>
  seen.filter(({ primitive }) => primitive === 'guest.run').map(({ args }) => (args['argv'] as string[]).join(' '));

interface Ran {
  readonly report: ReturnType<typeof reportOf>;
  readonly commands: readonly string[];
  readonly seen: readonly ActRequest[];
  readonly model: ModelNode;
}

async function runOn(plan: Plan, interfere?: Interfere, more: Partial<RunOptions> = {}): Promise<Ran> {
  using folders = new TestFolders();
  const seen: ActRequest[] = [];
  const model = modelFor(plan, (request, node) => {
    seen.push(request);
    return interfere?.(request, node);
  });
  const report = reportOf(await runPlan(plan, { ...options(model, folders.make()), ...more }));
  return { report, commands: commandsOf(seen), seen, model };
}

const stepOf = ({ key }: ActRequest): string => key.split('/')[2] ?? '';
const isUndo = ({ key }: ActRequest): boolean => key.includes('/undo/');
const failing =
  (...ids: string[]): Interfere =>
  (request) =>
    ids.includes(stepOf(request)) && !isUndo(request) ? { fails: 'refused', halfWay: true } : undefined;

const essence = (report: object): string =>
  JSON.stringify(report, (key, value: unknown) => (key === 'wallMs' || key === 'startedAt' ? 0 : value));

describe('steps that do not need each other', () => {
  const phase = `  - id: work
    steps:
${run('first')}${run('left', ', needs: [first], expected: 5s')}${run('right', ', needs: [first], expected: 3s')}${run('last', ', needs: [left, right]')}`;
  const plan = planText('p.yaml', playbook(phase));

  it('run at the same time: a phase takes as long as its longest branch', async () => {
    const { report, commands } = await runOn(plan);
    expect(commands).toEqual(['do first', 'do left', 'do right', 'do last']);
    const [first, left, right, last] = report.phases[0]!.steps;
    expect(left!.startMs).toBe(right!.startMs);
    expect(last!.startMs).toBe(left!.startMs! + 5_000);
    expect(report.phases[0]!.nodeMs).toBe(first!.nodeMs + 5_000 + last!.nodeMs);
  });

  it('are taken back in the reverse order of their ends', async () => {
    const { report } = await runOn(plan, failing('last'));
    expect(report.run.outcome).toBe('rolled-back');
    expect(report.undone).toEqual(['last', 'left', 'right', 'first']);
  });

  it('end before a failure beside them is taken back, and nothing new begins', async () => {
    const phases = `  - id: work
    steps:
${run('first')}${run('left', ', needs: [first], expected: 1s')}${run('right', ', needs: [first], expected: 9s')}${run('after', ', needs: [right]')}`;
    const { report, commands } = await runOn(planText('p.yaml', playbook(phases)), failing('left'));
    expect(commands).toEqual(['do first', 'do left', 'do right', 'undo right', 'undo left', 'undo first']);
    expect(report.failure).toMatchObject({ step: 'left' });
    expect(report.phases[0]!.steps.map(({ outcome }) => outcome)).toEqual(['done', 'failed', 'done', 'not-reached']);
  });

  it('give the same report however often they run, and after a crash at any record', async () => {
    using folders = new TestFolders();
    for (const interfere of [undefined, failing('last')]) {
      const reference = modelFor(plan, interfere);
      const expected = essence(reportOf(await runPlan(plan, options(reference, folders.make()))));
      for (let record = 2; ; record++) {
        const model = modelFor(plan, interfere);
        const crashed = await runUntilCrash(plan, model, record, folders);
        if ('end' in crashed) break;
        const report = reportOf(await resumeRun(options(model, crashed.left)));
        expect(essence(report), `crash before record ${record}`).toBe(expected);
        expect(model.history, `crash before record ${record}`).toEqual(reference.history);
      }
    }
  });

  it('leave nothing behind where the node loses its power and nobody is there to see it', async () => {
    using folders = new TestFolders();
    const beside = planText(
      'p.yaml',
      playbook(`  - id: work
    steps:
      - { id: under, uses: microvisor.virtualize }
      - { id: room, uses: memory.give-up, needs: [under], with: { guest: old } }
      - { id: clone, uses: disk.clone, needs: [under], with: { from: old, disk: copy } }
      - { id: gone, uses: disk.remove, needs: [room, clone], with: { disk: copy }, undo: none }
      - { id: back, uses: memory.take-up, with: { guest: old } }
      - { id: out, uses: microvisor.devirtualize }`),
    );
    let resumed = 0;
    for (let record = 2; ; record++) {
      const model = modelFor(beside);
      const crashed = await runUntilCrash(beside, model, record, folders);
      if ('end' in crashed) break;
      model.losePower();
      await resumeRun(options(model, crashed.left));
      expect([...model.state.disks], `power lost at record ${record}`).toEqual([]);
      resumed += 1;
    }
    expect(resumed).toBeGreaterThan(15);
  });

  it('go on beside one that is paused, and wait for it', async () => {
    using folders = new TestFolders();
    const stateDir = folders.make();
    const text = playbook(phase.replace('expected: 3s }', 'expected: 3s, onFailure: pause }'));
    const paused = planText('p.yaml', text);
    let broken = true;
    const model = modelFor(paused, (request) => (broken ? failing('right')(request, model) : undefined));
    expect(reportOf(await runPlan(paused, options(model, stateDir))).run.outcome).toBe('paused');
    broken = false;
    expect(reportOf(await resumeRun(options(model, stateDir))).run.outcome).toBe('succeeded');
    expect(model.history.filter((entry) => entry === 'guest.run old').length).toBe(4);
  });
});

describe('a retry', () => {
  const retried = (retry: string): Plan =>
    planText('p.yaml', playbook(`  - id: work\n    steps:\n${run('flaky', `, expected: 1s, retry: ${retry}`)}`));
  const attemptsOf = async (plan: Plan, code: 'timeout' | 'refused'): Promise<readonly number[]> => {
    const at: number[] = [];
    await runOn(plan, (request, model) => {
      if (stepOf(request) !== 'flaky' || isUndo(request)) return undefined;
      at.push(model.nowNs / 1e9);
      return { fails: code };
    });
    return at.map((seconds) => seconds - at[0]!);
  };

  it('has no attempt that would begin after its longest duration', async () => {
    const plan = retried('{ attempts: 10, delay: 4s, maxDuration: 12s }');
    expect(await attemptsOf(plan, 'timeout')).toEqual([0, 5, 10]);
  });

  it('is for the failures that are named, and for those that can pass where none is', async () => {
    expect(await attemptsOf(retried('{ attempts: 3, delay: 1s, on: [refused] }'), 'refused')).toHaveLength(3);
    expect(await attemptsOf(retried('{ attempts: 3, delay: 1s, on: [refused] }'), 'timeout')).toHaveLength(1);
    expect(await attemptsOf(retried('{ attempts: 3, delay: 1s }'), 'refused')).toHaveLength(1);
  });

  it('waits a little shorter or longer with jitter, and as long in every run of the plan', async () => {
    const plan = retried('{ attempts: 4, delay: 10s, jitter: 0.5 }');
    const first = await attemptsOf(plan, 'timeout');
    expect(await attemptsOf(plan, 'timeout')).toEqual(first);
    const delays = first.slice(1).map((at, index) => at - first[index]! - 1);
    for (const delay of delays) expect(Math.abs(delay - 10)).toBeLessThanOrEqual(5);
    expect(new Set(delays).size).toBe(3);
  });

  it('of a phase takes its steps back and runs them again', async () => {
    const phases = `  - id: before
    steps:
${run('kept')}
  - id: work
    retry: { attempts: 3, delay: 2s }
    steps:
${run('one')}${run('two')}`;
    const plan = planText('p.yaml', playbook(phases));
    let failures = 0;
    const { report, commands } = await runOn(plan, (request) => {
      if (stepOf(request) !== 'two' || isUndo(request) || failures === 2) return undefined;
      failures += 1;
      return { fails: 'refused' };
    });
    expect(report.run.outcome).toBe('succeeded');
    const round = ['do one', 'do two', 'undo two', 'undo one'];
    expect(commands).toEqual(['do kept', ...round, ...round, 'do one', 'do two']);
    expect(report.phases.map(({ id }) => id)).toEqual(['before', 'work', 'commit']);
    expect((await runOn(plan, failing('two'))).report.undone.at(-1)).toBe('kept');
  });

  it('of a phase knows nothing of what the steps of an earlier round found out', async () => {
    const isThere = 'doneIf: { uses: guest.run, with: { guest: old, argv: [is-there] } }';
    const plan = planText(
      'p.yaml',
      playbook(`  - id: work
    retry: { attempts: 2 }
    steps:
${run('one', `, ${isThere}`)}${run('two', ", when: 'has(steps.one.stdout)'")}${run('three')}`),
    );
    let rounds = 0;
    const { report } = await runOn(plan, (request) => {
      if (isUndo(request)) return undefined;
      if (stepOf(request) === 'three') rounds += 1;
      if (request.key.includes('/done-if/')) return rounds === 0 ? { fails: 'exit-code' } : undefined;
      return stepOf(request) === 'three' && rounds === 1 ? { fails: 'refused' } : undefined;
    });
    expect(report.run.outcome).toBe('succeeded');
    expect(report.phases[0]!.steps.map(({ outcome }) => outcome)).toEqual(['done-already', 'skipped', 'done']);
  });
});

describe('a duration that a step found out', () => {
  it('needs its unit like one that is written', async () => {
    const paused = (output: string): Plan =>
      planText(
        'p.yaml',
        playbook(`  - id: work
    steps:
      - { id: facts, uses: guest.facts, with: { guest: old }, outputs: { rest: '\${{ ${output} }}' } }
      - { id: wait, uses: pause, with: { for: '\${{ steps.facts.rest }}' } }`),
      );
    expect((await runOn(paused('"5s"'))).report.run.outcome).toBe('succeeded');
    expect((await runOn(paused('5'))).report.failure).toMatchObject({
      step: 'wait',
      message: 'argument for: expected a duration, found 5',
    });
  });
});

describe('the timeout of a phase', () => {
  it('ends a pause that is longer', async () => {
    const rest = (time: string): Plan =>
      planText(
        'p.yaml',
        playbook(
          `  - id: work\n    timeout: 10s\n    steps:\n      - { id: rest, uses: pause, with: { for: ${time} } }`,
        ),
      );
    expect((await runOn(rest('10s'))).report.run.outcome).toBe('succeeded');
    const { report } = await runOn(rest('11s'));
    expect(report.run.outcome).toBe('rolled-back');
    expect(report.failure).toMatchObject({ step: 'rest', code: 'phase-timeout' });
  });

  it('counts anew when the run is resumed: it would be over for ever', async () => {
    const later = `  - id: later
    timeout: 10s
    steps:
      - { id: slow, uses: guest.run, with: { guest: old, argv: [slow] }, timeout: 1m }
      - { id: after, uses: service.check }
`;
    const plan = planText('p.yaml', playbook(`  - id: work\n    steps:\n${run('one')}`) + later);
    using folders = new TestFolders();
    const stateDir = folders.make();
    let ms = 60_000;
    const model = modelFor(plan, undefined, (request) => ({ ms: stepOf(request) === 'slow' ? ms : 1, downtimeMs: 0 }));
    const paused = reportOf(await runPlan(plan, options(model, stateDir)));
    expect(paused.run.outcome).toBe('paused');
    expect(paused.failure).toMatchObject({ step: 'slow', code: 'timeout' });
    ms = 5_000;
    expect(reportOf(await resumeRun(options(model, stateDir))).run.outcome).toBe('succeeded');
  });
});

describe('a step that asks whether it is done', () => {
  const plan = planText(
    'p.yaml',
    playbook(
      `  - id: work\n    steps:\n${run('install', ', retry: { attempts: 2, delay: 1s }, doneIf: { uses: guest.run, with: { guest: old, argv: [is-there] } }')}${run('next')}`,
    ),
  );
  const asked: Interfere = (request) => (request.key.includes('/done-if/') ? { fails: 'exit-code' } : undefined);

  it('is not done where it is, and not taken back', async () => {
    const { report, commands } = await runOn(plan, failing('next'));
    expect(commands).toEqual(['is-there', 'do next', 'undo next']);
    expect(report.phases[0]!.steps[0]).toMatchObject({ outcome: 'done-already' });
  });

  it('is done where it is not', async () => {
    const { report, commands } = await runOn(plan, asked);
    expect(commands).toEqual(['is-there', 'do install', 'do next']);
    expect(report.run.outcome).toBe('succeeded');
  });

  it('asks again before the next attempt: what a failed one did is taken back', async () => {
    const { report, commands } = await runOn(plan, (request) => {
      if (request.key.endsWith('/done-if/1')) return { fails: 'exit-code' };
      if (request.key.endsWith('/install/1')) return { fails: 'timeout', halfWay: true };
      return failing('next')(request, undefined as never);
    });
    expect(commands).toEqual(['is-there', 'do install', 'is-there', 'do next', 'undo next', 'undo install']);
    expect(report.phases[0]!.steps[0]).toMatchObject({ outcome: 'done' });
  });
});

describe('a step that does all or nothing and asks whether it is done', () => {
  it('is taken back where an attempt that was told to have failed did it after all', async () => {
    const undo = 'undo: { uses: guest.run, with: { guest: old, argv: [undo] } }';
    const asks = 'doneIf: { uses: guest.run, with: { guest: old, argv: [is-gone] } }';
    const plan = planText(
      'p.yaml',
      playbook(
        `  - id: work\n    steps:\n      - { id: gone, uses: disk.remove, with: { disk: d }, ${undo}, ${asks}, retry: { attempts: 2, on: [timeout] } }\n${run('next')}`,
        'node: { disks: [{ name: d, image: x.yaml }] }',
      ),
    );
    const { report, commands } = await runOn(plan, (request) => {
      if (request.key.endsWith('/done-if/1')) return { fails: 'exit-code' };
      if (request.key.endsWith('/gone/1')) return { fails: 'timeout' };
      return failing('next')(request, undefined as never);
    });
    expect(commands).toEqual(['is-gone', 'is-gone', 'do next', 'undo next', 'undo']);
    expect(report.undone).toEqual(['next', 'gone']);
  });
});

describe('a loop', () => {
  const phases = `  - id: work
    steps:
      - id: each
        forEach: \${{ vars.names }}
        uses: guest.run
        with: { guest: old, argv: [touch, '\${{ each.item }}', '\${{ string(each.index) }}'] }
        undo: { uses: guest.run, with: { guest: old, argv: [rm, '\${{ each.item }}'] } }
      - { id: after, uses: guest.run, with: { guest: old, argv: [echo, '\${{ steps.each.stdout }}'] }, undo: none }`;
  const vars = 'vars: { names: { type: list<string>, default: [a, b] } }';

  it('runs once for each entry, and is taken back entry by entry', async () => {
    const plan = planText('p.yaml', playbook(phases, vars));
    expect(stepsOf(plan).map(({ id }) => id)).toEqual(['each:1', 'each:2', 'after', 'check', 'commit']);
    const { commands } = await runOn(plan, failing('check'));
    expect(commands).toEqual(['touch a 0', 'touch b 1', 'echo ', 'rm b', 'rm a']);
  });

  it('has the rounds that the values of the run give it', async () => {
    const plan = planText('p.yaml', playbook(phases, vars), { names: 'x,y,z' });
    expect((await runOn(plan)).commands.slice(0, 3)).toEqual(['touch x 0', 'touch y 1', 'touch z 2']);
    const none = `  - id: work\n    steps:\n      - { id: each, forEach: '\${{ vars.names }}', uses: guest.run, with: { guest: old, argv: ['\${{ each.item }}'] }, undo: none }`;
    const empty = planText('p.yaml', playbook(none, vars), { names: '' });
    expect((await runOn(empty)).report.run.outcome).toBe('succeeded');
  });
});

describe('a loop that has other rounds with the values of the run', () => {
  it('is checked with them before anything is done', () => {
    const phases = `  - id: work
    steps:
      - { id: each, forEach: '\${{ vars.names }}', uses: guest.run, with: { guest: old, argv: ['\${{ each.item }}'] }, undo: none }
      - { id: after, uses: guest.run, with: { guest: old, argv: [echo, '\${{ steps.each.stdout }}'] }, undo: none }`;
    const text = playbook(phases, 'vars: { names: { type: list<string>, default: [a] } }');
    expect(() => planText('p.yaml', text, { names: '' })).toThrow('MV0204: no step "each" exists');
  });
});

describe('a loop over entries of several types', () => {
  const looped = (items: string, condition: string): Plan =>
    planText(
      'p.yaml',
      playbook(`  - id: work
    steps:
      - { id: each, forEach: ${items}, uses: guest.run, with: { guest: old, argv: [do, '\${{ string(each.index) }}'] }, undo: none, when: '${condition}' }`),
    );

  it('compares each of them as the list was checked', async () => {
    expect((await runOn(looped('[1, x, 2.5]', 'each.item == "x"'))).commands).toEqual(['do 1']);
    expect((await runOn(looped('[1, 2.5]', 'each.item * 2.0 > 3.0'))).commands).toEqual(['do 1']);
  });
});

describe('names that every object of JavaScript has', () => {
  it('are names of variables and steps like others', async () => {
    for (const name of ['constructor', 'toString', 'valueOf']) {
      const phases = `  - id: work
    steps:
      - { id: ${name}, uses: guest.run, with: { guest: old, argv: [do, '\${{ vars.${name} }}'] }, undo: none, when: vars.${name} != "" }
      - { id: next, uses: guest.run, with: { guest: old, argv: [next] }, undo: none, when: has(steps.${name}.stdout) }`;
      const vars = `vars: { ${name}: { type: string, default: x } }`;
      const { commands } = await runOn(planText('p.yaml', playbook(phases, vars)));
      expect(commands).toEqual(['do x', 'next']);
      const none = await runOn(planText('p.yaml', playbook(phases, vars), { [name]: '' }));
      expect(none.commands).toEqual([]);
      expect(none.report.run.outcome).toBe('succeeded');
    }
  });
});

describe('a fragment', () => {
  const fragment = `
apiVersion: mvctl/v1
kind: Fragment
name: greet
params:
  guest: { type: guest }
  word: { type: string }
  times: { type: duration, default: 1s }
steps:
  - { id: say, uses: guest.run, with: { guest: '\${{ params.guest }}', argv: [say, '\${{ params.word }}'] }, undo: none }
  - { id: rest, uses: pause, with: { for: '\${{ params.times }}' } }
  - { id: again, uses: guest.run, with: { guest: old, argv: [again, '\${{ steps.say.stdout }}'] }, undo: none }
outputs:
  said: \${{ params.word }} in \${{ params.guest }}
`;
  const files = (path: string): Uint8Array => {
    if (path !== 'greet.yaml') throw new Error(`no file ${path}`);
    return new TextEncoder().encode(fragment);
  };
  const phases = `  - id: work
    steps:
      - { id: before, uses: guest.facts, with: { guest: old } }
      - { id: hello, include: greet.yaml, with: { guest: old, word: 'kernel \${{ steps.before.kernel }}', times: 3s } }
      - { id: maybe, include: greet.yaml, with: { guest: old, word: never }, when: vars.twice }
      - { id: after, uses: guest.run, with: { guest: old, argv: [after, '\${{ steps.hello.said }}'] }, undo: none }`;
  const plan = planText('p.yaml', playbook(phases, 'vars: { twice: { type: bool, default: false } }'), {}, files);

  it('runs in the place of the step that includes it, with its parameters', async () => {
    const { commands, report } = await runOn(plan);
    expect(commands).toEqual(['say kernel 1.0-model', 'again ', 'after kernel 1.0-model in old']);
    expect(report.phases[0]!.steps.find(({ id }) => id === 'hello:rest')!.nodeMs).toBe(3_000);
    expect(report.phases[0]!.steps.filter(({ id }) => id.startsWith('maybe')).map(({ outcome }) => outcome)).toEqual(
      Array(4).fill('skipped'),
    );
  });

  it('is part of what the plan is the hash of, and its steps know their file', () => {
    expect(plan.files.map(({ file }) => file)).toEqual(['greet.yaml']);
    const say = stepsOf(plan).find(({ id }) => id === 'hello:say');
    expect(say).toMatchObject({ file: 'greet.yaml', line: 10, scope: 'hello', name: 'say' });
  });
});

describe('a secret', () => {
  const phases = `  - id: work
    steps:
      - id: login
        uses: guest.run
        with: { guest: old, argv: [login], env: { TOKEN: '\${{ secrets.token }}', HEADER: 'Bearer \${{ secrets.token }}' } }
        undo: none
      - { id: file, uses: guest.copy, with: { guest: old, to: /etc/token, content: '\${{ secrets.token }}' }, undo: none }`;
  const plan = planText('p.yaml', playbook(phases, 'secrets: { token: { env: TOKEN } }'));

  it('reaches the node, and no record, report or plan', async () => {
    using folders = new TestFolders();
    const seen: ActRequest[] = [];
    const model = modelFor(plan, (request) => {
      seen.push(request);
      return stepOf(request) === 'login' ? { fails: 'exit-code', message: 'unknown token s3cr3t-value' } : undefined;
    });
    const readSecrets = () => ({ token: 's3cr3t-value' });
    const end = await runPlan(plan, { ...options(model, folders.make()), readSecrets });
    const login = seen.find((request) => stepOf(request) === 'login');
    expect(login?.args['env']).toEqual({ TOKEN: 's3cr3t-value', HEADER: 'Bearer s3cr3t-value' });
    const shown = JSON.stringify([readJournal(end.journalPath).records, reportOf(end), plan]);
    expect(shown).not.toContain('s3cr3t-value');
    expect(shown).not.toContain(Buffer.from('s3cr3t-value').toString('base64'));
    expect(shown).toContain('[secret token]');
  });

  it('is not in the journal of a run that was resumed, either', async () => {
    using folders = new TestFolders();
    const readSecrets = () => ({ token: 's3cr3t-value' });
    for (let record = 2; ; record++) {
      const model = modelFor(plan);
      const crashed = await runUntilCrash(plan, model, record, folders, { readSecrets });
      if ('end' in crashed) break;
      const end = await resumeRun({ ...options(model, crashed.left), readSecrets });
      const shown = JSON.stringify([readJournal(end.journalPath).records, reportOf(end)]);
      expect(shown, `resumed at record ${record}`).not.toContain('s3cr3t-value');
    }
  });
});

describe('a budget', () => {
  /** The service is down for 3 s during `cut`; then comes a soak of a minute. */
  const withBudget = (budget: string, head = ''): Plan => {
    const phases = `  - id: work\n${budget}    steps:\n${run('cut')}      - { id: soak, uses: pause, with: { for: 60s } }\n${run('next')}`;
    return planText('p.yaml', playbook(phases, head));
  };
  const timed = async (plan: Plan, stateDir: string, resume = false) => {
    const model = modelFor(plan, undefined, ({ key }) => ({
      ms: 1_000,
      downtimeMs: key.split('/')[2] === 'cut' && !key.includes('/undo/') ? 3_000 : 0,
    }));
    const first = reportOf(await runPlan(plan, options(model, stateDir)));
    return { first, second: resume ? reportOf(await resumeRun(options(model, stateDir))) : undefined };
  };

  it('that is spent ends a soak at once and takes the run back', async () => {
    using folders = new TestFolders();
    const { first } = await timed(withBudget('    budget: { downtime: 2s }\n'), folders.make());
    expect(first.run.outcome).toBe('rolled-back');
    expect(first.failure).toMatchObject({ code: 'budget', step: 'soak' });
    expect(first.failure!.message).toMatch(/^the budget of work is spent: \d+ ms of downtime, allowed are 2000 ms/);
    expect(first.phases[0]!.nodeMs).toBeLessThan(10_000);
    expect(first.budgets).toMatchObject([{ scope: 'phase', phase: 'work', what: 'downtime', limit: 2_000 }]);
  });

  it('of the run counts all phases, and pauses where it says so', async () => {
    using folders = new TestFolders();
    const plan = withBudget('', 'budget: { errors: 5, action: pause }');
    const { first, second } = await timed(plan, folders.make(), true);
    expect(first.run.outcome).toBe('paused');
    expect(first.failure?.message).toMatch(/^the budget of the run is spent: \d+ failed requests, allowed are 5/);
    expect(second?.run.outcome).toBe('succeeded');
  });

  it('that only warns is told in the report', async () => {
    using folders = new TestFolders();
    const { first } = await timed(withBudget('    budget: { errorRate: 1%, action: warn }\n'), folders.make());
    expect(first.run.outcome).toBe('succeeded');
    expect(first.budgets).toHaveLength(1);
  });

  it('that is not spent says nothing', async () => {
    using folders = new TestFolders();
    const { first } = await timed(withBudget('    budget: { downtime: 5s }\n'), folders.make());
    expect(first).toMatchObject({ run: { outcome: 'succeeded' }, budgets: [] });
  });
});

describe('the undo of a phase', () => {
  it('takes it back as a whole, in place of its steps', async () => {
    const phases = `  - id: work
    undo: { uses: guest.run, with: { guest: old, argv: [restore] } }
    steps:
${run('one')}${run('two')}`;
    const { commands } = await runOn(planText('p.yaml', playbook(phases)), failing('check'));
    expect(commands).toEqual(['do one', 'do two', 'restore']);
  });
});

describe('the outputs of a playbook', () => {
  it('are in the report of a run that succeeded', async () => {
    const phases = `  - id: work\n    steps:\n      - { id: facts, uses: guest.facts, with: { guest: old } }\n`;
    const plan = planText('p.yaml', playbook(phases, "outputs: { kernel: '${{ steps.facts.kernel }}' }"));
    expect((await runOn(plan)).report.outputs).toEqual({ kernel: '1.0-model' });
    expect((await runOn(plan, failing('facts'))).report.outputs).toBeNull();
  });
});

describe('a gate', () => {
  const phases = `  - id: work
    gate: { approvers: [ada, bob, cem], required: 2, timeout: 24h, message: shall we? }
    steps:
${run('one')}`;
  const plan = planText('p.yaml', playbook(phases));
  const answer = (by: string, decision: 'approve' | 'reject', wallMs: number) => ({
    gate: 'work',
    by,
    decision,
    comment: 'as discussed',
    wallMs,
  });
  const HOUR = 3_600_000;

  /** Runs, and resumes at each of the times, with what was said by then. */
  async function ask(answers: readonly ReturnType<typeof answer>[], times: readonly number[]) {
    using folders = new TestFolders();
    const stateDir = folders.make();
    const model = modelFor(plan);
    const at = (now: number) => ({
      ...options(model, stateDir),
      wallNow: () => now,
      answers: () => answers.filter(({ wallMs }) => wallMs <= now),
    });
    const ends = [await runPlan(plan, at(0))];
    for (const now of times) ends.push(await resumeRun(at(now)));
    return ends;
  }

  it('holds the run until enough of those who are asked have approved', async () => {
    const said = [answer('ada', 'approve', HOUR), answer('eve', 'approve', HOUR), answer('bob', 'approve', 2 * HOUR)];
    const ends = await ask(said, [HOUR, 2 * HOUR]);
    expect(ends.map(({ kind }) => kind)).toEqual(['waiting', 'waiting', 'over']);
    expect(ends[1]).toMatchObject({ waiting: { phase: 'work', approvals: ['ada'], untilMs: 24 * HOUR } });
    expect(reportOf(ends[2]!).run.outcome).toBe('succeeded');
  });

  it('is refused by one reject, and by nobody answering in time', async () => {
    const rejected = await ask([answer('cem', 'reject', HOUR)], [HOUR]);
    expect(reportOf(rejected.at(-1)!).failure).toMatchObject({
      code: 'gate-rejected',
      message: 'cem refused work: as discussed',
    });
    const late = await ask([answer('ada', 'approve', HOUR)], [HOUR, 24 * HOUR]);
    expect(reportOf(late.at(-1)!).failure).toMatchObject({ code: 'gate-timeout' });
    expect(reportOf(late.at(-1)!).failure?.message).toBe('1 of 2 approved at the gate of work in time');
    expect(reportOf(late.at(-1)!).run.outcome).toBe('rolled-back');
  });

  it('counts what was said in time, whenever the run is resumed, and nothing that came later', async () => {
    const inTime = await ask([answer('ada', 'approve', HOUR), answer('bob', 'approve', 23 * HOUR)], [30 * HOUR]);
    expect(reportOf(inTime.at(-1)!).run.outcome).toBe('succeeded');
    const tooLate = await ask([answer('ada', 'approve', HOUR), answer('bob', 'approve', 25 * HOUR)], [30 * HOUR]);
    expect(reportOf(tooLate.at(-1)!).failure).toMatchObject({
      code: 'gate-timeout',
      message: '1 of 2 approved at the gate of work in time',
    });
  });
});

describe('a window', () => {
  const at = (text: string): number => Date.parse(text);
  const withWindow = (more: string): Plan =>
    planText(
      'p.yaml',
      playbook(
        `  - id: work\n    window: { timeZone: Europe/Berlin, open: [{ days: [sat], from: "22:00", to: "04:00" }]${more} }\n    steps:\n${run('one')}`,
      ),
    );

  it('lets the phase begin when it is open, and says when that is', async () => {
    using folders = new TestFolders();
    const plan = withWindow(', cutoff: 2h');
    const stateDir = folders.make();
    const model = modelFor(plan);
    const when = (text: string) => ({ ...options(model, stateDir), wallNow: () => at(text) });
    // A Sunday at 02:30 in Berlin: open, but not for two more hours.
    const first = await runPlan(plan, when('2026-11-22T01:30:00Z'));
    expect(first).toMatchObject({ kind: 'waiting', waiting: { untilMs: at('2026-11-28T21:00:00Z') } });
    const second = await resumeRun(when('2026-11-28T20:59:00Z'));
    expect(second.kind).toBe('waiting');
    expect(reportOf(await resumeRun(when('2026-11-28T21:00:00Z'))).run.outcome).toBe('succeeded');
  });

  it('fails the phase where it says so', async () => {
    const plan = withWindow(', onClosed: fail');
    const { report } = await runOn(plan, undefined, { wallNow: () => at('2026-11-23T12:00:00Z') });
    expect(report.failure).toMatchObject({ code: 'window-closed', phase: 'work' });
  });
});
