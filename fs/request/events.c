/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The ring of events: see events.h. */
#include "fs/request/events.h"

#include <errno.h>
#include <fcntl.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#include "pool/store/wrong.h"

struct event_line {
	_Atomic uint64_t number; /* set last: the line is whole */
	uint16_t len;
	uint16_t common; /* bytes for everybody, 0: all; the rest is for @uid */
	uint32_t uid;
	char text[EVENT_LINE];
};
_Static_assert(EVENT_LINE <= UINT16_MAX, "event_line");

struct event_ring {
	_Atomic uint64_t next; /* number of the next event; the first is 1 */
	struct event_line line[EVENTS_MAX];
	/* Of the request that each is about, 0: none. */
	uint64_t token[EVENTS_MAX];
};

int events_open(struct events *ev, int dirfd, uid_t owner, bool fresh)
{
	size_t size = sizeof(struct event_ring);
	void *ring = MAP_FAILED;
	int fd, err = 0;

	fd = openat(dirfd, "events", O_RDWR | O_CREAT | O_NOFOLLOW | O_CLOEXEC,
		    0600);
	if (fd < 0)
		return -errno;
	if (fallocate(fd, 0, 0, size) < 0)
		err = -errno;
	if (!err) {
		ring = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, fd,
			    0);
		err = ring == MAP_FAILED ? -errno : 0;
	}
	close(fd);
	if (err)
		return err;
	ev->ring = ring;
	ev->owner = owner;
	if (fresh)
		memset(ev->ring->token, 0, sizeof(ev->ring->token));
	if (!ev->ring->next)
		ev->ring->next = 1;
	pthread_mutex_init(&ev->lock, NULL);
	return 0;
}

static const char *ring_wrong(const struct event_ring *ring)
{
	if (ring->next > INT64_MAX)
		return "has more events than there can have been";
	for (int i = 0; i < EVENTS_MAX; i++) {
		const struct event_line *line = &ring->line[i];

		if (line->number &&
		    (line->number % EVENTS_MAX != i ||
		     line->number > ring->next || !line->len ||
		     line->len > EVENT_LINE || line->common > line->len ||
		     line->text[line->len - 1] != '\n'))
			return "has an event that none can be";
	}
	return NULL;
}

int events_validate(int dirfd, struct wrongs *w)
{
	struct event_ring *ring = malloc(sizeof(*ring) + 1);
	const char *bad = NULL;
	ssize_t n;
	int fd;

	if (!ring)
		return -ENOMEM;
	fd = openat(dirfd, "events", O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
	n = fd < 0 ? 0 : pread(fd, ring, sizeof(*ring) + 1, 0);
	if (n == sizeof(*ring))
		bad = ring_wrong(ring);
	else if (n) /* new, if a worker was killed when it had made it */
		bad = "has a length that it cannot have";
	if (fd >= 0)
		close(fd);
	free(ring);
	if (!bad)
		return 0;
	wrong(w, "the file \"events\" %s", bad);
	return w->drop && unlinkat(dirfd, "events", 0) < 0 ? -errno : 0;
}

void events_release(struct events *ev)
{
	if (!ev->ring)
		return;
	munmap(ev->ring, sizeof(*ev->ring));
	pthread_mutex_destroy(&ev->lock);
	ev->ring = NULL;
}

static json_t *event_now(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_REALTIME, &ts);
	return json_real(ts.tv_sec + ts.tv_nsec / 1e9);
}

/* A line without its newline.  Return: bytes; 0: it is too long. */
static size_t event_dump(const json_t *all, char *text)
{
	size_t len = json_dumpb(all, text, EVENT_LINE - 1, JSON_COMPACT);

	return len > EVENT_LINE - 1 ? 0 : len;
}

/* @object: taken over. */
static json_t *event_new(const char *name, json_t *object)
{
	json_t *all = json_object();

	json_object_set_new(all, "time", event_now());
	json_object_set_new(all, "event", json_string(name));
	json_object_update_missing(all, object);
	json_decref(object);
	return all;
}

/* Only "time" and "event" stay. */
static void event_cut(json_t **all)
{
	json_t *brief = json_pack("{s:O,s:O}", "time",
				  json_object_get(*all, "time"), "event",
				  json_object_get(*all, "event"));

	json_decref(*all);
	*all = brief;
}

/* Is there an event of that request?  One that a killed worker has not counted
 * in ring->next is none. */
static bool event_is_there(const struct event_ring *ring, uint64_t token)
{
	for (int i = 0; token && i < EVENTS_MAX; i++)
		if (ring->token[i] == token && ring->line[i].number &&
		    ring->line[i].number < ring->next)
			return true;
	return false;
}

