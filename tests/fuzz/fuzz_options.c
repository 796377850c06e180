/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Command lines of poolfs, one word a line, and numbers of bytes.  Looked for
 * are crashes, leaks, and statuses that options.h does not name.
 */
#include <getopt.h>

#include "fs/options.h"
#include "tests/fuzz/input.h"

#define WORDS_MAX 20

/* Return: words in @argv, which points into @text. */
static int split(char *text, char **argv)
{
	int argc = 0;

	argv[argc++] = text;
	for (char *p = text; *p && argc < WORDS_MAX; p++) {
		if (*p != '\n')
			continue;
		*p = 0;
		argv[argc++] = p + 1;
	}
	argv[argc] = NULL;
	return argc;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char *text = input_string(data, size), *argv[WORDS_MAX + 1];
	uint64_t bytes = 4711;
	struct options o;
	int status;

	status = size_parse(text, 1 << 30, &bytes);
	must_hold(status <= 0 && (!status || bytes == 4711),
		  "size_parse: %d, %ju", status, (uintmax_t)bytes);
	optind = 0; /* getopt_long() begins anew */
	status = options_parse(&o, split(text, argv), argv);
	must_hold(status == -1 || status == 0 || status == 2, "status %d",
		  status);
	must_hold(status >= 0 || (o.mountpoint && *o.mountpoint == '/' &&
				  o.size >= 1 << 20 && o.kernel),
		  "half a command line is accepted");
	options_release(&o);
	free(text);
	return 0;
}
