import { expect, it } from 'vitest';
import { ConsoleLines } from '../../src/node/console-lines.ts';

const bytes = (text: string): Uint8Array => new TextEncoder().encode(text);

it('A line of a console is told when it ends, however its bytes come', () => {
  const lines = new ConsoleLines();
  expect(lines.take(bytes('Boo'))).toEqual([]);
  expect(lines.take(bytes('ting…\r\n\r\nfirst\nsec'))).toEqual(['Booting…', 'first']);
  expect(lines.take(bytes('ond\n'))).toEqual(['second']);
});

it('A line without an end takes no more room than a long one', () => {
  const lines = new ConsoleLines();
  for (let part = 0; part < 100; part++) lines.take(bytes('x'.repeat(1000)));
  expect(lines.take(bytes('\n'))).toEqual(['x'.repeat(1024)]);
});
