/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The worker: how it starts, and how it ends at SIGTERM.  See worker.h for its
 * threads.
 */
#include "fs/worker/worker_priv.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "fs/kernel/capability.h"
#include "fs/kernel/filter.h"
#include "fs/kernel/harden.h"
#include "fs/kernel/say.h"
#include "fs/kind/config.h"
#include "fs/request/backing.h"
#include "fs/request/buffer.h"
#include "fs/request/forget.h"
#include "fs/worker/watcher.h"
#include "pool/store/store.h"
#include "pool/tree/tree.h"
#include "shrinker/reclaim.h"

static struct worker the_worker;

/* --- the end --- */

static bool worker_must_end(const struct worker *w)
{
	return w->shared->stopping || getppid() != w->shared->keeper;
}

static void *signal_thread(void *arg)
{
	struct worker *w = worker_of(arg);
	sigset_t set;
	int sig;

	sigemptyset(&set);
	sigaddset(&set, SIGTERM);
	sigwait(&set, &sig);
	/* When both processes are stopped at once, the signal may come here
	 * before the keeper has set the flag. */
	for (int i = 0; i < 20 && !worker_must_end(w); i++)
		usleep(10000);
	/* Only this worker is to end: the next one goes on. */
	if (!worker_must_end(w))
		_exit(WORKER_STOPPED);
	pool_lock(w->pool);
	wait_give_up_all(w, ESHUTDOWN);
	/* The kernel fails requests that come from now on.  Where the keeper has
	 * died, the watcher ends the mount. */
	_exit(WORKER_STOPPED);
	return NULL;
}

/* --- start --- */

static int worker_fail(struct worker *w, const char *what, int err)
{
	if (!w->shared->why[0])
		snprintf(w->shared->why, sizeof(w->shared->why), "%s: %s", what,
			 strerror(-err));
	return WORKER_FAILED;
}

/* mode=, uid= and gid=, as tmpfs has them. */
static void worker_set_root(struct worker *w)
{
	const struct options *o = w->options;
	struct tree_attr a = { .mode = o->root_mode,
			       .uid = o->root_uid,
			       .gid = o->root_gid };

	a.set = (o->root_mode >= 0 ? TREE_SET_MODE : 0) |
		(o->root_uid >= 0 ? TREE_SET_UID : 0) |
		(o->root_gid >= 0 ? TREE_SET_GID : 0);
	if (a.set)
		tree_setattr(w->pool, INODE_ROOT, &a);
}

static int worker_start_threads(struct worker *w)
{
	pthread_t thread;
	int err;

	notify_init(w);
	err = notifier_start(w);
	if (err)
		return err;
	err = -pthread_create(&thread, NULL, signal_thread, w);
	if (!err)
		pthread_detach(thread);
	return err;
}

/* What is in use needs descriptors: see pool/lib/fd_cache.h. */
static void worker_raise_limits(void)
{
	struct rlimit rl;

	if (getrlimit(RLIMIT_NOFILE, &rl) == 0) {
		rl.rlim_cur = rl.rlim_max;
		setrlimit(RLIMIT_NOFILE, &rl);
	}
}

/* A caller of poolfs may be waiting for the end of its output. */
static void worker_leave_terminal(void)
{
	int null = open("/dev/null", O_RDWR | O_CLOEXEC);

	if (null >= 0) {
		dup2(null, 2);
		close(null);
	}
}

static void worker_report_start(struct worker *w)
{
	events_add(&w->events, w->shared->restarts ? "restart" : "mount",
		   json_pack("{s:s,s:i,s:i}", "mode", mode_name(w->mode),
			     "worker", (int)getpid(), "restarts",
			     (int)w->shared->restarts));
}

/* Signals and limits of the process, before it has threads. */
static void worker_prepare(struct worker *w)
{
	capability_limit(CAPABILITY_WORKER);
	signal(SIGPIPE, SIG_IGN);
	worker_raise_limits();
}

