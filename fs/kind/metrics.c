/* SPDX-License-Identifier: GPL-2.0-or-later */
/* .pool/metrics: what stats and pressure show, as OpenMetrics text. */
#include "fs/kind/metrics.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "fs/request/context.h"
#include "pool/tree/tree.h"
#include "shrinker/reclaim.h"

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

static void gauge(FILE *f, const char *name, const char *help, uint64_t value)
{
	metric(f, name, "gauge", help, "%" PRIu64, value);
}

static void counter(FILE *f, const char *name, const char *help, uint64_t value)
{
	metric(f, name, "counter", help, "%" PRIu64, value);
}

static void metrics_boxes(FILE *f, const struct pool_stat *ps, uint64_t page)
{
	gauge(f, "size_bytes", "Most that regions may hold.", ps->size);
	gauge(f, "used_bytes", "Memory in use.", ps->pages.used * page);
	gauge(f, "available_bytes",
	      "Memory that nobody needs, waiting on the LRU.",
	      ps->pages.available * page);
	gauge(f, "boxes", "Boxes.", ps->boxes.boxes);
	gauge(f, "transactions", "Live transactions.", ps->boxes.transactions);
	gauge(f, "open_files", "Open files.", ps->boxes.handles);
}

static void metrics_plain(FILE *f, struct worker *w, uint64_t page)
{
	struct volatile_stat vs;
	struct inode_usage tree;

	inode_usage(w->pool, &tree);
	volatile_stat(w->pool, &vs);
	gauge(f, "inodes", "Plain files that the kernel knows.", tree.inodes);
	gauge(f, "inode_bytes", "Memory that they take.", tree.bytes);
	gauge(f, "volatile_files", "Files that may be purged.", vs.files);
	gauge(f, "volatile_available_bytes",
	      "Memory of those that nobody has open.", vs.available * page);
	counter(f, "purged_files", "Files purged by this worker.",
		vs.purged_files);
	counter(f, "purged_pages", "Their pages.", vs.purged_pages);
}

static void metrics_worker(FILE *f, struct worker *w)
{
	counter(f, "requests", "Handled by this worker.", w->requests);
	metric(f, "uptime_seconds", "gauge", "Since the mount.", "%.3f",
	       worker_uptime(w));
	counter(f, "restarts", "Workers started after the first.",
		w->shared->restarts);
}

static void metrics_counters(FILE *f, const struct pool_stat *ps)
{
	counter(f, "sent", "Transactions queued.", ps->boxes.sent);
	counter(f, "sent_bytes", "Their bytes.", ps->boxes.sent_bytes);
	counter(f, "delivered", "Transactions handed out.",
		ps->boxes.delivered);
	counter(f, "freed", "Transactions removed.", ps->boxes.freed);
	counter(f, "dropped", "Transactions whose sender did not finish.",
		ps->boxes.dropped);
	counter(f, "pages_reused", "Pages from Available to Used.",
		ps->pages.reused);
	counter(f, "pages_populated", "Pages from Free to Used.",
		ps->pages.populated);
	counter(f, "pages_reclaimed",
		"Pages from Available to Free, by shrinkers.",
		ps->pages.dropped);
}

static void metrics_reclaim(FILE *f, const struct reclaim_status *rs)
{
	gauge(f, "pressure", "1 while memory is under pressure.", rs->why != 0);
	counter(f, "pressures", "Times that pressure began.", rs->pressures);
	counter(f, "reclaim_passes", "Passes over all shrinkers.", rs->passes);
	metric(f, "reclaim_priority", "gauge", "Of the last pass, 12 to 0.",
	       "%d", rs->priority);
}

char *metrics_text(struct worker *w)
{
	struct reclaim_status *rs = malloc(sizeof(*rs));
	uint64_t page = sysconf(_SC_PAGESIZE);
	char *text = NULL;
	struct pool_stat ps;
	size_t len;
	FILE *f = rs ? open_memstream(&text, &len) : NULL;

	if (!f) {
		free(rs);
		return NULL;
	}
	pool_stat(w->pool, &ps);
	reclaimer_status(w->reclaimer, rs);
	metrics_boxes(f, &ps, page);
	metrics_plain(f, w, page);
	metrics_worker(f, w);
	metrics_counters(f, &ps);
	metrics_reclaim(f, rs);
	fputs("# EOF\n", f);
	fclose(f);
	free(rs);
	return text;
}
