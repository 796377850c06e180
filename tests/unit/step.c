/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "tests/unit/step.h"

#define STEP_STRIDE 512 /* bulk is looked at here and there */

static void step_find(struct step_file *f, int dirfd)
{
	struct stat st;

	f->fd = openat(dirfd, f->name, O_RDONLY | O_CLOEXEC);
	if (f->fd < 0 || f->bulk)
		return;
	must(fstat(f->fd, &st) == 0, "%s", f->name);
	if (!st.st_size) {
		close(f->fd);
		f->fd = -1;
		return;
	}
	/* Of a smaller file the rest of its last page is there as well. */
	f->now = mmap(NULL, STEP_BYTES, PROT_READ, MAP_SHARED, f->fd, 0);
	must(f->now != MAP_FAILED, "mmap");
}

static void step_lose(struct step_file *f)
{
	if (f->now)
		munmap((void *)f->now, STEP_BYTES);
	if (f->fd >= 0)
		close(f->fd);
	f->now = NULL;
	f->fd = -1;
	f->size = -1;
}

/* Reading through a mapping would make memory where the file has a hole. */
static bool step_bulk_changed(struct step_file *f)
{
	bool changed = false;

	for (off_t at = 0; at < f->size; at += STEP_STRIDE) {
		char *then = &f->then[at / STEP_STRIDE], c;

		if (pread(f->fd, &c, 1, at) == 1 && c != *then) {
			*then = c;
			changed = true;
		}
	}
	return changed;
}

static bool step_file_changed(struct step_file *f, int dirfd)
{
	off_t size = f->size;
	struct stat st;

	if (f->fd < 0)
		step_find(f, dirfd);
	if (f->fd < 0)
		return false;
	if (fstat(f->fd, &st) || !st.st_nlink) {
		step_lose(f);
		return true;
	}
	f->size = st.st_size;
	if (f->bulk)
		return step_bulk_changed(f) || f->size != size;
	if (!memcmp(f->now, f->then, STEP_BYTES))
		return f->size != size;
	memcpy(f->then, f->now, STEP_BYTES);
	return true;
}

/* Return: whether any file is not as it was at the last call. */
static bool step_changed(struct step_watch *w, int dirfd)
{
	bool changed = false;

	for (int i = 0; i < STEP_FILES && w->file[i].name; i++)
		changed |= step_file_changed(&w->file[i], dirfd);
	return changed;
}

struct step_result step_through(struct step_watch *w, void (*prepare)(void *),
				void (*op)(void *), void (*see)(void *),
				void *arg)
{
	int dirfd = open(w->dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	struct step_result r = { 0 };
	int status;
	pid_t pid;

	fflush(stdout);
	pid = fork();
	must(pid >= 0, "fork");
	if (pid == 0) {
		prepare(arg);
		if (ptrace(PTRACE_TRACEME, 0, NULL, NULL) < 0)
			_exit(2);
		raise(SIGSTOP);
		op(arg);
		raise(SIGSTOP);
		_exit(3);
	}
	waitpid(pid, &status, 0);
	if (!WIFSTOPPED(status)) {
		r.refused = WIFEXITED(status) && WEXITSTATUS(status) == 2;
		r.died = !r.refused;
		close(dirfd);
		return r;
	}
	for (int i = 0; i < STEP_FILES; i++)
		w->file[i].fd = -1;
	do {
		if (step_changed(w, dirfd) || !r.states) {
			r.states++;
			see(arg);
		}
		r.steps++;
		ptrace(PTRACE_SINGLESTEP, pid, NULL, NULL);
		waitpid(pid, &status, 0);
	} while (WIFSTOPPED(status) && WSTOPSIG(status) == SIGTRAP);
	r.died = !WIFSTOPPED(status) || WSTOPSIG(status) != SIGSTOP;
	if (WIFSTOPPED(status)) {
		kill(pid, SIGKILL);
		waitpid(pid, &status, 0);
	}
	for (int i = 0; i < STEP_FILES; i++)
		step_lose(&w->file[i]);
	close(dirfd);
	return r;
}
