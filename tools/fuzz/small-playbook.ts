/** Playbooks of one phase whose steps need each other in some way: small enough to be seen whole, and full of what the language has. */
import type { Random } from './mutate.ts';

export function smallPlaybook(random: Random): string {
  const oneOf = (texts: readonly string[]): string => texts[random(texts.length)]!;
  const steps = Array.from({ length: 2 + random(3) }, (_, index) => {
    const needs = Array.from({ length: index }, (_, before) => `s${before}`).filter(() => random(5) < 2);
    return `      - { id: s${index}, ${oneOf(kinds(index))}${oneOf(POLICIES)}, needs: [${needs.join(', ')}] }`;
  });
  return `apiVersion: mvctl/v1
kind: Playbook
name: beside
phases:
  - id: work
${oneOf(PHASE_SETTINGS)}    steps:
${steps.join('\n')}
  - id: commit
    steps:
      - { id: checked, uses: service.check }
      - { id: commit, uses: commit, with: { guest: old } }
`;
}

function kinds(index: number): readonly string[] {
  const command = `uses: guest.run, with: { guest: old, argv: [do${index}] }, undo: { uses: guest.run, with: { guest: old, argv: [undo${index}] } }`;
  return [
    command,
    command,
    `${command}, doneIf: { uses: guest.run, with: { guest: old, argv: [ask] } }`,
    'uses: guest.facts, with: { guest: old }',
    'uses: pause, with: { for: 5s }',
    `uses: disk.clone, with: { from: old, disk: d${index} }`,
  ];
}

const POLICIES = [
  '',
  '',
  ', retry: { attempts: 2, delay: 3s }',
  ', onFailure: pause',
  ', onFailure: continue',
  ', expected: 9s',
] as const;

const PHASE_SETTINGS = [
  '',
  '',
  '    timeout: 20m\n',
  '    retry: { attempts: 2, delay: 5s }\n',
  '    budget: { downtime: 1s, action: pause }\n',
  '    gate: { approvers: [ann], timeout: 1h }\n',
] as const;
