/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The text of stats, metrics, pressure, a box's stat and a shrinker's count.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "fs/kind/text.h"
#include "pool/tree/tree.h"
#include "shrinker/clock.h"
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

static double uptime(struct worker *w)
{
	return (clock_ns() - w->shared->mounted_ns) / 1e9;
}

static char *render_stats(struct worker *w)
{
	uint64_t page = page_size();
	struct volatile_stat vs;
	struct tree_usage tree;
	struct pool_stat ps;

	pool_stat(w->pool, &ps);
	tree_usage(w->pool, &tree);
	volatile_stat(w->pool, &vs);
	return render_json(json_pack(
		"{s:s, s:s, s:i, s:i, s:i, s:f, s:I,"
		" s:{s:I, s:I, s:I}, s:{s:I, s:I},"
		" s:{s:I, s:I, s:I, s:I}, s:I, s:I, s:I,"
		" s:{s:I, s:I, s:I, s:I, s:I}, s:I, s:I,"
		" s:{s:I, s:I, s:I}, "
		" s:{s:I, s:I, s:I, s:I, s:I, s:I}, s:I}",
		"version", POOLFS_VERSION, "mode", mode_name(w->mode), "keeper",
		(int)w->shared->keeper, "worker", (int)getpid(), "restarts",
		(int)w->shared->restarts, "uptime", uptime(w), "size",
		(json_int_t)ps.size,

		"pages", "used", (json_int_t)ps.pages.used, "available",
		(json_int_t)ps.pages.available, "extents",
		(json_int_t)ps.pages.extents,

		"bytes", "used", (json_int_t)(ps.pages.used * page),
		"available", (json_int_t)(ps.pages.available * page),

		"moved", "reused", (json_int_t)ps.pages.reused, "populated",
		(json_int_t)ps.pages.populated, "dropped",
		(json_int_t)ps.pages.dropped, "metadata_bytes",
		(json_int_t)ps.pages.metadata,

		"boxes", (json_int_t)ps.boxes, "transactions",
		(json_int_t)ps.transactions, "open", (json_int_t)ps.handles,

		"counters", "sent", (json_int_t)ps.sent, "sent_bytes",
		(json_int_t)ps.sent_bytes, "delivered",
		(json_int_t)ps.delivered, "freed", (json_int_t)ps.freed,
		"dropped", (json_int_t)ps.dropped,

		"waiting", (json_int_t)w->waiters.nr, "page_size",
		(json_int_t)page,

		"tree", "nodes", (json_int_t)tree.nodes, "bytes",
		(json_int_t)tree.bytes, "open", (json_int_t)tree.open,

		"volatile", "files", (json_int_t)vs.files, "available",
		(json_int_t)vs.available, "purged_files",
		(json_int_t)vs.purged_files, "purged_pages",
		(json_int_t)vs.purged_pages, "ranges", (json_int_t)vs.ranges,
		"range_pages", (json_int_t)vs.range_pages,

		"requests", (json_int_t)w->requests));
}

/* --- metrics --- */

__attribute__((format(printf, 5, 6))) static void
metric(FILE *f, const char *name, const char *type, const char *help,
       const char *fmt, ...)
{
	const char *total = !strcmp(type, "counter") ? "_total" : "";
	va_list ap;

	fprintf(f, "# TYPE poolfs_%s %s\n# HELP poolfs_%s %s\npoolfs_%s%s ",
		name, type, name, help, name, total);
	va_start(ap, fmt);
	vfprintf(f, fmt, ap);
	va_end(ap);
	fputc('\n', f);
}

