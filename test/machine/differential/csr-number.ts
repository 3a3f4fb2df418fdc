import { CSRS } from '../../../src/machine/hart/csr-table.ts';

const NUMBERS: ReadonlyMap<string, number> = new Map(CSRS.map((row) => [row.name, row.address]));

export function csrNumber(name: string): number {
  const number = NUMBERS.get(name);
  if (number === undefined) throw new Error(`no CSR ${name}`);
  return number;
}
