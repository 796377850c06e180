/* SPDX-License-Identifier: GPL-2.0-or-later */
/* .pool/: texts that are read in pieces, and what can be set. */
#include "tests/tools/everyop_parts/said.h"

#include <dirent.h>
#include <poll.h>

/* Of a text, how it begins and ends: the rest is of the moment. */
static void pieces(const char *path, size_t piece)
{
	static char all[65536];
	int fd = tell_done(open(path, O_RDONLY | O_CLOEXEC));
	size_t used = 0;
	ssize_t n;

	tell(poll(&(struct pollfd){ .fd = fd, .events = POLLIN }, 1, 0));
	while (used + piece < sizeof(all) &&
	       (n = read(fd, all + used, piece)) > 0)
		used += n;
	told("read", n);
	told_bytes("begins", 2, all);
	told_bytes("ends", 2, all + used - 2);
	/* What was read before. */
	tell(pread(fd, all + piece, 1, 0));
	tell(all[0] == all[piece]);
	tell(close(fd));
}

void do_control(void)
{
	char limit[64];
	long size;
	DIR *d;

	tell_names(at(".pool"));
	pieces(at(".pool/stats"), 100);
	pieces(at(".pool/metrics"), 1000);
	pieces(at(".pool/pressure"), 300);
	tell(put(at(".pool/config"), "{\"floor\": 12}"));
	told("floor", field_of(at(".pool/config"), "floor"));
	tell(put(at(".pool/config"), "{\"floor\": -1}"));
	tell(put(at(".pool/config"), "{\"flor\": 1}"));
	tell(put(at(".pool/config"), "{"));
	told("floor", field_of(at(".pool/config"), "floor"));
	tell(put(at(".pool/config"), "{\"floor\": 0}"));
	/* Limits: other ones, and as they were. */
	size = field_of(at(".pool/config"), "size");
	tell(put(at(".pool/config"), "{\"size\": \"2M\"}"));
	told("size", field_of(at(".pool/config"), "size"));
	tell(put(at(".pool/config"), "{\"size\": 5, \"floor\": 12}"));
	told("size", field_of(at(".pool/config"), "size"));
	snprintf(limit, sizeof(limit), "{\"size\": %ld}", size);
	told("as before", put(at(".pool/config"), limit) > 0);
	tell(field_of(at(".pool/config"), "size") == size);
	tell(put(at(".pool/stats"), "x"));
	d = opendir(at(".pool/shrinker"));
	for (struct dirent *e; d && (e = readdir(d));)
		if (*e->d_name != '.')
			told(e->d_name,
			     field_of(at(".pool/shrinker/%s/count", e->d_name),
				      "") >= 0);
	if (d)
		closedir(d);
	tell(mkdir(at(".pool/x"), 0700));
	tell(unlink(at(".pool/stats")));
	tell(chmod(at(".pool/stats"), 0777));
	tell_lstat(at(".pool/config"));
}
