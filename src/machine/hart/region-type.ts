/**
 * What the interpreter calls a region with: entry, virtual address of the entry's page, budget, address of the hart's area
 * (a constant of the region would be one more line of memory to wait for at each entry). It returns the budget left.
 */
export const REGION_PARAMETERS = ['i32', 'i64', 'i32', 'i32'] as const;
