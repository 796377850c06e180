/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * PSI text: parsing and formatting.
 *
 * What it is for: the reclaimer reads pressure files of the kernel, and pipes
 * that any process may have written.  Malformed text must do no more than fail.
 *
 * States: none; every function works on its arguments alone, and fills its
 * result only when the whole input was good.
 *
 * Locks: none.
 *
 * Reclaim meanwhile: nothing here is shared.
 */
#include "shrinker/psi.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

/* What is still to be read: [at, end). */
struct span {
	const char *at;
	const char *end;
};

static bool span_empty(const struct span *s)
{
	return s->at == s->end;
}

static void skip_blanks(struct span *s)
{
	while (s->at < s->end && (*s->at == ' ' || *s->at == '\t'))
		s->at++;
}

/* The next word, up to a blank; empty when there is none. */
static struct span next_word(struct span *s)
{
	struct span word;

	skip_blanks(s);
	word.at = s->at;
	while (s->at < s->end && *s->at != ' ' && *s->at != '\t')
		s->at++;
	word.end = s->at;
	return word;
}

static bool span_is(const struct span *s, const char *text)
{
	size_t len = strlen(text);

	return (size_t)(s->end - s->at) == len && !memcmp(s->at, text, len);
}

static bool span_eat(struct span *s, const char *text)
{
	size_t len = strlen(text);

	if ((size_t)(s->end - s->at) < len || memcmp(s->at, text, len))
		return false;
	s->at += len;
	return true;
}

static bool is_digit(char c)
{
	return c >= '0' && c <= '9';
}

/* Digits up to the first other character; at least one. */
static int parse_digits(struct span *s, uint64_t *out)
{
	uint64_t value = 0;

	if (span_empty(s) || !is_digit(*s->at))
		return -EINVAL;
	for (; s->at < s->end && is_digit(*s->at); s->at++)
		if (__builtin_mul_overflow(value, 10, &value) ||
		    __builtin_add_overflow(value, *s->at - '0', &value))
			return -ERANGE;
	*out = value;
	return 0;
}

static int parse_number(struct span word, uint64_t *out)
{
	uint64_t value;
	int err = parse_digits(&word, &value);

	if (err)
		return err;
	if (!span_empty(&word))
		return -EINVAL;
	*out = value;
	return 0;
}

/* "12.34" gives 1234; further decimals are cut, missing ones are 0. */
static int parse_percent(struct span word, uint32_t *out)
{
	uint64_t value;
	int decimals = 0;
	int err = parse_digits(&word, &value);

	if (err)
		return err;
	if (value > UINT32_MAX / 100 - 1)
		return -ERANGE;
	value *= 100;
	if (!span_empty(&word) && *word.at++ != '.')
		return -EINVAL;
	for (; !span_empty(&word); word.at++, decimals++) {
		if (!is_digit(*word.at))
			return -EINVAL;
		if (decimals == 0)
			value += 10 * (*word.at - '0');
		else if (decimals == 1)
			value += *word.at - '0';
	}
	*out = value;
	return 0;
}

enum field {
	FIELD_AVG10 = 1,
	FIELD_AVG60 = 2,
	FIELD_AVG300 = 4,
	FIELD_TOTAL = 8,
	FIELD_ALL = 15,
};

/* Returns the field that was read, 0 for an unknown one, or -errno. */
static int parse_field(struct span word, struct psi_line *line)
{
	int err;

	if (span_eat(&word, "avg10=")) {
		err = parse_percent(word, &line->avg10);
		return err ? err : FIELD_AVG10;
	}
	if (span_eat(&word, "avg60=")) {
		err = parse_percent(word, &line->avg60);
		return err ? err : FIELD_AVG60;
	}
	if (span_eat(&word, "avg300=")) {
		err = parse_percent(word, &line->avg300);
		return err ? err : FIELD_AVG300;
	}
	if (span_eat(&word, "total=")) {
		err = parse_number(word, &line->total);
		return err ? err : FIELD_TOTAL;
	}
	return memchr(word.at, '=', word.end - word.at) ? 0 : -EINVAL;
}

