/** The plan of a playbook as `mvctl apply` makes it, and the variables that make it true of a model node. */
import { readFileSync } from 'node:fs';
import { makePlan, type Plan, parseYaml, validatePlaybook } from '../../src/engine/index.ts';

/** What the model's OS says after an upgrade. */
const MODEL_VARS: { readonly [name: string]: string } = { expectedKernel: '2.' };

export function onlinePlan(path: string): { readonly plan: Plan; readonly vars: readonly string[] } {
  const { playbook } = validatePlaybook(parseYaml(path, readFileSync(path)));
  if (!playbook) throw new Error(`${path} has mistakes: mvctl validate ${path}`);
  const known = Object.keys(playbook.playbook.vars ?? {});
  const vars = Object.fromEntries(Object.entries(MODEL_VARS).filter(([name]) => known.includes(name)));
  const { plan } = makePlan(playbook, { vars });
  if (!plan) throw new Error(`${path} makes no plan`);
  return { plan, vars: Object.entries(vars).flatMap(([name, value]) => ['--var', `${name}=${value}`]) };
}
