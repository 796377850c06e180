/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Inodes, for the folders of plain files: the records in the store, and what is
 * kept beside them in memory.
 */
#ifndef POOLFS_POOL_INODE_PRIV_H
#define POOLFS_POOL_INODE_PRIV_H

#include <limits.h>

#include "pool/core/core_priv.h"
#include "pool/inode/inode.h"
#include "pool/lib/extent_list.h"

#define INODE_MAX (1u << 24)
#define INODE_BUCKETS_MIN 1024u
#define INODE_CHUNK 1024 /* struct inode that are allocated together */

/* What a record of the table is. */
enum inode_state {
	INODE_FREE,
	INODE_LIVE, /* struct inode_rec */
	INODE_NAME, /* struct inode_name_rec: a part of a long name */
	INODE_MODE_OVERRIDE /* struct mode_override_rec */
};

#define INODE_ORPHAN (1u << 0) /* its file is orphan/INODE */
#define INODE_DEAD (1u << 1) /* its file is removed; ORPHAN: see tree_name.c */
#define INODE_DIR (1u << 2)
#define INODE_VOLATILE (1u << 3) /* user.pool.volatile */
#define INODE_PURGED (1u << 4) /* its file is empty; its names must not show */
#define INODE_RANGES (1u << 5) /* it has unpinned or purged ranges */
/* Clients may write to it without a request: see inode_check_writers(). */
#define INODE_WRITTEN (1u << 6)
#define INODE_GUARDED (1u << 7) /* append-only or immutable: see chattr(1) */

#define INODE_FLAGS ((1u << 8) - 1) /* all of them */

#define INODE_NAME_INLINE 75
#define INODE_NAME_MORE 120

struct inode_rec {
	uint32_t state; /* enum inode_state */
	uint32_t flags; /* INODE_* */
	uint64_t ino; /* inode number in the store's file system */
	uint64_t nlookup; /* references that the kernel has */
	uint32_t opens; /* open files */
	int32_t backing; /* passthrough id, 0 for none */
	/* Volatile file: of the last close; see volatiles.stamp.  Directory: its
	 * handle, see inode_dir.c. */
	uint64_t stamp;
	uint32_t generation; /* of the number; in the root's: the last given */
	/* Where its file is. */
	struct inode_place {
		uint32_t parent; /* 0: none: the root, orphans */
		uint32_t more; /* record with the rest of the name, 0: none */
		char name_len; /* bytes; as an unsigned number */
		char name[INODE_NAME_INLINE];
	} place;
};
_Static_assert(sizeof(struct inode_rec) == 128, "inode_rec");

struct inode_name_rec {
	uint32_t state;
	uint32_t more; /* the next one, 0: none */
	char name[INODE_NAME_MORE];
};
_Static_assert(sizeof(struct inode_name_rec) == 128, "inode_name_rec");

struct mode_override_rec {
	uint32_t state;
	uint32_t inode;
	uint32_t mode; /* permission bits, to be restored */
	char rest[116];
};
_Static_assert(sizeof(struct mode_override_rec) == 128, "mode_override_rec");

struct inode {
	uint32_t next; /* in its bucket, 0: the last */
	uint32_t children; /* inodes whose parent it is */
	int fd; /* of inode_fd() or inode_dir_fd(), in pool->fds; 0: none */
	bool fd_writes; /* fd is writable */
	bool accessed; /* see tree_access() */
	bool no_capability; /* it has no security.capability, for sure */
	/* Of a volatile file that is not open: see pool/volatile/. */
	bool listed; /* on the LRU of files */
	bool idle : 1; /* not mapped either, when last checked */
	bool held : 1; /* inode_hold() */
	struct extent_link link;
	uint32_t pages; /* memory, when last measured */
	uint32_t nr_ranges; /* unpinned or purged */
};

/* Hooks of pool/volatile/; as drop_inode and evict_inode of the kernel. */
struct inode_hooks {
	/* It has no reference any more.  Return: whether its file is gone. */
	bool (*drop)(struct pool *pool, uint32_t inode);
	/* Its record is about to be freed, or its file was removed. */
	void (*evict)(struct pool *pool, uint32_t inode);
};

