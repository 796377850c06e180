/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Sizes as people write them, and command lines: tables of known ones, every
 * short text over a small alphabet against a naive reading, and random noise.
 */
#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <stdint.h>
#include <string.h>
#include <sys/mount.h>
#include <unistd.h>

#include "fs/options.h"
#include "tests/unit/tap.h"

#define TOTAL 123456789012ull
#define UNTOUCHED 0x5555555555555555ull

static const struct {
	const char *text;
	int err;
	uint64_t value;
} known[] = {
	{ "0", 0, 0 },
	{ "4096", 0, 4096 },
	{ "007", 0, 7 },
	{ "64k", 0, 64 << 10 },
	{ "64K", 0, 64 << 10 },
	{ "1M", 0, 1 << 20 },
	{ "3G", 0, 3ull << 30 },
	{ "2t", 0, 2ull << 40 },
	{ "50%", 0, TOTAL / 100 * 50 },
	{ "0%", 0, 0 },
	{ "100%", 0, TOTAL / 100 * 100 },
	{ "18446744073709551615", 0, UINT64_MAX },
	{ "16777215T", 0, 16777215ull << 40 },
	{ "18446744073709551616", -ERANGE, 0 },
	{ "99999999999999999999999999", -ERANGE, 0 },
	{ "16777216T", -ERANGE, 0 },
	{ "18014398509481984K", -ERANGE, 0 },
	{ "101%", -ERANGE, 0 },
	{ "", -EINVAL, 0 },
	{ "K", -EINVAL, 0 },
	{ "%", -EINVAL, 0 },
	{ "-1", -EINVAL, 0 },
	{ "+1", -EINVAL, 0 },
	{ " 1", -EINVAL, 0 },
	{ "1 ", -EINVAL, 0 },
	{ "1.5G", -EINVAL, 0 },
	{ "0x10", -EINVAL, 0 },
	{ "1e3", -EINVAL, 0 },
	{ "1KB", -EINVAL, 0 },
	{ "1KiB", -EINVAL, 0 },
	{ "1P", -EINVAL, 0 },
	{ "1%%", -EINVAL, 0 },
	{ "1K%", -EINVAL, 0 },
	{ "1%K", -EINVAL, 0 },
	{ "\xb2", -EINVAL, 0 },
	{ "1\xff", -EINVAL, 0 },
};

static void test_known(void)
{
	for (size_t i = 0; i < sizeof(known) / sizeof(*known); i++) {
		uint64_t value = UNTOUCHED;
		int err = size_parse(known[i].text, TOTAL, &value);

		must(err == known[i].err, "'%s': %d", known[i].text, err);
		must(value == (err ? UNTOUCHED : known[i].value), "'%s'",
		     known[i].text);
	}
	ok(true, "sizes: known texts");
}

/* Character by character, with room to spare. */
static int naive(const char *text, uint64_t total, uint64_t *out)
{
	static const char units[] = "kmgt";
	unsigned __int128 n = 0;
	const char *unit;
	bool huge = false;

	if (!isdigit((unsigned char)*text))
		return -EINVAL;
	for (; isdigit((unsigned char)*text); text++) {
		n = n * 10 + (*text - '0');
		huge |= n > UINT64_MAX;
		if (huge)
			n = 0;
	}
	if (huge)
		return -ERANGE;
	if (!strcmp(text, "%") && total) {
		if (n > 100)
			return -ERANGE;
		*out = total / 100 * (uint64_t)n;
		return 0;
	}
	if (*text) {
		unit = memchr(units, tolower((unsigned char)*text), 4);
		if (!unit || text[1])
			return -EINVAL;
		for (; unit >= units; unit--)
			n *= 1024;
	}
	if (n > UINT64_MAX)
		return -ERANGE;
	*out = n;
	return 0;
}

static void must_agree(const char *text, uint64_t total)
{
	uint64_t a = UNTOUCHED, b = UNTOUCHED;
	int x = size_parse(text, total, &a), y = naive(text, total, &b);

	must(x == y && a == b, "'%s': %d, not %d", text, x, y);
}

static void test_every_short_one(void)
{
	static const char letters[] = "019KmT%-. x";
	uint32_t nr = sizeof(letters) - 1, n = 0;
	char text[6];

	for (int len = 0; len <= 5; len++) {
		uint32_t all = 1;

		for (int i = 0; i < len; i++)
			all *= nr;
		for (uint32_t code = 0; code < all; code++, n++) {
			uint32_t c = code;

			for (int i = 0; i < len; i++, c /= nr)
				text[i] = letters[c % nr];
			text[len] = 0;
			must_agree(text, TOTAL);
			must_agree(text, 0);
		}
	}
	ok(n == 177156, "sizes: all %u texts of up to 5 characters", n);
}

static void test_random_sizes(void)
{
	static const char letters[] = "0123456789012345678901234567kMGt%";
	unsigned int seed = 11;
	char text[40];

	for (int n = 0; n < 500000; n++) {
		int len = rand_r(&seed) % 30;

		for (int i = 0; i < len; i++)
			text[i] = rand_r(&seed) % 50
					  ? letters[rand_r(&seed) %
						    (sizeof(letters) - 1)]
					  : rand_r(&seed);
		text[len] = 0;
		must_agree(text, rand_r(&seed) % 2 ? TOTAL : 0);
	}
	ok(true, "sizes: 500,000 random texts");
}

/* --- command lines --- */

#define ARGS_MAX 8

