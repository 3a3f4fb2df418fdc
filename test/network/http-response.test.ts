import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { HttpFormatError, HttpResponseReader } from '../../src/network/http-response.ts';

interface Read {
  readonly status: number;
  readonly body: string;
}

const LIMITS = { headBytesMax: 1000, bodyBytesMax: 1000 };

/** Reads a response that comes in pieces cut at `cuts`; undefined when it is not complete before the connection ends. */
function read(text: string, cuts: readonly number[] = []): Read {
  const reader = new HttpResponseReader(LIMITS);
  const bytes = Buffer.from(text, 'latin1');
  const ends = [...new Set([...cuts.map((cut) => cut % (bytes.length + 1)), bytes.length])].sort((a, b) => a - b);
  let start = 0;
  for (const end of ends) {
    const response = reader.push(bytes.subarray(start, end));
    if (response !== undefined) return { status: response.status, body: Buffer.from(response.body).toString('latin1') };
    start = end;
  }
  const response = reader.end();
  if (response === undefined) throw new Error('end() gives a response or throws');
  return { status: response.status, body: Buffer.from(response.body).toString('latin1') };
}

const head = (...fields: string[]): string => `${['HTTP/1.1 200 OK', ...fields].join('\r\n')}\r\n\r\n`;

const WHOLE: readonly (readonly [string, string, Read])[] = [
  ['a body with a length', `${head('Content-Length: 5')}hello`, { status: 200, body: 'hello' }],
  ['an empty body', head('content-length:0'), { status: 200, body: '' }],
  ['bytes after the body', `${head('Content-Length: 2')}hello`, { status: 200, body: 'he' }],
  ['a body until the end', `${head()}hello\r\n\r\nthere`, { status: 200, body: 'hello\r\n\r\nthere' }],
  [
    'chunks',
    `${head('Transfer-Encoding: chunked')}5\r\nhello\r\n3;a=b\r\n...\r\n0\r\n\r\n`,
    { status: 200, body: 'hello...' },
  ],
  [
    'chunks with a trailer',
    `${head('Transfer-Encoding: chunked')}A\r\n0123456789\r\n0\r\nX: y\r\n\r\n`,
    { status: 200, body: '0123456789' },
  ],
  ['a length said twice', `${head('Content-Length: 5', 'Content-Length: 5')}hello`, { status: 200, body: 'hello' }],
  ['a field over two lines', `${head('X: a,\r\n b', 'Content-Length: 5')}hello`, { status: 200, body: 'hello' }],
  [
    'a chunk size with zeros before it',
    `${head('Transfer-Encoding: chunked')}0000000005\r\nhello\r\n0000000000\r\n\r\n`,
    { status: 200, body: 'hello' },
  ],
  ['no content', 'HTTP/1.1 204 No Content\r\n\r\n', { status: 204, body: '' }],
  [
    'an interim response first',
    `HTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\n${head('Content-Length: 2')}ok`,
    { status: 200, body: 'ok' },
  ],
  ['lines that end in LF only', 'HTTP/1.1 404 No\nContent-Length: 2\n\nno', { status: 404, body: 'no' }],
  ['HTTP/1.0 without reason', 'HTTP/1.0 500\r\n\r\noops', { status: 500, body: 'oops' }],
];

const BROKEN: readonly (readonly [string, string, RegExp])[] = [
  ['something else', 'SSH-2.0-OpenSSH_10\r\n\r\n', /status line, found 'SSH-2.0/],
  ['a field without colon', head('Content-Length 5'), /header field/],
  ['a length that is no number', head('Content-Length: five'), /content-length, found 'five'/],
  ['two lengths', `${head('Content-Length: 5', 'Content-Length: 6')}hello!`, /content-length, found '5, 6'/],
  ['an encoding we did not ask for', head('Transfer-Encoding: gzip, chunked'), /transfer-encoding/],
  ['a chunk size that is none', `${head('Transfer-Encoding: chunked')}xyz\r\n`, /chunk size, found 'xyz'/],
  ['a chunk longer than its size', `${head('Transfer-Encoding: chunked')}2\r\nhello\r\n0\r\n\r\n`, /end of a chunk/],
  ['a body cut short', `${head('Content-Length: 9')}hello`, /ended inside/],
  ['chunks cut short', `${head('Transfer-Encoding: chunked')}5\r\nhello\r\n`, /ended inside/],
  ['a head cut short', 'HTTP/1.1 200 OK\r\nServ', /ended inside/],
  ['nothing', '', /ended inside/],
  ['a head that is too long', head(`X: ${'x'.repeat(2000)}`), /head of the response is longer than 1000/],
  ['a head that never ends', `HTTP/1.1 200 OK\r\nX: ${'x'.repeat(2000)}`, /head of the response is longer than 1000/],
  ['a length that is too long', head('Content-Length: 1001'), /body of the response is longer than 1000/],
  ['a body that is too long', `${head()}${'x'.repeat(1001)}`, /body of the response is longer than 1000/],
  [
    'chunks that are too long',
    `${head('Transfer-Encoding: chunked')}7d0\r\n${'x'.repeat(2000)}`,
    /body of the response is longer than 1000/,
  ],
  ['a chunk line that never ends', `${head('Transfer-Encoding: chunked')}${'0'.repeat(2000)}`, /chunk line/],
];

describe('an HTTP response', () => {
  test.each(WHOLE)('with %s is read', (_what, text, expected) => {
    expect(read(text)).toEqual(expected);
  });

  test.each(BROKEN)('that is %s is refused', (_what, text, message) => {
    expect(() => read(text)).toThrow(message);
    expect(() => read(text)).toThrow(HttpFormatError);
  });

  test('is the same however it is cut into pieces', () => {
    fc.assert(
      fc.property(fc.constantFrom(...WHOLE), fc.array(fc.nat(200), { maxLength: 8 }), ([, text, expected], cuts) => {
        expect(read(text, cuts)).toEqual(expected);
      }),
    );
  });

  test('does not hold up its reader, whatever its fields are padded with', () => {
    const padding = ' '.repeat(30_000);
    for (const field of [`X: a${padding}b`, `X: a\r\n${padding}b`]) {
      const reader = new HttpResponseReader();
      const early = Buffer.from(head(field).replace('200 OK', '103 Early Hints'));
      for (let times = 0; times < 50; times++) expect(reader.push(early)).toBeUndefined();
    }
  });

  test('has its fields in lower case, repeated ones joined', () => {
    const reader = new HttpResponseReader();
    const response = reader.push(Buffer.from(head('SERVER:  nginx/1.26.3 ', 'Via: a', 'via: b', 'Content-Length: 0')));
    expect(response?.headers.get('server')).toBe('nginx/1.26.3');
    expect(response?.headers.get('via')).toBe('a, b');
  });
});
