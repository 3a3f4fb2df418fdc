/** What the interpreter calls a region with: entry, virtual address of the entry's page, budget. It returns the budget left. */
export const REGION_PARAMETERS = ['i32', 'i64', 'i32'] as const;
