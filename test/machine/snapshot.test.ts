import { describe, expect, it } from 'vitest';
import { MIB } from '../../src/machine/board.ts';
import { SnapshotError } from '../../src/machine/snapshot-part.ts';
import { createTestMachine, NS_PER_MS, RESULT, startReadingSector, TestDisk } from './machine-bench.ts';

describe('a snapshot', () => {
  it.each([0, 100, 10_000])('taken at %i ns gives a machine that goes on as the original does', (atNs) => {
    const original = startReadingSector();
    original.run(atNs);
    const saved = original.save();
    const copy = createTestMachine();
    copy.slot('A', 0).plug({ kind: 'block', store: new TestDisk(), serial: 'one' });
    copy.restore(saved);
    expect(copy.save()).toEqual(saved);
    expect([original.run(NS_PER_MS), copy.run(NS_PER_MS)]).toEqual(['off', 'off']);
    expect([copy.now(), copy.counters]).toEqual([original.now(), original.counters]);
    expect(copy.save()).toEqual(original.save());
  });

  it('makes a machine that has run on what it was', () => {
    const machine = startReadingSector();
    machine.run(100);
    const saved = machine.save();
    machine.run(NS_PER_MS);
    expect(machine.save()).not.toEqual(saved);
    machine.restore(saved);
    expect(machine.save()).toEqual(saved);
  });

  it('leaves out memory that is zero', () => {
    const machine = createTestMachine();
    machine.memory.write(RESULT, new Uint8Array(5000).fill(1));
    const { memory } = machine.save() as { memory: { runs: { offset: number; bytes: Uint8Array }[] } };
    expect(memory.runs.map((run) => [run.offset, run.bytes.length])).toEqual([[6 * MIB, 8192]]);
  });

  it('of a machine with other memory, other devices or of another version is refused', () => {
    const saved = startReadingSector().save();
    expect(() => createTestMachine({ bankBytes: 256 * MIB }).restore(saved)).toThrow('memory.bytes');
    expect(() => createTestMachine().restore(saved)).toThrow('slotA0.deviceType');
    expect(() => createTestMachine({ harts: 2 }).restore(saved)).toThrow(SnapshotError);
    expect(() => createTestMachine().restore({ version: 99 })).toThrow('machine: expected version 1, found 99');
  });
});
