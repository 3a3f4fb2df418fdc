/** A command line of mvctl in this process, on a node that a test brings where it needs one. */
import type { OpenNode } from '../../src/cli/open-node.ts';
import { runProgram } from '../../src/cli/program.ts';
import { VERBS } from '../../src/cli/verbs.ts';

export interface Ran {
  readonly out: string;
  readonly err: string;
  readonly exitCode: number;
}

/** `unread`: aborted when nobody reads what it prints any more. */
export async function runMvctl(argv: readonly string[], open?: OpenNode, unread?: AbortSignal): Promise<Ran> {
  let [out, err, exitCode] = ['', '', 0];
  const io = {
    stdout: { write: (text: string) => (out += text) },
    stderr: { write: (text: string) => (err += text) },
    isColor: false,
    ...(unread ? { unread } : {}),
    wallNow: () => 0,
    setExitCode: (code: number) => {
      exitCode = code;
    },
  };
  await runProgram(argv, io, VERBS, open ? { open } : {});
  return { out, err, exitCode };
}
