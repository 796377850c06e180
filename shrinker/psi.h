/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The text of PSI: what /proc/pressure/memory and a cgroup's memory.pressure
 * say, and what is written to them to arm a trigger.  Pure functions: no file
 * is opened here.
 */
#ifndef POOLFS_SHRINKER_PSI_H
#define POOLFS_SHRINKER_PSI_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

enum psi_kind {
	PSI_SOME, /* at least one task waited for memory */
	PSI_FULL, /* all of them did */
	PSI_NR_KINDS,
};

/* The longest window the kernel takes, in microseconds. */
#define PSI_WINDOW_MAX_US 10000000u
/* Windows of a trigger without CAP_SYS_RESOURCE are multiples of this. */
#define PSI_WINDOW_STEP_US 2000000u
/* Bytes that are enough for any trigger, its NUL included. */
#define PSI_TRIGGER_MAX 32

/* One line: shares in hundredths of a percent, total in microseconds. */
struct psi_line {
	bool present;
	uint32_t avg10;
	uint32_t avg60;
	uint32_t avg300;
	uint64_t total;
};

struct psi_reading {
	struct psi_line line[PSI_NR_KINDS];
};

struct psi_threshold {
	enum psi_kind kind;
	uint64_t stall_us; /* 0 < stall <= window */
	uint64_t window_us; /* at most PSI_WINDOW_MAX_US */
};

/** psi_kind_name - "some" or "full". */
const char *psi_kind_name(enum psi_kind kind);

/**
 * psi_parse - read the lines of a pressure file.
 * @text, @len: the bytes; no NUL is needed.
 *
 * Each line must end in a newline (a carriage return before it is fine): a
 * number that was cut off looks like a smaller one.  A line that begins with
 * another word than some or full, and a field of another name, are left for
 * later kernels to explain.
 *
 * Return: 0; -EINVAL for anything malformed, for a line that comes twice, or
 * when neither line is there; -ERANGE for a number that does not fit.
 */
int psi_parse(const char *text, size_t len, struct psi_reading *out);

/**
 * psi_trigger_format - the text that arms a trigger, ended with NUL.
 *
 * The NUL counts and must be written too: /proc/pressure overwrites the last
 * byte it is given.
 *
 * Return: bytes to write; -EINVAL when stall or window is out of range,
 * -ENOSPC when @size is too small (PSI_TRIGGER_MAX never is).
 */
ssize_t psi_trigger_format(const struct psi_threshold *threshold, char *buf,
			   size_t size);

/**
 * psi_trigger_parse - the reverse; blanks, newlines and NULs at the end are
 * fine.  Return: 0, -EINVAL, -ERANGE.
 */
int psi_trigger_parse(const char *text, size_t len, struct psi_threshold *out);

/**
 * psi_trigger_round - the next window that the kernel takes from an opener
 * without CAP_SYS_RESOURCE; the stall grows with it, so the ratio stays.
 *
 * Return: 0; -EINVAL when the window is such a one already, or out of range.
 */
int psi_trigger_round(struct psi_threshold *threshold);

#endif
