/** The HTML report in a real browser: what a person reads on the page is what the report says. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Page } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { compareReports, formatMs, type Interference, type Report } from '../../src/engine/index.ts';
import { renderHtml } from '../../src/engine/report/render-html.ts';
import { CHROMIUM, type ColorScheme, type Opened, startBrowser } from '../../tools/browser.ts';
import { modelFor, OFFLINE, ONLINE, options, planOf, reportOf, runPlan, TestFolders } from './model-run.ts';

const HOSTILE = '</pre><script>document.title = "taken"</script><img src="http://127.0.0.1:9/x.png">';

async function modelReport(file: string, failing?: string): Promise<Report> {
  using folders = new TestFolders();
  const plan = planOf(file);
  const fails = ({ key }: { readonly key: string }): Interference | undefined =>
    failing !== undefined && key.split('/')[2] === failing && !key.includes('/undo/')
      ? { fails: 'refused', message: HOSTILE }
      : undefined;
  return reportOf(await runPlan(plan, options(modelFor(plan, fails), folders.make())));
}

const accountOf = (
  exits: { readonly [cause: string]: number },
  spent: { readonly ranMs: number; readonly waitedMs: number; readonly monitorMs: number; readonly idleMs: number },
) => ({ exits, ...spent, switches: 7, wakeUsMax: 30 });

if (CHROMIUM === undefined)
  console.warn('no Chromium here: install the Debian package chromium, or set MVCTL_CHROMIUM');

describe.skipIf(CHROMIUM === undefined)('the HTML report in Chromium', { timeout: 120_000 }, () => {
  const folder = mkdtempSync(join(tmpdir(), 'mvctl-html-'));
  let browser: Opened;
  let report: Report;
  beforeAll(async () => {
    browser = await startBrowser();
    const measured = compareReports(await modelReport(ONLINE), await modelReport(OFFLINE));
    // A model has no traps of its own.
    const phases = measured.phases.map((phase, index) => ({ ...phase, traps: { '0x9': 7 * index, '0x80000007': 3 } }));
    const guests = {
      old: accountOf({ wfi: 1_200, timer: 300 }, { ranMs: 1_500, waitedMs: 250, monitorMs: 50, idleMs: 3_200 }),
      new: accountOf({ wfi: 40, external: 600 }, { ranMs: 4_500, waitedMs: 0, monitorMs: 500, idleMs: 0 }),
    };
    const latencyMs = { p50: 0.5, p99: 2, max: 40 };
    const load = {
      short: { requests: 900, failed: 2, failures: { reset: 2 }, latencyMs },
      keepAlive: { requests: 80, failed: 0, failures: {}, latencyMs },
      download: { requests: 3, failed: 0, failures: {}, latencyMs: null },
    };
    const microvisor = { ...measured.microvisor!, guests };
    report = { ...measured, phases, microvisor, service: { ...measured.service!, load } };
  }, 120_000);
  afterAll(async () => {
    await browser[Symbol.asyncDispose]();
    rmSync(folder, { recursive: true, force: true });
  });

  async function show(shown: Report, scheme: ColorScheme): Promise<{ page: Page; told: readonly string[] }> {
    const file = join(folder, `${shown.run.outcome}-${scheme}.html`);
    writeFileSync(file, renderHtml(shown));
    return browser.open(file, scheme);
  }

  const texts = (page: Page, selector: string): Promise<string[]> => page.locator(selector).allInnerTexts();
  const attributes = (page: Page, selector: string, name: string): Promise<(string | null)[]> =>
    page.locator(selector).evaluateAll((found, of) => found.map((element) => element.getAttribute(of)), name);
  const sum = (values: readonly (string | null)[]): number => values.reduce((total, value) => total + Number(value), 0);

  it('shows the figures of the report and loads nothing', async () => {
    const { page, told } = await show(report, 'light');
    const figure = async (of: string): Promise<string> => (await texts(page, `[data-figure="${of}"]`)).join();
    const { service, run, microvisor, baseline, improvement } = report;
    expect(await figure('service.downtimeMs')).toContain(formatMs(service!.downtimeMs));
    expect(await figure('service.downtimeMs')).toContain(
      `${improvement!.factor} times less than ${baseline!.playbook}`,
    );
    expect(await figure('service.failed')).toMatch(
      new RegExp(`^${service!.failed}\\s+of ${service!.requests.toLocaleString('en')}$`),
    );
    expect(await figure('service.longestGapMs')).toContain(formatMs(service!.longestGapMs));
    expect(await figure('service.latencyMs.p99')).toContain(formatMs(service!.latencyMs!.p99));
    expect(await figure('run.nodeMs')).toContain(formatMs(run.nodeMs));
    expect(await figure('run.outcome')).toBe('succeeded');
    expect(await figure('microvisor.virtualizeUs')).toContain(formatMs(microvisor!.virtualizeUs! / 1e3));
    expect(await figure('microvisor.overheadPercent')).toContain('state bit for bit as before, 0 extra entries');
    expect(await page.title()).toBe('online-os-upgrade: succeeded');
    expect(told).toEqual([]);
  });

  it('has a row of figures for every phase', async () => {
    const { page } = await show(report, 'light');
    for (const { id, nodeMs, downtimeMs, requests, failed, traps } of report.phases) {
      const cells = await texts(page, `[data-row="${id}"] td`);
      expect(cells.slice(0, 4)).toEqual([id, 'succeeded', formatMs(nodeMs), formatMs(downtimeMs!)]);
      expect(cells[5]).toBe(`${failed}/${requests}`);
      expect(cells.at(-1)).toBe(String(Object.values(traps!).reduce((total: number, count = 0) => total + count, 0)));
    }
  });

  it('has a row for every kind of client at work meanwhile', async () => {
    const { page } = await show(report, 'light');
    const rows = ['short', 'keepAlive', 'download'].map((kind) => texts(page, `[data-load="${kind}"] td`));
    expect(await Promise.all(rows)).toEqual([
      ['short requests', '900', '2', 'reset 2', '0.5ms', '2ms', '40ms'],
      ['requests on kept connections', '80', '0', '', '0.5ms', '2ms', '40ms'],
      ['downloads', '3', '0', '', '-', '-', '-'],
    ]);
  });

  it('tells what each guest used, with bars to scale', async () => {
    const { page } = await show(report, 'dark');
    const [, , ...old] = await texts(page, '[data-guest="guest:old"] td');
    expect(old).toEqual(['1.5s', '250ms', '50ms', '3.2s', '7', '0.03ms']);
    const widths = (of: string): Promise<number[]> =>
      page.locator(of).evaluateAll((found) => found.map((part) => part.getBoundingClientRect().width));
    const time = await widths('[data-guest="guest:old"] .bar i');
    const whole = sum(time.map(String));
    expect(time.map((width) => width / whole)).toEqual(
      [0.3, 0.05, 0.01, 0.64].map((share) => expect.closeTo(share, 2)),
    );
    const exits = ['old:wfi', 'new:external', 'old:timer', 'new:wfi', 'new:timer', 'old:all', 'new:all'];
    const told = exits.map(async (of) => (await texts(page, `[data-exits="${of}"]`)).join());
    expect(await Promise.all(told)).toEqual(['1,200', '600', '300', '40', '0', '1,500', '640']);
    const [most, half] = [
      await widths('[data-exits="old:wfi"] + td i'),
      await widths('[data-exits="new:external"] + td i'),
    ];
    expect(half[0]! / most[0]!).toBeCloseTo(0.5, 1);
  });

  it('draws phases, M-mode entries and owners to scale', async () => {
    const { page } = await show(report, 'dark');
    const boxes = await Promise.all(
      (await page.locator('[data-phase]').all()).map(async (bar) => ({
        id: await bar.getAttribute('data-phase'),
        box: (await bar.boundingBox())!,
      })),
    );
    expect(boxes.map(({ id }) => id)).toEqual(report.phases.map(({ id }) => id));
    const [boot, upgrade] = ['boot', 'upgrade'].map((id) => ({
      bar: boxes.find((box) => box.id === id)!.box,
      phase: report.phases.find((phase) => phase.id === id)!,
    }));
    expect(boot!.bar.width / upgrade!.bar.width).toBeCloseTo(boot!.phase.nodeMs / upgrade!.phase.nodeMs, 2);
    expect(upgrade!.bar.x).toBeCloseTo(boot!.bar.x + boot!.bar.width, 0);
    const traps = report.phases.flatMap((phase) => Object.values(phase.traps!));
    expect(sum(await attributes(page, '[data-traps]', 'data-traps'))).toBe(sum(traps.map(String)));
    expect(await attributes(page, '[data-part="service"]', 'data-owner')).toEqual(['old', 'new']);
    expect(await attributes(page, '[data-part="M-mode"]', 'data-owner')).toEqual([
      'firmware',
      'Microvisor',
      'firmware',
    ]);
  });

  it('draws failed requests where they failed', async () => {
    const offline = await modelReport(OFFLINE);
    const { page } = await show(offline, 'light');
    expect(offline.service!.failed).toBeGreaterThan(0);
    expect(sum(await attributes(page, '[data-failed]', 'data-failed'))).toBe(offline.service!.failed);
    const down = offline.phases.filter(({ failed }) => failed! > 0);
    const bars = await Promise.all(down.map(({ id }) => page.locator(`[data-phase="${id}"]`).boundingBox()));
    const [from, to] = [Math.min(...bars.map((bar) => bar!.x)), Math.max(...bars.map((bar) => bar!.x + bar!.width))];
    const strokes = await page.locator('[data-failed]').all();
    expect(strokes.length).toBeGreaterThan(0);
    for (const stroke of strokes) {
      const { x, width } = (await stroke.boundingBox())!;
      expect(x).toBeGreaterThan(from - 3);
      expect(x + width).toBeLessThan(to + 3);
    }
  });

  it('is dark for who likes it dark, with text that stands out in both', async () => {
    const lightness = async (scheme: ColorScheme): Promise<{ page: number; text: number }> => {
      const { page } = await show(report, scheme);
      const of = async (property: string): Promise<number> => {
        const rgb = await page.evaluate<string>(`getComputedStyle(document.body).${property}`);
        return sum((rgb.match(/\d+/g) ?? []).slice(0, 3)) / (3 * 255);
      };
      return { page: await of('backgroundColor'), text: await of('color') };
    };
    const [light, dark] = [await lightness('light'), await lightness('dark')];
    expect(light.page).toBeGreaterThan(0.9);
    expect(light.text).toBeLessThan(0.2);
    expect(dark.page).toBeLessThan(0.15);
    expect(dark.text).toBeGreaterThan(0.8);
  });

  it('tells what failed as text, whatever is in it', async () => {
    const failed = await modelReport(ONLINE, 'install');
    const { page, told } = await show(failed, 'light');
    expect(await page.title()).toBe('online-os-upgrade: rolled-back');
    expect((await texts(page, '.failure pre')).join()).toBe(HOSTILE);
    expect(await texts(page, '.failure p')).toContain(`taken back: ${failed.undone.join(', ')}`);
    expect(await page.locator('script, img').count()).toBe(0);
    expect(told).toEqual([]);
  });
});
