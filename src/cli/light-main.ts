/** Entry of the verbs that need no node: bundled by the build, run by the launcher in whatever Node.js release it has. */
import { processIo } from './io.ts';
import { LIGHT_VERBS } from './light-verbs.ts';
import { runProgram } from './program.ts';

/** False where the command line asks for another verb; nothing was done then. */
export async function runLight(argv: readonly string[]): Promise<boolean> {
  if (!LIGHT_VERBS.some(({ name }) => name === argv[0])) return false;
  await runProgram(argv, processIo(), LIGHT_VERBS);
  return true;
}
