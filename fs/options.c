/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The command line, as a person, mount(8) and fstab write it.
 *
 * Each parse_ function returns -1 to go on, or the status to exit with.
 */
#include "fs/options.h"

#include "fs/kernel/dead.h"

#include <ctype.h>
#include <errno.h>
#include <getopt.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysinfo.h>
#include <unistd.h>

static const char usage_text[] =
	"usage: poolfs [OPTION]... [SOURCE] MOUNTPOINT\n"
	"Mount a memory pool whose unused memory gives itself back.\n"
	"\n"
	"  -o LIST              mount options, separated by commas:\n"
	"       size=BYTES      most memory that is in use at a time;\n"
	"                       K, M, G, T, or % of the machine's (50%)\n"
	"       nr_inodes=N, usrquota..., grpquota...  limits, as tmpfs has them\n"
	"       mode=OCTAL, uid=N, gid=N  of the root directory\n"
	"       noacl           no access control lists\n"
	"       export          file handles can be opened, as NFS does\n"
	"       allow_other     other users may use the mount\n"
	"       idmap           its mounts can be idmapped, by root\n"
	"       list_control    show box and .pool in listings of the root\n"
	"       user_quota=N    percent that a user may have of boxes, open\n"
	"                       files and whatever else is limited (25)\n"
	"       store=, mode=, psi=, min-free=  as the options below\n"
	"       remount         change size=, nr_inodes=, mode=, user_quota=,\n"
	"                       min-free= or flags of a pool that is mounted\n"
	"       and what mount(8) knows: ro, noatime...\n"
	"  --store DIR          keep everything in DIR, and adopt what is there\n"
	"  --repair             drop what is wrong in DIR, and say what that is\n"
	"  --mode=MODE          passthrough, cached, or auto: the first that\n"
	"                       this kernel and user may have\n"
	"  --psi PATH           a pressure file to watch; may be repeated\n"
	"                       (default: /proc/pressure/memory and the\n"
	"                       cgroup's memory.pressure)\n"
	"  --min-free BYTES     reclaim when less than this is available,\n"
	"                       whatever the pressure files say\n"
	"  -f, --foreground     stay in the foreground\n"
	"  -d, --debug          print requests; implies -f\n"
	"  -h, --help           this text\n"
	"  -V, --version        the version\n"
	"\n"
	"SIGTERM to the process, or umount, ends it.  See poolfs(8).\n";

__attribute__((format(printf, 1, 2))) static int complain(const char *fmt, ...)
{
	va_list ap;

	fputs("poolfs: ", stderr);
	va_start(ap, fmt);
	vfprintf(stderr, fmt, ap);
	va_end(ap);
	fputs("\nTry 'poolfs --help'.\n", stderr);
	return 2;
}

#define SIZE_NOT_GIVEN UINT64_MAX

static uint64_t machine_memory(void)
{
	struct sysinfo si;

	return sysinfo(&si) < 0 ? 0 : (uint64_t)si.totalram * si.mem_unit;
}

static int parse_bytes(const char *name, const char *value, uint64_t *out)
{
	int err = size_parse(value, machine_memory(), out);

	if (err == -ERANGE)
		return complain("%s=%s: the number is too large", name, value);
	if (err)
		return complain("%s=%s: not a number of bytes, such as 65536, "
				"64M, 2G or 25%%",
				name, value);
	return -1;
}

static int parse_mode(const char *value, enum io_mode *out)
{
	for (int m = MODE_AUTO; m <= MODE_CACHED; m++) {
		if (!strcmp(value, mode_name(m))) {
			*out = m;
			return -1;
		}
	}
	return complain("mode=%s: there are auto, passthrough and cached",
			value);
}

/* The keeper changes its directory later.  Return: from malloc(), or NULL. */
static char *absolute_path(const char *path)
{
	char *cwd, *full = NULL;

	if (*path == '/')
		return strdup(path);
	cwd = getcwd(NULL, 0);
	if (cwd && asprintf(&full, "%s/%s", cwd, path) < 0)
		full = NULL;
	free(cwd);
	return full;
}

