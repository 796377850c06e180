/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Counts of what each user holds: see user.h.
 *
 * States: a user has an entry while it holds anything.  One entry of a user
 * who holds nothing is kept, so that who opens and closes a file over and over
 * does not allocate each time.
 * Locks: pool->lock (1) held by all callers.
 * Reclaim: splits ranges, which charges their users, with the same lock held.
 */
#include "pool/core/user.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/statvfs.h>

#include "pool/core/core_priv.h"
#include "pool/lib/avl.h"

struct user {
	struct avl_node by_uid;
	uid_t uid;
	uint32_t names; /* see user_names() */
	uint64_t sum; /* of held, whatever the items: 0 when it holds nothing */
	uint64_t held[USER_ITEMS];
};

struct users {
	struct avl_tree by_uid;
	struct user *last; /* the one looked up last, NULL: none */
	struct user *empty; /* the one that holds nothing, NULL: none */
	uid_t owner;
	uint64_t total[USER_ITEMS];
	uint64_t nobodys[USER_ITEMS]; /* of the total: see user_disown() */
	uint64_t max[USER_ITEMS];
};

/* What the records of a small pool may take, at least. */
#define BUDGET_MIN (16ull << 20)
/* The owner keeps this part of each maximum. */
#define RESERVE_PART 8

/*
 * Records and what is beside them in memory take at most a quarter of the
 * pool's size; payloads that wait, once more as much.
 */
static const struct {
	const char *name;
	uint64_t most; /* whatever the pool's size */
	uint32_t sixteenths; /* of the budget; 0: only @most counts */
	uint32_t bytes; /* in store and memory, rounded up, for ... */
	uint32_t units; /* ... so many of them */
} items[USER_ITEMS] = {
	/* A worker that starts goes through all of them. */
	[USER_BOXES] = { "boxes", 1u << 16, 2, 2048, 1 },
	/* 12 bytes a page of 4 KiB, for those that were ever touched. */
	[USER_REGION_BYTES] = { "region_bytes", 1ull << 50, 6, 12, 4096 },
	[USER_BOX_BYTES] = { "box_bytes", UINT64_MAX, 0, 1, 1 },
	[USER_HANDLES] = { "open", 1u << 20, 2, 192, 1 },
	[USER_TRANSACTIONS] = { "transactions", 1u << 20, 2, 256, 1 },
	[USER_RANGES] = { "ranges", 1u << 20, 2, 192, 1 },
	[USER_TEXT_BYTES] = { "text_bytes", 64u << 20, 1, 1, 1 },
	/* As many as there may be files: nr_inodes=. */
	[USER_INODES] = { "inodes", 0, 0, 1, 1 },
	/* Half of the background requests that the kernel lets be under way:
	 * one of asynchronous I/O is one of them, as each RELEASE is. */
	[USER_WAITING] = { "waiting", 1u << 15, 1, 512, 1 },
	[USER_WAITING_BYTES] = { "waiting_bytes", 128u << 20, 16, 1, 1 },
	[USER_FILE_BYTES] = { "file_bytes", UINT64_MAX, 0, 1, 1 },
};

const char *user_item_name(enum user_item item)
{
	return items[item].name;
}

static int cmp_user(const struct avl_node *a, const struct avl_node *b)
{
	uid_t x = avl_entry(a, struct user, by_uid)->uid;
	uid_t y = avl_entry(b, struct user, by_uid)->uid;

	return x < y ? -1 : x > y;
}

static int cmp_uid(const void *key, const struct avl_node *n)
{
	uid_t x = *(const uid_t *)key;
	uid_t y = avl_entry(n, struct user, by_uid)->uid;

	return x < y ? -1 : x > y;
}

static struct user *user_find(struct users *users, uid_t uid)
{
	struct avl_node *n;

	if (users->last && users->last->uid == uid)
		return users->last;
	n = avl_find(&users->by_uid, &uid, cmp_uid);
	if (n)
		users->last = avl_entry(n, struct user, by_uid);
	return n ? users->last : NULL;
}

static struct user *user_get(struct users *users, uid_t uid)
{
	struct user *u = user_find(users, uid);

	if (u)
		return u;
	u = calloc(1, sizeof(*u));
	if (!u)
		return NULL;
	u->uid = uid;
	avl_insert(&users->by_uid, &u->by_uid);
	users->last = u;
	return u;
}

