/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Plain files: the tree of ordinary files in the store, and the nodes under
 * which the front end knows them.
 *
 * The store's own file system is the inode table: names, attributes, content
 * and permissions are there and nowhere else.  What is kept besides is a record
 * for each node that somebody refers to, and it lives in the store, too:
 *
 *	tree/files/a/b		the tree
 *	orphan/NODE		a file that has lost the name its node knew it by
 *	nodes[]			record: inode number, (parent node, name), counts
 *
 *	node 1 (root) <--- parent --- node 7 "a" <--- parent --- node 9 "b"
 *
 * So a node's path is found by going up, a rename changes one record, nothing
 * is open for a file that nobody has open, and a worker that starts finds every
 * number that was given out.
 *
 *	      lookup, create             last forget, nobody's parent
 *	FREE ----------------> LIVE ------------------------------------> FREE
 *	                        |  ^
 *	     unlink, rmdir, or  |  | found again by another name
 *	     renamed over       v  |
 *	                       ORPHAN (its file is in orphan/)
 *
 * Operations that change the tree are noted in the journal first, so a request
 * that comes again is carried out once.
 *
 * Locks: pool->lock (1) held by all callers.
 */
#ifndef POOLFS_TREE_H
#define POOLFS_TREE_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/stat.h>
#include <sys/types.h>

struct pool;

#define TREE_ROOT 1
#define TREE_NAME_MAX 255

/* On whose behalf something is made. */
struct tree_cred {
	uid_t uid;
	gid_t gid;
	mode_t umask;
};

/* --- nodes (tree_node.c) --- */

/**
 * tree_lookup - the node of @name in directory @parent, referred to once more.
 * Return: 0, or -ENOENT, -ENAMETOOLONG, -ENOTDIR, -ESTALE (@parent is gone),
 * -ENOSPC or -ENOMEM (no record).
 */
int tree_lookup(struct pool *pool, uint32_t parent, const char *name,
		uint32_t *node);

/** tree_forget - @node is referred to @n times less. */
void tree_forget(struct pool *pool, uint32_t node, uint64_t n);

/** tree_valid - is it a node that somebody refers to? */
bool tree_valid(struct pool *pool, uint32_t node);

/** tree_stat - Return: 0, -ESTALE (no such node), -ENOENT (it is gone). */
int tree_stat(struct pool *pool, uint32_t node, struct statx *out);

struct tree_usage {
	uint64_t nodes; /* records in use */
	uint64_t bytes; /* memory that nodes take, records included */
	uint64_t open; /* descriptors */
};
void tree_usage(struct pool *pool, struct tree_usage *out);

enum tree_known {
	TREE_KNOWN_DIR,
	TREE_KNOWN_GONE /* purged files, and other ones that are no more */
};

/**
 * tree_next_known - of those that the kernel knows.
 * Return: the next one behind @node, which is 0 at first; 0: no more.
 */
uint32_t tree_next_known(struct pool *pool, uint32_t node,
			 enum tree_known what);

/* --- volatile files (volatile.c) --- */

/**
 * tree_set_volatile - its content may be purged while nobody has it open or
 * mapped; of a directory: what is made in it from now on is volatile.
 * Return: 0, -EOPNOTSUPP (neither a regular file nor a directory), -ESTALE.
 */
int tree_set_volatile(struct pool *pool, uint32_t node, bool on);
bool tree_is_volatile(struct pool *pool, uint32_t node);

/** tree_is_purged - must a listing leave out the file with this number? */
bool tree_is_purged(struct pool *pool, uint64_t ino);

/* --- volatile ranges (volatile_range.c) --- */

/*
 * Bytes [off, off+len) of a regular file, whole pages; @len 0: up to its end.
 * Return: as poolfs.h has it: 0 or 1; -EINVAL, -ENOTTY (no regular file),
 * -ESTALE, -ENOSPC, -ENOMEM.
 */
int tree_unpin_range(struct pool *pool, uint32_t node, uint64_t off,
		     uint64_t len);
int tree_pin_range(struct pool *pool, uint32_t node, uint64_t off,
		   uint64_t len);
int tree_range_state(struct pool *pool, uint32_t node, uint64_t off,
		     uint64_t len);

typedef void tree_lost_fn(void *arg, uint32_t node, uint64_t off, uint64_t len);

/**
 * tree_each_lost - the bytes that have no memory in ranges that were purged and
 * that nobody has pinned since.
 */
void tree_each_lost(struct pool *pool, tree_lost_fn *lost, void *arg);

struct volatile_stat {
	uint64_t ranges; /* unpinned or purged */
	uint64_t range_pages; /* of those that are not purged */
	uint64_t files; /* volatile ones */
	uint64_t available; /* pages of those that nobody has open */
	uint64_t idle; /* pages of those that nobody has mapped either */
	uint64_t purged_files; /* ever, since the worker started */
	uint64_t purged_pages;
};
void volatile_stat(struct pool *pool, struct volatile_stat *out);