static int parse_psi(struct options *o, const char *value)
{
	const char *path;

	if (!*value)
		return complain("--psi: the path is empty");
	if (o->nr_psi == PSI_PATHS_MAX)
		return complain("--psi: at most %d of them", PSI_PATHS_MAX);
	path = absolute_path(value);
	if (!path)
		return complain("--psi %s: %s", value, strerror(errno));
	o->psi[o->nr_psi++] = path;
	return -1;
}

static int parse_store(struct options *o, const char *value)
{
	/* It would mean the current directory. */
	if (!*value)
		return complain("--store: the path is empty");
	free(o->store);
	o->store = absolute_path(value);
	if (!o->store)
		return complain("--store %s: %s", value, strerror(errno));
	return -1;
}

/* -o options that are for fstab or mount(8), and mean nothing here. */
static bool option_is_for_mount(const char *name)
{
	static const char *const names[] = { "defaults", "auto",   "noauto",
					     "user",	 "nouser", "users",
					     "owner",	 "group",  "nofail",
					     "_netdev",	 NULL };

	for (int i = 0; names[i]; i++)
		if (!strcmp(name, names[i]))
			return true;
	return !strncmp(name, "x-", 2) || !strncmp(name, "comment=", 8);
}

static bool option_is_for_kernel(const char *name)
{
	return !strcmp(name, "allow_other") || !strncmp(name, "context=", 8) ||
	       !strncmp(name, "fscontext=", 10) ||
	       !strncmp(name, "rootcontext=", 12) ||
	       !strncmp(name, "defcontext=", 11);
}

/* What the kernel shows of each FUSE mount, and mount(8) gives again for another
 * remount. */
static bool option_is_shown(const char *name)
{
	static const char *const names[] = {
		"user_id=",  "group_id=", "rootmode=", "default_permissions",
		"max_read=", "blksize=",  NULL
	};

	for (int i = 0; names[i]; i++)
		if (!strncmp(name, names[i], strlen(names[i])))
			return true;
	return false;
}

static int append_option(char **list, const char *item)
{
	char *all;

	if (asprintf(&all, "%s%s%s", *list ? *list : "", *list ? "," : "",
		     item) < 0)
		return complain("out of memory");
	free(*list);
	*list = all;
	return -1;
}

/* libfuse takes a comma in a value, as in a context of SELinux, for the end of
 * the option. */
static int kernel_option(struct options *o, const char *name)
{
	char *escaped = malloc(2 * strlen(name) + 1), *to = escaped;
	int status;

	if (!escaped)
		return complain("out of memory");
	for (; *name; *to++ = *name++)
		if (*name == ',' || *name == '\\')
			*to++ = '\\';
	*to = 0;
	status = append_option(&o->kernel, escaped);
	free(escaped);
	return status;
}

/* Limits that tmpfs has of its own. */
static bool option_is_limit(const char *name)
{
	return !strncmp(name, "nr_inodes=", 10) ||
	       !strncmp(name, "usrquota", 8) || !strncmp(name, "grpquota", 8);
}

static int parse_number(const char *name, const char *value, int base,
			int64_t max, int64_t *out)
{
	char *end;

	errno = 0;
	*out = strtoll(value, &end, base);
	if (!*value || *end || errno || *out < 0 || *out > max)
		return complain("%s=%s: not a number that it can be", name,
				value);
	return -1;
}

static int parse_percent(const char *name, const char *value, uint32_t *out)
{
	char *end;
	long n;

	errno = 0;
	n = strtol(value, &end, 10);
	if (!*value || *end || errno || n < 1 || n > 100)
		return complain("%s=%s: from 1 to 100 percent", name, value);
	*out = n;
	return -1;
}

