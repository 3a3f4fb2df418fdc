/* Workloads that run inside a guest. Each does a fixed piece of work and returns a checksum of what came out. */
#ifndef WORKLOAD_H
#define WORKLOAD_H

#include <stdint.h>

uint64_t integer(void);
uint64_t hash(void);
uint64_t compression(void);
uint64_t floating_point(void);
uint64_t pointer_chasing(void);
uint64_t fork_exec(void);

/* The next number of a reproducible sequence (xorshift64). */
static inline uint64_t next_random(uint64_t *state)
{
	*state ^= *state << 13;
	*state ^= *state >> 7;
	*state ^= *state << 17;
	return *state;
}

#endif
