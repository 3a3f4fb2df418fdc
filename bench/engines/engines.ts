/** Who takes part in a comparison, the machine itself first. */
import type { Engine } from './engine.ts';
import { machineEngine } from './machine-engine.ts';
import { qemuEngine } from './qemu-engine.ts';

export const TRANSLATOR = machineEngine('translator', 'hot');
export const INTERPRETER = machineEngine('interpreter', 'off');

/** Says who is absent, and why. */
export function presentEngines(isWanted: (name: string) => boolean): readonly Engine[] {
  const all = [TRANSLATOR, INTERPRETER, qemuEngine].filter((engine) => isWanted(engine.name));
  for (const engine of all) if (engine.absent !== undefined) console.log(`${engine.name} is absent: ${engine.absent}`);
  return all.filter((engine) => engine.absent === undefined);
}
