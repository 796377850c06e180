/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Requests of any length and content, as bytes: nothing behind the end of a
 * short one is read.
 */
#include "fs/kernel/wire.h"
#include "fs/kernel/wire_caller.h"
#include "tests/fuzz/input.h"

/* An INIT reply, as libfuse makes it, has two pieces. */
static void complete(const uint8_t *data, size_t size)
{
	size_t first = size < 16 ? size : 16;
	struct wire_features want = { size & 1, size & 2, size & 4, size & 8 };
	struct iovec iov[2];
	char *a = malloc(first + 1), *b = malloc(size - first + 1);

	if (!a || !b)
		abort();
	memcpy(a, data, first);
	memcpy(b, data + first, size - first);
	iov[0] = (struct iovec){ a, first };
	iov[1] = (struct iovec){ b, size - first };
	wire_init_complete(iov, size & 4 ? 1 : 2, &want);
	free(a);
	free(b);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct wire_request r = { .unique = 4711 };
	struct wire_features features;
	struct wire_write write;
	uint64_t fh;
	uint8_t *copy = malloc(size ? size : 1);

	if (!copy)
		abort();
	memcpy(copy, data, size);
	if (wire_parse(copy, size, &r))
		wire_caller(copy, size, size & 1, &fh);
	else
		must_hold(r.unique == 4711, "what is too short is touched");
	if (wire_parse_write(copy, size, &write))
		must_hold((const uint8_t *)write.payload >= copy &&
				  (const uint8_t *)write.payload + write.len <=
					  copy + size,
			  "a payload of %zu bytes", write.len);
	wire_init_offers(copy, size, &features);
	complete(data, size);
	free(copy);
	return 0;
}
