/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What the files that look at records from elsewhere share. */
#ifndef POOLFS_POOL_BOX_VALIDATE_PRIV_H
#define POOLFS_POOL_BOX_VALIDATE_PRIV_H

#include <dirent.h>
#include <stdio.h>

#include "pool/box/box_priv.h"
#include "pool/store/wrong.h"

/* The boxes of which nothing is wrong. */
struct box_view {
	uint32_t *slot; /* by serial */
	uint32_t nr;
	uint64_t *length; /* of region files, by slot; 0: there is none */
};

/* tx_validate.c: transactions and handles.  Return: 0 or -ENOMEM. */
int txs_validate(struct pool *pool, const struct box_view *v, struct wrongs *w);

#endif
