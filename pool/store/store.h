/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The store: the private tree that holds every byte of the pool and every
 * piece of state that must outlive the worker.
 *
 *	records: what the pool keeps for itself
 *	store		by what it is known: see store_id.c
 *	boxes transactions handles inodes ranges texts users journal events
 *	config.json
 *
 *	content: what users have written
 *	box/SERIAL	the region of a box, one file each
 *	tree/files/	plain files
 *	orphan/INODE	files of inodes that have lost their name (inode.h)
 *
 * A store of the pool's own is two detached tmpfs, one for each part.  So the
 * limits of the second are those of the users: the pool never has to lift them
 * for itself, and no client can take what the pool needs.  Elsewhere both parts
 * are in one directory.
 */
#ifndef POOLFS_POOL_STORE_H
#define POOLFS_POOL_STORE_H

#include <stdbool.h>
#include <stdint.h>

#define STORE_FILES "tree/files"

struct store {
	int dirfd; /* of the records */
	int contentfd; /* of the content; a duplicate if there is one part */
	int boxfd;
	int orphanfd;
	int mountfd; /* the content's mount if it is detached, else -1 */
	char *path; /* NULL when detached */
	bool temporary; /* remove it when the pool ends */
	bool detached; /* the content is in a tmpfs of its own */
	bool huge; /* that one was mounted huge=within_size */
	uint64_t
		inodes; /* that users may have (nr_inodes=N); 0: no such limit */
	uint64_t nr_regions; /* region files; counted if there is the limit */
	bool inodes_exact; /* the user gave it */
	uint64_t inodes_set; /* the limit of its file system; 0: not known */
	bool inodes_stale; /* its file system lets users have more by now */
	bool counts_users; /* its file system counts bytes by owner */
	uint64_t share; /* bytes that a user may have; 0: no such limit */
	uint64_t share_mounted; /* of users that tmpfs does not know yet */
	bool copied; /* files have other numbers than their records say */
};

/** What a store of the pool's own may hold. */
struct store_limits {
	/* Comma-separated options of tmpfs (nr_inodes=N, usrquota...), or NULL;
	 * -EINVAL for another store. */
	const char *options;
	/* Bytes of files that each user but root may have, if the kernel's tmpfs
	 * has quotas and @options name none; 0: no such limit. */
	uint64_t share;
};

/**
 * store_open - make a store or adopt one.
 * @dir: a directory of the user's to adopt, or NULL: a detached tmpfs, or, if
 *	the caller may not mount, a new 0700 directory on $XDG_RUNTIME_DIR or
 *	/dev/shm.
 * @size: bytes the pool may hold.
 * @limits: of a detached store, or NULL: none but @size.
 * @why, @why_size: out, on failure, a sentence that says what is wrong and what
 *	to do; the buffer's bytes.
 * Return: 0; -EWOULDBLOCK: another pool uses it; -EUCLEAN: it may not be
 * adopted; or -errno of the system calls.
 */
int store_open(struct store *store, const char *dir, uint64_t size,
	       const struct store_limits *limits, char *why, int why_size);

/**
 * store_set_limit - let its file system hold @bytes of content.
 * Return: 0; -EBUSY: it holds more now; -EOPNOTSUPP: the store is not a
 * detached tmpfs; or -errno of the system calls.
 */
int store_set_limit(struct store *store, uint64_t bytes);

/**
 * store_spare_inodes - let its file system hold @nr inodes more than users may
 * have and the store itself has; until the next call.  For what is made and
 * gone within one operation.  Only the worker makes inodes, so nobody else can
 * take them.
 * Return: 0; -EOPNOTSUPP: there is no such limit; as store_set_limit().
 */
int store_spare_inodes(struct store *store, uint64_t nr);

/**
 * store_limit_inodes - users may have @nr inodes from now on.
 * @exact: the user gave the number.
 * Return: as store_spare_inodes(); -EBUSY: they have more, and nothing has
 * changed.
 */
int store_limit_inodes(struct store *store, uint64_t nr, bool exact);

/**
 * store_fit_records - what follows the pool's size: the room for records, and
 * nr_inodes if the user gave none.  What is there already stays.
 */
void store_fit_records(struct store *store, uint64_t size);

/** store_fit_inodes - before a user's inode is made: the limit holds again. */
static inline void store_fit_inodes(struct store *store)
{
	if (store->inodes_stale)
		store_spare_inodes(store, 0);
}

/**
 * store_set_share - each user but root may have @bytes of files from now on.
 * Does nothing where store_limits.share was not in force.
 */
void store_set_share(struct store *store, uint64_t bytes);

/** store_limit_user - before @uid gets a file: see store_admit_user(). */
void store_limit_user(struct store *store, uint32_t uid);

/**
 * store_admit_user - to be called before @uid gets a file.  The kernel gives
 * who has none yet the share of the mount.
 */
static inline void store_admit_user(struct store *store, uint32_t uid)
{
	if (store->share != store->share_mounted)
		store_limit_user(store, uid);
}

/**
 * store_next_user - what a user has in files, of root with the regions.
 * @uid: in and out, the first user who is not below it.
 * Return: 0; -ENOENT: there is none; -EOPNOTSUPP: they are not counted; or -errno.
 */
int store_next_user(struct store *store, uint32_t *uid, uint64_t *bytes);

/**
 * store_count_regions - to be called by a new worker.  Return: 0 or -errno.
 */
int store_count_regions(struct store *store);

/**
 * store_settle - records name files by the numbers that they have here: it is
 * no copy any more.  Return: 0 or -errno.
 */
int store_settle(struct store *store);

/** store_close - close it; a temporary directory is removed. */
void store_close(struct store *store);

/** store_tables_bytes - memory of records: tables, journal, events, settings. */
uint64_t store_tables_bytes(struct store *store);

struct statvfs;
/**
 * store_space - fstatvfs() of the content's file system, without the inodes
 * that are, or may become, the store's own.  Return: 0 or -errno.
 */
int store_space(struct store *store, struct statvfs *out);

/**
 * store_region_open - open the region file of box @serial.
 * @create: make it if it does not exist.
 * Return: its descriptor, the caller's to close, or -errno.
 */
int store_region_open(struct store *store, uint64_t serial, bool create);
/**
 * store_each_region - call @fn with the serial of each region file there is,
 * until it fails.  @fn makes and removes none.
 * Return: 0, what @fn has returned, or -errno of the system calls.
 */
int store_each_region(struct store *store,
		      int (*fn)(void *arg, uint64_t serial), void *arg);
/** store_region_unlink - remove the region file of box @serial. */
int store_region_unlink(struct store *store, uint64_t serial);

#endif
