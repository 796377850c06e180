/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The store: adopted, locked against a second pool, detached or temporary, and
 * what it says when it cannot be had.
 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include "pool/store/remove.h"
#include "pool/store/store.h"
#include "tests/unit/scratch.h"
#include "tests/unit/tap.h"

#define SIZE (8ull << 20)

static char why[256];

static bool is_dir(int fd)
{
	struct stat st;

	return fstat(fd, &st) == 0 && S_ISDIR(st.st_mode);
}

static void test_adopt(void)
{
	char *dir = scratch_dir("adopted"), *file;
	struct store s;
	struct stat st;
	int fd;

	ok(store_open(&s, dir, SIZE, NULL, why, sizeof(why)) == 0 && !*why,
	   "a directory is adopted");
	ok(is_dir(s.dirfd) && is_dir(s.boxfd) && is_dir(s.contentfd) &&
		   !s.temporary && s.path && !strcmp(s.path, dir),
	   "and laid out");
	ok(store_region_open(&s, 0xabc, false) == -ENOENT,
	   "a region that is not there: ENOENT");
	fd = store_region_open(&s, 0xabc, true);
	ok(fd >= 0 && write(fd, "kept", 4) == 4, "until it is made");
	close(fd);
	store_close(&s);
	ok(s.dirfd == -1 && s.boxfd == -1 && s.contentfd == -1 && !s.path,
	   "closing it leaves nothing open");
	store_close(&s);
	ok(stat(dir, &st) == 0, "nor removes what is not its own");

	must(store_open(&s, dir, SIZE, NULL, why, sizeof(why)) == 0, "%s", why);
	fd = store_region_open(&s, 0xabc, false);
	ok(fd >= 0, "what was in it is there the next time");
	close(fd);
	ok(store_region_unlink(&s, 0xabc) == 0 &&
		   store_region_unlink(&s, 0xabc) == -ENOENT,
	   "a region is removed once");
	ok(store_region_open(&s, UINT64_MAX, true) >= 0 &&
		   store_region_unlink(&s, UINT64_MAX) == 0,
	   "the largest serial has a name, too");
	store_close(&s);
	must(asprintf(&file, "%s/file", dir) > 0, "asprintf");
	close(open(file, O_RDWR | O_CREAT | O_CLOEXEC, 0600));
	ok(store_open(&s, file, SIZE, NULL, why, sizeof(why)) == -ENOTDIR &&
		   *why,
	   "a file is no store: %s", why);
	free(file);
	free(dir);
}

static void test_locked(void)
{
	char *dir = scratch_dir("locked");
	struct store a, b;
	int status;
	pid_t pid;

	must(store_open(&a, dir, SIZE, NULL, why, sizeof(why)) == 0, "%s", why);
	ok(store_open(&b, dir, SIZE, NULL, why, sizeof(why)) == -EWOULDBLOCK &&
		   strstr(why, "another poolfs"),
	   "two pools cannot have one store: %s", why);
	ok(b.dirfd == -1 && !b.path, "the second has nothing open");
	store_close(&a);
	fflush(stdout);
	pid = fork();
	if (pid == 0) {
		if (store_open(&a, dir, SIZE, NULL, why, sizeof(why)))
			_exit(1);
		raise(SIGKILL);
	}
	must(pid > 0 && waitpid(pid, &status, 0) == pid, "waitpid");
	must(WIFSIGNALED(status), "the child: %s", why);
	ok(store_open(&a, dir, SIZE, NULL, why, sizeof(why)) == 0,
	   "the lock dies with whoever is killed");
	store_close(&a);
	free(dir);
}

static void test_refused(void)
{
	struct store s;
	char tiny[8];

	ok(store_open(&s, "/no/such/dir", SIZE, NULL, why, sizeof(why)) ==
			   -ENOENT &&
		   strstr(why, "/no/such/dir"),
	   "what is not there is named: %s", why);
	memset(tiny, 'x', sizeof(tiny));
	ok(store_open(&s, "/no/such/dir", SIZE, NULL, tiny, sizeof(tiny)) ==
			   -ENOENT &&
		   memchr(tiny, 0, sizeof(tiny)),
	   "a short buffer for the reason is not overrun");
	ok(store_open(&s, "/proc", SIZE, NULL, why, sizeof(why)) < 0 && *why,
	   "a file system without holes is refused: %s", why);
	store_close(&s);
}

