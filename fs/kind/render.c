/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The text of stats, pressure, a box's stat and a shrinker's count: JSON, but
 * for the last.  metrics.c has that of metrics.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "fs/kind/metrics.h"
#include "fs/kind/text.h"
#include "fs/request/memory.h"
#include "pool/store/store.h"
#include "pool/tree/tree.h"
#include "shrinker/reclaim.h"
#include "shrinker/shrinker.h"

static uint64_t page_size(void)
{
	return sysconf(_SC_PAGESIZE);
}

static char *render_json(json_t *j)
{
	char *text = json_dumps(j, JSON_INDENT(2) | JSON_REAL_PRECISION(6));
	char *line = NULL;

	json_decref(j);
	if (text && asprintf(&line, "%s\n", text) < 0)
		line = NULL;
	free(text);
	return line;
}

/* --- stats --- */

static json_t *stats_pages(const struct pool_stat *ps)
{
	return json_pack("{s:I,s:I,s:I}", "used", (json_int_t)ps->pages.used,
			 "available", (json_int_t)ps->pages.available,
			 "extents", (json_int_t)ps->pages.extents);
}

static json_t *stats_bytes(const struct pool_stat *ps)
{
	uint64_t page = page_size();

	return json_pack("{s:I,s:I}", "used",
			 (json_int_t)(ps->pages.used * page), "available",
			 (json_int_t)(ps->pages.available * page));
}

/* Who keeps a user from having more in plain files than its share. */
static const char *stats_files_counted_by(struct worker *w)
{
	if (w->mode == MODE_CACHED && options_shared(w->options))
		return "worker";
	return w->store->counts_users ? "tmpfs" : "nobody";
}

static json_t *stats_store(struct worker *w)
{
	uint64_t size = w->shared->size, limit, left;
	struct pool_space s;
	json_t *j;

	pool_space(w->pool, &s);
	left = memory_left(w, &limit);
	if (left < size && s.content + left < size)
		size = s.content + left;
	j = json_pack("{s:I,s:I,s:I,s:I,s:s}", "content", (json_int_t)s.content,
		      "limit", (json_int_t)s.limit, "records",
		      (json_int_t)s.records, "effective_size", (json_int_t)size,
		      "files_counted_by", stats_files_counted_by(w));
	if (limit != HEADROOM_NONE)
		json_object_set_new(j, "memory_limit",
				    json_integer((json_int_t)limit));
	return j;
}

static json_t *stats_moved(const struct pool_stat *ps)
{
	return json_pack("{s:I,s:I,s:I,s:I}", "reused",
			 (json_int_t)ps->pages.reused, "populated",
			 (json_int_t)ps->pages.populated, "dropped",
			 (json_int_t)ps->pages.dropped, "metadata_bytes",
			 (json_int_t)ps->pages.metadata);
}

static json_t *stats_counters(const struct boxes_stat *bs)
{
	return json_pack("{s:I,s:I,s:I,s:I,s:I}", "sent", (json_int_t)bs->sent,
			 "sent_bytes", (json_int_t)bs->sent_bytes, "delivered",
			 (json_int_t)bs->delivered, "freed",
			 (json_int_t)bs->freed, "dropped",
			 (json_int_t)bs->dropped);
}

static json_t *stats_tree(struct worker *w)
{
	struct inode_usage tree;

	inode_usage(w->pool, &tree);
	return json_pack("{s:I,s:I,s:I,s:I}", "inodes", (json_int_t)tree.inodes,
			 "records", (json_int_t)tree.records, "bytes",
			 (json_int_t)tree.bytes, "open", (json_int_t)tree.open);
}

static json_t *stats_volatile(struct worker *w)
{
	struct volatile_stat vs;

	volatile_stat(w->pool, &vs);
	return json_pack("{s:I,s:I,s:I,s:I,s:I,s:I}", "files",
			 (json_int_t)vs.files, "available",
			 (json_int_t)vs.available, "purged_files",
			 (json_int_t)vs.purged_files, "purged_pages",
			 (json_int_t)vs.purged_pages, "ranges",
			 (json_int_t)vs.ranges, "range_pages",
			 (json_int_t)vs.range_pages);
}

static json_t *stats_limits(struct worker *w)
{
	json_t *limits = json_object();

	for (int i = 0; i < USER_ITEMS; i++)
		if (user_max(w->pool, i) != UINT64_MAX)
			json_object_set_new(
				limits, user_item_name(i),
				json_pack("{s:I,s:I,s:I}", "used",
					  (json_int_t)user_total(w->pool, i),
					  "share",
					  (json_int_t)user_share(w->pool, i),
					  "max",
					  (json_int_t)user_max(w->pool, i)));
	return limits;
}

