/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The records of inodes in a store that comes from elsewhere: is each one that
 * poolfs can have written, and do their parents lead to the root?  Whether its
 * file is where it says is asked by inodes_bind().
 *
 * States: a record stays as it is, or is FREE.
 * Locks: none; the pool is not open yet.
 * Reclaim: does not run.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "pool/inode/inode_priv.h"

/* Overrides that one worker can have had at once, and more. */
#define OVERRIDES_SEEN (4 * OVERRIDES_MAX)

/* What is known of a record. */
enum mark {
	MARK_NONE,
	MARK_ON_PATH, /* of the inode that is being looked at */
	MARK_GOOD, /* its parents lead to the root */
	MARK_NAME, /* it has the rest of a name that was found */
};

struct inode_view {
	uint8_t *mark; /* enum mark, by record */
	uint32_t *path; /* from an inode upwards */
};

static bool name_is_good(const char *name, size_t len)
{
	return len && !memchr(name, 0, len) && !memchr(name, '/', len) &&
	       strcmp(name, ".") && strcmp(name, "..");
}

/* Marks the records with the rest of a name.  Return: whether they are there,
 * and nobody else's. */
static bool name_take(struct inode_table *t, struct inode_view *v,
		      const struct inode_place *p)
{
	unsigned int len = (unsigned char)p->name_len, at = INODE_NAME_INLINE;
	uint32_t more = p->more;

	for (; at < len; at += INODE_NAME_MORE) {
		struct inode_name_rec *rec = table_record(&t->table, more);

		if (!table_live(&t->table, more) || rec->state != INODE_NAME ||
		    v->mark[more] != MARK_NONE)
			return false;
		v->mark[more] = MARK_NAME;
		more = rec->more;
	}
	return !more;
}

/* The root has none, orphans, and orphans that were purged or removed. */
static bool has_no_name(const struct inode_rec *rec, uint32_t i)
{
	if (rec->flags & (INODE_PURGED | INODE_DEAD) && i != INODE_ROOT)
		return !rec->place.parent; /* or that which it had */
	return i == INODE_ROOT || rec->flags & INODE_ORPHAN;
}

/* Return: NULL, or what is wrong with its place. */
static const char *place_wrong(struct inode_table *t, struct inode_view *v,
			       uint32_t i)
{
	const struct inode_rec *rec = inode_rec(t, i);
	char name[INODE_NAME_MAX + 1];

	if (has_no_name(rec, i))
		return rec->place.parent || rec->place.more ||
				       rec->place.name_len
			       ? "has a name that it cannot have"
			       : NULL;
	if (!name_take(t, v, &rec->place))
		return "has a name whose rest is not there";
	inode_place_name(t, &rec->place, name);
	if (!name_is_good(name, (unsigned char)rec->place.name_len))
		return "has an impossible name";
	return rec->place.parent ? NULL : "has no directory";
}

static const char *inode_rec_wrong(struct inode_table *t, struct inode_view *v,
				   uint32_t i)
{
	const struct inode_rec *rec = inode_rec(t, i);

	if (rec->flags & ~INODE_FLAGS ||
	    (rec->flags & INODE_DEAD &&
	     rec->flags & ~(INODE_DEAD | INODE_ORPHAN)) ||
	    (rec->flags & INODE_DIR &&
	     rec->flags & (INODE_PURGED | INODE_RANGES | INODE_WRITTEN)))
		return "has impossible flags";
	if (rec->stamp > COUNT_MAX)
		return "was closed at an impossible time";
	return place_wrong(t, v, i);
}

static void look_at_records(struct inode_table *t, struct inode_view *v,
			    struct wrongs *w)
{
	uint32_t overrides = 0;

	table_for_each (&t->table, i) {
		struct inode_rec *rec = inode_rec(t, i);
		const char *bad = NULL;

		if (rec->state == INODE_LIVE)
			bad = inode_rec_wrong(t, v, i);
		else if (rec->state > INODE_MODE_OVERRIDE)
			bad = "is in no state that there is";
		else if (rec->state == INODE_MODE_OVERRIDE &&
			 ++overrides > OVERRIDES_SEEN)
			bad = "is one override of modes too many";
		if (!bad)
			continue;
		wrong(w, "inode record %u %s", i, bad);
		rec->state = INODE_FREE;
	}
}

/* Can @i be a directory of others? */
static bool is_dir_rec(struct inode_table *t, uint32_t i)
{
	return table_live(&t->table, i) &&
	       inode_rec(t, i)->state == INODE_LIVE &&
	       inode_rec(t, i)->flags & INODE_DIR;
}

/*
 * From @i up to where it is known whether that leads to the root.  Then it is
 * known of all on the way.
 */
static void look_at_parents(struct inode_table *t, struct inode_view *v,
			    uint32_t i, struct wrongs *w)
{
	uint32_t nr = 0, at = i;
	bool good = false;

	for (;;) {
		good = at == INODE_ROOT || v->mark[at] == MARK_GOOD;
		/* The second time on a path: it is a ring. */
		if (good || v->mark[at] != MARK_NONE)
			break;
		v->mark[at] = MARK_ON_PATH;
		v->path[nr++] = at;
		good = has_no_name(inode_rec(t, at), at) ||
		       inode_rec(t, at)->flags & INODE_ORPHAN;
		at = inode_rec(t, at)->place.parent;
		if (good || !is_dir_rec(t, at))
			break;
	}
	while (nr--) {
		v->mark[v->path[nr]] = good ? MARK_GOOD : MARK_NONE;
		if (good)
			continue;
		wrong(w, "inode record %u is in no directory below the root",
		      v->path[nr]);
		inode_rec(t, v->path[nr])->state = INODE_FREE;
	}
}

static void look_at_overrides(struct inode_table *t, struct wrongs *w)
{
	table_for_each (&t->table, i) {
		struct mode_override_rec *rec = table_record(&t->table, i);

		if (rec->state != INODE_MODE_OVERRIDE)
			continue;
		if (rec->mode & ~07777) {
			wrong(w, "inode record %u has impossible permissions",
			      i);
			rec->state = INODE_FREE;
		} else if (!table_live(&t->table, rec->inode) ||
			   inode_rec(t, rec->inode)->state != INODE_LIVE) {
			/* Its inode was forgotten: nothing to restore. */
			rec->state = INODE_FREE;
		}
	}
}

static int look_at_root(struct inode_table *t, struct wrongs *w)
{
	struct inode_rec *rec;
	int err;

	if (!table_any_live(&t->table) || is_dir_rec(t, INODE_ROOT))
		return 0;
	wrong(w, "inode record 1, the root, is missing");
	err = table_revive(&t->table, INODE_ROOT);
	if (err)
		return err;
	rec = inode_rec(t, INODE_ROOT);
	memset(rec, 0, sizeof(*rec));
	rec->flags = INODE_DIR;
	rec->state = INODE_LIVE;
	return 0;
}

int inodes_validate(struct pool *pool, struct wrongs *w)
{
	struct inode_table *t = pool->inodes;
	struct inode_view v = {
		.mark = calloc(t->table.nr + 1, 1),
		.path = calloc(t->table.nr + 1, sizeof(*v.path)),
	};
	int err = v.mark && v.path ? look_at_root(t, w) : -ENOMEM;

	if (!err) {
		look_at_records(t, &v, w);
		err = look_at_root(t, w);
	}
	if (!err) {
		table_for_each (&t->table, i)
			if (inode_rec(t, i)->state == INODE_LIVE)
				look_at_parents(t, &v, i, w);
		look_at_overrides(t, w);
	}
	free(v.mark);
	free(v.path);
	return err;
}
