/**
 * What a statechart waits for. A pure transition does nothing: it returns what has to be done, as descriptors. This keeps
 * the account of them: effects to bring about, and timers with the node time at which they are due.
 */
import type { EffectInput } from '../statechart/run-context.ts';

export interface Timer {
  readonly id: string;
  readonly dueNs: number;
  readonly delayMs: number;
  /** What the chart is sent when it is due. */
  readonly event: { readonly type: string };
}

/** An action of the chart's vocabulary that the driver writes and shows. */
export interface Announcement {
  readonly type: string;
  readonly params: { readonly [name: string]: unknown };
}

interface ActionDescriptor {
  readonly type: string;
  readonly params?: unknown;
}

export class Outstanding {
  readonly effects: Map<string, EffectInput>;
  readonly timers: Map<string, Timer>;

  constructor(from?: Outstanding) {
    this.effects = new Map(from?.effects);
    this.timers = new Map(from?.timers);
  }

  /** As it is, but for its timers: that one is due before all others, and none was due before `nowNs`. */
  withFirst(id: string, nowNs: number): Outstanding {
    const copy = new Outstanding(this);
    const timers = [...this.timers].map(([name, timer]) => ({
      ...timer,
      id: name,
      dueNs: Math.max(timer.dueNs, nowNs),
    }));
    const dueNs = Math.min(...timers.map((timer) => timer.dueNs));
    copy.timers.clear();
    for (const timer of timers.toSorted((a, b) => Number(b.id === id) - Number(a.id === id)))
      copy.timers.set(timer.id, timer.id === id ? { ...timer, dueNs } : timer);
    return copy;
  }

  /** The one that is due first; of several the one set first. */
  get firstTimer(): Timer | undefined {
    let first: Timer | undefined;
    for (const timer of this.timers.values()) if (!first || timer.dueNs < first.dueNs) first = timer;
    return first;
  }

  get isEmpty(): boolean {
    return this.effects.size === 0 && this.timers.size === 0;
  }

  /** Takes in the actions of a transition made at `atNs`; gives back those that are not bookkeeping, in order. */
  apply(actions: readonly ActionDescriptor[], atNs: number): readonly Announcement[] {
    const announcements: Announcement[] = [];
    for (const { type, params } of actions) {
      const given = (params ?? {}) as { readonly [name: string]: unknown };
      switch (type) {
        case 'xstate.spawnChild':
          this.effects.set(String(given['id']), given['input'] as EffectInput);
          break;
        case 'xstate.stopChild':
          this.effects.delete(String(given['id']));
          break;
        case 'xstate.raise':
          if (typeof given['delay'] === 'number') {
            const id = String(given['id']);
            const event = given['event'] as { readonly type: string };
            this.timers.set(id, { id, dueNs: atNs + given['delay'] * 1e6, delayMs: given['delay'], event });
          }
          break;
        case 'xstate.cancel':
          this.timers.delete(String(given['sendId']));
          break;
        default:
          announcements.push({ type, params: given });
      }
    }
    return announcements;
  }
}
