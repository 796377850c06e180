/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The keeper: see keeper.h.
 *
 *	                     worker died
 *	mount --> running <---------------. ---> new worker
 *	             |  |                 |
 *	     SIGTERM |  | umount          '---- while the connection lives
 *	             v  v
 *	        stop the worker, unmount, remove the store
 *
 * A worker has died when it is reaped, or when its watcher says so: see
 * watcher.c.
 */
#include "fs/keeper.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/pidfd.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <sys/wait.h>
#include <syslog.h>
#include <unistd.h>

#include "fs/kernel/capability.h"
#include "fs/kernel/harden.h"
#include "fs/kernel/mount.h"
#include "fs/request/context.h"
#include "fs/worker/worker.h"
#include "pool/store/store.h"
#include "shrinker/clock.h"

/*
 * Least time between the starts of two workers, so that workers that die at
 * once do not keep a core busy; more after one that could not start.
 */
#define RESTART_NS 100000000ll
#define FAILED_NS 1000000000ll
#define STOP_SECONDS 10
/* Within this time a dead worker can be reaped, unless a thread is held up. */
#define REAP_MS 500

struct keeper {
	const struct options *options;
	struct mount_shared *shared;
	struct store store;
	struct fuse_session *mount;
	uint64_t mount_id; /* see mount_id() */
	sigset_t signals;
	pid_t worker;
	int64_t started_ns;
	int ready_fd;
	bool stopping;
};

__attribute__((format(printf, 1, 2))) static void say(const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	vsyslog(LOG_WARNING, fmt, ap);
	va_end(ap);
	fputs("poolfs: ", stderr);
	va_start(ap, fmt);
	vfprintf(stderr, fmt, ap);
	va_end(ap);
	fputc('\n', stderr);
}

static int keeper_mount(struct keeper *k)
{
	struct fuse_args args = FUSE_ARGS_INIT(0, NULL);
	static const struct fuse_lowlevel_ops none;
	char *list;
	int err = 0;

	/* A comma in the name would begin another option. */
	for (char *p = k->options->source; *p; p++)
		if (*p == ',' || *p == '\\')
			*p = '_';
	if (asprintf(&list, "-o%s,fsname=%s,subtype=poolfs", k->options->kernel,
		     k->options->source) < 0)
		return -ENOMEM;
	if (fuse_opt_add_arg(&args, "poolfs") || fuse_opt_add_arg(&args, list))
		err = -ENOMEM;
	free(list);
	if (!err)
		k->mount = fuse_session_new(&args, &none, sizeof(none), NULL);
	fuse_opt_free_args(&args);
	if (!k->mount)
		return -EINVAL;
	/* libfuse says on standard error what is wrong. */
	if (fuse_session_mount(k->mount, k->options->mountpoint)) {
		fuse_session_destroy(k->mount);
		k->mount = NULL;
		return -EIO;
	}
	k->shared->device = mount_device(k->options->mountpoint);
	k->mount_id = mount_id(k->options->mountpoint);
	k->shared->mounted_ns = clock_ns();
	return 0;
}

static int keeper_start_worker(struct keeper *k)
{
	pid_t pid;

	k->started_ns = clock_ns();
	pid = fork();
	if (pid < 0)
		return -errno;
	if (pid == 0 && k->ready_fd >= 0)
		close(k->ready_fd);
	if (pid == 0)
		exit(worker_run(k->options, k->shared, &k->store, k->mount));
	k->worker = pid;
	return 0;
}

/* Until there is memory for a process.  Return: false: asked to stop. */
static bool keeper_start_again(struct keeper *k)
{
	struct timespec delay = { .tv_sec = FAILED_NS / 1000000000 };
	sigset_t stop;
	int err;

	sigemptyset(&stop);
	sigaddset(&stop, SIGTERM);
	sigaddset(&stop, SIGINT);
	sigaddset(&stop, SIGHUP);
	while ((err = keeper_start_worker(k))) {
		say("%s: cannot start a worker: %s; trying again",
		    k->options->mountpoint, strerror(-err));
		if (sigtimedwait(&stop, NULL, &delay) > 0)
			return false;
	}
	return true;
}

/*
 * The request that was being handled may have caused a crash, but not a
 * SIGKILL.
 */
static void keeper_blame(struct mount_shared *sh, int status)
{
	int sig = WIFSIGNALED(status) ? WTERMSIG(status) : 0;
	bool crashed = (sig && sig != SIGKILL) ||
		       (WIFEXITED(status) &&
			WEXITSTATUS(status) != WORKER_STOPPED);

	sh->crashes = crashed && sh->handling == sh->blamed ? sh->crashes + 1
							    : crashed;
	sh->blamed = sh->handling;
	sh->handling = 0;
}

