/* SPDX-License-Identifier: GPL-2.0-or-later */
/* See wire.h. */
#include "fs/kernel/wire.h"

#include <errno.h>
#include <linux/fuse.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/ioctl.h>
#include <unistd.h>

/* Debian 12's <linux/fuse.h> ends at 7.38; these came with 7.40. */
#ifndef FUSE_NO_EXPORT_SUPPORT
#define FUSE_NO_EXPORT_SUPPORT (1ull << 38)
#endif
#ifndef FUSE_PASSTHROUGH
#define FUSE_PASSTHROUGH (1ull << 37)
#endif
#ifndef FUSE_ALLOW_IDMAP
#define FUSE_ALLOW_IDMAP (1ull << 40) /* 7.41 */
#endif
#ifndef FUSE_HAS_RESEND
#define FUSE_HAS_RESEND (1ull << 39)
#endif
#ifndef FUSE_DEV_IOC_BACKING_OPEN
struct fuse_backing_map {
	int32_t fd;
	uint32_t flags;
	uint64_t padding;
};
#define FUSE_DEV_IOC_BACKING_OPEN _IOW(229, 1, struct fuse_backing_map)
#define FUSE_DEV_IOC_BACKING_CLOSE _IOW(229, 2, uint32_t)
#endif
const unsigned int wire_ioctl_open = FUSE_DEV_IOC_BACKING_OPEN;
const unsigned int wire_ioctl_close = FUSE_DEV_IOC_BACKING_CLOSE;

#define WIRE_NOTIFY_RESEND 7
#define WIRE_NOTIFY_PRUNE 9 /* Linux 6.18 */
#define WIRE_OP_TMPFILE 51
#define WIRE_OP_STATX 52
#ifndef FUSE_WRITE_KILL_SUIDGID
#define FUSE_WRITE_KILL_SUIDGID (1u << 2)
#endif
#ifndef FATTR_KILL_SUIDGID
#define FATTR_KILL_SUIDGID (1u << 11)
#endif
#ifndef FUSE_OPEN_KILL_SUIDGID
#define FUSE_OPEN_KILL_SUIDGID (1u << 0)
#endif
#define WIRE_MINOR 40

/* The end of fuse_init_out, which older headers call unused. */
#define WIRE_INIT_STACK_DEPTH (offsetof(struct fuse_init_out, flags2) + 4)

static bool wire_kills_suidgid(const struct fuse_in_header *in, size_t len)
{
	const void *arg = in + 1;

	len -= sizeof(*in);
	switch (in->opcode) {
	case FUSE_SETATTR:
		return len >= sizeof(struct fuse_setattr_in) &&
		       ((const struct fuse_setattr_in *)arg)->valid &
			       FATTR_KILL_SUIDGID;
	case FUSE_WRITE:
		return len >= sizeof(struct fuse_write_in) &&
		       ((const struct fuse_write_in *)arg)->write_flags &
			       FUSE_WRITE_KILL_SUIDGID;
	case FUSE_OPEN:
		return len >= sizeof(struct fuse_open_in) &&
		       ((const struct fuse_open_in *)arg)->open_flags &
			       FUSE_OPEN_KILL_SUIDGID;
	case FUSE_CREATE:
		return len >= sizeof(struct fuse_create_in) &&
		       ((const struct fuse_create_in *)arg)->open_flags &
			       FUSE_OPEN_KILL_SUIDGID;
	default:
		return false;
	}
}

static enum wire_op wire_op_of(uint32_t opcode)
{
	switch (opcode) {
	case FUSE_INIT:
		return WIRE_INIT;
	case FUSE_READ:
		return WIRE_READ;
	case FUSE_WRITE:
		return WIRE_WRITE;
	case FUSE_FORGET:
	case FUSE_BATCH_FORGET:
		return WIRE_FORGET;
	case FUSE_INTERRUPT:
		return WIRE_INTERRUPT;
	case FUSE_POLL:
		return WIRE_POLL;
	case WIRE_OP_TMPFILE:
		return WIRE_TMPFILE;
	case WIRE_OP_STATX:
		return WIRE_STATX;
	default:
		return WIRE_OTHER;
	}
}

