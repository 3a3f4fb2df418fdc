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

/**
 * The receiver goes first on the hart from here on. Make before break: the receiver takes the address and announces it, then the giver lets go of it. Connections that
 * are open on the giver end there; new ones go to the receiver.
 */
export const cutOver: Primitive<'service.cut-over'> = async (node, args, context) => {
  if (node.virtualized) await node.monitor.request({ op: 'setProduction', side: node.guest(args.to).side });
  await address(node, args.to, 'take', context.deadlineNs);
  await address(node, args.from, 'drop', context.deadlineNs);
  return {};
};

async function address(
  node: EmulatedNode,
  guest: 'old' | 'new',
  verb: 'take' | 'drop',
  deadlineNs: number,
): Promise<void> {
  const run = await node.run(guest, ['/usr/local/sbin/mv-address', verb], { deadlineNs });
  if (run.exitCode !== 0) {
    throw new NodeError('exit-code', `mv-address ${verb} in ${guest} ended with ${run.exitCode}: ${run.stderr.trim()}`);
  }
}
