/** The steps that hand the board to the partition: memory, DMA, interrupts. */

import { CSR, PMP_ENTRIES, STEER, steer } from '../../firmware/index.ts';
import { PARTITION_CONTROLLER, PARTITION_REGISTERS, SIDES } from '../../machine/index.ts';
import { dmaState, writeDmaState } from '../dma-write.ts';
import { otherSide } from '../partition.ts';
import { pmpForPartition } from '../pmp-plan.ts';
import { packConfig, writePmpPlan } from '../pmp-write.ts';
import { bareValue, type ReversibleStep, setCsrChecked } from './step.ts';

export const memoryStep: ReversibleStep = {
  name: 'memory',
  scope: 'hart',
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

/** A guest that is alone may reach what it could bare: then there is nothing to write. */
export const dmaStep: ReversibleStep = {
  name: 'dma',
  scope: 'board',
  apply: ({ hart, partition, found }) => writeDmaState(hart, dmaState(partition), found),
  revert: ({ hart, bare, found }) => writeDmaState(hart, bare, found),
};

/** The running side's PLIC goes to its OS; the other's nowhere until it has one. */
export const interruptStep: ReversibleStep = {
  name: 'interrupts',
  scope: 'hart',
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
