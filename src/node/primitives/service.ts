/** The service: asked for like a client would, and handed over. */
import { createHash } from 'node:crypto';
import type { GuestName, PrimitiveArgs, ServiceSpec } from '../../engine/port.ts';
import type { Side } from '../../machine/index.ts';
import type { HttpResult } from '../../network/index.ts';
import type { EmulatedNode } from '../emulated-node.ts';
import { NETWORK } from '../guest.ts';
import { NodeError } from '../node-error.ts';
import { awake } from './awake.ts';
import { addressCommand, expectSuccess, mvAddress } from './commands.ts';
import type { Primitive } from './table.ts';
import { unlessItFalls } from './unless-it-falls.ts';
import { askForVeto } from './veto.ts';

export const checkService: Primitive<'service.check'> = async (node, args, context) => {
  const address = args.guest === null ? NETWORK.service : NETWORK.management[node.guests.get(args.guest).side];
  const drive = whileUp(node, args.guest === null ? node.serves() : node.guests.get(args.guest).side);
  const { service = node.service } = args;
  let latencyMsMax = 0;
  let last: Said = { status: 0, bodySha256: '', body: '' };
  for (let request = 0; request < args.times; request++) {
    if (request > 0) await drive(node.executive.sleep(args.intervalMs * 1e6));
    if (node.machine.now() >= context.deadlineNs) {
      throw new NodeError('timeout', `the deadline passed after ${request} of ${args.times} requests`);
    }
    const answer = await ASK[service.protocol](node, { address, port: service.port }, args, drive);
    latencyMsMax = Math.max(latencyMsMax, answer.latencyMs);
    last = answer.said;
  }
  return { ...last, latencyMsMax };
};

type Drive = <T>(work: Promise<T>) => Promise<T>;

/** Lets the node run until the work is done, or the guest of the side that is asked has gone down: it will not answer. */
const whileUp =
  (node: EmulatedNode, side: Side | undefined): Drive =>
  (work) =>
    node.executive.drive(side === undefined ? work : node.unlessDown(side, work));

/** Whether the service answers at its address as `service` expects. */
export async function serves(node: EmulatedNode, service: ServiceSpec): Promise<boolean> {
  const { path, deadlineMs, expectStatus, expectContains } = service;
  const once = { guest: null, service, path, times: 1, intervalMs: 0, deadlineMs };
  const args = { ...once, expectStatus, expectContains, expectSha256: '' };
  try {
    await checkService(node, args, { deadlineNs: Number.POSITIVE_INFINITY, key: '' });
    return true;
  } catch (error) {
    if (error instanceof NodeError) return false;
    throw error;
  }
}

interface Said {
  readonly status: number;
  readonly bodySha256: string;
  readonly body: string;
}

interface Asked {
  readonly address: string;
  readonly port: number;
}

type AskOnce = (
  node: EmulatedNode,
  asked: Asked,
  args: PrimitiveArgs<'service.check'>,
  drive: Drive,
) => Promise<{ readonly said: Said; readonly latencyMs: number }>;

const ASK: Readonly<Record<ServiceSpec['protocol'], AskOnce>> = { http: getPage, valkey: greetStore };

async function getPage(
  node: EmulatedNode,
  { address, port }: Asked,
  args: PrimitiveArgs<'service.check'>,
  drive: Drive,
): ReturnType<AskOnce> {
  const { path, deadlineMs } = args;
  const result = await drive(
    new Promise<HttpResult>((resolve) => {
      node.probe.get({ address, port, path, deadlineMs }, node.executive.pausing(resolve));
    }),
  );
  const what = `GET ${path} from ${address}`;
  if (!result.ok) throw new NodeError('service-down', `${what}: ${result.failure}: ${result.message}`);
  const { status, body } = result.response;
  const said = { status, bodySha256: sha256(body), body: new TextDecoder().decode(body) };
  expectAnswer(what, said, args);
  return { said, latencyMs: result.latencyNs / 1e6 };
}

const GREETING = 'PONG';

/** A store has no pages and no status: it answers a greeting. */
async function greetStore(
  node: EmulatedNode,
  { address, port }: Asked,
  { deadlineMs }: PrimitiveArgs<'service.check'>,
  drive: Drive,
): ReturnType<AskOnce> {
  const { answer, latencyNs } = await drive(
    new Promise<{ answer: string; latencyNs: number }>((resolve) => {
      node.probe.ping({ address, port, deadlineMs }, node.executive.pausing(resolve));
    }),
  );
  if (answer !== GREETING) {
    throw new NodeError('service-down', `PING to ${address}:${port}: expected ${GREETING}, found ${answer}`);
  }
  return {
    said: { status: 0, bodySha256: sha256(new TextEncoder().encode(answer)), body: answer },
    latencyMs: latencyNs / 1e6,
  };
}

