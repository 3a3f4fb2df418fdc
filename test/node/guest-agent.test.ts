import { describe, expect, test } from 'vitest';
import type { BytePort } from '../../src/machine/index.ts';
import { GuestAgent, type GuestAgentError } from '../../src/node/guest-agent.ts';
import { VirtualClock } from '../network/virtual-clock.ts';

const MS = 1_000_000;
const ANSWER_NS = 1 * MS;

interface Request {
  readonly execute: string;
  readonly arguments: Readonly<Record<string, unknown>>;
}

type Reply = object | 'silence' | { readonly raw: string };

interface HangOptions {
  readonly hangNs?: number;
  /** How long the guest has waited for its hart until then. */
  readonly heldNs?: (nowNs: number) => number;
}

/** An agent behind a port that answers each command after a millisecond of node time, as `reply` says. */
function agentThat(reply: (request: Request, count: number) => Reply, options: HangOptions = {}) {
  const clock = new VirtualClock();
  const requests: { readonly atNs: number; readonly request: Request }[] = [];
  let present = true;
  const port: BytePort = {
    onOutput: () => {},
    input: (bytes) => {
      if (!present || bytes[0] === 0xff) return;
      for (const line of Buffer.from(bytes).toString().trim().split('\n')) answer(JSON.parse(line) as Request);
    },
  };
  const say = (bytes: Uint8Array): void => {
    clock.at(clock.now() + ANSWER_NS, () => {
      // In small pieces, as a ring of buffers may deliver it.
      for (let offset = 0; offset < bytes.length; offset += 7) port.onOutput(bytes.subarray(offset, offset + 7));
    });
  };
  const answer = (request: Request): void => {
    if (request.execute === 'guest-sync-delimited') {
      const { id } = request.arguments;
      say(Buffer.concat([Buffer.of(0xff), Buffer.from(`${JSON.stringify({ return: id })}\n`)]));
      return;
    }
    requests.push({ atNs: clock.now(), request });
    const what = reply(request, requests.length);
    if (what === 'silence') return;
    say(Buffer.from('raw' in what ? what.raw : `${JSON.stringify(what)}\n`));
  };
  const { hangNs = Number.POSITIVE_INFINITY, heldNs = () => 0 } = options;
  const agent = new GuestAgent(port, clock, { hangNs: () => hangNs, heldNs: () => heldNs(clock.now()) });
  return {
    agent,
    clock,
    port,
    requests,
    commands: () => requests.map(({ request }) => request.execute),
    appear: (): void => {
      present = true;
    },
    vanish: (): void => {
      present = false;
    },
  };
}

/** What became of a promise, once the machine's time has run. */
async function outcome<T>(promise: Promise<T>): Promise<T | string> {
  return promise.catch((error: GuestAgentError) => error.code);
}

const b64 = (text: string): string => Buffer.from(text).toString('base64');

