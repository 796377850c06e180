/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * attack - what one user can do to a pool to make others wait for it.
 *
 *	attack KIND POOL NR
 *
 *	boxes		NR boxes with a transaction each; sends to all in turn
 *	pollers		NR open files of one box, all of them polled; sends
 *	handles		NR open files of one box, one of them polled; sends
 *	removed		NR removed boxes that are open; lists the others
 *	transactions	NR transactions without a byte; lists them, sends one
 *	ranges		NR unpinned ranges in one file; opens and closes it
 *	pins		the same; pins them all at once, and unpins them again
 *	writers		NR blocked senders of a full box; makes room for one
 *	deep		NR directories with long names below each other; makes
 *			and removes a file in the deepest one
 *	chain		makes and removes such directories, again and again
 *	control		NR open files of .pool/; opens and closes more
 *	files		NR open files; reads and writes them in turn
 *	moves		a transaction of NR MiB, which has to move as often as
 *			it grows; lets it grow
 *	full		fills the pool with files, and goes on writing
 *	copy		copies a file of NR MiB, asking for all of it at once
 *	listplus	lists a directory of NR files, asking for all of them
 *	split		makes NR ranges in one file by pins in the middle of one,
 *			and drops all by a pin
 *	acl		NR files with as long a list of users as they may have;
 *			makes and removes such a file
 *	forgets		forgets NR removed files at once, again and again
 *	chmodsend	changes the mode of a box's send, open NR times
 *	statbox		reads the stat of a box with NR transactions
 *	deaddirs	NR removed directories that are open, deep in the pool;
 *			makes and removes another one
 *	receivers	NR threads that wait for a transaction of a box; removes
 *			the box
 *	purgedlinks	NR names of a volatile file in one directory; when
 *			somebody has had it purged, removes the directory
 *	fallocate	NR bytes of memory, or as many as there may be, given
 *			back by the end of their file
 *
 * It makes as many as it is let, up to NR, prints "ready" and their number, and
 * goes on until it is killed.  With a fourth argument it waits for a line from
 * standard input, does so many rounds, prints "done", and waits for the end of
 * that input.
 */
#include "tests/tools/attack_parts/attack.h"

#include <pthread.h>
#include <stdarg.h>
#include <sys/epoll.h>
#include <sys/ioctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/xattr.h>
#include <time.h>

#include "fs/poolfs.h"

const char *pool;
long nr;
static long rounds = -1;
char mine[64];

char *path_of(const char *fmt, ...)
{
	static char path[4096];
	size_t n = snprintf(path, sizeof(path), "%s/", pool);
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(path + n, sizeof(path) - n, fmt, ap);
	va_end(ap);
	return path;
}

void ready(long count)
{
	printf("ready %ld\n", count);
	fflush(stdout);
	if (rounds >= 0)
		getchar();
}

bool more(void)
{
	return rounds < 0 || rounds-- > 0;
}

void make_box(const char *name)
{
	if (mkdir(path_of("box/%s", name), 0700) < 0 && errno != EEXIST)
		fail(name);
}

int open_box(const char *name, const char *file, int flags)
{
	return open(path_of("box/%s/%s", name, file), flags | O_CLOEXEC);
}

bool send_to(const char *name, const char *bytes, size_t len)
{
	int fd = open_box(name, "send", O_WRONLY | O_NONBLOCK);
	bool sent = fd >= 0 &&
		    (len ? write(fd, bytes, len) > 0 : fsync(fd) == 0);

	if (fd >= 0)
		close(fd);
	return sent;
}

void take_from(const char *name)
{
	int fd = open_box(name, "recv", O_RDONLY | O_NONBLOCK);
	char line[512], *id;
	ssize_t n = fd < 0 ? -1 : read(fd, line, sizeof(line) - 1);

	if (fd >= 0)
		close(fd);
	if (n <= 0)
		return;
	line[n] = 0;
	id = strstr(line, "\"id\":");
	if (id)
		unlink(path_of("box/%s/tx/%ju", name,
			       (uintmax_t)strtoull(id + 5, NULL, 10)));
}

