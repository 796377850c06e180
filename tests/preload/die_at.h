/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Memory that die_at.so, in the worker, shares with the test: the file that
 * $DIE_AT names.
 */
#ifndef POOLFS_DIE_AT_H
#define POOLFS_DIE_AT_H

#include <stdatomic.h>
#include <stdint.h>

#define DIE_AT_OPCODES 64
#define DIE_AT_SEEN 4096

enum die_when {
	DIE_BEFORE, /* it is carried out and not answered */
	DIE_AFTER, /* it was answered a moment ago */
	DIE_UNREAD, /* it was read and not carried out */
	DIE_WHENS
};

struct die_at {
	_Atomic uint64_t
		answers; /* so far, of all workers; requests for UNREAD */
	_Atomic uint64_t at; /* which one the worker dies at; 0: none */
	_Atomic uint32_t when; /* enum die_when */
	_Atomic uint32_t opcode; /* of the one that it has died at */
	_Atomic uint32_t only; /* that opcode counts, 0: all */
	_Atomic uint32_t answered[DIE_AT_OPCODES]; /* answers to each opcode */
	/* Opcodes of requests that were read, by their numbers. */
	struct {
		uint64_t unique;
		uint32_t opcode;
	} seen[DIE_AT_SEEN];
};

#endif