bool wire_parse(const void *buf, size_t len, struct wire_request *out)
{
	const struct fuse_in_header *in = buf;

	if (len < sizeof(*in))
		return false;
	out->unique = in->unique & ~WIRE_RESEND_BIT;
	out->raw_unique = in->unique;
	out->resent = in->unique & WIRE_RESEND_BIT;
	out->ino = in->nodeid;
	out->pid = in->pid;
	out->uid = in->uid;
	out->kill_suidgid = wire_kills_suidgid(in, len);
	out->op = wire_op_of(in->opcode);
	if (out->op == WIRE_POLL &&
	    len >= sizeof(*in) + sizeof(struct fuse_poll_in))
		out->poll_key = ((const struct fuse_poll_in *)(in + 1))->kh;
	return true;
}

void wire_as_create(void *buf)
{
	((struct fuse_in_header *)buf)->opcode = FUSE_CREATE;
}

bool wire_forget(const void *buf, size_t size, size_t i,
		 struct wire_forget *out)
{
	const struct fuse_in_header *in = buf;
	const struct fuse_forget_in *one = (const void *)(in + 1);
	const struct fuse_batch_forget_in *batch = (const void *)(in + 1);
	const struct fuse_forget_one *all = (const void *)(batch + 1);

	if (in->len < size)
		size = in->len;
	if (in->opcode == FUSE_FORGET && i == 0 &&
	    size >= sizeof(*in) + sizeof(*one)) {
		*out = (struct wire_forget){ in->nodeid, one->nlookup };
		return true;
	}
	if (in->opcode != FUSE_BATCH_FORGET ||
	    size < sizeof(*in) + sizeof(*batch) || i >= batch->count ||
	    size < sizeof(*in) + sizeof(*batch) + (i + 1) * sizeof(*all))
		return false;
	*out = (struct wire_forget){ all[i].nodeid, all[i].nlookup };
	return true;
}

bool wire_parse_write(const void *buf, size_t len, struct wire_write *out)
{
	const struct fuse_in_header *in = buf;
	const struct fuse_write_in *arg = (const void *)(in + 1);

	if (len < sizeof(*in) + sizeof(*arg) ||
	    arg->size > len - sizeof(*in) - sizeof(*arg))
		return false;
	out->fh = arg->fh;
	out->flags = arg->flags;
	out->pid = in->pid;
	out->payload = arg + 1;
	out->len = arg->size;
	return true;
}

void wire_init_offers(const void *request, size_t len,
		      struct wire_features *out)
{
	const struct fuse_in_header *in = request;
	const struct fuse_init_in *init = (const void *)(in + 1);
	uint64_t flags;

	memset(out, 0, sizeof(*out));
	if (len < sizeof(*in) + sizeof(*init) || !(init->flags & FUSE_INIT_EXT))
		return;
	flags = init->flags | (uint64_t)init->flags2 << 32;
	out->passthrough = flags & FUSE_PASSTHROUGH;
	out->resend = flags & FUSE_HAS_RESEND;
	out->no_export = flags & FUSE_NO_EXPORT_SUPPORT;
	out->idmap = flags & FUSE_ALLOW_IDMAP;
}

