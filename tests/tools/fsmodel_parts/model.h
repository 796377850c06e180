/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The model that fsmodel.c compares a directory with, and how it tells what
 * differs.
 *
 *	root --entry[]--> node (directory) --entry[]--> node (file) <-- open[]
 *	                                                     ^--------- map[]
 *
 * Every directory knows the same names, so a name is an index.  A node lives
 * as long as it has a name or a user (an open file, a mapping, a stream).
 * Beyond its size, the data of a file is zero, up to the end of the buffer.
 */
#ifndef POOLFS_FSMODEL_H
#define POOLFS_FSMODEL_H

#include "tests/tools/lib/tool.h"

#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <sys/stat.h>

#define PAGE 4096
#define OP_MAX (128 << 10) /* bytes of one operation */
#define POOL (1 << 20) /* random bytes that writes take from */
#define MAX_DIRS 8
#define MAX_SYMLINKS 8
#define MAX_OPENS 48
#define MAX_MAPS 12
#define MAX_STREAMS 4
#define NR_XATTRS 4
#define XATTR_SIZE 300

enum kind {
	FREE,
	FILE_NODE,
	DIR_NODE,
	SYMLINK_NODE
};

struct xattr {
	int size; /* -1: not there */
	unsigned char value[XATTR_SIZE];
};

struct node {
	enum kind kind;
	uint64_t id; /* the operation that made it */
	unsigned int nlink; /* names */
	unsigned int users;
	mode_t mode;
	ino_t ino; /* 0: not seen yet */
	struct timespec mtime;
	bool mtime_known;
	bool map_dirty; /* mtime may change until the next fsync */
	bool linkable; /* O_TMPFILE that has never had a name */
	bool is_volatile;
	int held; /* a volatile file: the model's own descriptor, or 0 */
	struct xattr xattr[NR_XATTRS];

	unsigned char *data; /* file */
	size_t size, high; /* from high on, data has always been zero */
	bool *unpinned; /* pages; NULL: none */
	bool seen_purged; /* one of them has been, since the last pin */

	struct node *parent; /* directory */
	int parent_idx;
	struct node **entry;
	bool reordered; /* a rename has put one entry in the place of another */

	int target; /* symlink: a name beside it, or one of these: */
#define TARGET_NONE -1
#define TARGET_LONG -2
};

struct open {
	int fd;
	struct node *node; /* NULL: this slot is free */
	bool r, w, append;
	off_t pos;
};

struct map {
	unsigned char *addr; /* NULL: this slot is free */
	size_t len, off;
	struct node *node;
	bool w;
};

/* A directory that is being read while it changes. */
struct stream {
	int fd;
	struct node *dir; /* NULL: this slot is free */
	bool *touched; /* this name has changed since the start */
	bool *seen;
	bool pieces; /* some entries at a time */
	bool removed; /* an entry has been, since the start */
};

struct settings {
	uint64_t seed, ops, files;
	size_t max_size;
	bool no_mmap, volatiles;
	int scan; /* a shrinker's file to write to, or 0 */
	uint64_t let_go_us;
};

extern struct settings opt;
extern struct node *nodes;
extern struct node *root;
extern int nr_nodes;
extern struct open opens[MAX_OPENS];
extern struct map maps[MAX_MAPS];
extern struct stream streams[MAX_STREAMS];

typedef char name_text[NAME_MAX + 1];

extern name_text *names;
extern int nr_names;
extern char long_target[4000];
extern uid_t own_uid;
extern unsigned char random_bytes[POOL + OP_MAX];
extern unsigned char got[OP_MAX + 64 * PAGE];
extern uint64_t op_number, compared;
extern uint64_t nr_purged, nr_gone;
extern const char *op_name;

/* --- telling --- */

/* Says what the operation is about to do; only a failure shows it. */
void note(const char *fmt, ...) __attribute__((format(printf, 1, 2)));

_Noreturn void wrong(const char *fmt, ...)
	__attribute__((format(printf, 1, 2)));

const char *error_name(int error);

/*
 * Compares what @call returned, and errno, with @error, which is 0 if it should
 * have succeeded.  Return: did it?
 */
bool outcome(const char *call, long result, int error);

void outcome_size(const char *call, long result, long want);

/* --- chance --- */

extern uint64_t rnd_state;

/* 0 ... @n - 1 */
uint64_t rnd(uint64_t n);

bool one_in(int n);

/* Mostly short, sometimes some pages, never more than @max. */
size_t rnd_len(size_t max);

/* A place in a file of this size, or a bit beyond. */
size_t rnd_off(size_t size);

/* --- nodes --- */

/* NULL when there are as many of this kind as there may be. */
struct node *node_new(enum kind kind, mode_t mode);

void node_put(struct node *n);

bool dir_empty(const struct node *dir);

bool is_dir(const struct node *n);

/* Is @dir the directory @top, or somewhere below it? */
bool is_within(const struct node *dir, const struct node *top);

/* Makes @idx in @dir the name of @n, which may be NULL. */
void entry_set(struct node *dir, int idx, struct node *n);

/* One name less, the entry of which is somebody else's already. */
void node_unnamed(struct node *n);

void data_write(struct node *n, size_t off, const void *from, size_t len);

void data_zero(struct node *n, size_t off, size_t end);

void data_resize(struct node *n, size_t size);

/* --- names --- */

const char *target_of(const struct node *n);

/* The path of a name, good until the fourth call after this one. */
const char *path_of(const struct node *dir, int idx);

/* The same as reports show it: all names differ in their first four bytes. */
const char *label_of(const struct node *dir, int idx);

const char *proc_path(int fd);

/*
 * Follows symlinks from @idx in @dir, which all point to names beside them.
 * Return: 0 with the last name, which may be a free one, in @idx; or an errno.
 */
int follow(const struct node *dir, int *idx);

/* As follow(), for a call that needs something to be there. */
int find(const struct node *dir, int idx, struct node **n);

struct node *rnd_dir(void);

/* A name, in a directory, that is there already (or that is not) if possible. */
int rnd_name(struct node **dir, bool there);

struct open *rnd_open(void);

/* A slot for a new open file; NULL if all are taken. */
struct open *free_open(void);

void open_init(struct open *o, int fd, struct node *n, int flags);

void open_close(struct open *o);

#endif
