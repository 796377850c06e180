/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The worker: rebuilds the pool from the store, then reads requests, one after
 * another, and answers them.  See worker.h for its threads.
 */
#include "fs/worker.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "fs/mount.h"
#include "fs/ops.h"
#include "fs/watcher.h"

/* A WRITE of 1 MiB and its headers. */
#define REQUEST_MAX ((1u << 20) + 8192)
/* Crashes in a row that a request is blamed for. */
#define CRASHES_MAX 3

static struct worker the_worker;

/* --- what libfuse writes and reads passes here --- */

/* The kernel pins the pages of each piece: one small piece is the cheapest. */
static ssize_t worker_write(int fd, struct iovec *iov, int count)
{
	char buf[256] __attribute__((aligned(64)));
	size_t len = 0;

	for (int i = 0; i < count; i++) {
		if (iov[i].iov_len > sizeof(buf) - len)
			return writev(fd, iov, count);
		memcpy(buf + len, iov[i].iov_base, iov[i].iov_len);
		len += iov[i].iov_len;
	}
	return write(fd, buf, len);
}

static ssize_t io_writev(int fd, struct iovec *iov, int count, void *data)
{
	struct worker *w = data;
	ssize_t len = 0;

	if (!w->init_pending)
		return worker_write(fd, iov, count);
	w->init_pending = false;
	if (w->init_swallow) {
		/* The kernel has had this answer from an earlier worker. */
		for (int i = 0; i < count; i++)
			len += iov[i].iov_len;
		return len;
	}
	wire_init_complete(iov, count, &w->features);
	return writev(fd, iov, count);
}

static ssize_t io_read(int fd, void *buf, size_t len, void *data)
{
	return read(fd, buf, len);
}

static const struct fuse_custom_io worker_io = {
	.writev = io_writev,
	.read = io_read,
};

/* --- what the pool asks of us --- */

static void pool_says_space(void *arg, struct box *box)
{
	wait_wake_box(arg, box);
}

static void pool_says_queued(void *arg, struct box *box)
{
	struct box_waits *bw = box_private(box);

	if (bw && bw->listed) {
		bw->listed = false;
		notify_listing(arg, node_of_box(box, BOX_TX));
	}
	wait_wake_box(arg, box);
}

static uint64_t pool_asks_reclaim(void *arg, uint64_t pages)
{
	struct worker *w = arg;
	uint64_t freed;

	if (!w->reclaimer)
		return 0;
	freed = reclaim_direct(w->reclaimer, pages);
	if (freed < pages) {
		/* Readers that touch holes can have filled the store. */
		box_rescan(w->pool, NULL);
		freed += reclaim_direct(w->reclaimer, pages - freed);
	}
	return freed;
}

/* Also of the files that the front end keeps in the store. */
bool worker_make_room(struct worker *w, size_t bytes)
{
	return pool_lend_limit(w->pool, bytes + sysconf(_SC_PAGESIZE)) ||
	       pool_asks_reclaim(w, bytes / sysconf(_SC_PAGESIZE) + 1);
}

void worker_trim(struct worker *w)
{
	uint64_t excess = pool_excess(w->pool);

	if (excess)
		pool_asks_reclaim(w, excess);
}

static void pool_says_suspect(void *arg, struct box *box, uid_t uid,
			      uint64_t bytes, uint32_t transactions)
{
	struct worker *w = arg;

	events_add(&w->events, "suspect",
		   json_pack("{s:o,s:i,s:I,s:i}", "box",
			     json_name(box_name(box)), "uid", (int)uid, "bytes",
			     (json_int_t)bytes, "transactions",
			     (int)transactions));
	notify_events(w);
}

static void pool_says_purged(void *arg, uint32_t node, uint32_t parent,
			     const char *name, const char *path, uint64_t pages)
{
	struct worker *w = arg;

	events_add(&w->events, "purge",
		   json_pack("{s:o,s:I}", "path", json_name(path), "pages",
			     (json_int_t)pages));
	notify_events(w);
	if (node)
		notify_file_gone(w, node, parent, name);
}

