/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The store: the private tree that holds every byte of the pool and every
 * piece of state that must outlive the worker.
 *
 *	boxes transactions handles inodes ranges journal events config.json
 *	box/SERIAL	the region of a box, one file each
 *	open/HANDLE	what an open control file was answered with
 *	tree/files/	plain files
 *	orphan/INODE	files of inodes that have lost their name (inode.h)
 */
#ifndef POOLFS_POOL_STORE_H
#define POOLFS_POOL_STORE_H

#include <stdbool.h>
#include <stdint.h>

#define STORE_FILES "tree/files"

struct store {
	int dirfd;
	int boxfd;
	int openfd;
	int orphanfd;
	char *path; /* NULL when detached */
	bool temporary; /* remove it when the pool ends */
	bool detached; /* a tmpfs of its own */
	bool huge; /* its tmpfs was mounted huge=within_size */
};

/**
 * store_open - make a store or adopt one.
 * @dir: a directory of the user's to adopt, or NULL: a detached tmpfs, or, if
 *	the caller may not mount, a new 0700 directory on $XDG_RUNTIME_DIR or
 *	/dev/shm.
 * @size: bytes the pool may hold.
 * @limits: comma-separated options of tmpfs for a detached store (nr_inodes=N,
 *	usrquota...), or NULL; -EINVAL for another store.
 * @why, @why_size: out, on failure, a sentence that says what is wrong and what
 *	to do; the buffer's bytes.
 * Return: 0; -EWOULDBLOCK: another pool uses it; or -errno of the system calls.
 */
int store_open(struct store *store, const char *dir, uint64_t size,
	       const char *limits, char *why, int why_size);

/**
 * store_set_inodes - let its file system hold @nr inodes.  Errors as those of
 * store_set_limit().
 */
int store_set_inodes(struct store *store, uint64_t nr);

/**
 * store_set_limit - let its file system hold @bytes, all files together.
 * Return: 0; -EBUSY: it holds more now; -EOPNOTSUPP: the store is not a
 * detached tmpfs; or -errno of the system calls.
 */
int store_set_limit(struct store *store, uint64_t bytes);

/** store_close - close it; a temporary directory is removed. */
void store_close(struct store *store);

/** store_tables_bytes - memory of tables, journal, events and settings. */
uint64_t store_tables_bytes(struct store *store);

struct statvfs;
/** store_space - fstatvfs() of its file system.  Return: 0 or -errno. */
int store_space(struct store *store, struct statvfs *out);

/**
 * store_region_open - open the region file of box @serial.
 * @create: make it if it does not exist.
 * Return: its descriptor, the caller's to close, or -errno.
 */
int store_region_open(struct store *store, uint64_t serial, bool create);
/** store_region_unlink - remove the region file of box @serial. */
int store_region_unlink(struct store *store, uint64_t serial);

#endif