describe('a guest agent', () => {
  test.each([
    [
      'an error that says nothing a person reads',
      { error: { class: { toString: 1 }, desc: { toString: 1 } } },
      'refused',
    ],
    ['an error as long as an answer may be', { error: { class: 'x', desc: 'y'.repeat(4_000_000) } }, 'refused'],
    ['an answer nested without end', { raw: `{"return":${'['.repeat(100_000)}${']'.repeat(100_000)}}\n` }, 'protocol'],
  ])('that gives %s has its say in a short message', async (_what, reply, code) => {
    const { agent, clock } = agentThat(() => reply);
    const version = agent.version({ deadlineNs: 1000 * MS }).catch((error: GuestAgentError) => error);
    clock.run(1000 * MS);
    const error = (await version) as GuestAgentError;
    expect(error.code).toBe(code);
    expect(error.message.length).toBeLessThan(1100);
  });

  test.each([
    ['3 MiB of zeros', 0, 'refused'],
    ['3 MiB of text', 0x61, 'taken'],
  ])(
    'that gives what a command printed, %s, has it go over a socket as one line or not at all',
    async (_what, byte, end) => {
      const out = Buffer.alloc(3 * 1024 * 1024, byte).toString('base64');
      const { agent, clock } = agentThat(({ execute }) =>
        execute === 'guest-exec' ? { return: { pid: 1 } } : { return: { exited: true, exitcode: 0, 'out-data': out } },
      );
      const run = agent.exec(['/bin/cat'], { deadlineNs: 1000 * MS });
      clock.run(1000 * MS);
      expect(await outcome(run.then(() => 'taken'))).toBe(end);
    },
  );

  test('that says its answer a byte at a time takes the memory of the answer', () => {
    const { port, agent, clock } = agentThat(() => 'silence');
    void agent.version({ deadlineNs: 1000 * MS }).catch(() => undefined);
    clock.run(10 * MS);
    const before = process.memoryUsage().heapUsed;
    const byte = Uint8Array.of(0x20);
    for (let said = 0; said < 1_000_000; said++) port.onOutput(byte);
    expect(process.memoryUsage().heapUsed - before).toBeLessThan(100 * 1024 * 1024);
  });

  test('an answer resolves the promise', async () => {
    const { agent, clock } = agentThat(() => ({ return: { 'kernel-release': '6.12.94', id: 'debian' } }));
    const info = agent.osInfo({ deadlineNs: 100 * MS });
    clock.run(10 * MS);
    expect(await info).toMatchObject({ kernelRelease: '6.12.94', id: 'debian', versionId: undefined });
  });

  test('an error answer is a refusal with the class and text of the agent', async () => {
    const error = { class: 'CommandNotFound', desc: 'no such thing' };
    const { agent, clock } = agentThat(() => ({ error }));
    const version = agent.version({ deadlineNs: 100 * MS });
    clock.run(10 * MS);
    await expect(version).rejects.toMatchObject({ code: 'refused', agentClass: 'CommandNotFound' });
  });

  test.each([
    ['no JSON', { raw: 'hello\n' }],
    ['neither return nor error', { raw: '{"event":1}\n' }],
    ['a member of the wrong type', { return: { version: 7 } }],
    ['an array for an object', { return: [] }],
  ])('%s is a protocol error', async (_what, reply) => {
    const { agent, clock } = agentThat(() => reply);
    const version = agent.version({ deadlineNs: 100 * MS });
    clock.run(10 * MS);
    expect(await outcome(version)).toBe('protocol');
  });

  test('an agent that comes up later is waited for', async () => {
    const { agent, clock, vanish, appear } = agentThat(() => ({ return: {} }));
    vanish();
    clock.at(5_000 * MS, appear);
    const answers = agent.answers({ deadlineNs: 20_000 * MS });
    clock.run(5_150 * MS);
    expect(await answers).toBe(true);
  });

  test('an agent that never comes up does not answer, and nothing is left to do afterwards', async () => {
    const { agent, clock, vanish } = agentThat(() => ({ return: {} }));
    vanish();
    const answers = agent.answers({ deadlineNs: 1_000 * MS });
    clock.run(1_000 * MS);
    expect(await answers).toBe(false);
    clock.run(20_000 * MS);
    expect(clock.pending).toBe(0);
  });

  test('an answer after the deadline is not taken for the next command’s', async () => {
    const { agent, clock, port } = agentThat(({ execute }, count) =>
      count === 1 ? 'silence' : { return: execute === 'guest-info' ? { version: 'right' } : {} },
    );
    const late = agent.version({ deadlineNs: 50 * MS });
    clock.at(51 * MS, () => port.onOutput(Buffer.from('{"return":{"version":"late"}}\n')));
    clock.run(50 * MS);
    expect(await outcome(late)).toBe('timeout');
    const next = agent.version({ deadlineNs: 200 * MS });
    clock.run(200 * MS);
    expect(await next).toBe('right');
  });

  test('commands of several tasks go one after the other', async () => {
    const { agent, clock, requests } = agentThat(() => ({ return: { version: '1' } }));
    const all = Promise.all([1, 2, 3].map(() => agent.version({ deadlineNs: 100 * MS })));
    clock.run(100 * MS);
    expect(await all).toEqual(['1', '1', '1']);
    expect(requests.map(({ atNs }) => atNs / MS)).toEqual([1, 2, 3]);
  });

  test('what others ask while file systems are frozen waits until they are thawed', async () => {
    let isFrozen = false;
    const { agent, clock, commands } = agentThat(({ execute }) => {
      if (execute === 'guest-fsfreeze-freeze') isFrozen = true;
      if (execute === 'guest-fsfreeze-thaw') isFrozen = false;
      if (execute.startsWith('guest-fsfreeze')) return { return: 1 };
      return isFrozen ? { error: { class: 'CommandNotFound', desc: 'disabled' } } : { return: { version: '1' } };
    });
    const deadline = { deadlineNs: 100 * MS };
    const all = Promise.all([
      agent.version(deadline),
      agent.whileFrozen(() => 'copied', deadline),
      agent.version(deadline),
    ]);
    clock.run(100 * MS);
    expect(await all).toEqual(['1', 'copied', '1']);
    expect(commands()).toEqual(['guest-info', 'guest-fsfreeze-freeze', 'guest-fsfreeze-thaw', 'guest-info']);
  });

  test('a freeze that is not answered holds nobody up for ever', async () => {
    const { agent, clock } = agentThat(({ execute }) =>
      execute.startsWith('guest-fsfreeze') ? 'silence' : { return: { version: '1' } },
    );
    const frozen = agent.whileFrozen(() => 'copied', { deadlineNs: 50 * MS });
    const version = agent.version({ deadlineNs: 20_000 * MS });
    clock.run(20_000 * MS);
    expect(await outcome(frozen)).toBe('timeout');
    expect(await version).toBe('1');
  });

  test('a dropped conversation rejects what is under way', async () => {
    const { agent, clock } = agentThat(() => 'silence');
    const version = agent.version({ deadlineNs: 100 * MS });
    clock.run(10 * MS);
    agent.drop('the guest was destroyed');
    expect(await outcome(version)).toBe('gone');
    expect(clock.pending).toBe(0);
  });
});

