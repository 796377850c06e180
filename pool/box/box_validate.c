/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The records of boxes in a store that comes from elsewhere: is each one that
 * poolfs can have written?  Those of transactions and handles are looked at in
 * tx_validate.c, after these.
 *
 * States: a record stays as it is, or is FREE.
 * Locks: none; the pool is not open yet.
 * Reclaim: does not run.
 */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "pool/box/validate_priv.h"
#include "pool/store/remove.h"

/* Return: NULL, or what is wrong with it. */
static const char *box_rec_wrong(struct pool *pool, const struct box_rec *rec)
{
	if (rec->state != BOX_REC_LIVE && rec->state != BOX_REC_REMOVED)
		return "is in no state that there is";
	if (!rec->serial || rec->serial > COUNT_MAX)
		return "has an impossible serial number";
	if (!rec->size || rec->size > BOX_SIZE_MAX ||
	    rec->size % pool->page_size)
		return "has an impossible size";
	if (rec->ctime_ns < 0 || rec->mtime_ns < 0)
		return "has an impossible time";
	if (!memchr(rec->name, 0, sizeof(rec->name)) ||
	    box_check_name(rec->name))
		return "has an impossible name";
	for (int i = 0; i < BOX_INODES; i++)
		if (rec->mode[i] & ~07777)
			return "has impossible permissions";
	return NULL;
}

static void box_drop(struct pool *pool, uint32_t slot)
{
	box_rec(pool, slot)->state = BOX_REC_FREE;
}

static int by_serial(const void *a, const void *b, void *arg)
{
	uint64_t x = box_rec(arg, *(const uint32_t *)a)->serial;
	uint64_t y = box_rec(arg, *(const uint32_t *)b)->serial;

	return x < y ? -1 : x > y;
}

static int by_name(const void *a, const void *b, void *arg)
{
	return strcmp(box_rec(arg, *(const uint32_t *)a)->name,
		      box_rec(arg, *(const uint32_t *)b)->name);
}

typedef int box_order(const void *a, const void *b, void *arg);

/* Sorts @v->slot.  Of boxes that are equal in this order, one stays. */
static void boxes_unique(struct pool *pool, struct box_view *v,
			 box_order *order, const char *what, struct wrongs *w)
{
	uint32_t kept = 0;

	qsort_r(v->slot, v->nr, sizeof(*v->slot), order, pool);
	for (uint32_t i = 0; i < v->nr; i++) {
		if (kept && !order(&v->slot[kept - 1], &v->slot[i], pool)) {
			wrong(w, "box record %u has the %s of record %u",
			      v->slot[i], what, v->slot[kept - 1]);
			box_drop(pool, v->slot[i]);
		} else {
			v->slot[kept++] = v->slot[i];
		}
	}
	v->nr = kept;
}

/* Names are unique among those that are not removed. */
static void boxes_unique_names(struct pool *pool, struct box_view *v,
			       struct wrongs *w)
{
	uint32_t removed = 0;

	for (uint32_t i = 0; i < v->nr; i++) {
		uint32_t slot = v->slot[i];

		if (box_rec(pool, slot)->state == BOX_REC_LIVE)
			continue;
		v->slot[i] = v->slot[removed];
		v->slot[removed++] = slot;
	}
	v->slot += removed;
	v->nr -= removed;
	boxes_unique(pool, v, by_name, "name", w);
	v->slot -= removed;
	v->nr += removed;
}

/* Drops a file of box/, and the content with it. */
static void region_drop(struct pool *pool, const char *name, struct wrongs *w)
{
	if (w->drop && remove_tree(pool->store->boxfd, name))
		wrong(w, "box/%s cannot be removed", name);
}

static uint32_t box_of_serial(struct pool *pool, const struct box_view *v,
			      uint64_t serial)
{
	uint32_t low = 0, high = v->nr;

	while (low < high) {
		uint32_t mid = low + (high - low) / 2;

		if (box_rec(pool, v->slot[mid])->serial < serial)
			low = mid + 1;
		else
			high = mid;
	}
	return low < v->nr && box_rec(pool, v->slot[low])->serial == serial
		       ? v->slot[low]
		       : 0;
}

