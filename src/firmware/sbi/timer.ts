/** [SBI] "Timer Extension". Of use to an OS that ignores Sstc: the timer is stimecmp all the same. */
import { CSR } from '../csr.ts';
import { notSupported, type SbiExtension, sbiSuccess } from './spec.ts';

const SET_TIMER = 0;

export const timerExtension: SbiExtension = {
  id: 0x5449_4d45,
  name: 'TIME',
  call({ hart, functionId, args }) {
    if (functionId !== SET_TIMER) return notSupported();
    hart.setCsr(CSR.stimecmp, args[0]);
    return sbiSuccess();
  },
};