static void keeper_wait_to_restart(const struct keeper *k, int status)
{
	int64_t least = WIFEXITED(status) &&
					WEXITSTATUS(status) == WORKER_FAILED
				? FAILED_NS
				: RESTART_NS;
	int64_t left = k->started_ns + least - clock_ns();
	struct timespec delay = { .tv_sec = left / 1000000000,
				  .tv_nsec = left % 1000000000 };

	if (left > 0)
		nanosleep(&delay, NULL);
}

/* Return: true when the mount goes on. */
static bool keeper_worker_died(struct keeper *k, int status)
{
	struct mount_shared *sh = k->shared;

	k->worker = 0;
	if (WIFEXITED(status) && WEXITSTATUS(status) == WORKER_UNMOUNTED)
		return false;
	if (k->stopping)
		return false;
	if (!sh->init_answered || (!sh->restarts && sh->why[0])) {
		say("%s: %s", k->options->mountpoint,
		    sh->why[0] ? sh->why : "the worker could not start");
		return false;
	}
	if (!sh->can_resend) {
		say("%s: the worker died, and this kernel cannot send its "
		    "requests again (Linux 6.9 can); unmounting",
		    k->options->mountpoint);
		return false;
	}
	if (WIFSIGNALED(status))
		say("%s: the worker was killed by signal %d; starting another",
		    k->options->mountpoint, WTERMSIG(status));
	else
		say("%s: the worker ended with status %d%s%s; starting another",
		    k->options->mountpoint, WEXITSTATUS(status),
		    sh->why[0] ? ": " : "", sh->why);
	sh->why[0] = 0;
	keeper_blame(sh, status);
	keeper_wait_to_restart(k, status);
	sh->restarts++;
	return keeper_start_again(k);
}

/* Has the main thread ended?  Other threads may keep the process from being
 * reaped. */
static bool is_zombie(pid_t pid)
{
	char path[64], state = 0;
	FILE *f;

	snprintf(path, sizeof(path), "/proc/%d/stat", (int)pid);
	f = fopen(path, "re");
	if (!f)
		return false;
	if (fscanf(f, "%*d (%*[^)]) %c", &state) != 1)
		state = 0;
	fclose(f);
	return state == 'Z';
}

/* The exit status, when no other worker will be started. */
static int keeper_status(int status)
{
	return WIFEXITED(status) && !WEXITSTATUS(status) ? 0 : 1;
}

/*
 * A watcher has seen its worker's main thread end.  The other threads can be
 * held up by a request, which the next worker answers.
 *
 * Return: -1: the mount goes on, else the status that it ends with.
 */
static int keeper_main_thread_died(struct keeper *k)
{
	struct pollfd end = { .fd = pidfd_open(k->worker, 0),
			      .events = POLLIN };
	int status = SIGKILL;

	poll(&end, 1, REAP_MS);
	if (end.fd >= 0)
		close(end.fd);
	waitpid(k->worker, &status, WNOHANG);
	return keeper_worker_died(k, status) ? -1 : keeper_status(status);
}

/*
 * Answers all requests that the last worker has left unanswered: they hold up
 * its end, and no other worker will come.
 */
static void keeper_refuse_requests(struct keeper *k)
{
	int fd = fuse_session_fd(k->mount);
	void *buf = malloc(REQUEST_BUFFER);
	struct wire_request r;
	ssize_t n;

	if (!buf)
		return;
	fcntl(fd, F_SETFL, O_RDWR | O_NONBLOCK);
	wire_notify_resend(fd);
	while ((n = read(fd, buf, REQUEST_BUFFER)) > 0)
		if (wire_parse(buf, n, &r) && r.op != WIRE_UNANSWERED)
			wire_reply_error(fd, r.raw_unique, -ENOTCONN);
	free(buf);
}

static void keeper_stop(struct keeper *k)
{
	int64_t end = clock_ns() + STOP_SECONDS * 1000000000ll;
	struct timespec step = { .tv_nsec = 100000000 };
	sigset_t child;
	int status;

	if (!k->worker)
		return;
	k->stopping = true;
	k->shared->stopping = 1;
	kill(k->worker, SIGTERM);
	sigemptyset(&child);
	sigaddset(&child, SIGCHLD);
	while (waitpid(k->worker, &status, WNOHANG) == 0) {
		if (clock_ns() > end)
			kill(k->worker, SIGKILL);
		if (is_zombie(k->worker))
			keeper_refuse_requests(k);
		sigtimedwait(&child, NULL, &step);
	}
	k->worker = 0;
}

static void keeper_silence(int fd)
{
	int null = open("/dev/null", O_RDWR | O_CLOEXEC);

	if (null < 0)
		return;
	dup2(null, fd);
	close(null);
}

/*
 * The mount answers: the process that was started in the foreground may exit.
 */
static void keeper_ready(struct keeper *k)
{
	if (k->ready_fd < 0)
		return;
	keeper_silence(2);
	if (write(k->ready_fd, "", 1) < 0)
		syslog(LOG_WARNING, "nobody waited for the mount");
	close(k->ready_fd);
	k->ready_fd = -1;
}

