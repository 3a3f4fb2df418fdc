/** mvctl as it is, but for its node: the model node that model-nodes.ts serves for the state directory. */
import { processIo } from '../../src/cli/io.ts';
import { runProgram } from '../../src/cli/program.ts';
import { VERBS } from '../../src/cli/verbs.ts';
import { connectToNode } from '../../src/node/client.ts';
import { stateDirectory } from '../../src/node/state-directory.ts';

await runProgram(process.argv.slice(2), processIo(), VERBS, {
  open: ({ stateDir }) => connectToNode(stateDirectory(stateDir).socket),
});
