/** Every verb, in the order of the help. */
import { LIGHT_VERBS } from './light-verbs.ts';
import type { Verb } from './verb.ts';

export const VERBS: readonly Verb[] = [
  ...LIGHT_VERBS,
  {
    name: 'apply',
    summary: 'run a playbook on a node',
    load: async (io, { open }) => (await import('./apply-command.ts')).applyCommand(io, open),
  },
  {
    name: 'report',
    summary: 'show a report, or the report of an online run with an offline run as its baseline',
    load: async (io) => (await import('./report-command.ts')).reportCommand(io),
  },
  {
    name: 'node',
    summary: 'a live node in real time',
    load: async (io) => (await import('./node-command.ts')).nodeCommand(io),
  },
  {
    name: 'image',
    summary: 'build the disks of a server from Debian packages',
    load: async ({ stdout, stderr, wallNow, setExitCode }) => {
      const { imageCommand } = await import('./image-command.ts');
      return imageCommand({ stdout, stderr, now: () => new Date(wallNow()), setExitCode });
    },
  },
];
