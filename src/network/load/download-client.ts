/**
 * A client on a thin line: it downloads the same long answer again and again and reads no faster than its rate, so that
 * each download lasts. The window of its connection is closed most of the time; what arrives is checked when it is whole.
 */
import type { ClientStack } from '../client-stack.ts';
import { NS_PER_MS, NS_PER_S } from '../clock.ts';
import { httpRequestBytes } from '../http-client.ts';
import { HttpFormatError, type HttpResponse, HttpResponseReader } from '../http-response.ts';
import { type Expectation, judgeResponse } from '../outcome.ts';
import type { ProbeOutcome } from '../probe-log.ts';
import type { TcpConnection } from '../tcp-connection.ts';
import type { LoadLog } from './load-log.ts';

export interface DownloadClientOptions {
  readonly stack: ClientStack;
  readonly log: LoadLog;
  readonly target: { readonly address: string; readonly port: number; readonly path: string };
  readonly expect: Expectation;
  readonly bytesPerSecond: number;
  /** Uniform in [0, 1): the pause before each download, in units of `PAUSE_NS_MAX`. */
  readonly random: () => number;
}

const TICK_NS = 20 * NS_PER_MS;
const PAUSE_NS_MAX = 500 * NS_PER_MS;
/** A download to which nothing came for so long, though there was room, has failed. */
const STALL_NS = 2 * NS_PER_S;

interface Download {
  readonly atNs: number;
  readonly connection: TcpConnection;
  readonly reader: HttpResponseReader;
  /** Bytes that may be read now; below 0, the connection is paused. */
  allowance: number;
  lastByteNs: number;
  cancelTick: () => void;
}

export class DownloadClient {
  readonly #options: DownloadClientOptions;
  #download: Download | undefined;
  #cancelNext: (() => void) | undefined;
  #stopped = false;

  constructor(options: DownloadClientOptions) {
    this.#options = options;
  }

  start(): void {
    const { stack, random } = this.#options;
    const atNs = stack.clock.now() + Math.ceil(PAUSE_NS_MAX * random());
    this.#cancelNext = stack.clock.at(atNs, () => this.#begin());
  }

  /** A download that is under way is given up; it counts neither way. */
  stop(): void {
    this.#stopped = true;
    this.#cancelNext?.();
    const download = this.#download;
    this.#download = undefined;
    download?.cancelTick();
    download?.connection.abort();
  }

  #begin(): void {
    const { stack, target } = this.#options;
    const atNs = stack.clock.now();
    const connection = stack.connect(target, {
      onData: (bytes) => this.#take(download, bytes.length, () => download.reader.push(bytes)),
      onEnd: () => this.#take(download, 0, () => download.reader.end()),
      onClose: (reason) => this.#settle(download, reason === 'refused' || reason === 'unreachable' ? reason : 'reset'),
    });
    connection.write(httpRequestBytes({ ...target, connection: 'close' }));
    const reader = new HttpResponseReader();
    const download: Download = { atNs, connection, reader, allowance: 0, lastByteNs: atNs, cancelTick: () => {} };
    this.#download = download;
    this.#tick(download);
  }

  /** Time earns allowance; what arrives uses it up. */
  #tick(download: Download): void {
    const { stack, bytesPerSecond } = this.#options;
    const nowNs = stack.clock.now();
    const perTick = (bytesPerSecond * TICK_NS) / NS_PER_S;
    const waited = download.allowance >= 0;
    download.allowance = Math.min(perTick, download.allowance + perTick);
    download.cancelTick = stack.clock.at(nowNs + TICK_NS, () => this.#tick(download));
    if (download.allowance >= 0 && !waited) {
      download.lastByteNs = nowNs;
      download.connection.resume();
    } else if (waited && nowNs - download.lastByteNs > STALL_NS) this.#settle(download, 'timeout');
  }

  #take(download: Download, bytes: number, read: () => HttpResponse | undefined): void {
    if (download !== this.#download) return;
    download.allowance -= bytes;
    download.lastByteNs = this.#options.stack.clock.now();
    if (download.allowance < 0) download.connection.pause();
    try {
      const response = read();
      if (response !== undefined) this.#settle(download, judgeResponse(response, this.#options.expect));
    } catch (error) {
      if (!(error instanceof HttpFormatError)) throw error;
      this.#settle(download, 'bad-content');
    }
  }

  #settle(download: Download, outcome: ProbeOutcome): void {
    if (download !== this.#download) return;
    const { stack, log } = this.#options;
    this.#download = undefined;
    download.cancelTick();
    log.append({ kind: 'download', atNs: download.atNs, outcome, latencyNs: stack.clock.now() - download.atNs });
    download.connection.resume();
    if (outcome === 'ok') download.connection.leave();
    else download.connection.abort();
    if (!this.#stopped) this.start();
  }
}
