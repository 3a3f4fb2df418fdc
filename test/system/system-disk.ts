import { resolve } from 'node:path';
import { buildImages, loadRecipe } from '../../src/images/index.ts';

const RECIPE = resolve(import.meta.dirname, '../../recipes/web-server.yaml');

/** The system disk of the recipe: from the cache, or built now. `MICROVISOR_SYSTEM_DISK` names another one. */
export async function systemDisk(): Promise<string> {
  const path = process.env['MICROVISOR_SYSTEM_DISK'];
  if (path !== undefined) return path;
  const { system } = await buildImages(loadRecipe(RECIPE), { disks: [] });
  return system.path;
}
