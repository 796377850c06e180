/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * One worker after another: see supervise.h.
 *
 *	       start         says so
 *	none --------> starts ------> is ready
 *	  ^               |              |
 *	  '---------------+--------------'
 *	   reaped; or its main thread has ended, or was killed since it did not
 *	   answer, and the rest of it waits in the kernel: given up
 *
 * One loop waits for signals and for the time of what is due, and never for
 * anything else.  Being asked to end comes first, then all dead children.
 *
 * A worker that has served is replaced at once.  One that has not got so far is
 * replaced after a pause that grows, so that it does not keep a core busy.
 *
 * Does it answer?  It counts each request that it reads, and counts again when
 * it has handled it (mount_shared.turns).  If that stands still while a request
 * is in hand or waits, it is killed.  The keeper makes no request for that.
 */
#include "fs/supervise.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "fs/kernel/process.h"
#include "fs/kernel/say.h"
#include "fs/refuse.h"
#include "fs/request/context.h"
#include "fs/worker/worker.h"
#include "shrinker/clock.h"

#define MS 1000000ll
#define SECOND (1000 * MS)

/* The pause before the third try; it doubles with each. */
#define PAUSE_NS (10 * MS)
#define PAUSE_MOST_NS SECOND
/* Tries, if no worker has ever been ready. */
#define FIRST_TRIES 5

/* Seldom enough not to be seen on an idle machine. */
#define LOOK_SECONDS 2
#define LOOK_NS (LOOK_SECONDS * SECOND)
/*
 * Looks in a row at which a worker that starts, that has a request in hand, or
 * that should read one, has not moved.  A request may take long: it copies up to
 * gigabytes, or has to reclaim them first.
 */
#define LOOKS_START 30
#define LOOKS_IN_HAND 5
#define LOOKS_IDLE 3

/* In this time a dead worker can be reaped, unless a thread is held up. */
#define REAP_NS (500 * MS)
/* The same for one that was killed since it did not answer. */
#define KILL_NS (2 * SECOND)
#define STOP_NS (10 * SECOND) /* to end when asked to */
#define STOP_START_NS (2 * SECOND) /* the same for one that is not ready */

/* How many processes the kernel has killed for want of memory, in any group. */
static uint64_t oom_kills(void)
{
	FILE *f = fopen("/proc/vmstat", "re");
	unsigned long long n = 0;
	char line[128];

	while (f && fgets(line, sizeof(line), f))
		if (sscanf(line, "oom_kill %llu", &n) == 1)
			break;
	if (f)
		fclose(f);
	return n;
}

/* --- start --- */

static void start_later(struct supervisor *s, int64_t pause_ns)
{
	s->start_ns = clock_ns() + pause_ns;
}

static void start_now(struct supervisor *s)
{
	pid_t pid;

	s->start_ns = 0;
	s->is_ready = s->hung = false;
	s->turns = s->looks = 0;
	s->shared->turns = 0;
	for (int i = 0; i < CALLS_MAX; i++)
		s->shared->calls[i] = 0;
	s->oom_kills = oom_kills();
	pid = fork();
	if (pid == 0) {
		s->forked(s->arg);
		exit(worker_run(s->options, s->shared, s->store, s->mount));
	}
	if (pid < 0) {
		say("%s: cannot start a worker: %s; trying again",
		    s->options->mountpoint, strerror(errno));
		start_later(s, PAUSE_MOST_NS);
		return;
	}
	s->worker = pid;
	s->look_ns = clock_ns() + LOOK_NS;
}

static int64_t pause_of(uint32_t failures)
{
	int64_t pause = PAUSE_NS;

	if (failures < 2)
		return 0;
	for (uint32_t i = 2; i < failures && pause < PAUSE_MOST_NS; i++)
		pause *= 2;
	return pause < PAUSE_MOST_NS ? pause : PAUSE_MOST_NS;
}

/* --- the worker has died --- */

/*
 * Was it the worker's own doing?  Who else is killed for want of memory while
 * somebody kills the worker makes no difference: once is not enough.
 */
static bool has_crashed(const struct supervisor *s, int status)
{
	if (WIFEXITED(status))
		return WEXITSTATUS(status) != WORKER_STOPPED;
	return WTERMSIG(status) != SIGKILL || s->hung ||
	       oom_kills() != s->oom_kills;
}

/*
 * The request that was being handled may be the cause.  A worker that is killed
 * from outside is rarely killed in the same request again and again.
 */
static void blame(struct mount_shared *sh, bool crashed)
{
	uint32_t weight = crashed ? BLAME_CRASH : BLAME_KILL;

	sh->blame = sh->handling && sh->handling == sh->blamed
			    ? sh->blame + weight
			    : weight;
	sh->blamed = sh->handling;
	sh->handling = 0;
}

