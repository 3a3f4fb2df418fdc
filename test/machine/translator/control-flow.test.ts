import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { controlFlow, DISPATCHER } from '../../../src/machine/translator/control-flow.ts';

/** Successors by node, node 0 being the dispatcher, and its entries. */
const graphs = fc.integer({ min: 2, max: 24 }).chain((nodes) =>
  fc.record({
    successors: fc.array(fc.uniqueArray(fc.integer({ min: 1, max: nodes - 1 }), { maxLength: 2 }), {
      minLength: nodes,
      maxLength: nodes,
    }),
    entries: fc.uniqueArray(fc.integer({ min: 1, max: nodes - 1 }), { minLength: 1, maxLength: 4 }),
  }),
);

describe('the tree of a region', () => {
  test('holds every node that can be reached from an entry', () => {
    fc.assert(
      fc.property(graphs, ({ successors, entries }) => {
        const reached = new Set<number>(entries);
        for (const node of reached) for (const to of successors[node]!) reached.add(to);
        const flow = controlFlow(successors, entries);
        expect(new Set(flow.order)).toEqual(new Set([DISPATCHER, ...reached]));
      }),
    );
  });

  test('has each edge go forward, back to the head of a loop, or over the dispatcher', () => {
    fc.assert(
      fc.property(graphs, ({ successors, entries }) => {
        const flow = controlFlow(successors, entries);
        for (const from of flow.order) {
          if (from === DISPATCHER) continue;
          for (const to of successors[from]!) {
            const isLater = flow.position[to]! > flow.position[from]!;
            switch (flow.edge(from, to)) {
              case 'forward':
                expect(isLater).toBe(true);
                break;
              case 'back':
                expect(isLater).toBe(false);
                expect(flow.isLoopHeader[to]).toBe(1);
                break;
              case 'dispatch':
                expect(flow.dispatched).toContain(to);
            }
          }
        }
      }),
    );
  });

  test('keeps the entries in front of what loops add to the dispatcher', () => {
    fc.assert(
      fc.property(graphs, ({ successors, entries }) => {
        expect(controlFlow(successors, entries).dispatched.slice(0, entries.length)).toEqual(entries);
      }),
    );
  });

  test('needs no dispatcher for a loop that is entered at its head', () => {
    const flow = controlFlow([[], [2], [3], [2, 4], []], [1]);
    expect(flow.dispatched).toEqual([1]);
    expect(flow.edge(3, 2)).toBe('back');
  });

  test('closes a loop that is also entered in its middle over the dispatcher', () => {
    const flow = controlFlow([[], [2], [3], [2]], [1, 3]);
    expect(flow.edge(3, 2)).toBe('dispatch');
    expect(flow.dispatched).toEqual([1, 3, 2]);
  });
});
