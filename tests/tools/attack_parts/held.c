/* SPDX-License-Identifier: GPL-2.0-or-later */
/* attack: what is held, and what letting go of it costs. */
#include "tests/tools/attack_parts/attack.h"

#include <pthread.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>

#define PROCESSES 32 /* each has a limit of descriptors */
#define LEVELS 80

/* How many of @n are the part of process @i. */
static long part_of(long n, int i)
{
	return n / PROCESSES + (i < n % PROCESSES);
}

/* Waits for the parent, and ends with it. */
_Noreturn static void hold(int tell, long n)
{
	if (write(tell, &n, sizeof(n)) < 0)
		_exit(1);
	for (;;)
		pause();
}

/*
 * Starts processes that do @make, and hold it.
 * @pids: out.  Return: all that they hold.
 */
static long start_holders(bool (*make)(int process, long i), pid_t *pids)
{
	int ends[2];
	long n, all = 0;

	if (pipe(ends) < 0)
		fail("pipe");
	for (int p = 0; p < PROCESSES; p++) {
		pids[p] = fork();
		if (pids[p] < 0)
			fail("fork");
		if (pids[p])
			continue;
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		for (n = 0; n < part_of(nr, p) && make(p, n); n++)
			;
		hold(ends[1], n);
	}
	for (int p = 0; p < PROCESSES; p++) {
		if (read(ends[0], &n, sizeof(n)) != sizeof(n))
			fail("read");
		all += n;
	}
	close(ends[0]);
	close(ends[1]);
	return all;
}

static void end_holders(const pid_t *pids)
{
	for (int p = 0; p < PROCESSES; p++)
		kill(pids[p], SIGKILL);
	for (int p = 0; p < PROCESSES; p++)
		waitpid(pids[p], NULL, 0);
}

static bool make_orphan(int process, long i)
{
	char *path = path_of("%s.%d.%ld", mine, process, i);
	int fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
	bool made;

	if (fd < 0)
		return false;
	close(fd);
	made = open(path, O_PATH | O_CLOEXEC) >= 0;
	return unlink(path) == 0 && made;
}

void attack_forgets(void)
{
	pid_t pids[PROCESSES];
	long n = start_holders(make_orphan, pids);

	ready(n);
	while (more()) {
		end_holders(pids);
		start_holders(make_orphan, pids);
	}
}

/* In the directory that the process is in. */
static bool make_dead_directory(int process, long i)
{
	char name[64];

	snprintf(name, sizeof(name), "%d.%ld", process, i);
	return mkdir(name, 0700) == 0 &&
	       open(name, O_PATH | O_DIRECTORY | O_CLOEXEC) >= 0 &&
	       rmdir(name) == 0;
}

void attack_deaddirs(void)
{
	pid_t pids[PROCESSES];

	if (mkdir(path_of("%s", mine), 0700) < 0 ||
	    chdir(path_of("%s", mine)) < 0)
		fail(mine);
	for (int i = 0; i < LEVELS; i++)
		if (mkdir("d", 0700) < 0 || chdir("d") < 0)
			fail("d");
	ready(start_holders(make_dead_directory, pids));
	while (more()) {
		mkdir("new", 0700);
		rmdir("new");
	}
}

static bool open_send(int process, long i)
{
	return open_box(mine, "send", O_WRONLY) >= 0;
}

void attack_chmodsend(void)
{
	pid_t pids[PROCESSES];
	long n;

	make_box(mine);
	n = start_holders(open_send, pids);
	ready(n);
	for (long i = 0; more(); i++)
		chmod(path_of("box/%s/send", mine), i % 2 ? 0600 : 0620);
}

static void receive_one(void)
{
	int fd = open_box(mine, "recv", O_RDONLY | O_NONBLOCK);
	char line[512];

	if (fd < 0 || read(fd, line, sizeof(line)) <= 0)
		fail("recv");
	close(fd);
}

/* Every second one is freed: as many holes as transactions. */
void attack_statbox(void)
{
	static char buf[65536];
	long n = 0;
	int fd;

	make_box(mine);
	if (truncate(path_of("box/%s/data", mine), (2 * nr + 16) * PAGE) < 0)
		fail(mine);
	while (n < 2 * nr && send_to(mine, buf, PAGE))
		n++;
	for (long i = 0; i < n; i += 2) {
		take_from(mine);
		if (i + 1 < n)
			receive_one();
	}
	ready(n / 2);
	while (more()) {
		fd = open_box(mine, "stat", O_RDONLY);
		if (fd < 0 || read(fd, buf, sizeof(buf)) < 0)
			fail("stat");
		close(fd);
	}
}

static void *receive_nothing(void *arg)
{
	char line[512];

	if (read(*(int *)arg, line, sizeof(line)) != 0)
		fail("recv");
	return NULL;
}

/* Starts as many as it may.  Return: how many. */
static long start_receivers(pthread_t *threads, int *fd)
{
	pthread_attr_t attr;
	long n = 0;

	pthread_attr_init(&attr);
	pthread_attr_setstacksize(&attr, 65536);
	while (n < nr &&
	       !pthread_create(&threads[n], &attr, receive_nothing, fd))
		n++;
	pthread_attr_destroy(&attr);
	return n;
}

void attack_receivers(void)
{
	pthread_t *threads = calloc(nr + 1, sizeof(*threads));
	long n;
	int fd;

	if (!threads)
		fail("threads");
	ready(nr);
	while (more()) {
		make_box(mine);
		fd = open_box(mine, "recv", O_RDONLY);
		if (fd < 0)
			fail("recv");
		n = start_receivers(threads, &fd);
		usleep(500000); /* by now they wait */
		if (rmdir(path_of("box/%s", mine)) < 0)
			fail("rmdir");
		while (n)
			pthread_join(threads[--n], NULL);
		close(fd);
	}
	free(threads);
}
