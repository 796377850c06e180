/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * null_fuse - the cheapest possible FUSE server, as a measure for the others.
 *
 *	null_fuse [--sink=KIND] [--cpu N] [--region SIZE] [--huge SETTING]
 *		[--max-write SIZE] [--cached] MOUNTPOINT CMD [ARG...]
 *
 * Mounts a file system of one file, MOUNTPOINT/null, runs CMD, and ends with
 * its status.  The mount is made in a mount name space of its own: nobody else
 * sees it, and the kernel removes it even when this program is killed.
 *
 * The server takes a WRITE off /dev/fuse and answers at once.  What it does
 * with the payload is the KIND:
 *
 *	none	   nothing: the cost of the round trip alone
 *	copy	   read() into a buffer, then memcpy() to a tmpfs mapping
 *	stage	   the same, with a buffer that is a tmpfs mapping too
 *	pwrite	   read() into a buffer, then pwrite() to the tmpfs file
 *	direct	   readv(): header into a buffer, payload straight into the
 *		   mapping (possible only where the place is known beforehand)
 *	pipe	   splice() into a pipe, then read() the pipe into the mapping
 *	splice	   splice() into a pipe, then splice() on into the tmpfs file
 *
 * With --cached the kernel keeps what is written in its page cache, too.  The
 * last two kinds want a pipe of more than --max-write bytes, and a pipe of
 * more than 1 MiB wants CAP_SYS_RESOURCE.
 */
#include "tests/bench/lib/bench.h"

#include <fcntl.h>
#include <getopt.h>
#include <linux/fuse.h>
#include <linux/mount.h>
#include <stdbool.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <signal.h>

#define MAX_WRITE (1u << 20)
#define HEADER_SIZE \
	(sizeof(struct fuse_in_header) + sizeof(struct fuse_write_in))
#define BUFFER_SIZE (MAX_WRITE + 4096)
#define NULL_NODE 2

enum sink {
	SINK_NONE,
	SINK_COPY,
	SINK_STAGE,
	SINK_PWRITE,
	SINK_DIRECT,
	SINK_PIPE,
	SINK_SPLICE,
};

static const char *const sink_names[] = {
	[SINK_NONE] = "none",	  [SINK_COPY] = "copy",
	[SINK_STAGE] = "stage",	  [SINK_PWRITE] = "pwrite",
	[SINK_DIRECT] = "direct", [SINK_PIPE] = "pipe",
	[SINK_SPLICE] = "splice",
};

static struct {
	int dev;
	enum sink sink;
	uint32_t open_flags;
	int pipe[2];
	int file; /* where payloads go, a ring of region bytes */
	char *map;
	size_t region;
	size_t max_write;
	size_t at;
	char *buf;
	size_t len; /* of the request in buf, as far as it was read there */
} server;

static void reply(uint64_t unique, int error, const void *out, size_t size)
{
	struct fuse_out_header head = {
		.len = sizeof(head) + size,
		.error = -error,
		.unique = unique,
	};
	struct iovec iov[2] = {
		{ &head, sizeof(head) },
		{ (void *)out, size },
	};

	/* ENOENT: the client was interrupted and does not wait any more */
	if (writev(server.dev, iov, size ? 2 : 1) < 0 && errno != ENOENT)
		err(1, "answer");
}

static struct fuse_attr attr_of(uint64_t node)
{
	struct fuse_attr attr = {
		.ino = node,
		.nlink = 1,
		.mode = node == NULL_NODE ? S_IFREG | 0666 : S_IFDIR | 0755,
		.blksize = 4096,
	};

	return attr;
}

static void do_init(const struct fuse_in_header *in)
{
	const struct fuse_init_in *arg = (const void *)(in + 1);
	struct fuse_init_out out = {
		.major = FUSE_KERNEL_VERSION,
		.minor = FUSE_KERNEL_MINOR_VERSION,
		.max_readahead = arg->max_readahead,
		.flags = FUSE_BIG_WRITES | FUSE_MAX_PAGES |
			 FUSE_PARALLEL_DIROPS,
		.max_background = 16,
		.congestion_threshold = 12,
		.max_write = server.max_write,
		.time_gran = 1,
		.max_pages = server.max_write / 4096,
	};

	reply(in->unique, 0, &out, sizeof(out));
}

static void do_lookup(const struct fuse_in_header *in)
{
	struct fuse_entry_out out = {
		.nodeid = NULL_NODE,
		.entry_valid = 3600,
		.attr_valid = 3600,
		.attr = attr_of(NULL_NODE),
	};

	if (in->nodeid != FUSE_ROOT_ID || strcmp((char *)(in + 1), "null"))
		reply(in->unique, ENOENT, NULL, 0);
	else
		reply(in->unique, 0, &out, sizeof(out));
}

static void do_getattr(const struct fuse_in_header *in)
{
	struct fuse_attr_out out = {
		.attr_valid = 3600,
		.attr = attr_of(in->nodeid),
	};

	reply(in->unique, 0, &out, sizeof(out));
}

static void do_open(const struct fuse_in_header *in)
{
	struct fuse_open_out out = {
		.open_flags = server.open_flags,
	};

	reply(in->unique, 0, &out, sizeof(out));
}