/* Return: NULL, or what is wrong with a file in box/. */
static const char *region_file_wrong(const struct stat *st)
{
	if (!S_ISREG(st->st_mode))
		return "is not a regular file";
	if (st->st_nlink != 1)
		return "has another name elsewhere";
	if (st->st_uid != geteuid() || st->st_mode & 022)
		return "belongs to others, or can be written by them";
	return NULL;
}

/* One name in box/: its file's length is kept in @v. */
static void region_look(struct pool *pool, struct box_view *v, const char *name,
			struct wrongs *w)
{
	uint64_t serial = strtoull(name, NULL, 16);
	uint32_t slot = box_of_serial(pool, v, serial);
	const char *bad = "belongs to no box";
	char right[32];
	struct stat st;

	snprintf(right, sizeof(right), "%" PRIx64, serial);
	if (fstatat(pool->store->boxfd, name, &st, AT_SYMLINK_NOFOLLOW) < 0)
		return;
	if (slot && !strcmp(name, right))
		bad = region_file_wrong(&st);
	if (bad) {
		wrong(w, "box/%.40s %s", name, bad);
		region_drop(pool, name, w);
	} else {
		v->length[slot] = st.st_size;
	}
}

static int regions_look(struct pool *pool, struct box_view *v, struct wrongs *w)
{
	struct dirent *e;
	DIR *d;
	int fd;

	fd = openat(pool->store->boxfd, ".",
		    O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	d = fd < 0 ? NULL : fdopendir(fd);
	if (!d)
		return -errno;
	while ((e = readdir(d)))
		if (strcmp(e->d_name, ".") && strcmp(e->d_name, ".."))
			region_look(pool, v, e->d_name, w);
	closedir(d);
	return 0;
}

/* The pool's own record, without which no number is known to be new. */
static int pool_rec_look(struct pool *pool, struct wrongs *w)
{
	struct table *txs = &pool->boxes->txs;
	bool used = pool->boxes->boxes.nr || txs->nr;
	struct pool_rec *rec;
	int err;

	if (!used || (table_live(txs, POOL_REC) &&
		      *(uint32_t *)table_record(txs, POOL_REC) == 1))
		return 0;
	/* A worker may have been killed when the tables were new. */
	if (!table_any_live(&pool->boxes->boxes) && !table_any_live(txs))
		return 0;
	wrong(w, "transaction record 1, which counts all others, is missing");
	err = table_revive(txs, POOL_REC);
	if (err)
		return err;
	rec = table_record(txs, POOL_REC);
	rec->next_id = rec->next_serial = 1;
	rec->state = 1;
	return 0;
}

static void box_rec_look(struct pool *pool, uint32_t i, struct box_view *v,
			 struct wrongs *w)
{
	const char *bad = box_rec_wrong(pool, box_rec(pool, i));

	if (bad) {
		wrong(w, "box record %u %s", i, bad);
		box_drop(pool, i);
	} else {
		v->slot[v->nr++] = i;
	}
}

static void boxes_look(struct pool *pool, struct box_view *v, struct wrongs *w)
{
	struct boxes *b = pool->boxes;
	struct pool_rec *rec = table_record(&b->txs, POOL_REC);
	uint64_t last = 0;

	table_for_each (&b->boxes, i)
		box_rec_look(pool, i, v, w);
	boxes_unique_names(pool, v, w);
	boxes_unique(pool, v, by_serial, "serial number", w);
	if (v->nr)
		last = box_rec(pool, v->slot[v->nr - 1])->serial;
	if (!v->nr ||
	    (rec->next_serial > last && rec->next_serial <= COUNT_MAX))
		return;
	wrong(w, "the next box would get a serial number that is taken");
	rec->next_serial = last + 1;
}

int boxes_validate(struct pool *pool, struct wrongs *w)
{
	uint32_t nr = pool->boxes->boxes.nr;
	struct box_view v = { .slot = calloc(nr + 1, sizeof(*v.slot)),
			      .length = calloc(nr + 1, sizeof(*v.length)) };
	int err = v.slot && v.length ? pool_rec_look(pool, w) : -ENOMEM;

	if (!err) {
		boxes_look(pool, &v, w);
		err = regions_look(pool, &v, w);
	}
	if (!err)
		err = txs_validate(pool, &v, w);
	free(v.slot);
	free(v.length);
	return err;
}
