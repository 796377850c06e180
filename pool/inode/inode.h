/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What the files of the tree share: records in the store, and beside them. */
#ifndef POOLFS_INODE_H
#define POOLFS_INODE_H

#include <limits.h>

#include "pool/lib/extent_list.h"
#include "pool/pool_internal.h"
#include "pool/tree/tree.h"

#define NODE_MAX (1u << 24)
#define NODE_BUCKETS_MIN 1024u
#define NODE_CHUNK 1024 /* struct node that come into being together */

enum {
	NODE_FREE,
	NODE_LIVE,
	NODE_NAME, /* the rest of another's name */
	NODE_LENT /* a mode that must be given back */
};

#define NODE_ORPHAN (1u << 0) /* its file is orphan/NODE */
#define NODE_GONE (1u << 1) /* its file is no more */
#define NODE_DIR (1u << 2)
#define NODE_VOLATILE (1u << 3) /* user.pool.volatile */
#define NODE_PURGED (1u << 4) /* its names are still there, and mean nothing */

#define NODE_RANGES (1u << 5) /* some of it is unpinned */

#define NODE_NAME_INLINE 79
#define NODE_NAME_MORE 120

struct node_rec {
	uint32_t state;
	uint32_t flags;
	uint64_t ino;
	uint64_t nlookup; /* references that were given out */
	uint32_t opens;
	int32_t backing; /* passthrough id, 0 for none */
	uint64_t stamp; /* volatile: when it was closed, by a count */
	/* Above is what changes, in one piece; below is where it is. */
	struct node_place {
		uint32_t parent;
		uint32_t more; /* record with the rest of the name */
		char name_len; /* as an unsigned number */
		char name[NODE_NAME_INLINE];
	} place;
};
_Static_assert(sizeof(struct node_rec) == 128, "node_rec");

struct node_name_rec {
	uint32_t state;
	uint32_t more;
	char name[NODE_NAME_MORE];
};
_Static_assert(sizeof(struct node_name_rec) == 128, "node_name_rec");

struct node_lent_rec {
	uint32_t state;
	uint32_t node;
	uint32_t mode; /* its real one */
	char rest[116];
};
_Static_assert(sizeof(struct node_lent_rec) == 128, "node_lent_rec");

enum {
	VRANGE_FREE,
	VRANGE_UNPINNED,
	VRANGE_PURGED,
	VRANGE_PURGING /* its hole may not be punched yet */
};

/* Changed by plain stores: what they can be torn into is another range. */
struct vrange_rec {
	uint32_t state;
	uint32_t node;
	uint64_t first, end; /* pages */
	uint64_t stamp;
};
_Static_assert(sizeof(struct vrange_rec) == 32, "vrange_rec");
#define VRANGE_MAX (1u << 20)

struct vrange;

#define DOUBTFUL_MAX 64

struct node {
	uint32_t next; /* in its bucket, 0: the last */
	uint32_t children; /* nodes whose parent it is */
	int fd; /* 0: none */
	bool fd_writes;
	/* A volatile file that nobody has open: its place on the LRU. */
	bool listed;
	bool idle; /* nobody has it mapped either */
	struct extent_link link;
	uint32_t pages;
};