static void pool_says_range_purged(void *arg, uint32_t node, uint64_t off,
				   uint64_t len, uint64_t pages)
{
	struct worker *w = arg;
	struct statx stx = { 0 };

	tree_stat(w->pool, node, &stx);
	events_add(&w->events, "purge",
		   json_pack("{s:I,s:I,s:I,s:I}", "ino",
			     (json_int_t)stx.stx_ino, "offset", (json_int_t)off,
			     "length", (json_int_t)len, "pages",
			     (json_int_t)pages));
	notify_events(w);
	/* In passthrough mode there are no copies, but times and blocks. */
	notify_range_gone(w, node, off, len);
}

static const struct pool_ops passthrough_pool_ops = {
	.space = pool_says_space,
	.queued = pool_says_queued,
	.reclaim = pool_asks_reclaim,
	.purged = pool_says_purged,
	.range_purged = pool_says_range_purged,
	.suspect = pool_says_suspect,
};

static const struct pool_ops cached_pool_ops = {
	.space = pool_says_space,
	.queued = pool_says_queued,
	.settle = notify_settle,
	.invalidate = notify_invalidate,
	.invalidate_later = notify_invalidate_later,
	.reclaim = pool_asks_reclaim,
	.purged = pool_says_purged,
	.range_purged = pool_says_range_purged,
	.suspect = pool_says_suspect,
};

static void reclaimer_says(void *arg, const struct reclaim_event *ev)
{
	struct worker *w = arg;
	json_t *j = json_object();

	switch (ev->type) {
	case RECLAIM_PASS:
		json_object_set_new(j, "priority", json_integer(ev->priority));
		json_object_set_new(j, "freed_pages", json_integer(ev->freed));
		json_object_set_new(j, "us", json_integer(ev->ns / 1000));
		__attribute__((fallthrough));
	case RECLAIM_BEGIN:
		json_object_set_new(j, "why",
				    json_string(reclaim_why_name(ev->why)));
		__attribute__((fallthrough));
	case RECLAIM_END:
		json_object_set_new(j, "available",
				    json_integer(ev->available));
		break;
	case RECLAIM_SOURCE_LOST:
	case RECLAIM_SOURCE_ARMED:
		json_object_set_new(j, "path", json_name(ev->path));
		if (ev->err)
			json_object_set_new(
				j, "error",
				json_string(psi_source_strerror(ev->err)));
		break;
	}
	events_add(&w->events, reclaim_event_name(ev->type), j);
	notify_events(w);
	/*
	 * Not when it begins: regions that are being looked at are skipped, and
	 * the passes would grow too urgent.
	 */
	if (ev->type == RECLAIM_END || (ev->type == RECLAIM_PASS && !ev->freed))
		notify_pressure(w);
}

/* --- requests --- */

/* A request that has killed one worker after another is not tried again. */
static bool worker_refuses(struct worker *w, const void *buf)
{
	struct wire_request *r = &w->request;

	if (!r->resent || r->op == WIRE_UNANSWERED ||
	    w->shared->crashes < CRASHES_MAX || w->shared->blamed != r->unique)
		return false;
	wire_reply_error(w->fuse_fd, r->raw_unique, -EIO);
	return true;
}

void worker_handle_locked(struct worker *w, void *buf, size_t len)
{
	struct fuse_buf fbuf = { .mem = buf, .size = len };

	if (!wire_parse(buf, len, &w->request) || worker_refuses(w, buf) ||
	    (w->mode == MODE_CACHED && wait_defer(w, buf, len)))
		return;
	w->requests++;
	/* An INTERRUPT or FORGET changes nothing that a token could name. */
	if (w->request.op != WIRE_UNANSWERED)
		pool_set_token(w->pool, w->request.unique);
	w->shared->handling = w->request.unique;
	if (w->request.op == WIRE_TMPFILE)
		wire_as_create(buf);
	if (w->request.op == WIRE_STATX)
		op_statx(w);
	else if (w->request.op != WIRE_WRITE ||
		 node_kind(w->request.node) != NODE_BOX + BOX_SEND ||
		 !send_write_fast(w, buf, len))
		fuse_session_process_buf(w->se, &fbuf);
	wait_run(w);
	w->shared->handling = 0;
}

