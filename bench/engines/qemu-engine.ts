/** QEMU's TCG: what people use today. One vCPU of the virt board, OpenSBI, virtio-mmio. */
import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { request } from 'node:http';
import { processCpuSeconds } from './cpu-clock.ts';
import {
  type BenchGuest,
  benchLines,
  type Engine,
  LAST_LINE,
  type Mark,
  RAM_MIB,
  type WebServerImage,
} from './engine.ts';

const QEMU = 'qemu-system-riscv64';
const MACHINE = [
  '-machine',
  'virt',
  '-smp',
  '1',
  '-m',
  `${RAM_MIB}`,
  '-display',
  'none',
  '-serial',
  'stdio',
  '-monitor',
  'none',
];
const GUEST_SECONDS_MAX = 600;
const FORWARDED_PORT = 18_080;
const PROBE_MS = 50;
const PROBE_DEADLINE_MS = 2000;

const version = spawnSync(QEMU, ['--version'], { encoding: 'utf8' });
const versionNumber = /version (\S+)/.exec(version.stdout ?? '')?.[1] ?? '';

export const qemuEngine: Engine = {
  name: `QEMU ${versionNumber}`.trim(),
  absent: version.error === undefined ? undefined : `${QEMU} is not installed`,
  runGuest,
  bootToHttp,
};

const boot = ({ kernel, initrd, append }: Pick<BenchGuest, 'kernel' | 'initrd' | 'append'>): readonly string[] => [
  ...['-kernel', kernel, '-initrd', initrd, '-append', append],
];

function start(args: readonly string[]): { readonly child: ChildProcess; readonly mark: (text: string) => Mark } {
  const startedAt = performance.now();
  const child = spawn(QEMU, [...MACHINE, ...args], { stdio: ['ignore', 'pipe', 'inherit'] });
  const mark = (text: string): Mark => ({
    text,
    wallSeconds: (performance.now() - startedAt) / 1000,
    cpuSeconds: processCpuSeconds(child.pid ?? 0),
  });
  return { child, mark };
}

function runGuest(guest: BenchGuest): Promise<readonly Mark[]> {
  const { child, mark } = start(boot(guest));
  const marks: Mark[] = [];
  return new Promise((resolve, reject) => {
    const timer = setTimeout(() => {
      child.kill();
      reject(new Error(`${QEMU}: the guest was not done after ${GUEST_SECONDS_MAX} s`));
    }, GUEST_SECONDS_MAX * 1000);
    const read = benchLines((text) => {
      marks.push(mark(text));
      if (text !== LAST_LINE) return;
      clearTimeout(timer);
      child.kill();
      resolve(marks);
    });
    child.stdout?.setEncoding('latin1').on('data', read);
    child.once('error', reject);
    child.once('exit', (code) => {
      clearTimeout(timer);
      if (marks.at(-1)?.text !== LAST_LINE) reject(new Error(`${QEMU} ended with ${code} before the guest was done`));
    });
  });
}

async function bootToHttp(image: WebServerImage): Promise<Mark> {
  const { child, mark } = start([
    ...boot({ ...image, append: `${image.append} mv.side=A mv.service=1` }),
    ...['-global', 'virtio-mmio.force-legacy=false'],
    ...[
      '-drive',
      `file=${image.image},format=raw,if=none,id=disk,snapshot=on`,
      '-device',
      'virtio-blk-device,drive=disk',
    ],
    ...['-netdev', `user,id=net,net=10.0.0.0/24,host=10.0.0.1,hostfwd=tcp:127.0.0.1:${FORWARDED_PORT}-10.0.0.10:80`],
    ...['-device', 'virtio-net-device,netdev=net', '-device', 'virtio-rng-device'],
  ]);
  child.stdout?.resume();
  try {
    await firstAnswer(child);
    return mark('http');
  } finally {
    child.kill();
  }
}

/** Asks again and again, without waiting for answers; settles with the first good one. */
function firstAnswer(child: ChildProcess): Promise<void> {
  return new Promise((resolve, reject) => {
    const end = (outcome: () => void): void => {
      clearInterval(prober);
      clearTimeout(timer);
      outcome();
    };
    const prober = setInterval(() => {
      const probe = request(
        { host: '127.0.0.1', port: FORWARDED_PORT, path: '/', timeout: PROBE_DEADLINE_MS },
        (answer) => {
          answer.resume();
          if (answer.statusCode === 200) end(resolve);
        },
      );
      probe.on('timeout', () => probe.destroy());
      probe.on('error', () => {});
      probe.end();
    }, PROBE_MS);
    const timer = setTimeout(
      () => end(() => reject(new Error(`${QEMU}: no answer over HTTP after ${GUEST_SECONDS_MAX} s`))),
      GUEST_SECONDS_MAX * 1000,
    );
    child.once('exit', (code) => end(() => reject(new Error(`${QEMU} ended with ${code} before the first answer`))));
  });
}
