/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Adopting the directory of --store: see adopt.h. */
#include "fs/adopt.h"

#include <errno.h>
#include <signal.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "fs/kernel/say.h"
#include "fs/request/events.h"
#include "pool/adopt.h"

#define LINES_MAX 20 /* of what is wrong */

struct adoption {
	struct store *store;
	struct wrongs wrongs;
};

static void on_wrong(void *arg, const char *text)
{
	struct adoption *a = arg;

	if (a->wrongs.nr <= LINES_MAX)
		say("--store %s: %s: %s", a->store->path,
		    a->wrongs.drop ? "dropped" : "wrong", text);
}

/* Return: the exit status. */
static int adopt(struct adoption *a)
{
	const char *path = a->store->path;
	struct wrongs *w = &a->wrongs;
	int err = events_validate(a->store->dirfd, w);

	if (!err)
		err = pool_adopt(a->store, w);
	if (w->nr > LINES_MAX)
		say("--store %s: and %llu more", path,
		    (unsigned long long)w->nr - LINES_MAX);
	if (err == -EUCLEAN && w->nr)
		say("--store %s: it is not as poolfs has left it; --repair "
		    "drops what is wrong, and mounts the rest",
		    path);
	else if (err)
		say("--store %s: cannot be adopted: %s", path, strerror(-err));
	return err ? 1 : 0;
}

int adopt_store(struct store *store, bool repair)
{
	struct adoption a = { .store = store };
	int status;
	pid_t pid;

	pid = fork();
	if (pid < 0)
		return -errno;
	if (pid == 0) {
		sigset_t none;

		prctl(PR_SET_PDEATHSIG, SIGKILL);
		sigemptyset(&none);
		sigprocmask(SIG_SETMASK, &none, NULL);
		a.wrongs.drop = repair;
		a.wrongs.say = on_wrong;
		a.wrongs.arg = &a;
		_exit(adopt(&a));
	}
	while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
		;
	if (WIFEXITED(status))
		return WEXITSTATUS(status) ? -EUCLEAN : 0;
	say("--store %s: looking at it was ended by signal %d; use another "
	    "directory",
	    store->path, WTERMSIG(status));
	return -EUCLEAN;
}
