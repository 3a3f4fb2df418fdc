import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { ClientStack } from '../../src/network/client-stack.ts';
import { EthernetSwitch } from '../../src/network/ethernet-switch.ts';
import { NumberedRecords } from '../../src/network/numbered-records.ts';
import { Prober } from '../../src/network/prober.ts';
import { RespFormatError, RespReader, type RespReply, respCommand } from '../../src/network/resp.ts';
import { CLIENT_IP, CLIENT_MAC, PEER_IP } from './hand-peer.ts';
import { HandServer } from './hand-server.ts';
import { VirtualClock } from './virtual-clock.ts';

const MS = 1_000_000;

/** Words of a command as the server reads them. */
const wordsOf = (request: string): string[] =>
  request
    .split('\r\n')
    .slice(1)
    .filter((_, index) => index % 2 === 1);

const isCommand = (received: string): boolean => {
  const lines = received.split('\r\n');
  return lines.length === 2 * Number(lines[0]?.slice(1)) + 2;
};

const bulk = (text: string | undefined): string => (text === undefined ? '$-1\r\n' : `$${text.length}\r\n${text}\r\n`);

/** A store that forgets what `forgets` says after having acknowledged it. */
function world(forgets: (key: string) => boolean = () => false) {
  const clock = new VirtualClock();
  const ethernet = new EthernetSwitch({ clock, latencyNs: 10_000 });
  const stack = new ClientStack({ clock, mac: CLIENT_MAC, address: `${CLIENT_IP}/24`, seed: 1 });
  const stored = new Map<string, string>();
  const server = new HandServer({
    clock,
    isRequest: isCommand,
    respond: (request) => {
      const [verb, ...words] = wordsOf(request);
      if (verb === 'MGET') return { text: `*${words.length}\r\n${words.map((key) => bulk(stored.get(key))).join('')}` };
      const [key = '', value = ''] = words;
      if (!forgets(key)) stored.set(key, value);
      return { text: '+OK\r\n' };
    },
  });
  ethernet.attach(stack);
  ethernet.attach(server);
  const records = new NumberedRecords({ stack, target: { address: PEER_IP, port: 80 }, prefix: 'record:1' });
  const prober = new Prober({ clock, ask: records.ask, intervalNs: 10 * MS, deadlineNs: 50 * MS, seed: 1 });
  return { clock, server, stored, records, prober };
}

async function found({ clock, records }: ReturnType<typeof world>) {
  const asked = records.find(1000 * MS);
  // Each batch is asked for when the answer to the one before has been seen.
  for (let round = 0; round < 10; round++) {
    clock.run(clock.now() + 100 * MS);
    await Promise.resolve();
  }
  return asked;
}

describe('numbered records', () => {
  test('that were acknowledged are found again', async () => {
    const store = world();
    store.prober.start();
    store.clock.run(5000 * MS);
    store.prober.stop();
    expect(store.prober.measure(0, 4900 * MS)).toMatchObject({ failed: 0 });
    const { acknowledged, lost } = (await found(store))!;
    expect(acknowledged).toBe(store.stored.size);
    expect(acknowledged).toBeGreaterThan(480);
    expect(lost).toEqual([]);
  });

  test('that the store acknowledged and has not are told by name', async () => {
    const store = world((key) => key.endsWith('7'));
    store.prober.start();
    store.clock.run(1000 * MS);
    store.prober.stop();
    const { acknowledged, lost } = (await found(store))!;
    expect(lost.length).toBe(acknowledged - store.stored.size);
    expect(lost.every((key) => key.endsWith('7'))).toBe(true);
  });

  test('that were not acknowledged are not asked for, and count as downtime', async () => {
    const store = world();
    store.server.listening = false;
    store.prober.start();
    store.clock.run(500 * MS);
    store.prober.stop();
    expect(store.prober.measure(0, 400 * MS)).toMatchObject({ requests: 40, failed: 40, downtimeMs: 400 });
    store.server.listening = true;
    expect(await found(store)).toEqual({ acknowledged: 0, lost: [] });
  });
});

const reply: fc.Arbitrary<RespReply> = fc.oneof(
  fc.stringMatching(/^[a-z ]{0,20}$/).map((text): RespReply => ({ type: 'simple', text })),
  fc.integer().map((value): RespReply => ({ type: 'integer', value })),
  fc.string().map((text): RespReply => ({ type: 'bulk', text })),
  fc.constant<RespReply>({ type: 'null' }),
);

function encode(of: RespReply): string {
  switch (of.type) {
    case 'simple':
      return `+${of.text}\r\n`;
    case 'error':
      return `-${of.text}\r\n`;
    case 'integer':
      return `:${of.value}\r\n`;
    case 'bulk':
      return `$${Buffer.byteLength(of.text)}\r\n${of.text}\r\n`;
    case 'null':
      return '$-1\r\n';
    case 'array':
      return `*${of.items.length}\r\n${of.items.map(encode).join('')}`;
  }
}

describe('the protocol of a store', () => {
  test('a reply is the same in whatever pieces it arrives', () => {
    const anyReply = fc.oneof(
      reply,
      fc.array(reply).map((items): RespReply => ({ type: 'array', items })),
    );
    fc.assert(
      fc.property(anyReply, fc.integer({ min: 1, max: 40 }), (expected, pieceBytes) => {
        const bytes = Buffer.from(encode(expected));
        const reader = new RespReader();
        let read: RespReply | undefined;
        for (let from = 0; from < bytes.length; from += pieceBytes) {
          expect(read).toBeUndefined();
          read = reader.push(bytes.subarray(from, from + pieceBytes));
        }
        expect(read).toEqual(expected);
      }),
    );
  });

  test('a command is an array of bulk strings', () => {
    expect(Buffer.from(respCommand(['SET', 'k', 'ü'])).toString()).toBe('*3\r\n$3\r\nSET\r\n$1\r\nk\r\n$2\r\nü\r\n');
  });

  test.each([
    ['arrays in arrays without end', '*1\r\n'.repeat(20_000)],
    ['a reply without end', `*65536\r\n${'+word\r\n'.repeat(60_000)}`],
  ])('a store that sends %s is refused', (_what, text) => {
    const reader = new RespReader();
    expect(() => {
      for (let from = 0; from < text.length; from += 20_000) reader.push(Buffer.from(text.slice(from, from + 20_000)));
    }).toThrow(RespFormatError);
  });

  test.each(['HTTP/1.1 200 OK\r\n', '$x\r\n', '$99999999\r\n', '*3000000\r\n', '+OK\n', 'a'.repeat(2000)])(
    '%j is refused',
    (text) => {
      expect(() => new RespReader().push(Buffer.from(text))).toThrow();
    },
  );
});
