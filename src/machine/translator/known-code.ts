/**
 * What is known about code by its content, whichever page of whichever machine holds it: which instructions were worth
 * translating, and the WebAssembly made of them. The second guest with a library, and the next run, begin with it.
 *
 * It decides when code is translated, never what the code does: a module is found by the very instructions and edges it
 * was made of, compared in full.
 */
import { PAGE_BYTES } from '../hart/layout.ts';
import { ContentReader, ContentWriter } from './content-format.ts';

/** One bit per halfword of a page: instructions that belong to the region. */
export type InstructionSet = Uint8Array;
export const INSTRUCTION_SET_BYTES = PAGE_BYTES / 16;

export const contains = (set: InstructionSet, offset: number): boolean =>
  ((set[offset >> 4] ?? 0) & (1 << ((offset >> 1) & 7))) !== 0;

export function add(set: InstructionSet, offset: number): void {
  set[offset >> 4]! |= 1 << ((offset >> 1) & 7);
}

/** A page that a region is made of. */
export interface RecipePage {
  /** Virtual distance from the first page, in bytes. */
  readonly distance: number;
  readonly content: number;
  readonly instructions: InstructionSet;
}

/** What the region of a page was made of. */
export interface Recipe {
  /** The page itself comes first. */
  readonly pages: readonly [RecipePage, ...RecipePage[]];
  /** Where it is entered beyond what its code tells. */
  readonly entries: InstructionSet;
  /** Key of the module made of it last. */
  key: string | undefined;
}

interface KnownModule {
  readonly bytes: Uint8Array<ArrayBuffer>;
  /** Gone when no region uses it any more. */
  compiled: WeakRef<WebAssembly.Module> | undefined;
}

/** Bounds what is kept; what was not used for longest goes first. */
const MODULE_BYTES_MAX = 48 * 1024 * 1024;
const RECIPES_MAX = 16_384;

export class KnownCode {
  /** By content of the first page. */
  readonly #recipes = new Map<number, Recipe>();
  /** By what `keyOf` says of a region's code. Last used last. */
  readonly #modules = new Map<string, KnownModule>();
  #moduleBytes = 0;
  #isChanged = false;

  /** Something was learned since this was last asked. */
  takeChanged(): boolean {
    const isChanged = this.#isChanged;
    this.#isChanged = false;
    return isChanged;
  }

  recipe(content: number): Recipe | undefined {
    return this.#recipes.get(content);
  }

  keepRecipe(recipe: Recipe): void {
    const { content } = recipe.pages[0];
    this.#isChanged = true;
    const before = this.#recipes.get(content)?.key;
    if (before !== undefined && before !== recipe.key) this.#forgetModule(before);
    this.#recipes.delete(content);
    this.#recipes.set(content, recipe);
    if (this.#recipes.size > RECIPES_MAX) this.#recipes.delete(oldestOf(this.#recipes));
  }

  keepKey(recipe: Recipe, key: string): void {
    if (recipe.key === key) return;
    recipe.key = key;
    this.#isChanged = true;
  }

  /** From now on the region of a page with this content is entered at `offset`, too. */
  wantEntry(content: number, offset: number): void {
    const recipe = this.#recipes.get(content);
    if (recipe === undefined || contains(recipe.entries, offset)) return;
    add(recipe.entries, offset);
    if (recipe.key !== undefined) this.#forgetModule(recipe.key);
    recipe.key = undefined;
    this.#isChanged = true;
  }

  /** The module of the code with this key; made when it is not known. */
  module(key: string, generate: () => Uint8Array<ArrayBuffer>): WebAssembly.Module {
    const known = this.knownModule(key);
    if (known !== undefined) return known;
    const bytes = generate();
    const module = new WebAssembly.Module(bytes);
    this.#modules.set(key, { bytes, compiled: new WeakRef(module) });
    this.#moduleBytes += bytes.length;
    this.#isChanged = true;
    while (this.#moduleBytes > MODULE_BYTES_MAX) this.#forgetModule(oldestOf(this.#modules));
    return module;
  }

  knownModule(key: string): WebAssembly.Module | undefined {
    const known = this.#modules.get(key);
    if (known === undefined) return undefined;
    this.#modules.delete(key);
    this.#modules.set(key, known);
    let module = known.compiled?.deref();
    if (module === undefined) {
      module = new WebAssembly.Module(known.bytes);
      known.compiled = new WeakRef(module);
    }
    return module;
  }

  #forgetModule(key: string): void {
    this.#moduleBytes -= this.#modules.get(key)?.bytes.length ?? 0;
    this.#modules.delete(key);
  }

  // ----------------------------------------------------------------------------------------------------- as a file

  toBytes(): Uint8Array {
    const out = new ContentWriter();
    out.number(this.#recipes.size);
    const indexes = new Map([...this.#modules.keys()].map((key, i) => [key, i] as const));
    for (const { pages, entries, key } of this.#recipes.values()) {
      out.bytes(entries);
      out.number((key === undefined ? undefined : indexes.get(key)) ?? -1);
      out.number(pages.length);
      for (const { distance, content, instructions } of pages) {
        out.number(distance);
        out.number(content);
        out.bytes(instructions);
      }
    }
    out.number(this.#modules.size);
    for (const [key, { bytes }] of this.#modules) {
      out.text(key);
      out.bytes(bytes);
    }
    return out.toBytes();
  }

  /** Adds what `toBytes` gave, as older than what is known here. Throws a RangeError when the bytes are something else. */
  addFrom(bytes: Uint8Array<ArrayBuffer>): void {
    const from = new ContentReader(bytes);
    const recipes: Recipe[] = [];
    const keys: number[] = [];
    for (let left = from.number(); left > 0; left--) {
      const entries = from.bytes(INSTRUCTION_SET_BYTES).slice();
      keys.push(from.number());
      const others = from.number() - 1;
      const read = (): RecipePage => ({
        distance: from.number(),
        content: from.number(),
        instructions: from.bytes(INSTRUCTION_SET_BYTES),
      });
      recipes.push({ pages: [read(), ...Array.from({ length: others }, read)], entries, key: undefined });
    }
    const modules: (readonly [string, KnownModule])[] = [];
    for (let left = from.number(); left > 0; left--) {
      modules.push([from.text(), { bytes: from.bytes(), compiled: undefined }]);
    }
    for (const [i, recipe] of recipes.entries()) recipe.key = modules[keys[i]!]?.[0];
    const own = { recipes: [...this.#recipes.values()], modules: [...this.#modules] };
    const isChanged = this.#isChanged;
    this.#recipes.clear();
    for (const recipe of [...recipes, ...own.recipes]) this.keepRecipe(recipe);
    this.#modules.clear();
    this.#moduleBytes = 0;
    for (const [key, known] of [...modules, ...own.modules]) {
      this.#forgetModule(key);
      this.#modules.set(key, known);
      this.#moduleBytes += known.bytes.length;
    }
    this.#isChanged = isChanged;
  }
}

function oldestOf<K>(map: ReadonlyMap<K, unknown>): K {
  const [oldest] = map.keys();
  if (oldest === undefined) throw new Error('nothing is oldest of nothing');
  return oldest;
}
