/** Numbers of a flattened device tree. Source: [DT] Devicetree Specification 0.4, "Flattened Devicetree (DTB) Format". */

export const FDT_MAGIC = 0xd00d_feed;
export const FDT_VERSION = 17;
export const FDT_LAST_COMPATIBLE_VERSION = 16;

/** Offsets of struct fdt_header; all fields are big-endian 32-bit. */
export const FDT_HEADER = {
  magic: 0,
  totalsize: 4,
  offDtStruct: 8,
  offDtStrings: 12,
  offMemRsvmap: 16,
  version: 20,
  lastCompVersion: 24,
  bootCpuidPhys: 28,
  sizeDtStrings: 32,
  sizeDtStruct: 36,
  bytes: 40,
} as const;

/** A memory reservation is two 64-bit numbers; one of zeros ends the list. */
export const FDT_RESERVATION_BYTES = 16;

export const FDT_TOKEN = { beginNode: 1, endNode: 2, prop: 3, nop: 4, end: 9 } as const;