static ssize_t worker_read(struct worker *w, void *buf)
{
	ssize_t n;

	do
		n = read(w->fuse_fd, buf, REQUEST_MAX);
	while (n < 0 && (errno == EINTR || errno == EAGAIN || errno == ENOENT));
	return n < 0 ? -errno : n;
}

/*
 * On a huge page if there is one: the kernel pins it piece by piece.  It is
 * touched beforehand: a worker that is killed while the kernel copies a request
 * gets no page any more, and the request would fail with EIO.
 */
void *worker_buffer_get(struct worker *w)
{
	volatile char *buf = w->spare_buffer;

	w->spare_buffer = NULL;
	if (buf)
		return (void *)buf;
	buf = aligned_alloc(REQUEST_BUFFER, REQUEST_BUFFER);
	if (!buf)
		return NULL;
	madvise((void *)buf, REQUEST_BUFFER, MADV_HUGEPAGE);
	for (size_t at = 0; at < REQUEST_BUFFER; at += 4096)
		buf[at] = 0;
	return (void *)buf;
}

void worker_buffer_put(struct worker *w, void *buffer)
{
	free(w->spare_buffer);
	w->spare_buffer = buffer;
}

/* Reads one request into memory of its own.  Return: 0, -EAGAIN: none is there.
 */
static int worker_read_raw(struct worker *w, struct raw_request **out)
{
	struct raw_request *raw;
	ssize_t n;

	do
		n = read(w->fuse_fd, w->buffer, REQUEST_MAX);
	while (n < 0 && (errno == EINTR || errno == ENOENT));
	if (n < 0)
		return -errno;
	raw = malloc(sizeof(*raw) + n);
	if (!raw)
		return -ENOMEM;
	raw->len = n;
	memcpy(raw->bytes, w->buffer, n);
	*out = raw;
	return 0;
}

/*
 * What earlier workers left unanswered comes again in no order, and only the
 * last thing that was carried out is known to have been: it must be answered
 * before another is carried out.  So all are read, and that one goes first.
 */
static int worker_read_resent(struct worker *w, struct raw_queue *all)
{
	struct wire_request r = { .resent = true };
	struct raw_request *raw = NULL;
	int err = 0;

	while (!err && (r.resent || r.op == WIRE_UNANSWERED)) {
		err = worker_read_raw(w, &raw);
		if (err)
			break;
		if (wire_parse(raw->bytes, raw->len, &r) && r.resent &&
		    pool_replays(w->pool, r.unique))
			TAILQ_INSERT_HEAD(all, raw, link);
		else
			TAILQ_INSERT_TAIL(all, raw, link);
	}
	return err == -EAGAIN ? 0 : err;
}

/* Return: 0, or -errno: then another worker must try. */
static int worker_handle_resent(struct worker *w)
{
	struct raw_queue all = TAILQ_HEAD_INITIALIZER(all);
	struct raw_request *raw;
	int err;

	pool_lock(w->pool);
	/* Where their end is: nothing more can be read at once. */
	err = fcntl(w->fuse_fd, F_SETFL, O_RDWR | O_NONBLOCK) < 0 ? -errno : 0;
	if (!err)
		err = worker_read_resent(w, &all);
	if (fcntl(w->fuse_fd, F_SETFL, O_RDWR) < 0)
		err = -errno;
	while (!err && (raw = TAILQ_FIRST(&all))) {
		TAILQ_REMOVE(&all, raw, link);
		worker_handle_locked(w, raw->bytes, raw->len);
		free(raw);
	}
	pool_unlock(w->pool);
	return err;
}

