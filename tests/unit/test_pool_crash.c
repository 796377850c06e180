/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Workers that are killed at random: a child does random operations, each with
 * its token, and says so before and after each.  The parent, which is told,
 * does the same to a list of what must be there; then it kills the child, opens
 * the pool and compares.  The operation that was not finished must be there
 * whole or not at all, and asking for it again must carry it out just once.
 */
#include <poll.h>
#include <signal.h>
#include <stdint.h>
#include <sys/wait.h>
#include <time.h>

#include "tests/unit/pool_fixture.h"

#define ROUNDS 400
#define PAGE 4096
#define SIZE (4ull << 20)
#define SENDERS 4
#define MOST 256 /* transactions there may be */

enum kind {
	OP_OPEN,
	OP_WRITE,
	OP_COMMIT,
	OP_CLOSE,
	OP_RECEIVE,
	OP_FREE,
	OP_KINDS,
};

/* What is asked for, with all that it depends on. */
struct request {
	uint64_t token;
	enum kind kind;
	uint32_t sender;
	uint32_t handle;
	uint32_t len;
	char fill;
	uint64_t id;
};

struct report {
	struct request request;
	int64_t result;
	bool finished; /* or about to start */
};

struct message {
	uint64_t id;
	uint32_t len;
	uint32_t nr; /* writes that it is made of */
	char fill[64];
	uint32_t part[64];
	bool delivered;
	bool broken; /* its last write failed */
};

/* What must be there. */
struct list {
	struct message sending[SENDERS];
	uint32_t handle[SENDERS]; /* 0: not open */
	bool begun[SENDERS];
	struct message message[MOST]; /* in the order of ids */
	uint32_t nr;
	uint64_t next_id;
	uint32_t receiver;
};

static char *dir;
static struct list list;
static uint64_t next_token = 1;

static struct box *the_box(void)
{
	return box_next(pool, 0);
}

/* --- what an operation does to the list --- */

static void list_queue(struct message *m)
{
	must(list.nr < MOST, "too many");
	m->id = list.next_id++;
	list.message[list.nr++] = *m;
	memset(m, 0, sizeof(*m));
}

static void list_part(struct message *m, const struct request *r)
{
	must(m->nr < 64, "too many parts");
	m->fill[m->nr] = r->fill;
	m->part[m->nr++] = r->len;
	m->len += r->len;
}

static struct message *list_find(uint64_t id)
{
	for (uint32_t i = 0; i < list.nr; i++)
		if (list.message[i].id == id)
			return &list.message[i];
	return NULL;
}

static void list_apply(const struct request *r, int64_t result)
{
	struct message *m = &list.sending[r->sender];

	if (result < 0) {
		if (r->kind == OP_WRITE)
			m->broken = true;
		if (r->kind == OP_COMMIT) {
			memset(m, 0, sizeof(*m));
			list.begun[r->sender] = false;
		}
		return;
	}
	switch (r->kind) {
	case OP_OPEN:
		list.handle[r->sender] = result;
		list.begun[r->sender] = true;
		break;
	case OP_WRITE:
		list.begun[r->sender] = true;
		m->broken = false;
		list_part(m, r);
		break;
	case OP_COMMIT:
		if (m->nr) {
			list_queue(m);
			list.begun[r->sender] = false;
		}
		break;
	case OP_CLOSE:
		if (list.begun[r->sender] && !m->broken)
			list_queue(m);
		memset(m, 0, sizeof(*m));
		list.handle[r->sender] = 0;
		break;
	case OP_RECEIVE:
		must(list_find(result), "received what is not there");
		list_find(result)->delivered = true;
		break;
	case OP_FREE:
		m = list_find(r->id);
		must(m, "freed what is not there");
		memmove(m, m + 1, (char *)&list.message[--list.nr] - (char *)m);
		break;
	default:
		break;
	}
}

/* --- carrying out --- */

static int64_t carry_out(const struct request *r)
{
	uint32_t handle = 0;
	int err;

	the_op.token = r->token;
	switch (r->kind) {
	case OP_OPEN:
		err = handle_open(pool, as(0, 0, 1), HANDLE_SEND, the_box(), 0,
				  &handle);
		return err ? err : handle;
	case OP_WRITE:
		return write_fill(r->handle, r->fill, r->len, false);
	case OP_COMMIT:
		return tx_commit(pool, &the_op, r->handle);
	case OP_CLOSE:
		return handle_close(pool, &the_op, r->handle);
	case OP_RECEIVE:
		return receive_id(r->handle) ?: -EAGAIN;
	default:
		return tx_free(pool, &the_op, the_box(), r->id);
	}
}

static bool choose(struct request *r, unsigned int *seed)
{
	memset(r, 0, sizeof(*r));
	r->kind = rand_r(seed) % OP_KINDS;
	r->sender = rand_r(seed) % SENDERS;
	r->handle = list.handle[r->sender];
	r->token = next_token;
	switch (r->kind) {
	case OP_OPEN:
		return !r->handle && list.nr < MOST / 2;
	case OP_WRITE:
		r->len = rand_r(seed) % (rand_r(seed) % 4 ? 200 : 3 * PAGE);
		r->fill = rand_r(seed);
		return r->handle && list.sending[r->sender].nr < 60;
	case OP_COMMIT:
	case OP_CLOSE:
		return r->handle && list.nr < MOST / 2;
	case OP_RECEIVE:
		r->handle = list.receiver;
		return true;
	default:
		r->id = list.nr ? list.message[rand_r(seed) % list.nr].id : 0;
		return list.nr > 0;
	}
}