static void attack_boxes(void)
{
	char name[96];
	long n = 0;

	for (; n < nr; n++) {
		snprintf(name, sizeof(name), "%s.%ld", mine, n);
		if (mkdir(path_of("box/%s", name), 0700) < 0)
			break;
		send_to(name, "x", 1);
	}
	ready(n);
	for (long i = 0; more(); i++) {
		snprintf(name, sizeof(name), "%s.%ld", mine, i % n);
		take_from(name);
		send_to(name, "x", 1);
	}
}

/* The first one is polled, which FUSE hears of at each EPOLL_CTL_ADD. */
static void attack_handles(void)
{
	struct epoll_event event = { .events = EPOLLIN };
	int fd, ep = epoll_create1(EPOLL_CLOEXEC);
	long n = 0;

	make_box(mine);
	fd = open_box(mine, "recv", O_RDONLY);
	while (n < nr && open_box(mine, "recv", O_RDONLY) >= 0)
		n++;
	ready(n);
	while (more()) {
		epoll_ctl(ep, EPOLL_CTL_ADD, fd, &event);
		send_to(mine, "x", 1);
		take_from(mine);
		epoll_ctl(ep, EPOLL_CTL_DEL, fd, NULL);
	}
}

/* All are polled, and told by one transaction. */
static void attack_pollers(void)
{
	struct epoll_event event = { .events = EPOLLIN | EPOLLONESHOT };
	struct epoll_event told[1024];
	int *fds = calloc(nr + 1, sizeof(*fds)), got = 0;
	int ep = epoll_create1(EPOLL_CLOEXEC);
	long n = 0;

	make_box(mine);
	while (fds && n < nr &&
	       (fds[n] = open_box(mine, "recv", O_RDONLY)) >= 0 &&
	       epoll_ctl(ep, EPOLL_CTL_ADD, fds[n], &event) == 0)
		n++;
	ready(n);
	while (more()) {
		send_to(mine, "x", 1);
		for (long all = 0; all < n; all += got) {
			got = epoll_wait(ep, told, 1024, 60000);
			if (got <= 0)
				fail("poll");
		}
		take_from(mine);
		for (long i = 0; i < n; i++)
			epoll_ctl(ep, EPOLL_CTL_MOD, fds[i], &event);
	}
	free(fds);
}

/* There is another one behind it each time. */
static void attack_moves(void)
{
	static char mib[1 << 20], page[PAGE];
	long n = 0;
	int fd;

	make_box(mine);
	/* No room for twice as much behind it. */
	if (truncate(path_of("box/%s/data", mine), (nr * 11 / 4 + 1) << 20) < 0)
		fail(mine);
	fd = open_box(mine, "send", O_WRONLY);
	while (n < nr && write(fd, mib, sizeof(mib)) == sizeof(mib))
		n++;
	ready(n);
	while (more()) {
		send_to(mine, page, sizeof(page));
		if (write(fd, page, 8) != 8)
			fail("write");
		take_from(mine);
	}
}

