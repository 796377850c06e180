/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What the pool and the reclaimer tell the worker: space and transactions that
 * requests wait for, what was purged, what the reclaimer does.
 */
#include "fs/worker/worker_priv.h"

#include <errno.h>
#include <string.h>
#include <sys/mount.h>
#include <unistd.h>

#include "fs/kind/box.h"
#include "fs/request/backing.h"
#include "fs/request/memory.h"
#include "fs/worker/calls.h"
#include "pool/store/store.h"
#include "pool/tree/tree.h"
#include "shrinker/reclaim.h"
#include "shrinker/shrinker.h"

/* --- the pool: see struct pool_ops; lock 1 is held, but in on_reclaimed() and in
 * on_call_...() --- */

static void on_space(void *arg, struct box *box)
{
	wait_wake_box(worker_of(arg), box);
}

static int on_moves(void *arg)
{
	return mover_start(worker_of(arg));
}

static void on_queued(void *arg, struct box *box)
{
	struct worker *w = worker_of(arg);

	box_tx_changed(w, box);
	wait_wake_box(w, box);
}

/*
 * Without memory for the job a reader of a mapping may see old bytes of this
 * box: the lesser evil, against a transaction that never arrives.
 */
static void on_copies_stale(void *arg, struct box *box, uint32_t slot,
			    uint64_t off, uint64_t len)
{
	struct worker *w = worker_of(arg);

	if (notify_box_blocking(w, box, slot, off, len))
		tx_invalidated(w->pool, slot);
}

/* Called by the reclaimer's thread, which may wait for the kernel. */
static void on_reclaimed(void *arg, uint64_t serial, uint64_t off, uint64_t len)
{
	notify_box_wait(worker_of(arg), serial, off, len);
}

/* Called by a thread that must not wait for it. */
static void on_reclaimed_locked(void *arg, uint64_t serial, uint64_t off,
				uint64_t len)
{
	notify_box(worker_of(arg), serial, off, len);
}

static uint64_t on_short(void *arg, uint64_t pages)
{
	return memory_reclaim(worker_of(arg), pages);
}

static int on_grow(void *arg, uint64_t bytes, bool own)
{
	return memory_grow(worker_of(arg), bytes, own);
}

static void on_suspect(void *arg, struct box *box, uid_t uid, uint64_t bytes,
		       uint32_t transactions)
{
	struct worker *w = worker_of(arg);

	events_add(&w->events, "suspect",
		   json_pack("{s:o,s:i,s:I,s:i}", "box",
			     json_name(box_name(box)), "uid", (int)uid, "bytes",
			     (json_int_t)bytes, "transactions",
			     (int)transactions));
	notify_events(w);
}

static void on_purged(void *arg, const struct purged_file *file)
{
	struct worker *w = worker_of(arg);

	events_add_path(&w->events, "purge",
			json_pack("{s:I}", "pages", (json_int_t)file->pages),
			file->path, file->uid);
	notify_events(w);
	notify_file_purged(w, file->inode, file->parent, file->name,
			   file->more);
}

/* Also in passthrough mode: there are no copies, but times and blocks. */
static void on_range_purged(void *arg, uint32_t ino, uint64_t off, uint64_t len,
			    uint64_t pages)
{
	struct worker *w = worker_of(arg);
	struct statx stx = { 0 };

	inode_stat(w->pool, ino, &stx);
	events_add(&w->events, "purge",
		   json_pack("{s:I,s:I,s:I,s:I}", "ino",
			     (json_int_t)inode_shown_plain(stx.stx_ino),
			     "offset", (json_int_t)off, "length",
			     (json_int_t)len, "pages", (json_int_t)pages));
	notify_events(w);
	wait_wake_pins(w);
	notify_range_purged(w, ino, off, len);
}

static void on_call_begins(void *arg)
{
	calls_begin(worker_of(arg));
}

static void on_call_ends(void *arg)
{
	calls_end();
}

static void on_range_cut(void *arg, uint32_t ino, uint64_t off)
{
	notify_range_cut(worker_of(arg), ino, off);
}

static int on_open(void *arg, int fd)
{
	return backing_open(worker_of(arg), fd);
}

static void on_last_close(void *arg, int id)
{
	backing_close(worker_of(arg), id);
}

static const struct pool_ops passthrough_pool_ops = {
	.space = on_space,
	.moves = on_moves,
	.queued = on_queued,
	.reclaim = on_short,
	.grow = on_grow,
	.purged = on_purged,
	.range_purged = on_range_purged,
	.call_begins = on_call_begins,
	.call_ends = on_call_ends,
	.backing_open = on_open,
	.backing_close = on_last_close,
	.suspect = on_suspect,
};

static const struct pool_ops cached_pool_ops = {
	.space = on_space,
	.moves = on_moves,
	.queued = on_queued,
	.copies_stale = on_copies_stale,
	.invalidate = on_reclaimed,
	.invalidate_later = on_reclaimed_locked,
	.reclaim = on_short,
	.grow = on_grow,
	.purged = on_purged,
	.range_purged = on_range_purged,
	.range_cut = on_range_cut,
	.suspect = on_suspect,
};

/* --- the reclaimer; no lock is held --- */

static void on_reclaim_event(void *arg, const struct reclaim_event *ev)
{
	struct worker *w = worker_of(arg);
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

int worker_open_pool(struct worker *w)
{
	bool cached = w->mode == MODE_CACHED, in_dir = !w->store->detached;
	unsigned long flags = w->options->flags.on;
	struct pool_options opts = {
		.store = w->store,
		.size = w->shared->size,
		.owner = getuid(),
		.nr_nodes = shrinker_nr_nodes(),
		.leases = !cached,
		/* Nobody else can have files in a pool that others cannot use. */
		.count_files = cached && options_shared(w->options),
		.count_names = options_shared(w->options) &&
			       w->store->detached && w->store->inodes,
		.noatime = in_dir && flags & (MS_NOATIME | MS_RDONLY),
		.nodiratime = in_dir && flags & MS_NODIRATIME,
		.fresh = !w->shared->opened,
		.ops = cached ? &cached_pool_ops : &passthrough_pool_ops,
		.arg = w,
	};
	int err;

	/* The store is the keeper's, which does not hear of changes. */
	w->store->inodes = w->shared->inodes;
	w->store->inodes_exact = w->shared->inodes_exact;
	err = events_open(&w->events, w->store->dirfd, getuid(),
			  w->shared->restarts == 0);

	if (!err)
		err = pool_open(&opts, &w->pool);
	if (!err && w->options->user_quota)
		pool_config(w->pool)->user_quota = w->options->user_quota;
	if (!err)
		w->shared->opened = 1;
	return err;
}

int worker_make_reclaimer(struct worker *w)
{
	struct reclaim_options opts = {
		.tuning.min_free = w->options->min_free,
		.psi_paths = w->options->psi,
		.nr_psi_paths = w->options->nr_psi,
		.event = on_reclaim_event,
		.arg = w,
	};
	int err = memwatch_init(&w->memory, NULL, NULL);

	if (err)
		return err;
	headroom_init(&w->headroom, w->memory.cg);
	w->reclaimer = reclaimer_new(&opts);
	return w->reclaimer ? 0 : -errno;
}
