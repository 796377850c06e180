/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What is mounted on a directory, and unmounting our own file system only. */
#include "fs/kernel/mount.h"

#include <errno.h>
#include <fcntl.h>
#include <fuse_lowlevel.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <unistd.h>

/* What Debian 12's headers do not know: Linux 6.8. */
#ifndef STATX_MNT_ID_UNIQUE
#define STATX_MNT_ID_UNIQUE 0x4000U
#endif
#ifndef SYS_statmount
#define SYS_statmount 457
#endif

struct statmount_request {
	uint32_t size;
	uint32_t spare;
	uint64_t id;
	uint64_t param;
};

#define STATMOUNT_BYTES 512 /* of its answer, which is not read */

uint64_t mount_id(const char *dir)
{
	struct statx stx;

	/* The kernel answers that without asking the file system. */
	if (statx(AT_FDCWD, dir, AT_STATX_DONT_SYNC | AT_NO_AUTOMOUNT,
		  STATX_MNT_ID_UNIQUE, &stx) < 0)
		return 0;
	return stx.stx_mask & STATX_MNT_ID_UNIQUE ? stx.stx_mnt_id : 0;
}

bool mount_was_removed(uint64_t id)
{
	struct statmount_request request = { sizeof(request), 0, id, 0 };
	char answer[STATMOUNT_BYTES];

	return id &&
	       syscall(SYS_statmount, &request, answer, sizeof(answer), 0) <
		       0 &&
	       errno == ENOENT;
}

/* While the connection lives, no other file system has its device number. */
bool mount_is_alive(int fd)
{
	struct pollfd p = { .fd = fd };

	return poll(&p, 1, 0) >= 0 && !(p.revents & POLLERR);
}

int mount_abort_open(uint64_t device)
{
	char path[64];

	snprintf(path, sizeof(path), "/sys/fs/fuse/connections/%u/abort",
		 minor(device));
	return open(path, O_WRONLY | O_CLOEXEC);
}

void mount_remove(struct fuse_session *mount, const char *dir, uint64_t device)
{
	if (!device || mount_device(dir) != device)
		return;
	if (geteuid() == 0)
		umount2(dir, MNT_FORCE | MNT_DETACH | UMOUNT_NOFOLLOW);
	else
		fuse_session_unmount(mount);
}

/*
 * As root, abort the connection first.  A notifier that has a page dropped
 * waits for the READ of that page, which no worker answers any more, and the
 * end of the file system waits for the notifier.
 */
void mount_end(struct fuse_session *mount, const char *dir, uint64_t device)
{
	if (geteuid() == 0 && mount_is_alive(fuse_session_fd(mount)) &&
	    device && mount_device(dir) == device)
		umount2(dir, MNT_FORCE | MNT_DETACH | UMOUNT_NOFOLLOW);
	fuse_session_unmount(mount);
}
