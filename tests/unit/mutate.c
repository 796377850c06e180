/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Damage: bits and words of tables, records that are doubled or moved, lengths
 * and kinds of files, names that are not there, a journal that was never
 * written.  Nothing here knows what the program checks; it knows the formats.
 */
#include "tests/unit/mutate.h"

#include <dirent.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/xattr.h>
#include <unistd.h>

struct rng {
	uint64_t state;
	int dirfd;
};

static uint64_t any(struct rng *r)
{
	uint64_t z = r->state += 0x9e3779b97f4a7c15ull;

	z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9ull;
	z = (z ^ z >> 27) * 0x94d049bb133111ebull;
	return z ^ z >> 31;
}

static uint64_t below(struct rng *r, uint64_t n)
{
	return n ? any(r) % n : 0;
}

static const struct {
	const char *name;
	uint32_t rec; /* bytes of a record */
} tables[] = {
	{ "boxes", 512 },  { "transactions", 64 }, { "handles", 128 },
	{ "inodes", 128 }, { "ranges", 64 },	   { "texts", 512 },
	{ "journal", 64 },
};
#define NR_TABLES (sizeof(tables) / sizeof(*tables))

static const char *const others[] = { "events", "config.json", "store" };
static const char *const dirs[] = { "box", "open", "orphan", "tree",
				    "tree/files" };

static uint64_t odd_value(struct rng *r)
{
	static const uint64_t odd[] = {
		0,	    1,		2,	    3,
		7,	    8,		47,	    48,
		49,	    63,		64,	    255,
		256,	    4095,	4096,	    4097,
		65535,	    65536,	0x7fffffff, 0x80000000,
		0xffffffff, 1ull << 32, 1ull << 42, 1ull << 52,
		1ull << 62, 1ull << 63, UINT64_MAX, UINT64_MAX - 7,
		INT64_MAX,  2048,	1ull << 20, 5,
	};

	return below(r, 4) ? odd[below(r, sizeof(odd) / sizeof(*odd))] : any(r);
}

/* --- bytes of a file --- */

