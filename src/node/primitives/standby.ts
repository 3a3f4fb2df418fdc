/** A guest that is kept asleep, to be woken in place of a boot. */
import { NodeError } from '../node-error.ts';
import type { Primitive } from './table.ts';

export const keepVm: Primitive<'vm.keep'> = () => Promise.reject(new NodeError('refused', 'not built yet'));
