/** Keeps who owned what when: from what each part says now and then to spans without gaps. */
import type { OwnerSpan } from './node-port.ts';

export class OwnerSpans {
  readonly #over: OwnerSpan[] = [];
  /** Of each part that somebody has, since when. */
  readonly #open = new Map<string, { readonly owner: string; readonly fromNs: number }>();

  /** `owners`: of each part that somebody has, who, from `atNs` on. */
  note(atNs: number, owners: ReadonlyMap<string, string>): void {
    for (const [part, { owner, fromNs }] of this.#open) {
      if (owners.get(part) === owner) continue;
      this.#open.delete(part);
      if (fromNs < atNs) this.#over.push({ part, owner, fromNs, toNs: atNs });
    }
    for (const [part, owner] of owners) if (!this.#open.has(part)) this.#open.set(part, { owner, fromNs: atNs });
  }

  /** By part, then by time; cut to [fromNs, toNs). */
  between(fromNs: number, toNs: number): readonly OwnerSpan[] {
    const open = [...this.#open].map(([part, span]) => ({ part, ...span, toNs }));
    return [...this.#over, ...open]
      .map((span) => ({ ...span, fromNs: Math.max(span.fromNs, fromNs), toNs: Math.min(span.toNs, toNs) }))
      .filter((span) => span.fromNs < span.toNs)
      .sort((a, b) => (a.part < b.part ? -1 : a.part > b.part ? 1 : a.fromNs - b.fromNs));
  }
}