/* @token: 0: always.  @text, @len: without the newline.  @common, @uid: as in
 * struct event_line. */
static void event_put(struct events *ev, uint64_t token, const char *text,
		      size_t len, size_t common, uid_t uid)
{
	struct event_line *line;
	uint64_t number;

	/* Not even its name fits: no event of this program has such a one. */
	if (!len)
		return;
	pthread_mutex_lock(&ev->lock);
	if (event_is_there(ev->ring, token)) {
		pthread_mutex_unlock(&ev->lock);
		return;
	}
	number = ev->ring->next;
	line = &ev->ring->line[number % EVENTS_MAX];
	line->number = 0;
	ev->ring->token[number % EVENTS_MAX] = token;
	memcpy(line->text, text, len);
	line->text[len] = '\n';
	line->len = len + 1;
	line->common = common;
	line->uid = uid;
	line->number = number;
	ev->ring->next = number + 1;
	pthread_mutex_unlock(&ev->lock);
}

void events_add(struct events *ev, const char *name, json_t *object)
{
	events_add_once(ev, 0, name, object);
}

void events_add_once(struct events *ev, uint64_t token, const char *name,
		     json_t *object)
{
	json_t *all = event_new(name, object);
	char text[EVENT_LINE];
	size_t len = event_dump(all, text);

	if (!len) {
		event_cut(&all);
		len = event_dump(all, text);
	}
	event_put(ev, token, text, len, 0, 0);
	json_decref(all);
}

void events_add_path(struct events *ev, const char *name, json_t *object,
		     const char *path, uid_t uid)
{
	json_t *all = event_new(name, object);
	char text[EVENT_LINE];
	size_t common = event_dump(all, text), len;

	json_object_set_new(all, "path", json_name(path));
	len = event_dump(all, text);
	if (!len) {
		json_object_del(all, "path");
		json_object_set_new(all, "path_bytes",
				    json_integer(strlen(path)));
		len = event_dump(all, text);
	}
	/* Without the brace that closes it. */
	event_put(ev, 0, text, len, common - 1, uid);
	json_decref(all);
}

/* May a reader see all of the line? */
static bool event_is_for(const struct events *ev, const struct event_line *line,
			 uid_t uid)
{
	return !line->common || uid == 0 || uid == ev->owner ||
	       uid == line->uid;
}

/* Return: bytes of the line for @uid; 0: more than @size. */
static size_t event_copy(const struct events *ev, const struct event_line *line,
			 uid_t uid, char *buf, size_t size)
{
	bool whole = event_is_for(ev, line, uid);
	size_t len = whole ? line->len : line->common;

	if (len + (whole ? 0 : 2) > size)
		return 0;
	memcpy(buf, line->text, len);
	if (!whole) {
		buf[len++] = '}';
		buf[len++] = '\n';
	}
	return len;
}

size_t events_read(struct events *ev, uint64_t *cursor, uid_t uid, char *buf,
		   size_t size)
{
	uint64_t at = *cursor;
	size_t used = 0, len;

	pthread_mutex_lock(&ev->lock);
	if (at == 0 || at + EVENTS_MAX < ev->ring->next) {
		uint64_t oldest = ev->ring->next > EVENTS_MAX
					  ? ev->ring->next - EVENTS_MAX
					  : 1;

		/* The reader was too slow: the oldest are overwritten. */
		if (at && size >= 64)
			used = snprintf(buf, size,
					"{\"event\":\"lost\",\"count\":%llu}\n",
					(unsigned long long)(oldest - at));
		at = oldest;
	}
	for (; at < ev->ring->next; at++) {
		struct event_line *line = &ev->ring->line[at % EVENTS_MAX];

		if (line->number != at || line->len > EVENT_LINE ||
		    line->common > line->len)
			continue; /* a worker was killed writing it */
		len = event_copy(ev, line, uid, buf + used, size - used);
		if (!len)
			break;
		used += len;
	}
	*cursor = at;
	pthread_mutex_unlock(&ev->lock);
	return used;
}

json_t *json_name(const char *name)
{
	json_t *j = json_string(name);
	char *text, *to;

	if (j)
		return j;
	/* Not UTF-8. */
	text = to = malloc(3 * strlen(name) + 1);
	if (!text)
		return NULL;
	for (; *name; name++) {
		unsigned char ch = *name;

		if (ch >= 0x80 || ch == '%')
			to += sprintf(to, "%%%02X", ch);
		else
			*to++ = ch;
	}
	*to = 0;
	j = json_string(text);
	free(text);
	return j;
}
