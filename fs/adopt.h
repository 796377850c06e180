/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Adopting the directory of --store, before anything is mounted. */
#ifndef POOLFS_FS_ADOPT_H
#define POOLFS_FS_ADOPT_H

#include <stdbool.h>

struct store;

/**
 * adopt_store - look at all that is in a store of the user's, in a process of
 * its own: whatever is in it, the keeper goes on.  What is wrong is printed.
 * @repair: drop it.
 * Return: 0; -EUCLEAN: it was refused, as was printed; or -errno of fork().
 */
int adopt_store(struct store *store, bool repair);

#endif
