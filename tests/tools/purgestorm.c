/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * purgestorm - use thousands of volatile files while they are purged.
 *
 *	purgestorm [--least N] [--scan FILE PAGES] DIR FILES SECONDS
 *
 * What a file contains follows from a number at its beginning, and that number
 * says which names it may have:
 *
 *	[slot and serial, 8 bytes][bytes made of it ...]	SLOT.a SLOT.b SLOT.c
 *
 * Threads make files of DIR, a volatile directory, read them, map them, rewrite
 * them with the same bytes, rename, link, copy, shorten and remove them, and one
 * writes "0 0 PAGES" into FILE, the scan of a shrinker, every 5 ms.  A file may
 * be absent at any call.  If it is there, all of it is: any other byte, size or
 * error ends the program with 5, a signal for a mapping with 4.
 *
 * With --least it goes on until each of these has been done N times, for two
 * minutes at most.
 *
 * Shortening a file that is being read shows zeros on any file system, so who
 * does that has the slot for itself; the purge asks nobody.
 */
#include "tests/tools/lib/tool.h"

#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <sys/mman.h>
#include <sys/stat.h>

#define USAGE "[--least N] [--scan FILE PAGES] DIR FILES SECONDS"
#define LEAST_SECONDS 120
#define THREADS 6
#define SIZE_MAX_OF_FILE (48 << 10)
#define NAMES "abc"

enum what {
	MADE,
	OPENED,
	READ,
	MAPPED,
	REWRITTEN,
	RENAMED,
	LINKED,
	COPIED,
	SHORTENED,
	REMOVED,
	ABSENT,
	STALE,
	SCANS,
	NR_WHAT,
};

static const char *const what_name[NR_WHAT] = {
	[MADE] = "made",	   [OPENED] = "opened",
	[READ] = "read",	   [MAPPED] = "mapped",
	[REWRITTEN] = "rewritten", [RENAMED] = "renamed",
	[LINKED] = "linked",	   [COPIED] = "copied",
	[SHORTENED] = "shortened", [REMOVED] = "removed",
	[ABSENT] = "absent",	   [STALE] = "stale",
	[SCANS] = "scans",
};

static atomic_ulong counts[NR_WHAT];
static pthread_rwlock_t *slots;
static unsigned long nr_slots;
static atomic_uint serial;
static double end;
static unsigned long least;
static const char *scan_file, *scan_pages;

struct storm {
	pthread_t thread;
	unsigned int seed;
	char tmp[32]; /* a name nobody else has */
	unsigned char *buf; /* SIZE_MAX_OF_FILE + 1 */
};

static void done(enum what what)
{
	atomic_fetch_add(&counts[what], 1);
}

/* A stale answer is none that must be. */
static bool goes_on(void)
{
	if (now() < end)
		return true;
	for (int i = 0; i < NR_WHAT; i++)
		if (i != STALE && (i != SCANS || scan_file) &&
		    counts[i] < least)
			return now() < end + LEAST_SECONDS;
	return false;
}

__attribute__((format(printf, 1, 2))) static _Noreturn void
nonsense(const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	vfprintf(stderr, fmt, ap);
	va_end(ap);
	fputc('\n', stderr);
	/* other threads go on meanwhile, and must not get in the way */
	_exit(EXIT_NONSENSE);
}

static void on_sigbus(int sig)
{
	static const char text[] = "purgestorm: SIGBUS\n";
	ssize_t n = write(STDERR_FILENO, text, sizeof(text) - 1);

	_exit(n < 0 ? 1 : EXIT_SIGBUS);
}

/* --- what a file contains --- */

static uint64_t mix(uint64_t x)
{
	x = (x ^ x >> 31) * 0x7fb5d329728ea185;
	x = (x ^ x >> 27) * 0x81dadef4bc2dd44d;
	return x ^ x >> 33;
}

static size_t size_of(uint64_t number)
{
	return 64 + mix(number) % (SIZE_MAX_OF_FILE - 64);
}

/* The one size that it may be shortened to. */
static size_t short_size_of(uint64_t number)
{
	return 16 + size_of(number) / 3;
}

static unsigned char byte_of(uint64_t number, size_t at)
{
	uint64_t word = at < 8 ? number : mix(number + at / 8);

	return word >> at % 8 * 8;
}

static void content(uint64_t number, unsigned char *buf, size_t size)
{
	for (size_t i = 0; i < size; i++)
		buf[i] = byte_of(number, i);
}

/* Return: the number of the file, whose content this must be. */
static uint64_t verify(const char *name, const unsigned char *buf, size_t size)
{
	uint64_t number;

	if (size < sizeof(number))
		nonsense("%s: %zu bytes", name, size);
	memcpy(&number, buf, sizeof(number));
	if (number >> 32 != strtoul(name, NULL, 10))
		nonsense("%s: file %ju of slot %ju", name,
			 (uintmax_t)(number & UINT32_MAX),
			 (uintmax_t)(number >> 32));
	if (size != size_of(number) && size != short_size_of(number))
		nonsense("%s: %zu bytes, not %zu or %zu", name, size,
			 size_of(number), short_size_of(number));
	for (size_t i = 0; i < size; i++)
		if (buf[i] != byte_of(number, i))
			nonsense("%s: byte %zu of %zu is %#x, not %#x", name, i,
				 size, buf[i], byte_of(number, i));
	return number;
}

