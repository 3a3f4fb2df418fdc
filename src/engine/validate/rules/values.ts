// MV0115, MV0116, MV0209, MV0322: durations, memory and defaults of variables.
import type { Finding, Pointer } from '../../diagnostics/diagnostic.ts';
import { hasExpression } from '../../expression/template.ts';
import type { Playbook } from '../../generated/playbook.ts';
import { parseBytes } from '../../values/bytes.ts';
import { DURATION_HINTS, parseDuration } from '../../values/duration.ts';
import { checkVariableValue } from '../../values/variable.ts';
import type { Outline } from '../outline.ts';
import { phaseDurations, retryDurations } from '../playbook-expressions.ts';

/** Linux takes memory up and gives it up in blocks of this size; a bank is made of whole ones. */
const MEMORY_BLOCK_BYTES = parseBytes('128MiB')!;

export function checkValues(outline: Outline): readonly Finding[] {
  return [
    ...durations(outline).flatMap(checkDuration),
    ...checkMemory(outline.playbook),
    ...checkDefaults(outline.playbook),
  ];
}

interface Located {
  readonly text: unknown;
  readonly pointer: Pointer;
  /** Something is done once in each, or has this time: none of it would be no end of times, or none. */
  readonly isPositive?: boolean;
}

function durations({ playbook, steps, calls }: Outline): readonly Located[] {
  const found: Located[] = [
    { text: playbook.node?.hang, pointer: ['node', 'hang'] },
    { text: playbook.service?.interval, pointer: ['service', 'interval'], isPositive: true },
    { text: playbook.service?.deadline, pointer: ['service', 'deadline'], isPositive: true },
    {
      text: playbook.service?.load?.keepAlive?.interval,
      pointer: ['service', 'load', 'keepAlive', 'interval'],
      isPositive: true,
    },
    { text: playbook.budget?.downtime, pointer: ['budget', 'downtime'] },
    { text: playbook.window?.cutoff, pointer: ['window', 'cutoff'] },
    ...playbook.phases.flatMap((phase, index) =>
      phaseDurations(phase).map(({ path, text }) => ({ text, pointer: ['phases', index, ...path] })),
    ),
  ];
  for (const { step, pointer } of steps) {
    found.push(
      { text: step.expected, pointer: [...pointer, 'expected'] },
      ...retryDurations(step.retry).map(({ path, text }) => ({ text, pointer: [...pointer, 'retry', ...path] })),
    );
  }
  for (const { kind, with: args, timeout, pointer } of calls) {
    found.push({ text: timeout, pointer: [...pointer, 'timeout'] });
    for (const [name, spec] of Object.entries(kind.args)) {
      if (spec.type === 'duration') found.push({ text: args[name], pointer: [...pointer, 'with', name] });
    }
  }
  return found.filter(({ text }) => text !== undefined);
}

function checkDuration({ text, pointer, isPositive = false }: Located): readonly Finding[] {
  if (typeof text === 'string' && hasExpression(text)) return [];
  const problem = parseDuration(text);
  if (typeof problem === 'number') {
    if (!isPositive || problem > 0) return [];
    const message = `${pointer.at(-1)}: expected at least 1ms, found ${JSON.stringify(text)}`;
    return [{ code: 'MV0105', message, pointer }];
  }
  const message = `${pointer.at(-1)}: expected a duration, found ${JSON.stringify(text)}`;
  return [{ code: 'MV0115', message, hint: DURATION_HINTS[problem], pointer }];
}

function checkMemory({ node }: Pick<Playbook, 'node'>): readonly Finding[] {
  const findings: Finding[] = [];
  for (const name of ['memory', 'bank'] as const) {
    const text = node?.[name];
    if (text !== undefined && parseBytes(text) === undefined) {
      const message = `${name}: expected memory with a binary unit, found ${JSON.stringify(text)}`;
      findings.push({ code: 'MV0116', message, hint: 'write e.g. 512MiB or 1GiB', pointer: ['node', name] });
    }
  }
  const bank = parseBytes(node?.bank);
  const memory = parseBytes(node?.memory);
  if (bank !== undefined && (bank === 0 || bank % MEMORY_BLOCK_BYTES !== 0)) {
    const message = `bank: expected a multiple of 128MiB, found ${node?.bank}`;
    findings.push({
      code: 'MV0322',
      message,
      hint: 'an OS gives up and takes up whole blocks',
      pointer: ['node', 'bank'],
    });
  } else if (bank !== undefined && memory !== undefined && memory !== 2 * bank) {
    const message = `memory: expected two banks of ${node?.bank}, found ${node?.memory}`;
    const hint = `two banks have ${(2 * bank) / 2 ** 20}MiB`;
    findings.push({ code: 'MV0322', message, hint, pointer: ['node', 'memory'] });
  }
  return findings;
}

function checkDefaults({ vars = {} }: Pick<Playbook, 'vars'>): readonly Finding[] {
  return Object.entries(vars).flatMap(([name, variable]): readonly Finding[] => {
    const pointer = ['vars', name, 'default'];
    const value = variable?.default;
    if (variable === undefined || value === undefined) return [];
    if (typeof value === 'string' && hasExpression(value)) {
      return [{ code: 'MV0208', message: 'a default is a plain value, found an expression', pointer }];
    }
    const problem = checkVariableValue(variable.type, value);
    return problem === undefined ? [] : [{ code: 'MV0209', message: `${name}: ${problem}`, pointer }];
  });
}