/* The worker counts bytes of files in cached mode only. */
static uint64_t stats_user_held(struct worker *w, uid_t uid,
				enum user_item item)
{
	uid_t next = uid;
	uint64_t bytes;

	if (item != USER_FILE_BYTES || w->mode == MODE_CACHED)
		return user_held(w->pool, uid, item);
	/* Of root it would say the regions, too. */
	if (!uid || store_next_user(w->store, &next, &bytes) || next != uid)
		return 0;
	return bytes;
}

#define STATS_USERS_MAX 256 /* users of one text */

static void stats_user(struct worker *w, json_t *users, uid_t uid)
{
	json_t *items = json_object();
	uint64_t held;
	char name[16];

	for (int i = 0; i < USER_ITEMS; i++) {
		held = stats_user_held(w, uid, i);
		if (held)
			json_object_set_new(items, user_item_name(i),
					    json_integer(held));
	}
	snprintf(name, sizeof(name), "%u", uid);
	if (json_object_size(items))
		json_object_set(users, name, items);
	json_decref(items);
}

/* What @uid may know: the owner of all users, others of themselves. */
static json_t *stats_users(struct worker *w, uid_t uid)
{
	json_t *users = json_object();
	const struct user *u = NULL;
	uint64_t bytes;

	if (!user_is_owner(w->pool, uid)) {
		stats_user(w, users, uid);
		return users;
	}
	while (json_object_size(users) < STATS_USERS_MAX &&
	       (u = user_next(w->pool, u)))
		stats_user(w, users, user_uid(u));
	/* Who has nothing but files. */
	for (uid = 1; json_object_size(users) < STATS_USERS_MAX && uid &&
		      store_next_user(w->store, &uid, &bytes) == 0;
	     uid++)
		stats_user(w, users, uid);
	return users;
}

static char *render_stats(struct worker *w, uid_t uid)
{
	struct mount_shared *sh = w->shared;
	struct pool_stat ps;

	pool_stat(w->pool, &ps);
	return render_json(json_pack(
		"{s:s,s:s,s:s,s:i,s:i,s:i,s:f,s:I,s:o,s:o,s:o,s:o,s:I,s:I,s:I,s:o,s:I,"
		"s:I,s:o,s:o,s:o,s:o,s:I}",
		"version", POOLFS_VERSION, "mode", mode_name(w->mode),
		"options", w->options->given ? w->options->given : "", "keeper",
		(int)sh->keeper, "worker", (int)getpid(), "restarts",
		(int)sh->restarts, "uptime", worker_uptime(w), "size",
		(json_int_t)ps.size, "store", stats_store(w), "pages",
		stats_pages(&ps), "bytes", stats_bytes(&ps), "moved",
		stats_moved(&ps), "boxes", (json_int_t)ps.boxes.boxes,
		"transactions", (json_int_t)ps.boxes.transactions, "open",
		(json_int_t)ps.boxes.handles, "counters",
		stats_counters(&ps.boxes), "waiting", (json_int_t)w->waiters.nr,
		"page_size", (json_int_t)page_size(), "tree", stats_tree(w),
		"volatile", stats_volatile(w), "limits", stats_limits(w),
		"users", stats_users(w, uid), "requests",
		(json_int_t)w->requests));
}

/* --- pressure --- */

static json_t *pressure_line(const struct psi_line *l)
{
	if (!l->present)
		return json_null();
	return json_pack("{s:f,s:f,s:f,s:I}", "avg10", l->avg10 / 100.0,
			 "avg60", l->avg60 / 100.0, "avg300", l->avg300 / 100.0,
			 "total", (json_int_t)l->total);
}

static json_t *pressure_source(const struct psi_source_status *s)
{
	json_t *triggers = json_array();
	json_t *j;

	for (int k = 0; k < PSI_NR_KINDS; k++) {
		if (!s->kind[k].stall_us)
			continue;
		json_array_append_new(
			triggers,
			json_pack("{s:s,s:I,s:I,s:I,s:I}", "kind",
				  psi_kind_name(k), "stall_us",
				  (json_int_t)s->kind[k].stall_us, "window_us",
				  (json_int_t)s->kind[k].window_us, "events",
				  (json_int_t)s->kind[k].events, "false_events",
				  (json_int_t)s->kind[k].false_events));
	}
	j = json_pack("{s:o,s:s,s:o,s:o,s:o}", "path", json_name(s->path),
		      "state", psi_source_state_name(s->state), "some",
		      pressure_line(&s->kind[PSI_SOME].last), "full",
		      pressure_line(&s->kind[PSI_FULL].last), "triggers",
		      triggers);
	if (s->err)
		json_object_set_new(j, "error",
				    json_string(psi_source_strerror(s->err)));
	return j;
}

