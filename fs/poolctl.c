/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * poolctl: the ioctls of poolfs.h for shell scripts; poolctl(1).  A program of
 * its own, not a part of poolfs.
 *
 * "unpin" and "pin" open the file for reading, too, though the ioctls do not ask
 * for that: a box's "send" opened for writing only would be an empty
 * transaction.
 */
#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "fs/doctor.h"
#include "fs/poolfs.h"

enum {
	STATUS_FAILED = 1,
	STATUS_USAGE = 2,
	STATUS_PURGED = 3,
};

static const char usage_text[] =
	"usage: poolctl unpin|pin|state FILE [OFFSET LENGTH]\n"
	"       poolctl doctor [--fix]\n"
	"Volatile ranges of a plain file on a mounted pool.\n"
	"\n"
	"  unpin          it may be purged, and reads as zeros then\n"
	"  pin            it is wanted; prints \"intact\", or \"purged\" if any of\n"
	"                 it is lost: then make it again\n"
	"  state          prints \"pinned\", or \"unpinned\" if any of it is, or\n"
	"                 \"purged\" if some of it is lost; changes nothing\n"
	"  doctor         prints what your pools have left behind where all of\n"
	"                 their processes were killed; --fix removes it\n"
	"\n"
	"OFFSET and LENGTH are bytes, multiples of the page size: 65536, 0x10000,\n"
	"64K, 2M, 1G.  LENGTH 0 means up to the end; without both it is all.\n"
	"\n"
	"  -h, --help     this text\n"
	"  -V, --version  the version\n"
	"\n"
	"Exit status: 0; 3, pin: it was purged; 1, it failed; 2, wrong usage.\n"
	"See poolctl(1).\n";

static const struct verb {
	const char *name;
	unsigned long cmd;
	int access;
	const char *says[3]; /* what to print when the ioctl returns 0, 1, 2 */
	int status; /* exit status when it does not return 0 */
} verbs[] = {
	{ "unpin", POOLFS_IOC_UNPIN, O_RDWR, { NULL }, 0 },
	{ "pin",
	  POOLFS_IOC_PIN,
	  O_RDWR,
	  { "intact", "purged" },
	  STATUS_PURGED },
	{ "state",
	  POOLFS_IOC_STATE,
	  O_RDONLY,
	  { "pinned", "unpinned", "purged" },
	  0 },
};

struct request {
	const struct verb *verb;
	const char *file;
	struct poolfs_range range;
};

/* --- the command line; each returns 0 or the exit status --- */

__attribute__((format(printf, 1, 2))) static int complain(const char *fmt, ...)
{
	va_list ap;

	fputs("poolctl: ", stderr);
	va_start(ap, fmt);
	vfprintf(stderr, fmt, ap);
	va_end(ap);
	fputs("\nTry 'poolctl --help'.\n", stderr);
	return STATUS_USAGE;
}

static int parse_verb(const char *name, const struct verb **out)
{
	for (size_t i = 0; i < sizeof(verbs) / sizeof(*verbs); i++) {
		if (!strcmp(name, verbs[i].name)) {
			*out = &verbs[i];
			return 0;
		}
	}
	return complain("%s: there are unpin, pin, state and doctor", name);
}

static int parse_bytes(const char *name, const char *text, __u64 *out)
{
	static const char units[] = "KMG";
	bool hex = text[0] == '0' && (text[1] == 'x' || text[1] == 'X');
	const char *unit;
	uintmax_t n;
	int shift = 0;
	char *end;

	errno = 0;
	n = strtoumax(text, &end, hex ? 16 : 10);
	if (*end) {
		unit = strchr(units, toupper((unsigned char)*end));
		shift = unit ? 10 * (unit - units + 1) : 0;
	}
	if (!isdigit((unsigned char)*text) || end[!!shift])
		return complain("%s %s: not a number of bytes, such as 65536, "
				"0x10000, 64K or 2M",
				name, text);
	if (errno || n > UINT64_MAX >> shift)
		return complain("%s %s: the number is too large", name, text);
	*out = (__u64)n << shift;
	return 0;
}

/* VERB FILE [OFFSET LENGTH]; @args ends with NULL. */
static int parse_words(struct request *req, int nr, char **args)
{
	int status = nr ? parse_verb(args[0], &req->verb)
			: complain("unpin, pin, state or doctor?");

	if (status)
		return status;
	if (nr < 2)
		return complain("%s: which file?", args[0]);
	if (nr == 3)
		return complain("OFFSET %s: and LENGTH? 0 means up to the end",
				args[2]);
	if (nr > 4)
		return complain("%s: one range of one file is enough", args[4]);
	req->file = args[1];
	if (nr == 2)
		return 0;
	status = parse_bytes("OFFSET", args[2], &req->range.offset);
	return status ? status
		      : parse_bytes("LENGTH", args[3], &req->range.length);
}

