/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * everyop: what the pool has answered, as text in which two runs must agree:
 * nothing of when or in which process something was done.
 */
#ifndef POOLFS_EVERYOP_SAID_H
#define POOLFS_EVERYOP_SAID_H

#include "tests/tools/lib/tool.h"

#include <fcntl.h>
#include <stdbool.h>
#include <sys/stat.h>

extern FILE *said; /* where the text of this run goes */
extern const char *pool; /* the mount point */
extern bool root; /* may everything */

/* What a call returned, or the name of its errno. */
long told(const char *what, long result);
#define tell(call) told(#call, (call))

/* The same for a call whose result says nothing: a descriptor, an address. */
#define tell_done(call)                          \
	({                                       \
		typeof(call) done_ = (call);     \
		told(#call, done_ < 0 ? -1 : 0); \
		done_;                           \
	})

/* @n bytes, or the name of its errno. */
void told_bytes(const char *what, ssize_t n, const char *bytes);

void told_stat(const char *what, int result, const struct stat *st);
#define tell_lstat(path)                                   \
	({                                                 \
		struct stat st_;                           \
		told_stat(#path, lstat(path, &st_), &st_); \
	})
#define tell_fstat(fd)                                 \
	({                                             \
		struct stat st_;                       \
		told_stat(#fd, fstat(fd, &st_), &st_); \
	})

/* Names and types in a directory, sorted. */
void tell_names(const char *path);

/* All of a file, read in pieces of @piece bytes. */
void tell_content(const char *path, size_t piece);

/* A path of the pool. */
const char *at(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* A number of the JSON text in file @path: that after "tree" and then "open",
 * if @field is "tree open".  -1: none. */
long field_of(const char *path, const char *field);

/* Writes @text to the file at @path; what write() returned. */
long put(const char *path, const char *text);

/* names.c, files.c, ranges.c, boxes.c, control.c: each does all it can, in a
 * directory of its own, and leaves nothing. */
void do_names(void);
void do_files(void);
void do_ranges(void);
void do_boxes(void);
void do_control(void);

#endif