static void say_why(const struct supervisor *s, int status)
{
	const char *dir = s->options->mountpoint, *why = s->shared->why;

	if (WIFSIGNALED(status))
		say("%s: the worker was killed by signal %d; starting another",
		    dir, WTERMSIG(status));
	else
		say("%s: the worker ended with status %d%s%s; starting another",
		    dir, WEXITSTATUS(status), why[0] ? ": " : "", why);
}

/* Return: -1: the mount goes on, else the status that it ends with. */
static int worker_died(struct supervisor *s, int status)
{
	const char *dir = s->options->mountpoint;
	struct mount_shared *sh = s->shared;
	bool crashed;

	s->worker = 0;
	s->give_up_ns = s->threads_ns = s->look_ns = 0;
	if (WIFEXITED(status) && WEXITSTATUS(status) == WORKER_UNMOUNTED)
		return 0;
	if (!sh->init_answered || (!sh->restarts && sh->why[0])) {
		say("%s: %s", dir,
		    sh->why[0] ? sh->why : "the worker could not start");
		return 1;
	}
	if (!sh->can_resend) {
		say("%s: the worker died, and this kernel cannot send its "
		    "requests again (Linux 6.9 can); unmounting",
		    dir);
		return 1;
	}
	crashed = has_crashed(s, status);
	s->failures = s->is_ready && (!crashed || sh->turns > 1)
			      ? 0
			      : s->failures + 1;
	if (!s->ever_ready && s->failures == FIRST_TRIES) {
		say("%s: %u workers have died before one was ready%s%s; "
		    "unmounting",
		    dir, s->failures, sh->why[0] ? ": " : "", sh->why);
		return 1;
	}
	say_why(s, status);
	blame(sh, crashed);
	sh->why[0] = 0;
	sh->restarts++;
	start_later(s, pause_of(s->failures));
	return -1;
}

/* Others are watchers, and workers that were given up.  Return: as above. */
static int reap(struct supervisor *s)
{
	int status, end = -1;
	pid_t pid;

	while ((pid = waitpid(-1, &status, WNOHANG)) > 0)
		if (pid == s->worker)
			end = worker_died(s, status);
	return end;
}

static bool in_call(const struct mount_shared *sh, pid_t tid)
{
	for (int i = 0; i < CALLS_MAX; i++)
		if (sh->calls[i] == tid)
			return true;
	return false;
}

/*
 * Are there threads left, and is each of them held up in a call that may wait?
 * Such a thread does nothing more when its call returns.
 */
static bool held_up_in_calls(const struct supervisor *s)
{
	char path[64];
	struct dirent *e;
	bool any = false, all = true;
	DIR *d;

	snprintf(path, sizeof(path), "/proc/%d/task", (int)s->worker);
	d = opendir(path);
	if (!d)
		return false;
	while (all && (e = readdir(d))) {
		pid_t tid = atoi(e->d_name);
		char state = tid ? process_state(tid) : 0;

		if (!state || state == 'Z' || state == 'X')
			continue;
		any = true;
		all = in_call(s->shared, tid);
	}
	closedir(d);
	return any && all;
}

/*
 * A watcher has seen its worker's main thread end.  The other threads can be
 * held up by a request, which the next worker answers, or by a client.  None of
 * them runs in user space any more.
 */
static void main_thread_died(struct supervisor *s, const siginfo_t *info)
{
	if (s->worker && !s->give_up_ns &&
	    (s->worker == info->si_int || process_state(s->worker) == 'Z')) {
		s->give_up_ns = clock_ns() + REAP_NS;
		s->threads_ns = clock_ns() + MS;
		s->held_up = false;
	}
}

/* The threads of a worker that has died, until they are gone or held up. */
static void look_at_threads(struct supervisor *s)
{
	bool before = s->held_up;

	s->threads_ns = clock_ns() + MS;
	s->held_up = held_up_in_calls(s);
	/* One that is just ending is left to reap(). */
	if (s->held_up && before)
		s->give_up_ns = clock_ns();
}

/* --- does it answer? --- */

static bool requests_wait(const struct supervisor *s)
{
	struct pollfd p = { .fd = fuse_session_fd(s->mount), .events = POLLIN };

	return poll(&p, 1, 0) > 0 && p.revents & POLLIN;
}

static uint32_t looks_allowed(const struct supervisor *s, char state)
{
	if (state == 'T')
		return LOOKS_IDLE;
	if (!s->is_ready)
		return LOOKS_START;
	return s->turns & 1 ? LOOKS_IN_HAND : LOOKS_IDLE;
}

