/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Which kinds of inodes there are: one table of operations each. */
#ifndef POOLFS_FS_KIND_H
#define POOLFS_FS_KIND_H

#include <stdint.h>

#include "fs/request/call.h"

extern const struct inode_ops plain_ops; /* files and directories */
extern const struct inode_ops boxes_ops; /* box/ */
extern const struct inode_ops box_dir_ops, box_data_ops, box_send_ops;
extern const struct inode_ops box_recv_ops, box_tx_dir_ops, tx_ops;
extern const struct inode_ops control_ops; /* .pool/ */
extern const struct inode_ops shrinkers_ops; /* .pool/shrinker/ */
extern const struct inode_ops shrinker_ops; /* a directory in it */
extern const struct inode_ops scan_ops; /* scan in that */
extern const struct inode_ops text_ops; /* files made when they are opened */
extern const struct inode_ops config_ops; /* .pool/config */
extern const struct inode_ops events_ops; /* .pool/events */

/**
 * kind_ops - of the kind of inode @ino.  Return: never NULL; empty for a number
 * that no inode has.
 */
const struct inode_ops *kind_ops(uint64_t ino);

/** kind_parent - the directory that directory @ino, which is none of plain_ops,
 * is in. */
uint64_t kind_parent(uint64_t ino);

#endif