void wire_init_complete(struct iovec *iov, int count,
			const struct wire_features *want)
{
	struct fuse_init_out *out;
	uint64_t flags = FUSE_INIT_EXT | FUSE_HANDLE_KILLPRIV_V2;
	uint32_t depth = 1;

	if (count < 2 || iov[1].iov_len < sizeof(*out))
		return;
	out = iov[1].iov_base;
	if (want->passthrough) {
		flags |= FUSE_PASSTHROUGH;
		memcpy((char *)out + WIRE_INIT_STACK_DEPTH, &depth,
		       sizeof(depth));
		out->minor = WIRE_MINOR;
	}
	if (want->resend) {
		flags |= FUSE_HAS_RESEND;
		out->minor = WIRE_MINOR;
	}
	if (want->no_export)
		flags |= FUSE_NO_EXPORT_SUPPORT;
	if (want->idmap)
		flags |= FUSE_ALLOW_IDMAP;
	out->flags |= (uint32_t)flags;
	out->flags2 |= flags >> 32;
}

int wire_backing_open(int fuse_fd, int fd)
{
	struct fuse_backing_map map = { .fd = fd };
	int id = ioctl(fuse_fd, FUSE_DEV_IOC_BACKING_OPEN, &map);

	return id < 0 ? -errno : id;
}

int wire_backing_close(int fuse_fd, int id)
{
	uint32_t arg = id;

	return ioctl(fuse_fd, FUSE_DEV_IOC_BACKING_CLOSE, &arg) < 0 ? -errno
								    : 0;
}

static int wire_send(int fuse_fd, struct fuse_out_header *out, void *body,
		     size_t len)
{
	struct iovec iov[2] = { { out, sizeof(*out) }, { body, len } };

	out->len = sizeof(*out) + len;
	return writev(fuse_fd, iov, body ? 2 : 1) < 0 ? -errno : 0;
}

int wire_notify_resend(int fuse_fd)
{
	struct fuse_out_header out = { .error = WIRE_NOTIFY_RESEND };

	return wire_send(fuse_fd, &out, NULL, 0);
}

int wire_notify_prune(int fuse_fd, uint64_t ino)
{
	struct fuse_out_header out = { .error = WIRE_NOTIFY_PRUNE };
	struct {
		uint32_t count, pad;
		uint64_t spare;
		uint64_t ino;
	} body = { .count = 1, .ino = ino };

	return wire_send(fuse_fd, &out, &body, sizeof(body));
}

int wire_notify_poll(int fuse_fd, uint64_t key)
{
	struct fuse_out_header out = { .error = FUSE_NOTIFY_POLL };
	struct fuse_notify_poll_wakeup_out body = { .kh = key };

	return wire_send(fuse_fd, &out, &body, sizeof(body));
}

int wire_reply_write(int fuse_fd, const void *buf, size_t len)
{
	struct {
		struct fuse_out_header header;
		struct fuse_write_out body;
	} out = { .header.len = sizeof(out),
		  .header.unique = ((const struct fuse_in_header *)buf)->unique,
		  .body.size = len };

	return write(fuse_fd, &out, sizeof(out)) < 0 ? -errno : 0;
}

int wire_reply(int fuse_fd, uint64_t unique, void *body, size_t len)
{
	struct fuse_out_header out = { .unique = unique };

	return wire_send(fuse_fd, &out, body, len);
}

int wire_reply_error(int fuse_fd, uint64_t unique, int error)
{
	struct fuse_out_header out = { .error = error, .unique = unique };

	return wire_send(fuse_fd, &out, NULL, 0);
}

/* A time in the protocol is whole seconds and nanoseconds. */
static uint64_t wire_seconds(double t)
{
	return (uint64_t)t;
}

static uint32_t wire_nanoseconds(double t)
{
	return (uint32_t)((t - (double)(uint64_t)t) * 1e9);
}

static void wire_attr_fill(struct fuse_attr *a, const struct stat *st)
{
	a->ino = st->st_ino;
	a->size = st->st_size;
	a->blocks = st->st_blocks;
	a->atime = st->st_atim.tv_sec;
	a->atimensec = st->st_atim.tv_nsec;
	a->mtime = st->st_mtim.tv_sec;
	a->mtimensec = st->st_mtim.tv_nsec;
	a->ctime = st->st_ctim.tv_sec;
	a->ctimensec = st->st_ctim.tv_nsec;
	a->mode = st->st_mode;
	a->nlink = st->st_nlink;
	a->uid = st->st_uid;
	a->gid = st->st_gid;
	a->rdev = st->st_rdev;
	a->blksize = st->st_blksize;
}

