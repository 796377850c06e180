/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The caller of a request, where the kernel does not say who it is: with idmapped
 * mounts (FUSE_ALLOW_IDMAP) only requests that make a file have a uid and a gid,
 * those that the file is to have.
 */
#ifndef POOLFS_FS_KERNEL_WIRE_CALLER_H
#define POOLFS_FS_KERNEL_WIRE_CALLER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* How the caller of a request without a uid can be found out. */
enum wire_caller {
	CALLER_UNUSED, /* nothing depends on it */
	CALLER_PROCESS, /* the thread, which waits for the reply */
	CALLER_MAY_BE, /* the same, but it may be gone: then nobody */
	CALLER_HANDLE, /* who opened the file; it need not wait */
	CALLER_REFUSED, /* the mount has no number for it */
};

/**
 * wire_caller - of a whole request of @len bytes that has no uid.
 * @plain: it is about a plain file.
 * @fh: for CALLER_HANDLE.
 */
enum wire_caller wire_caller(const void *buf, size_t len, bool plain,
			     uint64_t *fh);

/** wire_set_caller - as if the kernel had said so. */
void wire_set_caller(void *buf, uint32_t uid, uint32_t gid);

#endif