static void test_own(void)
{
	struct store s;
	struct stat st;
	char *path;
	int fd;

	ok(store_open(&s, NULL, SIZE, NULL, why, sizeof(why)) == 0 && !*why,
	   "a store of its own");
	fd = store_region_open(&s, 1, true);
	ok(fd >= 0 && fstat(fd, &st) == 0 && (st.st_mode & 0777) == 0600,
	   "whose files are private");
	close(fd);
	path = s.path ? strdup(s.path) : NULL;
	ok(!s.temporary == !path, "%s", path ? path : "detached");
	store_close(&s);
	ok(!path || stat(path, &st) < 0, "and which is gone in the end");
	free(path);
}

/* As an ordinary user, who may not mount. */
static void test_temporary(void)
{
	int status = 0;
	pid_t pid;

	fflush(stdout);
	pid = fork();
	if (pid == 0) {
		struct store s;
		struct stat st;
		char *path;

		if (getuid() == 0 && (setgid(65534) || setuid(65534)))
			_exit(2);
		unsetenv("XDG_RUNTIME_DIR");
		if (store_open(&s, NULL, SIZE, NULL, why, sizeof(why)))
			_exit(3);
		if (!s.temporary || stat(s.path, &st) ||
		    (st.st_mode & 07777) != 0700)
			_exit(4);
		path = strdup(s.path);
		close(store_region_open(&s, 5, true));
		store_close(&s);
		_exit(stat(path, &st) == 0 ? 5 : 0);
	}
	must(pid > 0 && waitpid(pid, &status, 0) == pid, "waitpid");
	ok(WIFEXITED(status) && WEXITSTATUS(status) == 0,
	   "an ordinary user's is a private directory, gone in the end");
}

/* --- removing trees --- */

#define DEPTH 2000
#define FDS_FREE 6 /* that removing a tree may take */

static void make_deep(const char *path)
{
	int fd, sub;

	must(mkdir(path, 0700) == 0, "mkdir");
	fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	for (int i = 0; i < DEPTH; i++) {
		must(mkdirat(fd, "d", 0700) == 0, "mkdirat");
		must(mkdirat(fd, "e", 0700) == 0, "mkdirat");
		close(openat(fd, "file", O_CREAT | O_WRONLY | O_CLOEXEC, 0));
		must(symlinkat("/", fd, "symlink") == 0, "symlinkat");
		sub = openat(fd, "d", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
		must(sub >= 0, "openat");
		if (i % 7 == 0)
			fchmod(fd, 0);
		close(fd);
		fd = sub;
	}
	close(fd);
}

static void test_remove(void)
{
	struct rlimit old, few;
	char *path, *other;
	struct stat st;
	int fd, err;

	must(asprintf(&path, "%s/deep", scratch) > 0, "asprintf");
	make_deep(path);
	fd = dup(0);
	close(fd);
	getrlimit(RLIMIT_NOFILE, &old);
	few = (struct rlimit){ fd + FDS_FREE, old.rlim_max };
	setrlimit(RLIMIT_NOFILE, &few);
	err = remove_tree(AT_FDCWD, path);
	setrlimit(RLIMIT_NOFILE, &old);
	ok(err == 0 && stat(path, &st) < 0,
	   "a tree %d deep is removed with %d descriptors", DEPTH, FDS_FREE);
	ok(stat("/", &st) == 0 && S_ISDIR(st.st_mode), "symlinks end in it");
	ok(remove_tree(AT_FDCWD, path) == -ENOENT, "it is removed once");
	must(mkdir(path, 0700) == 0, "mkdir");
	must(asprintf(&other, "%s/kept", path) > 0, "asprintf");
	must(mkdir(other, 0700) == 0, "mkdir");
	fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	must(mkdirat(fd, "gone", 0) == 0, "mkdirat");
	ok(remove_content(fd, "kept") == 0 && stat(other, &st) == 0 &&
		   faccessat(fd, "gone", F_OK, 0) < 0,
	   "and all but one name of a directory");
	close(fd);
	free(other);
	free(path);
}

int main(void)
{
	scratch_new();
	test_adopt();
	test_locked();
	test_refused();
	test_own();
	test_temporary();
	test_remove();
	return done();
}