describe('a command in a guest', () => {
  const exited = { return: { exited: true, exitcode: 3, 'out-data': b64('out'), 'err-data': b64('err') } };

  test('is polled at growing intervals of node time and gives what it said', async () => {
    const { agent, clock, requests } = agentThat(({ execute }, count) => {
      if (execute === 'guest-exec') return { return: { pid: 7 } };
      return count > 12 ? exited : { return: { exited: false } };
    });
    const result = agent.exec(['/bin/true', '-x'], { deadlineNs: 10_000 * MS, env: { A: '1' } });
    clock.run(10_000 * MS);
    expect(await result).toEqual({ exitCode: 3, signal: null, stdout: 'out', stderr: 'err', truncated: false });
    expect(requests[0]?.request.arguments).toMatchObject({ path: '/bin/true', arg: ['-x'], 'capture-output': true });
    expect(requests[0]?.request.arguments['env']).toContain('A=1');
    const times = requests.slice(1).map(({ atNs }) => atNs);
    const gaps = times.slice(1).map((atNs, index) => atNs - times[index]!);
    expect(gaps.every((gap, index) => index === 0 || gap >= gaps[index - 1]!)).toBe(true);
  });

  test('that a signal ends has the exit code a shell would give', async () => {
    const { agent, clock } = agentThat(({ execute }) =>
      execute === 'guest-exec' ? { return: { pid: 7 } } : { return: { exited: true, signal: 9 } },
    );
    const result = agent.exec(['/bin/true'], { deadlineNs: 100 * MS });
    clock.run(100 * MS);
    expect(await result).toMatchObject({ exitCode: 137, signal: 9, stdout: '' });
  });

  test('that takes too long is killed', async () => {
    const { agent, clock, requests } = agentThat(({ execute }) =>
      execute === 'guest-exec' ? { return: { pid: 7 } } : { return: { exited: false } },
    );
    const result = outcome(agent.exec(['/bin/sleep', '1000'], { deadlineNs: 500 * MS }));
    clock.run(500 * MS);
    expect(await result).toBe('timeout');
    clock.run(600 * MS);
    expect(requests.at(-1)?.request.arguments).toMatchObject({ path: '/bin/sh', arg: ['-c', 'kill -KILL 7'] });
    clock.run(20_000 * MS);
    expect(clock.pending).toBe(0);
  });

  test('gives the same requests at the same times each time', async () => {
    const run = (): unknown => {
      const { agent, clock, requests } = agentThat(({ execute }, count) => {
        if (execute === 'guest-exec') return { return: { pid: 7 } };
        return count > 30 ? exited : { return: { exited: false } };
      });
      void agent.exec(['/bin/true'], { deadlineNs: 10_000 * MS });
      clock.run(10_000 * MS);
      return requests;
    };
    expect(run()).toEqual(run());
  });
});

