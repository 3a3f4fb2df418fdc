/** Where a node and its runs are kept, for every verb that needs one. */
import { Option } from 'commander';

export interface StateDirFlag {
  readonly stateDir: string;
}

export const stateDirOption = (): Option =>
  new Option('--state-dir <folder>', 'where the node and its runs are kept').default('.mvctl/node');
