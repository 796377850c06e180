/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "tests/unit/scratch.h"

char scratch[64];
static pid_t scratch_owner;

static void scratch_empty_at(int fd)
{
	DIR *d = fdopendir(fd);
	struct dirent *e;

	while (d && (e = readdir(d))) {
		if (!strcmp(e->d_name, ".") || !strcmp(e->d_name, ".."))
			continue;
		if (unlinkat(fd, e->d_name, 0) == 0)
			continue;
		scratch_empty_at(openat(fd, e->d_name, O_RDONLY | O_CLOEXEC));
		unlinkat(fd, e->d_name, AT_REMOVEDIR);
	}
	if (d)
		closedir(d);
}

void scratch_empty(const char *dir)
{
	scratch_empty_at(open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC));
}

static void scratch_remove(void)
{
	if (getpid() != scratch_owner)
		return;
	scratch_empty(scratch);
	rmdir(scratch);
}

const char *scratch_new(void)
{
	strcpy(scratch, "/dev/shm/poolfs-unit-XXXXXX");
	if (!mkdtemp(scratch)) {
		printf("Bail out! no directory in /dev/shm\n");
		exit(1);
	}
	scratch_owner = getpid();
	atexit(scratch_remove);
	return scratch;
}

/* Copies a file, its holes too. */
static void scratch_copy_file(int from, int to)
{
	char buf[16384];
	off_t at = 0, end;
	struct stat st;

	if (fstat(from, &st) || ftruncate(to, st.st_size))
		abort();
	while ((at = lseek(from, at, SEEK_DATA)) >= 0) {
		end = lseek(from, at, SEEK_HOLE);
		while (at < end) {
			size_t n = end - at;
			ssize_t got = pread(from, buf,
					    n < sizeof(buf) ? n : sizeof(buf),
					    at);

			if (got <= 0 || pwrite(to, buf, got, at) != got)
				abort();
			at += got;
		}
	}
}

static void scratch_copy_symlink(int from, const char *name, int to)
{
	char target[4096];
	ssize_t n = readlinkat(from, name, target, sizeof(target) - 1);

	if (n < 0)
		abort();
	target[n] = 0;
	if (symlinkat(target, to, name))
		abort();
}

/* Copies what is in @from to @to, which is empty. */
static void scratch_copy_at(int from, int to)
{
	DIR *d = fdopendir(dup(from));
	struct dirent *e;
	struct stat st;

	rewinddir(d);
	while ((e = readdir(d))) {
		bool dir;
		int a, b;

		if (!strcmp(e->d_name, ".") || !strcmp(e->d_name, ".."))
			continue;
		if (e->d_type == DT_LNK) {
			scratch_copy_symlink(from, e->d_name, to);
			continue;
		}
		a = openat(from, e->d_name, O_RDONLY | O_CLOEXEC);
		if (a < 0 || fstat(a, &st))
			abort();
		dir = S_ISDIR(st.st_mode);
		if (dir && mkdirat(to, e->d_name, 0700))
			abort();
		b = openat(to, e->d_name,
			   dir ? O_RDONLY : O_RDWR | O_CREAT | O_CLOEXEC, 0600);
		if (b < 0)
			abort();
		if (dir)
			scratch_copy_at(a, b);
		else
			scratch_copy_file(a, b);
		close(a);
		close(b);
	}
	closedir(d);
}

void scratch_copy(const char *from, const char *to)
{
	int a = open(from, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	int b = open(to, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	if (a < 0 || b < 0)
		abort();
	scratch_copy_at(a, b);
	close(a);
	close(b);
}

char *scratch_dir(const char *name)
{
	char *path;

	if (asprintf(&path, "%s/%s", scratch, name) < 0 || mkdir(path, 0700))
		abort();
	return path;
}
