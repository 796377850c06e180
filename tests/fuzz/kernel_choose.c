/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What the input of the fuzzer chooses for a request: inodes and files that the
 * kernel knows, names, contents, flags.
 */
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "tests/fuzz/kernel_priv.h"

const struct inode *some_inode(struct input *in, uint32_t type)
{
	uint32_t first = input_below(in, k.nr_inodes);

	for (unsigned int i = 0; i < k.nr_inodes; i++) {
		const struct inode *n = &k.inodes[(first + i) % k.nr_inodes];

		if (!type || (n->mode & S_IFMT) == type)
			return n;
	}
	return NULL;
}

uint64_t some_dir(struct input *in)
{
	return some_inode(in, S_IFDIR)->id; /* at least the root */
}

const char *some_name(struct input *in)
{
	static const char *const names[] = {
		"a",
		"b",
		"c",
		"d",
		"e",
		"box",
		".pool",
		"data",
		"send",
		"recv",
		"tx",
		"stat",
		"1",
		"2",
		"3",
		"stats",
		"config",
		"events",
		"count",
		"scan",
		"shrinker",
		"pressure",
		"metrics",
		"box-pages-0",
		"volatile-files-1",
		"volatile-ranges-2",
		"00000001",
		"18446744073709551617",
	};
	static char name[1100];
	uint32_t which = input_below(in, 40), n;

	if (which < sizeof(names) / sizeof(*names))
		return names[which];
	if (which == 39) {
		n = input_below(in, 1025);
		memset(name, 'n', n);
	} else {
		n = input_bytes(in, name, input_below(in, 12));
	}
	name[n] = 0;
	for (uint32_t i = 0; i < n; i++)
		if (!name[i] || name[i] == '/')
			name[i] = '_';
	return !n || !strcmp(name, ".") || !strcmp(name, "..") ? "x" : name;
}

const char *some_xattr(struct input *in)
{
	static const char *const names[] = {
		"user.pool.volatile",
		"user.pool.state",
		"user.pool",
		"user.a",
		"trusted.a",
		"security.capability",
		"system.posix_acl_access",
		"system.posix_acl_default",
		"security.selinux",
		"user.",
		"",
	};
	uint32_t which = input_below(in, 13);

	return which < sizeof(names) / sizeof(*names) ? names[which]
						      : some_name(in);
}

/* Payloads of writes and of attributes.  Return: bytes at @to. */
size_t some_content(struct input *in, char *to, size_t max)
{
	static const char *const texts[] = {
		"1",
		"0",
		"0 0 64\n",
		"0 0 999999999",
		"1 0 1",
		"{}",
		"{\"box_size\": 4096}",
		"{\"floor\": 7}",
		"{\"sender_quota\": 10}",
		"{\"size\": 1048576}",
		"{\"stall_us\": 100000, \"window_us\": 2000000}",
		"{\"box_size\": -1}",
		"{\"box_size\": 1e99}",
		"[[[[[[[[[[[[",
	};
	uint32_t which = input_below(in, 24);
	size_t n;

	if (which < sizeof(texts) / sizeof(*texts)) {
		n = strlen(texts[which]);
		memcpy(to, texts[which], n);
		return n;
	}
	if (which < 18)
		return input_bytes(in, to, input_below(in, 256));
	n = input_amount(in) % (max + 1);
	memset(to, 'x', n);
	return n;
}

uint32_t some_flags(struct input *in)
{
	static const uint32_t flags[] = {
		O_RDONLY,
		O_WRONLY,
		O_RDWR,
		O_RDONLY,
		O_WRONLY,
		O_RDWR,
		O_RDWR | O_TRUNC,
		O_WRONLY | O_APPEND,
		O_RDONLY | O_NONBLOCK,
		O_WRONLY | O_NONBLOCK,
		O_WRONLY | O_DSYNC,
		O_RDWR | O_DIRECT,
	};

	return flags[input_below(in, sizeof(flags) / sizeof(*flags))];
}

uint32_t some_mode(struct input *in)
{
	static const uint32_t types[] = { S_IFREG,  S_IFREG, S_IFIFO,
					  S_IFSOCK, S_IFCHR, S_IFBLK };

	return types[input_below(in, 6)] | (input_number(in, 2) & 07777);
}

struct open_file *some_open(struct input *in, bool dir)
{
	uint32_t first = k.nr_opens ? input_below(in, k.nr_opens) : 0;

	for (unsigned int i = 0; i < k.nr_opens; i++) {
		struct open_file *o = &k.opens[(first + i) % k.nr_opens];

		if (o->dir == dir)
			return o;
	}
	return NULL;
}

void some_caller(struct input *in)
{
	const uint32_t pids[] = { getpid(), getpid(), 1, 0, 0x7ffffff0 };
	const uint32_t uids[] = { 0, 0, 0, 1000, 65534 };

	k.pid = pids[input_below(in, 5)];
	k.uid = uids[input_below(in, 5)];
}
