import { describe, expect, it } from 'vitest';
import { OwnerSpans } from '../../src/engine/index.ts';

const owners = (entries: { readonly [part: string]: string }) => new Map(Object.entries(entries));

describe('owners over time', () => {
  const spans = new OwnerSpans();
  spans.note(10, owners({ service: 'old', memory: 'old' }));
  spans.note(20, owners({ service: 'old' }));
  spans.note(30, owners({ service: 'new', memory: 'new' }));
  spans.note(30, owners({ service: 'new', memory: 'old' }));

  it('are spans without gaps but where nobody has the part', () => {
    expect(spans.between(0, 40)).toEqual([
      { part: 'memory', owner: 'old', fromNs: 10, toNs: 20 },
      { part: 'memory', owner: 'old', fromNs: 30, toNs: 40 },
      { part: 'service', owner: 'old', fromNs: 10, toNs: 30 },
      { part: 'service', owner: 'new', fromNs: 30, toNs: 40 },
    ]);
  });

  it('are cut to the interval that is asked for', () => {
    expect(spans.between(15, 20)).toEqual([
      { part: 'memory', owner: 'old', fromNs: 15, toNs: 20 },
      { part: 'service', owner: 'old', fromNs: 15, toNs: 20 },
    ]);
    expect(spans.between(40, 40)).toEqual([]);
  });
});
