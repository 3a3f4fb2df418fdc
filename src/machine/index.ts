// The door of the machine: the only file of src/machine that the layers above may import.
export * from './board.ts';
export { uartPath } from './device-tree/board-tree.ts';
export { flattenDeviceTree } from './device-tree/fdt-writer.ts';
export * from './door.ts';
export { createMachine } from './machine.ts';
export { KnownCode } from './translator/known-code.ts';
