/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef POOLFS_FS_KIND_METRICS_H
#define POOLFS_FS_KIND_METRICS_H

struct worker;

/**
 * metrics_text - of .pool/metrics.  Lock 1 held.  Return: from malloc(), or
 * NULL.
 */
char *metrics_text(struct worker *w);

#endif
