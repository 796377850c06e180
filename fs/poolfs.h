/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * poolfs for programs: volatile ranges of a plain file on a mounted pool.
 *
 * An unpinned range may turn to zeros at any time, when the machine needs its
 * memory.  Pinning it again says whether that has happened:
 *
 *	struct poolfs_range r = { .offset = 0, .length = 1 << 20 };
 *
 *	ioctl(fd, POOLFS_IOC_UNPIN, &r);
 *	...
 *	if (ioctl(fd, POOLFS_IOC_PIN, &r) == POOLFS_WAS_PURGED)
 *		make_it_again();
 *
 * Offset and length are in bytes, multiples of the page size; a length of 0
 * means up to the end of the file.
 *
 * Errors: EINVAL, the range is not aligned, wraps round, or goes past the page
 * that the file ends in; EBADF, the descriptor is not open for writing, and
 * this is not POOLFS_IOC_STATE; ENOTTY, this is no plain file of a pool; ENOSPC,
 * ENOMEM.
 */
#ifndef POOLFS_H
#define POOLFS_H

#include <linux/ioctl.h>
#include <linux/types.h>

struct poolfs_range {
	__u64 offset;
	__u64 length;
};

/* Its content is wanted: 1 (POOLFS_WAS_PURGED) if any of it was purged. */
#define POOLFS_IOC_PIN _IOW('P', 1, struct poolfs_range)
#define POOLFS_NOT_PURGED 0
#define POOLFS_WAS_PURGED 1

/* It may be purged.  Parts that are unpinned already join with it. */
#define POOLFS_IOC_UNPIN _IOW('P', 2, struct poolfs_range)

/* Also for readers: 1 (POOLFS_IS_UNPINNED) if any of it is unpinned, 2
 * (POOLFS_IS_PURGED) if some of that was purged. */
#define POOLFS_IOC_STATE _IOW('P', 3, struct poolfs_range)
#define POOLFS_IS_PINNED 0
#define POOLFS_IS_UNPINNED 1
#define POOLFS_IS_PURGED 2

/* On .pool/config, for its owner: as writing it, on a read-only mount, too. */
struct poolfs_config {
	char json[2048];
};
#define POOLFS_IOC_CONFIG _IOW('P', 4, struct poolfs_config)

#endif
