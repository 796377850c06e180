/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Inodes of plain files: the numbers by which the kernel names them in
 * requests.
 *
 * Names, attributes, content and permissions of files are those of the store's
 * file system, and nothing of them is kept here.  The table "inodes" in the
 * store has a record for each file that was ever looked up:
 *
 *	tree/files/a/b		the tree
 *	orphan/INODE		the file of an inode that has lost its name
 *	inodes[]		record: inode number, (parent, name), counts
 *
 *	inode 1 (root) <--- parent --- inode 7 "a" <--- parent --- inode 9 "b"
 *
 * So an inode's path is found by going from parent to parent, a rename changes
 * one record, no descriptor is needed for a file that is not open, and a worker
 * that starts finds every number that the kernel has.
 *
 *	      lookup, create                 last forget, no child, not open
 *	FREE ----------------> LIVE                     .-------------> FREE
 *	                       |  ^ |                   |
 *	    unlink, rmdir, or  |  | '------> DEAD ------+ (its file is removed; the
 *	    renamed over       v  |                     |  kernel has references)
 *	                      ORPHAN -------------------'
 *	                         (its file is in orphan/; a lookup of another name,
 *	                          or a link, ends that; with another name it stays)
 *
 * A record stays as long as its file, also when the kernel has forgotten the
 * inode: file handles name it by number and generation.  Only if there is no
 * room for another record some of those are forgotten here, too.
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

/** inode_forget - drop @n of the references that lookups have taken. */
void inode_forget(struct pool *pool, uint32_t inode, uint64_t n);

/**
 * inode_hold - @hold: the number of @inode, which is referred to, goes to no
 * other file until it is let go.  There is one who does that.
 */
void inode_hold(struct pool *pool, uint32_t inode, bool hold);

/** inode_lookups - references that lookups have taken; 0 for no such inode. */
uint64_t inode_lookups(struct pool *pool, uint32_t inode);

/**
 * inode_set_lookups - there are @n of them: 0 may be the end of the inode.  If a
 * file goes with it, that is left to inodes_end_some(), or to the next worker,
 * which looks for what has no reference.
 */
void inode_set_lookups(struct pool *pool, uint32_t inode, uint64_t n);
/** inodes_are_ending - are there any? */
bool inodes_are_ending(const struct pool *pool);
/** inodes_end_some - @n of them, some 30 us each.  Return: whether there are more. */
bool inodes_end_some(struct pool *pool, unsigned int n);

/** inode_valid - is there a record of this inode? */
bool inode_valid(struct pool *pool, uint32_t inode);

/**
 * inode_generation - tells the inode from others that had its number before; 0
 * for the root and for no such inode.
 */
uint32_t inode_generation(struct pool *pool, uint32_t inode);

/**
 * inode_stat - attributes of the inode's file.
 * Return: 0; -ESTALE (no such inode, or its file is dead or purged); or -errno
 * of statx(), -ENOENT if its file was removed behind our back.
 */
int inode_stat(struct pool *pool, uint32_t inode, struct statx *out);

/**
 * inode_check_writers - in passthrough mode clients write to an inode's file without
 * a request, also through mappings that outlive the last close.  Have they all gone
 * since it was opened for writing?  Then inode_is_written() is false, until it is
 * opened so again.
 */
void inode_check_writers(struct pool *pool, uint32_t inode);
/** inode_is_written - may its attributes change without a request? */
bool inode_is_written(struct pool *pool, uint32_t inode);

/** inode_opens - open files on it; 0 for no such inode. */
uint32_t inode_opens(struct pool *pool, uint32_t inode);

/**
 * inode_fd - a descriptor of the inode's file, valid until inode_fd_done().
 * @write: it must be writable.
 * While the inode is open it is kept after that, unless too many are (see
 * pool/lib/fd_cache.h).
 * Return: the descriptor, or -errno as inode_stat() and open().
 */
int inode_fd(struct pool *pool, uint32_t inode, bool write);
/** inode_fd_done - @fd, of inode_fd(), is not used any more. */
void inode_fd_done(struct pool *pool, uint32_t inode, int fd);
/** inode_fd_close - keep none; inode_fd() opens the file again. */
void inode_fd_close(struct pool *pool, uint32_t inode);

/**
 * inode_opendir - open a directory for reading.
 * Return: a descriptor, the caller's to close, or -errno as inode_fd().
 */
int inode_opendir(struct pool *pool, uint32_t inode);

struct inode_usage {
	uint64_t inodes; /* that the kernel has references to, and the root */
	uint64_t records; /* of all that are kept */
	uint64_t bytes; /* memory of inodes, records included */
	uint64_t open; /* inodes with open files */
};
void inode_usage(struct pool *pool, struct inode_usage *out);

enum inode_known {
	INODE_KNOWN_DIR,
	INODE_KNOWN_DEAD /* purged, or dead */
};

/**
 * inode_next_known - walk the inodes that the kernel has references to.
 * @inode: the inode before, 0 at first.  Return: the next one, 0 at the end.
 */
uint32_t inode_next_known(struct pool *pool, uint32_t inode,
			  enum inode_known what);

#endif
