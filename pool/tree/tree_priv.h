/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What the files of pool/tree/ share. */
#ifndef POOLFS_POOL_TREE_PRIV_H
#define POOLFS_POOL_TREE_PRIV_H

#include "pool/tree/tree.h"
#include "pool/volatile/volatile_priv.h"

/* tree_name.c */
/* After -ENOSPC; return: whether to try once more. */
bool tree_make_room(struct pool *pool);
/* The name goes; who has the file's inode goes on with orphan/NODE. */
int tree_to_orphan(struct pool *pool, const struct inode_path *p,
		   uint32_t victim);
/* The inode's file has lost a name that it is not known by: maybe the last. */
void tree_lost_a_name(struct pool *pool, uint32_t inode);

/* tree_open.c */
/* Registers an open file.  Return: its id, 0: the front end has none, -errno. */
int tree_register(struct pool *pool, int fd);
/* See tree_opened.setid. */
bool open_is_setid(int32_t backing, int flags, mode_t mode);

#endif