struct tree {
	struct table nodes;
	struct node *chunk[NODE_MAX / NODE_CHUNK];
	uint16_t chunk_nodes[NODE_MAX / NODE_CHUNK]; /* live ones */
	uint32_t *bucket; /* by inode number */
	uint32_t nr_buckets; /* a power of 2 */
	uint32_t nr_nodes;
	uint32_t nr_open;
	int orphanfd;
	bool root; /* may make files of other users' */
	unsigned int busy; /* a node must stay what it is meanwhile */
	/* Volatile files that nobody has open: see volatile.c. */
	struct extent_list files;
	uint64_t idle_pages; /* of those that nobody has mapped either */
	uint32_t doubtful[DOUBTFUL_MAX]; /* mapped, when they were looked at */
	uint32_t nr_doubtful, next_doubtful;
	uint32_t nr_volatile, nr_purged;
	_Atomic uint64_t purged_files, purged_pages; /* ever */
	uint64_t stamp;
	struct shrinker *shrinker;
	/* Unpinned ranges: see vrange.h. */
	struct table ranges;
	struct avl_tree by_place;
	struct vrange *range; /* by the number of its record */
	uint32_t range_top; /* those above have no memory */
	uint32_t nr_ranges;
	struct extent_list unpinned;
	uint64_t range_memory; /* pages of them that are not holes */
	struct shrinker *range_shrinker;
	uint64_t blocks; /* of 512 bytes: see space_adopt() */
	mode_t umask; /* of this process, while it makes a file for another */
};

static inline struct node_rec *node_rec(struct tree *t, uint32_t i)
{
	return table_get(&t->nodes, i);
}

static inline struct node *node_mem(struct tree *t, uint32_t i)
{
	return &t->chunk[i / NODE_CHUNK][i % NODE_CHUNK];
}

#define PATH_LENT 64

/* A path from a descriptor on; released when it is used. */
struct tree_path {
	struct pool *pool;
	int dirfd;
	int own; /* to close, or -1 */
	int nr_lent;
	uint32_t lent[PATH_LENT]; /* records of modes to give back */
	char *path; /* in buf */
	char buf[PATH_MAX];
};

/* tree_adopt.c */
int tree_open_all(struct pool *pool, bool fresh);
void tree_close_all(struct pool *pool);

/* tree_path.c */
/* Return: 0, -ESTALE, -ENOENT (its file is gone), or what openat says. */
int tree_path(struct pool *pool, uint32_t node, struct tree_path *p);
/* The same, where it is short and needs nothing to be lent or released. */
int path_build(struct pool *pool, uint32_t node, struct tree_path *p);
/* @name in @parent. */
int tree_path_at(struct pool *pool, uint32_t parent, const char *name,
		 struct tree_path *p);
void tree_path_release(struct tree_path *p);
/* tree_lend.c: has the path pass directories whose modes keep their owner out. */
int path_lend(struct pool *pool, uint32_t dir, struct tree_path *p);
/* The same, to open what the path is of. */
int path_lend_file(struct pool *pool, uint32_t node, struct tree_path *p);
void path_give_back(struct tree_path *p);
/* What a worker that was killed had lent. */
void lent_give_back(struct pool *pool);

/* tree_node.c */
/* Memory beside the record, and the index by inode number. */
int node_need_mem(struct tree *t, uint32_t i);
void node_hash(struct tree *t, uint32_t i);
/* The whole name, terminated. */
void node_place_name(struct tree *t, const struct node_place *p,
		     char name[TREE_NAME_MAX + 1]);
/* The node of an inode, 0: nobody refers to it. */
uint32_t node_by_ino(struct tree *t, uint64_t ino);
/* Is this where the node is known to be? */
bool node_is_at(struct tree *t, uint32_t node, uint32_t parent,
		const char *name);
/*
 * node_prepare - a record for it, not to be seen yet.  node_publish() makes it
 * live in the change that the caller has begun, node_published() after that.
 */
int node_prepare(struct pool *pool, uint32_t parent, const char *name,
		 const struct stat *st, uint32_t *node);
void node_unprepare(struct pool *pool, uint32_t node);
void node_publish(struct pool *pool, uint32_t node, uint32_t opens);
void node_published(struct pool *pool, uint32_t node);
/* Another place for a node, in the change that the caller has begun. */
struct node_move {
	uint32_t node;
	struct node_place old, new;
};
int node_move_prepare(struct pool *pool, struct node_move *m, uint32_t node,
		      uint32_t parent, const char *name);
