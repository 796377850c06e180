/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Passthrough or cached mode, and with which capabilities the kernel works on
 * files of the store.
 */
#include "fs/worker/worker_priv.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "fs/kernel/capability.h"
#include "fs/request/backing.h"
#include "pool/store/store.h"

void worker_drop_sys_resource(void)
{
	capability_drop(CAP_SYS_RESOURCE);
}

/* Does the kernel let us register a file of the store? */
static int worker_probe_passthrough(struct worker *w)
{
	int fd, id;

	if (!w->features.passthrough)
		return -EOPNOTSUPP;
	fd = openat(w->store->contentfd, "probe", O_RDWR | O_CREAT | O_CLOEXEC,
		    0600);
	if (fd < 0)
		return -errno;
	id = backing_open(w, fd);
	close(fd);
	unlinkat(w->store->contentfd, "probe", 0);
	if (id > 0)
		backing_close(w, id);
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