/* The next place of size bytes in the ring. */
static size_t place(size_t size)
{
	size_t at = server.at;

	if (at + size > server.region)
		at = 0;
	server.at = at + size;
	return at;
}

static void sink_pipe(size_t size)
{
	char *to = server.map + place(size);

	while (size) {
		ssize_t n = read(server.pipe[0], to, size);

		if (n <= 0)
			err(1, "read of the pipe");
		to += n;
		size -= n;
	}
}

static void sink_splice(size_t size)
{
	off_t at = place(size);

	while (size) {
		ssize_t n = splice(server.pipe[0], NULL, server.file, &at, size,
				   SPLICE_F_MOVE);

		if (n <= 0)
			err(1, "splice to the file");
		size -= n;
	}
}

static void do_write(const struct fuse_in_header *in)
{
	const struct fuse_write_in *arg = (const void *)(in + 1);
	struct fuse_write_out out = { .size = arg->size };
	const char *data = (const char *)in + HEADER_SIZE;

	switch (server.sink) {
	case SINK_COPY:
	case SINK_STAGE:
		memcpy(server.map + place(arg->size), data, arg->size);
		break;
	case SINK_PWRITE:
		if (pwrite(server.file, data, arg->size, place(arg->size)) < 0)
			err(1, "pwrite");
		break;
	case SINK_PIPE:
		sink_pipe(arg->size);
		break;
	case SINK_SPLICE:
		sink_splice(arg->size);
		break;
	case SINK_DIRECT:
		place(arg->size);
		break;
	case SINK_NONE:
		break;
	}
	reply(in->unique, 0, &out, sizeof(out));
}

static void handle(const struct fuse_in_header *in)
{
	switch (in->opcode) {
	case FUSE_WRITE:
		return do_write(in);
	case FUSE_INIT:
		return do_init(in);
	case FUSE_LOOKUP:
		return do_lookup(in);
	case FUSE_GETATTR:
		return do_getattr(in);
	case FUSE_OPEN:
		return do_open(in);
	case FUSE_RELEASE:
		return reply(in->unique, 0, NULL, 0);
	case FUSE_FORGET:
	case FUSE_BATCH_FORGET:
	case FUSE_INTERRUPT:
		return; /* these have no answer */
	default:
		reply(in->unique, ENOSYS, NULL, 0);
	}
}

/* A whole request, or as much as the handler wants in buf.  0: unmounted. */
static ssize_t fetch_plain(void)
{
	return read(server.dev, server.buf, BUFFER_SIZE);
}

static ssize_t fetch_direct(void)
{
	struct iovec iov[2] = {
		{ server.buf, HEADER_SIZE },
		{ NULL, MAX_WRITE },
	};

	if (server.at + MAX_WRITE > server.region)
		server.at = 0;
	iov[1].iov_base = server.map + server.at;
	return readv(server.dev, iov, 2);
}

static ssize_t fetch_pipe(void)
{
	const struct fuse_in_header *in = (void *)server.buf;
	ssize_t n, got;
	size_t want;

	n = splice(server.dev, NULL, server.pipe[1], NULL, BUFFER_SIZE, 0);
	if (n <= 0)
		return n;
	want = n < HEADER_SIZE ? n : HEADER_SIZE;
	got = read(server.pipe[0], server.buf, want);
	if (got == want && in->opcode != FUSE_WRITE && n > got) {
		want = n;
		while (got < want) {
			ssize_t more = read(server.pipe[0], server.buf + got,
					    want - got);

			if (more <= 0)
				err(1, "read of the pipe");
			got += more;
		}
	}
	if (got != want)
		err(1, "read of the pipe");
	return n;
}

static void serve(void)
{
	ssize_t (*fetch)(void) = fetch_plain;

	if (server.sink == SINK_PIPE || server.sink == SINK_SPLICE)
		fetch = fetch_pipe;
	/* until INIT is answered, a request may be too short for two parts */
	for (bool first = true;; first = false) {
		ssize_t n = first && fetch != fetch_pipe ? fetch_plain()
							 : fetch();

		if (n < 0 && (errno == EINTR || errno == ENOENT))
			continue;
		if (n < 0 && errno == ENODEV)
			exit(0);
		if (n <= 0)
			err(1, "/dev/fuse");
		handle((void *)server.buf);
		if (first && server.sink == SINK_DIRECT)
			fetch = fetch_direct;
	}
}