/* Return: a descriptor, or -1. */
static int open_file(struct rng *r, const char *name)
{
	return openat(r->dirfd, name,
		      O_RDWR | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
}

/* A record that is used, more often than not. */
static uint32_t some_record(struct rng *r, int fd, uint32_t rec)
{
	struct stat st;
	uint32_t nr, i = 0, state;

	if (fstat(fd, &st) || st.st_size < rec)
		return 0;
	nr = st.st_size / rec;
	for (int k = 0; k < 40; k++) {
		i = below(r, below(r, 8) ? (nr < 40 ? nr : 40) : nr);
		if (pread(fd, &state, 4, (off_t)i * rec) == 4 && state)
			break;
	}
	return i;
}

/* It may have become a device before that takes nothing. */
static void put(int fd, const void *from, size_t len, off_t at)
{
	if (pwrite(fd, from, len, at) != (ssize_t)len)
		return;
}

static void flip_bit(struct rng *r, int fd, uint32_t rec)
{
	off_t at = (off_t)some_record(r, fd, rec) * rec + below(r, rec);
	unsigned char c = 0;

	if (pread(fd, &c, 1, at) == 1) {
		c ^= 1u << below(r, 8);
		put(fd, &c, 1, at);
	}
}

static void set_word(struct rng *r, int fd, uint32_t rec)
{
	uint32_t width = 1u << below(r, 4);
	off_t at = (off_t)some_record(r, fd, rec) * rec +
		   below(r, rec / width) * width;
	uint64_t value = odd_value(r);

	put(fd, &value, width, at);
}

/* One word of a record becomes that of another. */
static void copy_word(struct rng *r, int fd, uint32_t rec)
{
	uint32_t width = below(r, 2) ? 4 : 8;
	off_t in = below(r, rec / width) * width;
	off_t from = (off_t)some_record(r, fd, rec) * rec + in;
	off_t to = (off_t)some_record(r, fd, rec) * rec + in;
	uint64_t value;

	if (pread(fd, &value, width, from) == width)
		put(fd, &value, width, to);
}

static void double_record(struct rng *r, int fd, uint32_t rec)
{
	char buf[512];
	struct stat st;
	off_t from = (off_t)some_record(r, fd, rec) * rec, to;

	if (fstat(fd, &st) || st.st_size < rec)
		return;
	to = (off_t)below(r, below(r, 2) ? 40 : st.st_size / rec) * rec;
	if (pread(fd, buf, rec, from) == (ssize_t)rec && to < st.st_size)
		put(fd, buf, rec, to);
}

static void fill_record(struct rng *r, int fd, uint32_t rec)
{
	char buf[512];
	uint32_t len = 1 + below(r, rec);
	bool noise = below(r, 2);

	for (uint32_t i = 0; i < len; i++)
		buf[i] = noise ? any(r) : 0;
	put(fd, buf, len, (off_t)some_record(r, fd, rec) * rec);
}

static void change_bytes(struct rng *r)
{
	static void (*const how[])(struct rng * r, int fd, uint32_t rec) = {
		flip_bit, set_word,	 set_word,    copy_word,
		set_word, double_record, fill_record, copy_word,
	};
	uint32_t t = below(r, NR_TABLES + 1);
	const char *name = t < NR_TABLES ? tables[t].name : others[below(r, 3)];
	int fd = open_file(r, name);

	if (fd < 0)
		return;
	how[below(r, sizeof(how) / sizeof(*how))](
		r, fd, t < NR_TABLES ? tables[t].rec : 16);
	close(fd);
}

/* --- fields that lead from one record to another --- */

static void put_in(struct rng *r, const char *name, off_t at, uint64_t value,
		   size_t width)
{
	int fd = open_file(r, name);

	if (fd < 0)
		return;
	put(fd, &value, width, at);
	close(fd);
}

static void link_inodes(struct rng *r)
{
	/* Offsets in the record: parent, more, flags, inode of an override. */
	static const off_t field[] = { 40, 44, 40, 44, 4, 48 };
	off_t in = field[below(r, sizeof(field) / sizeof(*field))];
	int fd = open_file(r, "inodes");
	uint32_t i, value = below(r, 24);

	if (fd < 0)
		return;
	i = some_record(r, fd, 128);
	close(fd);
	put_in(r, "inodes", i * 128 + in, value, in == 48 ? 1 : 4);
}

static void invent_override(struct rng *r)
{
	uint32_t i = 1 + below(r, 511), state = 3, inode = below(r, 24);

	for (uint32_t n = 1 + below(r, 300); n--; i = i % 511 + 1) {
		put_in(r, "inodes", i * 128, state, 4);
		put_in(r, "inodes", i * 128 + 4, inode, 4);
		put_in(r, "inodes", i * 128 + 8, below(r, 2) ? 0 : 04755, 4);
		if (below(r, 4))
			break;
	}
}

static void invent_range(struct rng *r)
{
	uint64_t rec[4] = { (1 + below(r, 4)) | below(r, 24) << 32,
			    odd_value(r), odd_value(r), odd_value(r) };
	int fd = open_file(r, "ranges");

	if (fd < 0)
		return;
	put(fd, rec, sizeof(rec), (1 + below(r, 30)) * 64);
	close(fd);
}

static void change_box(struct rng *r)
{
	/* State, serial, size, times, modes, name. */
	static const off_t field[] = { 0,  8,  16, 16,	24,  32,
				       88, 90, 98, 100, 101, 354 };
	off_t in = field[below(r, sizeof(field) / sizeof(*field))];
	uint64_t value = below(r, 2) ? odd_value(r) : below(r, 40) * 1000;
	int fd = open_file(r, "boxes");

	if (fd < 0)
		return;
	if (in >= 100)
		value = below(r, 2) ? '/' : below(r, 3) * '.';
	put(fd, &value,
	    in < 8     ? 4
	    : in < 88  ? 8
	    : in < 100 ? 2
		       : 1 + below(r, 8),
	    (off_t)some_record(r, fd, 512) * 512 + in);
	close(fd);
}

static void link_transaction(struct rng *r)
{
	static const off_t field[] = { 0, 4, 8, 16, 24, 32 };
	off_t in = field[below(r, 6)];
	int fd = open_file(r, "transactions");
	uint64_t value = below(r, 2) ? below(r, 24) : below(r, 8192) * 8;

	if (fd < 0)
		return;
	put(fd, &value, in < 8 ? 4 : 8,
	    (off_t)some_record(r, fd, 64) * 64 + in);
	close(fd);
}

static void link_handle(struct rng *r)
{
	static const off_t field[] = { 0, 4, 8, 12, 32, 76 };
	off_t in = field[below(r, 6)];
	int fd = open_file(r, "handles");

	if (fd < 0)
		return;
	some_record(r, fd, 128);
	put_in(r, "handles", (off_t)some_record(r, fd, 128) * 128 + in,
	       below(r, 24), 4);
	close(fd);
}

/* A change that was committed and not carried out. */
static void invent_journal(struct rng *r)
{
	uint32_t nr = below(r, 30);

	put_in(r, "journal", 0, below(r, 4), 4);
	put_in(r, "journal", 4, nr, 4);
	put_in(r, "journal", 24, below(r, 3), 8);
	put_in(r, "journal", 32, below(r, 4096), 8);
	put_in(r, "journal", 40, below(r, 24), 4);
	put_in(r, "journal", 44, below(r, 24), 4);
	for (uint32_t i = 0; i < nr && i < 24; i++) {
		off_t at = 48 + i * 64;

		if (below(r, 3))
			continue; /* what an earlier change has left */
		put_in(r, "journal", at, below(r, 5), 2);
		put_in(r, "journal", at + 2, below(r, 52), 2);
		put_in(r, "journal", at + 8,
		       below(r, 4) ? below(r, 65536) : odd_value(r), 8);
		put_in(r, "journal", at + 16, odd_value(r), 8);
	}
}

/* --- files and names --- */

/* A name in @dir.  Return: false: there is none. */
static bool some_name(struct rng *r, const char *dir, char *path, size_t size)
{
	int fd = openat(r->dirfd, dir,
			O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	DIR *d = fd < 0 ? NULL : fdopendir(fd);
	char names[64][256];
	uint32_t nr = 0;
	struct dirent *e;

	if (!d)
		return false;
	while ((e = readdir(d)) && nr < 64)
		if (strcmp(e->d_name, ".") && strcmp(e->d_name, ".."))
			strcpy(names[nr++], e->d_name);
	closedir(d);
	/* The order of names is the file system's. */
	qsort(names, nr, sizeof(*names),
	      (int (*)(const void *, const void *))strcmp);
	if (nr)
		snprintf(path, size, "%s/%s", dir, names[below(r, nr)]);
	return nr;
}

static void some_path(struct rng *r, char *path, size_t size)
{
	uint32_t n = below(r, NR_TABLES + 3 + 8);

	if (n < NR_TABLES)
		snprintf(path, size, "%s", tables[n].name);
	else if (n < NR_TABLES + 3)
		snprintf(path, size, "%s", others[n - NR_TABLES]);
	else if (n < NR_TABLES + 4)
		snprintf(path, size, "%s", dirs[below(r, 5)]);
	else if (n < NR_TABLES + 5)
		snprintf(path, size, "tree/files/dir/%s",
			 below(r, 2) ? "f0" : "new");
	else if (!some_name(r, dirs[below(r, 4) ? 0 : below(r, 5)], path, size))
		snprintf(path, size, "box/%x", (int)below(r, 20));
}

static void change_length(struct rng *r)
{
	char path[600];
	struct stat st;
	int fd;

	some_path(r, path, sizeof(path));
	fd = open_file(r, path);
	if (fd < 0)
		return;
	if (fstat(fd, &st) == 0 && S_ISREG(st.st_mode)) {
		off_t to = below(r, 2) ? below(r, st.st_size + 1)
				       : below(r, 2 * st.st_size + 200000);

		if (below(r, 2))
			to = to / 65536 * 65536;
		if (ftruncate(fd, to))
			abort();
	}
	close(fd);
}

static void remove_path(struct rng *r, const char *path)
{
	if (unlinkat(r->dirfd, path, 0) &&
	    unlinkat(r->dirfd, path, AT_REMOVEDIR))
		renameat(r->dirfd, path, r->dirfd, "lost");
}

static void remove_something(struct rng *r)
{
	char path[600];

	some_path(r, path, sizeof(path));
	remove_path(r, path);
}

static void replace_something(struct rng *r)
{
	char path[600];

	some_path(r, path, sizeof(path));
	if (below(r, 4))
		remove_path(r, path);
	switch (below(r, 6)) {
	case 0:
		(void)!symlinkat("/proc/self/exe", r->dirfd, path);
		break;
	case 1:
		(void)!symlinkat("..", r->dirfd, path);
		break;
	case 2:
		mknodat(r->dirfd, path, S_IFIFO | 0600, 0);
		break;
	case 3:
		mkdirat(r->dirfd, path, 0700);
		break;
	case 4:
		mknodat(r->dirfd, path, S_IFCHR | 0600, makedev(1, 7));
		break;
	case 5:
		close(openat(r->dirfd, path,
			     O_WRONLY | O_CREAT | O_NOFOLLOW | O_NONBLOCK |
				     O_CLOEXEC,
			     0600));
		break;
	}
}

static void swap_files(struct rng *r)
{
	char a[600], b[600];

	some_path(r, a, sizeof(a));
	some_path(r, b, sizeof(b));
	renameat2(r->dirfd, a, r->dirfd, b, RENAME_EXCHANGE);
}

static void change_attributes(struct rng *r)
{
	char path[600], link[64];
	uint64_t value = odd_value(r);
	int fd;

	some_path(r, path, sizeof(path));
	switch (below(r, 3)) {
	case 0:
		fd = openat(r->dirfd, path, O_PATH | O_NOFOLLOW | O_CLOEXEC);
		snprintf(link, sizeof(link), "/proc/self/fd/%d", fd);
		setxattr(link, "user.pool.volatile", &value, sizeof(value), 0);
		close(fd);
		break;
	case 1:
		fchmodat(r->dirfd, path, value & 07777, 0);
		break;
	case 2:
		linkat(r->dirfd, path, r->dirfd,
		       below(r, 2) ? "link" : "box/link", 0);
		break;
	}
}

void mutate(int dirfd, uint64_t seed)
{
	static void (*const how[])(struct rng * r) = {
		change_bytes,	   change_bytes,     change_bytes,
		change_bytes,	   change_bytes,     change_bytes,
		change_box,	   change_box,	     link_inodes,
		link_inodes,	   link_transaction, link_transaction,
		link_handle,	   invent_journal,   invent_override,
		invent_range,	   change_length,    remove_something,
		replace_something, swap_files,	     change_attributes,
	};
	struct rng r = { .state = seed, .dirfd = dirfd };

	for (uint64_t n = 1 + below(&r, 4); n--;)
		how[below(&r, sizeof(how) / sizeof(*how))](&r);
}
