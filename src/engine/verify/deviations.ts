/** In what a node is not as a run may leave it. */
import type { Severity } from '../diagnostics/diagnostic.ts';
import type { Outcome } from '../exit-codes.ts';
import type { ModelState } from '../model/model-state.ts';
import { GUEST_NAMES } from '../primitives.ts';
import type { Property } from './properties.ts';

export interface Deviation {
  readonly property: Property;
  /** What deviates, e.g. `disk:system-new`. */
  readonly facet: string;
  readonly message: string;
  readonly severity?: Severity;
}

/** `before`: the node as the run found it. A run that pauses may leave everything but the service as it is. */
export function deviationsOf(state: ModelState, before: ModelState, outcome: Outcome): readonly Deviation[] {
  if (outcome === 'paused') {
    return serviceOf(state).map((deviation) => ({ ...deviation, property: 'parked-serving', severity: 'warning' }));
  }
  return [...serviceOf(state), ...ownersOf(state), ...leftOf(state, before, outcome === 'rolled-back')];
}

function serviceOf(state: ModelState): readonly Deviation[] {
  const property = 'service-stays';
  if (state.holders.size > 1) return [{ property, facet: 'address', message: 'both OSes have the service address' }];
  if (state.holders.size === 0) return [{ property, facet: 'address', message: 'no OS has the service address' }];
  if (!state.answers)
    return [{ property, facet: 'service', message: `nobody answers: ${state.serving} has the service` }];
  return [];
}

function ownersOf(state: ModelState): readonly Deviation[] {
  const deviations: Deviation[] = [];
  if (state.isVirtualized) {
    deviations.push({ property: 'ends-bare', facet: 'virtualized', message: 'the node is virtualized' });
  }
  for (const name of state.guests.keys()) {
    if (name !== state.serving) {
      deviations.push({ property: 'nothing-left', facet: `guest:${name}`, message: `guest ${name} is left` });
    }
  }
  for (const side of GUEST_NAMES) {
    const { owner, isOnline } = state.banks[side];
    const message = owner === null ? 'a bank of memory has no owner' : `a bank of memory is not in use by ${owner}`;
    if (owner === null || !isOnline) deviations.push({ property: 'nothing-left', facet: `bank:${side}`, message });
  }
  for (const hart of state.idleHarts) {
    const message = `hart ${hart} is offline`;
    deviations.push({ property: 'nothing-left', facet: `hart:${hart}`, message });
  }
  if (state.holders.size === 1 && state.committed !== state.serving) {
    const message = `after a loss of power the node would boot ${state.committed}, but ${state.serving} has the service`;
    deviations.push({ property: 'boots-what-serves', facet: 'committed', message });
  }
  return deviations;
}

/** What was made and is of no use to the OS that stays. After a rollback everything that was made is of no use. */
function leftOf(state: ModelState, before: ModelState, isRolledBack: boolean): readonly Deviation[] {
  const property = 'nothing-left';
  const deviations: Deviation[] = [];
  for (const disk of state.disks) {
    if (before.disks.has(disk) || (!isRolledBack && state.isInUse(disk))) continue;
    deviations.push({ property, facet: `disk:${disk}`, message: `disk ${disk} is left` });
  }
  for (const disk of before.disks) {
    if (isRolledBack && !state.disks.has(disk)) {
      deviations.push({ property, facet: `disk:${disk}`, message: `disk ${disk} is gone` });
    }
  }
  const data = new Set([...before.attached].map((entry) => entry.slice(entry.indexOf(':') + 1)));
  for (const disk of data) {
    const holders = [...state.guests.keys()].filter((name) => state.attached.has(`${name}:${disk}`));
    if (holders.length === 1 && holders[0] === state.serving) continue;
    const message = `disk ${disk} is attached to ${holders.join(' and ') || 'nobody'}, and ${state.serving} has the service`;
    // A step may take a disk away for good; after a rollback it is missed.
    const isMissed = isRolledBack || holders.length > 0;
    const severity = isMissed ? 'error' : 'warning';
    deviations.push({ property: isMissed ? 'service-stays' : property, facet: `data:${disk}`, message, severity });
  }
  for (const entry of state.attached) {
    const [guest, disk = ''] = entry.split(':');
    if (data.has(disk)) continue;
    const message = `disk ${disk} stays attached to ${guest}`;
    // An OS that was upgraded may keep what it was given; one that a rollback goes back to was never meant to have it.
    const severity = isRolledBack ? 'error' : 'warning';
    deviations.push({ property, facet: `attached:${entry}`, message, severity });
  }
  const { microvisorRelease: release, committedRelease } = state;
  if (isRolledBack && release !== before.microvisorRelease) {
    const message = `release ${release} of the Microvisor is left, the run found ${before.microvisorRelease}`;
    deviations.push({ property, facet: 'microvisor', message });
  }
  if (release !== committedRelease) {
    const message = `after a loss of power the node would have release ${committedRelease} of the Microvisor, not ${release}`;
    deviations.push({ property: 'boots-what-serves', facet: 'release', message });
  }
  if (isRolledBack) {
    for (const [device, owner] of state.devices) {
      const wanted = before.ownerOf(device);
      if (owner === wanted || wanted === null) continue;
      const message = `device ${device} stays with ${owner ?? 'nobody'}`;
      deviations.push({ property, facet: `device:${device}`, message });
    }
  }
  return deviations;
}
