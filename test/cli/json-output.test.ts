import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { ONLINE } from '../engine/model-run.ts';
import { runMvctl } from './run-mvctl.ts';

let folder: string;
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'mvctl-json-'));
  writeFileSync(join(folder, 'broken.yaml'), 'apiVersion: mvctl/v1\nkind: Playbook\nname: x\n');
});
afterAll(() => rmSync(folder, { recursive: true }));

it.each([
  'validate ONLINE --output json',
  'validate ONLINE BROKEN --output sarif',
  'verify ONLINE BROKEN --output json',
  'simulate ONLINE --runs 20 --output json --state-dir FOLDER',
  'simulate ONLINE --fail install --output json --state-dir FOLDER',
  'test TEST --output json',
  'plan ONLINE --format json --out FOLDER/plan.json --state-dir FOLDER',
  'apply ONLINE --var expectedKernel=2. --dry-run --output json --state-dir FOLDER',
  'graph ONLINE --output xstate',
  'runs ls --output json --state-dir FOLDER',
  'lock ls --output json --state-dir FOLDER',
  'image list --output json',
])('mvctl %s says one JSON document on standard output', async (line) => {
  const argv = line
    .split(' ')
    .map((word) =>
      word
        .replace('ONLINE', ONLINE)
        .replace('TEST', ONLINE.replace('.yaml', '.test.yaml'))
        .replace('BROKEN', join(folder, 'broken.yaml'))
        .replace('FOLDER', folder),
    );
  const { out } = await runMvctl(argv);
  expect(JSON.parse(out)).toBeTypeOf('object');
});