/* --- the file --- */

/* Prints why it failed, with the name of the file.  Return: the exit status. */
__attribute__((format(printf, 2, 3))) static int
refuse(const struct request *req, const char *fmt, ...)
{
	va_list ap;

	fprintf(stderr, "poolctl: %s: ", req->file);
	va_start(ap, fmt);
	vfprintf(stderr, fmt, ap);
	va_end(ap);
	fputc('\n', stderr);
	return STATUS_FAILED;
}

/* Prints what EINVAL is about. */
static int refuse_range(const struct request *req, int fd)
{
	uint64_t page = sysconf(_SC_PAGESIZE), end;
	const struct poolfs_range *r = &req->range;
	struct stat st;

	if (r->offset % page || r->length % page)
		return refuse(req,
			      "OFFSET and LENGTH must be multiples of the page "
			      "size, %" PRIu64 " bytes",
			      page);
	if (fstat(fd, &st) < 0)
		return refuse(req, "%s", strerror(errno));
	end = (st.st_size + page - 1) / page * page;
	if (r->offset <= end && r->length <= end - r->offset)
		return refuse(req, "%s", strerror(EINVAL));
	return refuse(req,
		      "the range goes past the end: the file has %jd bytes; "
		      "LENGTH 0 means up to there",
		      (intmax_t)st.st_size);
}

/* Prints what @err is about.  @fd: -1 if the file is not open. */
static int refuse_error(const struct request *req, int fd, int err)
{
	const char *text = strerror(err);

	if (err == EINVAL && fd >= 0)
		return refuse_range(req, fd);
	if (err == EACCES || err == EPERM)
		return refuse(req, "%s: %s is for plain files that you may %s",
			      text, req->verb->name,
			      req->verb->access == O_RDWR ? "read and write"
							  : "read");
	if (err == EISDIR)
		return refuse(req, "%s: name a file in it", text);
	if (err == ENOTTY)
		return refuse(req, "no plain file of a pool: only those on a "
				   "poolfs mount, outside of box/ and .pool/, "
				   "have volatile ranges");
	if (err == ENOSPC)
		return refuse(req,
			      "%s: the pool is full, or has as many ranges as "
			      "it can record; remove some files",
			      text);
	return refuse(req, "%s", text);
}

/* Return: a descriptor, or -1 and errno. */
static int file_open(const struct request *req)
{
	struct stat st;

	if (stat(req->file, &st) < 0)
		return -1;
	if (S_ISREG(st.st_mode))
		return open(req->file, req->verb->access | O_CLOEXEC);
	/* Opening a FIFO or a device has effects. */
	errno = S_ISDIR(st.st_mode) ? EISDIR : ENOTTY;
	return -1;
}

/* Return: the exit status. */
static int file_ask(const struct request *req)
{
	const struct verb *v = req->verb;
	int fd = file_open(req);
	int answer = fd < 0 ? -1 : ioctl(fd, v->cmd, &req->range);

	if (answer < 0)
		return refuse_error(req, fd, errno);
	if (v->says[answer])
		puts(v->says[answer]);
	return answer ? v->status : 0;
}

/* If standard streams are closed, FILE must not become one of them. */
static void streams_hold(void)
{
	int fd;

	do
		fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
	while (fd >= 0 && fd <= STDERR_FILENO);
	close(fd);
}

int main(int argc, char **argv)
{
	static const struct option longs[] = {
		{ "help", no_argument, NULL, 'h' },
		{ "version", no_argument, NULL, 'V' },
		{ 0 },
	};
	struct request req = { 0 };
	int status = 0;

	streams_hold();
	switch (getopt_long(argc, argv, "+hV", longs, NULL)) {
	case 'h':
		fputs(usage_text, stdout);
		break;
	case 'V':
		puts("poolctl " POOLFS_VERSION);
		break;
	case -1:
		if (optind < argc && !strcmp(argv[optind], "doctor"))
			status = doctor(argc - optind - 1, argv + optind + 1);
		else
			status = parse_words(&req, argc - optind,
					     argv + optind);
		if (!status && req.verb)
			status = file_ask(&req);
		break;
	default:
		fputs("Try 'poolctl --help'.\n", stderr);
		return STATUS_USAGE;
	}
	/* The ioctl says "purged" once: the exit status must say it, even when
	 * standard output fails. */
	if (fflush(stdout) && !status) {
		perror("poolctl: standard output");
		status = STATUS_FAILED;
	}
	return status;
}