static int parse_fields(struct span s, struct psi_line *out)
{
	struct psi_line line = { .present = true };
	unsigned int seen = 0;

	for (;;) {
		struct span word = next_word(&s);
		int field;

		if (span_empty(&word))
			break;
		field = parse_field(word, &line);
		if (field < 0)
			return field;
		if (seen & field)
			return -EINVAL;
		seen |= field;
	}
	if (seen != FIELD_ALL)
		return -EINVAL;
	*out = line;
	return 0;
}

static int parse_kind(const struct span *word, enum psi_kind *kind)
{
	if (span_is(word, "some"))
		*kind = PSI_SOME;
	else if (span_is(word, "full"))
		*kind = PSI_FULL;
	else
		return -EINVAL;
	return 0;
}

static bool threshold_valid(const struct psi_threshold *t)
{
	return t->kind < PSI_NR_KINDS && t->stall_us > 0 &&
	       t->stall_us <= t->window_us && t->window_us <= PSI_WINDOW_MAX_US;
}

const char *psi_kind_name(enum psi_kind kind)
{
	return kind == PSI_FULL ? "full" : "some";
}

int psi_parse(const char *text, size_t len, struct psi_reading *out)
{
	struct psi_reading reading = { 0 };
	struct span s = { text, text + len };

	while (!span_empty(&s)) {
		const char *newline = memchr(s.at, '\n', s.end - s.at);
		struct span line = { s.at, newline };
		struct span word;
		enum psi_kind kind;
		int err;

		if (!newline)
			return -EINVAL;
		s.at = newline + 1;
		if (!span_empty(&line) && line.end[-1] == '\r')
			line.end--;
		word = next_word(&line);
		if (parse_kind(&word, &kind))
			continue;
		if (reading.line[kind].present)
			return -EINVAL;
		err = parse_fields(line, &reading.line[kind]);
		if (err)
			return err;
	}
	if (!reading.line[PSI_SOME].present && !reading.line[PSI_FULL].present)
		return -EINVAL;
	*out = reading;
	return 0;
}

ssize_t psi_trigger_format(const struct psi_threshold *threshold, char *buf,
			   size_t size)
{
	char text[PSI_TRIGGER_MAX];
	int len;

	if (!threshold_valid(threshold))
		return -EINVAL;
	len = snprintf(text, sizeof(text), "%s %" PRIu64 " %" PRIu64,
		       psi_kind_name(threshold->kind), threshold->stall_us,
		       threshold->window_us);
	if ((size_t)len + 1 > size)
		return -ENOSPC;
	memcpy(buf, text, len + 1);
	return len + 1;
}

int psi_trigger_parse(const char *text, size_t len, struct psi_threshold *out)
{
	struct psi_threshold t;
	struct span s = { text, text + len };
	struct span word;
	int err;

	while (!span_empty(&s) && (s.end[-1] == '\0' || s.end[-1] == '\n'))
		s.end--;
	word = next_word(&s);
	err = parse_kind(&word, &t.kind);
	if (!err)
		err = parse_number(next_word(&s), &t.stall_us);
	if (!err)
		err = parse_number(next_word(&s), &t.window_us);
	if (err)
		return err;
	skip_blanks(&s);
	if (!span_empty(&s) || !threshold_valid(&t))
		return -EINVAL;
	*out = t;
	return 0;
}

int psi_trigger_round(struct psi_threshold *threshold)
{
	uint64_t window;

	if (!threshold_valid(threshold) ||
	    threshold->window_us % PSI_WINDOW_STEP_US == 0)
		return -EINVAL;
	window = threshold->window_us + PSI_WINDOW_STEP_US -
		 threshold->window_us % PSI_WINDOW_STEP_US;
	threshold->stall_us = threshold->stall_us * window /
			      threshold->window_us;
	threshold->window_us = window;
	return 0;
}
