/** [SBI] "Debug Console Extension". */
import {
  notSupported,
  SBI_ERROR,
  type SbiCall,
  type SbiExtension,
  type SbiOutcome,
  sbiFailure,
  sbiSuccess,
} from './spec.ts';

const FUNCTION = { write: 0, read: 1, writeByte: 2 } as const;
/** A call moves at most this many bytes; the spec lets it move fewer than asked for. */
const BYTES_MAX = 256n;

export const dbcnExtension: SbiExtension = {
  id: 0x4442_434e,
  name: 'DBCN',
  call(call) {
    switch (call.functionId) {
      case FUNCTION.write:
        return consoleTransfer(call, writeFrom);
      case FUNCTION.read:
        return consoleTransfer(call, readInto);
      case FUNCTION.writeByte:
        return call.guest.console.writeByte(call.hart, Number(call.args[0] & 0xffn))
          ? sbiSuccess()
          : sbiFailure(SBI_ERROR.FAILED);
      default:
        return notSupported();
    }
  },
};

/** Arguments: bytes, low and high half of the physical address. Returns the bytes moved. */
function consoleTransfer(
  call: SbiCall,
  move: (call: SbiCall, address: number, bytes: number) => number | undefined,
): SbiOutcome {
  const [bytes, address, addressHigh] = call.args;
  if (addressHigh !== 0n || !call.guest.owns(address, bytes)) return sbiFailure(SBI_ERROR.INVALID_PARAM);
  const moved = move(call, Number(address), Number(bytes < BYTES_MAX ? bytes : BYTES_MAX));
  return moved === undefined ? sbiFailure(SBI_ERROR.FAILED) : sbiSuccess(BigInt(moved));
}

function writeFrom({ hart, guest }: SbiCall, address: number, bytes: number): number | undefined {
  const text = hart.readMemory(address, bytes);
  if (text === undefined) return undefined;
  for (const [index, byte] of text.entries()) {
    if (!guest.console.writeByte(hart, byte)) return index === 0 ? undefined : index;
  }
  return bytes;
}

function readInto({ hart, guest }: SbiCall, address: number, bytes: number): number | undefined {
  const received: number[] = [];
  while (received.length < bytes) {
    const byte = guest.console.readByte(hart);
    if (byte === undefined) break;
    received.push(byte);
  }
  return hart.writeMemory(address, Uint8Array.from(received)) ? received.length : undefined;
}
