/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What the files of attack share.
 */
#ifndef POOLFS_ATTACK_H
#define POOLFS_ATTACK_H

#include "tests/tools/lib/tool.h"

#include <dirent.h>
#include <fcntl.h>
#include <stdbool.h>
#include <sys/stat.h>

#define PAGE 4096

extern const char *pool; /* the mount point */
extern long nr; /* how many things were asked for */
extern char mine[64]; /* names of this process begin with it */

/* A path in the pool, until the next call. */
__attribute__((format(printf, 1, 2))) char *path_of(const char *fmt, ...);

/* The attack is set up with @count things; it begins. */
void ready(long count);

/* Is there another round? */
bool more(void);

void make_box(const char *name);
int open_box(const char *name, const char *file, int flags);
bool send_to(const char *name, const char *bytes, size_t len);
/* Receives one and frees it. */
void take_from(const char *name);

/* A sparse file of 2 * nr pages. */
int range_file(void);

/* --- files.c: of plain files --- */

void attack_copy(void);
void attack_listplus(void);
void attack_split(void);
void attack_acl(void);

/* --- held.c: what is held, and let go --- */

void attack_forgets(void);
void attack_chmodsend(void);
void attack_statbox(void);
void attack_deaddirs(void);
void attack_receivers(void);

#endif
