/* SPDX-License-Identifier: GPL-2.0-or-later */
/* attack: of plain files, their content, names, ranges and attributes. */
#include "tests/tools/attack_parts/attack.h"

#include <linux/posix_acl_xattr.h>
#include <sys/ioctl.h>
#include <sys/xattr.h>

#include "fs/poolfs.h"

void attack_copy(void)
{
	static char mib[1 << 20];
	off_t from, to;
	int in, out;
	long n = 0;

	memset(mib, 'c', sizeof(mib));
	in = open(path_of("%s", mine), O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	out = open(path_of("%s.to", mine), O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	if (in < 0 || out < 0)
		fail(mine);
	while (n < nr && write(in, mib, sizeof(mib)) == sizeof(mib))
		n++;
	ready(n);
	/* Each round is one request: what is left is asked for at the next. */
	for (from = to = 0; more();)
		if (copy_file_range(in, &from, out, &to, nr << 20, 0) <= 0)
			from = to = 0;
}

void attack_listplus(void)
{
	static char buf[1 << 20];
	long n = 0;
	int dir, fd;

	if (mkdir(path_of("%s", mine), 0700) < 0)
		fail(mine);
	for (; n < nr; n++) {
		fd = open(path_of("%s/a-name-of-some-length.%ld", mine, n),
			  O_RDWR | O_CREAT | O_CLOEXEC, 0600);
		if (fd < 0)
			break;
		close(fd);
	}
	ready(n);
	dir = open(path_of("%s", mine), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	while (more()) {
		/* The kernel does not keep it then. */
		close(open(path_of("%s/new", mine), O_RDWR | O_CREAT, 0600));
		unlink(path_of("%s/new", mine));
		lseek(dir, 0, SEEK_SET);
		getdents64(dir, buf, sizeof(buf));
	}
}

static long split_all(int fd)
{
	struct poolfs_range all = { 0 }, one = { .length = PAGE };
	long n = 1;

	if (ioctl(fd, POOLFS_IOC_UNPIN, &all) < 0)
		return 0;
	for (; n < nr; n++) {
		one.offset = (2 * n - 1) * PAGE;
		if (ioctl(fd, POOLFS_IOC_PIN, &one) < 0)
			break;
	}
	return n;
}

void attack_split(void)
{
	struct poolfs_range all = { 0 };
	int fd = range_file();

	ready(split_all(fd));
	while (more()) {
		ioctl(fd, POOLFS_IOC_PIN, &all);
		split_all(fd);
	}
}

/* The kernel's tags; its headers for programs have none. */
enum {
	ACL_USER_OBJ = 0x01,
	ACL_USER = 0x02,
	ACL_GROUP_OBJ = 0x04,
	ACL_MASK = 0x10,
	ACL_OTHER = 0x20,
};

/* Of @users besides those that each list has. */
static size_t make_acl(struct posix_acl_xattr_header *acl, int users)
{
	struct posix_acl_xattr_entry *e = (void *)(acl + 1);

	acl->a_version = POSIX_ACL_XATTR_VERSION;
	*e++ = (struct posix_acl_xattr_entry){ ACL_USER_OBJ, 7, -1 };
	for (int i = 0; i < users; i++)
		*e++ = (struct posix_acl_xattr_entry){ ACL_USER, 4, 1000 + i };
	*e++ = (struct posix_acl_xattr_entry){ ACL_GROUP_OBJ, 5, -1 };
	*e++ = (struct posix_acl_xattr_entry){ ACL_MASK, 5, -1 };
	*e++ = (struct posix_acl_xattr_entry){ ACL_OTHER, 5, -1 };
	return (char *)e - (char *)acl;
}

/* The longest list that is let be, on a directory and for what is made in it. */
static int longest_acl(const char *dir, char *acl)
{
	for (int users = 500; users; users--) {
		size_t len = make_acl((void *)acl, users);

		if (setxattr(dir, "system.posix_acl_default", acl, len, 0) == 0)
			return len;
	}
	return 0;
}

void attack_acl(void)
{
	static char acl[PAGE];
	int len;
	long n = 0;

	if (mkdir(path_of("%s", mine), 0700) < 0)
		fail(mine);
	len = longest_acl(path_of("%s", mine), acl);
	for (; n < nr; n++)
		if (mkdir(path_of("%s/%ld", mine, n), 0777) < 0)
			break;
	ready(n);
	while (more()) {
		mkdir(path_of("%s/new", mine), 0777);
		setxattr(path_of("%s/new", mine), "system.posix_acl_access",
			 acl, len, 0);
		rmdir(path_of("%s/new", mine));
	}
}
