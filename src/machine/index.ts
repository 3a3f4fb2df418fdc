// The door of the machine: the only file of src/machine that the layers above may import.
export * from './board.ts';
export * from './door.ts';
