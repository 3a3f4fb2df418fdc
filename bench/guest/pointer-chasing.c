/* A ring through 16 MiB in random order: every step another page. */
#include <stdlib.h>

#include "workload.h"

#define SLOT_BYTES 64
#define SLOTS (16 * 1024 * 1024 / SLOT_BYTES)

uint64_t pointer_chasing(void)
{
	uint8_t *memory = malloc((size_t)SLOTS * SLOT_BYTES);
	uint32_t *order = malloc(SLOTS * sizeof *order);
	uint64_t random = 9, sum = 0;
	void **at;

	for (uint32_t i = 0; i < SLOTS; i++)
		order[i] = i;
	for (uint32_t i = SLOTS - 1; i > 0; i--) {
		uint32_t j = (uint32_t)(next_random(&random) % i), swap = order[i];

		order[i] = order[j];
		order[j] = swap;
	}
	for (uint32_t i = 0; i < SLOTS; i++)
		*(void **)(memory + (size_t)order[i] * SLOT_BYTES) = memory + (size_t)order[(i + 1) % SLOTS] * SLOT_BYTES;
	at = (void **)memory;
	for (uint32_t i = 0; i < 16 * SLOTS; i++) {
		at = *at;
		sum += (uint64_t)at & 0xfff;
	}
	return sum;
}
