/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The journal: atomic changes of the tables' records.
 *
 * States: drawn in journal.h.  The intent record is empty (token 0) or written;
 * its token is cleared before its fields are written and set after.
 * Locks: pool->lock (1), held by all callers.
 * Reclaim: a purge of a file stores words outside the journal, and never while
 * a change is active (struct journal).
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
	uint32_t nr; /* entries */
	uint64_t token; /* of the request, 0: none */
	int64_t result;
	_Atomic uint64_t intent_token; /* of @intent's request, 0: no record */
	struct journal_intent intent;
	struct journal_entry entry[JOURNAL_ENTRIES];
};

/*
 * The page is read by the thread that writes it, or by a worker that starts
 * after this one has died; the kernel orders those two.  So it is enough to
 * keep the compiler from moving stores across.
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

/* Return: NULL, or what is wrong with it. */
static const char *entry_wrong(const struct journal_entry *e,
			       struct table *const *tables, int nr_tables)
{
	const struct table *t = e->table < nr_tables ? tables[e->table] : NULL;
	uint64_t record;

	if (!t)
		return "names a table that there is not";
	record = e->offset / t->rec_size;
	if (e->len > JOURNAL_BYTES || !record || record >= t->nr ||
	    !t->blocks[record / t->per_block].present ||
	    e->offset % t->rec_size + e->len > t->rec_size)
		return "changes what is no record";
	return NULL;
}

static const char *page_wrong(const struct journal_page *page,
			      struct table *const *tables, int nr_tables)
{
	const char *bad = NULL;

	if (page->state > JOURNAL_APPLIED)
		return "is in no state that there is";
	if (page->state != JOURNAL_COMMITTED)
		return NULL;
	if (page->nr > JOURNAL_ENTRIES)
		return "has more entries than it can have";
	for (uint32_t i = 0; !bad && i < page->nr; i++)
		bad = entry_wrong(&page->entry[i], tables, nr_tables);
	return bad;
}

int journal_validate(int dirfd, struct table *const *tables, int nr_tables,
		     bool try, struct wrongs *w)
{
	struct journal_page page;
	struct journal j = { .page = &page };
	const char *bad = NULL;
	ssize_t n;
	int fd;

	fd = openat(dirfd, "journal", O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
	if (fd < 0)
		return errno == ENOENT ? 0 : -errno;
	n = pread(fd, &page, sizeof(page), 0);
	if (n == sizeof(page) && lseek(fd, 0, SEEK_END) == n)
		bad = page_wrong(&page, tables, nr_tables);
	else if (n) /* new, if a worker was killed when it had made it */
		bad = "has a length that it cannot have";
	close(fd);
	if (bad) {
		wrong(w, "the journal %s", bad);
		if (w->drop && unlinkat(dirfd, "journal", 0) < 0)
			return -errno;
	} else if (n && try && page.state == JOURNAL_COMMITTED) {
		memcpy(j.tables, tables, nr_tables * sizeof(*tables));
		journal_apply(&j);
	}
	return 0;
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
	fd = openat(dirfd, "journal", O_RDWR | O_CREAT | O_NOFOLLOW | O_CLOEXEC,
		    0600);
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
		j->page->intent_token = 0;
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

static void journal_set_intent_token(struct journal *j, uint64_t token)
{
	atomic_signal_fence(memory_order_seq_cst);
	atomic_store_explicit(&j->page->intent_token, token,
			      memory_order_relaxed);
	atomic_signal_fence(memory_order_seq_cst);
}

void journal_intend(struct journal *j, uint64_t token,
		    const struct journal_intent *intent)
{
	journal_set_intent_token(j, 0);
	j->page->intent = *intent;
	journal_set_intent_token(j, token);
}

bool journal_intends(const struct journal *j, uint64_t token,
		     struct journal_intent *intent)
{
	int64_t done;

	if (!token || j->page->intent_token != token ||
	    journal_replayed(j, token, &done))
		return false;
	if (intent)
		*intent = j->page->intent;
	return true;
}

bool journal_unfinished(const struct journal *j, struct journal_intent *intent)
{
	return journal_intends(j, j->page->intent_token, intent);
}

void journal_begin(struct journal *j, uint64_t token)
{
	if (token && token != j->page->intent_token)
		journal_set_intent_token(j, 0);
	journal_state(j, JOURNAL_EMPTY);
	j->page->token = token;
	j->nr_entries = 0;
	j->active = true;
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
	/* These are bugs of poolfs, not of its users. */
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
	j->active = false;
}
