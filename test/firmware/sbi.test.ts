import { describe, expect, it } from 'vitest';
import { CSR, INTERRUPT, REG } from '../../src/firmware/csr.ts';
import {
  HART_STATE,
  HartGroup,
  SBI_ERROR,
  type SbiGuest,
  type SbiOutcome,
  serveSbi,
} from '../../src/firmware/index.ts';
import { ACLINT, RAM_BASE } from '../../src/machine/index.ts';
import { FakeHart, latch } from './fake-hart.ts';

const EXT = {
  base: 0x10,
  time: 0x54494d45,
  ipi: 0x735049,
  rfence: 0x52464e43,
  hsm: 0x48534d,
  srst: 0x53525354,
  dbcn: 0x4442434e,
  susp: 0x53555350,
};
const ECALL_AT = 0x8040_0000n;
const ALL_HARTS = -1n;

interface Setup {
  readonly harts: FakeHart[];
  readonly group: HartGroup;
  readonly guest: SbiGuest;
  readonly output: number[];
  readonly input: number[];
  readonly msip: Map<number, bigint>;
}

/** `count` harts of one guest, all started, that share RAM and the ACLINT. */
function setUp(count = 1): Setup {
  const aclint = latch(ACLINT.base, ACLINT.bytes);
  const ram = new Uint8Array(4096);
  const harts = Array.from({ length: count }, (_, id) => new FakeHart(0, id, ram));
  const group = new HartGroup(harts.map(({ hartId }) => hartId));
  for (const hart of harts) {
    hart.devices.push(aclint);
    group.setState(hart.hartId, HART_STATE.started);
  }
  const output: number[] = [];
  const input: number[] = [];
  const guest: SbiGuest = {
    harts: group,
    owns: (address, bytes) => address >= BigInt(RAM_BASE) && address + bytes <= BigInt(RAM_BASE + 4096),
    console: {
      writeByte: (_, byte) => output.push(byte) > 0,
      readByte: () => input.shift(),
    },
    reset: (_, type) => ({ kind: type === 'shutdown' ? 'guest-shutdown' : 'guest-reboot' }),
    suspend: (resume) => ({ kind: 'guest-suspend', resume }),
  };
  return { harts, group, guest, output, input, msip: aclint.values };
}

function call(
  { harts, guest }: Setup,
  extension: number,
  functionId: number,
  args: bigint[] = [],
  caller = 0,
): SbiOutcome {
  const hart = harts[caller]!;
  for (let register = 1; register < 32; register++) hart.setX(register, BigInt(register) << 40n);
  for (const [index, value] of args.entries()) hart.setX(REG.a0 + index, BigInt.asUintN(64, value));
  hart.setX(REG.a6, BigInt(functionId));
  hart.setX(REG.a7, BigInt(extension));
  hart.setCsr(CSR.mepc, ECALL_AT);
  return serveSbi(hart, guest);
}

const value = (outcome: SbiOutcome): bigint => {
  expect(outcome).toMatchObject({ kind: 'return', error: SBI_ERROR.SUCCESS });
  return outcome.kind === 'return' ? outcome.value : -1n;
};
const error = (outcome: SbiOutcome): bigint => {
  expect(outcome.kind).toBe('return');
  return outcome.kind === 'return' ? outcome.error : 0n;
};