static void look(struct supervisor *s)
{
	uint32_t turns = s->shared->turns;
	bool busy = turns & 1 || !s->is_ready || requests_wait(s);
	char state;

	s->look_ns = clock_ns() + LOOK_NS;
	if (!busy || turns != s->turns || s->give_up_ns) {
		s->turns = turns;
		s->looks = 0;
		return;
	}
	state = process_state(s->worker);
	/* A debugger has stopped it. */
	if (state == 't' || ++s->looks < looks_allowed(s, state))
		return;
	say("%s: the worker has not answered for %u s%s",
	    s->options->mountpoint, s->looks * LOOK_SECONDS,
	    state == 'T' ? ": it is stopped" : "");
	s->hung = true;
	s->give_up_ns = clock_ns() + KILL_NS;
	kill(s->worker, SIGKILL);
}

/* --- the loop --- */

static int64_t earliest(const struct supervisor *s)
{
	int64_t due[] = { s->start_ns, s->give_up_ns, s->threads_ns,
			  s->look_ns };
	int64_t first = INT64_MAX;

	for (int i = 0; i < 4; i++)
		if (due[i] && due[i] < first)
			first = due[i];
	return first;
}

/* Until a signal comes, or something is due.  Return: the signal, or 0. */
static int wait_signal(struct supervisor *s, siginfo_t *info)
{
	int64_t left = earliest(s) - clock_ns();
	struct timespec delay = { 0 };
	int sig;

	sig = sigtimedwait(&s->end, info, &delay);
	if (sig > 0)
		return sig;
	if (left > 0)
		delay = (struct timespec){ .tv_sec = left / SECOND,
					   .tv_nsec = left % SECOND };
	sig = sigtimedwait(&s->signals, info, &delay);
	return sig > 0 ? sig : 0;
}

/* Return: as worker_died(). */
static int do_due(struct supervisor *s)
{
	int64_t now = clock_ns();
	int end = -1, status;

	if (s->threads_ns && s->threads_ns <= now)
		look_at_threads(s);
	if (s->give_up_ns && s->give_up_ns <= now) {
		say("%s: a thread of the worker waits in the kernel; it is "
		    "left alone",
		    s->options->mountpoint);
		s->left = true;
		/* One that was killed and has not ended has no status yet. */
		status = process_status(s->worker);
		end = worker_died(s, status ? status : SIGKILL);
	}
	if (end < 0 && s->look_ns && s->look_ns <= now)
		look(s);
	if (end < 0 && s->start_ns && s->start_ns <= now)
		start_now(s);
	return end;
}

static void note_ready(struct supervisor *s, const siginfo_t *info)
{
	if (s->is_ready || !s->worker || info->si_pid != s->worker)
		return;
	s->is_ready = s->ever_ready = true;
	s->ready(s->arg);
}

void supervise_stop(struct supervisor *s)
{
	int64_t kill_ns, give_up_ns = 0, now = clock_ns();
	struct timespec step = { .tv_nsec = 100 * MS };
	sigset_t child;
	int status;

	if (!s->worker)
		return;
	s->shared->stopping = 1;
	kill(s->worker, SIGTERM);
	kill(s->worker, SIGCONT);
	sigemptyset(&child);
	sigaddset(&child, SIGCHLD);
	kill_ns = now + (s->is_ready ? STOP_NS : STOP_START_NS);
	while (waitpid(s->worker, &status, WNOHANG) == 0) {
		bool ended = process_state(s->worker) == 'Z';

		now = clock_ns();
		if (!ended && now > kill_ns)
			kill(s->worker, SIGKILL);
		/* What it has left unanswered holds up its end. */
		if (ended)
			refuse_requests(fuse_session_fd(s->mount));
		if (!give_up_ns && (ended || now > kill_ns))
			give_up_ns = now + KILL_NS;
		if (give_up_ns && now > give_up_ns) {
			say("%s: a thread of the worker waits in the kernel, "
			    "for a client or another file system; the mount "
			    "ends without it",
			    s->options->mountpoint);
			s->left = true;
			break;
		}
		sigtimedwait(&child, NULL, &step);
	}
	s->worker = 0;
}

void supervise_init(struct supervisor *s)
{
	sigemptyset(&s->end);
	sigaddset(&s->end, SIGTERM);
	sigaddset(&s->end, SIGINT);
	sigaddset(&s->end, SIGHUP);
	s->signals = s->end;
	sigaddset(&s->signals, SIGCHLD);
	sigaddset(&s->signals, SIGUSR1); /* a worker is ready */
	sigaddset(&s->signals, SIGUSR2); /* from a watcher */
	sigprocmask(SIG_BLOCK, &s->signals, NULL);
}

int supervise(struct supervisor *s)
{
	siginfo_t info;
	int end = -1, sig;

	start_now(s);
	while (end < 0) {
		sig = wait_signal(s, &info);
		if (sig && sigismember(&s->end, sig) == 1) {
			end = 0;
			break;
		}
		if (sig == SIGUSR2)
			main_thread_died(s, &info);
		if (sig == SIGUSR1)
			note_ready(s, &info);
		end = reap(s);
		if (end < 0)
			end = do_due(s);
	}
	return end;
}
