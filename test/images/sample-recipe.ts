/** A small recipe in a folder of its own, for tests that change one thing in it. */
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll } from 'vitest';

export const SAMPLE_RECIPE = `apiVersion: mvctl/v1
kind: ImageRecipe
name: sample
architecture: riscv64
archive:
  mirror: http://deb.example/debian
  keyring: /usr/share/keyrings/debian-archive-keyring.gpg
  suites: [trixie]
epoch: 2026-11-01T00:00:00Z
localPackages:
  - package: sample-hook
    version: "1"
    description: a hook
    provides: [sample-tool]
    tree: tree
    scripts:
      postinst: |
        #!/bin/sh
        exit 0
system:
  suite: trixie
  label: system
  sizeMiB: 256
  packages: [base-files, sample-hook]
upgrades:
  - name: patch
    stages: [[sample-hook]]
`;

const folders: string[] = [];
afterAll(() => {
  for (const folder of folders) rmSync(folder, { recursive: true, force: true });
});

/** A folder that is gone after the tests of the file. */
export function temporaryFolder(): string {
  const folder = mkdtempSync(join(tmpdir(), 'mvctl-images-'));
  folders.push(folder);
  return folder;
}

/** Writes the recipe and the folder it names; returns the recipe's path. */
export function writeSample(text: string = SAMPLE_RECIPE, folder: string = temporaryFolder()): string {
  mkdirSync(join(folder, 'tree/etc/sample'), { recursive: true });
  writeFileSync(join(folder, 'tree/etc/sample/setting'), 'on\n');
  writeFileSync(join(folder, 'tree/etc/sample/run'), '#!/bin/sh\n', { mode: 0o755 });
  const path = join(folder, 'sample.yaml');
  writeFileSync(path, text);
  return path;
}
