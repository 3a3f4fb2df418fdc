/** Why a request was refused or failed. Closed: the node maps each to what a person is told. */
export type RefusalCode =
  /** The bytes are no request. */
  | 'bad-request'
  | 'bad-region'
  | 'bad-slot'
  | 'bad-share'
  /** The request needs a virtualized node, or a bare one. */
  | 'not-virtualized'
  | 'already-virtualized'
  | 'no-such-vm'
  | 'vm-exists'
  /** The guest runs or loads, and the request needs one that doesn't. */
  | 'vm-running'
  | 'vm-not-running'
  /** devirtualize: another guest is there. */
  | 'other-guest'
  /** virtualize, devirtualize: a hart is not online in the one OS there is. */
  | 'hart-offline'
  /** moveHart: its guest runs on it, or cannot do without it. */
  | 'hart-in-use'
  | 'bad-hart'
  /** devirtualize: a hart waits in an SBI call. */
  | 'call-in-flight'
  /** A driver holds the device: its virtio Status is not 0. */
  | 'device-in-use'
  /** destroyVm: it is the only one. */
  | 'last-guest'
  /** bootVm, wakeVm: the guest lacks memory its OS is told of. */
  | 'not-owner'
  /** wakeVm: the OS does not go on there. */
  | 'bad-resume'
  /** The partition needs more PMP entries, or more IOPMP ranges, than there are. */
  | 'pmp-exhausted'
  | 'iopmp-exhausted'
  /** replace: no other image of the Microvisor is there. */
  | 'no-image'
  /** replace: a guest sleeps, or is being loaded or ended, which cannot be handed over half-way. */
  | 'guest-in-transit'
  /** replace: the successor does not understand the form of the state. */
  | 'handover-format'
  /** replace: what was handed over is damaged, or is not what the successor finds in the machine. */
  | 'handover-mismatch'
  /** The machine's state is not what the Microvisor, or the firmware before it, left. */
  | 'state-drifted'
  /** A step of virtualize or devirtualize failed; what had been done was reverted. */
  | 'step-failed';

/** A request that is refused. Thrown before anything has changed. */
export class Refusal extends Error {
  override readonly name = 'Refusal';
  readonly code: RefusalCode;
  constructor(code: RefusalCode, message: string) {
    super(message);
    this.code = code;
  }
}
