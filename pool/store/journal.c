/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The journal of one transaction: see journal.h for what it is for and for the
 * states and moves.
 *
 * Locks: pool->lock (1), held by all callers.
 * Reclaim: never touches it.
 */
#include "pool/store/journal.h"

#include <errno.h>
#include <fcntl.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

enum journal_state {
	JOURNAL_EMPTY,
	JOURNAL_COMMITTED,
	JOURNAL_APPLIED
};

struct journal_entry {
	uint16_t table;
	uint16_t len;
	uint32_t pad;
	uint64_t offset; /* bytes from the table's start */
	unsigned char data[JOURNAL_BYTES];
};

struct journal_page {
	_Atomic uint32_t state;
	uint32_t nr;
	uint64_t token;
	int64_t result;
	_Atomic uint64_t intended; /* token, 0: none */
	struct journal_intent intent;
	struct journal_entry entry[JOURNAL_ENTRIES];
};

/*
 * Who reads this is either the same thread or a worker that starts after it has
 * been killed, which the kernel orders.  So only the compiler must not move
 * stores across.
 */
static void journal_state(struct journal *j, enum journal_state state)
{
	atomic_signal_fence(memory_order_seq_cst);
	atomic_store_explicit(&j->page->state, state, memory_order_relaxed);
	atomic_signal_fence(memory_order_seq_cst);
}

static void journal_apply(struct journal *j)
{
	for (uint32_t i = 0; i < j->page->nr; i++) {
		struct journal_entry *e = &j->page->entry[i];

		memcpy(j->tables[e->table]->base + e->offset, e->data, e->len);
	}
	journal_state(j, JOURNAL_APPLIED);
}

int journal_open(struct journal *j, int dirfd, struct table *const *tables,
		 int nr_tables, bool forget)
{
	void *page;
	int err = 0;
	int fd;

	memset(j, 0, sizeof(*j));
	for (int i = 0; i < nr_tables; i++)
		j->tables[i] = tables[i];
	fd = openat(dirfd, "journal", O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	if (fd < 0)
		return -errno;
	if (fallocate(fd, 0, 0, sizeof(*j->page)) < 0)
		err = -errno;
	page = err ? MAP_FAILED
		   : mmap(NULL, sizeof(*j->page), PROT_READ | PROT_WRITE,
			  MAP_SHARED, fd, 0);
	if (!err && page == MAP_FAILED)
		err = -errno;
	close(fd);
	if (err)
		return err;
	j->page = page;
	if (j->page->state == JOURNAL_COMMITTED)
		journal_apply(j);
	if (forget) {
		j->page->state = JOURNAL_EMPTY;
		j->page->token = 0;
		j->page->intended = 0;
	}
	return 0;
}

void journal_release(struct journal *j)
{
	if (j->page)
		munmap(j->page, sizeof(*j->page));
	j->page = NULL;
}

bool journal_replayed(const struct journal *j, uint64_t token, int64_t *result)
{
	if (!token || j->page->state != JOURNAL_APPLIED ||
	    j->page->token != token)
		return false;
	*result = j->page->result;
	return true;
}

static void journal_set_intent(struct journal *j, uint64_t token)
{
	atomic_signal_fence(memory_order_seq_cst);
	atomic_store_explicit(&j->page->intended, token, memory_order_relaxed);
	atomic_signal_fence(memory_order_seq_cst);
}

void journal_intend(struct journal *j, uint64_t token,
		    const struct journal_intent *intent)
{
	journal_set_intent(j, 0);
	j->page->intent = *intent;
	journal_set_intent(j, token);
}

bool journal_intends(const struct journal *j, uint64_t token,
		     struct journal_intent *intent)
{
	int64_t done;

	if (!token || j->page->intended != token ||
	    journal_replayed(j, token, &done))
		return false;
	if (intent)
		*intent = j->page->intent;
	return true;
}

bool journal_unfinished(const struct journal *j, struct journal_intent *intent)
{
	return journal_intends(j, j->page->intended, intent);
}

void journal_begin(struct journal *j, uint64_t token)
{
	if (token && token != j->page->intended)
		journal_set_intent(j, 0);
	journal_state(j, JOURNAL_EMPTY);
	j->page->token = token;
	j->nr_entries = 0;
	j->begun = true;
}

void journal_set(struct journal *j, void *to, const void *from, size_t len)
{
	struct journal_entry *e = &j->page->entry[j->nr_entries];
	int t;

	for (t = 0; t < JOURNAL_TABLES; t++) {
		struct table *table = j->tables[t];

		if (table && (char *)to >= table->base &&
		    (char *)to < table->base + table->map_size)
			break;
	}
	/* Both can only be a mistake in this program, caught by its tests. */
	if (t == JOURNAL_TABLES || j->nr_entries == JOURNAL_ENTRIES ||
	    len > sizeof(e->data))
		abort();
	e->table = t;
	e->len = len;
	e->offset = (char *)to - j->tables[t]->base;
	memcpy(e->data, from, len);
	j->nr_entries++;
}

void journal_commit(struct journal *j, int64_t result)
{
	j->page->nr = j->nr_entries;
	j->page->result = result;
	journal_state(j, JOURNAL_COMMITTED);
	journal_apply(j);
	j->begun = false;
}
