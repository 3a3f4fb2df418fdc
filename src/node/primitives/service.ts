/** The service: asked for like a client would, and handed over. */
import { createHash } from 'node:crypto';
import type { PrimitiveArgs, ServiceSpec } from '../../engine/port.ts';
import type { HttpResult } from '../../network/index.ts';
import type { EmulatedNode } from '../emulated-node.ts';
import { NETWORK } from '../guest.ts';
import { NodeError } from '../node-error.ts';
import type { Primitive } from './table.ts';
import { askForVeto } from './veto.ts';

export const checkService: Primitive<'service.check'> = async (node, args, context) => {
  const address = args.guest === null ? NETWORK.service : NETWORK.management[node.guest(args.guest).side];
  let latencyMsMax = 0;
  let last: Said = { status: 0, bodySha256: '', body: '' };
  for (let request = 0; request < args.times; request++) {
    if (request > 0) await node.executive.drive(node.executive.sleep(args.intervalMs * 1e6));
    if (node.machine.now() >= context.deadlineNs) {
      throw new NodeError('timeout', `the deadline passed after ${request} of ${args.times} requests`);
    }
    const answer = await ASK[node.service.protocol](node, address, args);
    latencyMsMax = Math.max(latencyMsMax, answer.latencyMs);
    last = answer.said;
  }
  return { ...last, latencyMsMax };
};

/** Whether the service answers at its address as `service` expects. */
export async function serves(node: EmulatedNode, service: ServiceSpec): Promise<boolean> {
  const { path, deadlineMs, expectStatus, expectContains } = service;
  const once = { guest: null, path, times: 1, intervalMs: 0, deadlineMs };
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

type AskOnce = (
  node: EmulatedNode,
  address: string,
  args: PrimitiveArgs<'service.check'>,
) => Promise<{ readonly said: Said; readonly latencyMs: number }>;

const ASK: Readonly<Record<ServiceSpec['protocol'], AskOnce>> = { http: getPage, valkey: greetStore };

async function getPage(node: EmulatedNode, address: string, args: PrimitiveArgs<'service.check'>): ReturnType<AskOnce> {
  const { path, deadlineMs } = args;
  const { port } = node.service;
  const result = await node.executive.drive(
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
  address: string,
  { deadlineMs }: PrimitiveArgs<'service.check'>,
): ReturnType<AskOnce> {
  const { port } = node.service;
  const { answer, latencyNs } = await node.executive.drive(
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
  const found = await node.executive.drive(node.probe.findRecords(deadlineMs));
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

/** From here on `to` passes packets of connections it does not know on to `from`. */
export const relay: Primitive<'service.relay'> = async (node, args, { deadlineNs }) => {
  await address(node, args.to, ['relay', NETWORK.management[node.guest(args.from).side]], deadlineNs);
  return {};
};

/**
 * Make before break: the receiver takes the address and announces it, and goes first on the hart from here on; then the
 * giver no longer answers for it. Connections that are open stay with the giver and reach it through the receiver.
 */
export const cutOver: Primitive<'service.cut-over'> = async (node, args, context) => {
  const { deadlineNs } = context;
  const to = node.guest(args.to);
  await askForVeto(node, 'cut-over', [args.from, args.to], deadlineNs);
  // There is nobody to pass anything on to where the giver is gone, be it that it crashed.
  const giverRuns = node.findGuest(args.from) !== undefined && (await node.guestRuns(node.guest(args.from).side));
  if (giverRuns) await relay(node, args, context);
  await node.awake(args.to, deadlineNs);
  await address(node, args.to, ['take'], deadlineNs);
  if (node.virtualized) await node.monitor.request({ op: 'setProduction', side: to.side });
  if (giverRuns) await address(node, args.from, ['yield'], deadlineNs);
  return {};
};

const DRAIN_POLL_NS = 100_000_000;

export const drain: Primitive<'service.drain'> = async (node, args, { deadlineNs }) => {
  let first: number | undefined;
  while (node.findGuest(args.from) !== undefined && (await node.guestRuns(node.guest(args.from).side))) {
    const connections = Number(await address(node, args.from, ['connections'], deadlineNs));
    first ??= connections;
    if (connections === 0) {
      await address(node, args.from, ['drop'], deadlineNs);
      break;
    }
    const nextNs = node.machine.now() + DRAIN_POLL_NS;
    if (nextNs >= deadlineNs) {
      throw new NodeError('timeout', `${args.from} still has ${connections} connections of clients`);
    }
    await node.executive.drive(node.executive.until(nextNs));
  }
  await address(node, args.to, ['settle'], deadlineNs);
  return { connections: first ?? 0 };
};

/** What mv-address prints. */
async function address(
  node: EmulatedNode,
  guest: 'old' | 'new',
  args: readonly string[],
  deadlineNs: number,
): Promise<string> {
  const run = await node.run(guest, ['/usr/local/sbin/mv-address', ...args], { deadlineNs });
  if (run.exitCode !== 0) {
    throw new NodeError(
      'exit-code',
      `mv-address ${args.join(' ')} in ${guest} ended with ${run.exitCode}: ${run.stderr.trim()}`,
    );
  }
  return run.stdout;
}