static void user_free(struct users *users, struct user *u)
{
	if (!u)
		return;
	if (users->last == u)
		users->last = NULL;
	avl_erase(&users->by_uid, &u->by_uid);
	free(u);
}

static void user_set_empty(struct users *users, struct user *u)
{
	if (users->empty == u)
		return;
	user_free(users, users->empty);
	users->empty = u;
}

static int user_add(struct users *users, uid_t uid, enum user_item item,
		    uint64_t n)
{
	struct user *u = n ? user_get(users, uid) : NULL;

	if (!n)
		return 0;
	if (!u)
		return -ENOMEM;
	if (users->empty == u)
		users->empty = NULL;
	u->held[item] += n;
	u->sum += n;
	users->total[item] += n;
	return 0;
}

bool user_is_owner(const struct pool *pool, uid_t uid)
{
	return uid == 0 || uid == pool->users->owner;
}

/* What counts for the same share. */
static uint64_t user_held_beside(struct pool *pool, uid_t uid,
				 enum user_item item)
{
	if (item == USER_BOX_BYTES)
		return user_held(pool, uid, USER_FILE_BYTES);
	if (item == USER_FILE_BYTES)
		return user_held(pool, uid, USER_BOX_BYTES);
	return 0;
}

int user_may_charge(struct pool *pool, uid_t uid, enum user_item item,
		    uint64_t n)
{
	uint64_t max = user_max(pool, item);
	uint64_t total = user_total(pool, item);

	if (!user_is_owner(pool, uid)) {
		uint64_t share = user_share(pool, item);
		uint64_t held = user_held(pool, uid, item) +
				user_held_beside(pool, uid, item);

		if (held > share || n > share - held)
			return -EDQUOT;
		max -= max / RESERVE_PART;
	}
	/* Of files a part may be Available: reclaim makes room, or does not. */
	if (item == USER_FILE_BYTES)
		return 0;
	return total > max || n > max - total ? -ENOSPC : 0;
}

int user_charge(struct pool *pool, uid_t uid, enum user_item item, uint64_t n)
{
	int err = user_may_charge(pool, uid, item, n);

	return err ? err : user_add(pool->users, uid, item, n);
}

int user_charge_anyway(struct pool *pool, uid_t uid, enum user_item item,
		       uint64_t n)
{
	return user_add(pool->users, uid, item, n);
}

void user_uncharge(struct pool *pool, uid_t uid, enum user_item item,
		   uint64_t n)
{
	struct users *users = pool->users;
	struct user *u = n ? user_find(users, uid) : NULL;

	if (!n)
		return;
	/* A bug of poolfs: the next worker counts anew. */
	if (!u || u->held[item] < n)
		abort();
	u->held[item] -= n;
	u->sum -= n;
	users->total[item] -= n;
	if (!u->sum)
		user_set_empty(users, u);
}

void user_disown(struct pool *pool, uid_t uid, enum user_item item, uint64_t n)
{
	user_uncharge(pool, uid, item, n);
	pool->users->nobodys[item] += n;
	pool->users->total[item] += n;
}

int user_own(struct pool *pool, uid_t uid, enum user_item item, uint64_t n)
{
	pool->users->nobodys[item] -= n;
	pool->users->total[item] -= n;
	return user_add(pool->users, uid, item, n);
}

uint64_t user_held(struct pool *pool, uid_t uid, enum user_item item)
{
	const struct user *u = user_find(pool->users, uid);

	return u ? u->held[item] : 0;
}

uint64_t user_total(const struct pool *pool, enum user_item item)
{
	struct statvfs st;

	/* Those of the owner are not counted, and count. */
	if (item == USER_INODES && pool->count_names && pool->store->inodes &&
	    store_space(pool->store, &st) == 0)
		return st.f_files - st.f_ffree;
	return pool->users->total[item];
}

uint32_t *user_names(struct pool *pool, uid_t uid)
{
	struct user *u = user_find(pool->users, uid);

	/* A bug of poolfs. */
	if (!u)
		abort();
	return &u->names;
}

uint64_t user_max(const struct pool *pool, enum user_item item)
{
	return pool->users->max[item];
}

