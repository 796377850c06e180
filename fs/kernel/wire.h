/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The part of the FUSE protocol that libfuse 3.14 has no names for: completing
 * the INIT reply, passthrough opens, notifications to resend and to poll.
 * Kept apart because <linux/fuse.h> and libfuse's headers define some of the
 * same macros.  (Source: include/uapi/linux/fuse.h, fs/fuse/dev.c.)
 */
#ifndef POOLFS_FS_KERNEL_WIRE_H
#define POOLFS_FS_KERNEL_WIRE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/uio.h>

#define WIRE_RESEND_BIT \
	(1ull << 63) /* of unique: not sent for the first time */

#define WIRE_DIRECT_IO (1u << 0)
#define WIRE_KEEP_CACHE (1u << 1)
#define WIRE_NONSEEKABLE (1u << 2)
#define WIRE_STREAM (1u << 4)
#define WIRE_NOFLUSH (1u << 5)
#define WIRE_PARALLEL_DIRECT_WRITES (1u << 6)
#define WIRE_PASSTHROUGH (1u << 7)

enum wire_op {
	WIRE_OTHER,
	WIRE_INIT,
	WIRE_READ,
	WIRE_WRITE,
	WIRE_POLL,
	WIRE_TMPFILE, /* made a CREATE by wire_as_create() */
	WIRE_STATX,
	WIRE_FORGET, /* and BATCH_FORGET: they have no reply */
	WIRE_INTERRUPT /* has none, either */
};

/* What a request's header says. */
struct wire_request {
	uint64_t unique; /* without the resend bit */
	uint64_t raw_unique; /* as the reply must name it */
	uint64_t ino;
	uint32_t pid; /* of the calling thread; 0: the kernel's own */
	uint32_t uid; /* of the caller */
	enum wire_op op;
	bool resent;
	/* SETATTR, WRITE, OPEN, CREATE: clear set-ID bits as a write does. */
	bool kill_suidgid;
	uint64_t poll_key; /* WIRE_POLL: for wire_notify_poll() */
};
/** wire_parse - a whole request of @len bytes.  Return: false: it is too short,
 * and *@out is untouched. */
bool wire_parse(const void *buf, size_t len, struct wire_request *out);

/**
 * wire_as_create - make a TMPFILE request a CREATE.  libfuse does not know
 * TMPFILE; the two differ in that the name of a TMPFILE means nothing.
 */
void wire_as_create(void *buf);

/** wire_has_reply - INTERRUPT and FORGET have none, and are not sent again. */
static inline bool wire_has_reply(const struct wire_request *r)
{
	return r->op != WIRE_FORGET && r->op != WIRE_INTERRUPT;
}

/* What the kernel forgets: @n of its references to @ino. */
struct wire_forget {
	uint64_t ino;
	uint64_t n;
};
/**
 * wire_forget - number @i of what a FORGET or BATCH_FORGET says.
 * @size: bytes of @buf.
 * Return: false: there are not so many, or it is no such request.
 */
bool wire_forget(const void *buf, size_t size, size_t i,
		 struct wire_forget *out);

/* A WRITE request, to answer it without libfuse. */
struct wire_write {
	uint64_t fh;
	uint32_t flags; /* of open(2), and O_DSYNC for RWF_DSYNC */
	uint32_t pid; /* of the calling thread */
	const void *payload; /* in the request */
	size_t len; /* bytes */
};
/** wire_parse_write - Return: false when it is malformed. */
bool wire_parse_write(const void *buf, size_t len, struct wire_write *out);

struct wire_features {
	bool passthrough;
	bool resend;
	bool no_export; /* file handles only identify: nobody opens them */
	bool idmap; /* idmapped mounts: see wire_caller.h */
};

/** wire_init_offers - what the kernel's INIT request offers. */
void wire_init_offers(const void *request, size_t len,
		      struct wire_features *out);

/**
 * wire_init_complete - add to the INIT reply that libfuse has made.
 * @iov: as libfuse writes it, changed in place.
 */
void wire_init_complete(struct iovec *iov, int count,
			const struct wire_features *want);

/* The reply to OPEN: bytes for fuse_reply_buf(). */
struct wire_open {
	uint64_t fh;
	uint32_t flags;
	int32_t backing_id;
};

struct stat;
struct statx;

/* What a name leads to; the timeouts are in seconds. */
struct wire_entry {
	uint64_t ino;
	uint64_t generation;
	double entry_timeout;
	double attr_timeout;
};

/* The reply to CREATE: bytes for fuse_reply_buf(). */
struct wire_create {
	unsigned char bytes[144];
};
/** wire_create_fill - @e: as for LOOKUP; @open: as for OPEN. */
void wire_create_fill(struct wire_create *out, const struct wire_entry *e,
		      const struct stat *st, const struct wire_open *open);

/* The reply to STATX: bytes for wire_reply(). */
struct wire_statx {
	unsigned char bytes[288];
};
/** wire_statx_fill - @timeout: seconds that the attributes may be kept. */
void wire_statx_fill(struct wire_statx *out, const struct statx *stx,
		     double timeout);

/* The ioctl commands of the two below. */
extern const unsigned int wire_ioctl_open, wire_ioctl_close;

/**
 * wire_backing_open - register @fd for passthrough.
 * Return: the id, above 0, or -errno.
 */
int wire_backing_open(int fuse_fd, int fd);
int wire_backing_close(int fuse_fd, int id);

/*
 * Notifications and replies.  Each returns 0 or -errno.
 */

/** wire_notify_resend - have all requests that were not answered sent again. */
int wire_notify_resend(int fuse_fd);
/**
 * wire_notify_prune - have the kernel forget all unused names of inode @ino.
 * -EINVAL before Linux 6.18.
 */
int wire_notify_prune(int fuse_fd, uint64_t ino);
/**
 * wire_notify_poll - processes that poll the open file with this key look
 * again.
 */
int wire_notify_poll(int fuse_fd, uint64_t key);
/** wire_reply_write - to the WRITE request at @buf: @len bytes written. */
int wire_reply_write(int fuse_fd, const void *buf, size_t len);
/** wire_reply - @len bytes at @body, to a request that libfuse has not seen.
 * @unique: raw_unique. */
int wire_reply(int fuse_fd, uint64_t unique, void *body, size_t len);
/** wire_reply_error - the same.  @error: a negative errno. */
int wire_reply_error(int fuse_fd, uint64_t unique, int error);

#endif
