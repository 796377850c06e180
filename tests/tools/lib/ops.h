/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What fileops and posixops share: calls on files, one after another, and what
 * each returned.
 *
 *	PROGRAM OP [ARG...] [OP [ARG...]]...
 *
 * prints one word a line: a number, or the name of an errno.  It goes on after
 * an error, so that a test can look at all that follows one.  The descriptor
 * that was opened last is the current one.
 *
 *	open FILE FLAGS		r, w or rw, then ,append ,nonblock ,dsync ,sync
 *				,direct ,trunc ,creat ,excl ,nofollow ,directory
 *				,path ,tmpfile
 *	fd N			the Nth that was opened (from 0) is current
 *	write TEXT		pwrite TEXT OFFSET
 *	read SIZE		the bytes, after their number and a colon
 *	pread SIZE OFFSET
 *	lseek OFFSET		fsync	close	truncate SIZE
 *	dup			the copy is current, and the next number
 *	map SIZE		read-only and shared, from the start
 *	peek SIZE OFFSET	as read, in the map
 *	unlink FILE		rmdir FILE	mkdir FILE MODE (octal)
 *	rename FILE FILE	link FILE FILE	symlink TEXT FILE
 *	chmod FILE MODE (octal)
 *	child			the ops up to "end" are a child's, which then
 *				ends, closing what it has
 *	end			in the parent: nothing
 *	wait			for one child; its status, or -SIGNAL
 *	sleep MSEC		kill SIGNAL (a number): itself
 *	await FILE		waits until it is there
 *	touch FILE		makes it: a sign for others
 */
#ifndef POOLFS_OPS_H
#define POOLFS_OPS_H

#include "tests/tools/lib/tool.h"

#include <fcntl.h>
#include <signal.h>
#include <stdbool.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>

#define MAX_FDS 512

struct op {
	const char *name;
	int args;
	void (*run)(char **arg);
};

extern int fds[MAX_FDS];
extern int nr_fds;
extern int fd;
extern char *map;

void say(long result);

void say_bytes(ssize_t n, const char *bytes);

struct word {
	const char *name;
	int value;
};

extern const struct word open_words[];

/* The values of the words in @text, between commas, or-ed. */
int parse_words(char *text, const struct word *words);

void opened(int new_fd);

/* What main() does.  @own: the program's own ops; the last has no name. */
int run_ops(int argc, char **argv, const struct op *own);

#endif
