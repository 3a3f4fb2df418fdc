/** The service: asked for like a client would, and handed over. */
import { createHash } from 'node:crypto';
import type { HttpResult } from '../../network/index.ts';
import type { EmulatedNode } from '../emulated-node.ts';
import { NETWORK } from '../guest.ts';
import { NodeError } from '../node-error.ts';
import type { Primitive } from './table.ts';

export const checkService: Primitive<'service.check'> = async (node, args, context) => {
  const address = args.guest === null ? NETWORK.service : NETWORK.management[node.guest(args.guest).side];
  let latencyMsMax = 0;
  let last = { status: 0, bodySha256: '', body: '' };
  for (let request = 0; request < args.times; request++) {
    if (request > 0) await node.executive.drive(node.executive.sleep(args.intervalMs * 1e6));
    if (node.machine.now() >= context.deadlineNs) {
      throw new NodeError('timeout', `the deadline passed after ${request} of ${args.times} requests`);
    }
    const { path, deadlineMs } = args;
    const result = await node.executive.drive(
      new Promise<HttpResult>((resolve) => {
        node.probe.get({ address, port: node.servicePort, path, deadlineMs }, node.executive.pausing(resolve));
      }),
    );
    if (!result.ok)
      throw new NodeError('service-down', `GET ${path} from ${address}: ${result.failure}: ${result.message}`);
    latencyMsMax = Math.max(latencyMsMax, result.latencyNs / 1e6);
    const { status, body } = result.response;
    last = {
      status,
      bodySha256: createHash('sha256').update(body).digest('hex'),
      body: new TextDecoder().decode(body),
    };
    expectAnswer(`GET ${path} from ${address}`, last, args);
  }
  return { ...last, latencyMsMax };
};

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
  // There is nobody to pass anything on to where the giver is gone, be it that it crashed.
  const giverRuns = node.findGuest(args.from) !== undefined && (await node.guestRuns(node.guest(args.from).side));
  if (giverRuns) await relay(node, args, context);
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