static int worker_loop(struct worker *w)
{
	ssize_t n = -ENOMEM;

	w->buffer = worker_buffer_get(w);
	if (w->buffer)
		n = w->init_swallow ? worker_handle_resent(w) : 0;
	while (n >= 0 && (n = worker_read(w, w->buffer)) > 0) {
		pool_lock(w->pool);
		worker_handle_locked(w, w->buffer, n);
		pool_unlock(w->pool);
	}
	free(w->buffer);
	return n == -ENODEV ? WORKER_UNMOUNTED : WORKER_FAILED;
}

/* --- start --- */

static int worker_fail(struct worker *w, const char *what, int err)
{
	if (!w->shared->why[0])
		snprintf(w->shared->why, sizeof(w->shared->why), "%s: %s", what,
			 strerror(-err));
	return WORKER_FAILED;
}

static void worker_choose_features(struct worker *w)
{
	wire_init_offers(w->shared->init, w->shared->init_len, &w->features);
	/* Only who may administer the machine may register files. */
	if (w->options->mode == MODE_CACHED || geteuid() != 0)
		w->features.passthrough = false;
}

/* The first worker waits for INIT, later ones have it from their keeper. */
static int worker_init_session(struct worker *w)
{
	struct mount_shared *sh = w->shared;
	struct fuse_buf fbuf;
	char *buf;
	ssize_t n;

	w->init_swallow = sh->init_answered;
	if (!sh->init_answered) {
		buf = aligned_alloc(4096, REQUEST_MAX);
		if (!buf)
			return -ENOMEM;
		n = worker_read(w, buf);
		if (n > 0 && n <= INIT_MAX) {
			memcpy(sh->init, buf, n);
			sh->init_len = n;
		}
		free(buf);
		if (n < 0)
			return n;
		if (n > INIT_MAX)
			return -EPROTO;
	}
	worker_choose_features(w);
	w->init_pending = true;
	fbuf = (struct fuse_buf){ .mem = sh->init, .size = sh->init_len };
	fuse_session_process_buf(w->se, &fbuf);
	if (w->init_pending)
		return -EPROTO;
	sh->can_resend = w->features.resend;
	sh->init_answered = 1;
	return 0;
}

/* One capability of this thread's, on or off. */
static void worker_capability(int cap, bool on, bool for_ever)
{
	struct __user_cap_header_struct h = {
		.version = _LINUX_CAPABILITY_VERSION_3
	};
	struct __user_cap_data_struct d[2];
	uint32_t bit = 1u << cap % 32;

	if (syscall(SYS_capget, &h, d) < 0)
		return;
	if (on)
		d[cap / 32].effective |= bit & d[cap / 32].permitted;
	else
		d[cap / 32].effective &= ~bit;
	if (for_ever)
		d[cap / 32].permitted &= ~bit;
	syscall(SYS_capset, &h, d);
}

/*
 * What the kernel writes to the store, it writes as who registered the file.
 * Without this capability set-ID bits go with a write, as they should.
 */
int worker_backing_open(struct worker *w, int fd)
{
	int id;

	worker_capability(CAP_FSETID, false, false);
	id = wire_backing_open(w->fuse_fd, fd);
	worker_capability(CAP_FSETID, true, false);
	if (id > 0)
		w->shared->last_backing = id;
	return id;
}

/* Ids are given out in order: the one after the last that was written down is
 * of a worker that was killed before it could. */
static void worker_close_lost_backing(struct worker *w)
{
	wire_backing_close(w->fuse_fd, w->shared->last_backing + 1);
}

/*
 * The kernel opens the store's files in our name: with this capability writers
 * would pass the limits of their users.  The reclaimer keeps it.
 */
static void worker_drop_sys_resource(void)
{
	worker_capability(CAP_SYS_RESOURCE, false, true);
}

/* Does the kernel let us register a file of the store? */
static int worker_probe_passthrough(struct worker *w)
{
	int fd, id;

	if (!w->features.passthrough)
		return -EOPNOTSUPP;
	fd = openat(w->store->dirfd, "probe", O_RDWR | O_CREAT | O_CLOEXEC,
		    0600);
	if (fd < 0)
		return -errno;
	id = worker_backing_open(w, fd);
	close(fd);
	unlinkat(w->store->dirfd, "probe", 0);
	if (id > 0)
		wire_backing_close(w->fuse_fd, id);
	return id > 0 ? 0 : id;
}