static void work(int out, unsigned int seed)
{
	pool_start(dir, SIZE, false, NULL);
	for (;;) {
		struct report report = { 0 };

		if (!choose(&report.request, &seed))
			continue;
		next_token++;
		if (write(out, &report, sizeof(report)) < 0)
			_exit(1);
		report.result = carry_out(&report.request);
		report.finished = true;
		if (write(out, &report, sizeof(report)) < 0)
			_exit(1);
		list_apply(&report.request, report.result);
	}
}

/* --- comparing --- */

static bool same_content(const struct message *m, const struct tx_info *tx)
{
	char *buf = malloc(m->len + 1);
	struct region *region;
	bool same = true;
	uint32_t at = 0;

	must(box_region(pool, the_box(), &region) == 0, "box_region");
	must(!m->len || region_read(region, tx->offset, buf, m->len) == 0,
	     "region_read");
	for (uint32_t i = 0; i < m->nr; i++)
		for (uint32_t b = 0; b < m->part[i]; b++)
			same &= buf[at++] == m->fill[i];
	free(buf);
	return same;
}

/* Return: NULL, or what is not as the list says. */
static const char *differs(void)
{
	struct tx_info tx = { 0 };
	struct box *box;

	for (uint32_t i = 0; i < list.nr; i++) {
		struct message *m = &list.message[i];

		if (tx_next(pool, the_box(), tx.id, &tx))
			return "a transaction is gone";
		if (tx.id != m->id || tx.size != m->len)
			return "another transaction";
		if (tx.delivered != m->delivered)
			return "delivered or not";
		if (!same_content(m, &tx))
			return "other bytes";
	}
	if (tx_next(pool, the_box(), tx.id, &tx) == 0)
		return "one too many";
	for (int i = 0; i < SENDERS; i++)
		if (list.handle[i] &&
		    handle_lookup(pool, list.handle[i], &box) != HANDLE_SEND)
			return "an open file is gone";
	return NULL;
}

static uint32_t nr_handles(void)
{
	struct pool_stat st;

	pool_stat(pool, &st);
	return st.boxes.handles;
}

static uint32_t handles_of_list(void)
{
	uint32_t n = 1;

	for (int i = 0; i < SENDERS; i++)
		n += list.handle[i] != 0;
	return n;
}

/* --- one worker's life --- */

static struct report last;
static uint64_t finished, repeated_done, repeated_new;

static void collect(int in)
{
	struct report report;

	while (read(in, &report, sizeof(report)) == sizeof(report)) {
		last = report;
		next_token = report.request.token + 1;
		if (!report.finished)
			continue;
		finished++;
		list_apply(&report.request, report.result);
	}
}

static void live_and_die(unsigned int seed)
{
	struct timespec nap = { 0 };
	struct pollfd p;
	int fds[2];
	pid_t pid;

	memset(&last, 0, sizeof(last));
	last.finished = true;
	/* Large enough for all it can say before it is killed. */
	must(pipe2(fds, O_CLOEXEC) == 0, "pipe2");
	must(fcntl(fds[1], F_SETPIPE_SZ, 1 << 20) > 0, "F_SETPIPE_SZ");
	fflush(stdout);
	pid = fork();
	must(pid >= 0, "fork");
	if (pid == 0)
		work(fds[1], seed);
	close(fds[1]);
	p = (struct pollfd){ .fd = fds[0], .events = POLLIN };
	must(poll(&p, 1, 20000) == 1, "the worker says nothing");
	nap.tv_nsec = rand_r(&seed) % 1000000;
	nanosleep(&nap, NULL);
	kill(pid, SIGKILL);
	collect(fds[0]);
	close(fds[0]);
	waitpid(pid, NULL, 0);
}

static void look(int round)
{
	struct request *r = &last.request;
	int64_t result;
	bool done;

	pool_start(dir, SIZE, false, NULL);
	must(pool_intact(), "round %d", round);
	if (!last.finished) {
		done = differs() || nr_handles() != handles_of_list();
		result = carry_out(r);
		must(carry_out(r) == result || result == -EAGAIN, "twice");
		list_apply(r, result);
		repeated_done += done;
		repeated_new += !done;
	}
	must(!differs(), "round %d: %s", round, differs());
	must(nr_handles() == handles_of_list(), "round %d: %u files open",
	     round, nr_handles());
	must(pool_intact(), "round %d", round);
	pool_stop();
}

/* Now and then the mount ends: what was being written is dropped. */
static void remount(void)
{
	pool_start(dir, SIZE, true, NULL);
	memset(list.sending, 0, sizeof(list.sending));
	memset(list.handle, 0, sizeof(list.handle));
	must(nr_handles() == 0, "a file is open in a new mount");
	must(!differs(), "a new mount: %s", differs());
	list.receiver = open_kind(HANDLE_RECV, the_box());
	pool_stop();
}

int main(void)
{
	unsigned int seed = 3;

	scratch_new();
	dir = scratch_dir("pool");
	list.next_id = 1;
	pool_start(dir, SIZE, true, NULL);
	box_make("box", 8 * PAGE);
	pool_stop();
	for (int round = 0; round < ROUNDS; round++) {
		if (round % 50 == 0)
			remount();
		live_and_die(rand_r(&seed));
		look(round);
	}
	printf("# %" PRIu64 " operations were finished; of those that were "
	       "not, %" PRIu64 " had been carried out, %" PRIu64 " had not\n",
	       finished, repeated_done, repeated_new);
	ok(finished > ROUNDS, "%d workers killed, nothing lost", ROUNDS);
	ok(repeated_done + repeated_new > 0,
	   "and what was not finished is done once");
	pool_start(dir, SIZE, false, NULL);
	pool_drain();
	ok(true, "in the end everything is given back");
	pool_stop();
	free(dir);
	return done();
}
