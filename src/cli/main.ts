/** Entry of the command `mvctl`. */
import { processIo } from './io.ts';
import { runProgram } from './program.ts';
import { VERBS } from './verbs.ts';

await runProgram(process.argv.slice(2), processIo(), VERBS);