static int worker_choose_mode(struct worker *w)
{
	int err;

	if (w->shared->mode) {
		w->mode = w->shared->mode;
		return 0;
	}
	err = worker_probe_passthrough(w);
	if (err && w->options->mode == MODE_PASSTHROUGH) {
		snprintf(w->shared->why, sizeof(w->shared->why),
			 "--mode=passthrough: %s; it takes Linux 6.9 and "
			 "CAP_SYS_ADMIN; leave the option out to get what "
			 "there is",
			 strerror(-err));
		return err;
	}
	w->mode = err ? MODE_CACHED : MODE_PASSTHROUGH;
	w->shared->mode = w->mode;
	return 0;
}

static int worker_open_pool(struct worker *w)
{
	bool cached = w->mode == MODE_CACHED;
	struct pool_options opts = {
		.store = w->store,
		.size = w->options->size,
		.nr_nodes = shrinker_nr_nodes(),
		.leases = !cached,
		.fresh = w->shared->restarts == 0,
		.ops = cached ? &cached_pool_ops : &passthrough_pool_ops,
		.arg = w,
	};
	int err = events_open(&w->events, w->store->dirfd);

	return err ? err : pool_open(&opts, &w->pool);
}

/* As tmpfs's options of these names. */
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
		tree_setattr(w->pool, TREE_ROOT, &a);
}

static int worker_start_reclaimer(struct worker *w)
{
	struct reclaim_options opts = {
		.tuning.min_free = w->options->min_free,
		.psi_paths = w->options->psi,
		.nr_psi_paths = w->options->nr_psi,
		.event = reclaimer_says,
		.arg = w,
	};

	w->reclaimer = reclaimer_start(&opts);
	return w->reclaimer ? 0 : -errno;
}

/* Whether the kernel has listings, only earlier workers knew. */
static void worker_forget_listings(struct worker *w)
{
	struct box *box = NULL;

	notify_listing(w, node_number(NODE_FIXED, FIXED_SHRINKERS));
	while ((box = box_next(w->pool, box ? box_serial(box) : 0)))
		notify_listing(w, node_of_box(box, BOX_TX));
}

/* Pollers of before are known by their handles only. */
static void worker_adopt_pollers(struct worker *w)
{
	struct box *box = NULL;

	while ((box = box_next(w->pool, box ? box_serial(box) : 0))) {
		struct box_waits *bw;

		if (!handle_next_polling(w->pool, box, 0))
			continue;
		bw = box_waits(box);
		if (bw)
			bw->polled = true;
		wait_wake_box(w, box);
	}
	w->waiters.events_polled = true;
	wait_run(w);
}

/* --- the end --- */

static bool worker_must_end(const struct worker *w)
{
	return w->shared->stopping || getppid() != w->shared->keeper;
}

static void *signal_thread(void *arg)
{
	struct worker *w = arg;
	sigset_t set;
	int sig;

	sigemptyset(&set);
	sigaddset(&set, SIGTERM);
	sigwait(&set, &sig);
	/* Whoever stops both of us at once may have come here first. */
	for (int i = 0; i < 20 && !worker_must_end(w); i++)
		usleep(10000);
	/* Just this worker: the next one goes on, and no client notices. */
	if (!worker_must_end(w))
		_exit(WORKER_STOPPED);
	pool_lock(w->pool);
	wait_give_up_all(w, ESHUTDOWN);
	if (getppid() != w->shared->keeper) {
		/* The keeper is gone: nobody else cleans up. */
		mount_end(w->mount, w->options->mountpoint, w->shared->device);
		store_close(w->store);
	}
	/* What comes now gets its error from the kernel. */
	_exit(WORKER_STOPPED);
	return NULL;
}

