/**
 * The WebAssembly function of a region: (entry, address of the entry's page, budget, area) → budget left. State pc says where
 * it was left, state `stepNext` that the interpreter must execute the instruction there itself.
 *
 *   block left                    a jump to what is no entry of any region
 *     block side                  an instruction that is not for the region: its place and what the block counted too much
 *       loop dispatch
 *         block lookUp            a jump to the address in `target`: is it to an entry of this region, or of another one?
 *           the tree of basic blocks
 *
 * Counting: a block takes its instructions off the budget at its start. A checkpoint is a block at whose start the budget
 * is compared with the most instructions that can follow until the next checkpoint; with less than that the interpreter
 * goes on, so that a run ends exactly where it should.
 */
import {
  ENTRY,
  FETCH_ENTRY,
  FETCH_ENTRY_SHIFT,
  PAGE_BYTES,
  PAGE_FOOTER,
  PAGE_SHIFT,
  STATE,
  TLB_ENTRIES,
} from '../hart/layout.ts';
import { REGION_PARAMETERS } from '../hart/region-type.ts';
import type { StateAccess } from '../hart/state-access.ts';
import {
  block,
  blockFor,
  br,
  brIf,
  brTable,
  brWith,
  type Expr,
  f64,
  i32,
  i64,
  Label,
  type Local,
  loop,
  nothing,
  returnCallIndirect,
  returns,
  type Stmt,
  seq,
  type TableType,
  unreachable,
  type ValueType,
  when,
} from '../wasm/code.ts';
import { ModuleBuilder, type ModuleFunction } from '../wasm/module-builder.ts';
import { groupAccesses } from './access-groups.ts';
import type { BasicBlock, Edge, RegionCode } from './basic-blocks.ts';
import { type ControlFlow, controlFlow, DISPATCHER } from './control-flow.ts';
import { type FloatFact, type RegionFrame, RegionSemantics, unknownFloats } from './region-semantics.ts';
import { RegisterFlow, type RegisterKind } from './register-flow.ts';

export const REGION_EXPORT = 'region';

/** Most instructions between two checkpoints, as long as one block is not longer. */
const CHECKPOINT_DISTANCE = 64;
/** A side exit is one number: offset in the page, and instructions that were counted and not executed. */
const SIDE_COUNT_SHIFT = 12;

const successorsOf = ({ end }: BasicBlock): readonly Edge[] => {
  switch (end.kind) {
    case 'next':
      return [end.next];
    case 'branch':
      return [end.taken, end.next];
    case 'jump':
      return [end.target];
    default:
      return [];
  }
};

/** Node of a block: the dispatcher is node 0. */
const nodeOf = (blockIndex: number): number => blockIndex + 1;

/** Name of the constant with the address of the records of a region's page. */
export const recordsImport = (page: number): string => `records${page}`;

/**
 * The module of a region. It holds nothing of the place its code lies at, so that one module serves wherever the same
 * code is found: constants `region` (as it stands in entry words), `recordsN` of each page.
 */
export function generateRegion(code: RegionCode): Uint8Array<ArrayBuffer> {
  const module = new ModuleBuilder({ pagesMin: 1 });
  const region = module.importGlobal('region', 'i32');
  const records = code.pages.map((_, page) => module.importGlobal(recordsImport(page), 'i32'));
  const regions = module.importTable('regions', ENTRY.regionsMax, REGION_PARAMETERS, 'i32');
  const f = module.function(REGION_PARAMETERS, 'i32', REGION_EXPORT);
  new RegionWriter(code, f, { region, records }, regions).write();
  return module.build();
}

function stateOf(area: Expr<'i32'>): StateAccess {
  return {
    base: 0,
    load32: (field) => i32.load(area, STATE[field]),
    store32: (field, value) => i32.store(area, value, STATE[field]),
    load64: (field) => i64.load(area, STATE[field]),
    store64: (field, value) => i64.store(area, value, STATE[field]),
  };
}

/** What differs from one instance to the other. */
interface RegionConstants {
  readonly region: Expr<'i32'>;
  readonly records: readonly Expr<'i32'>[];
}

class RegionWriter {
  readonly #code: RegionCode;
  readonly #constants: RegionConstants;
  readonly #regions: TableType<'i32'>;
  readonly #f: ModuleFunction<'i32'>;
  readonly #frame: RegionFrame;
  readonly #state: StateAccess;
  readonly #area: Local<'i32'>;
  readonly #label: Local<'i32'>;
  readonly #base: Local<'i64'>;
  readonly #budget: Local<'i32'>;
  readonly #target: Local<'i64'>;
  readonly #dataBank: Local<'i32'>;
  readonly #registers = new Map<number, Local<'i64'>>();
  readonly #floats = new Map<number, Local<'f64'>>();
  readonly #floatFacts = new Map<FloatFact, Local<'i32'>>();
  readonly #flow: ControlFlow;
  readonly #registerFlow: Readonly<Record<RegisterKind, RegisterFlow>>;
  /** Per block: instructions until the next checkpoint, when it is one; 0 when not. */
  readonly #checkpoints: Int32Array;