/* The reply to CREATE. */
struct wire_create_out {
	struct fuse_entry_out entry;
	struct wire_open open;
};
_Static_assert(sizeof(struct wire_create_out) == sizeof(struct wire_create),
	       "wire_create is what the kernel reads");

void wire_create_fill(struct wire_create *out, const struct wire_entry *e,
		      const struct stat *st, const struct wire_open *open)
{
	struct wire_create_out r = {
		.entry.nodeid = e->ino,
		.entry.generation = e->generation,
		.entry.entry_valid = wire_seconds(e->entry_timeout),
		.entry.entry_valid_nsec = wire_nanoseconds(e->entry_timeout),
		.entry.attr_valid = wire_seconds(e->attr_timeout),
		.entry.attr_valid_nsec = wire_nanoseconds(e->attr_timeout),
		.open = *open,
	};

	wire_attr_fill(&r.entry.attr, st);
	memcpy(out->bytes, &r, sizeof(r));
}

struct wire_statx_time {
	int64_t sec;
	uint32_t nsec;
	int32_t reserved;
};

/* struct fuse_statx_out, which came with 7.39. */
struct wire_statx_out {
	uint64_t valid;
	uint32_t valid_nsec;
	uint32_t flags;
	uint64_t spare[2];
	struct {
		uint32_t mask;
		uint32_t blksize;
		uint64_t attributes;
		uint32_t nlink;
		uint32_t uid;
		uint32_t gid;
		uint16_t mode;
		uint16_t spare0;
		uint64_t ino;
		uint64_t size;
		uint64_t blocks;
		uint64_t attributes_mask;
		struct wire_statx_time atime, btime, ctime, mtime;
		uint32_t rdev_major;
		uint32_t rdev_minor;
		uint32_t dev_major;
		uint32_t dev_minor;
		uint64_t spare2[14];
	} stat;
};
_Static_assert(sizeof(struct wire_statx_out) == sizeof(struct wire_statx),
	       "wire_statx is what the kernel reads");

static struct wire_statx_time wire_time(struct statx_timestamp t)
{
	return (struct wire_statx_time){ .sec = t.tv_sec, .nsec = t.tv_nsec };
}

void wire_statx_fill(struct wire_statx *out, const struct statx *stx,
		     double timeout)
{
	struct wire_statx_out r = {
		.valid = wire_seconds(timeout),
		.valid_nsec = wire_nanoseconds(timeout),
		.stat.mask = stx->stx_mask,
		.stat.blksize = stx->stx_blksize,
		.stat.attributes = stx->stx_attributes,
		.stat.nlink = stx->stx_nlink,
		.stat.uid = stx->stx_uid,
		.stat.gid = stx->stx_gid,
		.stat.mode = stx->stx_mode,
		.stat.ino = stx->stx_ino,
		.stat.size = stx->stx_size,
		.stat.blocks = stx->stx_blocks,
		.stat.attributes_mask = stx->stx_attributes_mask,
		.stat.atime = wire_time(stx->stx_atime),
		.stat.btime = wire_time(stx->stx_btime),
		.stat.ctime = wire_time(stx->stx_ctime),
		.stat.mtime = wire_time(stx->stx_mtime),
		.stat.rdev_major = stx->stx_rdev_major,
		.stat.rdev_minor = stx->stx_rdev_minor,
	};

	memcpy(out->bytes, &r, sizeof(r));
}

_Static_assert(sizeof(struct wire_open) == sizeof(struct fuse_open_out) &&
		       offsetof(struct wire_open, flags) ==
			       offsetof(struct fuse_open_out, open_flags),
	       "wire_open is what the kernel reads");
