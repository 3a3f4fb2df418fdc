import { expect, it } from 'vitest';
import type { Machine } from '../../src/machine/index.ts';
import type { Executive } from '../../src/node/executive.ts';
import { MonitorClient } from '../../src/node/monitor-client.ts';

it('a request that the firmware gives back while it boots an OS is one that can be made again', async () => {
  const machine: Partial<Machine> = { postMailbox: (_request, onResponse) => onResponse(new Uint8Array(0)) };
  const executive: Partial<Executive> = { drive: (work) => work, pausing: (callback) => callback };
  const monitor = new MonitorClient(machine as Machine, executive as Executive);
  await expect(monitor.request({ op: 'virtualize' })).rejects.toMatchObject({
    name: 'NodeError',
    code: 'guest-not-running',
    retryable: true,
  });
});