describe('a guest that hangs', () => {
  const HANG_NS = 500 * MS;
  const deadlineNs = 60_000 * MS;
  const falling = (lastCount: number) => (_request: Request, count: number) => {
    if (count > lastCount) return 'silence';
    return count === 1 ? { return: { pid: 7 } } : { return: { exited: false } };
  };

  test('is known by its silence in the middle of a command, long before the command is late', async () => {
    const { agent, clock, requests, vanish } = agentThat(falling(9), { hangNs: HANG_NS });
    const result = outcome(agent.exec(['/bin/sleep', '10'], { deadlineNs }));
    clock.run(300 * MS);
    const lastNs = requests.at(-1)!.atNs;
    expect(requests).toHaveLength(10);
    vanish();
    clock.run(lastNs + HANG_NS - MS);
    expect(agent.hangs).toBe(false);
    clock.run(lastNs + HANG_NS + MS);
    expect(agent.hangs).toBe(true);
    expect(await result).toBe('hangs');
  });

  test('is none that only waits for its hart, which another guest has', async () => {
    // It has its hart for one millisecond in twenty.
    const heldNs = (nowNs: number): number => nowNs * 0.95;
    const { agent, clock } = agentThat(falling(9), { hangNs: HANG_NS, heldNs });
    const result = outcome(agent.exec(['/bin/sleep', '10'], { deadlineNs }));
    clock.run(9_000 * MS);
    expect(agent.hangs).toBe(false);
    clock.run(11_000 * MS);
    expect(await result).toBe('hangs');
  });

  test('is none whose agent works on what it was asked', async () => {
    const { agent, clock, port } = agentThat(
      ({ execute }) => (execute.includes('freeze') ? 'silence' : { return: {} }),
      {
        hangNs: HANG_NS,
      },
    );
    const frozen = agent.freezeFileSystems({ deadlineNs });
    clock.run(5_000 * MS);
    port.onOutput(Buffer.from('{"return": 2}\n'));
    expect(await frozen).toBe(2);
  });

  test('is known as soon when it is asked again', async () => {
    const { agent, clock, vanish } = agentThat(falling(9), { hangNs: HANG_NS });
    const first = outcome(agent.exec(['/bin/sleep', '10'], { deadlineNs }));
    clock.run(300 * MS);
    vanish();
    clock.run(2_000 * MS);
    expect(await first).toBe('hangs');
    const second = outcome(agent.exec(['/bin/true'], { deadlineNs }));
    clock.run(2_000 * MS + HANG_NS + MS);
    expect(await second).toBe('hangs');
  });

  test('is none whose agent still works on what nobody waits for any more', async () => {
    const { agent, clock, vanish } = agentThat(() => 'silence', { hangNs: HANG_NS });
    const freeze = outcome(agent.freezeFileSystems({ deadlineNs: 100 * MS }));
    clock.run(50 * MS);
    vanish();
    clock.run(200 * MS);
    expect(await freeze).toBe('timeout');
    const next = outcome(agent.version({ deadlineNs: 5_000 * MS }));
    clock.run(4_900 * MS);
    expect(agent.hangs).toBe(false);
    clock.run(5_100 * MS);
    expect(await next).toBe('timeout');
  });

  test('is none any more once something is heard of it', async () => {
    const { agent, clock, port } = agentThat(falling(3), { hangNs: HANG_NS });
    const result = outcome(agent.exec(['/bin/sleep', '10'], { deadlineNs }));
    clock.run(2_000 * MS);
    expect([await result, agent.hangs]).toEqual(['hangs', true]);
    port.onOutput(Buffer.from('{"return": {"exited": false}}\n'));
    expect(agent.hangs).toBe(false);
  });
});

