/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A naive model of a box and its transactions, for test_tx_model.c: arrays that
 * are searched from end to end.  Space comes in units.
 */
#ifndef POOLFS_TX_MODEL_H
#define POOLFS_TX_MODEL_H

#include <errno.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>
#include <sys/types.h>

#include "tests/unit/tap.h"

#define UNIT 1024 /* bytes; all that is written is a multiple */
#define UNITS 4 /* of the region */
#define SENDERS 2

enum state {
	WRITING,
	QUEUED,
	DELIVERED,
	HELD
};

/* A transaction that is being written or is not free yet. */
struct mtx {
	uint64_t id;
	enum state state;
	uid_t uid;
	int first, room; /* units reserved */
	int size; /* units written */
	char fill[UNITS];
};

struct sender {
	bool open, killed, stalled;
	int begun; /* 1: by open, 2: by a write */
	int error;
	struct mtx tx;
};

#define MOST 64

struct model {
	struct sender sender[SENDERS];
	struct mtx live[MOST]; /* in the order of ids */
	int nr;
	uint64_t next_id;
	bool receiver;
	uint64_t half; /* id whose header is half received, 0: none */
	uint64_t reading; /* id that the reader has open, 0: none */
};

extern struct model mbox;

/* --- operations --- */

int model_write(struct sender *s, int units, char fill, bool commit);

int model_commit(struct sender *s);

void model_close(struct sender *s);

struct mtx *model_find(uint64_t id);

struct mtx *model_shown(bool last);

struct mtx *model_head(void);

/* Nobody has it open any more. */
void model_unhold(uint64_t id);

void model_free(struct mtx *t);

#endif
