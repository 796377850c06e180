/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What poolctl makes of its words, one a line. */
int poolctl_main(int argc, char **argv);
#define main poolctl_main
#include "fs/poolctl.c"
#undef main

#include "tests/fuzz/input.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char *text = input_string(data, size), *rest = text, *words[8];
	struct request req = { 0 };
	int nr = 0, status;

	while (nr < 7 && (words[nr] = strsep(&rest, "\n")))
		nr++;
	words[nr] = NULL;
	status = parse_words(&req, nr, words);
	must_hold(status == 0 || status == STATUS_USAGE, "status %d", status);
	must_hold(status || (req.verb && req.file), "no verb, no file");
	free(text);
	return 0;
}
