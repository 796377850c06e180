/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * One pool over a directory of /dev/shm, for the programs that test boxes and
 * transactions; it can be closed and opened again like the pool of a worker
 * that was killed.  All calls between start and stop are made with pool->lock
 * held, as pool.h wants it.
 */
#ifndef POOLFS_POOL_FIXTURE_H
#define POOLFS_POOL_FIXTURE_H

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "pool/pool.h"
#include "tests/unit/scratch.h"
#include "tests/unit/tap.h"

extern struct store store;
extern struct pool *pool;
/* Whom what is asked for comes from. */
extern struct op the_op;
/* Who makes files, if it is not root: then these are counted. */
extern uid_t the_user;

/* The same, in another name. */
const struct op *as(uid_t uid, gid_t gid, pid_t pid);

void pool_start(const char *dir, uint64_t size, bool fresh,
		const struct pool_ops *ops);

void pool_stop(void);

bool pool_intact(void);

/* --- short names for what tests do all the time --- */

struct box *box_make(const char *name, uint64_t size);

uint32_t open_as(enum handle_kind kind, struct box *box, uint32_t slot,
		 uid_t uid);

uint32_t open_kind(enum handle_kind kind, struct box *box);

/* @len bytes, all of them @fill. */
int write_fill(uint32_t handle, char fill, size_t len, bool commit);

/* A whole transaction of one write. */
void send_fill(struct box *box, char fill, size_t len);

/* Return: the id of the header, 0 with nothing queued, or -errno. */
int64_t receive_id(uint32_t handle);

/* --- what can be seen of a pool, as text --- */

/**
 * pool_dump - everything that clients can see, but times and places; the
 * caller frees it.
 */
char *pool_dump(void);

/* Closes every handle; what that queues stays. */
void pool_close_all_handles(void);

/* Frees and removes everything, and looks that nothing has been lost. */
void pool_drain(void);

#endif
