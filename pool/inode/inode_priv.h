/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What the folders of plain files share of inodes: records in the store, and
 * what is kept beside them in memory.
 */
#ifndef POOLFS_POOL_INODE_PRIV_H
#define POOLFS_POOL_INODE_PRIV_H

#include <limits.h>

#include "pool/core/core_priv.h"
#include "pool/inode/inode.h"
#include "pool/lib/extent_list.h"

#define INODE_MAX (1u << 24)
#define INODE_BUCKETS_MIN 1024u
#define INODE_CHUNK 1024 /* struct inode that come into being together */

enum {
	INODE_FREE,
	INODE_LIVE,
	INODE_NAME, /* the rest of another's name */
	INODE_MODE_OVERRIDE /* a mode that must be given back */
};

#define INODE_ORPHAN (1u << 0) /* its file is orphan/NODE */
#define INODE_DEAD (1u << 1) /* its file is no more */
#define INODE_DIR (1u << 2)
#define INODE_VOLATILE (1u << 3) /* user.pool.volatile */
#define INODE_PURGED (1u << 4) /* its names are still there, and mean nothing */

#define INODE_RANGES (1u << 5) /* some of it is unpinned */

#define INODE_NAME_INLINE 79
#define INODE_NAME_MORE 120

struct inode_rec {
	uint32_t state;
	uint32_t flags;
	uint64_t ino;
	uint64_t nlookup; /* references that were given out */
	uint32_t opens;
	int32_t backing; /* passthrough id, 0 for none */
	uint64_t stamp; /* volatile: when it was closed, by a count */
	/* Above is what changes, in one piece; below is where it is. */
	struct inode_place {
		uint32_t parent;
		uint32_t more; /* record with the rest of the name */
		char name_len; /* as an unsigned number */
		char name[INODE_NAME_INLINE];
	} place;
};
_Static_assert(sizeof(struct inode_rec) == 128, "inode_rec");

struct inode_name_rec {
	uint32_t state;
	uint32_t more;
	char name[INODE_NAME_MORE];
};
_Static_assert(sizeof(struct inode_name_rec) == 128, "inode_name_rec");

struct mode_override_rec {
	uint32_t state;
	uint32_t inode;
	uint32_t mode; /* its real one */
	char rest[116];
};
_Static_assert(sizeof(struct mode_override_rec) == 128, "mode_override_rec");

struct inode {
	uint32_t next; /* in its bucket, 0: the last */
	uint32_t children; /* inodes whose parent it is */
	int fd; /* 0: none */
	bool fd_writes;
	/* Of a volatile file that nobody has open: see pool/volatile/. */
	bool listed;
	bool idle; /* nobody has it mapped either */
	struct extent_link link;
	uint32_t pages;
};

/* What pool/volatile/ knows of an inode; as the kernel's hooks of these names. */
struct inode_hooks {
	/* Nobody refers to it any more.  Return: whether its record may go. */
	bool (*drop)(struct pool *pool, uint32_t inode);
	/* Its record goes now, or its file is no more. */
	void (*evict)(struct pool *pool, uint32_t inode);
};

struct inode_table {
	uint32_t magic;
	struct table table;
	struct inode *chunk[INODE_MAX / INODE_CHUNK];
	uint16_t chunk_inodes[INODE_MAX / INODE_CHUNK]; /* live ones */
	uint32_t *bucket; /* by inode number */
	uint32_t nr_buckets; /* a power of 2 */
	uint32_t nr_inodes;
	uint32_t nr_open;
	int orphanfd;
	bool root; /* may make files of other users' */
	unsigned int busy; /* an inode must stay what it is meanwhile */
	uint64_t blocks; /* of 512 bytes: see space_adopt() */
	const struct inode_hooks *hooks;
};

#define INODES_MAGIC 0x696e6f64u /* "inod" */

/* The owner of a list of inodes. */
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

#define OVERRIDES_MAX 64

/* A path from a descriptor on; released when it is used. */
struct inode_path {
	struct pool *pool;
	int dirfd;
	int own; /* to close, or -1 */
	int nr_overrides;
	uint32_t overrides[OVERRIDES_MAX]; /* records of modes to restore */
	char *path; /* in buf */
	char buf[PATH_MAX];
};

/* What an operation refers to stays while it runs. */
static inline void inodes_release(struct inode_table **t)
{
	(*t)->busy--;
}
#define INODES_BUSY(pool)                                          \
	struct inode_table *busy_inodes                            \
		__attribute__((cleanup(inodes_release), unused)) = \
			(pool)->inodes;                            \
	busy_inodes->busy++

/* --- inode_table.c: all of them --- */

int inodes_open(struct pool *pool);
/* What is in memory, from the records; @fresh: nobody of before refers to them. */
int inodes_adopt(struct pool *pool, bool fresh);
/* What a kill has left half done, once pool/volatile/ has adopted its part. */
void inodes_tidy(struct pool *pool);
void inodes_close(struct pool *pool);
/* NULL or the first invariant that is broken (tests). */
const char *inodes_check(struct pool *pool);
/* The same of some records, the @n-th lot, without a look at the store. */
const char *inodes_check_some(struct pool *pool, uint32_t n);

