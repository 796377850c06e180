/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * edges - offsets, lengths, sizes and flags at the edges of their types, in
 * every call that takes one.
 *
 *	edges FILE...
 *
 * FILE is a file or directory of a pool, of any kind.  What the calls answer is
 * for the pool to decide: only that it goes on is a matter of this test, and
 * that no call says more than was asked for.  Prints how many calls there were.
 */
#include "tests/tools/lib/tool.h"

#include <fcntl.h>
#include <linux/falloc.h>
#include <poll.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/xattr.h>

#include "fs/poolfs.h"

static const int64_t edge[] = {
	0,
	1,
	-1,
	4095,
	4096,
	65536,
	INT32_MAX - 4095ll,
	INT32_MAX,
	1ll << 31,
	(1ll << 32) - 4096,
	(1ll << 32) - 3,
	(1ll << 32) - 1,
	1ll << 32,
	(1ll << 32) + 1,
	1ll << 40,
	1ll << 53,
	INT64_MAX - 4096,
	INT64_MAX - 4095,
	INT64_MAX - 16,
	INT64_MAX - 1,
	INT64_MAX,
	INT64_MIN,
	INT64_MIN + 4096,
};
#define EDGES (sizeof(edge) / sizeof(*edge))

static char buf[1 << 17];
static unsigned long calls;
static const char *path;

/* No more than @most, if it did not fail. */
static void did(const char *what, int64_t result, int64_t most)
{
	calls++;
	if (result > most) {
		fprintf(stderr, "%s of %s: %jd, more than %jd\n", what, path,
			(intmax_t)result, (intmax_t)most);
		exit(EXIT_NONSENSE);
	}
}

static void read_write(int fd, off_t off)
{
	static const size_t len[] = { 0, 1, 4096, sizeof(buf) };
	const struct iovec iov = { buf, 4096 };

	for (size_t i = 0; i < sizeof(len) / sizeof(*len); i++) {
		did("pread", pread(fd, buf, len[i], off), len[i]);
		did("pwrite", pwrite(fd, buf, len[i], off), len[i]);
	}
	did("preadv2", preadv2(fd, &iov, 1, off, RWF_NOWAIT), 4096);
	did("pwritev2", pwritev2(fd, &iov, 1, off, RWF_APPEND), 4096);
	did("readahead", readahead(fd, off, 65536), 0);
	did("ftruncate", ftruncate(fd, off), 0);
	did("lockf",
	    fcntl(fd, F_SETLK,
		  &(struct flock){
			  .l_type = F_RDLCK, .l_start = off, .l_len = off }),
	    0);
}

static void seek(int fd, off_t off)
{
	for (int whence = -1; whence < 8; whence++)
		did("lseek", lseek(fd, off, whence), INT64_MAX);
	/* A listing goes on there. */
	lseek(fd, off, SEEK_SET);
	for (size_t size = 24; size <= 32768; size *= 16)
		did("getdents64", syscall(SYS_getdents64, fd, buf, size), size);
	did("read", lseek(fd, off, SEEK_SET) < 0 ? -1 : read(fd, buf, 4096),
	    4096);
}

static void allocate(int fd, off_t off, off_t len)
{
	static const int modes[] = {
		0,
		FALLOC_FL_KEEP_SIZE,
		FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE,
		FALLOC_FL_ZERO_RANGE,
		FALLOC_FL_COLLAPSE_RANGE,
		FALLOC_FL_INSERT_RANGE,
		FALLOC_FL_UNSHARE_RANGE,
		-1,
	};

	for (size_t i = 0; i < sizeof(modes) / sizeof(*modes); i++)
		did("fallocate", fallocate(fd, modes[i], off, len), 0);
}

static void ranges(int fd, int64_t off, int64_t len)
{
	struct poolfs_range r = { off, len };

	did("unpin", ioctl(fd, POOLFS_IOC_UNPIN, &r), 0);
	did("state", ioctl(fd, POOLFS_IOC_STATE, &r), 2);
	did("pin", ioctl(fd, POOLFS_IOC_PIN, &r), 1);
}

static void copy(int fd, int other, off_t off, off_t to)
{
	for (size_t i = 0; i < EDGES; i++) {
		off_t from = off, at = to;
		size_t len = edge[i];

		did("copy_file_range",
		    copy_file_range(fd, &from, other, &at, len, 0),
		    edge[i] < 0 ? INT64_MAX : edge[i]);
	}
}