/* Return: -1: go on, else enum worker_status. */
static int worker_connect(struct worker *w)
{
	int err;

	w->se = worker_session(w);
	if (!w->se)
		return worker_fail(w, "cannot make a FUSE session", -ENOMEM);
	err = worker_init_session(w);
	if (err == -ENODEV)
		return WORKER_UNMOUNTED;
	if (!err)
		err = worker_choose_mode(w);
	if (err)
		return worker_fail(w, "cannot agree with the kernel", err);
	return -1;
}

/* May there be a socket among what the reclaimer watches? */
static bool worker_watches_socket(const struct options *o)
{
	const char *given = secure_getenv("MEMORY_PRESSURE_WATCH");
	struct stat st;

	for (int i = -1; i < o->nr_psi; i++) {
		const char *path = i < 0 ? given : o->psi[i];

		if (path && (stat(path, &st) < 0 || S_ISSOCK(st.st_mode)))
			return true;
	}
	return false;
}

/* What the worker has done until now was its own; the rest is for clients. */
static void worker_confine(struct worker *w)
{
	const struct filter_options filter = {
		.keeper = w->shared->keeper,
		.sockets = worker_watches_socket(w->options),
		.log = w->options->debug,
	};
	int err;

	harden_privileges();
	err = filter_install(&filter);
	if (err)
		say("%s: cannot limit the worker's system calls: %s; going on "
		    "without that",
		    w->options->mountpoint, strerror(-err));
}

/* Return: as worker_connect(). */
static int worker_start(struct worker *w)
{
	int triggers[PSI_SET_POLLFDS];
	int err = worker_open_pool(w);

	if (err)
		return worker_fail(w, "cannot open the pool in its store", err);
	err = worker_make_reclaimer(w);
	if (!err)
		err = watcher_start(w, triggers,
				    reclaimer_triggers(w->reclaimer, triggers));
	if (!err) {
		/* That is for the watcher. */
		if (w->store->mountfd >= 0)
			close(w->store->mountfd);
		w->store->mountfd = -1;
		worker_confine(w);
		err = worker_start_threads(w);
	}
	if (!err)
		err = reclaimer_start(w->reclaimer);
	if (err)
		return worker_fail(w, "cannot start a thread", err);
	worker_drop_sys_resource();
	return -1;
}

/*
 * Adopts what earlier workers have left; the first worker sets up the root
 * instead.
 * Return: as worker_connect().
 */
static int worker_take_over(struct worker *w)
{
	bool restarted = w->shared->restarts;
	int err = 0;

	pool_lock(w->pool);
	if (restarted)
		forget_resume(w);
	if (restarted && w->mode == MODE_PASSTHROUGH)
		backing_close_unrecorded(w);
	if (!restarted)
		worker_set_root(w);
	config_load(w);
	worker_report_start(w);
	if (restarted && w->mode == MODE_CACHED)
		err = worker_forget_copies(w);
	if (restarted)
		worker_forget_purged(w);
	tx_invalidate_again(w->pool);
	worker_adopt_pollers(w);
	/* Other aliases than earlier workers have given out. */
	w->last_alias = w->shared->restarts << 12;
	pool_unlock(w->pool);
	if (err)
		return worker_fail(w, "cannot drop what is cached", err);
	return -1;
}

int worker_run(const struct options *options, struct mount_shared *shared,
	       struct store *store, struct fuse_session *mount)
{
	struct worker *w = &the_worker;
	int status;

	w->magic = WORKER_MAGIC;
	w->options = options;
	w->shared = shared;
	w->store = store;
	w->mount = mount;
	w->fuse_fd = fuse_session_fd(mount);
	w->buffer = shared->buffer;
	buffer_touch(w->buffer);
	waiters_init(w);
	clock_gettime(CLOCK_REALTIME, &w->started);
	worker_prepare(w);
	status = worker_connect(w);
	if (status < 0)
		status = worker_start(w);
	if (status < 0)
		status = worker_take_over(w);
	if (status >= 0)
		return status;
	if (w->init_swallow)
		wire_notify_resend(w->fuse_fd);
	if (!options->foreground)
		worker_leave_terminal();
	kill(shared->keeper, SIGUSR1);
	status = worker_loop(w);
	reclaimer_stop(w->reclaimer);
	headroom_release(&w->headroom);
	memwatch_release(&w->memory);
	return status;
}
