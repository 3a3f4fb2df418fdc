/**
 * The shape of a region's code: WebAssembly has blocks and loops but no jumps, so the graph of basic blocks becomes a
 * tree of them. Source: [Ramsey22], Beyond Relooper.
 *
 * Node 0 is the dispatcher: it leads to every entry of the region, and a jump whose target is known at run time only
 * leads back to it. A loop that can be entered in its middle has no place in the tree; so the jumps that close it go
 * over the dispatcher too, and their targets become entries of it.
 */

export const DISPATCHER = 0;

export interface ControlFlow {
  /** Nodes in reverse postorder; what cannot be reached is absent. */
  readonly order: readonly number[];
  /** Position of a node in `order`. */
  readonly position: Int32Array;
  /** Children in the dominator tree that several edges meet at, latest in `order` first. */
  readonly mergeChildren: readonly (readonly number[])[];
  /** Node is the target of an edge that goes back to it. */
  readonly isLoopHeader: Uint8Array;
  readonly isMerge: Uint8Array;
  /** Head of the outermost loop that a node belongs to; DISPATCHER when it belongs to none. */
  readonly loopOf: Int32Array;
  /** Targets of the dispatcher: what was asked for, then what loops need. */
  readonly dispatched: readonly number[];
  /** How an edge is taken. */
  edge(from: number, to: number): 'dispatch' | 'back' | 'forward';
}

/** `successors[0]` is ignored: the dispatcher leads to `entries`. */
export function controlFlow(successors: readonly (readonly number[])[], entries: readonly number[]): ControlFlow {
  const dispatched = [...entries];
  const isDispatched = new Set(entries);
  /** Edges that go over the dispatcher, as from * count + to. */
  const redirected = new Set<number>();
  const count = successors.length;
  for (;;) {
    const next = (node: number): readonly number[] => (node === DISPATCHER ? dispatched : (successors[node] ?? []));
    const graph = new Graph(count, next, redirected);
    const before = redirected.size;
    for (const from of graph.order) {
      for (const to of next(from)) {
        if (to === DISPATCHER || redirected.has(from * count + to)) continue;
        const isBackward = graph.position[to]! <= graph.position[from]!;
        if (!isBackward || graph.dominates(to, from)) continue;
        redirected.add(from * count + to);
        if (!isDispatched.has(to)) {
          isDispatched.add(to);
          dispatched.push(to);
        }
      }
    }
    if (redirected.size === before) return graph.shape(dispatched);
  }
}

class Graph {
  readonly order: number[];
  readonly position: Int32Array;
  readonly #count: number;
  readonly #redirected: ReadonlySet<number>;
  /** Edges that stay in the tree. */
  readonly #edges: readonly (readonly number[])[];
  readonly #predecessors: number[][];
  /** Immediate dominators. */
  readonly #dominator: Int32Array;

  constructor(count: number, next: (node: number) => readonly number[], redirected: ReadonlySet<number>) {
    this.#count = count;
    this.#redirected = redirected;
    this.#edges = Array.from({ length: count }, (_, from) =>
      next(from).filter((to) => to !== DISPATCHER && !redirected.has(from * count + to)),
    );
    this.order = this.#reversePostorder();
    this.position = new Int32Array(count).fill(-1);
    this.order.forEach((node, i) => {
      this.position[node] = i;
    });
    this.#predecessors = Array.from({ length: count }, () => []);
    for (const from of this.order) for (const to of this.#edges[from]!) this.#predecessors[to]!.push(from);
    this.#dominator = this.#dominators();
  }

  #reversePostorder(): number[] {
    const order: number[] = [];
    const seen = new Uint8Array(this.#count);
    const stack = [{ node: DISPATCHER, edges: this.#edges[DISPATCHER]!, at: 0 }];
    seen[DISPATCHER] = 1;
    for (let top = stack.at(-1); top !== undefined; top = stack.at(-1)) {
      const to = top.edges[top.at++];
      if (to === undefined) {
        order.push(top.node);
        stack.pop();
      } else if (seen[to] === 0) {
        seen[to] = 1;
        stack.push({ node: to, edges: this.#edges[to]!, at: 0 });
      }
    }
    return order.reverse();
  }

  /** Source: [CooperHarveyKennedy01], A Simple, Fast Dominance Algorithm. */
  #dominators(): Int32Array {
    const dominator = new Int32Array(this.#count).fill(-1);
    dominator[DISPATCHER] = DISPATCHER;
    const position = this.position;
    for (let changed = true; changed; ) {
      changed = false;
      for (const node of this.order) {
        if (node === DISPATCHER) continue;
        let best = -1;
        for (const from of this.#predecessors[node]!) {
          if (dominator[from] === -1) continue;
          best = best === -1 ? from : this.#commonDominator(dominator, position, best, from);
        }
        if (dominator[node] !== best) {
          dominator[node] = best;
          changed = true;
        }
      }
    }
    return dominator;
  }

  #commonDominator(dominator: Int32Array, position: Int32Array, a: number, b: number): number {
    let [x, y] = [a, b];
    while (x !== y) {
      while (position[x]! > position[y]!) x = dominator[x]!;
      while (position[y]! > position[x]!) y = dominator[y]!;
    }
    return x;
  }

  dominates(above: number, node: number): boolean {
    let at = node;
    while (this.position[at]! > this.position[above]!) at = this.#dominator[at]!;
    return at === above;
  }

  #loops(isLoopHeader: Uint8Array): Int32Array {
    const loopOf = new Int32Array(this.#count).fill(DISPATCHER);
    // Outer loops come first: each is entered at its head only.
    for (const head of this.order) {
      if (isLoopHeader[head] === 0 || loopOf[head] !== DISPATCHER) continue;
      loopOf[head] = head;
      const work = this.#predecessors[head]!.filter((from) => this.position[from]! >= this.position[head]!);
      for (let node = work.pop(); node !== undefined; node = work.pop()) {
        if (loopOf[node] === head) continue;
        loopOf[node] = head;
        work.push(...this.#predecessors[node]!);
      }
    }
    return loopOf;
  }

  shape(dispatched: readonly number[]): ControlFlow {
    const { order, position } = this;
    const isLoopHeader = new Uint8Array(this.#count);
    const isMerge = new Uint8Array(this.#count);
    for (const node of order) {
      let forward = 0;
      for (const from of this.#predecessors[node]!) {
        if (position[from]! >= position[node]!) isLoopHeader[node] = 1;
        else forward += from === DISPATCHER ? 2 : 1;
      }
      if (forward > 1) isMerge[node] = 1;
    }
    const mergeChildren: number[][] = Array.from({ length: this.#count }, () => []);
    for (let i = order.length - 1; i > 0; i--) {
      const node = order[i]!;
      if (isMerge[node] === 1) mergeChildren[this.#dominator[node]!]!.push(node);
    }
    const edge = (from: number, to: number): 'dispatch' | 'back' | 'forward' => {
      if (this.#redirected.has(from * this.#count + to)) return 'dispatch';
      return position[to]! <= position[from]! ? 'back' : 'forward';
    };
    return {
      order,
      position,
      mergeChildren,
      isLoopHeader,
      isMerge,
      loopOf: this.#loops(isLoopHeader),
      dispatched,
      edge,
    };
  }
}