/** tree_check - all invariants (tests); NULL or what is broken. */
const char *tree_check(struct pool *pool);

/* --- names (tree_make.c, tree_name.c, tree_rename.c) --- */

/*
 * Each makes @name in @parent and refers to its node once.  Return: 0 or -errno
 * as the system call of that name; -EPERM when the pool may not make files of
 * another user's.
 */
int tree_mkdir(struct pool *pool, uint32_t parent, const char *name,
	       mode_t mode, const struct tree_cred *cred, uint32_t *node);
int tree_mknod(struct pool *pool, uint32_t parent, const char *name,
	       mode_t mode, dev_t rdev, const struct tree_cred *cred,
	       uint32_t *node);
int tree_symlink(struct pool *pool, uint32_t parent, const char *name,
		 const char *target, const struct tree_cred *cred,
		 uint32_t *node);
int tree_link(struct pool *pool, uint32_t from, uint32_t parent,
	      const char *name);

/**
 * tree_create - make, or find, a regular file and open it.
 * @flags: of open(2); O_EXCL and O_TRUNC are honoured.
 * @name: NULL: one without a name (O_TMPFILE), in @parent's file system.
 * The node is referred to once, and open once.
 */
int tree_create(struct pool *pool, uint32_t parent, const char *name, int flags,
		mode_t mode, const struct tree_cred *cred, uint32_t *node);

int tree_unlink(struct pool *pool, uint32_t parent, const char *name);
int tree_rmdir(struct pool *pool, uint32_t parent, const char *name);
/* @flags: of renameat2(2). */
int tree_rename(struct pool *pool, uint32_t parent, const char *name,
		uint32_t to, const char *to_name, unsigned int flags);

/* --- open files and what is in them (tree_file.c, tree_io.c) --- */

/** tree_open - one more open file on it.  @flags: O_TRUNC is honoured. */
int tree_open(struct pool *pool, uint32_t node, int flags);
/** tree_close - Return: how many are left open, or -errno. */
int tree_close(struct pool *pool, uint32_t node);
uint32_t tree_opens(struct pool *pool, uint32_t node);

/* The passthrough backing id of an open node, 0 for none. */
int32_t tree_backing(struct pool *pool, uint32_t node);
void tree_set_backing(struct pool *pool, uint32_t node, int32_t id);

/**
 * tree_fd - a descriptor of the node's file.
 * @write: it must be writable.
 * Valid until the same node is closed; the tree's to close.
 * Return: it, or -errno.
 */
int tree_fd(struct pool *pool, uint32_t node, bool write);
/** tree_fd_done - not needed any more: closed, unless the node is open. */
void tree_fd_done(struct pool *pool, uint32_t node);

/** tree_fd_close - the descriptor is not wanted for now. */
void tree_fd_close(struct pool *pool, uint32_t node);

/** tree_opendir - Return: a descriptor, the caller's to close, or -errno. */
int tree_opendir(struct pool *pool, uint32_t node);

/* What tree_setattr() changes. */
struct tree_attr {
	uint32_t set; /* TREE_SET_* */
	mode_t mode;
	uid_t uid;
	gid_t gid;
	uint64_t size;
	struct timespec atime, mtime; /* tv_nsec may be UTIME_NOW */
	/* TREE_KILL_*: the groups its caller is in. */
	const gid_t *groups;
	int nr_groups;
};
#define TREE_SET_MODE (1u << 0)
#define TREE_SET_UID (1u << 1)
#define TREE_SET_GID (1u << 2)
#define TREE_SET_SIZE (1u << 3)
#define TREE_SET_ATIME (1u << 4)
#define TREE_SET_MTIME (1u << 5)
#define TREE_KILL_SUIDGID (1u << 6) /* as a write by its caller does */
#define TREE_KILL_SGID (1u << 7) /* as an access list that its caller sets */
int tree_setattr(struct pool *pool, uint32_t node, const struct tree_attr *a);

/*
 * Bytes of a regular file, as the system calls of these names.  A full store is
 * -ENOSPC, after reclaim was asked for room.
 */
ssize_t tree_write(struct pool *pool, uint32_t node, const void *buf,
		   size_t len, off_t off);
int tree_fallocate(struct pool *pool, uint32_t node, int mode, off_t off,
		   off_t len);
ssize_t tree_copy_range(struct pool *pool, uint32_t from, off_t off,
			uint32_t to, off_t to_off, size_t len);

/** tree_readlink - @buf gets a string.  Return: its length or -errno. */
ssize_t tree_readlink(struct pool *pool, uint32_t node, char *buf, size_t size);

/* As the system calls of these names; @size 0 asks how much there is. */
ssize_t tree_getxattr(struct pool *pool, uint32_t node, const char *name,
		      void *value, size_t size);
ssize_t tree_listxattr(struct pool *pool, uint32_t node, char *list,
		       size_t size);
int tree_setxattr(struct pool *pool, uint32_t node, const char *name,
		  const void *value, size_t size, int flags);
int tree_removexattr(struct pool *pool, uint32_t node, const char *name);

#endif
