/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * boxload - send and receive in many ways at once, and look at everything.
 *
 *	boxload [--boxes N] [--senders N] [--receivers N] DIR STOP
 *
 * DIR is the pool's box/.  Makes N boxes there, 3 if nothing is said, with 4
 * senders and 2 receivers each, threads of this program.  When the file STOP is
 * there the senders end, everything is received and freed, and the boxes are
 * removed.
 *
 *	sender		box			receiver
 *	numbers its	id 1 id 2 ...		ids rise; holds some, whose names
 *	messages 1, 2...			and bytes must be there, each once
 *
 * Each message must arrive once, with all of its bytes, and those of one sender
 * in the order of their ids.  Meanwhile box/ is listed, where boxes come and go.
 * Prints one line of counts; the first thing that is wrong ends it, status 5, or
 * a status of tool.h.
 */
#include "tests/tools/lib/tool.h"

#include <fcntl.h>
#include <getopt.h>
#include <poll.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <dirent.h>

#define USAGE "[--boxes N] [--senders N] [--receivers N] DIR STOP"
#define BOX_SIZE (1u << 20)
#define LONGEST (24u << 10)
#define HOLD_MOST 8
#define MESSAGES_MOST (64ul << 20) /* of one sender: memory when it is used */
#define NOBODY UINT32_MAX /* sends a message that ends a receiver */

/* What a message begins with; bytes that follow from it fill the rest. */
struct head {
	uint32_t sender;
	uint32_t size; /* bytes, with this */
	uint64_t nr; /* 0, 1, ... */
};

struct sender {
	pthread_t thread;
	struct box *box;
	uint32_t index;
	unsigned int seed;
	uint64_t sent; /* messages */
	_Atomic uint64_t *id; /* by number of the message; 0: not received */
	unsigned char buf[LONGEST];
};

/* A transaction that was received and is not freed. */
struct held {
	uint64_t id;
	uint64_t offset;
	uint32_t size;
	int seen; /* in a listing */
};

struct receiver {
	pthread_t thread;
	struct box *box;
	int index;
	unsigned int seed;
	const unsigned char *data; /* mapped */
	uint64_t last_id;
	uint64_t last_freed;
	struct held held[HOLD_MOST];
	int nr_held;
	unsigned char buf[LONGEST + 1];
};

struct box {
	char path[1024];
	struct sender *senders;
	struct receiver *receivers;
};

static int nr_boxes = 3, nr_senders = 4, nr_receivers = 2;
static const char *dir, *stop_file;
static struct box *boxes;
static atomic_bool stop;
static atomic_ulong nr_sent, nr_received, nr_listed, nr_box_lists;

__attribute__((format(printf, 1, 2))) static _Noreturn void
nonsense(const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	fputs("boxload: ", stderr);
	vfprintf(stderr, fmt, ap);
	va_end(ap);
	fputc('\n', stderr);
	/* other threads go on meanwhile, and must not get in the way */
	_exit(EXIT_NONSENSE);
}

static int open_in(const struct box *box, const char *name, int flags)
{
	char path[1100];
	int fd;

	snprintf(path, sizeof(path), "%s/%s", box->path, name);
	fd = open(path, flags | O_CLOEXEC);
	if (fd < 0)
		fail(path);
	return fd;
}

static void fill(unsigned char *to, const struct head *h)
{
	uint64_t x = h->nr * 0x9e3779b97f4a7c15 + h->sender + 1;

	memcpy(to, h, sizeof(*h));
	for (uint32_t at = sizeof(*h); at < h->size; at++) {
		x = x * 6364136223846793005 + 1442695040888963407;
		to[at] = x >> 56;
	}
}

/* --- sending --- */

enum how {
	CLOSED,
	IN_PIECES,
	FSYNCED,
	SYNCHRONOUS,
	NR_HOW
};

static void write_pieces(int fd, const unsigned char *p, size_t size, int nr)
{
	size_t piece = size / nr + 1;

	for (size_t at = 0; at < size; at += piece)
		write_all(fd, p + at, size - at < piece ? size - at : piece);
}

