import { expect, test } from 'vitest';
import { LoadLog } from '../../src/network/load/load-log.ts';

test('the log of a load that is full forgets its older half and goes on', () => {
  const log = new LoadLog(4);
  for (let atNs = 1; atNs <= 7; atNs++) log.append({ kind: 'short', atNs, outcome: 'ok', latencyNs: 1 });
  expect(log.measure(0, 100).short).toMatchObject({ requests: 3, failed: 0 });
  expect(log.measure(5, 6).short.requests).toBe(1);
  expect(log.measure(1, 5).short.requests).toBe(0);
});
