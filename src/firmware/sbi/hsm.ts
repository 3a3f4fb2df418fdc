/** [SBI] "Hart State Management Extension". */
import { HART_STATE } from './hart-group.ts';
import {
  notSupported,
  SBI_ERROR,
  type SbiCall,
  type SbiExtension,
  type SbiOutcome,
  sbiFailure,
  sbiSuccess,
} from './spec.ts';

const FUNCTION = { hartStart: 0, hartStop: 1, hartGetStatus: 2, hartSuspend: 3 } as const;
const SUSPEND_RETENTIVE = 0n;

export const hsmExtension: SbiExtension = {
  id: 0x48_534d,
  name: 'HSM',
  call(call) {
    switch (call.functionId) {
      case FUNCTION.hartStart:
        return hartStart(call);
      case FUNCTION.hartStop:
        return hartStop(call);
      case FUNCTION.hartGetStatus:
        return hartGetStatus(call);
      case FUNCTION.hartSuspend:
        return hartSuspend(call);
      default:
        return notSupported();
    }
  },
};

function hartStart({ hart, guest, args: [hartId, address, opaque] }: SbiCall): SbiOutcome {
  const target = Number(hartId);
  const state = guest.harts.state(target);
  if (state === undefined) return sbiFailure(SBI_ERROR.INVALID_PARAM);
  if (state !== HART_STATE.stopped) return sbiFailure(SBI_ERROR.ALREADY_AVAILABLE);
  if (!guest.owns(address, 4n)) return sbiFailure(SBI_ERROR.INVALID_ADDRESS);
  guest.harts.setState(target, HART_STATE.startPending);
  guest.harts.post(hart, target, { kind: 'start', start: { address, opaque } });
  return sbiSuccess();
}

function hartStop({ hart, guest }: SbiCall): SbiOutcome {
  guest.harts.setState(hart.hartId, HART_STATE.stopped);
  return { kind: 'hart-stopped' };
}

function hartGetStatus({ guest, args: [hartId] }: SbiCall): SbiOutcome {
  const state = guest.harts.state(Number(hartId));
  return state === undefined ? sbiFailure(SBI_ERROR.INVALID_PARAM) : sbiSuccess(BigInt(state));
}

/** A retentive suspend is a `wfi`; other types are optional and absent. */
function hartSuspend({ args: [type] }: SbiCall): SbiOutcome {
  if (BigInt.asUintN(32, type) !== SUSPEND_RETENTIVE) return notSupported();
  return { kind: 'suspend' };
}
