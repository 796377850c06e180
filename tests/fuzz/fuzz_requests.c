/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A worker without a mount: requests that the input makes up go the way of
 * those of a kernel (worker_handle_locked()), on a real store.  Looked for are
 * crashes, hangs, replies that no kernel would take, requests that are never
 * answered, broken invariants (pool_check()), and what is left when all is
 * closed, forgotten and removed.
 *
 * In the environment:
 *
 *	POOLFS_FUZZ_MODE=cached	that mode, else passthrough, of which the
 *				registration of files is played here
 *	POOLFS_FUZZ_TRACE=FILE	the requests of the last input, and the replies
 */
#include <fcntl.h>
#include <stdarg.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "fs/request/buffer.h"
#include "fs/worker/worker_priv.h"
#include "pool/tree/tree.h"
#include "shrinker/reclaim.h"
#include "tests/fuzz/kernel.h"
#include "tests/unit/tree_fixture.h"

#define FUZZ_SIZE (16u << 20)
#define REQUESTS_MAX 400 /* of one input */
#define CHECK_EACH 16
#define ANSWER_SECONDS 20

static struct worker worker = { .magic = WORKER_MAGIC };
static struct mount_shared shared;
static char nowhere[] = "/nowhere";
static char mount_options[] = "default_permissions,allow_other";
static struct options options = { .mountpoint = nowhere,
				  .source = nowhere,
				  .kernel = mount_options,
				  .size = FUZZ_SIZE,
				  .root_mode = -1,
				  .root_uid = -1,
				  .root_gid = -1,
				  .nr_psi = 1 };
static int nr_registered;
static FILE *trace;
/* As they were at first. */
static struct reclaim_tuning tuning;
static struct pool_config config;

/* --- between the worker and the kernel --- */

ssize_t __real_write(int fd, const void *buf, size_t len);
ssize_t __real_writev(int fd, const struct iovec *iov, int count);
int __real_ioctl(int fd, unsigned long cmd, ...);
ssize_t __wrap_write(int fd, const void *buf, size_t len);
ssize_t __wrap_writev(int fd, const struct iovec *iov, int count);
int __wrap_ioctl(int fd, unsigned long cmd, ...);

ssize_t __wrap_writev(int fd, const struct iovec *iov, int count)
{
	const uint64_t *header = iov[0].iov_base; /* length, error, unique */
	ssize_t len = 0;

	if (fd != worker.fuse_fd)
		return __real_writev(fd, iov, count);
	for (int i = 0; i < count; i++)
		len += iov[i].iov_len;
	/* Notifications are called without lock 1. */
	if (header[1]) {
		if (trace)
			fprintf(trace, "\t%d, %zd bytes: request %d\n",
				((const int *)header)[1], len, (int)header[1]);
		kernel_reply(iov, count);
	}
	return len;
}

ssize_t __wrap_write(int fd, const void *buf, size_t len)
{
	struct iovec iov = { (void *)buf, len };

	return fd == worker.fuse_fd ? __wrap_writev(fd, &iov, 1)
				    : __real_write(fd, buf, len);
}

int __wrap_ioctl(int fd, unsigned long cmd, ...)
{
	void *arg;
	va_list ap;

	va_start(ap, cmd);
	arg = va_arg(ap, void *);
	va_end(ap);
	if (fd != worker.fuse_fd)
		return __real_ioctl(fd, cmd, arg);
	if (cmd == wire_ioctl_open)
		return ++nr_registered;
	return 0;
}

static void trace_start(void)
{
	const char *file = getenv("POOLFS_FUZZ_TRACE");

	if (!file)
		return;
	if (trace)
		fclose(trace);
	trace = fopen(file, "we");
	must_hold(trace, "%s", file);
	setvbuf(trace, NULL, _IOLBF, 0);
}

static void handle(const void *request, size_t len)
{
	struct worker *w = &worker;

	if (!w->buffer)
		w->buffer = buffer_alloc();
	must_hold(w->buffer, "no memory");
	if (trace)
		kernel_print(trace, request, len);
	memcpy(w->buffer, request, len);
	worker_handle_locked(w, w->buffer, len);
}

/* --- the worker --- */

static void start_worker(void)
{
	const char *mode = getenv("POOLFS_FUZZ_MODE");
	struct worker *w = &worker;
	struct reclaim_status status;
	char why[256], *calm;

	must_hold(!store_open(&store, NULL, FUZZ_SIZE, NULL, why, sizeof(why)),
		  "%s", why);
	if (asprintf(&calm, "%s/calm", scratch_new()) < 0 || mkfifo(calm, 0600))
		abort();
	options.psi[0] = calm; /* the machine's pressure is not ours */
	w->options = &options;
	w->shared = &shared;
	w->store = &store;
	w->fuse_fd = open("/dev/null", O_RDWR | O_CLOEXEC);
	shared.keeper = getppid();
	shared.mounted_ns = clock_ns();
	shared.init_len = kernel_init_request(shared.init);
	shared.init_answered = 1;
	shared.size = FUZZ_SIZE;
	shared.mode = mode && !strcmp(mode, "cached") ? MODE_CACHED
						      : MODE_PASSTHROUGH;
	waiters_init(w);
	w->se = worker_session(w);
	must_hold(w->se && !worker_init_session(w) && !worker_choose_mode(w) &&
			  !worker_open_pool(w) && !worker_make_reclaimer(w),
		  "the worker does not start");
	notify_init(w);
	must_hold(!notifier_start(w) && !reclaimer_start(w->reclaimer),
		  "no threads");
	pool = w->pool;
	reclaimer_status(w->reclaimer, &status);
	tuning = status.tuning;
	config = *pool_config(pool);
}

/* --- after each input all is as before --- */

static void check(void)
{
	const char *why = pool_check(worker.pool);

	must_hold(!why, "pool_check: %s", why);
}

/* Are there transactions that wait for the notifier? */
static bool is_invalidating(void)
{
	struct box *box = NULL;

	while ((box = box_next(pool, box ? box_serial(box) : 0))) {
		struct box_waits *bw = box_private(box);

		if (bw && bw->invalidations)
			return true;
	}
	return false;
}

/* The notifier answers what waits for it. */
static void wait_for_answers(void)
{
	for (int ms = 0; kernel_waiting() || is_invalidating(); ms++) {
		must_hold(ms < ANSWER_SECONDS * 1000, "%u requests wait",
			  kernel_waiting());
		pool_unlock(worker.pool);
		usleep(1000);
		pool_lock(worker.pool);
		kernel_interrupt_all();
	}
}

static void reset(void)
{
	kernel_interrupt_all();
	wait_for_answers();
	kernel_end();
	check();
	wait_for_answers();
	pool_drain();
	tree_remove_everything(INODE_ROOT);
	/* As the loop does between requests. */
	while (inodes_end_some(pool, 64))
		;
	check();
	must_hold(nr_tree_nodes() == 1, "an inode is left");
	reclaimer_configure(worker.reclaimer, &tuning);
	*pool_config(pool) = config;
	worker.config_keys = 0;
}

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
	setvbuf(stdout, NULL, _IONBF, 0); /* what the fixtures say */
	start_worker();
	kernel_start(handle);
	return 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct input in = { data, data + size };

	trace_start();
	pool_lock(worker.pool);
	kernel_prelude();
	for (int i = 0; i < REQUESTS_MAX && !input_ended(&in); i++) {
		kernel_request(&in);
		if (i % CHECK_EACH == CHECK_EACH - 1)
			check();
	}
	reset();
	pool_unlock(worker.pool);
	return 0;
}