struct inode_table {
	uint32_t magic;
	struct table table;
	struct inode *chunk[INODE_MAX / INODE_CHUNK];
	uint16_t chunk_inodes[INODE_MAX / INODE_CHUNK]; /* LIVE records */
	uint32_t *bucket; /* first inode, by hash of the inode number */
	uint32_t nr_buckets;
	uint32_t half_buckets; /* the power of 2 at or below it */
	uint32_t nr_inodes;
	uint32_t nr_known; /* to which the kernel has references */
	uint32_t nr_open; /* inodes with open files */
	uint32_t nr_bare; /* records that no inode of the store belongs to */
	uint32_t *ending; /* those that inodes_end_some() looks at */
	uint32_t nr_ending, max_ending;
	uint32_t forget_hand; /* where inodes_forget_some() goes on */
	int orphanfd; /* of orphan/ */
	bool root; /* the worker may make files of other users */
	unsigned int busy; /* operations that no purge may interrupt */
	unsigned int overriding; /* mode overrides below each other */
	uint64_t blocks; /* of 512 bytes, of plain files: see space.c */
	const struct inode_hooks *hooks;
};

#define INODES_MAGIC 0x696e6f64u /* "inod" */

/* The inode table that a list was given as its owner. */
static inline struct inode_table *inodes_of(void *owner)
{
	struct inode_table *t = owner;

	magic_check(t->magic, INODES_MAGIC);
	return t;
}

static inline struct inode_rec *inode_rec(struct inode_table *t, uint32_t i)
{
	return table_record(&t->table, i);
}

static inline struct inode *inode_mem(struct inode_table *t, uint32_t i)
{
	return &t->chunk[i / INODE_CHUNK][i % INODE_CHUNK];
}

/* Its times of modification or change are others: the next access counts. */
static inline void inode_changed(struct pool *pool, uint32_t inode)
{
	inode_mem(pool->inodes, inode)->accessed = false;
}

#define OVERRIDES_MAX 64

/* A path for the *at() calls; to be released by inode_path_release(). */
struct inode_path {
	struct pool *pool;
	int dirfd; /* where path starts */
	int own; /* the descriptor of inode_dir_fd() that it is, or 0 */
	int nr_overrides;
	uint32_t overrides[OVERRIDES_MAX]; /* records, restored on release */
	char *path; /* in buf */
	char buf[PATH_MAX];
};

/*
 * INODES_BUSY() - to the end of the block, no file is purged that this thread
 * does not purge itself: the shrinkers of pool/volatile/ stop.
 */
static inline void inodes_release(struct inode_table **t)
{
	(*t)->busy--;
}
#define INODES_BUSY(pool)                                          \
	struct inode_table *busy_inodes                            \
		__attribute__((cleanup(inodes_release), unused)) = \
			(pool)->inodes;                            \
	busy_inodes->busy++

/* --- inode_table.c: the table as a whole --- */

int inodes_open(struct pool *pool);
/*
 * Rebuilds what is in memory from the records.  @fresh: a new mount, so the
 * kernel has no reference to any inode.  Return: 0 or -errno.
 */
int inodes_adopt(struct pool *pool, bool fresh);
/*
 * inode_validate.c: looks at each record of a store that comes from elsewhere,
 * before inodes_adopt(), and frees it if something is wrong.  Return: 0, or
 * -errno if it could not look.
 */
int inodes_validate(struct pool *pool, struct wrongs *w);
/*
 * inode_bind.c: after that, frees the record of each file that is not where the
 * record says.  In a store that was copied, the inode numbers in the records
 * become those of the files at the same places.
 * @unsure: what a request was about to move, when both processes were killed.
 */
int inodes_bind(struct pool *pool, const struct journal_intent *unsure);
/*
 * The same, of a copy, for purged files with several names, which are known by
 * number only: those that cannot be told in the copy are wrong.
 */
int inodes_validate_purged(struct pool *pool, struct wrongs *w);
/* Ends what a kill has interrupted, after volatile_adopt(). */
void inodes_tidy(struct pool *pool);
void inodes_close(struct pool *pool);
/* NULL or the first invariant that is broken (tests). */
const char *inodes_check(struct pool *pool);
/* The same for the @n-th part of the records, without system calls. */
const char *inodes_check_some(struct pool *pool, uint32_t n);

/* --- inode_hash.c: the index by inode number --- */

