/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The watcher: a child of the worker that tells the keeper when the worker's
 * main thread has ended, and that ends the mount when the keeper has died.
 *
 *	the worker ended -----> keeper lives: SIGUSR2 to it, wait until it has
 *	                        noticed; it has died: end the mount
 *	the keeper died ------> SIGTERM to the worker, later SIGKILL; when it has
 *	                        ended: end the mount
 *
 * A process that is killed is reaped when its last thread has ended.  The
 * notifier can be held up in the kernel by a page that is locked until a READ
 * is answered, which only the next worker will do:
 *
 *	worker's loop           notifier               kernel
 *	-------------           --------               ------
 *	                                               page locked, READ sent
 *	reads the READ
 *	                        drop the page: waits
 *	killed
 *	                        still there            no SIGCHLD
 *
 * To drop a purged name the notifier waits in the same way, for the lock of a
 * directory, which the kernel holds until a request that changes it is
 * answered.
 *
 * PR_SET_PDEATHSIG signals the child as soon as the thread that made it ends.
 * The worker itself cannot have one: the kernel forgets it when a thread takes
 * a user's credentials, as the worker does to make that user's files.
 *
 * It also has the store's mount follow the mount of the pool in when access times
 * are set: in passthrough mode the kernel reads the store's files, and looks at
 * the options of the mount that these are on.  Of a remount no request tells, but
 * the kernel wakes who polls the list of mounts.
 *
 * The keeper hears of the end of a process when all that it had open is closed.
 * The watcher keeps open what the kernel needs long to close, so that nobody
 * waits for that.
 */
#include "fs/worker/watcher.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/pidfd.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include "fs/kernel/capability.h"
#include "fs/kernel/mount.h"
#include "fs/kernel/mount_flags.h"
#include "fs/worker/worker_priv.h"
#include "pool/store/store.h"

/* For a worker to end in when its keeper has died. */
#define STOP_MS 10000
#define LOOK_MS 20

/* Its descriptors, besides those that are slow to close, and no others: what the
 * keeper and the worker have open must be closed when they have ended. */
enum {
	KEEPER,
	WORKER,
	WORKER_ENDED,
	MOUNTS,
	STORE, /* its mount, if it is detached */
	NR_FDS
};

static bool watcher_waits(int fd, int ms)
{
	struct pollfd p = { .fd = fd, .events = POLLIN };

	return poll(&p, 1, ms) == 0;
}

/* The keeper has died: nobody else cleans up. */
static void watcher_end_mount(struct worker *w)
{
	if (w->shared->ended)
		return;
	store_close(w->store);
	mount_remove(w->mount, w->options->mountpoint, w->shared->device);
}

/*
 * The keeper may be dying, too: it has not noticed until it has started another
 * worker, or has ended the mount.
 */
static void watcher_tell(struct worker *w, pid_t worker, uint32_t restarts)
{
	siginfo_t info = { .si_signo = SIGUSR2, .si_code = SI_QUEUE };

	info.si_pid = getpid();
	info.si_uid = getuid();
	info.si_value.sival_int = worker;
	pidfd_send_signal(KEEPER, SIGUSR2, &info, 0);
	while (watcher_waits(KEEPER, LOOK_MS))
		if (w->shared->restarts != restarts)
			return;
	watcher_end_mount(w);
}

static void watcher_stop_worker(void)
{
	pidfd_send_signal(WORKER, SIGTERM, NULL, 0);
	if (!watcher_waits(WORKER_ENDED, STOP_MS))
		return;
	pidfd_send_signal(WORKER, SIGKILL, NULL, 0);
	watcher_waits(WORKER_ENDED, STOP_MS);
}

/* Closes all descriptors from @from on but the @nr in @kept. */
static void close_all_but(unsigned int from, const int *kept, int nr)
{
	for (;;) {
		unsigned int next = ~0u;

		for (int i = 0; i < nr; i++)
			if (kept[i] >= from && kept[i] < next)
				next = kept[i];
		if (next > from)
			close_range(from, next == ~0u ? next : next - 1, 0);
		if (next == ~0u)
			return;
		from = next + 1;
	}
}