  readonly #left = new Label();
  readonly #side = new Label();
  readonly #dispatch = new Label();
  readonly #lookUp = new Label();
  readonly #ends = new Map<number, Label>();
  readonly #heads = new Map<number, Label>();
  /** As `#side`, by node of an outermost loop's head: for what is in the loop. */
  readonly #loopSides = new Map<number, Label>();

  constructor(code: RegionCode, f: ModuleFunction<'i32'>, constants: RegionConstants, regions: TableType<'i32'>) {
    this.#code = code;
    this.#constants = constants;
    this.#regions = regions;
    this.#f = f;
    this.#label = f.parameter(0, 'i32');
    this.#base = f.parameter(1, 'i64');
    this.#budget = f.parameter(2, 'i32');
    this.#area = f.parameter(3, 'i32');
    this.#target = f.local('i64');
    this.#dataBank = f.local('i32');
    this.#state = stateOf(this.#area.get);
    const scratch: Record<ValueType, (Local<ValueType> | undefined)[]> = { i32: [], i64: [], f32: [], f64: [] };
    this.#frame = {
      state: this.#state,
      hart: this.#area.get,
      base: this.#base,
      dataBank: this.#dataBank,
      target: this.#target,
      register: (x) => this.#localOf(this.#registers, x, 'i64'),
      float: (x) => this.#localOf(this.#floats, x, 'f64'),
      storeRegister: (x) => i64.store(this.#area.get, this.#frame.register(x).get, STATE.x + 8 * x),
      storeFloat: (x) => f64.store(this.#area.get, this.#frame.float(x).get, STATE.f + 8 * x),
      floatFact: (fact) => this.#localOf(this.#floatFacts, fact, 'i32').get,
      scratch: (type, i) => {
        scratch[type][i] ??= f.local(type) as Local<ValueType>;
        return scratch[type][i] as Local<typeof type>;
      },
    };
    const successors = [
      [],
      ...code.blocks.map((b) => successorsOf(b).flatMap((e) => (e.block === undefined ? [] : [nodeOf(e.block)]))),
    ];
    const flow = controlFlow(successors, code.entries.map(nodeOf));
    this.#flow = flow;
    this.#registerFlow = {
      x: new RegisterFlow('x', code.blocks, flow, successors),
      f: new RegisterFlow('f', code.blocks, flow, successors),
    };
    this.#checkpoints = this.#placeCheckpoints();
  }

