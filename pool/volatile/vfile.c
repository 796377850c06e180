/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Volatile files: content that may be purged while nobody uses it.
 *
 * States of a volatile file:
 *
 *	        first open                  last close
 *	LISTED ------------> open (pinned) ------------> LISTED
 *	   |
 *	   | the shrinker, if nobody has it mapped either
 *	   v
 *	 removed, or PURGED while it has names that nobody has looked up yet
 *
 * That a file is volatile is a flag of its inode's record, which therefore stays
 * when the kernel has forgotten the inode.
 *
 * This is what can be seen of one; its place on the LRU is in vfile_list.c, the
 * end of it in vfile_purge.c.
 *
 * Locks: pool->lock (1).
 * Reclaim walks the LRU under it.
 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <unistd.h>

#include "pool/volatile/volatile_priv.h"

bool vfile_is_purgeable(const struct inode_rec *rec)
{
	return (rec->flags & (INODE_VOLATILE | INODE_DIR | INODE_DEAD |
			      INODE_PURGED)) == INODE_VOLATILE;
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

/* Is that what is said of a file that is not there?  If not, it may only have
 * been that there was no descriptor or no memory to look. */
bool means_no_file(int err)
{
	return err == -ENOENT || err == -ESTALE || err == -ENOTDIR;
}

/*
 * A mapping outlives its file's last close, and only the kernel knows it: a
 * lease is given to us exactly when nobody else has the file open or mapped.
 */
static bool vfile_lease(int fd)
{
	/* Whoever opens it meanwhile waits for us: no reason for a signal that
	 * ends the process. */
	return fcntl(fd, F_SETSIG, SIGURG) == 0 &&
	       fcntl(fd, F_SETLEASE, F_WRLCK) == 0;
}

/* Return: the file's descriptor, -EBUSY: somebody has it mapped, or -errno.
 * While it is open nobody else can open it. */
int vfile_purge_open(struct pool *pool, uint32_t inode, struct inode_path *p)
{
	int fd;

	pool->inodes->busy++;
	fd = inode_openat(pool, inode, p, O_RDWR);
	pool->inodes->busy--;
	/* Without passthrough a mapping is one of our own open files. */
	if (fd < 0 || !pool->leases || vfile_lease(fd))
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