/* What it complains about is not for the test's output. */
static int parse(struct options *o, const char *const *args)
{
	int out = dup(STDOUT_FILENO), err = dup(STDERR_FILENO);
	int null = open("/dev/null", O_WRONLY | O_CLOEXEC);
	char *argv[ARGS_MAX + 2];
	int argc = 0, status;

	fflush(stdout);
	dup2(null, STDOUT_FILENO);
	dup2(null, STDERR_FILENO);
	argv[argc++] = strdup("poolfs");
	for (; *args && argc <= ARGS_MAX; args++)
		argv[argc++] = strdup(*args);
	argv[argc] = NULL;
	optind = 0;
	status = options_parse(o, argc, argv);
	fflush(stdout);
	dup2(out, STDOUT_FILENO);
	dup2(err, STDERR_FILENO);
	close(out);
	close(err);
	close(null);
	/* What it points to of the command line has been looked at by now. */
	for (int i = 0; i < argc; i++)
		free(argv[i]);
	return status;
}

static const struct {
	int status;
	const char *args[ARGS_MAX];
} lines[] = {
	{ -1, { "/tmp" } },
	{ -1, { "none", "/tmp" } },
	{ -1, { "-f", "-o", "size=64M,allow_other", "/tmp" } },
	{ -1, { "none", "/tmp", "-o", "rw,nofail,x-systemd.automount" } },
	{ -1, { "--mode=cached", "--min-free", "1G", "/tmp" } },
	{ -1, { "-o", ",,size=1M,,", "/tmp" } },
	{ -1, { "-o", "size=25%", "--store", "some/dir", "/tmp" } },
	{ -1, { "--psi", "a", "--psi=b", "-o", "psi=c", "/tmp" } },
	{ 0, { "--help" } },
	{ 0, { "-V" } },
	{ 2, { NULL } },
	{ 2, { "/no/such/dir" } },
	{ 2, { "/etc/passwd" } },
	{ 2, { "a", "b", "/tmp" } },
	{ 2, { "--no-such", "/tmp" } },
	{ 2, { "--mode=fast", "/tmp" } },
	{ 2, { "--mode", "/tmp" } },
	{ -1, { "-o", "ro,noatime,strictatime,nodiratime", "/tmp" } },
	{ -1, { "-o", "remount,size=5M,user_id=0,max_read=1", "/tmp" } },
	{ -1, { "-o", "user_id=0,default_permissions,remount", "/tmp" } },
	{ 2, { "-o", "default_permissions,size=5M", "/tmp" } },
	{ 2, { "-o", "size", "/tmp" } },
	{ 2, { "-o", "size=", "/tmp" } },
	{ 2, { "-o", "size=1", "/tmp" } },
	{ 2, { "-o", "size=-1", "/tmp" } },
	{ 2, { "-o", "sizes=1M", "/tmp" } },
	{ 2, { "-o", "mode=", "/tmp" } },
	{ 2, { "--min-free=lots", "/tmp" } },
	{ 2, { "--store=", "/tmp" } },
	{ 2, { "-o" } },
};

static void test_lines(void)
{
	for (size_t i = 0; i < sizeof(lines) / sizeof(*lines); i++) {
		struct options o;
		int status = parse(&o, lines[i].args);

		must(status == lines[i].status, "line %zu (%s): %d", i,
		     lines[i].args[0], status);
		if (status < 0)
			must(o.mountpoint[0] == '/' && o.source && o.kernel &&
				     (!o.store || o.store[0] == '/'),
			     "line %zu", i);
		options_release(&o);
	}
	ok(true, "command lines: known ones");
}

/* What libfuse is given: it takes each comma that is not escaped for an end. */
static void test_kernel(void)
{
	static const char *const args[] = {
		"-o",	"size=1M,context=\"a:b:c0,c1\",noatime,strictatime",
		"-o",	"fscontext=a,rw,exec",
		"/tmp", NULL
	};
	struct options o;

	must(parse(&o, args) == -1, "refused");
	must(!strcmp(o.kernel, "default_permissions,context=\"a:b:c0\\,c1\","
			       "noatime,fscontext=a,rw,exec"),
	     "%s", o.kernel);
	must(!strcmp(o.given, "size=1M,context=\"a:b:c0,c1\",noatime,"
			      "strictatime,fscontext=a,rw,exec"),
	     "%s", o.given);
	must(o.flags.on == MS_STRICTATIME && o.flags.off & MS_NOATIME &&
		     o.flags.off & MS_RDONLY && o.flags.off & MS_NOEXEC,
	     "%lx %lx", o.flags.on, o.flags.off);
	options_release(&o);
	ok(true, "options of the kernel: quoted, escaped, the last one wins");
}

static void test_noise(void)
{
	static const char *const words[] = {
		"-o",	      "size=",	     "64M", "size=9M",	"--store",
		"x",	      "/tmp",	     "-f",  "--psi=p",	"mode=cached",
		"--min-free", "1K",	     ",",   "=",	"allow_other",
		"-d",	      "--",	     "-",   "x-y=z,rw", "psi=,psi=",
		"",	      "--mode=auto",
	};
	unsigned int seed = 23;
	uint32_t good = 0;

	for (int n = 0; n < 20000; n++) {
		const char *args[ARGS_MAX + 1] = { 0 };
		int nr = rand_r(&seed) % ARGS_MAX;
		struct options o;
		int status;

		for (int i = 0; i < nr; i++)
			args[i] = words[rand_r(&seed) %
					(sizeof(words) / sizeof(*words))];
		status = parse(&o, args);
		must(status == -1 || status == 0 || status == 2, "%d", status);
		good += status == -1;
		options_release(&o);
	}
	ok(good > 0, "command lines: 20,000 random ones, %u of them good",
	   good);
}

int main(void)
{
	test_known();
	test_every_short_one();
	test_random_sizes();
	test_lines();
	test_kernel();
	test_noise();
	return done();
}
