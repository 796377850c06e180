/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Boxes: sent, received, waited for, freed; full ones; what is in the way. */
#include "tests/tools/everyop_parts/said.h"

#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <sys/mman.h>

#define BOX "box/w"
#define BOX_BYTES 65536

static char buf[BOX_BYTES * 2];
static long first_id; /* ids go on from one run to the next */

/* --- what waits, in a thread of its own --- */

struct waiting {
	pthread_t thread;
	ssize_t (*wait)(int fd);
	int fd;
	ssize_t result;
	int error;
	_Atomic bool done;
};

static void *waiting_thread(void *arg)
{
	struct waiting *w = arg;

	w->result = w->wait(w->fd);
	w->error = errno;
	w->done = true;
	return NULL;
}

static void wait_begin(struct waiting *w, ssize_t (*wait)(int fd), int fd)
{
	*w = (struct waiting){ .wait = wait, .fd = fd };
	if (pthread_create(&w->thread, NULL, waiting_thread, w))
		fail("pthread_create");
	usleep(2000); /* most likely it waits now */
}

static void wait_end(struct waiting *w, const char *what)
{
	pthread_join(w->thread, NULL);
	errno = w->error;
	told(what, w->result);
}

static void on_signal(int number)
{
}

/* The signal may come too early. */
static void wait_interrupt(struct waiting *w, const char *what)
{
	while (!w->done) {
		pthread_kill(w->thread, SIGUSR1);
		usleep(2000);
	}
	wait_end(w, what);
}

static ssize_t wait_read(int fd)
{
	static char header[512];

	return read(fd, header, sizeof(header)) > 0 ? 1 : -1;
}

static ssize_t wait_poll(int fd)
{
	struct pollfd p = { .fd = fd, .events = POLLIN };

	return poll(&p, 1, 60000) == 1 ? p.revents : -1;
}

static ssize_t wait_write(int fd)
{
	return write(fd, buf, 30000);
}

/* --- headers --- */

static long number_after(const char *text, const char *field)
{
	const char *found = strstr(text, field);

	return found ? strtol(found + strlen(field), NULL, 10) : -1;
}

/* Of a header: what two runs have in common.  Return: its id. */
static long told_header(ssize_t n, char *text)
{
	long id;

	told("header", n > 0 ? 1 : n);
	if (n <= 0)
		return 0;
	text[n] = 0;
	id = number_after(text, "\"id\":");
	if (!first_id)
		first_id = id;
	fprintf(said, "\tid %ld size %ld uid %ld newline %d\n", id - first_id,
		number_after(text, "\"size\":"), number_after(text, "\"uid\":"),
		text[n - 1] == '\n');
	return id;
}

static long receive(int fd)
{
	char text[512];

	return told_header(read(fd, text, sizeof(text) - 1), text);
}

/* --- the parts --- */

static int sender(int flags)
{
	return tell_done(open(at(BOX "/send"), O_WRONLY | O_CLOEXEC | flags));
}

static void send_some(void)
{
	int fd = sender(0);

	tell(write(fd, "one ", 4));
	tell(write(fd, "transaction", 11));
	tell(close(fd));
	fd = sender(0);
	tell(write(fd, "synced", 6));
	tell(fsync(fd));
	tell(write(fd, "and more", 8));
	tell(lseek(fd, 0, SEEK_SET));
	tell(close(fd));
	fd = sender(O_DSYNC);
	tell(write(fd, "first", 5));
	tell(write(fd, "second", 6));
	tell(close(fd));
	fd = sender(O_TRUNC);
	tell(close(fd)); /* an empty one */
	fd = sender(0);
	tell(write(fd, buf, BOX_BYTES + 1));
	tell(fsync(fd));
	tell(close(fd));
	tell_names(at(BOX));
	told("queued", field_of(at(BOX "/stat"), "queued"));
}

