/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Asynchronous O_DIRECT writes beside buffered reads of the same file: does a
 * read that begins after a write has ended see it?
 *
 *	directio FILE ROUNDS
 *
 * The parent writes the number of the round into each word of 64 KiB, by
 * io_submit(), and when that has ended reads it all through the page cache.  A
 * child reads all the time, so that pages come into the cache meanwhile.  Prints
 * "ROUNDS right, N old".
 */
#include "tests/tools/lib/tool.h"

#include <fcntl.h>
#include <linux/aio_abi.h>
#include <signal.h>
#include <stdbool.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#define SIZE (64u << 10)

static void read_on(const char *path)
{
	static char buf[SIZE];
	int fd = open(path, O_RDONLY);

	if (fd < 0)
		fail(path);
	for (;;)
		if (pread(fd, buf, sizeof(buf), 0) < 0)
			_exit(1);
}

static void write_round(aio_context_t ctx, int fd, uint32_t *buf, uint32_t n)
{
	struct iocb cb = { .aio_fildes = fd,
			   .aio_lio_opcode = IOCB_CMD_PWRITE,
			   .aio_buf = (uintptr_t)buf,
			   .aio_nbytes = SIZE };
	struct iocb *cbs = &cb;
	struct io_event ev;

	for (size_t i = 0; i < SIZE / sizeof(*buf); i++)
		buf[i] = n;
	if (syscall(SYS_io_submit, ctx, 1, &cbs) != 1 ||
	    syscall(SYS_io_getevents, ctx, 1, 1, &ev, NULL) != 1)
		fail("aio");
	if (ev.res != SIZE)
		fail("write");
}

/* Return: whether all of it is of this round. */
static bool read_round(int fd, uint32_t *buf, uint32_t n)
{
	bool right = true;

	if (pread(fd, buf, SIZE, 0) != SIZE)
		fail("read");
	for (size_t i = 0; i < SIZE / sizeof(*buf); i++)
		right &= buf[i] == n;
	return right;
}

int main(int argc, char **argv)
{
	uint32_t *out = aligned_alloc(4096, SIZE), *in = malloc(SIZE);
	int direct, buffered, right = 0, rounds;
	aio_context_t ctx = 0;
	pid_t child;

	if (argc != 3 || !out || !in) {
		fprintf(stderr, "usage: directio FILE ROUNDS\n");
		return 2;
	}
	rounds = atoi(argv[2]);
	direct = open(argv[1], O_WRONLY | O_CREAT | O_DIRECT, 0600);
	buffered = open(argv[1], O_RDONLY);
	if (direct < 0 || buffered < 0 || syscall(SYS_io_setup, 4, &ctx) < 0)
		fail(argv[1]);
	write_round(ctx, direct, out, 0);
	child = fork();
	if (child == 0)
		read_on(argv[1]);
	for (int i = 1; i <= rounds; i++) {
		write_round(ctx, direct, out, i);
		right += read_round(buffered, in, i);
	}
	kill(child, SIGKILL);
	waitpid(child, NULL, 0);
	printf("%d right, %d old\n", right, rounds - right);
	return right != rounds;
}