/* --- calls that may find the file absent --- */

/*
 * After a call by name.  The kernel asks once more when a file goes between two
 * steps of a call, and gives up if that happens twice: then the caller does.
 * Return: whether it was carried out.
 */
static bool there(const char *call, const char *name, int result)
{
	if (result >= 0)
		return true;
	if (errno == ENOENT)
		done(ABSENT);
	else if (errno == ESTALE)
		done(STALE);
	else
		nonsense("%s %s: %s", call, name, strerrorname_np(errno));
	return false;
}

static int open_there(const char *name, int flags)
{
	int fd = open(name, flags | O_CLOEXEC);

	for (int i = 0; fd < 0 && errno == ESTALE; i++) {
		done(STALE);
		if (i == 100)
			nonsense("open %s: ESTALE for ever", name);
		fd = open(name, flags | O_CLOEXEC);
	}
	if (!there("open", name, fd))
		return -1;
	done(OPENED);
	return fd;
}

static size_t size_now(const char *name, int fd)
{
	struct stat st;

	if (fstat(fd, &st))
		nonsense("fstat %s: %s", name, strerrorname_np(errno));
	return st.st_size;
}

/* Return: bytes; none is missing, and there are no more. */
static size_t read_whole(struct storm *s, const char *name, int fd)
{
	size_t n = 0;
	ssize_t got;

	while ((got = pread(fd, s->buf + n, SIZE_MAX_OF_FILE + 1 - n, n)) > 0)
		n += got;
	if (got < 0)
		nonsense("read %s: %s", name, strerrorname_np(errno));
	if (n != size_now(name, fd))
		nonsense("%s: %zu bytes of %zu", name, n, size_now(name, fd));
	return n;
}

static void a_name(struct storm *s, unsigned long slot, char name[32])
{
	snprintf(name, 32, "%lu.%c", slot,
		 NAMES[rand_r(&s->seed) % (sizeof(NAMES) - 1)]);
}

/* --- what is done with a slot, by many at a time --- */

/* Nobody sees a file before it is whole. */
static void publish(struct storm *s, const char *name, enum what what)
{
	if (there("rename", s->tmp, rename(s->tmp, name)))
		done(what);
}

static void make(struct storm *s, unsigned long slot, const char *name)
{
	uint64_t number = (uint64_t)slot << 32 | atomic_fetch_add(&serial, 1);
	size_t size = size_of(number);
	int fd = open(s->tmp, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);

	if (fd < 0)
		nonsense("open %s: %s", s->tmp, strerrorname_np(errno));
	content(number, s->buf, size);
	write_all(fd, s->buf, size);
	if (close(fd))
		nonsense("close %s: %s", s->tmp, strerrorname_np(errno));
	publish(s, name, MADE);
}

static void read_it(struct storm *s, unsigned long slot, const char *name)
{
	int fd = open_there(name, O_RDONLY);

	if (fd < 0) {
		make(s, slot, name);
		return;
	}
	if (rand_r(&s->seed) % 4 == 0)
		usleep(rand_r(&s->seed) % 3000);
	verify(name, s->buf, read_whole(s, name, fd));
	close(fd);
	done(READ);
}

/* The mapping is looked at after the file was closed. */
static void map_it(struct storm *s, const char *name)
{
	int fd = open_there(name, O_RDONLY);
	unsigned char *map;
	size_t size;

	if (fd < 0)
		return;
	size = size_now(name, fd);
	if (!size)
		nonsense("%s: 0 bytes to map", name);
	map = mmap(NULL, size, PROT_READ, MAP_SHARED, fd, 0);
	if (map == MAP_FAILED)
		nonsense("mmap %s: %s", name, strerrorname_np(errno));
	close(fd);
	usleep(rand_r(&s->seed) % 5000);
	verify(name, map, size);
	munmap(map, size);
	done(MAPPED);
}

static void rewrite(struct storm *s, const char *name)
{
	int fd = open_there(name, O_RDWR);
	uint64_t number;
	size_t from, size;

	if (fd < 0)
		return;
	number = verify(name, s->buf, read_whole(s, name, fd));
	size = short_size_of(number);
	from = rand_r(&s->seed) % size;
	content(number, s->buf, size);
	if (pwrite(fd, s->buf + from, size - from, from) != size - from)
		nonsense("write %s: %s", name, strerrorname_np(errno));
	verify(name, s->buf, read_whole(s, name, fd));
	close(fd);
	done(REWRITTEN);
}