static int worker_start_threads(struct worker *w)
{
	pthread_t thread;
	int err;

	pthread_mutex_init(&w->notify_lock, NULL);
	pthread_cond_init(&w->notify_cond, NULL);
	TAILQ_INIT(&w->jobs);
	err = notify_start(w);
	if (err)
		return err;
	err = -pthread_create(&thread, NULL, signal_thread, w);
	if (!err)
		pthread_detach(thread);
	return err;
}

/* Boxes want a descriptor each while they are in use. */
static void worker_raise_limits(void)
{
	struct rlimit rl;

	if (getrlimit(RLIMIT_NOFILE, &rl) == 0) {
		rl.rlim_cur = rl.rlim_max;
		setrlimit(RLIMIT_NOFILE, &rl);
	}
}

static struct fuse_session *worker_session(struct worker *w)
{
	struct fuse_args args = FUSE_ARGS_INIT(0, NULL);
	struct fuse_session *se = NULL;

	if (fuse_opt_add_arg(&args, "poolfs") == 0 &&
	    (!w->options->debug || fuse_opt_add_arg(&args, "-d") == 0))
		se = fuse_session_new(&args, &worker_ops, sizeof(worker_ops),
				      w);
	fuse_opt_free_args(&args);
	if (se && fuse_session_custom_io(se, &worker_io, w->fuse_fd)) {
		fuse_session_destroy(se);
		se = NULL;
	}
	return se;
}

/* Whoever started us may be waiting for the end of our output. */
static void worker_leave_terminal(void)
{
	int null = open("/dev/null", O_RDWR | O_CLOEXEC);

	if (null >= 0) {
		dup2(null, 2);
		close(null);
	}
}

static void worker_say_started(struct worker *w)
{
	events_add(&w->events, w->shared->restarts ? "restart" : "mount",
		   json_pack("{s:s,s:i,s:i}", "mode", mode_name(w->mode),
			     "worker", (int)getpid(), "restarts",
			     (int)w->shared->restarts));
}

int worker_run(const struct options *options, struct mount_shared *shared,
	       struct store *store, struct fuse_session *mount)
{
	struct worker *w = &the_worker;
	int err, status;

	w->options = options;
	w->shared = shared;
	w->store = store;
	w->mount = mount;
	w->fuse_fd = fuse_session_fd(mount);
	waiters_init(w);
	clock_gettime(CLOCK_REALTIME, &w->started);
	signal(SIGPIPE, SIG_IGN);
	prctl(PR_SET_PDEATHSIG, SIGTERM);
	if (getppid() != shared->keeper)
		kill(getpid(), SIGTERM); /* it died before that */
	worker_raise_limits();
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
	err = worker_open_pool(w);
	if (err)
		return worker_fail(w, "cannot open the pool in its store", err);
	err = watcher_start(shared->keeper);
	if (!err)
		err = worker_start_threads(w);
	if (!err)
		err = worker_start_reclaimer(w);
	if (err)
		return worker_fail(w, "cannot start a thread", err);
	worker_drop_sys_resource();
	pool_lock(w->pool);
	if (shared->restarts && w->mode == MODE_PASSTHROUGH)
		worker_close_lost_backing(w);
	if (!shared->restarts)
		worker_set_root(w);
	config_load(w);
	worker_say_started(w);
	if (w->mode == MODE_CACHED && shared->restarts)
		err = notify_forget(w);
	if (shared->restarts)
		worker_forget_listings(w);
	pool_resettle(w->pool);
	worker_adopt_pollers(w);
	/* Other doors than those that earlier workers have opened. */
	w->last_door = shared->restarts << 12;
	pool_unlock(w->pool);
	if (err)
		return worker_fail(w, "cannot drop what is cached", err);
	if (w->init_swallow)
		wire_notify_resend(w->fuse_fd);
	if (!options->foreground)
		worker_leave_terminal();
	kill(shared->keeper, SIGUSR1);
	status = worker_loop(w);
	reclaimer_stop(w->reclaimer);
	return status;
}
