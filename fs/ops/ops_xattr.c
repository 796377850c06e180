/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Operations on extended attributes.
 */
#include "fs/ops/ops_priv.h"

#include <errno.h>
#include <stdlib.h>

/* @size 0: the caller asks for the length only. */
static void reply_xattr(fuse_req_t req, ssize_t n, const char *value,
			size_t size)
{
	if (n < 0)
		fuse_reply_err(req, -n);
	else if (!size)
		fuse_reply_xattr(req, n);
	else
		fuse_reply_buf(req, value, n);
}

void op_getxattr(fuse_req_t req, fuse_ino_t ino, const char *name, size_t size)
{
	struct call c = call_of(req, ino);
	char *value = size ? malloc(size) : NULL;
	ssize_t n = -ENODATA;

	if (size && !value)
		n = -ENOMEM;
	else if (c.ops->getxattr)
		n = c.ops->getxattr(&c, name, value, size);
	reply_xattr(req, n, value, size);
	free(value);
}

void op_listxattr(fuse_req_t req, fuse_ino_t ino, size_t size)
{
	struct call c = call_of(req, ino);
	char *list = size ? malloc(size) : NULL;
	ssize_t n = 0;

	if (size && !list)
		n = -ENOMEM;
	else if (c.ops->listxattr)
		n = c.ops->listxattr(&c, list, size);
	reply_xattr(req, n, list, size);
	free(list);
}

void op_setxattr(fuse_req_t req, fuse_ino_t ino, const char *name,
		 const char *value, size_t size, int flags)
{
	struct call c = call_of(req, ino);

	fuse_reply_err(req, c.ops->setxattr ? -c.ops->setxattr(&c, name, value,
							       size, flags)
					    : EOPNOTSUPP);
}

void op_removexattr(fuse_req_t req, fuse_ino_t ino, const char *name)
{
	struct call c = call_of(req, ino);

	fuse_reply_err(req, c.ops->removexattr ? -c.ops->removexattr(&c, name)
					       : EOPNOTSUPP);
}
