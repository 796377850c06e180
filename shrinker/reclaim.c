/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The reclaimer.
 *
 * What it is for: to notice that memory runs short, and to have the shrinkers
 * give back as much as it takes and not more.
 *
 * States:
 *
 *	         event believed, or MemAvailable < min_free
 *	CALM ------------------------------------------------> PRESSURE
 *	  ^    priority 12, 11, ... until something was freed      |  | each look
 *	  |                                                        |  | (100 ms)
 *	  `------- stall has grown slower than half the threshold -'  | while it
 *	           for a window, MemAvailable > 9/8 min_free       ^--' grows:
 *	           priority back to 12                       priority - 1, pass
 *
 * In CALM nothing wakes the thread but an event and the look at MemAvailable,
 * seconds apart while there is plenty.
 *
 * Locks: r->lock (4, a leaf) guards what status and configure exchange with the
 * thread.  Everything else belongs to the thread alone, or is atomic.  No lock
 * is held while shrinkers run or an event is told.
 *
 * Reclaim meanwhile: reclaim_direct() of other threads runs beside the thread;
 * the two meet in the shrinkers only.
 */
#include "shrinker/reclaim.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <time.h>
#include <unistd.h>

#include "shrinker/clock.h"
#include "shrinker/memwatch.h"
#include "shrinker/passes.h"

#define NSEC_PER_MSEC 1000000ull
#define NSEC_PER_SEC 1000000000ull

#define DEFAULT_SOME_STALL_US 100000
#define DEFAULT_FULL_STALL_US 50000
#define DEFAULT_WINDOW_US 1000000

/* Between looks while there is pressure. */
#define PRESSURE_LOOK_MS 100
/* How often, and how far apart, passes that free nothing are tried again. */
#define BUSY_TRIES 10
#define BUSY_US 2000
/* The longest interval when no source sends events. */
#define ALONE_LOOK_MS 2000

struct reclaimer {
	struct passes passes;
	void (*event)(void *arg, const struct reclaim_event *ev);
	void *event_arg;
	int wake_fd;
	pthread_t thread;
	bool started;
	atomic_bool stop;
	atomic_ulong direct_calls;
	atomic_ulong direct_freed;

	pthread_mutex_t lock;
	struct reclaim_tuning wanted; /* lock */
	bool rearm; /* lock; wanted is new */
	struct reclaim_status shown; /* lock */

	/* The thread's own. */
	struct reclaim_tuning tuning;
	struct psi_set sources;
	struct memwatch memory;
	bool memory_low;
	uint64_t next_look_ns;
	uint64_t last_pass_ns;
	unsigned long last_freed; /* by the last pass */
	struct reclaim_status now; /* what will be shown next */
};

static struct reclaim_tuning tuning_filled(const struct reclaim_tuning *in)
{
	struct reclaim_tuning t = *in;

	if (!t.some_stall_us)
		t.some_stall_us = DEFAULT_SOME_STALL_US;
	if (!t.full_stall_us)
		t.full_stall_us = DEFAULT_FULL_STALL_US;
	if (!t.window_us)
		t.window_us = DEFAULT_WINDOW_US;
	return t;
}

static bool tuning_valid(const struct reclaim_tuning *t)
{
	return t->some_stall_us <= t->window_us &&
	       t->full_stall_us <= t->window_us &&
	       t->window_us <= PSI_WINDOW_MAX_US;
}

static struct psi_limits tuning_limits(const struct reclaim_tuning *t)
{
	return (struct psi_limits){
		.stall_us = { t->some_stall_us, t->full_stall_us },
		.window_us = t->window_us,
	};
}

/* The default follows the limit of the cgroup, which can change. */
static uint64_t min_free(const struct reclaimer *r)
{
	return r->tuning.min_free
		       ? r->tuning.min_free
		       : meminfo_default_min_free(r->memory.mem.total);
}

static void tell(struct reclaimer *r, struct reclaim_event ev)
{
	ev.available = r->memory.mem.available;
	if (r->event)
		r->event(r->event_arg, &ev);
}

static void tell_pass(struct reclaimer *r, unsigned long freed, uint64_t ns)
{
	tell(r, (struct reclaim_event){
			.type = RECLAIM_PASS,
			.why = r->now.why,
			.priority = r->now.priority,
			.freed = freed,
			.ns = ns,
		});
}

static void tell_source(struct reclaimer *r, int i)
{
	struct psi_source_status s;
	bool lives;

	psi_source_status(r->sources.source[i], &s);
	lives = s.state == PSI_SOURCE_ARMED || s.state == PSI_SOURCE_READ;
	tell(r,
	     (struct reclaim_event){
		     .type = lives ? RECLAIM_SOURCE_ARMED : RECLAIM_SOURCE_LOST,
		     .path = s.path,
		     .err = s.err,
	     });
}

/* Completes r->now, and shows it. */
static void publish(struct reclaimer *r)
{
	struct reclaim_status *now = &r->now;

	now->tuning = r->tuning;
	now->tuning.min_free = min_free(r);
	now->mem_total = r->memory.mem.total;
	now->mem_available = r->memory.mem.available;
	now->mem_limited = r->memory.limited;
	now->mem_err = r->memory.err;
	now->nr_sources = r->sources.nr;
	for (int i = 0; i < r->sources.nr; i++)
		psi_source_status(r->sources.source[i], &now->source[i]);
	pthread_mutex_lock(&r->lock);
	/* reclaimer_configure() has shown newer values already. */
	if (r->rearm)
		now->tuning = r->shown.tuning;
	r->shown = *now;
	pthread_mutex_unlock(&r->lock);
}

/* How far down priority may go; above 12 when no pass may be made at all. */
static int lowest_priority(const struct reclaimer *r)
{
	if (r->now.why & (RECLAIM_FULL | RECLAIM_MEMORY))
		return 0;
	return passes_lowest(&r->passes, r->tuning.floor);
}

static unsigned long pass(struct reclaimer *r, int priority)
{
	const struct shrink_scope scope = {
		.may_block = true,
		.fs_allowed = true,
		.io_allowed = true,
	};
	uint64_t start = clock_ns();
	unsigned long freed = passes_shrink(&r->passes, priority, &scope);

	r->last_pass_ns = clock_ns();
	r->now.priority = priority;
	r->now.passes++;
	r->now.freed += freed;
	r->last_freed = freed;
	if (freed)
		tell_pass(r, freed, r->last_pass_ns - start);
	return freed;
}

/* Return: true when something was freed. */
static bool passes_down(struct reclaimer *r, int lowest)
{
	for (int p = r->now.priority; p >= lowest && !r->stop; p--)
		if (pass(r, p))
			return true;
	return false;
}

/*
 * From the present priority down until something is freed.  Shrinkers only try
 * the locks they need.  Such locks are held for moments, and there may be no
 * other event, so passes that free nothing are tried again.
 */
static void first_passes(struct reclaimer *r, uint64_t woke)
{
	int lowest = lowest_priority(r);
	int priority = r->now.priority;
	int tries = 0;

	if (priority < lowest)
		return;
	while (!passes_down(r, lowest)) {
		if (r->stop || ++tries == BUSY_TRIES ||
		    !r->passes.available(r->passes.arg))
			break;
		r->now.priority = priority;
		usleep(BUSY_US);
	}
	if (r->last_freed) {
		r->now.reaction_ns = r->last_pass_ns - woke;
		return;
	}
	/* One event for all passes that have freed nothing. */
	tell_pass(r, 0, clock_ns() - woke);
}

/* Pressure lasts: one pass, and more of everything than in the one before. */
static void next_pass(struct reclaimer *r)
{
	int priority = r->now.priority > 0 ? r->now.priority - 1 : 0;
	int lowest = lowest_priority(r);

	if (priority < lowest)
		priority = lowest;
	if (priority <= SHRINK_DEF_PRIORITY)
		pass(r, priority);
}

/* Return: enum reclaim_why.  @hot: out, of these, those that still grow. */
static unsigned int why_now(struct reclaimer *r, unsigned int *hot)
{
	struct psi_pressure psi = psi_set_pressure(&r->sources);
	uint64_t have = r->memory.mem.available, least = min_free(r);

	if (r->memory.err || have >= least + least / 8)
		r->memory_low = false;
	else if (have < least)
		r->memory_low = true;
	*hot = psi.hot;
	if (r->memory_low && have < least)
		*hot |= RECLAIM_MEMORY;
	return psi.under | (r->memory_low ? RECLAIM_MEMORY : 0);
}

static void begin_pressure(struct reclaimer *r, unsigned int why)
{
	r->now.why = why;
	r->now.pressures++;
	tell(r, (struct reclaim_event){ .type = RECLAIM_BEGIN, .why = why });
}

static void end_pressure(struct reclaimer *r)
{
	r->now.why = 0;
	r->now.priority = SHRINK_DEF_PRIORITY;
	tell(r, (struct reclaim_event){ .type = RECLAIM_END });
}

/* Begins or ends pressure, and makes the passes that are due. */
static void react(struct reclaimer *r, uint64_t woke)
{
	unsigned int hot, why = why_now(r, &hot);
	unsigned int before = r->now.why;

	if (!why) {
		if (before)
			end_pressure(r);
		return;
	}
	if (!before)
		begin_pressure(r, why);
	r->now.why = why;
	if (why & ~before)
		first_passes(r, woke);
	else if (hot && clock_ns() - r->last_pass_ns >=
				PRESSURE_LOOK_MS * NSEC_PER_MSEC / 2)
		next_pass(r);
}

static unsigned int interval_ms(const struct reclaimer *r)
{
	unsigned int longest = MEMINFO_MAX_MS;

	if (r->now.why)
		return PRESSURE_LOOK_MS;
	if (!psi_set_has_events(&r->sources))
		longest = ALONE_LOOK_MS;
	if (r->memory.err)
		return longest;
	return meminfo_interval_ms(&r->memory.mem, min_free(r), longest);
}

/*
 * Read all sources and the memory; retry sources that are lost, if it is time.
 */
static void look(struct reclaimer *r, uint64_t now)
{
	struct psi_limits limits = tuning_limits(&r->tuning);

	memwatch_look(&r->memory);
	for (int i = 0; i < r->sources.nr; i++) {
		struct psi_source *s = r->sources.source[i];

		if (psi_source_retry(s, &limits, now) ||
		    psi_source_look(s, now) == PSI_GONE)
			tell_source(r, i);
	}
}

/* After reclaimer_configure(). */
static void take_tuning(struct reclaimer *r, uint64_t now)
{
	struct psi_limits limits;
	bool rearm;

	pthread_mutex_lock(&r->lock);
	rearm = r->rearm;
	r->rearm = false;
	r->tuning = r->wanted;
	pthread_mutex_unlock(&r->lock);
	if (!rearm)
		return;
	limits = tuning_limits(&r->tuning);
	psi_set_arm(&r->sources, &limits, now);
	for (int i = 0; i < r->sources.nr; i++)
		tell_source(r, i);
}

/*
 * Sleep until an event or the next look.  Return: CLOCK_MONOTONIC, nanoseconds.
 */
static uint64_t wait_for_events(struct reclaimer *r)
{
	struct pollfd fds[1 + PSI_SET_POLLFDS];
	int owner[1 + PSI_SET_POLLFDS];
	uint64_t now = clock_ns(), count;
	uint64_t left = r->next_look_ns > now ? r->next_look_ns - now : 0;
	struct timespec timeout = { left / NSEC_PER_SEC, left % NSEC_PER_SEC };
	int nr = psi_set_pollfds(&r->sources, fds + 1, owner + 1) + 1;
	int ready;

	fds[0] = (struct pollfd){ r->wake_fd, POLLIN, 0 };
	ready = ppoll(fds, nr, &timeout, NULL);
	now = clock_ns();
	r->now.wakeups++;
	for (int i = 1; ready > 0 && i < nr; i++) {
		struct psi_source *s = r->sources.source[owner[i]];

		if (fds[i].revents &&
		    psi_source_event(s, fds[i].fd, fds[i].revents, now) ==
			    PSI_GONE)
			tell_source(r, owner[i]);
	}
	if (ready > 0 && fds[0].revents &&
	    read(r->wake_fd, &count, sizeof(count)) > 0)
		take_tuning(r, now);
	return now;
}

static void *reclaim_thread(void *arg)
{
	struct reclaimer *r = arg;
	uint64_t now = clock_ns();

	for (int i = 0; i < r->sources.nr; i++)
		tell_source(r, i);
	while (!r->stop) {
		look(r, now);
		react(r, now);
		r->now.interval_ms = interval_ms(r);
		r->next_look_ns = clock_ns() +
				  r->now.interval_ms * NSEC_PER_MSEC;
		publish(r);
		now = wait_for_events(r);
	}
	return NULL;
}

static void wake(struct reclaimer *r)
{
	uint64_t one = 1;

	/*
	 * It fails only when the counter is full: then the thread wakes anyway.
	 */
	if (write(r->wake_fd, &one, sizeof(one)) < 0)
		return;
}

/* Also of a half-built one. */
static void reclaimer_free(struct reclaimer *r)
{
	if (r->wake_fd >= 0)
		close(r->wake_fd);
	psi_set_release(&r->sources);
	memwatch_release(&r->memory);
	pthread_mutex_destroy(&r->lock);
	free(r);
}

static int reclaimer_init(struct reclaimer *r, const struct reclaim_options *o)
{
	struct psi_limits limits;
	int err;

	pthread_mutex_init(&r->lock, NULL);
	r->wake_fd = -1;
	r->event = o->event;
	r->event_arg = o->arg;
	passes_init(&r->passes, o->shrink, o->available, o->arg);
	r->tuning = r->wanted = tuning_filled(&o->tuning);
	r->now.priority = SHRINK_DEF_PRIORITY;
	if (!tuning_valid(&r->tuning))
		return -EINVAL;
	err = memwatch_init(&r->memory, o->meminfo_path, o->cgroup_root);
	if (!err)
		err = psi_set_init(&r->sources, o->psi_paths, o->nr_psi_paths,
				   r->memory.cg);
	if (err)
		return err;
	r->wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (r->wake_fd < 0)
		return -errno;
	limits = tuning_limits(&r->tuning);
	psi_set_arm(&r->sources, &limits, clock_ns());
	memwatch_look(&r->memory);
	publish(r);
	return 0;
}

const char *reclaim_why_name(unsigned int why)
{
	static const char *const names[] = {
		"none",	  "some",	 "full",	"some+full",
		"memory", "some+memory", "full+memory", "some+full+memory",
	};

	return why < sizeof(names) / sizeof(names[0]) ? names[why] : "unknown";
}

const char *reclaim_event_name(enum reclaim_event_type type)
{
	static const char *const names[] = {
		[RECLAIM_BEGIN] = "pressure-begin",
		[RECLAIM_PASS] = "pass",
		[RECLAIM_END] = "pressure-end",
		[RECLAIM_SOURCE_LOST] = "source-lost",
		[RECLAIM_SOURCE_ARMED] = "source-armed",
	};

	return type < sizeof(names) / sizeof(names[0]) ? names[type]
						       : "unknown";
}

struct reclaimer *reclaimer_new(const struct reclaim_options *options)
{
	struct reclaimer *r = calloc(1, sizeof(*r));
	int err;

	if (!r)
		return NULL;
	err = reclaimer_init(r, options);
	if (err) {
		reclaimer_free(r);
		errno = -err;
		return NULL;
	}
	return r;
}

/* Signals are left to the thread that starts the reclaimer. */
int reclaimer_start(struct reclaimer *r)
{
	sigset_t all, old;
	int err;

	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &old);
	err = pthread_create(&r->thread, NULL, reclaim_thread, r);
	pthread_sigmask(SIG_SETMASK, &old, NULL);
	if (err)
		return -err;
	r->started = true;
	pthread_setname_np(r->thread, "reclaim");
	return 0;
}

void reclaimer_stop(struct reclaimer *r)
{
	if (!r)
		return;
	if (r->started) {
		r->stop = true;
		wake(r);
		pthread_join(r->thread, NULL);
	}
	reclaimer_free(r);
}

int reclaimer_triggers(const struct reclaimer *r, int *fds)
{
	struct pollfd all[PSI_SET_POLLFDS];
	int owner[PSI_SET_POLLFDS], nr = 0;
	int nr_all = psi_set_pollfds(&r->sources, all, owner);

	for (int i = 0; i < nr_all; i++)
		if (all[i].events & POLLPRI)
			fds[nr++] = all[i].fd;
	return nr;
}

int reclaimer_configure(struct reclaimer *r,
			const struct reclaim_tuning *tuning)
{
	struct reclaim_tuning filled = tuning_filled(tuning);

	if (!tuning_valid(&filled))
		return -EINVAL;
	pthread_mutex_lock(&r->lock);
	r->wanted = filled;
	r->rearm = true;
	if (!filled.min_free)
		filled.min_free = meminfo_default_min_free(r->shown.mem_total);
	r->shown.tuning = filled;
	pthread_mutex_unlock(&r->lock);
	wake(r);
	return 0;
}

unsigned long reclaim_direct(struct reclaimer *r, unsigned long want)
{
	unsigned long freed = passes_direct(&r->passes, want);

	r->direct_calls++;
	r->direct_freed += freed;
	return freed;
}

void reclaimer_status(struct reclaimer *r, struct reclaim_status *out)
{
	pthread_mutex_lock(&r->lock);
	*out = r->shown;
	pthread_mutex_unlock(&r->lock);
	out->direct_calls = r->direct_calls;
	out->direct_freed = r->direct_freed;
}
