/* Lempel-Ziv with hash chains and an adaptive binary range coder, and back: tables, bytes, branches nobody can predict. */
#include <stdlib.h>
#include <string.h>

#include "workload.h"

#define TEXT_BYTES (1 << 19)
#define WINDOW (1 << 15)
#define HASH_BITS 14
#define CHAIN_MAX 16
#define MATCH_MIN 4
#define MATCH_MAX 259

/* A range coder with probabilities of 12 bits, as LZMA has it. */
struct coder {
	uint64_t low;
	uint32_t range, code;
	uint8_t *out;
	const uint8_t *in;
	uint8_t cache;
	uint64_t pending;
};

static void shift_low(struct coder *c)
{
	if ((uint32_t)c->low < 0xff000000 || (c->low >> 32) != 0) {
		uint8_t carry = (uint8_t)(c->low >> 32);

		do {
			*c->out++ = (uint8_t)(c->cache + carry);
			c->cache = 0xff;
		} while (--c->pending != 0);
		c->cache = (uint8_t)(c->low >> 24);
	}
	c->pending++;
	c->low = (c->low & 0x00ffffff) << 8;
}

static void encode(struct coder *c, uint16_t *probability, int bit)
{
	uint32_t bound = (c->range >> 12) * *probability;

	if (bit) {
		c->low += bound;
		c->range -= bound;
		*probability -= *probability >> 5;
	} else {
		c->range = bound;
		*probability += (4096 - *probability) >> 5;
	}
	while (c->range < 1u << 24) {
		c->range <<= 8;
		shift_low(c);
	}
}

static int decode(struct coder *c, uint16_t *probability)
{
	uint32_t bound = (c->range >> 12) * *probability;
	int bit = c->code >= bound;

	if (bit) {
		c->code -= bound;
		c->range -= bound;
		*probability -= *probability >> 5;
	} else {
		c->range = bound;
		*probability += (4096 - *probability) >> 5;
	}
	while (c->range < 1u << 24) {
		c->range <<= 8;
		c->code = c->code << 8 | *c->in++;
	}
	return bit;
}

struct model {
	uint16_t is_match[256], literal[256][256], length[256], distance[1 << 15];
};

static void reset(struct model *m)
{
	uint16_t *p = (uint16_t *)m;

	for (unsigned i = 0; i < sizeof *m / sizeof *p; i++)
		p[i] = 2048;
}

static void encode_tree(struct coder *c, uint16_t *tree, int bits, uint32_t value)
{
	uint32_t at = 1;

	for (int i = bits - 1; i >= 0; i--) {
		int bit = value >> i & 1;

		encode(c, &tree[at], bit);
		at = at << 1 | (uint32_t)bit;
	}
}

static uint32_t decode_tree(struct coder *c, uint16_t *tree, int bits)
{
	uint32_t at = 1;

	for (int i = 0; i < bits; i++)
		at = at << 1 | (uint32_t)decode(c, &tree[at]);
	return at - (1u << bits);
}

static uint32_t hash_of(const uint8_t *p)
{
	uint32_t word;

	memcpy(&word, p, 4);
	return word * 2654435761u >> (32 - HASH_BITS);
}

static uint64_t compress(const uint8_t *text, uint8_t *out, struct model *m)
{
	static int32_t head[1 << HASH_BITS], previous[WINDOW];
	struct coder c = { .range = 0xffffffff, .out = out, .pending = 1 };
	int32_t at = 0;

	reset(m);
	memset(head, -1, sizeof head);
	while (at < TEXT_BYTES) {
		uint8_t context = at == 0 ? 0 : text[at - 1];
		int32_t best = 0, distance = 0;

		if (at + MATCH_MAX < TEXT_BYTES) {
			int32_t candidate = head[hash_of(text + at)];

			for (int chain = 0; chain < CHAIN_MAX && candidate >= 0 && at - candidate < WINDOW; chain++) {
				int32_t n = 0;

				while (n < MATCH_MAX && text[candidate + n] == text[at + n])
					n++;
				if (n > best) {
					best = n;
					distance = at - candidate;
				}
				candidate = previous[candidate % WINDOW];
			}
		}
		if (best >= MATCH_MIN) {
			encode(&c, &m->is_match[context], 1);
			encode_tree(&c, m->length, 8, (uint32_t)(best - MATCH_MIN));
			encode_tree(&c, m->distance, 15, (uint32_t)distance);
		} else {
			best = 1;
			encode(&c, &m->is_match[context], 0);
			encode_tree(&c, m->literal[context], 8, text[at]);
		}
		for (int32_t end = at + best; at < end; at++) {
			if (at + 4 < TEXT_BYTES) {
				uint32_t h = hash_of(text + at);

				previous[at % WINDOW] = head[h];
				head[h] = at;
			}
		}
	}
	for (int i = 0; i < 5; i++)
		shift_low(&c);
	return (uint64_t)(c.out - out);
}

static void expand(const uint8_t *in, uint8_t *text, struct model *m)
{
	struct coder c = { .range = 0xffffffff, .in = in + 1 };
	int32_t at = 0;

	reset(m);
	for (int i = 0; i < 4; i++)
		c.code = c.code << 8 | *c.in++;
	while (at < TEXT_BYTES) {
		uint8_t context = at == 0 ? 0 : text[at - 1];

		if (decode(&c, &m->is_match[context])) {
			int32_t n = (int32_t)decode_tree(&c, m->length, 8) + MATCH_MIN;
			int32_t distance = (int32_t)decode_tree(&c, m->distance, 15);

			for (; n > 0; n--, at++)
				text[at] = text[at - distance];
		} else {
			text[at++] = (uint8_t)decode_tree(&c, m->literal[context], 8);
		}
	}
}

/* Words of a made-up language: some frequent, some rare. */
static void write_text(uint8_t *text)
{
	uint64_t random = 3;
	int at = 0;

	while (at < TEXT_BYTES) {
		uint64_t r = next_random(&random);
		uint64_t word = (r % 64) * (r >> 32 & 63) + 17;

		for (uint64_t n = 2 + word % 7; n > 0 && at < TEXT_BYTES; n--, word = word * 29 + 11)
			text[at++] = (uint8_t)("etaoinshrdlucmfwypvbgkjqxz"[word / 7 % 26]);
		if (at < TEXT_BYTES)
			text[at++] = r >> 60 == 0 ? '\n' : ' ';
	}
}

uint64_t compression(void)
{
	uint8_t *text = malloc(TEXT_BYTES), *back = malloc(TEXT_BYTES), *packed = malloc(2 * TEXT_BYTES);
	struct model *m = malloc(sizeof *m);
	uint64_t sum = 0;

	write_text(text);
	for (int round = 0; round < 12; round++) {
		uint64_t bytes = compress(text, packed, m);

		expand(packed, back, m);
		if (memcmp(text, back, TEXT_BYTES) != 0)
			return 0;
		sum = sum * 31 + bytes;
		text[round * 1000] ^= 1;
	}
	return sum;
}
