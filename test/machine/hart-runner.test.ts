import { describe, expect, it } from 'vitest';
import type { MachineClock, MachineModeHart, MachineModeProgram, MachineModeReturn } from '../../src/machine/door.ts';
import { EventQueue } from '../../src/machine/event-queue.ts';
import type { Hart, HartLine, HartStop } from '../../src/machine/hart-contract.ts';
import { HartRunner } from '../../src/machine/hart-runner.ts';

const ENTRY = 0x8000_0000;
const NEVER = 0xffff_ffff_ffff_ffffn;

/** A hart whose every instruction is `step`; what it gives ends the run. */
class ScriptedHart implements Hart {
  readonly hartId: number;
  retired = 0;
  readonly machineModeEntries = new Map<number, number>();
  readonly state = {} as Hart['state'];
  pc = 0n;
  readonly privilege = 0;
  stimecmp = NEVER;
  wake: () => boolean = () => false;
  step: () => HartStop | undefined = () => undefined;
  mrets = 0;
  readonly lines: string[] = [];
  #yield = false;

  constructor(hartId: number) {
    this.hartId = hartId;
  }
  reset(pc: number): void {
    this.pc = BigInt(pc);
    this.retired = 0;
  }
  run(maxInstructions: number): HartStop {
    if (this.pc === BigInt(ENTRY)) return 'machine-mode';
    this.#yield = false;
    for (let count = 0; count < maxInstructions; count++) {
      const stop = this.step();
      this.retired++;
      if (stop !== undefined) return stop;
      if (this.#yield) return 'yield';
    }
    return 'budget';
  }
  requestYield(): void {
    this.#yield = true;
  }
  setLine(line: HartLine, level: boolean): void {
    this.lines.push(`${line}=${level}`);
  }
  wakePending(): boolean {
    return this.wake();
  }
  mret(): void {
    this.mrets++;
    this.pc = 0n;
  }
  save() {
    return null;
  }
  restore(): void {}
}

interface RigOptions {
  readonly harts?: number;
  readonly clock?: MachineClock;
  readonly enter?: (why: string, hart: MachineModeHart) => MachineModeReturn;
}

function createRig({ harts = 1, clock = { kind: 'virtual' }, enter }: RigOptions = {}) {
  const programs = new Map<number, MachineModeProgram>();
  if (enter !== undefined) programs.set(ENTRY, { entry: ENTRY, enter: (hart, why) => enter(why, hart) });
  const runner: HartRunner = new HartRunner({ clock, events: () => events }, programs);
  const events: EventQueue = new EventQueue(
    () => runner.now(),
    (atNs) => runner.scheduled(atNs),
  );
  const scripted = Array.from({ length: harts }, (_, hartId) => new ScriptedHart(hartId));
  for (const hart of scripted) {
    runner.addHart(hart, { charge: (cycles: number) => runner.charge(cycles) } as MachineModeHart);
  }
  runner.reset(enter === undefined ? 0 : ENTRY);
  return { runner, events, hart: scripted[0]!, harts: scripted };
}

describe('the run loop in virtual time', () => {
  it('counts a nanosecond an instruction and stops at the time asked for', () => {
    const { runner, hart } = createRig();
    expect(runner.run(1000)).toBe('time');
    expect([runner.now(), hart.retired]).toEqual([1000, 1000]);
  });

  it('runs an event between the instructions before and after its time', () => {
    const { runner, events, hart } = createRig();
    const seen: number[][] = [];
    events.at(300, () => seen.push([runner.now(), hart.retired]));
    runner.run(1000);
    expect(seen).toEqual([[300, 300]]);
  });

  it('stops in time for an event that an instruction schedules', () => {
    const { runner, events, hart } = createRig();
    const seen: number[][] = [];
    hart.step = () => {
      if (hart.retired === 10) events.at(runner.now() + 5, () => seen.push([runner.now(), hart.retired]));
      return undefined;
    };
    runner.run(1000);
    expect(seen).toEqual([[15, 15]]);
  });

  it('skips the time a hart waits, to the next event, and counts it as idle', () => {
    const { runner, events, hart } = createRig();
    let isWoken = false;
    hart.wake = () => isWoken;
    hart.step = () => (hart.retired === 9 ? 'wfi' : undefined);
    events.at(5_000_000, () => {
      isWoken = true;
    });
    expect(runner.run(5_000_100)).toBe('time');
    expect([hart.retired, runner.idleNs]).toEqual([110, 4_999_990]);
  });

  it('skips to stimecmp and looks again whether that wakes the hart', () => {
    const { runner, hart } = createRig();
    hart.stimecmp = 700n;
    hart.wake = () => runner.now() >= 70_000;
    hart.step = () => (hart.retired === 0 ? 'wfi' : undefined);
    runner.run(70_001);
    expect([hart.retired, runner.now()]).toEqual([2, 70_001]);
  });

  it('gives a running hart a slice that ends at stimecmp', () => {
    const { runner, hart } = createRig();
    hart.stimecmp = 3n;
    const budgets: number[] = [];
    const run = hart.run.bind(hart);
    hart.run = (max) => {
      budgets.push(max);
      return run(max);
    };
    runner.run(1000);
    expect(budgets).toEqual([300, 700]);
  });

  it('is idle when nothing can happen any more', () => {
    const { runner, hart } = createRig();
    hart.step = () => 'wfi';
    expect(runner.run(Number.POSITIVE_INFINITY)).toBe('idle');
    expect(runner.nextNs()).toBe(Number.POSITIVE_INFINITY);
  });

  it('is interrupted at an instruction boundary', () => {
    const { runner, hart } = createRig();
    hart.step = () => {
      if (hart.retired === 41) runner.interrupt();
      return undefined;
    };
    expect([runner.run(1000), runner.now()]).toEqual(['interrupted', 42]);
    expect([runner.run(1000), runner.now()]).toEqual(['time', 1000]);
  });

  it('goes on in time over a reset', () => {
    const { runner, hart } = createRig();
    runner.run(500);
    runner.reset(0);
    expect([runner.now(), hart.retired]).toEqual([500, 0]);
    runner.run(600);
    expect([runner.now(), hart.retired]).toEqual([600, 100]);
  });
});

describe('an M-mode program', () => {
  it('is entered for reset, then for traps, and mret goes on', () => {
    const whys: string[] = [];
    const { runner, hart } = createRig({
      enter: (why) => {
        whys.push(why);
        return 'mret';
      },
    });
    hart.step = () => {
      if (hart.retired === 99) hart.pc = BigInt(ENTRY);
      return hart.retired === 99 ? 'yield' : undefined;
    };
    runner.run(1000);
    expect([whys, hart.mrets]).toEqual([['reset', 'trap'], 2]);
  });

  it('moves time by what it charges', () => {
    const { runner, hart } = createRig({
      enter: (_, machineMode) => {
        machineMode.charge(250);
        return 'mret';
      },
    });
    runner.run(1000);
    expect([hart.retired, runner.now(), runner.chargedCycles]).toEqual([750, 1000, 250]);
  });

  it('that waits is entered again when an interrupt is pending', () => {
    const whys: string[] = [];
    const { runner, events, hart } = createRig({
      enter: (why) => {
        whys.push(`${why}@${runner.now()}`);
        return why === 'resume' ? 'mret' : 'wfi';
      },
    });
    let isPending = false;
    hart.wake = () => isPending;
    events.at(800, () => {
      isPending = true;
    });
    runner.run(1000);
    expect([whys, hart.retired]).toEqual([['reset@0', 'resume@800'], 200]);
  });

  it('switches its hart off', () => {
    const { runner } = createRig({ enter: () => 'off' });
    expect(runner.run(1000)).toBe('halted');
  });

  it('that is entered for ever without charging is a mistake that ends the run', () => {
    const { runner, hart } = createRig({ enter: () => 'wfi' });
    hart.wake = () => true;
    expect(() => runner.run(1000)).toThrow('entered for ever at 0 ns');
  });
});

describe('several harts', () => {
  it('take turns of a quantum and are never further apart', () => {
    const { runner, harts } = createRig({ harts: 3 });
    let apart = 0;
    for (const hart of harts) {
      hart.step = () => {
        const times = harts.map((each) => each.retired);
        apart = Math.max(apart, Math.max(...times) - Math.min(...times));
        return undefined;
      };
    }
    runner.run(100_000);
    expect([harts.map((hart) => hart.retired), apart]).toEqual([[100_000, 100_000, 100_000], 10_000]);
  });

  it('end the round when a wire rises at another hart, which then catches up', () => {
    const { runner, harts } = createRig({ harts: 2 });
    const [first, second] = harts as [ScriptedHart, ScriptedHart];
    let raisedAt = -1;
    const seen: number[] = [];
    first.step = () => {
      if (first.retired === 1234) {
        raisedAt = runner.now();
        runner.wireRose(1);
      }
      return undefined;
    };
    second.wake = () => raisedAt >= 0;
    second.step = () => {
      if (raisedAt < 0) return 'wfi';
      seen.push(runner.now());
      return undefined;
    };
    runner.run(20_000);
    expect([raisedAt, seen[0]! - raisedAt]).toEqual([1234, expect.toSatisfy((late: number) => late <= 1)]);
  });

  it('take the same turns however a caller cuts its runs', () => {
    const turns = (cuts: readonly number[]): string => {
      const { runner, events, harts } = createRig({ harts: 2 });
      let log = '';
      for (const hart of harts) {
        hart.step = () => {
          if (hart.retired % 1000 === 0) log += hart.hartId;
          if (hart.hartId === 1 && hart.retired === 12_345) events.at(runner.now() + 777, () => (log += 'e'));
          return undefined;
        };
      }
      for (const cut of cuts) runner.run(cut);
      return log;
    };
    expect(turns([3, 5500, 12_400, 13_000, 23_456, 50_000])).toBe(turns([50_000]));
  });

  it('wait together until the next event', () => {
    const { runner, harts } = createRig({ harts: 2 });
    for (const hart of harts) hart.step = () => 'wfi';
    expect([runner.run(1_000_000_000), runner.idleNs]).toEqual(['time', 2 * 999_999_999]);
  });
});

describe('the run loop in real time', () => {
  it('follows the clock, is idle when every hart waits, and says when something is due', () => {
    let nowNs = 0;
    const { runner, events, hart } = createRig({ clock: { kind: 'realtime', nowNs: () => nowNs } });
    hart.step = () => {
      nowNs += 50;
      return hart.retired === 100 ? 'wfi' : undefined;
    };
    events.at(9_000_000, () => {});
    expect(runner.run(4_000_000)).toBe('idle');
    expect([runner.now(), runner.nextNs()]).toEqual([101 * 50, 9_000_000]);
  });

  it('returns soon after the time asked for', () => {
    let nowNs = 0;
    const { runner, hart } = createRig({ clock: { kind: 'realtime', nowNs: () => nowNs } });
    hart.step = () => {
      nowNs += 50;
      return undefined;
    };
    expect(runner.run(4_000_000)).toBe('time');
    expect(nowNs).toBeLessThan(4_200_000);
  });

  it('stands still while the clock steps back', () => {
    let nowNs = 1000;
    const { runner } = createRig({ clock: { kind: 'realtime', nowNs: () => nowNs } });
    expect(runner.now()).toBe(1000);
    nowNs = 10;
    expect(runner.now()).toBe(1000);
  });
});
