/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The ring of events: see events.h. */
#include "fs/request/events.h"

#include <errno.h>
#include <fcntl.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#define JSON_NAME_MAX 1020 /* bytes of a name that is not UTF-8 */

struct event_line {
	_Atomic uint64_t number; /* set last: the line is whole */
	uint32_t len;
	uint32_t pad;
	char text[EVENT_LINE];
};

struct event_ring {
	_Atomic uint64_t next; /* number of the next event; the first is 1 */
	struct event_line line[EVENTS_MAX];
};

int events_open(struct events *ev, int dirfd)
{
	size_t size = sizeof(struct event_ring);
	void *ring = MAP_FAILED;
	int fd, err = 0;

	fd = openat(dirfd, "events", O_RDWR | O_CREAT | O_CLOEXEC, 0600);
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
	if (!ev->ring->next)
		ev->ring->next = 1;
	pthread_mutex_init(&ev->lock, NULL);
	return 0;
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

void events_add(struct events *ev, const char *name, json_t *object)
{
	json_t *all = json_object();
	char text[EVENT_LINE];
	struct event_line *line;
	uint64_t number;
	size_t len;

	json_object_set_new(all, "time", event_now());
	json_object_set_new(all, "event", json_string(name));
	json_object_update_missing(all, object);
	json_decref(object);
	len = json_dumpb(all, text, sizeof(text) - 1, JSON_COMPACT);
	if (len == 0 || len > sizeof(text) - 1) {
		json_t *brief = json_pack("{s:O,s:O}", "time",
					  json_object_get(all, "time"), "event",
					  json_object_get(all, "event"));

		len = json_dumpb(brief, text, sizeof(text) - 1, JSON_COMPACT);
		json_decref(brief);
	}
	json_decref(all);
	/* Not even its name fits: no event of this program has such a one. */
	if (len == 0 || len > sizeof(text) - 1)
		return;
	text[len++] = '\n';

	pthread_mutex_lock(&ev->lock);
	number = ev->ring->next;
	line = &ev->ring->line[number % EVENTS_MAX];
	line->number = 0;
	memcpy(line->text, text, len);
	line->len = len;
	line->number = number;
	ev->ring->next = number + 1;
	pthread_mutex_unlock(&ev->lock);
}

size_t events_read(struct events *ev, uint64_t *cursor, char *buf, size_t size)
{
	uint64_t at = *cursor;
	size_t used = 0;

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

		if (line->number != at || line->len > EVENT_LINE)
			continue; /* a worker was killed writing it */
		if (line->len > size - used)
			break;
		memcpy(buf + used, line->text, line->len);
		used += line->len;
	}
	*cursor = at;
	pthread_mutex_unlock(&ev->lock);
	return used;
}

json_t *json_name(const char *name)
{
	json_t *j = json_string(name);
	char text[JSON_NAME_MAX + 1];
	char *to = text;

	if (j)
		return j;
	/* Not UTF-8. */
	for (; *name && to < text + sizeof(text) - 4; name++) {
		unsigned char ch = *name;

		if (ch >= 0x80 || ch == '%')
			to += sprintf(to, "%%%02X", ch);
		else
			*to++ = ch;
	}
	*to = 0;
	return json_string(text);
}