describe('an SBI call', () => {
  it('changes a0 and a1 and no other register, and continues behind the ecall', () => {
    const setup = setUp();
    const hart = setup.harts[0]!;
    call(setup, EXT.base, 0);
    expect([hart.x(REG.a0), hart.x(REG.a1)]).toEqual([0n, 0x0200_0000n]);
    for (let register = 1; register < 32; register++) {
      const isArgument = register === REG.a0 || register === REG.a1 || register === REG.a6 || register === REG.a7;
      if (!isArgument) expect(hart.x(register)).toBe(BigInt(register) << 40n);
    }
    expect([hart.x(REG.a6), hart.x(REG.a7)]).toEqual([0n, BigInt(EXT.base)]);
    expect(hart.csr(CSR.mepc)).toBe(ECALL_AT + 4n);
  });

  it.each([
    ['an unknown extension', 0x0900_0000, 0],
    ['the legacy console', 0x01, 0],
    ['PMU', 0x50_4d55, 0],
    ['FWFT', 0x4657_4654, 0],
    ['an unknown function of BASE', EXT.base, 7],
    ['an unknown function of TIME', EXT.time, 1],
    ['an unknown function of IPI', EXT.ipi, 1],
    ['a fence of a hypervisor', EXT.rfence, 3],
    ['an unknown function of HSM', EXT.hsm, 4],
    ['an unknown function of SRST', EXT.srst, 1],
    ['an unknown function of DBCN', EXT.dbcn, 3],
    ['an unknown function of SUSP', EXT.susp, 1],
  ])('of %s is answered with SBI_ERR_NOT_SUPPORTED', (_, extension, functionId) => {
    const setup = setUp();
    expect(error(call(setup, extension, functionId))).toBe(SBI_ERROR.NOT_SUPPORTED);
    expect(setup.harts[0]!.x(REG.a0)).toBe(0xffff_ffff_ffff_fffen);
  });
});

describe('BASE', () => {
  it.each([...Object.values(EXT).map((id) => [id, 1n]), [0x50_4d55, 0n], [0x01, 0n]])(
    'probes extension 0x%x as %s',
    (id, present) => {
      expect(value(call(setUp(), EXT.base, 3, [BigInt(id!)]))).toBe(present);
    },
  );

  it('passes on what the hart says of itself', () => {
    const setup = setUp();
    setup.harts[0]!.setCsr(CSR.marchid, 42n);
    expect(value(call(setup, EXT.base, 5))).toBe(42n);
  });
});

describe('TIME', () => {
  it('sets stimecmp', () => {
    const setup = setUp();
    call(setup, EXT.time, 0, [123_456n]);
    expect(setup.harts[0]!.csr(CSR.stimecmp)).toBe(123_456n);
  });
});

describe('IPI', () => {
  it('to the calling hart raises SSIP and lets a wire that is high alone', () => {
    const setup = setUp();
    setup.harts[0]!.setCsr(CSR.mip, INTERRUPT.SEI);
    value(call(setup, EXT.ipi, 0, [1n, 0n]));
    expect(setup.harts[0]!.csr(CSR.mip)).toBe(INTERRUPT.SSI);
  });

  it('to another hart raises its MSIP, and SSIP when that hart serves it', () => {
    const setup = setUp(3);
    value(call(setup, EXT.ipi, 0, [0b101n, 0n], 1));
    expect([setup.msip.get(0), setup.msip.get(4), setup.msip.get(8)]).toEqual([1n, undefined, 1n]);
    setup.group.deliver(setup.harts[2]!);
    expect(setup.harts[2]!.csr(CSR.mip)).toBe(INTERRUPT.SSI);
    expect(setup.msip.get(8)).toBe(0n);
  });

  it('to a hart the guest has not got is an invalid parameter', () => {
    expect(error(call(setUp(2), EXT.ipi, 0, [0b100n, 0n]))).toBe(SBI_ERROR.INVALID_PARAM);
    expect(error(call(setUp(2), EXT.ipi, 0, [1n, 5n]))).toBe(SBI_ERROR.INVALID_PARAM);
  });

  it('to all passes over harts that are stopped', () => {
    const setup = setUp(2);
    setup.group.setState(1, HART_STATE.stopped);
    value(call(setup, EXT.ipi, 0, [0n, ALL_HARTS]));
    expect(setup.msip.get(4)).toBeUndefined();
  });
});

