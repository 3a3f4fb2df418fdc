// MV0413, MV0414: commands in a guest that go wrong on a node nobody sits at.
import type { Finding, Pointer } from '../../diagnostics/diagnostic.ts';
import type { StepCall } from '../calls.ts';
import type { Outline } from '../outline.ts';

const STOPS_ITSELF =
  /^[ \t]*((?:reboot|poweroff|halt|shutdown|systemctl[ \t]+(?:reboot|poweroff|halt|kexec))\b[^\n;&|]*)/m;
const APT_COMMAND =
  /\bapt(?:-get)?[ \t]+(?:-\S+[ \t]+)*(?:install|upgrade|full-upgrade|dist-upgrade|remove|purge|autoremove)\b[^\n;&|]*/;
const ANSWERS_YES = /(?:^|[ \t])(?:-[a-z]*y[a-z]*|--yes|--assume-yes|-qq)(?:[ \t]|$)/;

export function checkCommands({ calls }: Outline): readonly Finding[] {
  return calls.flatMap((call) => commandsOf(call).flatMap(checkCommand));
}

interface Command {
  readonly text: string;
  readonly pointer: Pointer;
  /** A script is marked where it goes wrong, a list as a whole. */
  readonly isScript: boolean;
}

function commandsOf({ kind, with: { script, argv }, pointer }: StepCall): readonly Command[] {
  if (kind.name !== 'guest.run') return [];
  return [
    ...(typeof script === 'string' ? [{ text: script, pointer: [...pointer, 'with', 'script'], isScript: true }] : []),
    ...(Array.isArray(argv) ? [{ text: argv.join(' '), pointer: [...pointer, 'with', 'argv'], isScript: false }] : []),
  ];
}

function checkCommand({ text, pointer, isScript }: Command): readonly Finding[] {
  const within = (match: string): Pick<Finding, 'within'> =>
    isScript ? { within: { text: match, start: 0, end: match.length } } : {};
  const findings: Finding[] = [];
  const stop = STOPS_ITSELF.exec(text)?.[1]?.trimEnd();
  if (stop !== undefined) {
    const message = 'the guest would be gone before it could say that it is done';
    const hint = 'use vm.reboot or guest.shutdown, which wait for it';
    findings.push({ code: 'MV0413', message, hint, pointer, ...within(stop) });
  }
  const apt = APT_COMMAND.exec(text)?.[0].trimEnd();
  if (apt !== undefined && !ANSWERS_YES.test(apt)) {
    const message = 'apt asks before it changes anything, and nobody is there to answer';
    findings.push({ code: 'MV0414', message, hint: 'add --yes', pointer, ...within(apt) });
  }
  return findings;
}
