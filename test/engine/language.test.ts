import { readFileSync } from 'node:fs';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { expressionsOf, parseTemplate } from '../../src/engine/expression/template.ts';
import { LockHeld, parseYaml, validatePlaybook } from '../../src/engine/index.ts';
import { lockNode } from '../../src/engine/journal/node-lock.ts';
import { decodeLine, encodeRecord } from '../../src/engine/journal/record-line.ts';
import { stepsOf } from '../../src/engine/plan/plan.ts';
import { formatMs, parseDuration } from '../../src/engine/values/duration.ts';
import { modelFor, ONLINE, options, planText, reportOf, runPlan, TestFolders } from './model-run.ts';

const playbook = (steps: string, vars = ''): string => `
apiVersion: mvctl/v1
kind: Playbook
name: example
${vars}
phases:
  - id: work
    steps:
${steps}
      - { id: check, uses: service.check }
      - { id: commit, uses: commit, with: { guest: old } }
`;

describe('a duration', () => {
  it.each([
    ['250ms', 250],
    ['90s', 90_000],
    ['1h30m', 5_400_000],
    ['1.5s', 1_500],
    ['PT1H30M', 5_400_000],
    ['PT0.25S', 250],
    ['30', 'no-unit'],
    [30, 'no-unit'],
    ['-5s', 'negative'],
    ['P1M', 'calendar'],
    ['1d', 'calendar'],
    ['PT', 'malformed'],
    ['soon', 'malformed'],
    ['1000h', 'too-long'],
  ])('%s is %s', (text, expected) => {
    expect(parseDuration(text)).toBe(expected);
  });

  it('reads back what it shows, to the two units shown', () => {
    fc.assert(
      fc.property(fc.integer({ min: 60_000, max: 86_400_000 }), (ms) => {
        const read = parseDuration(formatMs(ms).replaceAll(' ', ''));
        expect(Math.abs(Number(read) - ms)).toBeLessThanOrEqual(ms >= 3_600_000 ? 60_000 : 500);
      }),
    );
  });
});

describe('a template', () => {
  it.each([
    ['${{ a }}', ['a']],
    ['x ${{ a }} y ${{ b }}', ['a', 'b']],
    ['${{ {"a": {"b": 1}} }}', ['{"a": {"b": 1}}']],
    ['${{ "}}" + a }}', ['"}}" + a']],
    ['no expression }}', []],
  ])('%s holds %j', (text, sources) => {
    const template = parseTemplate(text);
    expect('parts' in template && expressionsOf(template).map(({ source }) => source)).toEqual(sources);
  });

  it('never throws', () => {
    fc.assert(fc.property(fc.string(), (text) => void parseTemplate(`\${{${text}`)));
  });
});

describe('a playbook', () => {
  it('whatever is written in it gets diagnostics, never an exception', () => {
    const text = readFileSync(ONLINE, 'utf8');
    fc.assert(
      fc.property(fc.nat(text.length), fc.nat(40), fc.string({ unit: 'binary' }), (at, cut, put) => {
        const { diagnostics } = validatePlaybook(parseYaml('p.yaml', text.slice(0, at) + put + text.slice(at + cut)));
        for (const { place } of diagnostics) expect(place.line).toBeGreaterThan(0);
      }),
      { numRuns: 200 },
    );
  });

  it('never reads the value of a variable as an expression', () => {
    const steps = `
      - id: greet
        uses: guest.run
        with: { guest: old, argv: [echo, '\${{ vars.word }}', 'x\${{ vars.word }}'] }
        undo: none`;
    const plan = planText('p.yaml', playbook(steps, 'vars: { word: { type: string } }'), { word: '${{ run.id }}' });
    expect(stepsOf(plan)[0]?.with['argv']).toEqual({ as: 'value', value: ['echo', '${{ run.id }}', 'x${{ run.id }}'] });
  });

  it('skips what its condition excludes, and lets others ask', async () => {
    using folders = new TestFolders();
    const steps = `
      - { id: facts, uses: guest.facts, with: { guest: old }, when: vars.careful }
      - { id: sane, uses: assert, with: { that: '!has(steps.facts.kernel)' } }
      - { id: named, uses: set, outputs: { title: 'run \${{ run.id }}' } }
      - { id: same, uses: assert, with: { that: 'steps.named.title == "run " + run.id' } }`;
    const plan = planText('p.yaml', playbook(steps, 'vars: { careful: { type: bool, default: false } }'));
    const report = reportOf(await runPlan(plan, options(modelFor(plan), folders.make())));
    expect(report.failure).toBeNull();
    expect(report.phases[0]?.steps.map(({ outcome }) => outcome)).toEqual([
      'skipped',
      'done',
      'done',
      'done',
      'done',
      'done',
    ]);
  });

  it('passes over a failure where it says so', async () => {
    using folders = new TestFolders();
    const steps = `
      - { id: facts, uses: guest.facts, with: { guest: old }, onFailure: continue }`;
    const plan = planText('p.yaml', playbook(steps));
    const model = modelFor(plan, ({ key }) => (key.includes('/facts/') ? { fails: 'refused' } : undefined));
    const report = reportOf(await runPlan(plan, options(model, folders.make())));
    expect(report.run.outcome).toBe('succeeded');
    expect(report.phases[0]?.steps[0]).toMatchObject({ outcome: 'failed' });
  });

  it('has phases that end at their timeout', async () => {
    using folders = new TestFolders();
    const steps = `
      - { id: wait, uses: pause, with: { for: 3s } }`;
    const text = playbook(steps).replace('- id: work', '- id: work\n    timeout: 2s');
    const report = reportOf(
      await runPlan(planText('p.yaml', text), options(modelFor(planText('p.yaml', text)), folders.make())),
    );
    expect(report.failure).toMatchObject({ code: 'phase-timeout', step: 'wait' });
  });
});

describe('a record', () => {
  it('reads back, and a changed character is seen', () => {
    fc.assert(
      fc.property(fc.jsonValue(), fc.nat(), (value, where) => {
        const event = { type: 'x', value: value as never };
        const line = encodeRecord(7, { type: 'event', event, atNs: 1, wallMs: 2 }).trimEnd();
        const read = decodeLine(line);
        expect(read.ok && read.record.seq).toBe(7);
        const at = where % line.length;
        const changed = line.slice(0, at) + (line[at] === 'x' ? 'y' : 'x') + line.slice(at + 1);
        expect(decodeLine(changed).ok).toBe(false);
      }),
    );
  });
});

describe('the lock of a node', () => {
  it('is held by one, who is named to the others, until it is released', async () => {
    using folders = new TestFolders();
    const stateDir = folders.make();
    const holder = { pid: 4711, since: '2026-01-01T00:00:00Z', playbook: 'first' };
    const lock = await lockNode(stateDir, holder);
    await expect(lockNode(stateDir, holder)).rejects.toThrow(LockHeld);
    await expect(lockNode(stateDir, holder)).rejects.toThrow(/process 4711, which runs first/);
    await lock.release();
    await (await lockNode(stateDir, holder)).release();
  });
});
