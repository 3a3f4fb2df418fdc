/* Lists sorted, matrices multiplied, numbers parsed, checksums: branches, small loops and calls. */
#include <stddef.h>

#include "workload.h"

struct node {
	struct node *next;
	int32_t key;
};

static struct node *merge(struct node *a, struct node *b)
{
	struct node head, *tail = &head;

	while (a != NULL && b != NULL) {
		struct node **smaller = a->key <= b->key ? &a : &b;

		tail->next = *smaller;
		tail = tail->next;
		*smaller = (*smaller)->next;
	}
	tail->next = a != NULL ? a : b;
	return head.next;
}

static struct node *sort(struct node *list)
{
	struct node *slow = list, *fast, *second;

	if (list == NULL || list->next == NULL)
		return list;
	for (fast = list->next; fast != NULL && fast->next != NULL; fast = fast->next->next)
		slow = slow->next;
	second = slow->next;
	slow->next = NULL;
	return merge(sort(list), sort(second));
}

#define NODES 512
#define SIDE 24

static uint16_t crc16(uint16_t crc, uint32_t word)
{
	for (int bit = 0; bit < 32; bit++, word >>= 1)
		crc = (uint16_t)((crc >> 1) ^ (((crc ^ word) & 1) ? 0xa001 : 0));
	return crc;
}

/* Recognises numbers such as -12, 0x1f, 3.5e-7 in a text; counts them by kind. */
static void parse(const char *text, uint32_t counts[4])
{
	enum { START, SIGN, ZERO, DIGITS, HEX, FRACTION, EXPONENT, OTHER } state = START;

	for (;; text++) {
		char c = *text;
		int digit = c >= '0' && c <= '9';

		if (c == ',' || c == '\0') {
			counts[state == DIGITS || state == ZERO ? 0 : state == HEX ? 1 : state == FRACTION || state == EXPONENT ? 2 : 3]++;
			if (c == '\0')
				return;
			state = START;
			continue;
		}
		switch (state) {
		case START:
			state = c == '-' ? SIGN : c == '0' ? ZERO : digit ? DIGITS : OTHER;
			break;
		case SIGN:
			state = digit ? DIGITS : OTHER;
			break;
		case ZERO:
			state = c == 'x' ? HEX : c == '.' ? FRACTION : digit ? DIGITS : OTHER;
			break;
		case DIGITS:
			state = digit ? DIGITS : c == '.' ? FRACTION : c == 'e' ? EXPONENT : OTHER;
			break;
		case HEX:
			state = digit || (c >= 'a' && c <= 'f') ? HEX : OTHER;
			break;
		case FRACTION:
			state = digit ? FRACTION : c == 'e' ? EXPONENT : OTHER;
			break;
		case EXPONENT:
			state = digit || c == '-' ? EXPONENT : OTHER;
			break;
		case OTHER:
			break;
		}
	}
}

uint64_t integer(void)
{
	static struct node nodes[NODES];
	static int32_t a[SIDE][SIDE], b[SIDE][SIDE], c[SIDE][SIDE];
	static const char text[] = "12,-7,0x1f3a,3.25,17e-3,0,abc,99999,-0x2,6.02e23,0xffff,1.5.2,-,42,0xg,1e9,005,7.";
	uint64_t random = 1, sum = 0;

	for (int round = 0; round < 10000; round++) {
		uint32_t counts[4] = { 0 };
		uint16_t crc = 0;
		struct node *list;

		for (int i = 0; i < NODES; i++) {
			nodes[i].key = (int32_t)next_random(&random) >> 8;
			nodes[i].next = i + 1 < NODES ? &nodes[i + 1] : NULL;
		}
		list = sort(nodes);
		for (int i = 0; i < SIDE; i++) {
			for (int j = 0; j < SIDE; j++) {
				a[i][j] = list->key >> (j & 7);
				b[j][i] = list->key + i * j;
				list = list->next != NULL ? list->next : nodes;
			}
		}
		for (int i = 0; i < SIDE; i++) {
			for (int j = 0; j < SIDE; j++) {
				int32_t dot = 0;

				for (int k = 0; k < SIDE; k++)
					dot += a[i][k] * b[k][j];
				c[i][j] = dot;
			}
		}
		for (int i = 0; i < SIDE; i++)
			crc = crc16(crc, (uint32_t)c[i][(i * 7) % SIDE]);
		for (int i = 0; i < 20; i++)
			parse(text, counts);
		sum = sum * 31 + crc + counts[0] + 3 * counts[1] + 5 * counts[2] + 7 * counts[3];
	}
	return sum;
}