describe('files, file systems and memory of a guest', () => {
  test('a file is read in pieces to its end and closed', async () => {
    const { agent, clock, commands } = agentThat(({ execute }, count) => {
      if (execute === 'guest-file-open') return { return: 1000 };
      if (execute === 'guest-file-read') return { return: { count: 3, 'buf-b64': b64('abc'), eof: count === 4 } };
      return { return: {} };
    });
    const content = agent.readFile('/etc/motd', { deadlineNs: 100 * MS });
    clock.run(100 * MS);
    expect(Buffer.from(await content).toString()).toBe('abcabcabc');
    expect(commands().at(-1)).toBe('guest-file-close');
  });

  test('a file longer than asked for is refused, and closed', async () => {
    const { agent, clock, commands } = agentThat(({ execute }) => {
      if (execute === 'guest-file-open') return { return: 1000 };
      return { return: execute === 'guest-file-read' ? { count: 3, 'buf-b64': b64('abc'), eof: false } : {} };
    });
    const content = agent.readFile('/dev/zero', { deadlineNs: 1000 * MS, bytesMax: 10 });
    clock.run(1000 * MS);
    expect(await outcome(content)).toBe('refused');
    expect(commands().at(-1)).toBe('guest-file-close');
  });

  test('a file is written in pieces, short writes included', async () => {
    const written: Buffer[] = [];
    const { agent, clock, commands } = agentThat(({ execute, arguments: args }) => {
      if (execute === 'guest-file-open') return { return: 1000 };
      if (execute !== 'guest-file-write') return { return: {} };
      const chunk = Buffer.from(String(args['buf-b64']), 'base64');
      const taken = chunk.subarray(0, 30_000);
      written.push(taken);
      return { return: { count: taken.length, eof: false } };
    });
    const content = Buffer.alloc(100_000, 'wxyz');
    const done = agent.writeFile('/tmp/x', content, { deadlineNs: 1000 * MS });
    clock.run(1000 * MS);
    await done;
    expect(Buffer.concat(written).equals(content)).toBe(true);
    expect(commands().slice(-2)).toEqual(['guest-file-flush', 'guest-file-close']);
  });

  test('file systems are thawed whatever happens while they are frozen', async () => {
    const { agent, clock, commands } = agentThat(() => ({ return: 2 }));
    const failed = agent.whileFrozen(
      () => {
        throw new Error('no room');
      },
      { deadlineNs: 100 * MS },
    );
    clock.run(100 * MS);
    await expect(failed).rejects.toThrow('no room');
    expect(commands()).toEqual(['guest-fsfreeze-freeze', 'guest-fsfreeze-thaw']);
  });

  test('memory blocks are told and changed one by one', async () => {
    const { agent, clock, requests } = agentThat(({ execute }) =>
      execute === 'guest-get-memory-blocks'
        ? { return: [{ 'phys-index': 17, online: true, 'can-offline': true }] }
        : { return: [{ 'phys-index': 17, response: 'operation-failed', 'error-code': 16 }] },
    );
    const blocks = agent.memoryBlocks({ deadlineNs: 100 * MS });
    const changed = agent.setMemoryBlocks([{ index: 17, online: false }], { deadlineNs: 100 * MS });
    clock.run(100 * MS);
    expect(await blocks).toEqual([{ index: 17, online: true, canOffline: true }]);
    expect(await changed).toEqual([{ index: 17, response: 'operation-failed', errorCode: 16 }]);
    expect(requests[1]?.request.arguments).toEqual({ 'mem-blks': [{ 'phys-index': 17, online: false }] });
  });

  test('an order to shut down is done when no refusal comes', async () => {
    const { agent, clock } = agentThat(() => 'silence');
    const done = agent.shutdown('powerdown', { deadlineNs: 1000 * MS });
    clock.run(1000 * MS);
    expect(await done).toBeUndefined();
  });

  test('an order to shut down that is refused rejects', async () => {
    const { agent, clock } = agentThat(() => ({ error: { class: 'GenericError', desc: 'disabled' } }));
    const done = agent.shutdown('powerdown', { deadlineNs: 1000 * MS });
    clock.run(1000 * MS);
    expect(await outcome(done)).toBe('refused');
  });
});