static int parse_one(struct options *o, char *item)
{
	char *value = strchr(item, '=');
	bool libfuse;

	if (option_is_for_mount(item))
		return -1;
	if (mount_flag(item, &o->flags, &libfuse))
		return libfuse ? kernel_option(o, item) : -1;
	if (option_is_for_kernel(item))
		return kernel_option(o, item);
	if (!strcmp(item, "export")) {
		o->export = true;
		return -1;
	}
	if (option_is_shown(item)) {
		o->shown = item;
		return -1;
	}
	if (!strcmp(item, "remount")) {
		o->remount = true;
		return -1;
	}
	if (!strcmp(item, "acl") || !strcmp(item, "noacl")) {
		o->noacl = *item == 'n';
		return -1;
	}
	if (!strcmp(item, "idmap")) {
		o->idmap = true;
		return -1;
	}
	if (!strcmp(item, "list_control")) {
		o->list_control = true;
		return -1;
	}
	if (option_is_limit(item))
		return append_option(&o->limits, item);
	if (!value)
		return complain("-o %s: no such option", item);
	*value++ = 0;
	if (!strcmp(item, "size"))
		return parse_bytes(item, value, &o->size);
	if (!strcmp(item, "min-free"))
		return parse_bytes(item, value, &o->min_free);
	/* Octal: of the root directory, as tmpfs has it. */
	if (!strcmp(item, "mode") && isdigit((unsigned char)*value))
		return parse_number(item, value, 8, 07777, &o->root_mode);
	if (!strcmp(item, "uid"))
		return parse_number(item, value, 10, UINT32_MAX - 1,
				    &o->root_uid);
	if (!strcmp(item, "gid"))
		return parse_number(item, value, 10, UINT32_MAX - 1,
				    &o->root_gid);
	if (!strcmp(item, "user_quota"))
		return parse_percent(item, value, &o->user_quota);
	if (!strcmp(item, "mode"))
		return parse_mode(value, &o->mode);
	if (!strcmp(item, "psi"))
		return parse_psi(o, value);
	if (!strcmp(item, "store"))
		return parse_store(o, value);
	return complain("-o %s=%s: no such option", item, value);
}

/* The next of a list of options: a comma between quotes ends none. */
static char *next_option(char **list)
{
	char *item = *list, *at;
	bool quoted = false;

	for (at = item; at && *at && (quoted || *at != ','); at++)
		quoted ^= *at == '"';
	*list = at && *at ? at + 1 : NULL;
	if (at)
		*at = 0;
	return item;
}

static int parse_list(struct options *o, char *list)
{
	char *item;
	int status = -1;

	while (status < 0 && (item = next_option(&list))) {
		if (!*item)
			continue;
		status = append_option(&o->given, item);
		if (status < 0)
			status = parse_one(o, item);
	}
	return status;
}

/*
 * A mount of the user's that nobody serves any more is in the way, and of no use.
 * It cannot be accessed, so its path is made from that of the directory above.
 */
static void remove_dead_mount(const char *path)
{
	char *copy = strdup(path), *name, *above = NULL, *dir;
	size_t len = strlen(path);

	while (copy && len > 1 && copy[len - 1] == '/')
		copy[--len] = 0;
	name = copy ? strrchr(copy, '/') : NULL;
	if (name)
		*name++ = 0;
	if (copy)
		above = realpath(!name ? "." : *copy ? copy : "/", NULL);
	if (above && asprintf(&dir, "%s/%s", above[1] ? above : "",
			      name ? name : copy) > 0) {
		mounts_dead(dir, true, NULL, NULL);
		free(dir);
	}
	free(above);
	free(copy);
}