static char *render_metrics(struct worker *w)
{
	struct reclaim_status *rs = malloc(sizeof(*rs));
	char *text = NULL;
	struct volatile_stat vs;
	struct tree_usage tree;
	struct pool_stat ps;
	size_t len;
	FILE *f = rs ? open_memstream(&text, &len) : NULL;

	if (!f) {
		free(rs);
		return NULL;
	}
	pool_stat(w->pool, &ps);
	reclaimer_status(w->reclaimer, rs);
	metric(f, "size_bytes", "gauge", "Most that regions may hold.",
	       "%" PRIu64, ps.size);
	metric(f, "used_bytes", "gauge", "Memory in use.", "%" PRIu64,
	       ps.pages.used * page_size());
	metric(f, "available_bytes", "gauge",
	       "Memory that nobody needs, waiting on the LRU.", "%" PRIu64,
	       ps.pages.available * page_size());
	metric(f, "boxes", "gauge", "Boxes.", "%" PRIu64, ps.boxes);
	metric(f, "transactions", "gauge", "Live transactions.", "%" PRIu64,
	       ps.transactions);
	metric(f, "open_files", "gauge", "Open files.", "%" PRIu64, ps.handles);
	tree_usage(w->pool, &tree);
	volatile_stat(w->pool, &vs);
	metric(f, "nodes", "gauge", "Plain files that the kernel knows.",
	       "%" PRIu64, tree.nodes);
	metric(f, "node_bytes", "gauge", "Memory that they take.", "%" PRIu64,
	       tree.bytes);
	metric(f, "volatile_files", "gauge", "Files that may be purged.",
	       "%" PRIu64, vs.files);
	metric(f, "volatile_available_bytes", "gauge",
	       "Memory of those that nobody has open.", "%" PRIu64,
	       vs.available * page_size());
	metric(f, "purged_files", "counter", "Files purged by this worker.",
	       "%" PRIu64, vs.purged_files);
	metric(f, "purged_pages", "counter", "Their pages.", "%" PRIu64,
	       vs.purged_pages);
	metric(f, "requests", "counter", "Handled by this worker.", "%" PRIu64,
	       w->requests);
	metric(f, "uptime_seconds", "gauge", "Since the mount.", "%.3f",
	       uptime(w));
	metric(f, "restarts", "counter", "Workers started after the first.",
	       "%u", (unsigned)w->shared->restarts);
	metric(f, "sent", "counter", "Transactions queued.", "%" PRIu64,
	       ps.sent);
	metric(f, "sent_bytes", "counter", "Their bytes.", "%" PRIu64,
	       ps.sent_bytes);
	metric(f, "delivered", "counter", "Transactions handed out.",
	       "%" PRIu64, ps.delivered);
	metric(f, "freed", "counter", "Transactions removed.", "%" PRIu64,
	       ps.freed);
	metric(f, "dropped", "counter",
	       "Transactions whose sender did not finish.", "%" PRIu64,
	       ps.dropped);
	metric(f, "pages_reused", "counter", "Pages from Available to Used.",
	       "%" PRIu64, ps.pages.reused);
	metric(f, "pages_populated", "counter", "Pages from Free to Used.",
	       "%" PRIu64, ps.pages.populated);
	metric(f, "pages_reclaimed", "counter",
	       "Pages from Available to Free, by shrinkers.", "%" PRIu64,
	       ps.pages.dropped);
	metric(f, "pressure", "gauge", "1 while memory is under pressure.",
	       "%d", rs->why != 0);
	metric(f, "pressures", "counter", "Times that pressure began.",
	       "%" PRIu64, rs->pressures);
	metric(f, "reclaim_passes", "counter", "Passes over all shrinkers.",
	       "%" PRIu64, rs->passes);
	metric(f, "reclaim_priority", "gauge", "Of the last pass, 12 to 0.",
	       "%d", rs->priority);
	fputs("# EOF\n", f);
	fclose(f);
	free(rs);
	return text;
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
	box_rescan(w->pool, box);
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
		fprintf(f, " %lu", n);
	}
	fputc('\n', f);
	fclose(f);
	return text;
}

char *render_text(struct worker *w, uint64_t ino, int *err)
{
	char *text = NULL;

	if (ino == inode_number(INODE_FIXED, FIXED_STATS))
		text = render_stats(w);
	else if (ino == inode_number(INODE_FIXED, FIXED_METRICS))
		text = render_metrics(w);
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