static void attack_removed(void)
{
	char name[96], buf[65536];
	long n = 0;
	int fd;

	for (; n < nr; n++) {
		snprintf(name, sizeof(name), "%s.%ld", mine, n);
		if (mkdir(path_of("box/%s", name), 0700) < 0 ||
		    open_box(name, "recv", O_RDONLY) < 0 ||
		    rmdir(path_of("box/%s", name)) < 0)
			break;
	}
	ready(n);
	while (more()) {
		fd = open(path_of("box"), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
		while (getdents64(fd, buf, sizeof(buf)) > 0)
			;
		close(fd);
		if (mkdir(path_of("box/%s", mine), 0700) == 0)
			rmdir(path_of("box/%s", mine));
	}
}

static void attack_transactions(void)
{
	char buf[65536];
	long n = 0;
	int fd;

	make_box(mine);
	while (n < nr && send_to(mine, NULL, 0))
		n++;
	ready(n);
	fd = open_box(mine, "tx", O_RDONLY | O_DIRECTORY);
	while (more()) {
		if (getdents64(fd, buf, sizeof(buf)) <= 0)
			lseek(fd, 0, SEEK_SET);
		take_from(mine);
		send_to(mine, NULL, 0);
		rmdir(path_of("box/%s", mine));
	}
}

int range_file(void)
{
	int fd = open(path_of("%s", mine), O_RDWR | O_CREAT | O_CLOEXEC, 0600);

	if (fd < 0 || ftruncate(fd, 2 * nr * PAGE) < 0)
		fail(mine);
	return fd;
}

static long unpin_all(int fd)
{
	struct poolfs_range r = { .length = PAGE };
	long n = 0;

	for (; n < nr; n++) {
		r.offset = 2 * n * PAGE;
		if (ioctl(fd, POOLFS_IOC_UNPIN, &r) < 0)
			break;
	}
	return n;
}

static void attack_ranges(void)
{
	int fd = range_file();

	ready(unpin_all(fd));
	close(fd);
	while (more()) {
		fd = open(path_of("%s", mine), O_RDWR | O_CLOEXEC);
		close(fd);
	}
}

static void attack_pins(void)
{
	struct poolfs_range all = { 0 };
	int fd = range_file();

	ready(unpin_all(fd));
	while (more()) {
		ioctl(fd, POOLFS_IOC_PIN, &all);
		unpin_all(fd);
	}
}

static void *blocked_writer(void *arg)
{
	int fd = open_box(mine, "send", O_WRONLY);
	static char page[PAGE];

	while (fd >= 0 && write(fd, page, sizeof(page)) > 0) {
		close(fd);
		fd = open_box(mine, "send", O_WRONLY);
	}
	return arg;
}

static void attack_writers(void)
{
	static char page[PAGE];
	pthread_attr_t attr;
	pthread_t thread;
	long n = 0;

	make_box(mine);
	while (send_to(mine, page, sizeof(page)))
		;
	pthread_attr_init(&attr);
	pthread_attr_setstacksize(&attr, 65536);
	while (n < nr && !pthread_create(&thread, &attr, blocked_writer, NULL))
		n++;
	sleep(1);
	ready(n);
	while (more())
		take_from(mine);
}

static const char *long_name(void)
{
	static char name[256];

	memset(name, 'd', 255);
	return name;
}

/* Makes directories below each other, and goes down.  Return: how many. */
static long go_down(void)
{
	long n = 0;

	if (chdir(pool) < 0 || (mkdir(mine, 0700) < 0 && errno != EEXIST) ||
	    chdir(mine) < 0)
		fail(mine);
	while (n < nr && mkdir(long_name(), 0700) == 0 &&
	       chdir(long_name()) == 0)
		n++;
	return n;
}

static void go_up(long n)
{
	while (n-- && chdir("..") == 0 && rmdir(long_name()) == 0)
		;
}

static void attack_deep(void)
{
	ready(go_down());
	while (more()) {
		close(open("file", O_RDWR | O_CREAT | O_CLOEXEC, 0600));
		unlink("file");
	}
}

static void attack_chain(void)
{
	ready(nr);
	while (more())
		go_up(go_down());
}

static void attack_control(void)
{
	static const char *const files[] = { "stats", "metrics", "pressure",
					     "config" };
	long n = 0;

	while (n < nr && open(path_of(".pool/%s", files[n % 4]), O_RDONLY) >= 0)
		n++;
	ready(n);
	for (long i = 0; more(); i++)
		close(open(path_of(".pool/%s", files[i % 4]), O_RDONLY));
}

static void attack_files(void)
{
	int *fd = calloc(nr, sizeof(*fd));
	char buf[16] = "";
	long n = 0;

	mkdir(path_of("%s", mine), 0700);
	for (; n < nr; n++) {
		fd[n] = open(path_of("%s/%ld", mine, n),
			     O_RDWR | O_CREAT | O_CLOEXEC, 0600);
		if (fd[n] < 0)
			break;
	}
	ready(n);
	for (long i = 0; more(); i++) {
		if (pwrite(fd[i % n], buf, 16, 0) < 0)
			continue;
		(void)!pread(fd[i % n], buf, 16, 0);
	}
}

static void attack_full(void)
{
	static char buf[1 << 20];
	long n = 0;
	int fd = -1;

	memset(buf, 'f', sizeof(buf));
	for (; n < nr; n++) {
		fd = open(path_of("%s.%ld", mine, n),
			  O_RDWR | O_CREAT | O_CLOEXEC, 0600);
		if (fd < 0 || write(fd, buf, sizeof(buf)) <= 0)
			break;
		close(fd);
	}
	ready(n);
	while (more()) {
		(void)!pwrite(fd, buf, sizeof(buf), 0);
		close(open(path_of(".pool/stats"), O_RDONLY | O_CLOEXEC));
		close(open(path_of("%s", mine), O_RDWR | O_CREAT, 0600));
		unlink(path_of("%s", mine));
	}
}

/* Return: how many names the file has. */
static long link_many(void)
{
	struct stat st;
	long n = 0;
	int fd;

	if (mkdir(path_of("%s", mine), 0700) < 0)
		fail(mine);
	fd = open(path_of("%s/file", mine), O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	if (fd < 0 || write(fd, mine, sizeof(mine)) <= 0)
		fail(mine);
	for (; n < nr; n++) {
		char *from = strdup(path_of("%s/file", mine));
		int err = link(from, path_of("%s/%ld", mine, n));

		free(from);
		if (err)
			break;
	}
	if (fsetxattr(fd, "user.pool.volatile", "1", 1, 0) < 0)
		fail("volatile");
	close(fd);
	while (!stat(path_of("%s/file", mine), &st))
		usleep(1000);
	return n;
}

static void attack_purgedlinks(void)
{
	bool first = true;

	while (first || more()) {
		long n = link_many();

		if (first)
			ready(n);
		first = false;
		if (rmdir(path_of("%s", mine)) < 0)
			fail("rmdir");
	}
}

static void attack_fallocate(void)
{
	bool first = true;

	while (first || more()) {
		int fd = open(path_of("%s", mine), O_RDWR | O_CREAT | O_CLOEXEC,
			      0600);

		while (fd >= 0 && fallocate(fd, 0, 0, nr) < 0 && nr > PAGE)
			nr /= 2;
		if (first)
			ready(nr);
		first = false;
		unlink(path_of("%s", mine));
		close(fd);
	}
}

static const struct kind {
	const char *name;
	void (*run)(void);
} kinds[] = {
	{ "boxes", attack_boxes },
	{ "handles", attack_handles },
	{ "removed", attack_removed },
	{ "transactions", attack_transactions },
	{ "ranges", attack_ranges },
	{ "pins", attack_pins },
	{ "writers", attack_writers },
	{ "deep", attack_deep },
	{ "chain", attack_chain },
	{ "control", attack_control },
	{ "files", attack_files },
	{ "full", attack_full },
	{ "pollers", attack_pollers },
	{ "moves", attack_moves },
	{ "copy", attack_copy },
	{ "listplus", attack_listplus },
	{ "split", attack_split },
	{ "acl", attack_acl },
	{ "forgets", attack_forgets },
	{ "chmodsend", attack_chmodsend },
	{ "statbox", attack_statbox },
	{ "deaddirs", attack_deaddirs },
	{ "receivers", attack_receivers },
	{ "fallocate", attack_fallocate },
	{ "purgedlinks", attack_purgedlinks },
};

int main(int argc, char **argv)
{
	struct rlimit rl;

	if (argc < 4 || argc > 5)
		usage("KIND POOL NR [ROUNDS]");
	pool = argv[2];
	nr = to_size(argv[3]);
	rounds = argc == 5 ? atol(argv[4]) : -1;
	snprintf(mine, sizeof(mine), "%s.%d", argv[1], getpid());
	if (!getrlimit(RLIMIT_NOFILE, &rl)) {
		rl.rlim_cur = rl.rlim_max;
		setrlimit(RLIMIT_NOFILE, &rl);
	}
	for (size_t i = 0; i < sizeof(kinds) / sizeof(*kinds); i++) {
		if (strcmp(kinds[i].name, argv[1]))
			continue;
		kinds[i].run();
		puts("done");
		fflush(stdout);
		while (getchar() != EOF)
			;
		return 0;
	}
	usage("KIND POOL NR [ROUNDS]");
}
