/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What each user holds: shares, the owner's reserve, the maxima of pools of
 * several sizes, and that who holds nothing is forgotten.
 */
#include "tests/unit/pool_fixture.h"

#define MIB (1ull << 20)
#define SMALL (16 * MIB)

#define OWNER 0u
#define A 1000u
#define B 1001u

static uint32_t nr_users(void)
{
	const struct user *u = NULL;
	uint32_t nr = 0;

	while ((u = user_next(pool, u)))
		nr++;
	return nr;
}

/* How many times one more can be charged, up to @most, and then @err. */
static uint64_t fill(uid_t uid, enum user_item item, uint64_t most, int *err)
{
	uint64_t n = 0;

	*err = 0;
	while (n < most && !(*err = user_charge(pool, uid, item, 1)))
		n++;
	return n;
}

static void test_share(void)
{
	uint64_t max = user_max(pool, USER_HANDLES), share = max / 4;
	int err;

	ok(user_share(pool, USER_HANDLES) == share, "the share is a quarter");
	ok(fill(A, USER_HANDLES, max, &err) == share && err == -EDQUOT,
	   "a user gets its share, then EDQUOT");
	ok(user_held(pool, A, USER_HANDLES) == share &&
		   user_held(pool, A, USER_BOXES) == 0,
	   "and it is counted");
	ok(user_charge(pool, A, USER_BOXES, 1) == 0,
	   "other items are not affected");
	ok(user_charge(pool, B, USER_HANDLES, share + 1) == -EDQUOT &&
		   user_charge(pool, B, USER_HANDLES, UINT64_MAX) == -EDQUOT,
	   "more than a share at once: EDQUOT");
	ok(user_charge(pool, B, USER_HANDLES, share) == 0,
	   "another user has a share, too");
	user_uncharge(pool, A, USER_HANDLES, 1);
	ok(user_charge(pool, A, USER_HANDLES, 1) == 0 &&
		   user_charge(pool, A, USER_HANDLES, 1) == -EDQUOT,
	   "one given back can be had again");
	pool_config(pool)->user_quota = 10;
	ok(user_charge(pool, A, USER_HANDLES, 1) == -EDQUOT &&
		   user_charge(pool, 1002, USER_HANDLES, max / 10 + 1) ==
			   -EDQUOT,
	   "a smaller quota holds at once");
	user_uncharge(pool, A, USER_HANDLES, share);
	user_uncharge(pool, A, USER_BOXES, 1);
	user_uncharge(pool, B, USER_HANDLES, share);
	pool_config(pool)->user_quota = USER_DEFAULT_QUOTA;
	ok(user_total(pool, USER_HANDLES) == 0 && nr_users() == 0,
	   "all is given back");
}

static void test_reserve(void)
{
	uint64_t max = user_max(pool, USER_BOXES), reserve = max / 8, n;
	uint64_t share = user_share(pool, USER_BOXES);
	uid_t uid = A;
	int err;

	do
		n = fill(uid++, USER_BOXES, max, &err);
	while (err == -EDQUOT);
	ok(err == -ENOSPC && n < share &&
		   user_total(pool, USER_BOXES) == max - reserve,
	   "users together end at the reserve: ENOSPC");
	ok(user_charge(pool, uid, USER_BOXES, 1) == -ENOSPC,
	   "a new user finds nothing left");
	ok(fill(OWNER, USER_BOXES, max, &err) == reserve && err == -ENOSPC,
	   "the owner has the reserve, then ENOSPC");
	ok(user_charge(pool, OWNER, USER_BOXES, UINT64_MAX) == -ENOSPC,
	   "and no sum wraps");
	ok(user_charge_anyway(pool, A, USER_BOXES, 5) == 0 &&
		   user_total(pool, USER_BOXES) == max + 5,
	   "what is there already is counted above the maximum");
	ok(user_charge(pool, OWNER, USER_BOXES, 1) == -ENOSPC &&
		   user_charge(pool, A, USER_BOXES, 1) == -EDQUOT,
	   "and nothing more comes to it");
	while (user_next(pool, NULL)) {
		const struct user *u = user_next(pool, NULL);

		user_uncharge(pool, user_uid(u), USER_BOXES,
			      user_held(pool, user_uid(u), USER_BOXES));
	}
	ok(user_total(pool, USER_BOXES) == 0, "all is given back");
	ok(fill(OWNER, USER_BOXES, max, &err) == max && err == 0,
	   "alone the owner may have everything");
	user_uncharge(pool, OWNER, USER_BOXES, max);
}

