/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What the pool and the reclaimer tell the worker: space and transactions that
 * somebody waits for, what was purged.
 *
 * Locks: 1 is held when the pool calls, none when the reclaimer does.
 */
#include "fs/worker/worker_priv.h"

#include <errno.h>

#include "fs/ops/ops.h"

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
			     const char *name, const char *path, uint64_t pages,
			     bool more)
{
	struct worker *w = arg;

	events_add(&w->events, "purge",
		   json_pack("{s:o,s:I}", "path", json_name(path), "pages",
			     (json_int_t)pages));
	notify_events(w);
	notify_file_gone(w, node, parent, name, more);
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

static void pool_says_range_cut(void *arg, uint32_t node, uint64_t off)
{
	notify_range_cut(arg, node, off);
}

static const struct pool_ops passthrough_pool_ops = {
	.space = pool_says_space,
	.queued = pool_says_queued,
	.reclaim = worker_reclaim,
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
	.reclaim = worker_reclaim,
	.purged = pool_says_purged,
	.range_purged = pool_says_range_purged,
	.range_cut = pool_says_range_cut,
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

int worker_open_pool(struct worker *w)
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

int worker_start_reclaimer(struct worker *w)
{
	struct reclaim_options opts = {
		.tuning.min_free = w->options->min_free,
		.psi_paths = w->options->psi,
		.nr_psi_paths = w->options->nr_psi,
		.event = reclaimer_says,
		.arg = w,
	};
	int err = memwatch_init(&w->memory, NULL, NULL);

	if (err)
		return err;
	w->reclaimer = reclaimer_start(&opts);
	return w->reclaimer ? 0 : -errno;
}