void user_set_max(struct pool *pool, enum user_item item, uint64_t max)
{
	pool->users->max[item] = max;
}

uint64_t user_percent(uint64_t max, uint32_t percent)
{
	return max / 100 * percent + max % 100 * percent / 100;
}

uint64_t user_share(const struct pool *pool, enum user_item item)
{
	return user_percent(user_max(pool, item), pool->config.user_quota);
}

const struct user *user_next(const struct pool *pool, const struct user *after)
{
	struct avl_node *n = after ? avl_next(&after->by_uid)
				   : avl_first(&pool->users->by_uid);

	while (n && !avl_entry(n, struct user, by_uid)->sum)
		n = avl_next(n);
	return n ? avl_entry(n, struct user, by_uid) : NULL;
}

uid_t user_uid(const struct user *user)
{
	return user->uid;
}

/* --- all of them --- */

static uint64_t item_max(enum user_item item, uint64_t budget)
{
	uint64_t n;

	if (!items[item].sixteenths)
		return items[item].most;
	n = budget / 16 * items[item].sixteenths / items[item].bytes *
	    items[item].units;
	return n < items[item].most ? n : items[item].most;
}

void users_fit(struct pool *pool)
{
	uint64_t budget = pool->size / 4;
	struct users *users = pool->users;

	if (budget < BUDGET_MIN)
		budget = BUDGET_MIN;
	for (int i = 0; i < USER_ITEMS; i++)
		users->max[i] = item_max(i, budget);
	users->max[USER_BOX_BYTES] = pool->size;
	users->max[USER_FILE_BYTES] = pool->size;
	users->max[USER_INODES] = pool->count_names ? pool->store->inodes : 0;
}

int users_open(struct pool *pool, uid_t owner)
{
	struct users *users = calloc(1, sizeof(*users));

	if (!users)
		return -ENOMEM;
	users->by_uid.cmp = cmp_user;
	users->owner = owner;
	pool->users = users;
	pool->config.user_quota = USER_DEFAULT_QUOTA;
	users_fit(pool);
	return 0;
}

static void users_clear(struct users *users)
{
	struct avl_node *n;

	while ((n = avl_first(&users->by_uid)))
		user_free(users, avl_entry(n, struct user, by_uid));
}

void users_close(struct pool *pool)
{
	if (!pool->users)
		return;
	users_clear(pool->users);
	free(pool->users);
	pool->users = NULL;
}

/* --- the check --- */

void users_recount(struct users *counts, uid_t uid, enum user_item item,
		   uint64_t n)
{
	if (user_add(counts, uid, item, n))
		abort();
}

/* Has each user of @a as many records in @b? */
static bool users_agree(struct users *a, struct users *b)
{
	for (struct avl_node *n = avl_first(&a->by_uid); n; n = avl_next(n)) {
		const struct user *u = avl_entry(n, struct user, by_uid);
		const struct user *o = user_find(b, u->uid);

		for (int i = 0; i < USER_WAITING; i++)
			if (u->held[i] != (o ? o->held[i] : 0))
				return false;
	}
	return true;
}

const char *users_check(struct pool *pool,
			void (*count)(struct pool *pool, struct users *counts))
{
	struct users counts = { .by_uid.cmp = cmp_user };
	struct users *users = pool->users;
	uint64_t total[USER_ITEMS] = { 0 };
	const char *broken = NULL;
	int idle = 0;

	count(pool, &counts);
	for (const struct avl_node *n = avl_first(&users->by_uid); n;
	     n = avl_next(n)) {
		const struct user *u = avl_entry(n, struct user, by_uid);

		idle += !u->sum;
		for (int i = 0; i < USER_ITEMS; i++)
			total[i] += u->held[i];
	}
	if (!avl_check(&users->by_uid))
		broken = "the index of users is out of order";
	else if (idle > 1 || (idle && !users->empty))
		broken = "a user who holds nothing is not forgotten";
	else if (!users_agree(users, &counts) || !users_agree(&counts, users))
		broken = "a user's records are miscounted";
	for (int i = 0; i < USER_ITEMS && !broken; i++)
		if (total[i] + users->nobodys[i] != users->total[i])
			broken = "the users' sum is miscounted";
	users_clear(&counts);
	return broken;
}