/* @fd: is kept open where that is possible. */
static void send_one(struct sender *s, int *fd)
{
	enum how how = s->index % NR_HOW;
	struct head h = { .sender = s->index, .nr = s->sent };
	unsigned int longest = rand_r(&s->seed) % 8 ? 600 : LONGEST;

	h.size = sizeof(h) + rand_r(&s->seed) % (longest - sizeof(h) + 1);
	fill(s->buf, &h);
	if (*fd < 0)
		*fd = open_in(s->box, "send",
			      O_WRONLY | (how == SYNCHRONOUS ? O_DSYNC : 0));
	write_pieces(*fd, s->buf, h.size, how == IN_PIECES ? 3 : 1);
	if (how == FSYNCED && fsync(*fd))
		fail("fsync");
	if (how == CLOSED || how == IN_PIECES || h.nr % 64 == 63) {
		if (close(*fd))
			fail("close");
		*fd = -1;
	}
	s->sent++;
	atomic_fetch_add(&nr_sent, 1);
}

static void *send_thread(void *arg)
{
	struct sender *s = arg;
	int fd = -1;

	while (!stop && s->sent < MESSAGES_MOST) {
		send_one(s, &fd);
		if (rand_r(&s->seed) % 16 == 0)
			usleep(rand_r(&s->seed) % 2000);
	}
	if (fd >= 0)
		close(fd);
	return NULL;
}

/* --- receiving --- */

static uint64_t field(const char *line, const char *key)
{
	char quoted[32];
	const char *p;

	snprintf(quoted, sizeof(quoted), "\"%s\"", key);
	p = strstr(line, quoted);
	if (!p)
		nonsense("a header without %s: %s", key, line);
	p += strlen(quoted);
	return strtoull(p + strspn(p, " :\""), NULL, 10);
}

static void read_header(struct receiver *r, int fd, struct held *out)
{
	struct pollfd pfd = { .fd = fd, .events = POLLIN };
	char line[4096];
	ssize_t n;

	do {
		if (r->index % 2 && poll(&pfd, 1, -1) != 1)
			fail("poll");
		n = read(fd, line, sizeof(line) - 1);
	} while (n < 0 && errno == EAGAIN && r->index % 2);
	if (n < 0)
		fail("recv");
	line[n] = 0;
	if (!n || line[n - 1] != '\n')
		nonsense("a strange header: %s", line);
	*out = (struct held){ .id = field(line, "id"),
			      .offset = field(line, "offset"),
			      .size = field(line, "size") };
	if (out->size > LONGEST || out->offset > BOX_SIZE - out->size)
		nonsense("a strange place: %s", line);
	if (out->id <= r->last_id)
		nonsense("%s: %ju after %ju", r->box->path, out->id,
			 r->last_id);
	r->last_id = out->id;
}

static const unsigned char *payload(struct receiver *r, const struct held *h)
{
	char name[32];
	ssize_t n;
	int fd;

	if (r->index % 4 < 2)
		return r->data + h->offset;
	snprintf(name, sizeof(name), "tx/%ju", h->id);
	fd = open_in(r->box, name, O_RDONLY);
	n = read(fd, r->buf, sizeof(r->buf));
	if (n < 0)
		fail(name);
	if (n != h->size)
		nonsense("%s/%s has %zd bytes, not %u", r->box->path, name, n,
			 h->size);
	close(fd);
	return r->buf;
}

/* Return: false: the message that ends a receiver. */
static bool look_at(struct receiver *r, const struct held *h, bool first)
{
	const unsigned char *is = payload(r, h);
	unsigned char wanted[LONGEST];
	_Atomic uint64_t *id;
	struct head head;

	memcpy(&head, is, sizeof(head));
	if (h->size == sizeof(head) && head.sender == NOBODY)
		return false;
	if (head.sender >= nr_senders || head.size != h->size ||
	    head.nr >= MESSAGES_MOST)
		nonsense("%s/tx/%ju: a strange payload", r->box->path, h->id);
	fill(wanted, &head);
	if (memcmp(wanted, is, h->size))
		nonsense("%s/tx/%ju: a wrong payload", r->box->path, h->id);
	id = &r->box->senders[head.sender].id[head.nr];
	if (first && atomic_exchange(id, h->id))
		nonsense("%s: message %ju of sender %u came twice",
			 r->box->path, head.nr, head.sender);
	if (!first && *id != h->id)
		nonsense("%s/tx/%ju has changed", r->box->path, h->id);
	if (first)
		atomic_fetch_add(&nr_received, 1);
	return true;
}

