/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What .pool/events shows: a ring of JSON lines in the store, so that readers
 * go on where they were when a new worker has started.
 *
 *	number   1   2   3   ...               next
 *	ring    [line][line][line] ... the last EVENTS_MAX of them
 *
 *	line    {"time":1,"event":"purge","pages":3,"path":"a/b"}
 *	                                           ^
 *	                                  what is for some ends it
 *
 * Lock: events->lock (4).
 */
#ifndef POOLFS_FS_REQUEST_EVENTS_H
#define POOLFS_FS_REQUEST_EVENTS_H

#include <jansson.h>
#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define EVENTS_MAX 128
#define EVENT_LINE 2032 /* bytes, newline included */

struct event_ring;

struct events {
	uid_t owner; /* of the pool */
	pthread_mutex_t lock;
	struct event_ring *ring;
};

/**
 * events_open - map the ring, made if need be.
 * @dirfd: the store's directory.
 * @owner: of the pool.
 * @fresh: a new mount: requests of the one before are forgotten.
 * Return: 0 or -errno.
 */
int events_open(struct events *ev, int dirfd, uid_t owner, bool fresh);
void events_release(struct events *ev);

struct wrongs;
/**
 * events_validate - look at the ring of a store that comes from elsewhere.  One
 * that is wrong is dropped, if @w says so: a new one is made then.
 * Return: 0 or -errno.
 */
int events_validate(int dirfd, struct wrongs *w);

/**
 * events_add - one line: "time", "event" (@name), and what @object has.  A line
 * that is too long is cut to the first two.  Any thread; takes 4.
 * @object: taken over.
 */
void events_add(struct events *ev, const char *name, json_t *object);

/**
 * events_add_once - the same on behalf of a request: not again if the worker
 * before has added one for it.
 * @token: the request's.
 */
void events_add_once(struct events *ev, uint64_t token, const char *name,
		     json_t *object);

/**
 * events_add_path - the same with a "path" of a plain file, which only root,
 * the owner of the pool and @uid will read.  Where it is too long for a line,
 * "path_bytes", its length, is in its place.
 */
void events_add_path(struct events *ev, const char *name, json_t *object,
		     const char *path, uid_t uid);

/**
 * events_read - whole lines from number *@cursor on, as @uid may read them.
 * Takes 4.
 * @cursor: 0: from the oldest on; moved behind what was read.
 * @size: bytes of @buf.
 * Return: bytes written to @buf; 0: there is nothing new, or no line fits.
 */
size_t events_read(struct events *ev, uint64_t *cursor, uid_t uid, char *buf,
		   size_t size);

/**
 * json_name - JSON string of a file name, whatever bytes it has.  In one that
 * is not UTF-8, "%" and bytes above 0x7f become %XX.  Return: NULL: no memory.
 */
json_t *json_name(const char *name);

#endif
