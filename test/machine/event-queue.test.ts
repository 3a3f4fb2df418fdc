import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { EventQueue } from '../../src/machine/event-queue.ts';

function createQueue() {
  const clock = { ns: 0 };
  const scheduled: number[] = [];
  const queue = new EventQueue(
    () => clock.ns,
    (atNs) => scheduled.push(atNs),
  );
  const drain = (): void => {
    while (queue.nextNs() < Number.POSITIVE_INFINITY) {
      clock.ns = Math.max(clock.ns, queue.nextNs());
      queue.runDue(clock.ns);
    }
  };
  return { clock, queue, scheduled, drain };
}

describe('the event queue', () => {
  it('runs events in order of time, and in the order they were scheduled within an instant', () => {
    fc.assert(
      fc.property(fc.array(fc.nat(20)), (times) => {
        const { queue, drain } = createQueue();
        const ran: (readonly [number, number])[] = [];
        times.forEach((atNs, order) => void queue.at(atNs, () => ran.push([atNs, order])));
        drain();
        expect(ran).toEqual(
          times.map((atNs, order) => [atNs, order] as const).sort((a, b) => a[0] - b[0] || a[1] - b[1]),
        );
      }),
    );
  });

  it('does not run what was called off', () => {
    const { queue, drain } = createQueue();
    const ran: string[] = [];
    const cancel = queue.at(5, () => ran.push('off'));
    queue.at(6, () => ran.push('on'));
    cancel();
    expect(queue.nextNs()).toBe(6);
    drain();
    cancel();
    expect(ran).toEqual(['on']);
  });

  it('takes what is due in the past as due now', () => {
    const { clock, queue, scheduled } = createQueue();
    clock.ns = 100;
    queue.at(7, () => {});
    expect([queue.nextNs(), scheduled]).toEqual([100, [100]]);
  });

  it('replaces the deadline of a timer that is armed again', () => {
    const { queue, drain, clock } = createQueue();
    const fired: number[] = [];
    const timer = queue.timer('t', () => fired.push(clock.ns));
    timer.arm(5);
    timer.arm(9);
    expect(timer.atNs).toBe(9);
    drain();
    expect([fired, timer.atNs]).toEqual([[9], undefined]);
  });

  it('restores armed timers in the order they would have fired, and nothing else', () => {
    const { queue, drain } = createQueue();
    const fired: string[] = [];
    for (const name of ['a', 'b', 'c', 'd']) queue.timer(name, () => fired.push(name));
    const first = createQueue().queue;
    const timers = ['a', 'b', 'c', 'd'].map((name) => first.timer(name, () => {}));
    timers[2]!.arm(10);
    timers[0]!.arm(10);
    timers[1]!.arm(3);
    queue.at(1, () => fired.push('event'));
    queue.restore(first.save());
    expect(queue.save()).toEqual(first.save());
    drain();
    expect(fired).toEqual(['b', 'c', 'a']);
  });

  it('refuses a snapshot with a timer there is no device for', () => {
    const first = createQueue().queue;
    first.timer('slotA0.block', () => {}).arm(1);
    expect(() => createQueue().queue.restore(first.save())).toThrow('timer slotA0.block');
  });
});
