// The main job from a fresh checkout: builds the disks, upgrades the OS of a live server offline and online, and
// prints what each cost a client. Leaves reports/offline.json and reports/online.json.
import { spawnSync } from 'node:child_process';
import { mkdirSync, rmSync } from 'node:fs';
import { join } from 'node:path';

const root = join(import.meta.dirname, '..');
const reports = join(root, 'reports');
const startedAt = Date.now();

function mvctl(what: string, args: readonly string[]): void {
  console.log(`\n── ${what}\n   mvctl ${args.join(' ')}\n`);
  const run = spawnSync(process.execPath, [join(root, 'bin/mvctl.js'), ...args], { cwd: root, stdio: 'inherit' });
  if (run.status !== 0) {
    console.error(`demo: mvctl ${args[0]} ended with ${run.signal ?? `exit code ${run.status}`}`);
    process.exit(run.status ?? 3);
  }
}

const stateOf = (playbook: string): string => `.mvctl/demo/${playbook}`;

function apply(playbook: string, more: readonly string[]): readonly string[] {
  const state = stateOf(playbook);
  // The demo is about a server as it was installed; whatever an earlier demo left is of no use.
  rmSync(join(root, state), { recursive: true, force: true });
  const outputs = ['--output', 'pretty', '--output', `json=reports/${playbook}.json`];
  return ['apply', `playbooks/${playbook}-os-upgrade.yaml`, '--state-dir', state, ...more, ...outputs];
}

mkdirSync(reports, { recursive: true });
mvctl('Build the disks from Debian packages (cached after the first time)', ['image', 'build', '--install-tools']);
mvctl('The ordinary way: stop, upgrade in place, reboot, start', apply('offline', []));
mvctl(
  'The online way: upgrade beside the running OS, move the service over',
  apply('online', ['--compare', 'reports/offline.json']),
);
// A node goes on after mvctl; nobody needs these two any more.
for (const playbook of ['offline', 'online']) mvctl('Power off', ['node', 'down', '--state-dir', stateOf(playbook)]);
console.log(
  `\nReports: reports/offline.json, reports/online.json (${Math.round((Date.now() - startedAt) / 1000)} s in all)`,
);
