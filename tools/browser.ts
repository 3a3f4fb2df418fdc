/** A real browser for pages that mvctl writes: Debian's Chromium, or the one MVCTL_CHROMIUM names. */
import { existsSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { chromium, type Page } from 'playwright-core';

const CANDIDATES = [process.env['MVCTL_CHROMIUM'], '/usr/bin/chromium', '/usr/bin/chromium-browser'];

export const CHROMIUM = CANDIDATES.find((path) => path !== undefined && path !== '' && existsSync(path));

/** Nothing of it goes out to the network by itself. */
const ARGUMENTS = [
  '--headless',
  '--no-sandbox',
  '--disable-gpu',
  '--disable-quic',
  '--no-first-run',
  '--disable-background-networking',
  '--disable-component-update',
  '--disable-sync',
] as const;

export type ColorScheme = 'light' | 'dark';

export interface Opened extends AsyncDisposable {
  /** Opens a file as a reader with this taste would; `told`: requests beside the page itself, and what the console says. */
  open(file: string, colorScheme: ColorScheme): Promise<{ readonly page: Page; readonly told: readonly string[] }>;
}

export async function startBrowser(): Promise<Opened> {
  if (CHROMIUM === undefined) throw new Error(`expected Chromium at ${CANDIDATES.slice(1).join(' or ')}`);
  const profile = mkdtempSync(join(tmpdir(), 'mvctl-chromium-'));
  const context = await chromium.launchPersistentContext(profile, {
    executablePath: CHROMIUM,
    args: [...ARGUMENTS],
    viewport: { width: 1248, height: 980 },
  });
  return {
    async open(file, colorScheme) {
      const page = await context.newPage();
      const url = pathToFileURL(file).href;
      const told: string[] = [];
      page.on('request', (request) => request.url() !== url && told.push(`request ${request.url()}`));
      page.on('console', (message) => told.push(`console ${message.text()}`));
      page.on('pageerror', (error) => told.push(`error ${error.message}`));
      await page.emulateMedia({ colorScheme });
      await page.goto(url);
      return { page, told };
    },
    async [Symbol.asyncDispose]() {
      await context.close();
      rmSync(profile, { recursive: true, force: true });
    },
  };
}
