/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "tests/tools/everyop_parts/said.h"

#include <dirent.h>
#include <stdarg.h>

FILE *said;
const char *pool;
bool root;

long told(const char *what, long result)
{
	int error = errno;

	if (result < 0)
		fprintf(said, "%s: %s\n", what, strerrorname_np(error));
	else
		fprintf(said, "%s: %ld\n", what, result);
	errno = error;
	return result;
}

void told_bytes(const char *what, ssize_t n, const char *bytes)
{
	told(what, n);
	if (n <= 0)
		return;
	if (n > 64)
		fprintf(said, "\tsum %016jx\n", (uintmax_t)checksum(bytes, n));
	else
		for (ssize_t i = 0; i < n; i++)
			fprintf(said, "%s%c", i ? "" : "\t",
				bytes[i] >= ' ' ? bytes[i] : '.');
	if (n <= 64)
		fputc('\n', said);
}

void told_stat(const char *what, int result, const struct stat *st)
{
	told(what, result);
	if (result < 0)
		return;
	fprintf(said, "\tmode %o links %ju uid %u gid %u rdev %jx", st->st_mode,
		S_ISDIR(st->st_mode) ? 0 : (uintmax_t)st->st_nlink, st->st_uid,
		st->st_gid, (uintmax_t)st->st_rdev);
	if (!S_ISDIR(st->st_mode))
		fprintf(said, " size %jd", (intmax_t)st->st_size);
	/* Times that were set are in the past. */
	if (st->st_mtime < 1000000)
		fprintf(said, " mtime %jd.%09ld", (intmax_t)st->st_mtime,
			st->st_mtim.tv_nsec);
	if (st->st_atime < 1000000)
		fprintf(said, " atime %jd", (intmax_t)st->st_atime);
	fputc('\n', said);
}

static int by_name(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

void tell_names(const char *path)
{
	char *names[512];
	struct dirent *e;
	int n = 0;
	DIR *d = opendir(path);

	told("opendir", d ? 0 : -1);
	if (!d)
		return;
	errno = 0;
	while (n < 512 && (e = readdir(d))) {
		if (asprintf(&names[n], "%s %d", e->d_name, e->d_type) < 0)
			fail("asprintf");
		n++;
	}
	told("readdir", errno ? -1 : n);
	closedir(d);
	qsort(names, n, sizeof(*names), by_name);
	for (int i = 0; i < n; i++) {
		fprintf(said, "\t%s\n", names[i]);
		free(names[i]);
	}
}

void tell_content(const char *path, size_t piece)
{
	char *all = malloc(1 << 20);
	size_t used = 0;
	ssize_t n = 0;
	int fd = open(path, O_RDONLY | O_CLOEXEC);

	told("open to read", fd < 0 ? -1 : 0);
	while (fd >= 0 && used + piece <= 1 << 20 &&
	       (n = read(fd, all + used, piece)) > 0)
		used += n;
	if (fd >= 0) {
		told_bytes("content", n < 0 ? n : (ssize_t)used, all);
		close(fd);
	}
	free(all);
}

const char *at(const char *format, ...)
{
	static char path[4][512];
	static int next;
	char *to = path[next++ % 4];
	size_t len = snprintf(to, sizeof(path[0]), "%s/", pool);
	va_list ap;

	va_start(ap, format);
	vsnprintf(to + len, sizeof(path[0]) - len, format, ap);
	va_end(ap);
	return to;
}

long field_of(const char *path, const char *field)
{
	char text[8192];
	const char *at_field;
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	size_t used = 0;
	ssize_t n;

	if (fd < 0)
		return -1;
	while (used < sizeof(text) - 1 &&
	       (n = read(fd, text + used, sizeof(text) - 1 - used)) > 0)
		used += n;
	close(fd);
	text[used] = 0;
	at_field = text;
	while (*field) {
		size_t len = strcspn(field, " ");
		char word[32] = "\"";

		if (len > sizeof(word) - 3)
			return -1;
		memcpy(word + 1, field, len);
		word[len + 1] = '"';
		at_field = strstr(at_field, word);
		if (!at_field)
			return -1;
		at_field += strlen(word);
		field += len + (field[len] == ' ');
	}
	return strtol(at_field + strcspn(at_field, "-0123456789"), NULL, 10);
}

long put(const char *path, const char *text)
{
	int fd = open(path, O_WRONLY | O_CLOEXEC);
	long n = fd < 0 ? -1 : write(fd, text, strlen(text));
	int error = errno;

	if (fd >= 0)
		close(fd);
	errno = error;
	return n;
}
