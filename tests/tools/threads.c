/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * threads - a sender of several threads.
 *
 *	threads main|thread kill|exit FILE
 *
 * The main thread opens FILE; it, or another one, writes "written" to it; then
 * all of them end, by SIGKILL or by exit(), with the file open.
 */
#include "tests/tools/lib/tool.h"

#include <fcntl.h>
#include <pthread.h>
#include <signal.h>

#define NR_THREADS 4

static int fd;
static pthread_barrier_t written;

static void *wait_for_the_end(void *arg)
{
	if (arg)
		write_all(fd, "written", 7);
	pthread_barrier_wait(&written);
	for (;;)
		pause();
	return NULL;
}

int main(int argc, char **argv)
{
	pthread_t thread;

	if (argc != 4)
		usage("main|thread kill|exit FILE");
	pthread_barrier_init(&written, NULL, NR_THREADS + 1);
	fd = open(argv[3], O_WRONLY | O_CLOEXEC);
	if (fd < 0)
		fail(argv[3]);
	for (int i = 0; i < NR_THREADS; i++) {
		int writes = i == 0 && !strcmp(argv[1], "thread");

		if (pthread_create(&thread, NULL, wait_for_the_end,
				   writes ? &fd : NULL))
			fail("pthread_create");
	}
	if (!strcmp(argv[1], "main"))
		write_all(fd, "written", 7);
	pthread_barrier_wait(&written);
	if (!strcmp(argv[2], "kill"))
		raise(SIGKILL);
	exit(0);
}
