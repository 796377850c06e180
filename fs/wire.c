/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Raw pieces of the FUSE protocol: see wire.h. */
#include "fs/wire.h"

#include <errno.h>
#include <linux/fuse.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

/* Debian 12's <linux/fuse.h> ends at 7.38; these came with 7.40. */
#ifndef FUSE_PASSTHROUGH
#define FUSE_PASSTHROUGH (1ull << 37)
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
#define WIRE_NOTIFY_RESEND 7
#define WIRE_MINOR 40

/* The end of fuse_init_out, which older headers call unused. */
#define WIRE_INIT_STACK_DEPTH (offsetof(struct fuse_init_out, flags2) + 4)

bool wire_parse(const void *buf, size_t len, struct wire_request *out)
{
	const struct fuse_in_header *in = buf;

	if (len < sizeof(*in))
		return false;
	out->unique = in->unique & ~WIRE_RESEND_BIT;
	out->raw_unique = in->unique;
	out->resent = in->unique & WIRE_RESEND_BIT;
	out->node = in->nodeid;
	switch (in->opcode) {
	case FUSE_INIT:
		out->op = WIRE_INIT;
		break;
	case FUSE_READ:
		out->op = WIRE_READ;
		break;
	case FUSE_WRITE:
		out->op = WIRE_WRITE;
		break;
	case FUSE_FORGET:
	case FUSE_BATCH_FORGET:
	case FUSE_INTERRUPT:
		out->op = WIRE_UNANSWERED;
		break;
	case FUSE_POLL:
		out->op = WIRE_POLL;
		if (len >= sizeof(*in) + sizeof(struct fuse_poll_in))
			out->poll_key =
				((const struct fuse_poll_in *)(in + 1))->kh;
		break;
	default:
		out->op = WIRE_OTHER;
	}
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

int wire_reply_error(int fuse_fd, uint64_t unique, int error)
{
	struct fuse_out_header out = { .error = error, .unique = unique };

	return wire_send(fuse_fd, &out, NULL, 0);
}

_Static_assert(sizeof(struct wire_open) == sizeof(struct fuse_open_out) &&
		       offsetof(struct wire_open, flags) ==
			       offsetof(struct fuse_open_out, open_flags),
	       "wire_open is what the kernel reads");