/* @nr: as many inodes as there will be soon.  Return: 0 or -ENOMEM. */
int inode_hash_open(struct inode_table *t, uint32_t nr);
void inode_hash_close(struct inode_table *t);
void inode_hash(struct inode_table *t, uint32_t i);
void inode_unhash(struct inode_table *t, uint32_t i);
/* An inode has come, or gone: fits the number of buckets a little. */
void inode_hash_fit(struct inode_table *t);
/* The inode with this inode number, 0: there is none. */
uint32_t inode_by_ino(struct inode_table *t, uint64_t ino);

/* --- inode.c: records --- */

/*
 * Memory of record @i, in chunks.  inode_mem_free() frees a chunk with its last
 * LIVE record; each was counted in chunk_inodes.  Return: 0 or -ENOMEM.
 */
int inode_mem_alloc(struct inode_table *t, uint32_t i);
void inode_mem_free(struct inode_table *t, uint32_t i);
/* The whole name, terminated by 0. */
void inode_place_name(struct inode_table *t, const struct inode_place *p,
		      char name[INODE_NAME_MAX + 1]);
/* Frees the records with the rest of the name. */
void inode_place_free(struct inode_table *t, const struct inode_place *p);
/* Is the inode's record for the name @name in @parent? */
bool inode_is_at(struct inode_table *t, uint32_t inode, uint32_t parent,
		 const char *name);
/*
 * inode_prepare - a record for a file, still FREE.  inode_publish() makes it
 * LIVE in the journal change of the caller; inode_published() adds it to what
 * is in memory after the commit.  inode_unprepare() frees it instead.
 * Return: 0, or as pool_record().
 */
int inode_prepare(struct pool *pool, uint32_t parent, const char *name,
		  uint64_t ino, mode_t mode, uint32_t *inode);
void inode_unprepare(struct pool *pool, uint32_t inode);
void inode_publish(struct pool *pool, uint32_t inode, uint32_t opens);
void inode_published(struct pool *pool, uint32_t inode);
/*
 * Another place for an inode: prepare, then journal in the change of the
 * caller, then inode_moved() after the commit; or cancel.
 */
struct inode_move {
	uint32_t inode;
	struct inode_place old, new;
};
int inode_move_prepare(struct pool *pool, struct inode_move *m, uint32_t inode,
		       uint32_t parent, const char *name);
/* To no place: its file is moved to orphan/. */
void inode_move_nowhere(struct pool *pool, struct inode_move *m,
			uint32_t inode);
void inode_move_journal(struct pool *pool, struct inode_move *m);
void inode_move_cancel(struct pool *pool, struct inode_move *m);
void inode_orphan_name(uint32_t inode, char *buf, size_t size);

/* --- inode_life.c: references, and its end --- */

/* In the journal change of the caller: the kernel has one more reference.
 * inode_looked_up() is called after the commit. */
void inode_journal_lookup(struct pool *pool, uint32_t inode);
void inode_looked_up(struct pool *pool, uint32_t inode);
/*
 * There is no room for another record: frees some of files that are still there
 * and to which there is no reference.  Return: whether any was freed.
 */
bool inodes_forget_some(struct pool *pool);

/* After the commit: counts children, and frees the old name and parent. */
void inode_moved(struct pool *pool, struct inode_move *m);
/* Frees it if it has no reference, and then its parents in the same way. */
void inode_free_unused(struct pool *pool, uint32_t inode);
/* It is about to be INODE_DEAD: takes it out of what is in memory. */
void inode_evict(struct pool *pool, uint32_t inode);
/* Its file was removed, and not by a request: INODE_DEAD. */
void inode_set_dead(struct pool *pool, uint32_t inode);
/*
 * May the file of another inode that the kernel knows be removed so?  Its record
 * stays, and nobody is charged for it any more: there may be only so many.
 */
bool inode_may_be_bare(const struct pool *pool);

/* --- inode_guard.c: files that are append-only or immutable --- */

/* attributes of statx(2) that guard a file */
#define GUARDS (STATX_ATTR_APPEND | STATX_ATTR_IMMUTABLE)
/* Unlinks the file in orphan/, also one that is guarded.  @flags: of unlinkat(). */
void inode_orphan_unlink(struct pool *pool, uint32_t inode, int flags);

/* --- inode_path.c, inode_at.c, inode_dir.c, mode_override.c: where its file
 * is --- */

/*
 * A path of @inode.  Return: 0; -ESTALE (no such inode, dead or purged);
 * -ENOMEM; or -errno of openat().
 */
