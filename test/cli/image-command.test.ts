import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { imageCommand } from '../../src/cli/image-command.ts';
import { ImageProgress } from '../../src/cli/image-progress.ts';
import { temporaryFolder, writeSample } from '../images/sample-recipe.ts';
import { runMvctl } from './run-mvctl.ts';

interface Outcome {
  readonly stdout: string;
  readonly stderr: string;
  readonly exitCode: number;
}

async function mvctlImage(...args: string[]): Promise<Outcome> {
  const said = { stdout: '', stderr: '', exitCode: 0 };
  const command = imageCommand({
    stdout: { write: (text) => (said.stdout += text) },
    stderr: { write: (text) => (said.stderr += text) },
    now: () => new Date(0),
    setExitCode: (code) => {
      said.exitCode = code;
    },
  });
  await command.parseAsync(args, { from: 'user' });
  return said;
}

describe('mvctl image', () => {
  test('build ends with 1 and the places of the mistakes when the recipe has any', async () => {
    const path = writeSample('apiVersion: mvctl/v1\n');
    const { stderr, exitCode } = await mvctlImage('build', path);
    expect(exitCode).toBe(1);
    expect(stderr).toContain(`${path}:1:1: the recipe must have required property 'kind'`);
  });

  test('build ends with 27 and a hint when the recipe has no lock', async () => {
    const { stderr, exitCode } = await mvctlImage('build', writeSample(), '--cache', temporaryFolder());
    expect(exitCode).toBe(27);
    expect(stderr).toMatch(/^mvctl: no lock file .*\n {2}hint: write a new lock with: mvctl image lock\n$/);
  });

  test('list shows what is in the cache, as a table or as JSON', async () => {
    const cache = temporaryFolder();
    const folder = join(cache, 'images/k1');
    mkdirSync(folder, { recursive: true });
    const manifest = { name: 'sample/system', key: 'k1', sha256: 'ab'.repeat(32), bytes: 3 << 20, label: 'system' };
    writeFileSync(join(folder, 'image.json'), JSON.stringify(manifest));
    writeFileSync(join(folder, 'image.ext4'), new Uint8Array(manifest.bytes));
    const table = await mvctlImage('list', '--cache', cache);
    expect(table.stdout).toBe(`sample/system  abababababab      3 MiB  ${folder}/image.ext4\n`);
    const json = await mvctlImage('list', '--cache', cache, '--output', 'json');
    expect(JSON.parse(json.stdout)).toEqual([{ ...manifest, path: `${folder}/image.ext4` }]);
  });

  test('list refuses a format it does not have', async () => {
    const { exitCode, err } = await runMvctl(['image', 'list', '--cache', temporaryFolder(), '--output', 'xml']);
    expect(exitCode).toBe(2);
    expect(err).toContain("argument 'xml' is invalid. Allowed choices are pretty, json.");
  });
});

describe('progress', () => {
  const events = [
    { disk: 'packages', step: 'fetch', done: 1_500_000, total: 3_000_000, unit: 'bytes' },
    { disk: 'packages', step: 'fetch', done: 3_000_000, total: 3_000_000, unit: 'bytes' },
    { disk: 'system', step: 'configure', done: 7, total: 108, unit: 'packages' },
    { disk: 'system', step: 'write', done: 0, total: 1, unit: 'disks' },
  ] as const;
  const shown = (isTTY: boolean): string => {
    let text = '';
    const progress = new ImageProgress({ isTTY, write: (part) => (text += part) });
    for (const event of events) progress.update(event);
    progress.clear();
    return text;
  };

  test('is a line for each step where there is no terminal', () => {
    expect(shown(false)).toBe('fetching packages (3.0 MB)\nsystem: configuring (108)\nsystem: writing the disk\n');
  });

  test('is one line that changes on a terminal, gone at the end', () => {
    expect(shown(true).split('\r\x1b[K')).toEqual([
      '',
      'fetching packages 1.5 of 3.0 MB',
      'fetching packages 3.0 of 3.0 MB',
      'system: configuring 7 of 108',
      'system: writing the disk',
      '',
    ]);
  });
});