describe('RFENCE', () => {
  it.each([
    [0, 'fence.i'],
    [1, 'sfence.vma'],
    [2, 'sfence.vma of 7'],
  ])('function %i on the calling hart alone executes %s at once', (functionId, fence) => {
    const setup = setUp();
    value(call(setup, EXT.rfence, functionId, [1n, 0n, 0n, -1n, 7n]));
    expect(setup.harts[0]!.fences).toEqual([fence]);
  });

  it.each([
    ['one page', [0x4000n, 0x1000n], ['0x4000']],
    ['what bytes lie in', [0x4ff8n, 0x10n], ['0x4ff8', '0x5ff8']],
    ['nothing', [0x4000n, 0n], []],
    ['all, by size', [0x4000n, (1n << 64n) - 1n], ['']],
    ['all, by two zeros', [0n, 0n], ['']],
    ['all in place of very much', [0x4000n, 0x1_0000_0000n], ['']],
  ])('of a range fences %s', (_, range, addresses) => {
    const setup = setUp();
    value(call(setup, EXT.rfence, 1, [1n, 0n, ...range]));
    value(call(setup, EXT.rfence, 2, [1n, 0n, ...range, 5n]));
    const fences = addresses.map((address) => (address === '' ? 'sfence.vma' : `sfence.vma at ${address}`));
    expect(setup.harts[0]!.fences).toEqual([...fences, ...fences.map((fence) => `${fence} of 5`)]);
  });

  it('on other harts waits until each of them has executed it', () => {
    const setup = setUp(3);
    const outcome = call(setup, EXT.rfence, 1, [0n, ALL_HARTS]);
    if (outcome.kind !== 'wait') throw new Error(outcome.kind);
    expect(outcome.until()).toBe(false);
    setup.group.deliver(setup.harts[1]!);
    expect(outcome.until()).toBe(false);
    setup.group.deliver(setup.harts[2]!);
    expect(outcome.until()).toBe(true);
    expect(setup.harts.map(({ fences }) => fences)).toEqual([['sfence.vma'], ['sfence.vma'], ['sfence.vma']]);
    expect(setup.msip.get(0)).toBe(1n);
  });
});

describe('HSM', () => {
  it('starts a stopped hart where it is told', () => {
    const setup = setUp(2);
    setup.group.setState(1, HART_STATE.stopped);
    expect(value(call(setup, EXT.hsm, 2, [1n]))).toBe(1n);
    value(call(setup, EXT.hsm, 0, [1n, BigInt(RAM_BASE), 77n]));
    expect(value(call(setup, EXT.hsm, 2, [1n]))).toBe(2n);
    expect(setup.group.deliver(setup.harts[1]!).start).toEqual({ address: BigInt(RAM_BASE), opaque: 77n });
  });

  it.each([
    ['a hart that runs', [0n, BigInt(RAM_BASE), 0n], SBI_ERROR.ALREADY_AVAILABLE],
    ['a hart there is not', [9n, BigInt(RAM_BASE), 0n], SBI_ERROR.INVALID_PARAM],
    ['a hart at memory of others', [1n, 0x1000n, 0n], SBI_ERROR.INVALID_ADDRESS],
  ])('does not start %s', (_, args, expected) => {
    const setup = setUp(2);
    setup.group.setState(1, HART_STATE.stopped);
    expect(error(call(setup, EXT.hsm, 0, args))).toBe(expected);
  });

  it('stops the calling hart', () => {
    const setup = setUp(2);
    expect(call(setup, EXT.hsm, 1, [], 1).kind).toBe('hart-stopped');
    expect(value(call(setup, EXT.hsm, 2, [1n]))).toBe(1n);
  });

  it('suspends retentively until it is interrupted', () => {
    expect(call(setUp(), EXT.hsm, 3, [0n])).toEqual({ kind: 'suspend' });
    expect(error(call(setUp(), EXT.hsm, 3, [0x8000_0000n]))).toBe(SBI_ERROR.NOT_SUPPORTED);
  });
});