static void test_many_users(void)
{
	bool good = true;

	for (uid_t uid = 1; uid <= 5000; uid++) {
		must(user_charge(pool, uid, USER_WAITING_BYTES, uid) == 0,
		     "charge");
		if (uid > 100)
			user_uncharge(pool, uid - 100, USER_WAITING_BYTES,
				      uid - 100);
		good &= nr_users() == (uid < 100 ? uid : 100);
		if (uid % 1000 == 0)
			good &= pool_intact();
	}
	ok(good, "who holds nothing is forgotten");
	for (uid_t uid = 4901; uid <= 5000; uid++)
		user_uncharge(pool, uid, USER_WAITING_BYTES, uid);
	ok(nr_users() == 0 && pool_intact(), "all of them");
	ok(user_charge(pool, A, USER_WAITING, 0) == 0 && nr_users() == 0,
	   "nothing is charged for nothing");
}

/* --- what is charged --- */

static void restart(uint64_t size, uid_t owner)
{
	struct pool_options opts = {
		.store = &store, .size = size, .owner = owner, .nr_nodes = 1
	};

	pool_unlock(pool);
	pool_close(pool);
	must(pool_open(&opts, &pool) == 0, "pool_open");
	pool_lock(pool);
}

static uint64_t held(uid_t uid, enum user_item item)
{
	return user_held(pool, uid, item);
}

/* A worker that was killed: the next one counts what the records say. */
static void next_worker(void)
{
	restart(SMALL, OWNER);
	must(pool_intact(), "a restart");
}

static void test_boxes(void)
{
	struct box_attr attr;
	struct box *box;
	char name[32];
	uint64_t n;
	int err = 0;

	/* The size of their regions is another limit. */
	pool_config(pool)->box_size = 4096;
	for (n = 0; !err; n++) {
		snprintf(name, sizeof(name), "%" PRIu64, n);
		err = box_create(pool, as(A, A, 1), name, 0700, NULL);
	}
	n--;
	ok(err == -EDQUOT && n == user_share(pool, USER_BOXES) &&
		   held(A, USER_BOXES) == n,
	   "boxes up to the share");
	ok(box_create(pool, as(OWNER, 0, 1), "owner's", 0700, NULL) == 0 &&
		   box_create(pool, as(B, B, 1), "other's", 0700, NULL) == 0,
	   "others make theirs");
	next_worker();
	ok(held(A, USER_BOXES) == n && held(B, USER_BOXES) == 1 &&
		   box_create(pool, as(A, A, 1), "x", 0700, NULL) == -EDQUOT,
	   "the next worker counts the same");
	ok(held(B, USER_REGION_BYTES) == 2 * MIB,
	   "so they do the regions' sizes, in steps of 2 MiB");
	box = box_by_name(pool, "other's");
	ok(box_resize(pool, as(B, B, 1), box,
		      user_share(pool, USER_REGION_BYTES) + 1) == -EDQUOT &&
		   box_size(box) == 4096 &&
		   held(B, USER_REGION_BYTES) == 2 * MIB,
	   "a region larger than the share is refused");
	ok(box_resize(pool, as(B, B, 1), box, 5 * MIB) == 0 &&
		   held(B, USER_REGION_BYTES) == 6 * MIB &&
		   box_resize(pool, as(B, B, 1), box, 4096) == 0 &&
		   held(B, USER_REGION_BYTES) == 2 * MIB,
	   "one that grows and shrinks is charged for what it is");
	box_getattr(box, BOX_DIR, &attr);
	attr.uid = A;
	ok(box_setattr(pool, as(OWNER, 0, 1), box, BOX_DIR, &attr) == 0 &&
		   held(A, USER_BOXES) == n + 1 && held(B, USER_BOXES) == 0,
	   "chown moves the charge, also above the share");
	attr.uid = B;
	box_setattr(pool, &the_op, box, BOX_SEND, &attr);
	ok(held(A, USER_BOXES) == n + 1, "that of a file in it does not");
	next_worker();
	ok(held(A, USER_BOXES) == n + 1, "and it stays so");
	must(box_remove(pool, &the_op, "other's") == 0, "remove");
	must(box_remove(pool, &the_op, "owner's") == 0, "remove");
	for (uint64_t i = 0; i < n; i++) {
		snprintf(name, sizeof(name), "%" PRIu64, i);
		must(box_remove(pool, &the_op, name) == 0, "remove");
	}
	ok(nr_users() == 0 && pool_intact(), "removed, they are nobody's");
}

