/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "tests/unit/pool_fixture.h"

#include "pool/adopt.h"

struct store store;
struct pool *pool;

struct op the_op;
uid_t the_user;

const struct op *as(uid_t uid, gid_t gid, pid_t pid)
{
	the_op.uid = uid;
	the_op.gid = gid;
	the_op.pid = pid;
	return &the_op;
}

void pool_start(const char *dir, uint64_t size, bool fresh,
		const struct pool_ops *ops)
{
	struct pool_options opts = { .store = &store,
				     .size = size,
				     .nr_nodes = 1,
				     .count_names = the_user != 0,
				     .fresh = fresh,
				     .ops = ops };
	struct wrongs wrongs = { 0 };
	char why[256];
	int err;

	err = store_open(&store, dir, size, NULL, why, sizeof(why));
	must(!err, "store_open: %s", why);
	if (fresh) {
		/* As a new mount does with a store that it was given. */
		err = pool_adopt(&store, &wrongs);
		must(!err, "pool_adopt: %s", wrongs.first);
	}
	err = pool_open(&opts, &pool);
	must(!err, "pool_open: %s", strerror(-err));
	pool_lock(pool);
	the_op = (struct op){ .umask = 022, .uid = the_user };
	user_set_max(pool, USER_INODES, the_user ? 1000 : 0);
}

void pool_stop(void)
{
	pool_unlock(pool);
	pool_close(pool);
	store_close(&store);
	pool = NULL;
}

bool pool_intact(void)
{
	const char *broken = pool_check(pool);

	if (broken)
		printf("# %s\n", broken);
	return !broken;
}

/* --- short names for what tests do all the time --- */

struct box *box_make(const char *name, uint64_t size)
{
	struct box *box = NULL;
	int err;

	pool_config(pool)->box_size = size;
	err = box_create(pool, as(0, 0, 0), name, 0777, &box);
	must(!err, "box_create %s: %s", name, strerror(-err));
	return box;
}

uint32_t open_as(enum handle_kind kind, struct box *box, uint32_t slot,
		 uid_t uid)
{
	uint32_t handle = 0;
	int err;

	err = handle_open(pool, as(uid, uid, 7), kind, box, slot, &handle);
	must(!err, "handle_open: %s", strerror(-err));
	return handle;
}

uint32_t open_kind(enum handle_kind kind, struct box *box)
{
	return open_as(kind, box, 0, 0);
}

int write_fill(uint32_t handle, char fill, size_t len, bool commit)
{
	struct payload p = { .len = len };
	char *mem = malloc(len + 1);
	int err;

	must(mem, "malloc");
	memset(mem, fill, len);
	p.mem = mem;
	err = tx_write(pool, &the_op, handle, &p, commit);
	free(mem);
	return err;
}

void send_fill(struct box *box, char fill, size_t len)
{
	uint32_t handle = open_kind(HANDLE_SEND, box);

	must(write_fill(handle, fill, len, false) == 0, "tx_write");
	must(handle_close(pool, &the_op, handle) == 0, "handle_close");
}

int64_t receive_id(uint32_t handle)
{
	char line[TX_LINE + 1];
	uint64_t id = 0;
	size_t len = 0;
	int err = tx_receive(pool, &the_op, handle, line, TX_LINE, &len);

	if (err || !len)
		return err == -EAGAIN ? 0 : err;
	line[len] = 0;
	must(sscanf(line, "{\"id\":%" SCNu64 ",", &id) == 1, "header %s", line);
	must(line[len - 1] == '\n', "header %s", line);
	return id;
}

/* --- what can be seen of a pool, as text --- */

