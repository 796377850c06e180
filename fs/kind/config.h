/* SPDX-License-Identifier: GPL-2.0-or-later */
/* .pool/config: what can change at run time, kept in the store. */
#ifndef POOLFS_FS_KIND_CONFIG_H
#define POOLFS_FS_KIND_CONFIG_H

struct worker;

/** config_load - what an earlier worker or mount has kept.  Lock 1 held. */
void config_load(struct worker *w);

#endif
