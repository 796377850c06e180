/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What is volatile: ranges that are unpinned, purged, pinned; whole files. */
#include "tests/tools/everyop_parts/said.h"

#include <dirent.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/xattr.h>

#include "fs/poolfs.h"

#define PAGES 16
#define LEN (PAGES * 4096)

static char buf[LEN];

/* Has a shrinker look at so many pages. */
static void scan(const char *name, int pages)
{
	DIR *d = opendir(at(".pool/shrinker"));
	struct dirent *e;
	char text[64];

	told("opendir", d ? 0 : -1);
	snprintf(text, sizeof(text), "0 0 %d\n", pages);
	while (d && (e = readdir(d)))
		if (!strncmp(e->d_name, name, strlen(name)))
			told(name, put(at(".pool/shrinker/%s/scan", e->d_name),
				       text));
	if (d)
		closedir(d);
}

static void range(int fd, const char *what, unsigned long cmd, uint64_t first,
		  uint64_t pages)
{
	struct poolfs_range r = { first * 4096, pages * 4096 };

	told(what, ioctl(fd, cmd, &r));
}
#define pin(fd, first, pages) \
	range(fd, "pin " #first " " #pages, POOLFS_IOC_PIN, first, pages)
#define unpin(fd, first, pages) \
	range(fd, "unpin " #first " " #pages, POOLFS_IOC_UNPIN, first, pages)
#define state(fd, first, pages) \
	range(fd, "state " #first " " #pages, POOLFS_IOC_STATE, first, pages)

static void content(int fd)
{
	told_bytes("pread", pread(fd, buf, LEN, 0), buf);
}

static void fill(int fd)
{
	memset(buf, 'v', LEN);
	tell(pwrite(fd, buf, LEN, 0));
}

static void ranges(void)
{
	char *map;
	int fd, reader;

	fd = tell_done(open(at("v/r"), O_RDWR | O_CREAT | O_CLOEXEC, 0644));
	fill(fd);
	pin(fd, 0, 0);
	unpin(fd, 2, 4);
	unpin(fd, 5, 3);
	state(fd, 0, 0);
	state(fd, 8, 8);
	pin(fd, 3, 1);
	state(fd, 3, 1);
	pin(fd, 0, 0);
	/* Purged, said once, and written anew. */
	unpin(fd, 4, 8);
	scan("volatile-ranges", 1000);
	state(fd, 0, 0);
	content(fd);
	pin(fd, 4, 4);
	pin(fd, 4, 4);
	state(fd, 4, 8);
	tell(pwrite(fd, "again", 5, 4 * 4096));
	content(fd);
	pin(fd, 0, 0);
	pin(fd, 0, 0);
	fill(fd);
	/* With a mapping that is written. */
	map = mmap(NULL, LEN, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	told("mmap", map == MAP_FAILED ? -1 : 0);
	map[0] = map[9 * 4096] = 'm';
	unpin(fd, 8, 4);
	scan("volatile-ranges", 1000);
	pin(fd, 8, 4);
	map[10 * 4096] = 'n';
	told_bytes("map", LEN, map);
	tell(munmap(map, LEN));
	content(fd);
	reader = tell_done(open(at("v/r"), O_RDONLY | O_CLOEXEC));
	pin(reader, 0, 0);
	unpin(reader, 0, 0);
	state(reader, 0, 0);
	range(fd, "odd", POOLFS_IOC_PIN, 0, 1ull << 40);
	tell(ioctl(fd, 12345, NULL));
	unpin(fd, 0, 0);
	tell(ftruncate(fd, 5 * 4096));
	state(fd, 0, 0);
	tell(close(reader));
	tell(close(fd));
	tell(unlink(at("v/r")));
}

/* The file goes a moment after its last close, when the lease is to be had. */
static void files(void)
{
	struct stat st;
	int fd, result = 0;

	tell(setxattr(at("v"), "user.pool.volatile", "1", 1, 0));
	fd = tell_done(open(at("v/kept"), O_RDWR | O_CREAT | O_CLOEXEC, 0600));
	fill(fd);
	tell(close(tell_done(
		open(at("v/f"), O_RDWR | O_CREAT | O_CLOEXEC, 0600))));
	tell(truncate(at("v/f"), 100));
	scan("volatile-files", 1000);
	content(fd);
	tell(link(at("v/kept"), at("v/linked")));
	tell(close(fd));
	for (int i = 0; i < 200 && !result; i++) {
		FILE *real = said;

		said = fopen("/dev/null", "we");
		scan("volatile-files", 1000);
		fclose(said);
		said = real;
		usleep(1000);
		result = stat(at("v/kept"), &st);
	}
	told("stat", result);
	tell(open(at("v/linked"), O_RDONLY | O_CLOEXEC));
	tell_names(at("v"));
	fd = tell_done(open(at("v/kept"), O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC,
			    0600));
	tell(write(fd, "new", 3));
	tell(close(fd));
	tell(removexattr(at("v/kept"), "user.pool.volatile"));
	tell_content(at("v/kept"), 10);
	tell(unlink(at("v/kept")));
	tell(unlink(at("v/linked")));
	tell(unlink(at("v/f")));
}

void do_ranges(void)
{
	tell(mkdir(at("v"), 0755));
	ranges();
	files();
	tell(rmdir(at("v")));
}
