// Requirements and effects that several step kinds share.
import type { Effect, Requirement } from './step-kind.ts';

export const needsVirtualized: Requirement = {
  fact: 'virtualized',
  is: true,
  code: 'MV0301',
  message: 'expected a virtualized node, but it is bare at this point',
  hint: 'a step microvisor.virtualize has to come before',
};

export const needsBare: Requirement = {
  fact: 'virtualized',
  is: false,
  code: 'MV0302',
  message: 'expected a bare node, but it is virtualized already at this point',
  hint: 'remove one of the two, or devirtualize in between',
};

export const needsGuest = (arg = 'guest'): Requirement => ({
  fact: `exists:{${arg}}`,
  is: true,
  code: 'MV0303',
  message: `expected a guest that exists, but {${arg}} does not at this point`,
  hint: '`old` is the OS that the run finds; `new` exists from vm.create to vm.destroy',
});

export const needsRunning = (arg = 'guest'): Requirement => ({
  fact: `runs:{${arg}}`,
  is: true,
  code: 'MV0305',
  message: `expected a guest that runs, but {${arg}} does not at this point`,
  hint: 'a created guest runs from vm.boot to guest.shutdown',
});

export const needsNotServing = (arg = 'guest'): Requirement => ({
  fact: `serves:{${arg}}`,
  is: false,
  code: 'MV0314',
  message: `expected a guest that does not have the service, but {${arg}} has it`,
  hint: 'service.cut-over has to come before',
});

export const needsDisk = (arg = 'disk'): Requirement => ({
  fact: `disk:{${arg}}`,
  is: true,
  code: 'MV0306',
  message: `expected a disk that exists, but {${arg}} does not at this point`,
  hint: 'disk.clone makes a disk; those of the node are listed under node.disks',
});

export const sets = (fact: string): Effect => ({ fact, becomes: true });
export const clears = (fact: string): Effect => ({ fact, becomes: false });
