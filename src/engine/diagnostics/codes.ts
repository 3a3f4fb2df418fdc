/**
 * Every diagnostic code: one row each. A code keeps its meaning for ever; a retired one is not given to another meaning.
 * 00xx the file and its YAML, 01xx the shape (schema), 02xx names and expressions, 03xx the order of things on the node,
 * 04xx failure handling, 05xx comments to mvctl, 06xx what a playbook for a server that matters should have. docs/checks.md has an example of each, which is also its test.
 */
import type { Severity } from './diagnostic.ts';

/** Each has the checks of those before it. */
export const PROFILES = ['basic', 'standard', 'production'] as const;
export type Profile = (typeof PROFILES)[number];

interface CodeRow {
  readonly severity: Severity;
  readonly title: string;
  /** The first profile that has the check. */
  readonly profile: Profile;
  /** A comment in the file may silence it: `# mvctl-ignore CODE: reason`. */
  readonly isIgnorable: boolean;
}

/** Without it nothing sensible can be run. */
const error = (title: string): CodeRow => ({ severity: 'error', title, profile: 'basic', isIgnorable: false });
/** Almost always a mistake; whoever knows better says why. */
const judgement = (title: string): CodeRow => ({ severity: 'error', title, profile: 'basic', isIgnorable: true });
const warning = (title: string): CodeRow => ({ severity: 'warning', title, profile: 'standard', isIgnorable: true });
/** What a playbook for a server that matters should have. */
const advice = (title: string): CodeRow => ({ severity: 'warning', title, profile: 'production', isIgnorable: true });

export const CODES = {
  MV0001: error('the YAML is malformed'),
  MV0002: error('a tab indents'),
  MV0003: error('a key appears twice'),
  MV0004: error('the file is too large'),
  MV0005: error('the file is nested too deeply, or its aliases expand to too much'),
  MV0006: error('the file is not UTF-8 text'),
  MV0007: error('the file holds more than one document, or none'),
  MV0008: error('an alias has no anchor'),
  MV0009: error('a key is not a string'),
  MV0010: error('a number cannot be represented exactly'),

  MV0100: error('the value does not have the shape the schema asks for'),
  MV0101: error('a key is unknown'),
  MV0102: error('a required key is missing'),
  MV0103: error('a value has the wrong type'),
  MV0104: error('a value is not one of those allowed'),
  MV0105: error('a number is out of range'),
  MV0106: error('a name is malformed'),
  MV0107: error('a list is empty, or too long'),
  MV0110: error('the apiVersion is not known'),
  MV0111: error('the kind is not known'),
  MV0112: error('the step kind is not known'),
  MV0113: error('an argument of the step kind is unknown'),
  MV0114: error('an argument of the step kind is missing'),
  MV0115: error('a duration is malformed'),
  MV0116: error('an amount of memory is malformed'),
  MV0117: error('a time of day, a day or a time zone does not exist'),
  MV0121: error('fragments include themselves, or make too many steps'),
  MV0122: error('a parameter of a fragment is unknown, missing or does not fit'),
  MV0123: error('a key does not go with include'),

  MV0200: error('an id is used twice'),
  MV0201: error('an expression cannot be parsed'),
  MV0202: error('an expression has a type error'),
  MV0203: error('an expression names a variable that is not declared'),
  MV0204: error('an expression names a step that does not exist'),
  MV0205: error('an expression names a step that has not run yet'),
  MV0206: error('an expression names an output that the step does not have'),
  MV0207: error('a context is not available in this field'),
  MV0208: error('an expression is not allowed in this field'),
  MV0209: error('the default of a variable does not fit its type'),
  MV0210: error('an output of the step would hide one that its kind already has'),
  MV0211: warning('a variable is never used'),
  MV0212: error('a step is named that may have been skipped'),
  MV0213: error('an argument goes with another, or excludes it'),
  MV0214: error('a file that the playbook names cannot be read'),
  MV0215: error('a variable has no value, or one that does not fit'),
  MV0216: error('a step needs one that does not come before it in its phase'),
  MV0217: error('a loop has no list that is known before the run'),
  MV0218: error('an expression computes with a secret'),
  MV0219: error('a step runs beside the commit'),

  MV0301: error('a step needs the Microvisor while the node is bare'),
  MV0302: error('the node is virtualized already'),
  MV0303: error('a guest is named that does not exist at this point'),
  MV0304: error('a guest is created that exists already'),
  MV0305: error('a guest is named that does not run at this point'),
  MV0306: error('a disk is named that does not exist at this point'),
  MV0307: error('a disk is made that exists already'),
  MV0308: error('a VM is created before memory for it was given up'),
  MV0309: error('memory is given up that was given up already'),
  MV0310: error('the service is moved from a guest that does not have it'),
  MV0311: judgement('a cut-over without a health check of its receiver before it'),
  MV0312: error('a device is moved to the guest that owns it already'),
  MV0313: error('the node is devirtualized while two guests exist'),
  MV0314: error('the guest that has the service is stopped or destroyed'),
  MV0315: error('memory is taken up that nobody gave up'),
  MV0316: error('memory is replaced that somebody owns'),
  MV0317: error('the node is devirtualized while harts are offline'),
  MV0320: error('the playbook ends with the node virtualized'),
  MV0321: warning('the playbook ends with memory that no guest owns'),
  MV0322: error('the memory does not add up'),
  MV0323: judgement('the playbook ends with a guest that does not have the service'),
  MV0324: error('the playbook ends with the service stopped'),
  MV0325: error('a disk is attached to both guests at once'),
  MV0326: error('a disk is removed that a guest has attached'),
  MV0327: warning('a disk is cloned and never used'),
  MV0330: error('the playbook has no commit'),
  MV0331: error('the playbook has more than one commit'),
  MV0332: judgement('the commit comes before the service was verified'),
  MV0333: error('the commit is conditional'),
  MV0340: warning('a gate has no timeout'),
  MV0341: error('a gate asks for more approvals than there are approvers'),
  MV0342: error('a gate or a budget after the commit would roll back'),
  MV0343: judgement('another step may run beside one that changes what the node is'),

  MV0401: error('a step needs an undo, or `undo: none`'),
  MV0402: warning('an undo after the commit never runs'),
  MV0403: error('a failure after the commit cannot be rolled back'),
  MV0404: error('a step that waits has no timeout'),
  MV0405: error('a retry that cannot help'),
  MV0406: error('an expression is spliced into a shell script'),
  MV0407: warning('a step can outlast the timeout of its phase'),
  MV0408: error('an abort before the commit would leave the node as it is'),
  MV0410: warning('a check whose failure is passed over checks nothing'),
  MV0411: warning('a timeout is shorter than the time the step usually takes'),
  MV0412: warning('the steps of a phase usually take longer than its timeout'),
  MV0413: warning('a script stops or reboots its own guest'),
  MV0414: warning('a command may wait for somebody to answer'),

  MV0501: error('an mvctl-ignore is malformed, or has no reason'),
  MV0502: warning('an mvctl-ignore ignores nothing'),
  MV0503: error('an mvctl-ignore names a check that cannot be ignored'),

  MV0601: advice('no budget says what a client may notice'),
  MV0602: advice('nothing verifies what a command changed'),
  MV0603: advice('the service is not checked after the node is bare again'),
  MV0604: advice('the playbook has no description'),
  MV0605: advice('a variable has no description'),
} as const satisfies Record<string, CodeRow>;

export type DiagnosticCode = keyof typeof CODES;

export const isInProfile = (code: DiagnosticCode, profile: Profile): boolean =>
  PROFILES.indexOf(CODES[code].profile) <= PROFILES.indexOf(profile);