static void free_one(struct receiver *r)
{
	int i = rand_r(&r->seed) % r->nr_held;
	struct held h = r->held[i];
	char path[1100];

	look_at(r, &h, false);
	snprintf(path, sizeof(path), "%s/tx/%ju", r->box->path, h.id);
	if (unlink(path))
		fail(path);
	r->last_freed = h.id;
	r->held[i] = r->held[--r->nr_held];
}

/* Calls @each for the names of a directory, read in pieces of @piece bytes. */
static void list(const char *path, size_t piece,
		 void (*each)(void *arg, const char *name), void *arg)
{
	int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	_Alignas(8) char buf[8192];
	ssize_t size;

	if (fd < 0)
		fail(path);
	while ((size = getdents64(fd, buf, piece)) > 0)
		for (ssize_t at = 0; at < size;) {
			struct dirent64 *d = (struct dirent64 *)(buf + at);

			at += d->d_reclen;
			each(arg, d->d_name);
		}
	if (size < 0)
		fail(path);
	close(fd);
}

static void see_tx(void *arg, const char *name)
{
	struct receiver *r = arg;
	uint64_t id = strtoull(name, NULL, 10);

	if (id && id == r->last_freed)
		nonsense("%s/tx shows %ju, which was freed", r->box->path, id);
	for (int i = 0; i < r->nr_held; i++)
		r->held[i].seen += r->held[i].id == id;
}

/* All that this receiver holds has a name, and one only. */
static void list_tx(struct receiver *r)
{
	char path[1100];

	for (int i = 0; i < r->nr_held; i++)
		r->held[i].seen = 0;
	snprintf(path, sizeof(path), "%s/tx", r->box->path);
	list(path, 256 << rand_r(&r->seed) % 6, see_tx, r);
	for (int i = 0; i < r->nr_held; i++)
		if (r->held[i].seen != 1)
			nonsense("%s shows %ju %d times", path, r->held[i].id,
				 r->held[i].seen);
	atomic_fetch_add(&nr_listed, 1);
}

static void *receive_thread(void *arg)
{
	struct receiver *r = arg;
	int fd = open_in(r->box, "recv",
			 O_RDONLY | (r->index % 2 ? O_NONBLOCK : 0));
	bool more = true;

	do {
		struct held *h = &r->held[r->nr_held++];

		read_header(r, fd, h);
		more = look_at(r, h, true);
		if (rand_r(&r->seed) % 8 == 0)
			list_tx(r);
		while (more && r->nr_held > rand_r(&r->seed) % HOLD_MOST)
			free_one(r);
	} while (more);
	while (r->nr_held)
		free_one(r);
	close(fd);
	return NULL;
}

/* --- boxes --- */

static void see_box(void *arg, const char *name)
{
	int *seen = arg, i;

	if (sscanf(name, "load-%d", &i) == 1 && i >= 0 && i < nr_boxes)
		seen[i]++;
}

/* Boxes come and go, and a listing shows each of those that stay once. */
static void *list_thread(void *arg)
{
	int *seen = calloc(nr_boxes, sizeof(*seen));
	unsigned int seed = 1;
	char path[1100];

	for (unsigned long n = 0; !stop; n++) {
		snprintf(path, sizeof(path), "%s/come-and-go-%lu", dir, n % 4);
		if (mkdir(path, 0700))
			fail(path);
		memset(seen, 0, nr_boxes * sizeof(*seen));
		list(dir, 256 << rand_r(&seed) % 6, see_box, seen);
		for (int i = 0; i < nr_boxes; i++)
			if (seen[i] != 1)
				nonsense("%s shows load-%d %d times", dir, i,
					 seen[i]);
		if (rmdir(path))
			fail(path);
		atomic_fetch_add(&nr_box_lists, 1);
		usleep(1000);
	}
	free(seen);
	return NULL;
}

static void start(pthread_t *thread, void *(*run)(void *), void *arg)
{
	if (pthread_create(thread, NULL, run, arg))
		fail("pthread_create");
}

static void *map(const struct box *box)
{
	int fd = open_in(box, "data", O_RDONLY);
	void *data = mmap(NULL, BOX_SIZE, PROT_READ, MAP_SHARED, fd, 0);

	if (data == MAP_FAILED)
		fail("mmap");
	close(fd);
	return data;
}