/* Commands that are not known, and known ones with other sizes. */
static void commands(int fd)
{
	for (unsigned int nr = 0; nr < 8; nr++)
		for (int dir = 0; dir < 4; dir++)
			for (unsigned int size = 0; size < 1 << 14;
			     size = size ? size * 4 : 1)
				/* These are carried out. */
				if (nr < 1 || nr > 3 || size != 16)
					did("ioctl",
					    ioctl(fd, _IOC(dir, 'P', nr, size),
						  buf),
					    INT32_MAX);
}

static void attributes(void)
{
	static const char *const names[] = {
		"user.pool.volatile", "user.a", "system.posix_acl_access",
		"trusted.a",	      "user.",	"none",
	};
	static const size_t size[] = { 0, 1, 2, 255, 4096, 65536, 65537 };
	char name[300] = "user.";

	for (size_t n = 0; n < sizeof(names) / sizeof(*names); n++)
		for (size_t i = 0; i < sizeof(size) / sizeof(*size); i++) {
			did("setxattr",
			    setxattr(path, names[n], buf, size[i], i % 4), 0);
			did("getxattr", getxattr(path, names[n], buf, size[i]),
			    size[i] ? size[i] : 65536);
			did("listxattr", listxattr(path, buf, size[i]),
			    size[i] ? size[i] : 65536);
		}
	memset(name + 5, 'x', 251);
	for (int len = 249; len < 252; len++) {
		name[5 + len] = 0;
		did("setxattr", setxattr(path, name, buf, 10, 0), 0);
		did("removexattr", removexattr(path, name), 0);
		name[5 + len] = 'x';
	}
	did("removexattr", removexattr(path, "user.pool.volatile"), 0);
}

/* Times, owners, modes, names; links, nodes and files in it. */
static void changes(mode_t mode)
{
	char name[600];
	int fd;

	for (size_t i = 0; i < EDGES; i++) {
		const struct timespec t[2] = { { edge[i],
						 i % 2 ? 999999999 : 0 },
					       { edge[EDGES - 1 - i], 1 } };

		did("truncate", S_ISREG(mode) ? truncate(path, edge[i]) : 0, 0);
		did("utimensat", utimensat(AT_FDCWD, path, t, 0), 0);
	}
	for (unsigned int bit = 1; bit; bit <<= 1) {
		snprintf(name, sizeof(name), "%s/node-%x", path, bit);
		did("mknod", mknod(name, bit | 0600, bit), 0);
		did("renameat2", renameat2(AT_FDCWD, name, AT_FDCWD, path, bit),
		    0);
		did("unlink", unlink(name), 0);
		/* Not one that makes the kernel wait, or what would be sent. */
		fd = open(path, O_NONBLOCK | O_RDONLY | (bit & ~O_TRUNC), 0600);
		did("open", fd < 0 ? -1 : 0, 0);
		if (fd >= 0)
			close(fd);
	}
	for (size_t len = 254; len < 258; len++) {
		size_t at = snprintf(name, sizeof(name), "%s/", path);

		memset(name + at, 'n', len);
		name[at + len] = 0;
		did("mkdir", mkdir(name, 0700), 0);
		did("rmdir", rmdir(name), 0);
		did("symlink", symlink(buf, name), 0);
		did("unlink", unlink(name), 0);
	}
}

static void try_all(int fd, int other)
{
	for (size_t i = 0; i < EDGES; i++) {
		read_write(fd, edge[i]);
		seek(fd, edge[i]);
		for (size_t j = 0; j < EDGES; j++) {
			void *map = mmap(NULL, 4096, PROT_READ, MAP_SHARED, fd,
					 edge[j]);

			if (map != MAP_FAILED)
				munmap(map, 4096);
			allocate(fd, edge[i], edge[j]);
			ranges(fd, edge[i], edge[j]);
			if (other >= 0)
				copy(fd, other, edge[i], edge[j]);
		}
	}
	commands(fd);
}

int main(int argc, char **argv)
{
	static const int access[] = { O_RDWR, O_RDONLY, O_WRONLY };

	if (argc < 2)
		usage("FILE...");
	for (int i = 1; i < argc; i++) {
		struct stat st;

		path = argv[i];
		if (stat(path, &st) < 0)
			fail(path);
		for (int a = 0; a < 3; a++) {
			int fd = open(path, access[a] | O_NONBLOCK | O_CLOEXEC);
			int other = open(path, O_RDWR | O_NONBLOCK | O_CLOEXEC);

			if (fd >= 0)
				try_all(fd, other);
			close(fd);
			close(other);
		}
		attributes();
		changes(st.st_mode);
	}
	printf("%lu calls\n", calls);
	return 0;
}
