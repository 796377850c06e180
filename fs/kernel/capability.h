/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Capabilities of the calling thread; CAP_*: <linux/capability.h>. */
#ifndef POOLFS_FS_KERNEL_CAPABILITY_H
#define POOLFS_FS_KERNEL_CAPABILITY_H

#include <stdbool.h>

/**
 * capability_set - @cap takes effect or not; a capability that is not permitted
 * stays off.
 */
void capability_set(int cap, bool on);

/** capability_drop - @cap is given up for good. */
void capability_drop(int cap);

#endif