static int parse_places(struct options *o, int argc, char **argv)
{
	struct stat st;

	if (argc < 1)
		return complain("which directory shall it be mounted on?");
	if (argc > 2)
		return complain("%s: one mount point is enough", argv[2]);
	o->source = strdup(argc == 2 ? argv[0] : "poolfs");
	if (!o->remount)
		remove_dead_mount(argv[argc - 1]);
	o->mountpoint = realpath(argv[argc - 1], NULL);
	if (!o->mountpoint) {
		fprintf(stderr, "poolfs: %s: %s\n", argv[argc - 1],
			strerror(errno));
		return 2;
	}
	/* The kernel would mount on a file, too. */
	if (stat(o->mountpoint, &st) == 0 && !S_ISDIR(st.st_mode)) {
		fprintf(stderr, "poolfs: %s: %s\n", o->mountpoint,
			strerror(ENOTDIR));
		return 2;
	}
	return o->source ? -1 : complain("out of memory");
}

/*
 * A store of our own is a file system with a limit.  In a directory the worker
 * counts bytes, and passthrough writes do not go through the worker.
 */
static int choose_size(struct options *o)
{
	o->size_given = o->size != SIZE_NOT_GIVEN;
	if (!o->size_given)
		o->size = machine_memory() / 2;
	if (o->size < SIZE_LEAST)
		return complain("size=: at least 1M");
	if (!o->size_given || !o->store || o->remount)
		return -1;
	if (o->mode == MODE_PASSTHROUGH)
		return complain("size= with --store: passthrough writes plain "
				"files past it; take --mode=cached");
	o->mode = MODE_CACHED;
	return -1;
}

/* One option as getopt_long() names it.  Return: as options_parse(). */
static int parse_option(struct options *o, int c, char *value)
{
	switch (c) {
	case 'o':
		return parse_list(o, value);
	case 's':
		return parse_store(o, value);
	case 'm':
		return parse_mode(value, &o->mode);
	case 'p':
		return parse_psi(o, value);
	case 'n':
		return parse_bytes("--min-free", value, &o->min_free);
	case 'd':
		o->debug = true;
		o->foreground = true;
		return -1;
	case 'f':
		o->foreground = true;
		return -1;
	case 'r':
		o->repair = true;
		return -1;
	case 'h':
		fputs(usage_text, stdout);
		return 0;
	case 'V':
		puts("poolfs " POOLFS_VERSION);
		return 0;
	default:
		fputs("Try 'poolfs --help'.\n", stderr);
		return 2;
	}
}

static const struct option long_options[] = {
	{ "store", required_argument, NULL, 's' },
	{ "repair", no_argument, NULL, 'r' },
	{ "mode", required_argument, NULL, 'm' },
	{ "psi", required_argument, NULL, 'p' },
	{ "min-free", required_argument, NULL, 'n' },
	{ "foreground", no_argument, NULL, 'f' },
	{ "debug", no_argument, NULL, 'd' },
	{ "help", no_argument, NULL, 'h' },
	{ "version", no_argument, NULL, 'V' },
	{ 0 },
};

int options_parse(struct options *o, int argc, char **argv)
{
	int c, status = -1;

	*o = (struct options){ .size = SIZE_NOT_GIVEN,
			       .root_mode = -1,
			       .root_uid = -1,
			       .root_gid = -1 };
	o->kernel = strdup("default_permissions");
	if (!o->kernel)
		return complain("out of memory");
	while (status < 0 && (c = getopt_long(argc, argv, "o:fdhV",
					      long_options, NULL)) != -1)
		status = parse_option(o, c, optarg);
	if (status < 0 && o->repair && !o->store)
		status = complain("--repair: of which --store?");
	if (status < 0 && o->shown && !o->remount)
		status = complain("-o %s: no such option", o->shown);
	if (status < 0)
		status = choose_size(o);
	if (status < 0)
		status = parse_places(o, argc - optind, argv + optind);
	return status;
}

void options_release(struct options *o)
{
	free(o->mountpoint);
	free(o->source);
	free(o->kernel);
	free(o->given);
	free(o->store);
	free(o->limits);
	for (int i = 0; i < o->nr_psi; i++)
		free((char *)o->psi[i]);
}