describe('SRST', () => {
  it.each([
    [0n, 'guest-shutdown'],
    [1n, 'guest-reboot'],
    [2n, 'guest-reboot'],
  ])('type %i is the policy of the guest: %s', (type, kind) => {
    expect(call(setUp(), EXT.srst, 0, [type, 0n]).kind).toBe(kind);
  });

  it('refuses types and reasons that are not in the specification', () => {
    expect(error(call(setUp(), EXT.srst, 0, [3n, 0n]))).toBe(SBI_ERROR.INVALID_PARAM);
    expect(error(call(setUp(), EXT.srst, 0, [0n, 2n]))).toBe(SBI_ERROR.INVALID_PARAM);
  });
});

describe('SUSP', () => {
  const suspend = (setup: Setup, type: bigint, address = BigInt(RAM_BASE)): SbiOutcome =>
    call(setup, EXT.susp, 0, [type, address, 77n], 1);

  it('suspends to RAM from the one hart that is not stopped, and goes on where it is told', () => {
    const setup = setUp(3);
    for (const id of [0, 2]) setup.group.setState(id, HART_STATE.stopped);
    const resume = { address: BigInt(RAM_BASE), opaque: 77n };
    expect(suspend(setup, 0n)).toEqual({ kind: 'guest-suspend', resume });
    // The type has 32 bits.
    expect(suspend(setup, 1n << 32n)).toEqual({ kind: 'guest-suspend', resume });
    expect(setup.harts[1]!.csr(CSR.mepc)).toBe(ECALL_AT);
  });

  it.each([HART_STATE.started, HART_STATE.startPending])('is denied while another hart is in state %i', (state) => {
    const setup = setUp(3);
    setup.group.setState(0, HART_STATE.stopped);
    setup.group.setState(2, state);
    expect(error(suspend(setup, 0n))).toBe(SBI_ERROR.DENIED);
  });

  it.each([1n, 0x7fff_ffffn, 0x8000_0000n, -1n])('refuses type 0x%x, which is reserved or of a platform', (type) => {
    expect(error(suspend(setUp(2), type))).toBe(SBI_ERROR.INVALID_PARAM);
  });

  it.each([0x1000n, BigInt(RAM_BASE - 2), BigInt(RAM_BASE + 4094), -1n])('refuses to go on at 0x%x', (address) => {
    expect(error(suspend(setUp(2), 0n, address))).toBe(SBI_ERROR.INVALID_ADDRESS);
  });
});

describe('DBCN', () => {
  const text = new TextEncoder().encode('hello');

  it('writes from memory of the guest', () => {
    const setup = setUp();
    setup.harts[0]!.writeMemory(RAM_BASE + 8, text);
    expect(value(call(setup, EXT.dbcn, 0, [5n, BigInt(RAM_BASE + 8), 0n]))).toBe(5n);
    expect(setup.output).toEqual([...text]);
  });

  it('reads what there is', () => {
    const setup = setUp();
    setup.input.push(...text);
    expect(value(call(setup, EXT.dbcn, 1, [100n, BigInt(RAM_BASE), 0n]))).toBe(5n);
    expect(setup.harts[0]!.readMemory(RAM_BASE, 5)).toEqual(text);
  });

  it('writes a byte', () => {
    const setup = setUp();
    value(call(setup, EXT.dbcn, 2, [0x141n]));
    expect(setup.output).toEqual([0x41]);
  });

  it.each([
    ['of others', [8n, 0x8ffn, 0n]],
    ['that ends beyond its own', [8n, BigInt(RAM_BASE + 4090), 0n]],
    ['above 2^64', [8n, BigInt(RAM_BASE), 1n]],
  ])('refuses memory %s', (_, args) => {
    const setup = setUp();
    expect(error(call(setup, EXT.dbcn, 0, args))).toBe(SBI_ERROR.INVALID_PARAM);
    expect(setup.output).toEqual([]);
  });
});
