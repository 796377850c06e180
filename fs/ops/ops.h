/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What the worker's session is made of. */
#ifndef POOLFS_FS_OPS_H
#define POOLFS_FS_OPS_H

#include <fuse_lowlevel.h>

struct worker;

/* Called by libfuse with lock 1 held; their user data is the worker. */
extern const struct fuse_lowlevel_ops worker_ops;

/** op_statx - answers the STATX being handled, which libfuse does not know. */
void op_statx(struct worker *w);

#endif
