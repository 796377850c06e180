/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Reading /proc/self/mountinfo: see mountinfo.h. */
#include "fs/kernel/mountinfo.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/sysmacros.h>

/* In mountinfo a space is "\\040", and so on. */
void mount_unescape(char *s)
{
	char *to = s;

	for (; *s; to++) {
		if (*s == '\\' && s[1] && s[2] && s[3]) {
			*to = (char)((s[1] - '0') << 6 | (s[2] - '0') << 3 |
				     (s[3] - '0'));
			s += 4;
		} else {
			*to = *s++;
		}
	}
	*to = 0;
}

uint64_t mount_device(const char *dir)
{
	FILE *f = fopen("/proc/self/mountinfo", "re");
	unsigned int major, minor;
	uint64_t device = 0;
	char *line = NULL, *path;
	size_t size = 0;

	while (f && getline(&line, &size, f) > 0) {
		if (sscanf(line, "%*d %*d %u:%u %*s %ms", &major, &minor,
			   &path) != 3)
			continue;
		mount_unescape(path);
		/* The last mount in the list is on top. */
		if (!strcmp(path, dir))
			device = makedev(major, minor);
		free(path);
	}
	free(line);
	if (f)
		fclose(f);
	return device;
}
