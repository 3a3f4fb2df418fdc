/** Starts the process of model-nodes.ts and speaks to it. */
import { type ChildProcess, spawn } from 'node:child_process';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import type { Plan } from '../../src/engine/index.ts';
import type { ModelCommand, ModelState } from './model-nodes.ts';

export class ModelFleet implements Disposable {
  readonly #process: ChildProcess;
  readonly #waiting: ((line: string) => void)[] = [];

  constructor() {
    this.#process = spawn(process.execPath, [join(import.meta.dirname, 'model-nodes.ts')], {
      stdio: ['pipe', 'pipe', 'inherit'],
    });
    createInterface({ input: this.#process.stdout! }).on('line', (line) => this.#waiting.shift()?.(line));
  }

  start(stateDir: string, plan: Plan, hold?: string): Promise<void> {
    return this.#ask({ op: 'start', stateDir, plan, ...(hold === undefined ? {} : { hold }) });
  }

  letGo(stateDir: string): Promise<void> {
    return this.#ask({ op: 'let-go', stateDir });
  }

  tell(stateDir: string): Promise<ModelState> {
    return this.#ask({ op: 'tell', stateDir });
  }

  stop(stateDir: string): Promise<void> {
    return this.#ask({ op: 'stop', stateDir });
  }

  #ask<Answer>(command: ModelCommand): Promise<Answer> {
    this.#process.stdin!.write(`${JSON.stringify(command)}\n`);
    return new Promise((resolve) => this.#waiting.push((line) => resolve(JSON.parse(line) as Answer)));
  }

  [Symbol.dispose](): void {
    this.#process.stdin!.end();
  }
}
