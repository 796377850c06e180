/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * One source of pressure readings.
 *
 * What it is for: the kernel's triggers, and what a test or a service manager
 * puts in their place.
 *
 * States, and what moves between them:
 *
 *	          arm ok                 file has no triggers
 *	(new) ------------> ARMED   (new) ------------------> READ
 *	   \  arm failed             \
 *	    `-----------> UNREADABLE  ARMED, READ --fails-> LOST
 *	UNREADABLE, LOST --retry, every 30 s--> ARMED or READ
 *
 * Locks: none; only the reclaimer's thread calls it.
 *
 * Reclaim meanwhile: it is reclaim that looks.
 */
#include "shrinker/psi_source.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/vfs.h>
#include <linux/magic.h>
#include <unistd.h>

#include "shrinker/psi_track.h"
#include "shrinker/readfile.h"

#define NSEC_PER_SEC 1000000000ull
/* Most reads of a stream at one event, so that a flood does not keep us. */
#define STREAM_READS 16

struct psi_source {
	char *path;
	int fd[PSI_NR_KINDS]; /* of the triggers, or -1 */
	bool has_explicit;
	bool bare;
	struct psi_threshold explicit;

	enum psi_source_state state;
	int err;
	bool lived; /* was ARMED or READ at some time */
	uint64_t retry_ns;

	int stream_fd; /* or -1 */
	bool overlong; /* the line being read is: drop the rest of it */
	size_t line_len;
	char line[256];

	uint64_t malformed;
	struct psi_reading last;
	struct psi_track track[PSI_NR_KINDS];
};

static void source_close(struct psi_source *s)
{
	for (int k = 0; k < PSI_NR_KINDS; k++) {
		if (s->fd[k] >= 0)
			close(s->fd[k]);
		s->fd[k] = -1;
	}
	if (s->stream_fd >= 0)
		close(s->stream_fd);
	s->stream_fd = -1;
	s->line_len = 0;
	s->overlong = false;
}

/* @err is a positive errno. */
static enum psi_verdict source_lost(struct psi_source *s, int err, uint64_t now)
{
	source_close(s);
	s->state = s->lived ? PSI_SOURCE_LOST : PSI_SOURCE_UNREADABLE;
	s->err = err;
	s->retry_ns = now + PSI_SOURCE_RETRY_S * NSEC_PER_SEC;
	for (int k = 0; k < PSI_NR_KINDS; k++)
		s->track[k].under = s->track[k].hot = false;
	return PSI_GONE;
}

static void source_alive(struct psi_source *s, enum psi_source_state state,
			 int err)
{
	s->state = state;
	s->err = err;
	s->lived = true;
}

static int read_pressure(const struct psi_source *s, struct psi_reading *out)
{
	char text[1024];
	int fd = s->fd[PSI_SOME];
	ssize_t len = fd >= 0 ? readfile_fd(fd, text, sizeof(text))
			      : readfile(s->path, text, sizeof(text));

	if (len == -EFBIG)
		return -EINVAL;
	return len < 0 ? len : psi_parse(text, len, out);
}

/* Is it the kernel's?  Writing to any other file would destroy its content. */
static bool is_kernel_file(const char *path)
{
	struct statfs fs;

	if (statfs(path, &fs))
		return false;
	return fs.f_type == PROC_SUPER_MAGIC ||
	       fs.f_type == CGROUP2_SUPER_MAGIC ||
	       fs.f_type == CGROUP_SUPER_MAGIC;
}

static int write_trigger(int fd, const struct psi_threshold *threshold)
{
	char text[PSI_TRIGGER_MAX];
	ssize_t len = psi_trigger_format(threshold, text, sizeof(text));

	if (len < 0)
		return len;
	return write(fd, text, len) < 0 ? -errno : 0;
}

static void track_limits(struct psi_source *s, const struct psi_limits *limits)
{
	for (int k = 0; k < PSI_NR_KINDS; k++) {
		struct psi_track *t = &s->track[k];

		t->stall_us = limits->stall_us[k];
		t->window_us = limits->window_us;
		if (s->has_explicit && s->explicit.kind == k) {
			t->stall_us = s->explicit.stall_us;
			t->window_us = s->explicit.window_us;
		}
	}
}

/* One trigger.  The window that the kernel accepted is noted in the track. */
static int arm_trigger(struct psi_source *s, enum psi_kind kind)
{
	struct psi_track *t = &s->track[kind];
	struct psi_threshold threshold = { kind, t->stall_us, t->window_us };
	int err, fd = open(s->path, O_RDWR | O_NONBLOCK | O_CLOEXEC);

	if (fd < 0)
		return -errno;
	err = write_trigger(fd, &threshold);
	if (err == -EINVAL && !psi_trigger_round(&threshold))
		err = write_trigger(fd, &threshold);
	if (err) {
		close(fd);
		return err;
	}
	s->fd[kind] = fd;
	t->stall_us = threshold.stall_us;
	t->window_us = threshold.window_us;
	return 0;
}

static int arm_file(struct psi_source *s, uint64_t now)
{
	int err = read_pressure(s, &s->last);

	if (err)
		return err;
	for (int k = 0; k < PSI_NR_KINDS; k++)
		psi_track_reset(&s->track[k], s->last.line[k].total, now);
	if (!is_kernel_file(s->path)) {
		source_alive(s, PSI_SOURCE_READ, 0);
		return 0;
	}
	err = arm_trigger(s, PSI_SOME);
	if (!err)
		err = arm_trigger(s, PSI_FULL);
	if (err == -ENODEV || err == -EOPNOTSUPP)
		return err;
	/* A file that can be read is still of use. */
	if (err)
		source_close(s);
	source_alive(s, err ? PSI_SOURCE_READ : PSI_SOURCE_ARMED, -err);
	return 0;
}

/*
 * A FIFO is opened for writing, too.  Without a writer of our own there would
 * be end of file when the others close theirs, and poll() would return at once
 * from then on.  So "echo LINE >FIFO" works again and again.  Where we may not
 * write, the source is lost with the last writer, until it is opened again.
 */
static int open_fifo(const char *path)
{
	int fd = open(path, O_RDWR | O_NONBLOCK | O_CLOEXEC);

	if (fd < 0 && (errno == EACCES || errno == EROFS))
		fd = open(path, O_RDONLY | O_NONBLOCK | O_CLOEXEC);
	return fd < 0 ? -errno : fd;
}

static int open_socket(const struct psi_source *s)
{
	struct sockaddr_un addr = { .sun_family = AF_UNIX };
	char text[PSI_TRIGGER_MAX];
	ssize_t len = 0;
	int fd, err;

	if (strlen(s->path) >= sizeof(addr.sun_path))
		return -ENAMETOOLONG;
	strcpy(addr.sun_path, s->path);
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return -errno;
	err = connect(fd, (struct sockaddr *)&addr, sizeof(addr)) ? errno : 0;
	if (!err && s->has_explicit) {
		len = psi_trigger_format(&s->explicit, text, sizeof(text));
		if (send(fd, text, len, MSG_NOSIGNAL) != len)
			err = EIO;
	}
	if (!err)
		return fd;
	close(fd);
	return -err;
}

/*
 * Growth is measured from the last value of the stream.  Before its first line
 * that is 0, so the first line can be an event already.
 */
static int arm_stream(struct psi_source *s, bool is_socket, uint64_t now)
{
	int fd = is_socket ? open_socket(s) : open_fifo(s->path);

	if (fd < 0)
		return fd;
	s->stream_fd = fd;
	for (int k = 0; k < PSI_NR_KINDS; k++)
		psi_track_reset(&s->track[k], s->last.line[k].total, now);
	source_alive(s, PSI_SOURCE_ARMED, 0);
	return 0;
}

/* One line of a stream, newline included. */
static enum psi_verdict stream_line(struct psi_source *s, uint64_t now)
{
	enum psi_verdict verdict = PSI_CALM;
	struct psi_reading reading;

	if (psi_parse(s->line, s->line_len, &reading)) {
		s->malformed += !s->bare;
		return PSI_CALM;
	}
	for (int k = 0; k < PSI_NR_KINDS; k++) {
		if (!reading.line[k].present)
			continue;
		s->last.line[k] = reading.line[k];
		if (psi_track_event(&s->track[k], reading.line[k].total, now) ==
		    PSI_PRESSURE)
			verdict = PSI_PRESSURE;
	}
	return verdict;
}

static enum psi_verdict stream_byte(struct psi_source *s, char c, uint64_t now)
{
	enum psi_verdict verdict = PSI_CALM;

	if (s->line_len < sizeof(s->line))
		s->line[s->line_len++] = c;
	else
		s->overlong = true;
	if (c != '\n')
		return PSI_CALM;
	if (s->overlong)
		s->malformed += !s->bare;
	else
		verdict = stream_line(s, now);
	s->line_len = 0;
	s->overlong = false;
	return verdict;
}

/* Something was readable, whatever it says. */
static enum psi_verdict stream_bare(struct psi_source *s, uint64_t now)
{
	s->track[PSI_SOME].events++;
	psi_track_heat(&s->track[PSI_SOME], s->last.line[PSI_SOME].total, now);
	return PSI_PRESSURE;
}

static enum psi_verdict stream_event(struct psi_source *s, short revents,
				     uint64_t now)
{
	enum psi_verdict verdict = PSI_CALM;
	bool readable = false;
	char buf[512];

	if (!(revents & POLLIN))
		return revents ? source_lost(s, EPIPE, now) : PSI_CALM;
	for (int i = 0; i < STREAM_READS; i++) {
		ssize_t n = read(s->stream_fd, buf, sizeof(buf));

		if (n < 0 && (errno == EAGAIN || errno == EINTR))
			break;
		if (n <= 0)
			return source_lost(s, n ? errno : EPIPE, now);
		readable = true;
		for (ssize_t b = 0; b < n; b++)
			if (stream_byte(s, buf[b], now) == PSI_PRESSURE)
				verdict = PSI_PRESSURE;
	}
	if (s->bare && readable && verdict != PSI_PRESSURE)
		verdict = stream_bare(s, now);
	return verdict;
}

/* The removal of a FIFO is no event: look whether it still has a name. */
static bool stream_unlinked(const struct psi_source *s)
{
	struct stat st;

	return !fstat(s->stream_fd, &st) && S_ISFIFO(st.st_mode) &&
	       st.st_nlink == 0;
}

const char *psi_source_state_name(enum psi_source_state state)
{
	switch (state) {
	case PSI_SOURCE_ARMED:
		return "armed";
	case PSI_SOURCE_READ:
		return "read";
	case PSI_SOURCE_UNREADABLE:
		return "unreadable";
	case PSI_SOURCE_LOST:
		return "lost";
	}
	return "unknown";
}

struct psi_source *psi_source_new(const char *path,
				  const struct psi_threshold *explicit,
				  bool bare)
{
	struct psi_source *s = calloc(1, sizeof(*s));

	if (!s)
		return NULL;
	s->path = strdup(path);
	if (!s->path) {
		free(s);
		return NULL;
	}
	if (explicit) {
		s->explicit = *explicit;
		s->has_explicit = true;
	}
	s->bare = bare;
	s->state = PSI_SOURCE_UNREADABLE;
	s->stream_fd = -1;
	for (int k = 0; k < PSI_NR_KINDS; k++)
		s->fd[k] = -1;
	return s;
}

void psi_source_free(struct psi_source *s)
{
	if (!s)
		return;
	source_close(s);
	free(s->path);
	free(s);
}

int psi_source_arm(struct psi_source *s, const struct psi_limits *limits,
		   uint64_t now)
{
	struct stat st;
	int err = 0;

	track_limits(s, limits);
	/* Never closed, even for a moment: a writer would get SIGPIPE. */
	if (s->stream_fd >= 0)
		return 0;
	source_close(s);
	if (stat(s->path, &st))
		err = -errno;
	else if (S_ISFIFO(st.st_mode) || S_ISSOCK(st.st_mode))
		err = arm_stream(s, S_ISSOCK(st.st_mode), now);
	else if (S_ISREG(st.st_mode))
		err = arm_file(s, now);
	else
		err = -EINVAL;
	if (err)
		source_lost(s, -err, now);
	return err;
}

bool psi_source_retry(struct psi_source *s, const struct psi_limits *limits,
		      uint64_t now)
{
	if (s->state == PSI_SOURCE_ARMED || s->state == PSI_SOURCE_READ ||
	    now < s->retry_ns)
		return false;
	return psi_source_arm(s, limits, now) == 0;
}

int psi_source_pollfds(const struct psi_source *s, struct pollfd *fds)
{
	int nr = 0;

	if (s->stream_fd >= 0) {
		fds[nr++] = (struct pollfd){ s->stream_fd, POLLIN, 0 };
		return nr;
	}
	for (int k = 0; k < PSI_NR_KINDS; k++)
		if (s->fd[k] >= 0)
			fds[nr++] = (struct pollfd){ s->fd[k], POLLPRI, 0 };
	return nr;
}

enum psi_verdict psi_source_event(struct psi_source *s, int fd, short revents,
				  uint64_t now)
{
	enum psi_verdict verdict = PSI_CALM;
	int err;

	if (fd >= 0 && fd == s->stream_fd)
		return stream_event(s, revents, now);
	/*
	 * The other trigger's event may have closed this descriptor just now.
	 */
	if (fd < 0 || (fd != s->fd[PSI_SOME] && fd != s->fd[PSI_FULL]))
		return PSI_CALM;
	/* First, since it may come together with POLLPRI. */
	if (revents & (POLLERR | POLLHUP | POLLNVAL))
		return source_lost(s, ENODEV, now);
	if (!(revents & POLLPRI))
		return PSI_CALM;
	err = read_pressure(s, &s->last);
	if (err)
		return source_lost(s, -err, now);
	for (int k = 0; k < PSI_NR_KINDS; k++)
		if (fd == s->fd[k])
			verdict = psi_track_event(&s->track[k],
						  s->last.line[k].total, now);
	return verdict;
}

enum psi_verdict psi_source_look(struct psi_source *s, uint64_t now)
{
	enum psi_verdict verdict = PSI_CALM;
	int err;

	if (s->state != PSI_SOURCE_ARMED && s->state != PSI_SOURCE_READ)
		return PSI_CALM;
	if (s->stream_fd >= 0) {
		if (stream_unlinked(s))
			return source_lost(s, ENOENT, now);
	} else {
		err = read_pressure(s, &s->last);
		if (err == -EINVAL || err == -ERANGE)
			s->malformed++;
		else if (err)
			return source_lost(s, -err, now);
	}
	for (int k = 0; k < PSI_NR_KINDS; k++)
		if (psi_track_look(&s->track[k], s->last.line[k].total, now) ==
		    PSI_PRESSURE)
			verdict = PSI_PRESSURE;
	return verdict;
}

bool psi_source_pressure(const struct psi_source *s, enum psi_kind kind,
			 bool *hot)
{
	*hot = s->track[kind].under && s->track[kind].hot;
	return s->track[kind].under;
}

void psi_source_status(const struct psi_source *s,
		       struct psi_source_status *out)
{
	bool lives = s->state == PSI_SOURCE_ARMED ||
		     s->state == PSI_SOURCE_READ;

	out->path = s->path;
	out->state = s->state;
	out->err = s->err;
	out->malformed = s->malformed;
	for (int k = 0; k < PSI_NR_KINDS; k++) {
		const struct psi_track *t = &s->track[k];

		out->kind[k].stall_us = lives ? t->stall_us : 0;
		out->kind[k].window_us = lives ? t->window_us : 0;
		out->kind[k].last = s->last.line[k];
		out->kind[k].events = t->events;
		out->kind[k].false_events = t->false_events;
	}
}

const char *psi_source_strerror(int err)
{
	switch (err) {
	case 0:
		return "";
	case ENOENT:
		return "no such file: the kernel has no PSI, or it is not "
		       "mounted here";
	case EACCES:
	case EPERM:
		return "no permission to use it";
	case EOPNOTSUPP:
		return "PSI is turned off: boot with psi=1";
	case ENODEV:
		return "its cgroup is gone";
	case EPIPE:
		return "its writer is gone";
	case EINVAL:
		return "not a pressure file";
	default:
		return strerror(err);
	}
}
