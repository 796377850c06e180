/* SPDX-License-Identifier: GPL-2.0-or-later */
/* See backing.h. */
#include "fs/request/backing.h"

#include <linux/capability.h>

#include "fs/kernel/capability.h"
#include "fs/request/context.h"

/*
 * The kernel writes to the store with the credentials that the file was
 * registered with.  Without CAP_FSETID a write clears set-ID bits, as it
 * should.
 */
int backing_open(struct worker *w, int fd)
{
	int id;

	capability_set(CAP_FSETID, false);
	id = wire_backing_open(w->fuse_fd, fd);
	capability_set(CAP_FSETID, true);
	if (id > 0)
		w->shared->last_backing = id;
	return id;
}

void backing_close(struct worker *w, int id)
{
	wire_backing_close(w->fuse_fd, id);
}

void backing_close_unrecorded(struct worker *w)
{
	wire_backing_close(w->fuse_fd, w->shared->last_backing + 1);
}
