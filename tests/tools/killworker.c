/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * killworker - kill the workers of a pool, and measure how long nobody answers.
 *
 *	killworker [OPTION...] KEEPER DIR KILLS
 *
 *	--most MS	a worker lives up to so long after its first answer; 50
 *	--early N	of a hundred workers so many are killed before that; 10
 *	--seed N	of the random numbers
 *	--until FILE	or ends earlier, when it is there
 *	--each		print each pause
 *
 * KEEPER is the process that starts workers, DIR is on the mount.  The pause of
 * a kill is the time until the first answer that only a later worker can have
 * given: to statfs(), which no cache answers.  Prints
 *
 *	N kills, pauses in ms: median A, 90 % B, 99 % C, most D
 *	N early kills: ...
 *
 * Status 3: no answer for a minute.
 */
#include "tests/tools/lib/tool.h"

#include <getopt.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <sys/pidfd.h>
#include <sys/statfs.h>

#define USAGE                                                         \
	"[--most MS] [--early N] [--seed N] [--until FILE] [--each] " \
	"KEEPER DIR KILLS"
#define NO_ANSWER_SECONDS 60

static struct {
	double most;
	int early;
	unsigned int seed;
	const char *until;
	bool each;
	pid_t keeper;
	const char *dir;
	size_t kills;
} opt = { .most = 50, .early = 10, .seed = 1 };

struct pauses {
	double *ms;
	size_t nr;
};

static struct pauses usual, early;

static void on_alarm(int sig)
{
	static const char text[] = "killworker: no answer for a minute\n";
	ssize_t n = write(STDERR_FILENO, text, sizeof(text) - 1);

	_exit(n < 0 ? 1 : EXIT_TIME);
}

static void wait_ms(double ms)
{
	struct timespec t = { .tv_sec = ms / 1000 };

	t.tv_nsec = (ms - t.tv_sec * 1e3) * 1e6;
	nanosleep(&t, NULL);
}

static double random_to(double most)
{
	return most * rand_r(&opt.seed) / RAND_MAX;
}

/* A watcher becomes the keeper's child, too, when its worker has died. */
static bool is_worker(pid_t pid)
{
	char path[64], name[32] = "", state = 'Z';
	FILE *f;

	snprintf(path, sizeof(path), "/proc/%d/stat", (int)pid);
	f = fopen(path, "re");
	if (!f)
		return false;
	if (fscanf(f, "%*d (%31[^)]) %c", name, &state) != 2)
		state = 'Z';
	fclose(f);
	return state != 'Z' && state != 'X' && !strcmp(name, "poolfs");
}

/* Return: a descriptor of the living worker's process, or -1. */
static int find_worker(pid_t not_this, pid_t *pid)
{
	char path[64];
	int fd = -1, p;
	FILE *f;

	snprintf(path, sizeof(path), "/proc/%d/task/%d/children",
		 (int)opt.keeper, (int)opt.keeper);
	f = fopen(path, "re");
	if (!f)
		fail(path);
	while (fd < 0 && fscanf(f, "%d", &p) == 1)
		if (p != not_this && is_worker(p)) {
			fd = pidfd_open(p, 0);
			*pid = p;
		}
	fclose(f);
	return fd;
}

static bool is_dead(int pidfd)
{
	struct pollfd p = { .fd = pidfd, .events = POLLIN };

	return poll(&p, 1, 0) > 0;
}

static void ask(void)
{
	struct statfs sfs;

	alarm(NO_ANSWER_SECONDS);
	if (statfs(opt.dir, &sfs))
		fail("statfs");
	alarm(0);
}

/* Return: when the answer came. */
static double ask_after(int pidfd)
{
	bool dead;

	do {
		dead = is_dead(pidfd);
		ask();
	} while (!dead);
	return now();
}

/* Waits for the next worker to be there, whether it answers or not. */
static int next_worker(pid_t *pid)
{
	pid_t last = *pid;
	int fd;

	alarm(NO_ANSWER_SECONDS);
	while ((fd = find_worker(last, pid)) < 0)
		wait_ms(0.2);
	alarm(0);
	return fd;
}

static void kill_one(int pidfd)
{
	/* It may have ended by itself. */
	if (pidfd_send_signal(pidfd, SIGKILL, NULL, 0) && errno != ESRCH)
		fail("kill");
}

static void add(struct pauses *p, double from, double to)
{
	double ms = (to - from) * 1e3;

	p->ms[p->nr++] = ms;
	if (opt.each)
		printf("%.2f\n", ms);
}

/* One worker that has answered, and with luck one that has not. */
static void round_of_kills(void)
{
	double killed, killed_early = 0;
	int fd, next = -1;
	pid_t pid = 0;

	wait_ms(random_to(opt.most));
	fd = next_worker(&pid);
	killed = now();
	kill_one(fd);
	if (random_to(100) < opt.early) {
		next = next_worker(&pid);
		wait_ms(random_to(20));
		killed_early = now();
		kill_one(next);
	}
	if (next < 0) {
		add(&usual, killed, ask_after(fd));
	} else {
		add(&early, killed_early, ask_after(next));
		close(next);
	}
	close(fd);
}

static int by_size(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return x < y ? -1 : x > y;
}

static double part(const struct pauses *p, double of_hundred)
{
	return p->ms[(size_t)((p->nr - 1) * of_hundred / 100 + 0.5)];
}

static void print(struct pauses *p, const char *what)
{
	if (!p->nr)
		return;
	qsort(p->ms, p->nr, sizeof(*p->ms), by_size);
	printf("%zu %s, pauses in ms: median %.1f, 90 %% %.1f, 99 %% %.1f, "
	       "most %.1f\n",
	       p->nr, what, part(p, 50), part(p, 90), part(p, 99),
	       part(p, 100));
}

int main(int argc, char **argv)
{
	static const struct option longopts[] = {
		{ "most", required_argument, NULL, 'm' },
		{ "early", required_argument, NULL, 'e' },
		{ "seed", required_argument, NULL, 's' },
		{ "until", required_argument, NULL, 'u' },
		{ "each", no_argument, NULL, 'E' },
		{},
	};
	int c;

	while ((c = getopt_long(argc, argv, "", longopts, NULL)) != -1) {
		if (c == 'm')
			opt.most = atof(optarg);
		else if (c == 'e')
			opt.early = atoi(optarg);
		else if (c == 's')
			opt.seed = atoi(optarg);
		else if (c == 'u')
			opt.until = optarg;
		else if (c == 'E')
			opt.each = true;
		else
			usage(USAGE);
	}
	if (argc - optind != 3)
		usage(USAGE);
	opt.keeper = atoi(argv[optind]);
	opt.dir = argv[optind + 1];
	opt.kills = strtoul(argv[optind + 2], NULL, 0);
	usual.ms = calloc(opt.kills + 1, sizeof(double));
	early.ms = calloc(opt.kills + 1, sizeof(double));
	if (!opt.keeper || !opt.kills || !usual.ms || !early.ms)
		usage(USAGE);
	signal(SIGALRM, on_alarm);
	ask();
	while (usual.nr + early.nr < opt.kills &&
	       (!opt.until || access(opt.until, F_OK)))
		round_of_kills();
	print(&usual, "kills");
	print(&early, "early kills");
	return 0;
}