const sha256 = (bytes: Uint8Array): string => createHash('sha256').update(bytes).digest('hex');

export const checkRecords: Primitive<'service.records'> = async (node, { deadlineMs }) => {
  const found = await whileUp(node, node.serves())(node.probe.findRecords(deadlineMs));
  if (found === undefined) {
    // Whoever brings the service back has to look for them.
    const acknowledged = [...node.probe.acknowledgedRecords];
    throw new NodeError('service-down', 'the service did not answer when its records were read', { acknowledged });
  }
  const { acknowledged, lost } = found;
  if (lost.length > 0) {
    const some = lost.slice(0, LOST_NAMED_MAX).join(', ');
    throw new NodeError('records-lost', `${lost.length} of ${acknowledged} acknowledged records are lost: ${some}`);
  }
  return { acknowledged, lost };
};

const LOST_NAMED_MAX = 5;

function expectAnswer(
  what: string,
  found: { status: number; bodySha256: string; body: string },
  expected: { expectStatus: number; expectContains: string; expectSha256: string },
): void {
  if (found.status !== expected.expectStatus) {
    throw new NodeError('service-down', `${what}: expected status ${expected.expectStatus}, found ${found.status}`);
  }
  if (!found.body.includes(expected.expectContains)) {
    const excerpt = JSON.stringify(found.body.slice(0, 80));
    throw new NodeError(
      'service-down',
      `${what}: expected a body with ${JSON.stringify(expected.expectContains)}, found ${excerpt}`,
    );
  }
  if (expected.expectSha256 !== '' && found.bodySha256 !== expected.expectSha256) {
    throw new NodeError(
      'service-down',
      `${what}: expected a body with SHA-256 ${expected.expectSha256}, found ${found.bodySha256}`,
    );
  }
}

/** From here on `to` passes packets of connections it does not know on to `from`; one that went down has none any more. */
export const relay: Primitive<'service.relay'> = async (node, args, { deadlineNs }) => {
  if (!(await node.responds(args.from))) return {};
  if (!node.isUp(args.to)) await awake(node, args.to, deadlineNs);
  const { side } = node.guests.get(args.from);
  const argv = addressCommand(['relay', NETWORK.management[side]]);
  await unlessItFalls(node, args.from, async () => {
    const exec = node.withAgent(args.to, (agent) => node.unlessDown(side, agent.exec(argv, { env: {}, deadlineNs })));
    expectSuccess(args.to, argv, await exec);
  });
  return {};
};

/**
 * Make before break: the receiver takes the address and announces it, and goes first on the hart from here on; then the
 * giver no longer answers for it. Connections that are open stay with the giver and reach it through the receiver. A giver
 * that is not up, or hangs, is kept down, since its OS would take the address when it boots.
 */
export const cutOver: Primitive<'service.cut-over'> = async (node, args, context) => {
  const { deadlineNs } = context;
  const to = node.guests.get(args.to);
  await node.responds(args.from);
  await askForVeto(node, 'cut-over', [args.from, args.to], deadlineNs);
  await relay(node, args, context);
  await node.keepDown(args.from);
  await awake(node, args.to, deadlineNs);
  await node.keepingDown(args.from, () => mvAddress(node, args.to, ['take'], deadlineNs));
  if (node.virtualized) await node.monitor.request({ op: 'setProduction', side: to.side });
  if (node.isUp(args.from)) {
    await unlessItFalls(node, args.from, () => mvAddress(node, args.from, ['yield'], deadlineNs));
  }
  await node.keepDown(args.from);
  return {};
};

const DRAIN_POLL_NS = 100_000_000;

export const drain: Primitive<'service.drain'> = async (node, args, { deadlineNs }) => {
  let first: number | undefined;
  // The connections of a guest that goes down go with it.
  while (await node.responds(args.from)) {
    const connections = await connectionsOf(node, args.from, deadlineNs);
    first ??= connections;
    if (connections === 0) break;
    const nextNs = node.machine.now() + DRAIN_POLL_NS;
    if (nextNs >= deadlineNs) {
      throw new NodeError('timeout', `${args.from} still has ${connections} connections of clients`);
    }
    await node.executive.drive(node.executive.until(nextNs));
  }
  await awake(node, args.to, deadlineNs);
  await mvAddress(node, args.to, ['settle'], deadlineNs);
  return { connections: first ?? 0 };
};

/** Open connections of a guest, which has the address no longer once there are none. */
async function connectionsOf(node: EmulatedNode, guest: GuestName, deadlineNs: number): Promise<number> {
  const open = await unlessItFalls(node, guest, async () => {
    const connections = Number(await mvAddress(node, guest, ['connections'], deadlineNs));
    if (connections === 0) await mvAddress(node, guest, ['drop'], deadlineNs);
    return connections;
  });
  return open ?? 0;
}