static void watcher_follow(const struct worker *w)
{
	static uint64_t last = UINT64_MAX;
	uint64_t atime;

	if (w->store->mountfd < 0 || mount_atime(w->shared->mount_id, &atime) ||
	    atime == last)
		return;
	if (mount_set_atime(STORE, "", atime) == 0)
		last = atime;
}

/* @ready: closed when the worker may go on and make threads. */
static void watcher_run(struct worker *w, pid_t worker, const int *fds,
			int ready, const int *slow, int nr)
{
	uint32_t restarts = w->shared->restarts;
	struct pollfd p[] = { { .fd = KEEPER, .events = POLLIN },
			      { .fd = WORKER_ENDED, .events = POLLIN },
			      { .fd = MOUNTS, .events = POLLPRI } };
	sigset_t set;

	capability_limit(CAPABILITY_WATCHER);
	for (int i = 0; i < NR_FDS; i++)
		if (dup2(fds[i], i) < 0)
			close(i);
	dup2(ready, NR_FDS);
	close_all_but(NR_FDS + 1, slow, nr);
	prctl(PR_SET_NAME, "poolfs-watcher");
	sigfillset(&set);
	sigprocmask(SIG_BLOCK, &set, NULL);
	prctl(PR_SET_PDEATHSIG, SIGUSR2);
	watcher_follow(w);
	close(NR_FDS);
	/* The worker may have died before PR_SET_PDEATHSIG. */
	if (getppid() == worker)
		while (poll(p, 3, -1) <= 0 || !(p[0].revents || p[1].revents))
			watcher_follow(w);
	if (p[1].revents || getppid() != worker) {
		watcher_tell(w, worker, restarts);
	} else {
		watcher_stop_worker();
		watcher_end_mount(w);
	}
	_exit(0);
}

/* Return: a descriptor above those that the watcher takes for itself. */
static int watcher_fd(int fd)
{
	int high = fd < 0 ? -1 : fcntl(fd, F_DUPFD_CLOEXEC, NR_FDS + 1);

	if (fd >= 0)
		close(fd);
	return high;
}

static void watcher_close(const int *fds, int nr)
{
	for (int i = 0; i < nr; i++)
		if (fds[i] >= 0)
			close(fds[i]);
}

static int watcher_open_one(struct worker *w, int i)
{
	sigset_t ended;

	switch (i) {
	case KEEPER:
		return pidfd_open(w->shared->keeper, 0);
	case WORKER:
		return pidfd_open(getpid(), 0);
	case MOUNTS:
		return open("/proc/self/mounts", O_RDONLY | O_CLOEXEC);
	case STORE:
		return dup(w->store->mountfd);
	default:
		sigemptyset(&ended);
		sigaddset(&ended, SIGUSR2);
		return signalfd(-1, &ended, SFD_CLOEXEC);
	}
}

/* Return: 0, with all of @fds, or -errno with none. */
static int watcher_open(struct worker *w, int *fds)
{
	int err = 0;

	for (int i = 0; i < NR_FDS && !err; i++) {
		fds[i] = watcher_fd(watcher_open_one(w, i));
		if (fds[i] < 0 && (i != STORE || w->store->mountfd >= 0)) {
			err = -errno;
			watcher_close(fds, i);
		}
	}
	return err;
}

int watcher_start(struct worker *w, const int *slow, int nr)
{
	pid_t worker = getpid(), pid;
	int fds[NR_FDS], ready[2], err;
	char byte;

	err = watcher_open(w, fds);
	if (!err && !watcher_waits(fds[KEEPER], 0)) {
		watcher_close(fds, NR_FDS);
		err = -ESRCH;
	}
	if (err == -ESRCH)
		watcher_end_mount(w);
	if (err)
		return err;
	if (pipe2(ready, O_CLOEXEC) < 0) {
		err = -errno;
		goto no_pipe;
	}
	pid = fork();
	if (pid == 0)
		watcher_run(w, worker, fds, ready[1], slow, nr);
	if (pid < 0)
		err = -errno;
	close(ready[1]);
	while (!err && read(ready[0], &byte, 1) < 0 && errno == EINTR)
		;
	close(ready[0]);
no_pipe:
	watcher_close(fds, NR_FDS);
	return err;
}
