/** Every verb, in the order of the help. */
import { LIGHT_VERBS } from './light-verbs.ts';
import type { Verb } from './verb.ts';

export const VERBS: readonly Verb[] = [
  ...LIGHT_VERBS,
  {
    name: 'plan',
    summary: 'tell what a run on a node will do, and save it for apply',
    load: async (io, { open }) => (await import('./plan-command.ts')).planCommand(io, open),
  },
  {
    name: 'verify',
    summary: 'check every way a run of a playbook can go',
    load: async (io) => (await import('./verify-command.ts')).verifyCommand(io),
  },
  {
    name: 'simulate',
    summary: 'predict what a run takes, from earlier runs of the node; or what becomes of it if something fails',
    load: async (io) => (await import('./simulate-command.ts')).simulateCommand(io),
  },
  {
    name: 'test',
    summary: 'run the tests of playbooks on a model of the node',
    load: async (io) => (await import('./test-command.ts')).testCommand(io),
  },
  {
    name: 'apply',
    summary: 'run a playbook on a node',
    load: async (io, { open }) => (await import('./apply-command.ts')).applyCommand(io, open),
  },
  {
    name: 'resume',
    summary: 'go on with the run that was left on a node',
    load: async (io, { open }) => (await import('./resume-command.ts')).resumeCommand(io, open),
  },
  {
    name: 'rollback',
    summary: 'take back the run that was left on a node',
    load: async (io, { open }) => (await import('./rollback-command.ts')).rollbackCommand(io, open),
  },
  {
    name: 'approve',
    summary: 'answer at a gate that a run waits at',
    load: async (io) => (await import('./approve-command.ts')).approveCommand(io),
  },
  {
    name: 'runs',
    summary: 'list the runs of a node, or tell what one did',
    load: async (io) => (await import('./runs-command.ts')).runsCommand(io),
  },
  {
    name: 'lock',
    summary: 'say who works on a node, or break the lock of a process that hangs',
    load: async (io, { open }) => (await import('./lock-command.ts')).lockCommand(io, open),
  },
  {
    name: 'report',
    summary: 'show a report, or the report of an online run with an offline run as its baseline',
    load: async (io) => (await import('./report-command.ts')).reportCommand(io),
  },
  {
    name: 'graph',
    summary: 'draw a playbook',
    load: async (io) => (await import('./graph-command.ts')).graphCommand(io),
  },
  {
    name: 'completion',
    summary: 'print a script that completes commands in your shell',
    load: async (io, wiring) => (await import('./completion-command.ts')).completionCommand(io, VERBS, wiring),
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
