import { describe, expect, it } from 'vitest';
import { decodeLoadStore } from '../../src/microvisor/load-store.ts';

describe('decodeLoadStore', () => {
  // Encodings as GNU as prints them.
  it.each([
    ['lb a0,0(a1)', 0x00058503, { kind: 'load', rd: 10, accessBytes: 1, instructionBytes: 4 }],
    ['lhu t0,6(a1)', 0x0065d283, { kind: 'load', rd: 5, accessBytes: 2, instructionBytes: 4 }],
    ['lw a5,8(a5)', 0x0087a783, { kind: 'load', rd: 15, accessBytes: 4, instructionBytes: 4 }],
    ['lwu a5,8(a5)', 0x0087e783, { kind: 'load', rd: 15, accessBytes: 4, instructionBytes: 4 }],
    ['ld s0,16(sp)', 0x01013403, { kind: 'load', rd: 8, accessBytes: 8, instructionBytes: 4 }],
    ['sb a0,0(a1)', 0x00a58023, { kind: 'store', rd: 0, accessBytes: 1, instructionBytes: 4 }],
    ['sd a0,2047(a1)', 0x7ea5bfa3, { kind: 'store', rd: 0, accessBytes: 8, instructionBytes: 4 }],
    ['c.lw a5,0(a5)', 0x439c, { kind: 'load', rd: 15, accessBytes: 4, instructionBytes: 2 }],
    ['c.ld a4,8(a5)', 0x6798, { kind: 'load', rd: 14, accessBytes: 8, instructionBytes: 2 }],
    ['c.sw a4,0(a5)', 0xc398, { kind: 'store', rd: 0, accessBytes: 4, instructionBytes: 2 }],
    ['c.sd a4,0(a5)', 0xe398, { kind: 'store', rd: 0, accessBytes: 8, instructionBytes: 2 }],
    ['c.lwsp ra,4(sp)', 0x4092, { kind: 'load', rd: 1, accessBytes: 4, instructionBytes: 2 }],
    ['c.ldsp ra,8(sp)', 0x60a2, { kind: 'load', rd: 1, accessBytes: 8, instructionBytes: 2 }],
    ['c.swsp ra,4(sp)', 0xc206, { kind: 'store', rd: 0, accessBytes: 4, instructionBytes: 2 }],
    ['c.sdsp ra,8(sp)', 0xe406, { kind: 'store', rd: 0, accessBytes: 8, instructionBytes: 2 }],
  ])('reads %s', (_text, instruction, expected) => {
    expect(decodeLoadStore(instruction)).toEqual(expected);
  });

  it.each([
    ['fld fa0,0(a1)', 0x0005b507],
    ['c.fld fa0,0(a0)', 0x2108],
    ['amoadd.w a0,a1,(a2)', 0x00b6252f],
    ['add a0,a0,a1', 0x00b50533],
    ['c.addi a0,1', 0x0505],
    ['a load of width 7', 0x0005f503],
    ['a store of width 4', 0x00a5c023],
  ])('leaves %s to the guest', (_text, instruction) => {
    expect(decodeLoadStore(instruction)).toBeUndefined();
  });
});
