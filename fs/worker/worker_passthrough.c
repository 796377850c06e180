/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Passthrough: whether the kernel lets us register files of the store, how it is
 * done, and with which capabilities the kernel then works on them in our name.
 */
#include "fs/worker/worker_priv.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <stdio.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

/* One capability of this thread's, on or off. */
static void worker_capability(int cap, bool on, bool for_ever)
{
	struct __user_cap_header_struct h = {
		.version = _LINUX_CAPABILITY_VERSION_3
	};
	struct __user_cap_data_struct d[2];
	uint32_t bit = 1u << cap % 32;

	if (syscall(SYS_capget, &h, d) < 0)
		return;
	if (on)
		d[cap / 32].effective |= bit & d[cap / 32].permitted;
	else
		d[cap / 32].effective &= ~bit;
	if (for_ever)
		d[cap / 32].permitted &= ~bit;
	syscall(SYS_capset, &h, d);
}

/*
 * What the kernel writes to the store, it writes as who registered the file.
 * Without this capability set-ID bits go with a write, as they should.
 */
int worker_backing_open(struct worker *w, int fd)
{
	int id;

	worker_capability(CAP_FSETID, false, false);
	id = wire_backing_open(w->fuse_fd, fd);
	worker_capability(CAP_FSETID, true, false);
	if (id > 0)
		w->shared->last_backing = id;
	return id;
}

/* Ids are given out in order: the one after the last that was written down is
 * of a worker that was killed before it could. */
void worker_close_lost_backing(struct worker *w)
{
	wire_backing_close(w->fuse_fd, w->shared->last_backing + 1);
}

/*
 * The kernel opens the store's files in our name: with this capability writers
 * would pass the limits of their users.  The reclaimer keeps it.
 */
void worker_drop_sys_resource(void)
{
	worker_capability(CAP_SYS_RESOURCE, false, true);
}

/* Does the kernel let us register a file of the store? */
static int worker_probe_passthrough(struct worker *w)
{
	int fd, id;

	if (!w->features.passthrough)
		return -EOPNOTSUPP;
	fd = openat(w->store->dirfd, "probe", O_RDWR | O_CREAT | O_CLOEXEC,
		    0600);
	if (fd < 0)
		return -errno;
	id = worker_backing_open(w, fd);
	close(fd);
	unlinkat(w->store->dirfd, "probe", 0);
	if (id > 0)
		wire_backing_close(w->fuse_fd, id);
	return id > 0 ? 0 : id;
}

int worker_choose_mode(struct worker *w)
{
	int err;

	if (w->shared->mode) {
		w->mode = w->shared->mode;
		return 0;
	}
	err = worker_probe_passthrough(w);
	if (err && w->options->mode == MODE_PASSTHROUGH) {
		snprintf(w->shared->why, sizeof(w->shared->why),
			 "--mode=passthrough: %s; it takes Linux 6.9 and "
			 "CAP_SYS_ADMIN; leave the option out to get what "
			 "there is",
			 strerror(-err));
		return err;
	}
	w->mode = err ? MODE_CACHED : MODE_PASSTHROUGH;
	w->shared->mode = w->mode;
	return 0;
}
