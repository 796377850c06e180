/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Adopting a store that comes from elsewhere: written by an earlier mount, or a
 * copy.  Afterwards pool_open() can believe what is in it.
 */
#ifndef POOLFS_POOL_ADOPT_H
#define POOLFS_POOL_ADOPT_H

#include "pool/store/store.h"
#include "pool/store/wrong.h"

/**
 * pool_adopt - look at all records, and see which files they are of.
 * @w: wrong things that were found before count; w->drop says what is done about what is wrong: false: nothing, and the
 *	store stays as it is; true: it is dropped.
 * Return: 0; -EUCLEAN: something is wrong (w->nr, w->first) and was not
 * dropped; -ENOMEM, -ENOSPC; or -errno of the system calls.
 */
int pool_adopt(struct store *store, struct wrongs *w);

#endif