static void copy(struct storm *s, const char *name, const char *to)
{
	int in = open_there(name, O_RDONLY), out;
	size_t size, left;

	if (in < 0)
		return;
	out = open(s->tmp, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	if (out < 0)
		nonsense("open %s: %s", s->tmp, strerrorname_np(errno));
	size = left = size_now(name, in);
	while (left) {
		ssize_t n = copy_file_range(in, NULL, out, NULL, left, 0);

		if (n <= 0)
			nonsense("copy_file_range %s: %s at %zu of %zu", name,
				 n ? strerrorname_np(errno) : "0", size - left,
				 size);
		left -= n;
	}
	verify(name, s->buf, read_whole(s, name, out));
	close(in);
	close(out);
	publish(s, to, COPIED);
}

static void link_it(const char *name, const char *to)
{
	int result = link(name, to);

	if ((result == 0 || errno != EEXIST) && there("link", name, result))
		done(LINKED);
}

/* --- and by one alone --- */

static void shorten(struct storm *s, const char *name)
{
	int fd = open_there(name, O_RDONLY);
	uint64_t number;

	if (fd < 0)
		return;
	number = verify(name, s->buf, read_whole(s, name, fd));
	close(fd);
	if (there("truncate", name, truncate(name, short_size_of(number))))
		done(SHORTENED);
}

static void alone(struct storm *s, unsigned long slot, const char *name)
{
	if (pthread_rwlock_trywrlock(&slots[slot]))
		return;
	shorten(s, name);
	pthread_rwlock_unlock(&slots[slot]);
}

static void step(struct storm *s)
{
	unsigned long slot = rand_r(&s->seed) % nr_slots;
	unsigned int dice = rand_r(&s->seed) % 100;
	char name[32], to[32];

	a_name(s, slot, name);
	a_name(s, slot, to);
	if (dice < 5) {
		alone(s, slot, name);
		return;
	}
	pthread_rwlock_rdlock(&slots[slot]);
	if (dice < 45)
		read_it(s, slot, name);
	else if (dice < 60)
		map_it(s, name);
	else if (dice < 70)
		rewrite(s, name);
	else if (dice < 80 && there("rename", name, rename(name, to)))
		done(RENAMED);
	else if (dice >= 80 && dice < 88)
		link_it(name, to);
	else if (dice >= 88 && dice < 95)
		copy(s, name, to);
	else if (dice >= 95 && there("unlink", name, unlink(name)))
		done(REMOVED);
	pthread_rwlock_unlock(&slots[slot]);
}

/* --- threads --- */

static void *storm_main(void *arg)
{
	struct storm *s = arg;

	while (goes_on())
		step(s);
	return NULL;
}

static void *scan_main(void *arg)
{
	char text[64];
	int len = snprintf(text, sizeof(text), "0 0 %s", scan_pages);

	while (goes_on()) {
		int fd = open(scan_file, O_WRONLY | O_CLOEXEC);

		if (fd < 0)
			fail(scan_file);
		write_all(fd, text, len);
		close(fd);
		done(SCANS);
		usleep(5000);
	}
	return NULL;
}

static void storm_start(struct storm *s, unsigned int nr)
{
	s->seed = nr * 7919 + getpid();
	snprintf(s->tmp, sizeof(s->tmp), "tmp.%d.%u", getpid(), nr);
	s->buf = malloc(SIZE_MAX_OF_FILE + 1);
	if (!s->buf)
		fail("malloc");
	errno = pthread_create(&s->thread, NULL, storm_main, s);
	if (errno)
		fail("pthread_create");
}

static void run(void)
{
	struct storm storms[THREADS];
	pthread_t scanner;

	for (unsigned int i = 0; i < THREADS; i++)
		storm_start(&storms[i], i);
	errno = scan_file ? pthread_create(&scanner, NULL, scan_main, NULL) : 0;
	if (errno)
		fail("pthread_create");
	for (unsigned int i = 0; i < THREADS; i++) {
		pthread_join(storms[i].thread, NULL);
		free(storms[i].buf);
	}
	if (scan_file)
		pthread_join(scanner, NULL);
}

int main(int argc, char **argv)
{
	if (argc > 2 && !strcmp(argv[1], "--least")) {
		least = to_size(argv[2]);
		argv += 2;
		argc -= 2;
	}
	if (argc > 3 && !strcmp(argv[1], "--scan")) {
		scan_file = argv[2];
		scan_pages = argv[3];
		argv += 3;
		argc -= 3;
	}
	if (argc != 4)
		usage(USAGE);
	nr_slots = to_size(argv[2]);
	slots = calloc(nr_slots, sizeof(*slots));
	if (!nr_slots || !slots)
		usage(USAGE);
	for (unsigned long i = 0; i < nr_slots; i++)
		pthread_rwlock_init(&slots[i], NULL);
	if (chdir(argv[1]))
		fail(argv[1]);
	signal(SIGBUS, on_sigbus);
	/* numbers of another run, in the same directory, are others */
	serial = (unsigned int)getpid() << 16;
	end = now() + atof(argv[3]);
	run();
	for (int i = 0; i < NR_WHAT; i++)
		printf("%s %lu\n", what_name[i], counts[i]);
	free(slots);
	return 0;
}
