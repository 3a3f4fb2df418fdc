/**
 * Takes the pictures of the HTML report that the docs show, light and dark:
 *
 *   node tools/screenshot.ts reports/online.json docs/report
 */
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { renderHtml } from '../src/engine/report/render-html.ts';
import { startBrowser } from './browser.ts';

const [, , reportPath, target] = process.argv;
if (reportPath === undefined || target === undefined)
  throw new Error('expected a JSON report and a path without ending');
const folder = mkdtempSync(join(tmpdir(), 'mvctl-screenshot-'));
const page = join(folder, 'report.html');
writeFileSync(page, renderHtml(JSON.parse(readFileSync(reportPath, 'utf8'))));
try {
  await using browser = await startBrowser();
  for (const scheme of ['light', 'dark'] as const) {
    const { page: opened } = await browser.open(page, scheme);
    // Down to what the guests used, or to the end of the picture: what is below is text.
    const accounts = opened.locator('.card:has([data-exits])');
    const box = await ((await accounts.count()) > 0 ? accounts : opened.locator('svg')).boundingBox();
    const { width } = opened.viewportSize()!;
    const clip = { x: 0, y: 0, width, height: Math.ceil(box!.y + box!.height + 6) };
    await opened.screenshot({ path: `${target}-${scheme}.png`, fullPage: true, clip });
  }
} finally {
  rmSync(folder, { recursive: true, force: true });
}
