/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Reading small files whole.
 *
 * What it is for: the text of a file in /proc or /sys is consistent when it is
 * read in one go from the beginning.
 *
 * States: none.  Locks: none.
 */
#include "shrinker/readfile.h"

#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

ssize_t readfile_fd(int fd, char *buf, size_t size)
{
	size_t len = 0;

	while (len < size) {
		ssize_t n = pread(fd, buf + len, size - len, len);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -errno;
		if (n == 0) {
			buf[len] = '\0';
			return len;
		}
		len += n;
	}
	return -EFBIG;
}

ssize_t readfile(const char *path, char *buf, size_t size)
{
	ssize_t len;
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);

	if (fd < 0)
		return -errno;
	len = readfile_fd(fd, buf, size);
	close(fd);
	return len;
}
