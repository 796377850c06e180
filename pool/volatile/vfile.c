/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Volatile files: files that may be purged while they are not in use.
 *
 * States of a volatile file:
 *
 *	        first open                  last close
 *	LISTED ------------> open (pinned) ------------> LISTED
 *	   |
 *	   | the shrinker, if it is not mapped
 *	   v
 *	 removed (it had one name), or PURGED until its names are looked up
 *
 * That a file is volatile is a flag of its inode's record.  So the record stays
 * when the kernel has no reference to the inode any more.
 *
 * This file has what can be seen of a file.  Its place on the LRU is in
 * vfile_list.c, its purge in vfile_purge.c.
 *
 * Locks: pool->lock (1) held by all callers.
 * Reclaim: purges listed files with the same lock held.
 */
#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

#include "pool/lib/lease.h"
#include "pool/volatile/volatile_priv.h"

bool vfile_is_purgeable(const struct inode_rec *rec)
{
	return (rec->flags & (INODE_VOLATILE | INODE_DIR | INODE_DEAD |
			      INODE_PURGED | INODE_GUARDED)) == INODE_VOLATILE;
}

bool vfile_is_volatile(struct pool *pool, uint32_t inode)
{
	return inode_valid(pool, inode) &&
	       inode_rec(pool->inodes, inode)->flags & INODE_VOLATILE;
}

bool vfile_is_purged(struct pool *pool, uint64_t ino)
{
	struct inode_table *t = pool->inodes;
	uint32_t inode = pool->volatiles->nr_purged ? inode_by_ino(t, ino) : 0;

	return inode && inode_rec(t, inode)->flags & INODE_PURGED;
}

int vfile_pages(struct pool *pool, uint32_t inode, uint32_t *pages,
		uint32_t *nlink)
{
	struct inode_path p;
	struct stat st;
	int err = inode_path(pool, inode, &p);

	if (err)
		return err;
	err = fstatat(p.dirfd, p.path, &st, AT_SYMLINK_NOFOLLOW) < 0 ? -errno
								     : 0;
	inode_path_release(&p);
	if (err)
		return err;
	if (st.st_ino != inode_rec(pool->inodes, inode)->ino)
		return -ENOENT;
	*pages = ((uint64_t)st.st_blocks * 512 + pool->page_size - 1) /
		 pool->page_size;
	*nlink = st.st_nlink;
	return 0;
}

bool vfile_has_names(struct pool *pool, uint32_t inode)
{
	uint32_t pages, nlink;

	return !vfile_pages(pool, inode, &pages, &nlink) && nlink > 1;
}

bool vfile_error_is_missing(int err)
{
	return err == -ENOENT || err == -ESTALE || err == -ENOTDIR;
}

int vfile_purge_open(struct pool *pool, uint32_t inode, struct inode_path *p)
{
	int fd;

	pool->inodes->busy++;
	fd = inode_openat(pool, inode, p, O_RDWR);
	pool->inodes->busy--;
	/* In cached mode a file that is mapped counts as open. */
	if (fd < 0 || !pool->leases || lease_take(fd, F_WRLCK))
		return fd;
	close(fd);
	return -EBUSY;
}

bool vfile_is_idle(struct pool *pool, uint32_t inode)
{
	struct inode_path p;
	int fd;

	if (!pool->leases)
		return true;
	if (inode_path(pool, inode, &p))
		return false;
	fd = vfile_purge_open(pool, inode, &p);
	if (fd >= 0)
		close(fd);
	inode_path_release(&p);
	return fd >= 0;
}
