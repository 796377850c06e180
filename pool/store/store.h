/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The store: the private tree that holds every byte of the pool and every
 * piece of state that must outlive the worker.
 *
 *	boxes transactions handles inodes ranges journal events config.json
 *	box/SERIAL	the region of a box, one file each
 *	open/HANDLE	what an open control file was answered with
 *	tree/files/	plain files
 *	orphan/NODE	files that have no name in it any more (tree.h)
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
 * store_open - make or adopt one.
 * @dir: a directory of the user's to adopt, or NULL: a detached tmpfs, or for
 *	who may not mount, a new 0700 directory on $XDG_RUNTIME_DIR or /dev/shm.
 * @size: bytes the pool may hold.
 * @limits: comma-separated options of tmpfs for a detached one (nr_inodes=N,
 *	usrquota...), or NULL; it is an error for another store.
 * @why, @why_size: out, on failure, a sentence that says what is wrong and what
 *	to do; the buffer's bytes.
 * Return: 0 or -errno.
 */
int store_open(struct store *store, const char *dir, uint64_t size,
	       const char *limits, char *why, int why_size);

/** store_set_inodes - files that its file system may hold.  Return: 0 or
 * -errno. */
int store_set_inodes(struct store *store, uint64_t nr);

/**
 * store_set_limit - bytes that its file system may hold, all of it together.
 * Return: 0; -EBUSY: it holds more now; -EOPNOTSUPP: the file system is not
 * ours.
 */
int store_set_limit(struct store *store, uint64_t bytes);

/** store_close - and remove what was temporary. */
void store_close(struct store *store);

/** store_tables_bytes - memory that is not the content of any file. */
uint64_t store_tables_bytes(struct store *store);

struct statvfs;
/** store_space - what its file system has.  Return: 0 or -errno. */
int store_space(struct store *store, struct statvfs *out);

/**
 * store_region_open - the region file of box @serial; @create makes it.
 * Return: its descriptor or -errno; -ENFILE when only those are left that
 * .pool/ and a new worker's start need.
 */
int store_region_open(struct store *store, uint64_t serial, bool create);
int store_region_unlink(struct store *store, uint64_t serial);

#endif
