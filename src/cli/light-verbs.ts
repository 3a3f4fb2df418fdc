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
];
