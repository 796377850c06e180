/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "tests/unit/tx_model.h"

#define QUOTA (UNITS / 2)

struct model mbox;

/* --- space --- */

static void model_mark(bool *taken, const struct mtx *t)
{
	for (int i = 0; i < t->room; i++)
		taken[t->first + i] = true;
}

static void model_taken(bool *taken)
{
	memset(taken, 0, UNITS);
	for (int i = 0; i < mbox.nr; i++)
		model_mark(taken, &mbox.live[i]);
	for (int i = 0; i < SENDERS; i++)
		model_mark(taken, &mbox.sender[i].tx);
}

/* Best fit, the lowest of equals.  Return: the first unit, or -1. */
static int model_fit(int size)
{
	int best = -1, best_len = UNITS + 1;
	bool taken[UNITS];

	model_taken(taken);
	for (int i = 0; i < UNITS; i++) {
		int len = 0;

		while (i + len < UNITS && !taken[i + len])
			len++;
		if (len >= size && len < best_len) {
			best = i;
			best_len = len;
		}
		i += len;
	}
	return best;
}

static int model_held_by(uid_t uid)
{
	int n = 0;

	for (int i = 0; i < mbox.nr; i++)
		if (mbox.live[i].uid == uid)
			n += mbox.live[i].room;
	for (int i = 0; i < SENDERS; i++)
		if (mbox.sender[i].tx.uid == uid)
			n += mbox.sender[i].tx.room;
	return n;
}

static bool model_can_grow(const struct mtx *t, int total)
{
	bool taken[UNITS];

	model_taken(taken);
	if (t->first + total > UNITS)
		return false;
	for (int i = t->first + t->room; i < t->first + total; i++)
		if (taken[i])
			return false;
	return true;
}

/* Gives @t room for @total.  Return: 0 or -errno. */
static int model_room(struct mtx *t, int total)
{
	int others = model_held_by(t->uid) - t->room;
	int quota = t->uid ? QUOTA : UNITS;
	int at;

	if (total <= t->room)
		return 0;
	if (total > quota - others && t->uid)
		return -EDQUOT;
	if (t->room && model_can_grow(t, total)) {
		t->room = total;
		return 0;
	}
	/* Moving leaves room to grow, where the quota and the space allow. */
	at = -1;
	if (t->room && total * 2 <= UNITS &&
	    (!t->uid || total * 2 <= quota - others)) {
		at = model_fit(total * 2);
		if (at >= 0)
			t->room = total * 2;
	}
	if (at < 0) {
		at = model_fit(total);
		if (at < 0)
			return -EAGAIN;
		t->room = total;
	}
	t->first = at;
	return 0;
}

static bool model_deadlocked(struct sender *s)
{
	if (!s->tx.room || mbox.nr)
		return false;
	for (int i = 0; i < SENDERS; i++)
		if (&mbox.sender[i] != s && mbox.sender[i].tx.room &&
		    !mbox.sender[i].stalled)
			return false;
	return true;
}

/* --- operations --- */

static void model_new_tx(struct sender *s)
{
	uid_t uid = s->tx.uid;

	memset(&s->tx, 0, sizeof(s->tx));
	s->tx.uid = uid;
}

static int model_fail(struct sender *s, int err)
{
	bool had = s->tx.size > 0;

	model_new_tx(s);
	s->stalled = false;
	s->error = had ? err : 0;
	s->begun = had ? 2 : 0;
	return err;
}

static void model_queue(struct sender *s)
{
	must(mbox.nr < MOST, "too many");
	s->tx.state = QUEUED;
	s->tx.id = mbox.next_id++;
	s->tx.room = s->tx.size;
	mbox.live[mbox.nr++] = s->tx;
	model_new_tx(s);
	s->begun = 0;
}

int model_write(struct sender *s, int units, char fill, bool commit)
{
	int total = s->tx.size + units, err;

	if (s->error)
		return s->error;
	if (total > UNITS)
		return model_fail(s, -EMSGSIZE);
	err = model_room(&s->tx, total);
	if (err == -EAGAIN) {
		s->stalled = true;
		if (model_deadlocked(s))
			err = -EDEADLK;
	}
	if (err)
		return err == -EAGAIN ? err : model_fail(s, err);
	memset(s->tx.fill + s->tx.size, fill, units);
	s->tx.size = total;
	s->stalled = false;
	s->begun = 2;
	if (commit)
		model_queue(s);
	return 0;
}

int model_commit(struct sender *s)
{
	int err = s->error;

	if (!err && s->stalled)
		err = -EAGAIN;
	if (err) {
		model_new_tx(s);
		s->begun = s->error = 0;
		s->stalled = false;
		return err;
	}
	if (s->begun == 2)
		model_queue(s);
	return 0;
}

void model_close(struct sender *s)
{
	if (s->begun && !s->killed && !s->error && !s->stalled)
		model_queue(s);
	model_new_tx(s);
	s->open = false;
}

struct mtx *model_find(uint64_t id)
{
	for (int i = 0; i < mbox.nr; i++)
		if (mbox.live[i].id == id)
			return &mbox.live[i];
	return NULL;
}

struct mtx *model_shown(bool last)
{
	struct mtx *found = NULL;

	for (int i = 0; i < mbox.nr; i++) {
		if (mbox.live[i].state == HELD)
			continue;
		found = &mbox.live[i];
		if (!last)
			break;
	}
	return found;
}

struct mtx *model_head(void)
{
	for (int i = 0; i < mbox.nr; i++)
		if (mbox.live[i].state == QUEUED)
			return &mbox.live[i];
	return NULL;
}

static void model_delete(struct mtx *t)
{
	memmove(t, t + 1, (char *)&mbox.live[--mbox.nr] - (char *)t);
}

void model_unhold(uint64_t id)
{
	struct mtx *t = model_find(id);

	if (t && t->state == HELD && mbox.half != id && mbox.reading != id)
		model_delete(t);
}

void model_free(struct mtx *t)
{
	if (t->id == mbox.half || t->id == mbox.reading)
		t->state = HELD;
	else
		model_delete(t);
}
