/**
 * Verbs that only read and write text. The build bundles them, and the launcher runs them in the Node.js release it was
 * started with: they must not import what drives a node, nor use what Node.js 20 does not have.
 */
import type { Verb } from './verb.ts';

export const LIGHT_VERBS: readonly Verb[] = [
  {
    name: 'validate',
    summary: 'check playbooks without running anything',
    load: async (io) => (await import('./validate-command.ts')).validateCommand(io),
  },
  {
    name: 'fmt',
    summary: 'lay playbooks out the one way',
    load: async (io) => (await import('./fmt-command.ts')).fmtCommand(io),
  },
  {
    name: 'explain',
    summary: 'say more about a finding or an exit code',
    load: async (io) => (await import('./explain-command.ts')).explainCommand(io),
  },
  {
    name: 'init',
    summary: 'write a playbook to begin with',
    load: async (io) => (await import('./init-command.ts')).initCommand(io),
  },
];
