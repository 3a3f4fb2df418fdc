/** [SBI] "System Suspend Extension". */
import { HART_STATE } from './hart-group.ts';
import { notSupported, SBI_ERROR, type SbiCall, type SbiExtension, type SbiOutcome, sbiFailure } from './spec.ts';

const SYSTEM_SUSPEND = 0;
/** The one type there is: others are reserved, or of a platform. */
const SUSPEND_TO_RAM = 0n;
const INSTRUCTION_BYTES = 4n;

export const suspExtension: SbiExtension = {
  id: 0x5355_5350,
  name: 'SUSP',
  call: (call) => (call.functionId === SYSTEM_SUSPEND ? systemSuspend(call) : notSupported()),
};

/** "Entry requires all but the calling hart be in the HSM STOPPED state." */
function systemSuspend({ hart, guest, args: [type, address, opaque] }: SbiCall): SbiOutcome {
  if (BigInt.asUintN(32, type) !== SUSPEND_TO_RAM) return sbiFailure(SBI_ERROR.INVALID_PARAM);
  if (!guest.owns(address, INSTRUCTION_BYTES)) return sbiFailure(SBI_ERROR.INVALID_ADDRESS);
  const { harts } = guest;
  const others = harts.hartIds.filter((id) => id !== hart.hartId);
  if (others.some((id) => harts.state(id) !== HART_STATE.stopped)) return sbiFailure(SBI_ERROR.DENIED);
  return guest.suspend({ address, opaque });
}
