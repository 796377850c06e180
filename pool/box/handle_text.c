/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Texts of open control files.  They are records, so that a reader can go on
 * with the same text when a new worker has started.
 *
 *	handle ---> [ 500 bytes | next ] ---> [ 500 bytes | next ] ---> 0
 *
 * States: a record is free, or part of the text of one open HANDLE_CONTROL.  A
 * text is written before its handle is opened, and freed after it was closed;
 * what a kill in between leaves, handle_texts_tidy() frees.
 * Locks: pool->lock (1) held by all callers.
 * Reclaim: does not use them.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "pool/box/box_priv.h"
#include "pool/core/user.h"

static struct text_rec *text_rec(struct pool *pool, uint32_t slot)
{
	return table_record(&pool->boxes->texts, slot);
}

void handle_text_free(struct pool *pool, uid_t uid, uint32_t first)
{
	struct table *texts = &pool->boxes->texts;

	while (table_live(texts, first)) {
		uint32_t next = text_rec(pool, first)->next;

		text_rec(pool, first)->state = 0;
		table_free(texts, first);
		user_uncharge(pool, uid, USER_TEXT_BYTES,
			      sizeof(struct text_rec));
		first = next;
	}
}

static int text_record(struct pool *pool, uid_t uid, uint32_t *slot)
{
	int err = user_charge(pool, uid, USER_TEXT_BYTES,
			      sizeof(struct text_rec));

	if (err)
		return err;
	err = pool_record(pool, &pool->boxes->texts, slot);
	if (err)
		user_uncharge(pool, uid, USER_TEXT_BYTES,
			      sizeof(struct text_rec));
	return err;
}

/* From the end to the beginning: each record is whole, and names a whole one. */
static int text_make(struct pool *pool, uid_t uid, const char *text, size_t len,
		     uint32_t *first)
{
	size_t nr = (len + TEXT_BYTES - 1) / TEXT_BYTES;
	uint32_t next = 0;

	while (nr--) {
		size_t at = nr * TEXT_BYTES;
		struct text_rec *rec;
		uint32_t slot;
		int err = text_record(pool, uid, &slot);

		if (err) {
			handle_text_free(pool, uid, next);
			return err;
		}
		rec = text_rec(pool, slot);
		rec->next = next;
		rec->len = len - at < TEXT_BYTES ? len - at : TEXT_BYTES;
		memcpy(rec->bytes, text + at, rec->len);
		table_publish(&rec->state, 1);
		next = slot;
	}
	*first = next;
	return 0;
}

int handle_open_text(struct pool *pool, const struct op *op, const char *text,
		     size_t len, uint32_t *handle)
{
	uint32_t first = 0;
	int64_t done;
	int err = 0;

	if (!journal_replayed(&pool->journal, op->token, &done))
		err = text_make(pool, op->uid, text, len, &first);
	if (err)
		return err;
	err = handle_open(pool, op, HANDLE_CONTROL, NULL, first, handle);
	if (err)
		handle_text_free(pool, op->uid, first);
	return err;
}

size_t handle_text_read(struct pool *pool, uint32_t handle, char *buf,
			size_t size, uint64_t off)
{
	uint32_t slot = handle_rec(pool, handle)->work.tx;
	size_t done = 0;

	for (; done < size && table_live(&pool->boxes->texts, slot);
	     slot = text_rec(pool, slot)->next) {
		const struct text_rec *rec = text_rec(pool, slot);
		size_t n;

		if (off >= rec->len) {
			off -= rec->len;
			continue;
		}
		n = rec->len - off < size - done ? rec->len - off : size - done;
		memcpy(buf + done, rec->bytes + off, n);
		done += n;
		off = 0;
	}
	return done;
}

uint64_t handle_text_bytes(struct pool *pool, uint32_t handle)
{
	const struct handle_rec *h = handle_rec(pool, handle);
	uint32_t slot = h->kind == HANDLE_CONTROL ? h->work.tx : 0;
	uint64_t bytes = 0;

	for (; table_live(&pool->boxes->texts, slot);
	     slot = text_rec(pool, slot)->next)
		bytes += sizeof(struct text_rec);
	return bytes;
}

int handle_texts_tidy(struct pool *pool)
{
	struct boxes *b = pool->boxes;
	bool *used = calloc(b->texts.nr + 1, sizeof(*used));
	int err = used ? 0 : -ENOMEM;

	table_for_each (&b->handles, i) {
		struct handle_rec *h = handle_rec(pool, i);
		uint32_t slot = h->work.tx;

		if (err || h->kind != HANDLE_CONTROL)
			continue;
		for (; table_live(&b->texts, slot) && !used[slot] && !err;
		     slot = text_rec(pool, slot)->next) {
			used[slot] = true;
			err = user_charge_anyway(pool, h->uid, USER_TEXT_BYTES,
						 sizeof(struct text_rec));
		}
	}
	table_for_each (&b->texts, i)
		if (!err && !used[i])
			text_rec(pool, i)->state = 0;
	free(used);
	table_rescan(&b->texts);
	return err;
}