/* A tmpfs nobody sees, with the huge= setting asked for, all pages in place. */
static void open_region(const char *huge)
{
	int fs, mnt;

	fs = syscall(SYS_fsopen, "tmpfs", FSOPEN_CLOEXEC);
	if (fs < 0 ||
	    syscall(SYS_fsconfig, fs, FSCONFIG_SET_STRING, "huge", huge, 0) ||
	    syscall(SYS_fsconfig, fs, FSCONFIG_CMD_CREATE, NULL, NULL, 0))
		err(1, "tmpfs with huge=%s", huge);
	mnt = syscall(SYS_fsmount, fs, FSMOUNT_CLOEXEC, 0);
	if (mnt < 0)
		err(1, "fsmount");
	server.file = openat(mnt, "ring", O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	if (server.file < 0 || ftruncate(server.file, server.region))
		err(1, "the ring");
	server.map = mmap(NULL, server.region, PROT_READ | PROT_WRITE,
			  MAP_SHARED, server.file, 0);
	if (server.map == MAP_FAILED)
		err(1, "mmap of the ring");
	memset(server.map, 1, server.region);
	close(mnt);
	close(fs);
}

/*
 * The kernel pins the pages of the buffer for each request, which is cheaper
 * with one huge page than with 257 small ones.
 */
static char *map_buffer(bool shared)
{
	size_t huge = 2u << 20;
	char *p;

	p = mmap(NULL, 2 * huge, PROT_READ | PROT_WRITE,
		 (shared ? MAP_SHARED : MAP_PRIVATE) | MAP_ANONYMOUS, -1, 0);
	if (p == MAP_FAILED)
		err(1, "buffer");
	p += -(uintptr_t)p % huge;
	madvise(p, huge, MADV_HUGEPAGE);
	memset(p, 0, BUFFER_SIZE);
	return p;
}

static void prepare(const char *huge)
{
	/* without a sink, nothing of the ring is used */
	if (server.sink != SINK_NONE)
		open_region(huge);
	server.buf = map_buffer(server.sink == SINK_STAGE);
	if (server.sink != SINK_PIPE && server.sink != SINK_SPLICE)
		return;
	/* a request needs a slot more than its payload has pages */
	if (pipe2(server.pipe, O_CLOEXEC) ||
	    fcntl(server.pipe[1], F_SETPIPE_SZ, 2 * server.max_write) < 0)
		err(1, "a pipe of %zu bytes", 2 * server.max_write);
}

/* In a name space of its own: see the top of the file. */
static void mount_here(const char *where)
{
	char options[128];

	if (unshare(CLONE_NEWNS) ||
	    mount("none", "/", NULL, MS_REC | MS_PRIVATE, NULL))
		err(1, "mount name space");
	server.dev = open("/dev/fuse", O_RDWR | O_CLOEXEC);
	if (server.dev < 0)
		err(1, "/dev/fuse");
	snprintf(options, sizeof(options),
		 "fd=%d,rootmode=40000,user_id=0,group_id=0", server.dev);
	if (mount("null_fuse", where, "fuse.null_fuse", MS_NOSUID | MS_NODEV,
		  options))
		err(1, "mount on %s", where);
}

static int run(char **argv)
{
	int status;
	pid_t pid = fork();

	if (pid < 0)
		err(1, "fork");
	if (!pid) {
		execvp(argv[0], argv);
		err(127, "%s", argv[0]);
	}
	while (waitpid(pid, &status, 0) < 0)
		if (errno != EINTR)
			err(1, "wait");
	return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

static enum sink sink_of(const char *name)
{
	for (int i = 0; i < sizeof(sink_names) / sizeof(*sink_names); i++)
		if (!strcmp(name, sink_names[i]))
			return i;
	errx(2, "no such sink: %s", name);
}

int main(int argc, char **argv)
{
	static const struct option longopts[] = {
		{ "sink", required_argument, NULL, 's' },
		{ "cpu", required_argument, NULL, 'c' },
		{ "region", required_argument, NULL, 'r' },
		{ "huge", required_argument, NULL, 'h' },
		{ "max-write", required_argument, NULL, 'm' },
		{ "cached", no_argument, NULL, 'k' },
		{},
	};
	const char *huge = "within_size", *where;
	int cpu = -1, opt, status;
	pid_t pid;

	server.region = 4 * MAX_WRITE;
	server.max_write = MAX_WRITE;
	server.open_flags = FOPEN_DIRECT_IO | FOPEN_STREAM | FOPEN_NOFLUSH;
	while ((opt = getopt_long(argc, argv, "+", longopts, NULL)) != -1) {
		if (opt == 's')
			server.sink = sink_of(optarg);
		else if (opt == 'c')
			cpu = atoi(optarg);
		else if (opt == 'r')
			server.region = bench_size(optarg);
		else if (opt == 'h')
			huge = optarg;
		else if (opt == 'm')
			server.max_write = bench_size(optarg);
		else if (opt == 'k')
			server.open_flags = FOPEN_NOFLUSH;
		else
			return 2;
	}
	if (argc - optind < 2 || server.region < MAX_WRITE ||
	    server.max_write > MAX_WRITE || server.max_write < 4096)
		errx(2, "usage: null_fuse [options] MOUNTPOINT CMD [ARG...]");
	where = argv[optind];

	mount_here(where);
	pid = fork();
	if (pid < 0)
		err(1, "fork");
	if (!pid) {
		/* never outlive the parent, which holds the name space */
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		bench_pin(cpu);
		prepare(huge);
		serve();
	}
	close(server.dev);
	status = run(argv + optind + 1);
	umount2(where, MNT_DETACH);
	kill(pid, SIGKILL);
	waitpid(pid, NULL, 0);
	return status;
}
