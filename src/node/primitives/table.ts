/** Which function does which primitive. The engine's table gives the shapes; a missing row does not compile. */
import type { PrimitiveArgs, PrimitiveName, PrimitiveResult } from '../../engine/port.ts';
import type { EmulatedNode } from '../emulated-node.ts';
import { attachDisk, breakDisk, cloneDisk, detachDisk, moveDevice, moveDisk, removeDisk } from './devices.ts';
import { copyToGuest, guestFacts, runInGuest, sampleWork, shutDownGuest, waitForGuest } from './guests.ts';
import { giveUpHarts, takeUpHarts } from './harts.ts';
import { giveUpMemory, replaceMemory, takeUpMemory } from './memory.ts';
import { auditBareNode, devirtualize, replaceMicrovisor, virtualize } from './microvisor.ts';
import { attachNic, detachNic, replaceNic } from './nics.ts';
import { beginRun, bootNode, commit, endRun } from './run.ts';
import { checkRecords, checkService, cutOver, drain, relay } from './service.ts';
import { keepVm } from './standby.ts';
import { bootVm, createVm, destroyVm, rebootVm } from './vm.ts';

/** When a primitive gives up, in node time, unless the act says otherwise. */
export interface ActContext {
  readonly deadlineNs: number;
  readonly key: string;
}

export type Primitive<Name extends PrimitiveName> = (
  node: EmulatedNode,
  args: PrimitiveArgs<Name>,
  context: ActContext,
) => Promise<PrimitiveResult<Name>>;

export const PRIMITIVES: { readonly [Name in PrimitiveName]: Primitive<Name> } = {
  'run.begin': beginRun,
  'run.end': endRun,
  'node.commit': commit,
  'node.boot': bootNode,
  'microvisor.virtualize': virtualize,
  'microvisor.devirtualize': devirtualize,
  'microvisor.replace': replaceMicrovisor,
  'microvisor.audit': auditBareNode,
  'memory.give-up': giveUpMemory,
  'memory.replace': replaceMemory,
  'memory.take-up': takeUpMemory,
  'cpu.give-up': giveUpHarts,
  'cpu.take-up': takeUpHarts,
  'disk.clone': cloneDisk,
  'disk.remove': removeDisk,
  'disk.attach': attachDisk,
  'disk.break': breakDisk,
  'disk.detach': detachDisk,
  'disk.move': moveDisk,
  'nic.attach': attachNic,
  'nic.detach': detachNic,
  'nic.replace': replaceNic,
  'device.move': moveDevice,
  'vm.create': createVm,
  'vm.keep': keepVm,
  'vm.boot': bootVm,
  'vm.reboot': rebootVm,
  'vm.destroy': destroyVm,
  'guest.shutdown': shutDownGuest,
  'guest.run': runInGuest,
  'guest.copy': copyToGuest,
  'guest.wait-for': waitForGuest,
  'guest.facts': guestFacts,
  'guest.sample-work': sampleWork,
  'service.check': checkService,
  'service.records': checkRecords,
  'service.relay': relay,
  'service.cut-over': cutOver,
  'service.drain': drain,
};

/** What each primitive takes at the most, in node time, unless the act says otherwise. */
export const LIMIT_S: { readonly [Name in PrimitiveName]: number } = {
  'run.begin': 60,
  'run.end': 120,
  'node.commit': 10,
  'node.boot': 300,
  'microvisor.virtualize': 10,
  'microvisor.devirtualize': 30,
  'microvisor.replace': 10,
  'microvisor.audit': 600,
  'memory.give-up': 120,
  'memory.replace': 30,
  'memory.take-up': 120,
  'cpu.give-up': 60,
  'cpu.take-up': 60,
  'disk.clone': 60,
  'disk.remove': 10,
  'disk.attach': 30,
  'disk.break': 10,
  'disk.detach': 30,
  'disk.move': 120,
  'nic.attach': 30,
  'nic.detach': 30,
  'nic.replace': 30,
  'device.move': 60,
  'vm.create': 30,
  'vm.keep': 60,
  'vm.boot': 300,
  'vm.reboot': 300,
  'vm.destroy': 30,
  'guest.shutdown': 120,
  'guest.run': 600,
  'guest.copy': 120,
  'guest.wait-for': 120,
  'guest.facts': 60,
  'guest.sample-work': 120,
  'service.check': 60,
  'service.records': 120,
  'service.relay': 60,
  'service.cut-over': 60,
  'service.drain': 600,
};
