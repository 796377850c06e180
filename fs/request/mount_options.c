/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Values that the command line and .pool/config both write as text. */
#include "fs/request/mount_options.h"

#include <ctype.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

bool options_shared(const struct options *o)
{
	return strstr(o->kernel, "allow_other");
}

const char *mode_name(enum io_mode mode)
{
	return mode == MODE_PASSTHROUGH ? "passthrough"
	       : mode == MODE_CACHED	? "cached"
					: "auto";
}

int size_parse(const char *text, uint64_t total, uint64_t *out)
{
	static const char units[] = "KMGT";
	unsigned long long n;
	const char *unit;
	int shift = 0;
	char *end;

	if (!isdigit((unsigned char)*text))
		return -EINVAL;
	errno = 0;
	n = strtoull(text, &end, 10);
	if (errno)
		return -ERANGE;
	if (*end == '%' && !end[1] && total) {
		if (n > 100)
			return -ERANGE;
		*out = total / 100 * n;
		return 0;
	}
	if (*end) {
		unit = strchr(units, toupper((unsigned char)*end));
		if (!unit || end[1])
			return -EINVAL;
		shift = 10 * (unit - units + 1);
	}
	if (n > UINT64_MAX >> shift)
		return -ERANGE;
	*out = (uint64_t)n << shift;
	return 0;
}
