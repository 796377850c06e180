/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What kernel.c knows, for kernel_requests.c, which makes up requests. */
#ifndef POOLFS_FUZZ_KERNEL_PRIV_H
#define POOLFS_FUZZ_KERNEL_PRIV_H

#include <linux/fuse.h>

#include "tests/fuzz/kernel.h"

/* What Debian 12's header ends before. */
#define OP_TMPFILE 51
#define OP_STATX 52

#define INODES_MAX 500
#define OPENS_MAX 250
#define PENDINGS_MAX 400

/* An inode that it was told of. */
struct inode {
	uint64_t id;
	uint64_t lookups;
	uint32_t mode;
};

struct open_file {
	uint64_t id, fh;
	bool dir;
};

/* A request that is not answered. */
struct pending {
	uint64_t unique;
	uint64_t id;
	uint64_t fh; /* of the open file, or 0 */
	uint32_t op;
	uint32_t size; /* most bytes of the reply's body */
};

/* All that the kernel knows. */
struct kernel {
	struct inode inodes[INODES_MAX];
	struct open_file opens[OPENS_MAX];
	struct pending pendings[PENDINGS_MAX];
	unsigned int nr_inodes, nr_opens, nr_pendings;
	uint64_t last_unique;
	uint32_t pid, uid; /* whose requests are made */
	void (*send)(const void *, size_t);
};
extern struct kernel k;

/* kernel_choose.c; NULL: there is none. */
const struct inode *some_inode(struct input *in, uint32_t type); /* 0: any */
uint64_t some_dir(struct input *in);
struct open_file *some_open(struct input *in, bool dir);
const char *some_name(struct input *in);
const char *some_xattr(struct input *in);
/* Of a write or an attribute.  Return: bytes at @to. */
size_t some_content(struct input *in, char *to, size_t max);
uint32_t some_flags(struct input *in);
uint32_t some_mode(struct input *in);
void some_caller(struct input *in);

/* The request that is being built. */
void request_begin(uint32_t op, uint64_t id);
void request_add(const void *body, size_t len);
void request_add_string(const char *s);
/* @size: most bytes of the reply's body, 4096 if it is not said. */
void request_expect(uint32_t size);
/* @fh: of the open file that it is about. */
void request_holds(uint64_t fh);
void request_send(void);

/** open_is_busy - does a request on it wait?  It is not released then. */
bool open_is_busy(const struct open_file *o);

void send_release(struct open_file *o);
void send_forget(struct inode *i, uint64_t n);
void send_interrupt(uint64_t unique);

#endif