static char *render_pressure(struct worker *w)
{
	struct reclaim_status *rs = malloc(sizeof(*rs));
	json_t *sources = json_array();
	char *text;

	if (!rs)
		return NULL;
	reclaimer_status(w->reclaimer, rs);
	for (int i = 0; i < rs->nr_sources; i++)
		json_array_append_new(sources, pressure_source(&rs->source[i]));
	text = render_json(json_pack(
		"{s:b,s:s,s:i,s:I,s:I,s:I,s:I,s:I,s:I,s:{s:I,s:I,s:I,s:b,s:I},"
		"s:o}",
		"pressure", rs->why != 0, "why", reclaim_why_name(rs->why),
		"priority", rs->priority, "pressures",
		(json_int_t)rs->pressures, "passes", (json_int_t)rs->passes,
		"freed_pages", (json_int_t)rs->freed, "direct_freed_pages",
		(json_int_t)rs->direct_freed, "reaction_us",
		(json_int_t)(rs->reaction_ns / 1000), "wakeups",
		(json_int_t)rs->wakeups, "memory", "total",
		(json_int_t)rs->mem_total, "available",
		(json_int_t)rs->mem_available, "min_free",
		(json_int_t)rs->tuning.min_free, "cgroup", rs->mem_limited,
		"next_look_ms", (json_int_t)rs->interval_ms, "sources",
		sources));
	free(rs);
	return text;
}

/* --- a box's stat --- */

static char *render_box(struct worker *w, uint64_t ino, int *err)
{
	struct box *box = box_by_serial(w->pool, inode_index(ino));
	struct box_stat bs;
	uint64_t free_pages;

	if (!box) {
		*err = -ENOENT;
		return NULL;
	}
	box_rescan(box);
	box_stat(w->pool, box, &bs);
	free_pages = bs.pages.pages - bs.pages.used - bs.pages.available;
	return render_json(json_pack(
		"{s:o,s:I,s:{s:I,s:I,s:I},s:{s:I,s:I,s:I,s:I},"
		"s:{s:i,s:i,s:i},s:i}",
		"name", json_name(box_name(box)), "size", (json_int_t)bs.size,
		"pages", "free", (json_int_t)free_pages, "available",
		(json_int_t)bs.pages.available, "used",
		(json_int_t)bs.pages.used, "ranges", "reserved",
		(json_int_t)bs.ranges.nr_reserved, "reserved_bytes",
		(json_int_t)bs.ranges.reserved, "free",
		(json_int_t)bs.ranges.nr_free, "largest_free_bytes",
		(json_int_t)bs.ranges.largest_free, "transactions", "queued",
		(int)bs.queued, "delivered", (int)bs.delivered, "writing",
		(int)bs.writing, "open", (int)bs.handles));
}

/* --- a shrinker's count: "GROUP n0 n1 ..." --- */

static char *render_count(uint64_t ino, int *err)
{
	unsigned int id = inode_index(ino);
	char *text = NULL;
	size_t len;
	FILE *f = open_memstream(&text, &len);
	unsigned long n;

	if (!f)
		return NULL;
	fputc('0', f);
	for (int nid = 0; nid < shrinker_nr_nodes() && !*err; nid++) {
		*err = shrinker_debug_count(id, nid, &n);
		if (!*err)
			fprintf(f, " %lu", n);
	}
	fputc('\n', f);
	fclose(f);
	if (!*err)
		return text;
	free(text);
	return NULL;
}

char *render_text(struct worker *w, uint64_t ino, uid_t uid, int *err)
{
	char *text = NULL;

	if (ino == inode_number(INODE_FIXED, FIXED_STATS))
		text = render_stats(w, uid);
	else if (ino == inode_number(INODE_FIXED, FIXED_METRICS))
		text = metrics_text(w);
	else if (ino == inode_number(INODE_FIXED, FIXED_PRESSURE))
		text = render_pressure(w);
	else if (inode_kind(ino) == INODE_BOX + BOX_STAT)
		text = render_box(w, ino, err);
	else if (inode_kind(ino) == INODE_SHRINKER_COUNT)
		text = render_count(ino, err);
	if (!text && !*err)
		*err = -ENOMEM;
	return text;
}