  #localOf<K, T extends ValueType>(locals: Map<K, Local<T>>, key: K, type: T): Local<T> {
    let local = locals.get(key);
    if (local === undefined) {
      local = this.#f.local(type);
      locals.set(key, local);
    }
    return local;
  }

  // --------------------------------------------------------------------------------------------------- the function

  write(): void {
    const { state } = this.#frame;
    const exit = this.#frame.scratch('i32', 0);
    const tree = this.#tree(DISPATCHER);
    this.#f.define(
      this.#dataBank.set(state.load32('dataBank')),
      ...[...this.#floatFacts].map(([fact, local]) => local.set(state.load32(fact))),
      block(
        this.#left,
        exit.set(
          blockFor(
            'i32',
            this.#side,
            loop(this.#dispatch, block(this.#lookUp, tree, unreachable), this.#lookUpTarget(), br(this.#dispatch)),
          ),
        ),
        this.#target.set(i64.add(this.#base.get, i64.extend_u(i32.and(exit.get, i32.const(PAGE_BYTES - 1))))),
        this.#budget.set(i32.add(this.#budget.get, i32.shr_u(exit.get, i32.const(SIDE_COUNT_SHIFT)))),
        state.store32('stepNext', i32.const(1)),
      ),
      state.store64('pc', this.#target.get),
      returns(this.#budget.get),
    );
  }

  /** Loads what can be read from a node on. */
  #loadRegisters(node: number): Stmt {
    const { register, float } = this.#frame;
    const area = this.#area.get;
    const { x, f } = this.#registerFlow;
    return seq(
      ...x.liveIn(node).map((r) => register(r).set(i64.load(area, STATE.x + 8 * r))),
      ...f.liveIn(node).map((r) => float(r).set(f64.load(area, STATE.f + 8 * r))),
    );
  }

  /** Stores what a loop that is being left may have written, when `node` is in one. */
  #storeLoop(node: number): Stmt {
    const loop = this.#flow.loopOf[node]!;
    if (loop === DISPATCHER) return nothing;
    const { storeRegister, storeFloat } = this.#frame;
    const { x, f } = this.#registerFlow;
    return seq(...x.writtenIn(loop).map(storeRegister), ...f.writtenIn(loop).map(storeFloat));
  }

  #fetchEntry(address: Expr<'i64'>): Expr<'i32'> {
    return i32.add(
      i32.and(
        i32.shr_u(i32.wrap(address), i32.const(PAGE_SHIFT - FETCH_ENTRY_SHIFT)),
        i32.const((TLB_ENTRIES - 1) << FETCH_ENTRY_SHIFT),
      ),
      this.#state.load32('fetchBank'),
    );
  }

  /** Goes on in the region whose entry the address in `target` is, this one or another; leaves when it is none. */
  #lookUpTarget(): Stmt {
    const { scratch } = this.#frame;
    const entry = scratch('i32', 0);
    const offset = scratch('i64', 0);
    const word = scratch('i32', 1);
    const target = this.#target.get;
    const region = scratch('i32', 2);
    const page = i64.sub(target, offset.get);
    const index = i32.shr_u(word.get, i32.const(ENTRY.indexShift));
    return seq(
      entry.set(this.#fetchEntry(target)),
      brIf(
        this.#left,
        i64.ge_u(offset.tee(i64.sub(target, i64.load(entry.get, FETCH_ENTRY.tag))), i64.const(PAGE_BYTES)),
        'unlikely',
      ),
      word.set(
        i32.load(
          i32.add(i32.load(entry.get, FETCH_ENTRY.records), i32.shl(i32.wrap(offset.get), i32.const(1))),
          PAGE_FOOTER.entries,
        ),
      ),
      region.set(i32.and(word.get, i32.const((ENTRY.regionsMax - 1) << ENTRY.regionShift))),
      when(
        i32.ne(region.get, this.#constants.region),
        seq(
          brIf(this.#left, i32.eqz(region.get)),
          returnCallIndirect(
            this.#regions,
            i32.shr_u(region.get, i32.const(ENTRY.regionShift)),
            index,
            page,
            this.#budget.get,
            this.#area.get,
          ),
        ),
      ),
      this.#label.set(index),
      this.#base.set(page),
    );
  }

  // --------------------------------------------------------------------------------------------------------- the tree

  #tree(node: number): Stmt {
    if (node === DISPATCHER) return this.#within(node, 0);
    const { dispatched, isLoopHeader, loopOf } = this.#flow;
    const load = dispatched.includes(node) ? this.#loadRegisters(node) : nothing;
    if (isLoopHeader[node] === 0) return seq(load, this.#within(node, 0));
    const head = new Label();
    this.#heads.set(node, head);
    const isOutermost = loopOf[node] === node;
    const side = new Label();
    if (isOutermost) this.#loopSides.set(node, side);
    const code = loop(head, this.#within(node, 0), unreachable);
    if (!isOutermost) return seq(load, code);
    const exit = this.#frame.scratch('i32', 0);
    return seq(load, exit.set(blockFor('i32', side, code)), this.#storeLoop(node), brWith(this.#side, exit.get));
  }

  /** Merge children follow the blocks that lead to them. */
  #within(node: number, child: number): Stmt {
    const merge = this.#flow.mergeChildren[node]![child];
    if (merge === undefined) return node === DISPATCHER ? this.#dispatcher() : this.#block(node);
    const end = new Label();
    this.#ends.set(merge, end);
    return seq(block(end, this.#within(node, child + 1)), this.#tree(merge));
  }

  #dispatcher(): Stmt {
    const labels = this.#flow.dispatched.map((node) => this.#ends.get(node)!);
    return labels.length === 1 ? br(labels[0]!) : brTable(this.#label.get, labels, labels[0]!);
  }

  #block(node: number): Stmt {
    const { instructions, page, offset, end } = this.#code.blocks[node - 1]!;
    const count = instructions.length;
    const loopHead = this.#flow.loopOf[node]!;
    const side = this.#loopSides.get(loopHead) ?? this.#side;
    const sideAt = (at: number, executed: number): Stmt =>
      brWith(side, i32.const(at | ((count - executed) << SIDE_COUNT_SHIFT)));
    const checkpoint = this.#checkpoints[node]!;
    const budget = this.#budget;
    const groups = groupAccesses(instructions);
    const floats = unknownFloats();
    const isInLoop = loopHead !== DISPATCHER;
    const storesX = this.#registerFlow.x.stores(instructions);
    const storesF = this.#registerFlow.f.stores(instructions);
    return seq(
      checkpoint === 0
        ? nothing
        : when(i32.lt_s(budget.get, i32.const(checkpoint)), brWith(side, i32.const(offset)), undefined, 'unlikely'),
      count === 0 ? nothing : budget.set(i32.sub(budget.get, i32.const(count))),
      ...instructions.map((instruction, i) =>
        new RegionSemantics(
          this.#frame,
          {
            side: sideAt(instruction.offset, i),
            branch: (condition) => this.#branch(node, page, end, condition),
            jump: () => this.#jump(node, page, end),
            indirect: seq(this.#storeLoop(node), br(this.#lookUp)),
          },
          instruction,
          groups[i] === undefined ? undefined : { group: groups[i], isFirst: groups.indexOf(groups[i]) === i },
          floats,
          { x: !isInLoop && storesX[i]!, f: !isInLoop && storesF[i]! },
        ).code(),
      ),
      end.kind === 'next' ? this.#follow(node, page, end.next) : nothing,
      end.kind === 'interpret' ? sideAt(end.offset, count) : nothing,
    );
  }

  #branch(node: number, page: number, end: BasicBlock['end'], condition: Expr<'i32'>): Stmt {
    if (end.kind !== 'branch') throw new Error(`a block that ends in a branch is no ${end.kind}`);
    return seq(when(condition, this.#follow(node, page, end.taken)), this.#follow(node, page, end.next));
  }

  #jump(node: number, page: number, end: BasicBlock['end']): Stmt {
    if (end.kind !== 'jump') throw new Error(`a block that ends in a jump is no ${end.kind}`);
    return this.#follow(node, page, end.target);
  }

  /** Takes an edge. */
  #follow(from: number, page: number, { offset, block: to }: Edge): Stmt {
    const target = i64.add(this.#base.get, i64.const(offset));
    const leave = seq(this.#target.set(target), this.#storeLoop(from), br(this.#lookUp));
    if (to === undefined) return leave;
    const node = nodeOf(to);
    const { pages, blocks } = this.#code;
    const distance = pages[blocks[to]!.page]!.base - pages[page]!.base;
    return seq(
      distance === 0 ? nothing : this.#changePage(distance, this.#constants.records[blocks[to]!.page]!, leave),
      this.#goTo(from, node),
    );
  }

  /** To another page of the region, if it still is mapped where it was. */
  #changePage(distance: number, records: Expr<'i32'>, leave: Stmt): Stmt {
    const entry = this.#frame.scratch('i32', 0);
    const base = i64.add(this.#base.get, i64.const(distance));
    return seq(
      entry.set(this.#fetchEntry(base)),
      when(
        i32.or(
          i64.ne(i64.load(entry.get, FETCH_ENTRY.tag), base),
          i32.ne(i32.load(entry.get, FETCH_ENTRY.records), records),
        ),
        leave,
        undefined,
        'unlikely',
      ),
      this.#base.set(base),
    );
  }

  #goTo(from: number, node: number): Stmt {
    switch (this.#flow.edge(from, node)) {
      case 'dispatch':
        return seq(
          this.#storeLoop(from),
          this.#label.set(i32.const(this.#flow.dispatched.indexOf(node))),
          br(this.#dispatch),
        );
      case 'back':
        return br(this.#heads.get(node)!);
      case 'forward': {
        const { isMerge, loopOf } = this.#flow;
        const leaves = loopOf[from] !== loopOf[node] ? this.#storeLoop(from) : nothing;
        return seq(leaves, isMerge[node] === 1 ? br(this.#ends.get(node)!) : this.#tree(node));
      }
    }
  }

  // ----------------------------------------------------------------------------------------------------- checkpoints

  #placeCheckpoints(): Int32Array {
    const { order, position, isLoopHeader, dispatched } = this.#flow;
    const count = this.#code.blocks.length + 1;
    const isCheckpoint = Uint8Array.from(isLoopHeader);
    for (const node of dispatched) isCheckpoint[node] = 1;
    const distance = new Int32Array(count);
    for (let i = order.length - 1; i > 0; i--) {
      const node = order[i]!;
      const { instructions, end } = this.#code.blocks[node - 1]!;
      const ahead = successorsOf({ instructions, end, page: 0, offset: 0 })
        .flatMap((edge) => (edge.block === undefined ? [] : [nodeOf(edge.block)]))
        .filter((to) => position[to]! > i && isCheckpoint[to] === 0);
      const furthest = Math.max(0, ...ahead.map((to) => distance[to]!));
      distance[node] = instructions.length + furthest;
      if (distance[node]! > CHECKPOINT_DISTANCE && furthest > 0) {
        for (const to of ahead) isCheckpoint[to] = 1;
        distance[node] = instructions.length;
      }
    }
    return distance.map((most, node) => (isCheckpoint[node] === 1 ? Math.max(most, 1) : 0));
  }
}
