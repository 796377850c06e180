/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * inotify PATH...: prints "ready" when all are watched, then each event that has
 * to do with removal, as the number of its path on the command line, what it is
 * and, in a directory, the name.  Runs until it is killed.
 */
#include <err.h>
#include <stdio.h>
#include <sys/inotify.h>
#include <unistd.h>

#define WATCHED \
	(IN_CREATE | IN_DELETE | IN_DELETE_SELF | IN_MOVE | IN_MOVE_SELF)

static void show(const struct inotify_event *e)
{
	static const struct {
		uint32_t bit;
		const char *name;
	} names[] = { { IN_CREATE, "create" },
		      { IN_DELETE, "delete" },
		      { IN_DELETE_SELF, "delete_self" },
		      { IN_MOVED_FROM, "moved_from" },
		      { IN_MOVED_TO, "moved_to" },
		      { IN_MOVE_SELF, "move_self" },
		      { IN_IGNORED, "ignored" },
		      { IN_UNMOUNT, "unmount" },
		      { IN_Q_OVERFLOW, "overflow" } };

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		if (e->mask & names[i].bit)
			printf("%d %s%s%s\n", e->wd, names[i].name,
			       e->len ? " " : "", e->len ? e->name : "");
	fflush(stdout);
}

int main(int argc, char **argv)
{
	char buf[65536] __attribute__((aligned(8)));
	int fd = inotify_init1(IN_CLOEXEC);
	ssize_t n;

	if (fd < 0)
		err(1, "inotify_init1");
	for (int i = 1; i < argc; i++)
		if (inotify_add_watch(fd, argv[i], WATCHED) != i)
			err(1, "%s", argv[i]);
	puts("ready");
	fflush(stdout);
	while ((n = read(fd, buf, sizeof(buf))) > 0)
		for (char *at = buf; at < buf + n;) {
			const struct inotify_event *e = (const void *)at;

			show(e);
			at += sizeof(*e) + e->len;
		}
	err(1, "read");
}
