/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Inodes of plain files: the numbers under which the front end knows them.
 *
 * The store's own file system is the inode table of the files themselves: names,
 * attributes, content and permissions are there and nowhere else.  What is kept
 * besides is a record for each inode that somebody refers to, and it lives in
 * the store, too:
 *
 *	tree/files/a/b		the tree
 *	orphan/NODE		a file that has lost the name its inode had
 *	inodes[]		record: inode number, (parent, name), counts
 *
 *	inode 1 (root) <--- parent --- inode 7 "a" <--- parent --- inode 9 "b"
 *
 * So an inode's path is found by going up, a rename changes one record, nothing
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
 * Locks: pool->lock (1) held by all callers.
 */
#ifndef POOLFS_POOL_INODE_H
#define POOLFS_POOL_INODE_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/stat.h>
#include <sys/types.h>

struct pool;

#define INODE_ROOT 1
#define INODE_NAME_MAX 255

/** inode_forget - @inode is referred to @n times less. */
void inode_forget(struct pool *pool, uint32_t inode, uint64_t n);

/** inode_valid - is it an inode that somebody refers to? */
bool inode_valid(struct pool *pool, uint32_t inode);

/** inode_stat - Return: 0, -ESTALE (no such inode), -ENOENT (it is removed). */
int inode_stat(struct pool *pool, uint32_t inode, struct statx *out);

/** inode_opens - open files on it; 0 for no such inode. */
uint32_t inode_opens(struct pool *pool, uint32_t inode);

/**
 * inode_fd - a descriptor of the inode's file.
 * @write: it must be writable.
 * Valid until the same inode is closed; never the caller's to close.
 * Return: it, or -errno.
 */
int inode_fd(struct pool *pool, uint32_t inode, bool write);
/** inode_fd_done - not needed any more: closed, unless the inode is open. */
void inode_fd_done(struct pool *pool, uint32_t inode);
/** inode_fd_close - the descriptor is not wanted for now. */
void inode_fd_close(struct pool *pool, uint32_t inode);

/** inode_opendir - Return: a descriptor, the caller's to close, or -errno. */
int inode_opendir(struct pool *pool, uint32_t inode);

struct inode_usage {
	uint64_t inodes; /* records in use */
	uint64_t bytes; /* memory that inodes take, records included */
	uint64_t open; /* descriptors */
};
void inode_usage(struct pool *pool, struct inode_usage *out);

enum inode_known {
	INODE_KNOWN_DIR,
	INODE_KNOWN_DEAD /* purged files, and other ones that are no more */
};

/**
 * inode_next_known - of those that the kernel knows.
 * Return: the next one behind @inode, which is 0 at first; 0: no more.
 */
uint32_t inode_next_known(struct pool *pool, uint32_t inode,
			  enum inode_known what);

#endif