static void receive_all(void)
{
	int fd = tell_done(
		open(at(BOX "/recv"), O_RDONLY | O_NONBLOCK | O_CLOEXEC));
	char text[512], *map;
	int data, tx;
	ssize_t n;
	long id;

	data = tell_done(open(at(BOX "/data"), O_RDONLY | O_CLOEXEC));
	map = mmap(NULL, BOX_BYTES, PROT_READ, MAP_SHARED, data, 0);
	told("mmap", map == MAP_FAILED ? -1 : 0);
	tell(poll(&(struct pollfd){ .fd = fd, .events = POLLIN }, 1, 0));
	/* A header in two pieces. */
	n = read(fd, text, 10);
	tell(n);
	if (n > 0)
		n += read(fd, text + n, sizeof(text) - 1 - n);
	id = told_header(n, text);
	told_bytes("map", 15, map + number_after(text, "\"offset\":"));
	tell_content(at(BOX "/tx/%ld", id), 6);
	tell_lstat(at(BOX "/tx/%ld", id));
	/* Freed while it is read. */
	tx = tell_done(open(at(BOX "/tx/%ld", id), O_RDONLY | O_CLOEXEC));
	tell(unlink(at(BOX "/tx/%ld", id)));
	tell(unlink(at(BOX "/tx/%ld", id)));
	told_bytes("held", pread(tx, text, 100, 4), text);
	tell(close(tx));
	while ((id = receive(fd))) {
		tell_content(at(BOX "/tx/%ld", id), 100);
		tell(unlink(at(BOX "/tx/%ld", id)));
	}
	tell(poll(&(struct pollfd){ .fd = fd, .events = POLLIN }, 1, 0));
	tell(munmap(map, BOX_BYTES));
	tell(close(data));
	tell(close(fd));
	/* Half of a header: it goes back. */
	data = sender(0);
	tell(write(data, "back", 4));
	tell(close(data));
	for (int i = 0; i < 2; i++) {
		fd = tell_done(open(at(BOX "/recv"), O_RDONLY | O_CLOEXEC));
		tell(read(fd, text, i ? 500 : 5) > 0);
		tell(close(fd));
	}
	tell_names(at(BOX "/tx/.."));
	told("delivered", field_of(at(BOX "/stat"), "delivered"));
}

static void free_all(void)
{
	long from = first_id;

	for (long id = from; id < from + 14; id++)
		if (unlink(at(BOX "/tx/%ld", id)) == 0)
			told("freed", id - from);
	tell_names(at(BOX "/tx"));
}

static void wait_for_it(void)
{
	int fd = tell_done(open(at(BOX "/recv"), O_RDONLY | O_CLOEXEC));
	struct sigaction action = { .sa_handler = on_signal };
	struct waiting w;
	int send, full;
	long id;

	sigaction(SIGUSR1, &action, NULL);
	wait_begin(&w, wait_poll, fd);
	send = sender(0);
	tell(write(send, "polled", 6));
	tell(close(send));
	wait_end(&w, "poll");
	id = receive(fd);
	tell(unlink(at(BOX "/tx/%ld", id)));
	wait_begin(&w, wait_read, fd);
	send = sender(0);
	tell(write(send, "awaited", 7));
	tell(close(send));
	wait_end(&w, "read");
	free_all();
	wait_begin(&w, wait_read, fd);
	wait_interrupt(&w, "interrupted");
	/* A full box. */
	full = sender(0);
	tell(write(full, buf, 60000));
	tell(fsync(full));
	send = sender(O_NONBLOCK);
	tell(write(send, buf, 30000));
	tell(close(send));
	send = sender(0);
	wait_begin(&w, wait_write, send);
	wait_interrupt(&w, "interrupted");
	wait_begin(&w, wait_write, send);
	id = receive(fd);
	tell(unlink(at(BOX "/tx/%ld", id)));
	wait_end(&w, "write");
	tell(close(send));
	tell(close(full));
	id = receive(fd);
	tell_content(at(BOX "/tx/%ld", id), 4096);
	tell(close(fd));
}

void do_boxes(void)
{
	first_id = 0;
	memset(buf, 'b', sizeof(buf));
	tell(mkdir(at(BOX), 0755));
	tell(mkdir(at(BOX), 0755));
	tell_names(at("box"));
	tell(truncate(at(BOX "/data"), BOX_BYTES));
	tell(truncate(at(BOX "/data"), 0));
	tell_lstat(at(BOX "/data"));
	tell(chmod(at(BOX "/send"), 0222));
	tell(chmod(at(BOX "/tx"), 0750));
	if (root)
		tell(chown(at(BOX "/recv"), 1234, 1234));
	send_some();
	tell_lstat(at(BOX));
	tell_lstat(at(BOX "/send"));
	tell_lstat(at(BOX "/recv"));
	tell_lstat(at(BOX "/tx"));
	receive_all();
	tell(rmdir(at(BOX)));
	free_all();
	wait_for_it();
	tell(truncate(at(BOX "/data"), 2 * BOX_BYTES));
	free_all();
	tell(truncate(at(BOX "/data"), 2 * BOX_BYTES));
	tell_lstat(at(BOX "/data"));
	tell(link(at(BOX "/data"), at(BOX "/x")));
	tell(rename(at(BOX), at("box/x")));
	tell(mknod(at(BOX "/x"), S_IFREG | 0600, 0));
	tell(open(at(BOX "/x"), O_RDWR | O_CREAT | O_CLOEXEC, 0600));
	tell(rmdir(at(BOX)));
	tell(rmdir(at(BOX)));
	tell_names(at("box"));
}
