/** The steps that hand the board to the partition: memory, DMA, interrupts. */

import { STEER, steer } from '../../firmware/partition.ts';
import { PMP_ENTRIES } from '../../firmware/pmp.ts';
import { PARTITION_CONTROLLER, PARTITION_REGISTERS, SIDES, SLOTS_PER_SIDE } from '../../machine/index.ts';
import { CSR } from '../csr.ts';
import { writeDmaPlan } from '../dma-write.ts';
import { otherSide } from '../partition.ts';
import { pmpForPartition } from '../pmp-plan.ts';
import { packConfig, writePmpPlan } from '../pmp-write.ts';
import { bareValue, type ReversibleStep, setCsrChecked } from './step.ts';

export const memoryStep: ReversibleStep = {
  name: 'memory',
  apply({ hart, side, partition }) {
    const plan = pmpForPartition(partition, side);
    writePmpPlan(hart, plan);
    setCsrChecked(hart, CSR.pmpcfg0, packConfig(plan, 0));
    setCsrChecked(hart, CSR.pmpcfg2, packConfig(plan, 1));
    hart.fenceVma();
  },
  revert(context) {
    const { hart } = context;
    for (let index = 0; index < PMP_ENTRIES; index++) {
      hart.setCsr(CSR.pmpaddr0 + index, bareValue(context, `pmpaddr${index}`));
    }
    hart.setCsr(CSR.pmpcfg0, bareValue(context, 'pmpcfg0'));
    hart.setCsr(CSR.pmpcfg2, bareValue(context, 'pmpcfg2'));
    hart.fenceVma();
  },
};

const IOPMP_REGISTER = PARTITION_CONTROLLER.base + PARTITION_REGISTERS.iopmp;
const RANGES = PARTITION_REGISTERS.iopmpRangesPerSlot;
const RANGE_BYTES = 16;

export const dmaStep: ReversibleStep = {
  name: 'dma',
  apply: ({ hart, partition }) => writeDmaPlan(hart, partition),
  revert(context) {
    for (const [sideIndex, side] of SIDES.entries()) {
      for (let slot = 0; slot < SLOTS_PER_SIDE; slot++) {
        for (let range = 0; range < RANGES; range++) {
          const index = (sideIndex * SLOTS_PER_SIDE + slot) * RANGES + range;
          const register = IOPMP_REGISTER + index * RANGE_BYTES;
          context.hart.store(register, 8, bareValue(context, `iopmp.${side}${slot}.base${range}`));
          context.hart.store(register + 8, 8, bareValue(context, `iopmp.${side}${slot}.bytes${range}`));
        }
      }
    }
  },
};

/** The running side's PLIC goes to its OS; the other's nowhere until it has one. */
export const interruptStep: ReversibleStep = {
  name: 'interrupts',
  apply({ hart, side }) {
    steer(hart, side, hart.hartId, STEER.seip);
    steer(hart, otherSide(side), hart.hartId, STEER.off);
  },
  revert(context) {
    for (const [index, side] of SIDES.entries()) {
      const register = PARTITION_CONTROLLER.base + PARTITION_REGISTERS.steer + 4 * index;
      context.hart.store(register, 4, bareValue(context, `steer.${side}`));
    }
  },
};