static int keeper_loop(struct keeper *k)
{
	siginfo_t si;
	pid_t pid;
	int status;

	for (;;) {
		if (sigwaitinfo(&k->signals, &si) < 0)
			continue;
		if (si.si_signo == SIGUSR1) {
			keeper_ready(k);
			continue;
		}
		if (si.si_signo == SIGUSR2) {
			/* Or an earlier worker's watcher was late. */
			status = k->worker && (k->worker == si.si_int ||
					       is_zombie(k->worker))
					 ? keeper_main_thread_died(k)
					 : -1;
			if (status >= 0)
				return status;
			continue;
		}
		if (si.si_signo != SIGCHLD)
			return 0; /* asked to stop */
		while ((pid = waitpid(-1, &status, WNOHANG)) > 0)
			/* Others are watchers, and workers given up. */
			if (pid == k->worker && !keeper_worker_died(k, status))
				return keeper_status(status);
	}
}

static int keeper_prepare(struct keeper *k)
{
	char why[256];
	int err;

	k->shared = mmap(NULL, sizeof(*k->shared), PROT_READ | PROT_WRITE,
			 MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (k->shared == MAP_FAILED)
		return -errno;
	k->shared->keeper = getpid();
	sigemptyset(&k->signals);
	sigaddset(&k->signals, SIGCHLD);
	sigaddset(&k->signals, SIGTERM);
	sigaddset(&k->signals, SIGINT);
	sigaddset(&k->signals, SIGHUP);
	sigaddset(&k->signals, SIGUSR1); /* a worker is ready */
	sigaddset(&k->signals, SIGUSR2); /* from a watcher */
	sigprocmask(SIG_BLOCK, &k->signals, NULL);
	/* When a worker dies, its watcher becomes our child. */
	prctl(PR_SET_CHILD_SUBREAPER, 1);
	err = store_open(&k->store, k->options->store, k->options->size,
			 k->options->limits, why, sizeof(why));
	if (err)
		say("%s", why);
	return err;
}

/* Goes to the background; the caller leaves when the mount answers. */
static void keeper_detach(struct keeper *k)
{
	int fds[2];
	char byte;
	pid_t pid;

	if (pipe2(fds, O_CLOEXEC) < 0 || (pid = fork()) < 0) {
		say("cannot go to the background: %s", strerror(errno));
		exit(1);
	}
	if (pid > 0) {
		close(fds[1]);
		/* End of file without a byte: the child has printed why. */
		exit(read(fds[0], &byte, 1) == 1 ? 0 : 1);
	}
	close(fds[0]);
	setsid();
	keeper_silence(0);
	keeper_silence(1);
	k->ready_fd = fds[1];
}

/* libfuse does not unmount a file system that umount -f has aborted. */
static void keeper_unmount(struct keeper *k)
{
	const char *dir = k->options->mountpoint;
	struct statfs sfs;

	mount_end(k->mount, dir, k->shared->device);
	fuse_session_destroy(k->mount);
	/* Another file system may be mounted there by now: do not access it, or
	 * it could not be unmounted meanwhile. */
	if (mount_was_removed(k->mount_id))
		return;
	/* Our descriptors are closed, so this does not wait for us, and it is
	 * not answered from the kernel's cache. */
	if (statfs(dir, &sfs) < 0 && errno == ENOTCONN)
		umount2(dir, MNT_DETACH | UMOUNT_NOFOLLOW);
}

/*
 * As root, give up all privileges but those that a mount needs, and say which
 * of them are not there.  Those of an ordinary user stay: fusermount3, which
 * unmounts, is a set-user-ID program.
 */
static void keeper_limit_privileges(void)
{
	const char *name, *without;
	int i = 0;

	capability_limit(CAPABILITY_ALL);
	if (geteuid() != 0)
		return;
	harden_privileges();
	while ((name = capability_missing(&i, &without)))
		say("without CAP_%s: %s", name, without);
}

int keeper_run(const struct options *options)
{
	struct keeper k = { .options = options, .ready_fd = -1 };
	int status = 1;

	harden_process();
	openlog("poolfs", LOG_PID, LOG_DAEMON);
	if (!options->foreground)
		keeper_detach(&k);
	keeper_limit_privileges();
	if (keeper_prepare(&k))
		return 1;
	/* The root directory had the mask of who mounts. */
	umask(077);
	if (keeper_mount(&k) == 0) {
		capability_use(CAPABILITY_KEEPER);
		if (keeper_start_worker(&k) == 0)
			status = keeper_loop(&k);
		capability_use(CAPABILITY_ALL);
		keeper_stop(&k);
		keeper_unmount(&k);
	}
	store_close(&k.store);
	k.shared->ended = 1;
	return status;
}