/* To no place at all: its file has gone to orphan/, or is gone. */
void node_move_nowhere(struct pool *pool, struct node_move *m, uint32_t node);
void node_move_journal(struct pool *pool, struct node_move *m);
void node_moved(struct pool *pool, struct node_move *m);
void node_move_cancel(struct pool *pool, struct node_move *m);
void node_orphan_name(uint32_t node, char *buf, size_t size);
/* Frees it, and parents that only it needed, if nobody refers to it. */
void node_put(struct pool *pool, uint32_t node);
/* Its file is gone, by no act of the kernel's. */
void node_lose(struct pool *pool, uint32_t node);
/* What an operation refers to stays while it runs. */
static inline void tree_idle(struct tree **t)
{
	(*t)->busy--;
}
#define TREE_BUSY(pool)                                                     \
	struct tree *busy_tree                                              \
		__attribute__((cleanup(tree_idle), unused)) = (pool)->tree; \
	busy_tree->busy++

/* tree_io.c */
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
/* Bytes that plain files have. */
uint64_t space_used(struct pool *pool);

/* volatile.c */
void volatile_stop(struct pool *pool);
int volatile_adopt(struct pool *pool);
/* A node that was just made is about to be seen, or one is freed. */
void volatile_made(struct pool *pool, uint32_t node, uint32_t parent,
		   mode_t mode);
void volatile_freed(struct pool *pool, uint32_t node);
void volatile_pin(struct pool *pool, uint32_t node);
/* Nobody has it open any more, or its size has changed. */
void volatile_unpin(struct pool *pool, uint32_t node);
/* It has less memory than before; its age stays. */
void volatile_changed(struct pool *pool, uint32_t node);
/* It has got or lost its name. */
void volatile_placed(struct pool *pool, uint32_t node);
/* Has an orphan other names, which the kernel may have forgotten? */
bool volatile_has_names(struct pool *pool, uint32_t node);
/* Files that have come back to where their nodes say. */
void volatile_relist(struct pool *pool);
/* Removes @name of a file that has been purged.  Return: whether it was. */
bool volatile_sweep(struct pool *pool, uint32_t node,
		    const struct tree_path *p);
/* What it would give back; the file must be where the node says. */
int volatile_pages(struct pool *pool, uint32_t node, uint32_t *pages,
		   uint32_t *nlink);
const char *volatile_check(struct pool *pool);

/* Looks again at one that was mapped. */
void volatile_look(struct pool *pool);
/* It is mapped: the pool has to hold it, like what is open. */
void volatile_not_idle(struct pool *pool, uint32_t node);

/* volatile_purge.c */
struct volatile_walk {
	struct pool *pool;
	uint64_t scanned, freed; /* pages; @fn counts */
};
/* A shrinker's scan of one of the two lists; @fn is given a volatile_walk. */
unsigned long volatile_walk(struct pool *pool, struct extent_list *list,
			    enum lru_status (*fn)(struct extent_list *list,
						  struct extent *extent,
						  void *arg),
			    struct shrink_control *sc);
/* Does that error mean that there is no such file? */
bool volatile_is_gone(int err);
/* Is nobody but us at the file of a node that nobody has open? */
bool volatile_is_idle(struct pool *pool, uint32_t node);
int volatile_start(struct pool *pool);
/* A worker may have been killed between its mark and the end of its content. */
void volatile_purge_finish(struct pool *pool, uint32_t node);

/* vrange.c */
int ranges_adopt(struct pool *pool);
/* A file has more or less memory than before. */
void ranges_changed(struct pool *pool, uint32_t node);
void ranges_stop(struct pool *pool);
const char *ranges_check(struct pool *pool);

/* vrange_purge.c */
int ranges_start(struct pool *pool);

/* volatile_range.c */
/* What is behind @size is no more. */
void ranges_truncated(struct pool *pool, uint32_t node, uint64_t size);
void ranges_freed(struct pool *pool, uint32_t node);

/* Opens what is at @p.  As the owner, if modes forbid it to us. */
int tree_openat(struct pool *pool, uint32_t node, struct tree_path *p,
		int flags);

#endif