static void dump_tx(FILE *f, struct box *box, const struct tx_info *tx)
{
	uint64_t sum = 14695981039346656037ull;
	struct region *region;
	char *buf = malloc(tx->size + 1);

	must(buf, "malloc");
	if (tx->size) {
		must(box_region(pool, box, &region) == 0, "box_region");
		must(region_read(region, tx->offset, buf, tx->size) == 0,
		     "region_read");
	}
	for (uint64_t i = 0; i < tx->size; i++)
		sum = (sum ^ (unsigned char)buf[i]) * 1099511628211ull;
	free(buf);
	fprintf(f,
		"  tx %" PRIu64 " size %" PRIu64 " sum %" PRIx64
		" from %d/%d/%d%s\n",
		tx->id, tx->size, sum, (int)tx->pid, (int)tx->uid, (int)tx->gid,
		tx->delivered ? " delivered" : "");
}

static void dump_box(FILE *f, struct box *box)
{
	struct tx_info tx = { 0 };
	struct box_attr attr;
	struct box_stat st;

	box_stat(pool, box, &st);
	fprintf(f,
		"box %s %" PRIu64 " size %" PRIu64 " queued %u delivered %u"
		" handles %u modes",
		box_name(box), box_serial(box), st.size, st.queued,
		st.delivered, st.handles);
	for (int i = 0; i < BOX_INODES; i++) {
		box_getattr(box, i, &attr);
		fprintf(f, " %o/%d/%d", attr.mode, (int)attr.uid,
			(int)attr.gid);
	}
	fprintf(f, "\n");
	while (tx_next(pool, box, tx.id, &tx) == 0)
		dump_tx(f, box, &tx);
}

static void dump_text(FILE *f, uint32_t handle)
{
	char buf[4096];
	size_t len = handle_text_read(pool, handle, buf, sizeof(buf), 0);
	uint32_t sum = 0;

	for (size_t i = 0; i < len; i++)
		sum = sum * 31 + buf[i];
	fprintf(f, "  text %zu sum %x\n", len, sum);
}

#define DUMP_HANDLES 64 /* the tests that dump open fewer */

char *pool_dump(void)
{
	struct box *box = NULL;
	size_t size;
	char *text;
	FILE *f = open_memstream(&text, &size);

	must(f, "open_memstream");
	while ((box = box_next(pool, box ? box_serial(box) : 0)))
		dump_box(f, box);
	for (uint32_t i = 1; i < DUMP_HANDLES; i++) {
		enum handle_kind kind = handle_lookup(pool, i, &box);

		if (kind == HANDLE_NONE)
			continue;
		fprintf(f,
			"handle %u kind %d box %" PRIu64 " cursor %" PRIu64
			"\n",
			i, kind, box ? box_serial(box) : 0,
			handle_cursor(pool, i));
		if (kind == HANDLE_CONTROL)
			dump_text(f, i);
	}
	fclose(f);
	return text;
}

void pool_close_all_handles(void)
{
	struct box *box;

	the_op.token = 0;
	for (uint32_t i = 1; i < DUMP_HANDLES; i++)
		if (handle_lookup(pool, i, &box) != HANDLE_NONE)
			must(handle_close(pool, &the_op, i) == 0,
			     "handle_close");
}

void pool_drain(void)
{
	struct pool_stat st;
	struct box *box;

	pool_close_all_handles();
	while ((box = box_next(pool, 0))) {
		struct tx_info tx = { 0 };
		struct box_stat bs;

		while (tx_next(pool, box, tx.id, &tx) == 0)
			must(tx_free(pool, &the_op, box, tx.id) == 0,
			     "tx_free");
		box_stat(pool, box, &bs);
		must(bs.ranges.reserved == 0, "bytes are still reserved");
		must(bs.pages.used == 0, "pages are still Used");
		must(bs.writing == 0 && bs.handles == 0, "half gone");
		must(box_remove(pool, &the_op, box_name(box)) == 0,
		     "box_remove");
	}
	pool_stat(pool, &st);
	must(!st.boxes.boxes && !st.boxes.transactions && !st.boxes.handles,
	     "not empty");
	must(!st.pages.used && !st.pages.available, "pages without a box");
	must(pool_intact(), "pool_check");
}