static void test_handles(void)
{
	struct box *box = box_make("box", MIB);
	uint64_t serial = box_serial(box), n = 0, share;
	uint32_t h, first = 0;
	int err;

	share = user_share(pool, USER_TRANSACTIONS);
	if (share > user_share(pool, USER_HANDLES))
		share = user_share(pool, USER_HANDLES);
	while (!(err = handle_open(pool, as(A, A, 1), HANDLE_SEND, box, 0,
				   &h))) {
		first = first ? first : h;
		n++;
	}
	ok(err == -EDQUOT && n == share && held(A, USER_HANDLES) == n &&
		   held(A, USER_TRANSACTIONS) == n,
	   "open files of senders up to the share");
	ok(handle_open(pool, as(OWNER, 0, 1), HANDLE_CONTROL, NULL, 0, &h) ==
			   0 &&
		   handle_close(pool, &the_op, h) == 0,
	   "others open theirs");
	next_worker();
	ok(held(A, USER_HANDLES) == n && held(A, USER_TRANSACTIONS) == n,
	   "the next worker counts the same");
	for (h = first; n; h++) {
		n--;
		must(handle_close(pool, as(A, A, 1), h) == 0, "close");
	}
	ok(held(A, USER_HANDLES) == 0 && held(A, USER_TRANSACTIONS) == share,
	   "closed, the handles are free, and the transactions are queued");
	for (n = share; !handle_open(pool, as(A, A, 1), HANDLE_SEND,
				     box_by_serial(pool, serial), 0, &h);
	     n++)
		must(handle_close(pool, &the_op, h) == 0, "close");
	ok(n == user_share(pool, USER_TRANSACTIONS),
	   "empty transactions up to the share");
	next_worker();
	ok(held(A, USER_TRANSACTIONS) == n, "the next worker counts them");
	pool_drain();
	ok(nr_users() == 0 && pool_intact(), "freed, they are nobody's");
}

/* The maxima in bytes of record and memory. */
static uint64_t most_bytes(void)
{
	return user_max(pool, USER_BOXES) * 2048 +
	       user_max(pool, USER_REGION_BYTES) / 4096 * 12 +
	       user_max(pool, USER_HANDLES) * 192 +
	       user_max(pool, USER_TRANSACTIONS) * 256 +
	       user_max(pool, USER_RANGES) * 192 +
	       user_max(pool, USER_WAITING) * 512 +
	       user_max(pool, USER_TEXT_BYTES);
}

static void test_maxima(void)
{
	bool fits = true, grows = true;
	uint64_t boxes = 0;

	for (uint64_t size = MIB; size <= 1ull << 40; size *= 4) {
		uint64_t budget = size / 4 < 16 * MIB ? 16 * MIB : size / 4;

		restart(size, OWNER);
		fits &= most_bytes() <= budget &&
			user_max(pool, USER_WAITING_BYTES) <= budget &&
			/* of the kernel's 65,535 background requests */
			user_max(pool, USER_WAITING) <= 1u << 15;
		grows &= user_max(pool, USER_BOXES) >= boxes;
		boxes = user_max(pool, USER_BOXES);
	}
	ok(fits, "records take at most a quarter of the pool, or 16 MiB");
	ok(grows && boxes == 1u << 16, "and never more than the tables hold");
}

static void test_owner(void)
{
	restart(SMALL, A);
	ok(user_is_owner(pool, A) && user_is_owner(pool, 0) &&
		   !user_is_owner(pool, B),
	   "who mounted the pool, and root, are its owner");
	ok(user_charge(pool, A, USER_BOXES, user_max(pool, USER_BOXES)) == 0,
	   "and have no share");
	user_uncharge(pool, A, USER_BOXES, user_max(pool, USER_BOXES));
}

int main(void)
{
	char *dir;

	scratch_new();
	dir = scratch_dir("user");
	pool_start(dir, SMALL, true, NULL);
	test_share();
	test_reserve();
	test_many_users();
	test_boxes();
	test_handles();
	test_maxima();
	test_owner();
	pool_stop();
	free(dir);
	return done();
}