/* --- inode.c: records and the index by inode number --- */

/* Memory beside the record, and the index by inode number. */
int inode_mem_get(struct inode_table *t, uint32_t i);
void inode_mem_put(struct inode_table *t, uint32_t i);
void inode_hash(struct inode_table *t, uint32_t i);
void inode_unhash(struct inode_table *t, uint32_t i);
void inode_rehash(struct inode_table *t);
/* The inode of an inode number, 0: nobody refers to it. */
uint32_t inode_by_ino(struct inode_table *t, uint64_t ino);
/* The whole name, terminated. */
void inode_place_name(struct inode_table *t, const struct inode_place *p,
		      char name[INODE_NAME_MAX + 1]);
void inode_place_free(struct inode_table *t, const struct inode_place *p);
/* Is this where the inode is known to be? */
bool inode_is_at(struct inode_table *t, uint32_t inode, uint32_t parent,
		 const char *name);
/*
 * inode_prepare - a record for it, not to be seen yet.  inode_publish() makes
 * it live in the change that the caller has begun, inode_published() after
 * that.
 */
int inode_prepare(struct pool *pool, uint32_t parent, const char *name,
		  uint64_t ino, mode_t mode, uint32_t *inode);
void inode_unprepare(struct pool *pool, uint32_t inode);
void inode_publish(struct pool *pool, uint32_t inode, uint32_t opens);
void inode_published(struct pool *pool, uint32_t inode);
/* Another place for an inode, in the change that the caller has begun. */
struct inode_move {
	uint32_t inode;
	struct inode_place old, new;
};
int inode_move_prepare(struct pool *pool, struct inode_move *m, uint32_t inode,
		       uint32_t parent, const char *name);
/* To no place at all: its file has gone to orphan/, or is removed. */
void inode_move_nowhere(struct pool *pool, struct inode_move *m,
			uint32_t inode);
void inode_move_journal(struct pool *pool, struct inode_move *m);
void inode_move_cancel(struct pool *pool, struct inode_move *m);
void inode_orphan_name(uint32_t inode, char *buf, size_t size);

/* --- inode_life.c: who refers to it, and its end --- */

/* After the change: children are counted anew. */
void inode_moved(struct pool *pool, struct inode_move *m);
/* Frees it, and parents that only it needed, if nobody refers to it. */
void inode_free_unused(struct pool *pool, uint32_t inode);
/* Its file is gone, by no act of the kernel's. */
void inode_set_dead(struct pool *pool, uint32_t inode);

/* --- inode_path.c, inode_at.c, mode_override.c: where its file is --- */

/* Return: 0, -ESTALE, -ENOENT (its file is removed), or what openat says. */
int inode_path(struct pool *pool, uint32_t inode, struct inode_path *p);
/* @name in @parent. */
int inode_path_at(struct pool *pool, uint32_t parent, const char *name,
		  struct inode_path *p);
void inode_path_release(struct inode_path *p);
/*
 * The same for @inode, or for @name in it, without what has to be released: a
 * path that is too long starts at *@stop, an inode on the way, and is 0 else.
 */
int path_make(struct pool *pool, uint32_t inode, const char *name,
	      struct inode_path *p, uint32_t *stop);
/* inode_path(), where it is short and needs no mode override. */
int path_build(struct pool *pool, uint32_t inode, struct inode_path *p);
/* Has the path pass directories whose modes keep their owner out. */
int mode_override_path(struct pool *pool, uint32_t dir, struct inode_path *p);
/* The same, to open what the path is of. */
int mode_override_file(struct pool *pool, uint32_t inode, struct inode_path *p);
void mode_override_restore(struct inode_path *p);
/* What a worker that was killed had overridden. */
void mode_override_recover(struct pool *pool);

/* --- inode_fd.c --- */

/* Opens what is at @p.  As the owner, if modes forbid it to us. */
int inode_openat(struct pool *pool, uint32_t inode, struct inode_path *p,
		 int flags);

/* --- space.c --- */

/*
 * What plain files take of a store that is not a file system of its own, where
 * nobody else counts.
 */
int space_adopt(struct pool *pool);
/* The file open at @fd has changed by what it had before. */
uint64_t space_of(struct pool *pool, int fd);
void space_changed(struct pool *pool, uint64_t before, uint64_t after);
/* Is the file at @path about to lose its last name?  Then it is counted out. */
void space_unlinked(struct pool *pool, int dirfd, const char *path);
/* May [off, off+len) of the file at @fd be written?  Return: 0 or -ENOSPC. */
int space_reserve(struct pool *pool, int fd, off_t off, size_t len);
/* Bytes that plain files have. */
uint64_t space_used(struct pool *pool);

#endif
