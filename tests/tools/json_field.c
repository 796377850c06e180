/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * json_field FIELD [FILE]: prints one value of each JSON text in FILE or on
 * standard input, a line each.
 *
 *	FIELD	names and [INDEX]es, such as pages.used or sources[0].state
 *
 * What "jq -er .FIELD" does, in a tenth of its time, and never longer than ten
 * seconds: tests ask for a field thousands of times, of mounts that may hang.
 *
 * Exit status: 0, 1 (the last value is missing, null or false), 2 wrong usage,
 * 5 not JSON.
 */
#include <jansson.h>
#include <stdbool.h>

#include "tests/tools/lib/tool.h"

#define SECONDS_MOST 10

/* Return: the value, or NULL. */
static json_t *find(json_t *at, const char *field)
{
	char name[256];
	size_t len;

	while (at && *field) {
		if (*field == '[') {
			at = json_array_get(at, strtoul(field + 1, NULL, 10));
			field = strchr(field, ']');
			if (!field++)
				return NULL;
			continue;
		}
		field += *field == '.';
		len = strcspn(field, ".[");
		if (!len)
			break;
		if (len >= sizeof(name))
			return NULL;
		memcpy(name, field, len);
		name[len] = '\0';
		at = json_object_get(at, name);
		field += len;
	}
	return at;
}

/* Return: whether it is something. */
static bool print(const json_t *value)
{
	if (json_is_string(value))
		puts(json_string_value(value));
	else if (json_is_integer(value))
		printf("%" JSON_INTEGER_FORMAT "\n", json_integer_value(value));
	else if (!value || json_is_null(value))
		puts("null");
	else if (json_dumpf(value, stdout, JSON_COMPACT | JSON_ENCODE_ANY) == 0)
		putchar('\n');
	return value && !json_is_null(value) && !json_is_false(value);
}

int main(int argc, char **argv)
{
	bool some = false;
	json_t *whole;
	json_error_t error;
	FILE *in = stdin;

	if (argc < 2 || argc > 3)
		usage("FIELD [FILE]");
	alarm(SECONDS_MOST);
	if (argc == 3)
		in = fopen(argv[2], "re");
	if (!in)
		fail(argv[2]);
	while ((whole = json_loadf(in, JSON_DISABLE_EOF_CHECK, &error))) {
		some = print(find(whole, argv[1]));
		json_decref(whole);
	}
	if (json_error_code(&error) != json_error_premature_end_of_input) {
		fprintf(stderr, "json_field: %s\n", error.text);
		return EXIT_NONSENSE;
	}
	return some && fflush(stdout) == 0 ? 0 : 1;
}
