/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * eat_memory - touch more memory than there is, to make real pressure.
 *
 *	eat_memory BYTES SECONDS
 *
 * Writes a word into each page, then into pages at random until the time is
 * up.  Run inside a memory cgroup with a lower limit and a swap device, nearly
 * every touch waits for a page to come back.
 */
#include "tests/tools/lib/tool.h"

#include <sys/mman.h>

/* xorshift: random enough, and no library call for each page */
static uint64_t next(uint64_t x)
{
	x ^= x << 13;
	x ^= x >> 7;
	return x ^ x << 17;
}

int main(int argc, char **argv)
{
	size_t page = sysconf(_SC_PAGESIZE), size, pages;
	uint64_t x = 88172645463325252, touched = 0;
	double end;
	char *mem;

	if (argc != 3)
		usage("BYTES SECONDS");
	size = to_size(argv[1]);
	pages = size / page;
	end = now() + atof(argv[2]);
	if (!pages)
		usage("BYTES SECONDS");

	mem = mmap(NULL, size, PROT_READ | PROT_WRITE,
		   MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	if (mem == MAP_FAILED)
		fail("mmap");
	/* small pages: a huge one would be one fault where 512 are wanted */
	madvise(mem, size, MADV_NOHUGEPAGE);
	for (size_t i = 0; i < pages && now() < end; i++)
		*(uint64_t *)(mem + i * page) = i + 1;
	while (now() < end) {
		for (int i = 0; i < 64; i++) {
			x = next(x);
			++*(uint64_t *)(mem + x % pages * page);
		}
		touched += 64;
	}
	printf("touched %ju pages at random\n", (uintmax_t)touched);
	return 0;
}
