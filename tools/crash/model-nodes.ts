/**
 * Model nodes in a process of their own, each on the socket where mvctl looks for the node of its state directory: what
 * an engine that is killed leaves behind is there for the next one. Commands come as JSON lines on standard input, the
 * answer to each is one JSON line.
 */
import { createInterface } from 'node:readline';
import { type ActRequest, ModelNode, type Plan, priorTiming } from '../../src/engine/index.ts';
import { type ServedNode, serveNode } from '../../src/node/server.ts';
import { createStateDirectory } from '../../src/node/state-directory.ts';

export type ModelCommand =
  /** A new node for `stateDir`; its act of step `hold` ends only once it is let go. */
  | { readonly op: 'start'; readonly stateDir: string; readonly plan: Plan; readonly hold?: string }
  | { readonly op: 'let-go'; readonly stateDir: string }
  /** What the node did and is. */
  | { readonly op: 'tell'; readonly stateDir: string }
  | { readonly op: 'stop'; readonly stateDir: string };

export interface ModelState {
  /** Every primitive that took effect, in order. */
  readonly history: readonly string[];
  readonly isVirtualized: boolean;
  readonly serving: string | null;
  readonly guests: readonly string[];
  readonly disks: readonly string[];
}

interface Served {
  readonly model: ModelNode;
  readonly letGo: () => void;
  readonly close: () => void;
}

const nodes = new Map<string, Served>();

async function start({ stateDir, plan, hold }: ModelCommand & { op: 'start' }): Promise<void> {
  const model = new ModelNode({ timing: priorTiming(plan), hardware: plan.node });
  let letGo = (): void => {};
  const gone = new Promise<void>((resolve) => {
    letGo = resolve;
  });
  const server = await serveNode(
    servedModel(model, hold === undefined ? undefined : { step: hold, until: gone }),
    createStateDirectory(stateDir).socket,
    () => {},
  );
  nodes.set(stateDir, { model, letGo, close: () => server.close() });
}

interface Held {
  readonly step: string;
  readonly until: Promise<void>;
}

/** The model behind the port as a node's process serves it. */
function servedModel(model: ModelNode, held: Held | undefined): ServedNode {
  return {
    status: () => model.status(),
    fence: (epoch) => model.fence(epoch),
    async act(request: ActRequest) {
      const outcome = await model.act(request);
      if (held && request.key.split('/')[2] === held.step && !request.key.includes('/undo/')) await held.until;
      return outcome;
    },
    actAny: (requests, untilNs) => model.actAny(requests, untilNs),
    probe: (key) => model.probe(key),
    waitUntil: (ns) => model.waitUntil(ns),
    measureService: (fromNs, toNs) => model.measureService(fromNs, toNs),
    measureMicrovisor: () => model.measureMicrovisor(),
    measureTimeline: (fromNs, toNs) => model.measureTimeline(fromNs, toNs),
    onProgress: () => () => {},
    close: () => Promise.resolve(),
    shutDown: () => Promise.resolve(),
    onConsole: () => () => {},
    consoleInput: () => {},
    insertDisk: () => true,
    top: () => Promise.reject(new Error('a model has no Microvisor to account for')),
  };
}

function tell({ model }: Served): ModelState {
  const { isVirtualized, serving = null, guests, disks } = model.state;
  return { history: model.history, isVirtualized, serving, guests: [...guests.keys()], disks: [...disks] };
}

async function answer(command: ModelCommand): Promise<unknown> {
  if (command.op === 'start') return start(command);
  const node = nodes.get(command.stateDir);
  if (!node) throw new Error(`no node for ${command.stateDir}`);
  if (command.op === 'tell') return tell(node);
  if (command.op === 'let-go') return node.letGo();
  node.close();
  nodes.delete(command.stateDir);
  return undefined;
}

if (import.meta.main) {
  for await (const line of createInterface({ input: process.stdin })) {
    process.stdout.write(`${JSON.stringify((await answer(JSON.parse(line) as ModelCommand)) ?? null)}\n`);
  }
  process.exit(0);
}
