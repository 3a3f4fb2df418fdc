import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { BoundedLog } from '../../src/node/bounded-log.ts';

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'mvctl-log-'));
});
afterEach(() => rmSync(folder, { recursive: true }));

it('A log keeps the last of what was written, in two files of a bounded size', () => {
  const path = join(folder, 'console-A.log');
  new BoundedLog(path, 100).append('x'.repeat(60));
  // Another process goes on with it.
  const log = new BoundedLog(path, 100);
  for (let line = 0; line < 1000; line++) log.append(`line ${line}\n`);
  expect(readdirSync(folder)).toEqual(['console-A.log', 'console-A.log.1']);
  for (const name of readdirSync(folder)) expect(statSync(join(folder, name)).size).toBeLessThan(120);
  const kept = readFileSync(`${path}.1`, 'utf8') + readFileSync(path, 'utf8');
  expect(kept).toMatch(/^line 9\d\d\n(line 9\d\d\n)*line 999\n$/);
});

it('A log that cannot be written has a gap', () => {
  const path = join(folder, 'console-A.log');
  mkdirSync(path);
  expect(() => new BoundedLog(path).append('lost')).not.toThrow();
});