static void make_box(struct box *box, int nr)
{
	char path[1100];

	snprintf(box->path, sizeof(box->path), "%s/load-%d", dir, nr);
	snprintf(path, sizeof(path), "%s/data", box->path);
	if (mkdir(box->path, 0700) || truncate(path, BOX_SIZE))
		fail(box->path);
	box->senders = calloc(nr_senders, sizeof(*box->senders));
	box->receivers = calloc(nr_receivers, sizeof(*box->receivers));
	for (int i = 0; i < nr_senders; i++) {
		struct sender *s = &box->senders[i];

		*s = (struct sender){ .box = box,
				      .index = i,
				      .seed = nr * 1000 + i };
		s->id = mmap(NULL, MESSAGES_MOST * sizeof(*s->id),
			     PROT_READ | PROT_WRITE,
			     MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1,
			     0);
		if (s->id == MAP_FAILED)
			fail("mmap");
	}
	for (int i = 0; i < nr_receivers; i++)
		box->receivers[i] =
			(struct receiver){ .box = box,
					   .index = nr * nr_receivers + i,
					   .seed = nr * 1000 + i,
					   .data = map(box) };
}

static void end_receivers(struct box *box)
{
	struct head last = { .sender = NOBODY, .size = sizeof(last) };

	for (int i = 0; i < nr_receivers; i++) {
		int fd = open_in(box, "send", O_WRONLY);

		write_all(fd, &last, sizeof(last));
		if (close(fd))
			fail("close");
	}
	for (int i = 0; i < nr_receivers; i++)
		pthread_join(box->receivers[i].thread, NULL);
}

static void look_at_all(const struct box *box)
{
	for (int i = 0; i < nr_senders; i++) {
		const struct sender *s = &box->senders[i];
		uint64_t before = 0;

		for (uint64_t nr = 0; nr < s->sent; nr++) {
			if (!s->id[nr])
				nonsense("%s: message %ju of sender %d is lost",
					 box->path, nr, i);
			if (s->id[nr] <= before)
				nonsense("%s: message %ju of sender %d: out of "
					 "order",
					 box->path, nr, i);
			before = s->id[nr];
		}
	}
}

int main(int argc, char **argv)
{
	static const struct option longopts[] = {
		{ "boxes", required_argument, NULL, 'b' },
		{ "senders", required_argument, NULL, 's' },
		{ "receivers", required_argument, NULL, 'r' },
		{},
	};
	pthread_t lister;
	int c;

	while ((c = getopt_long(argc, argv, "", longopts, NULL)) != -1) {
		if (c == 'b')
			nr_boxes = atoi(optarg);
		else if (c == 's')
			nr_senders = atoi(optarg);
		else if (c == 'r')
			nr_receivers = atoi(optarg);
		else
			usage(USAGE);
	}
	if (argc - optind != 2 || nr_boxes < 1 || nr_senders < 1 ||
	    nr_receivers < 1)
		usage(USAGE);
	dir = argv[optind];
	stop_file = argv[optind + 1];
	boxes = calloc(nr_boxes, sizeof(*boxes));
	for (int b = 0; b < nr_boxes; b++)
		make_box(&boxes[b], b);
	for (int b = 0; b < nr_boxes; b++) {
		for (int i = 0; i < nr_receivers; i++)
			start(&boxes[b].receivers[i].thread, receive_thread,
			      &boxes[b].receivers[i]);
		for (int i = 0; i < nr_senders; i++)
			start(&boxes[b].senders[i].thread, send_thread,
			      &boxes[b].senders[i]);
	}
	start(&lister, list_thread, NULL);
	while (access(stop_file, F_OK))
		usleep(20000);
	stop = true;
	pthread_join(lister, NULL);
	for (int b = 0; b < nr_boxes; b++)
		for (int i = 0; i < nr_senders; i++)
			pthread_join(boxes[b].senders[i].thread, NULL);
	for (int b = 0; b < nr_boxes; b++) {
		end_receivers(&boxes[b]);
		look_at_all(&boxes[b]);
		if (rmdir(boxes[b].path))
			fail(boxes[b].path);
	}
	printf("%lu sent, %lu received, %lu listings of tx/, %lu of box/\n",
	       nr_sent, nr_received, nr_listed, nr_box_lists);
	return nr_sent == nr_received ? 0 : EXIT_NONSENSE;
}
