/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What the files of the store share. */
#ifndef POOLFS_POOL_STORE_PRIV_H
#define POOLFS_POOL_STORE_PRIV_H

#include "pool/store/store.h"

/* Writes a sentence into @why. */
__attribute__((format(printf, 3, 4))) void store_say(char *why, int why_size,
						     const char *fmt, ...);

/* Where temporary stores are made if there is no $XDG_RUNTIME_DIR, and the
 * beginning of their names. */
#define STORE_SHM "/dev/shm"
#define STORE_PREFIX "poolfs-"

/* --- store_tmpfs.c --- */

/*
 * They mount the two parts of a store of the pool's own.  @limits: as
 * store_open().
 * Return: the root; -EPERM or -ENOSYS where that cannot be; or another -errno,
 * and a sentence in @why if there is more to say.
 */
int store_mount_content(struct store *store, uint64_t size,
			const struct store_limits *limits, char *why,
			int why_size);
int store_mount_records(uint64_t size);

/* --- store_id.c: the file "store", by which a store is known --- */

#define STORE_ID "store"

struct store_id {
	bool temporary; /* to be removed when its pool has ended */
	/* Of tree/files: number and time of birth.  0: not known. */
	uint64_t ino;
	int64_t born;
	uint32_t born_ns;
};

/* Return: 0; -ENOENT; -EUCLEAN: it is not that of a store, or of another
 * version; or -errno. */
int store_id_read(int dirfd, struct store_id *id);
int store_id_write(int dirfd, const struct store_id *id);
/* Is tree/files the directory that it was when @id was written? */
bool store_id_is_here(int dirfd, const struct store_id *id);
/* Removes all that is in a temporary store; what says that it is one goes last.
 * Return: 0 or -errno. */
int store_empty(int dirfd);

/* --- store_quota.c --- */

/* Root has no limit.  Return: whether bytes are counted by owner. */
bool store_quota_spare_root(struct store *store);

/* --- store_check.c --- */

/*
 * Looks at a directory of the user's before anything is made or opened in it;
 * and at the mode of one that is new.
 * @is_new: out, there is no store in it.
 * Return: 0, or -errno with a sentence in @why.
 */
int store_check(struct store *store, bool *is_new, char *why, int why_size);

#endif
