/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Bytes that the fuzzer has made up, taken one after another; 0 at the end. */
#ifndef POOLFS_FUZZ_INPUT_H
#define POOLFS_FUZZ_INPUT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct input {
	const uint8_t *at, *end;
};

/* What every fuzzer has: called by libFuzzer with each input. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerInitialize(int *argc, char ***argv);

/* What must hold, whatever the input. */
#define must_hold(cond, ...)                                            \
	do {                                                            \
		if (!(cond)) {                                          \
			fprintf(stderr, "%s:%d: ", __FILE__, __LINE__); \
			fprintf(stderr, __VA_ARGS__);                   \
			fputc('\n', stderr);                            \
			abort();                                        \
		}                                                       \
	} while (0)

static inline bool input_ended(const struct input *in)
{
	return in->at == in->end;
}

static inline uint64_t input_number(struct input *in, int bytes)
{
	uint64_t n = 0;

	while (bytes-- && !input_ended(in))
		n = n << 8 | *in->at++;
	return n;
}

static inline uint32_t input_below(struct input *in, uint32_t n)
{
	return input_number(in, n > 256 ? 4 : 1) % n;
}

/* A size or an offset: often one at which something changes. */
static inline uint64_t input_amount(struct input *in)
{
	static const uint64_t special[] = {
		0,
		1,
		7,
		8,
		4095,
		4096,
		4097,
		65536,
		(1u << 20) - 1,
		1u << 20,
		4u << 20,
		(1u << 31) - 1,
		1u << 31,
		UINT32_MAX - 2,
		UINT32_MAX,
		1ull << 32,
		(1ull << 40) + 1,
		INT64_MAX - 4095,
		INT64_MAX - 1,
		INT64_MAX,
	};
	uint8_t how = input_number(in, 1);

	if (how < 160)
		return special[how % (sizeof(special) / sizeof(*special))];
	if (how < 230)
		return input_number(in, 2);
	return input_number(in, 8);
}

/* Copies up to @max bytes.  Return: how many. */
static inline size_t input_bytes(struct input *in, void *to, size_t max)
{
	size_t left = in->end - in->at, n = max < left ? max : left;

	memcpy(to, in->at, n);
	in->at += n;
	return n;
}

/* A string from malloc(), of exactly its size: one byte too far is noticed. */
static inline char *input_string(const uint8_t *data, size_t size)
{
	char *s = malloc(size + 1);

	if (!s)
		abort();
	memcpy(s, data, size);
	s[size] = 0;
	return s;
}

#endif
