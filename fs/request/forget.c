/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Requests that forget: see forget.h.
 *
 *	the buffer, and struct forget_note, both shared with the keeper
 *	[header][ino n][ino n][ino n]...
 *	                  ^ begun: that many; those before are done, and of this
 *	                    one the note has what is left to its inode
 *
 * So each reference is dropped once: what was begun is set again.
 * Locks: 1 held.
 */
#include "fs/request/forget.h"

#include <stdatomic.h>

#include "fs/request/buffer.h"
#include "fs/request/context.h"
#include "fs/request/inode.h"
#include "pool/tree/tree.h"

/* The compiler must not move stores across; the kernel orders what the next
 * worker sees. */
static void forget_begin(struct forget_note *note, size_t i, uint64_t ino,
			 uint64_t left)
{
	note->entry[i & 1].ino = ino;
	note->entry[i & 1].left = left;
	atomic_signal_fence(memory_order_seq_cst);
	*(volatile uint32_t *)&note->begun = i + 1;
	atomic_signal_fence(memory_order_seq_cst);
}

static void forget_from(struct worker *w, const void *buf, size_t len, size_t i)
{
	struct wire_forget f;

	for (; wire_forget(buf, len, i, &f) && f.ino; i++) {
		bool plain = inode_kind(f.ino) == INODE_PLAIN;
		uint64_t n = plain ? inode_lookups(w->pool, f.ino) : 0;

		n = n > f.n ? n - f.n : 0;
		forget_begin(&w->shared->forget, i, plain ? f.ino : 0, n);
		if (plain)
			inode_set_lookups(w->pool, f.ino, n);
	}
}

void forget_handle(struct worker *w, const void *buf, size_t len)
{
	struct forget_note *note = &w->shared->forget;

	*(volatile uint32_t *)&note->begun = 0;
	atomic_signal_fence(memory_order_seq_cst);
	note->unique = w->request.unique;
	atomic_signal_fence(memory_order_seq_cst);
	forget_from(w, buf, len, 0);
}

void forget_resume(struct worker *w)
{
	struct forget_note *note = &w->shared->forget;
	void *buf = w->shared->buffer;
	uint32_t begun = note->begun;

	if (!wire_parse(buf, REQUEST_BUFFER, &w->request) ||
	    w->request.op != WIRE_FORGET)
		return;
	if (note->unique == w->request.unique) {
		if (begun && note->entry[(begun - 1) & 1].ino)
			inode_set_lookups(w->pool,
					  note->entry[(begun - 1) & 1].ino,
					  note->entry[(begun - 1) & 1].left);
		forget_from(w, buf, REQUEST_BUFFER, begun);
	} else {
		forget_handle(w, buf, REQUEST_BUFFER);
	}
	buffer_done(buf, REQUEST_BUFFER);
}

/* --- what was listed --- */

static void listed_set_nr(struct listed_note *note, uint32_t nr)
{
	atomic_signal_fence(memory_order_seq_cst);
	*(volatile uint32_t *)&note->nr = nr;
	atomic_signal_fence(memory_order_seq_cst);
}

void listed_begin(struct worker *w)
{
	listed_set_nr(&w->shared->listed, 0);
	w->shared->listed.unique = w->request.unique;
}

bool listed_add(struct worker *w, uint32_t ino)
{
	struct listed_note *note = &w->shared->listed;

	if (note->nr == LISTED_MAX)
		return false;
	note->ino[note->nr] = ino;
	listed_set_nr(note, note->nr + 1);
	return true;
}

/* First it is out of the note: no reference may be dropped twice. */
void listed_remove(struct worker *w)
{
	struct listed_note *note = &w->shared->listed;

	listed_set_nr(note, note->nr - 1);
	inode_forget(w->pool, note->ino[note->nr], 1);
}

void listed_resent(struct worker *w, uint64_t unique)
{
	if (w->shared->listed.unique != unique)
		return;
	while (w->shared->listed.nr)
		listed_remove(w);
}