int inode_path(struct pool *pool, uint32_t inode, struct inode_path *p);
/* The same for @name in @parent; -ENAMETOOLONG. */
int inode_path_at(struct pool *pool, uint32_t parent, const char *name,
		  struct inode_path *p);
void inode_path_release(struct inode_path *p);
/* Sets the mode.  Return: 0 or -errno; -EOPNOTSUPP for a symbolic link. */
int inode_path_chmod(const struct inode_path *p, mode_t mode);
/* A path goes through so many directories at most. */
#define PATH_LEVELS 64
/*
 * The same for @inode, or for @name in it, without anything to release.
 * @stop: out, 0, or the directory at which the path starts, because there are
 *	more than PATH_LEVELS above, or the path is longer than PATH_MAX.
 */
int path_make(struct pool *pool, uint32_t inode, const char *name,
	      struct inode_path *p, uint32_t *stop);
/* Are there @levels directories above it, or more? */
bool inode_is_below(struct pool *pool, uint32_t inode, unsigned int levels);
/* The same for a path that also starts at @top, if it comes to that: the next
 * directory above that has a descriptor, if it is PATH_TO_FD. */
#define PATH_TO_FD UINT32_MAX
int path_make_below(struct pool *pool, uint32_t inode, uint32_t top,
		    struct inode_path *p, uint32_t *stop);
/* To be shown: all of the path, or as much of its end as PATH_MAX lets. */
int path_show(struct pool *pool, uint32_t inode, struct inode_path *p);
/*
 * inode_dir_fd - a descriptor (O_PATH) of a directory, found without its path
 * if possible.  It is kept in pool->fds; fd_cache_done() ends the use.
 * Return: it, or -errno as inode_path().
 */
int inode_dir_fd(struct pool *pool, uint32_t dir);
/* Overrides modes of @dir, and of directories above it up to @top, that lack
 * S_IXUSR. */
int mode_override_path(struct pool *pool, uint32_t dir, uint32_t top,
		       struct inode_path *p);
/* Overrides the mode of a file that lacks S_IRUSR or S_IWUSR. */
int mode_override_file(struct pool *pool, uint32_t inode, struct inode_path *p);
/* Restores all modes that were overridden for @p. */
void mode_override_restore(struct inode_path *p);
/* Restores all modes that a worker which was killed had overridden. */
void mode_override_recover(struct pool *pool);

/* --- inode_fd.c --- */

/* Keeps @fd, open for writing, for an inode that is open. */
void inode_fd_keep(struct pool *pool, uint32_t inode, int fd);
/*
 * Opens the file at @p, the path of @inode, with a mode override if that is
 * needed.  Return: a descriptor, the caller's to close, or -errno.
 */
int inode_openat(struct pool *pool, uint32_t inode, struct inode_path *p,
		 int flags);

/* --- space.c --- */

/*
 * The space that plain files take, counted in a store that is not a file system
 * of its own, and where it is counted to users.  Elsewhere none of these does
 * anything.
 */
struct space {
	uint64_t blocks; /* of 512 bytes */
	uid_t uid; /* of the file's owner */
};
/* Counts what is there.  Return: 0 or -errno. */
int space_adopt(struct pool *pool);
/* Are changes counted?  A name that is lost: see names.h. */
bool space_counts(const struct pool *pool);
/* What a file takes: nothing, if it is no regular one. */
struct space space_of(struct pool *pool, int fd);
struct space space_at(struct pool *pool, int dirfd, const char *path);
struct space space_of_stat(const struct stat *st);
/* A file took @before and takes @after. */
void space_changed(struct pool *pool, struct space before, struct space after);
/*
 * May bytes [off, off+len) of the file at @fd be written?  Has reclaim make
 * room if not.  Return: 0, -ENOSPC, -EDQUOT.
 */
int space_reserve(struct pool *pool, int fd, off_t off, size_t len);
/* Bytes of [off, off+len) for which the file at @fd has no memory. */
uint64_t space_missing(struct pool *pool, int fd, off_t off, size_t len);
/* Bytes of all plain files. */
uint64_t space_used(struct pool *pool);
/* Regions may hold what plain files leave of the size; in a detached store, all
 * of it: the file system counts both. */
void space_fit(struct pool *pool);

#endif
