import { describe, expect, it } from 'vitest';
import { type ControlRequest, decodeRequest, encodeRequest } from '../../src/microvisor/protocol.ts';

const REQUESTS: readonly ControlRequest[] = [
  { op: 'virtualize' },
  { op: 'devirtualize' },
  { op: 'createVm', side: 'B', memory: [{ base: 0x8040_0000, bytes: 0x20_0000 }], slots: [{ side: 'A', index: 3 }] },
  { op: 'bootVm', side: 'B' },
  { op: 'wakeVm', side: 'B', resume: { hart: 1, address: '0x88000000', opaque: '0xffffffffffffffff' } },
  { op: 'stopVm', side: 'A' },
  { op: 'destroyVm', side: 'B', force: true },
  { op: 'moveSlot', slot: { side: 'A', index: 0 }, owner: null },
  { op: 'setMemory', region: { base: 0x8800_0000, bytes: 4096 }, owner: 'A' },
  { op: 'setProduction', side: 'B' },
  { op: 'setShare', maintenancePercent: 10, sliceUs: 100 },
  { op: 'mark' },
  { op: 'status' },
];

const bytes = (text: string): Uint8Array => new TextEncoder().encode(text);

describe('the mailbox protocol', () => {
  it.each(REQUESTS)('reads $op back as it was written', (request) => {
    expect(decodeRequest(encodeRequest(request))).toEqual(request);
  });

  it.each([
    ['no JSON', '{', /JSON in UTF-8/],
    ['no object', '[1]', /a JSON object, not \[1\]/],
    ['no operation', '{}', /'op' is a text, not undefined/],
    ['an unknown operation', '{"op":"explode"}', /no operation 'explode'/],
    ['a side there is not', '{"op":"bootVm","side":"C"}', /'side' is 'A' or 'B', not "C"/],
    ['a fraction of a slot', '{"op":"moveSlot","slot":{"side":"A","index":0.5},"owner":"B"}', /'index' is an integer/],
    ['an owner left out', '{"op":"moveSlot","slot":{"side":"A","index":0}}', /'owner' is 'A' or 'B', not undefined/],
    ['a place to go on that is left out', '{"op":"wakeVm","side":"B"}', /'resume' is an object, not undefined/],
    [
      'an address of more than 64 bits',
      '{"op":"wakeVm","side":"B","resume":{"hart":0,"address":"0x10000000000000000","opaque":"0x0"}}',
      /'address' is a hexadecimal number/,
    ],
    ['memory that is no list', '{"op":"createVm","side":"B","memory":1,"slots":[]}', /'memory' is a list/],
    ['an address beyond exact integers', '{"op":"setMemory","region":{"base":1e300,"bytes":1},"owner":"A"}', /integer/],
  ])('refuses %s, saying what it expected', (_what, text, message) => {
    expect(() => decodeRequest(bytes(text))).toThrow(message);
  });

  it('refuses bytes that are no UTF-8', () => {
    expect(() => decodeRequest(Uint8Array.of(0xff, 0xfe))).toThrow(/JSON in UTF-8/);
  });
});
