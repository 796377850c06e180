/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Stores that were damaged: each is refused, or is adopted and whole.  None
 * crashes the program, makes it hang, or is adopted with something broken; one
 * that is refused is not changed; and --repair makes a store of it that is
 * adopted.
 *
 *	test_mutations [FIRST [NUMBER]]	   these seeds, and what became of each
 *
 * SOAK=1: 100,000 of them, and 10,000 under the sanitizers.
 */
#include <signal.h>
#include <sys/wait.h>
#include <time.h>

#include "pool/adopt.h"
#include "pool/store/remove.h"
#include "tests/unit/mutate.h"
#include "tests/unit/tree_fixture.h"

#define SIZE (4ull << 20)
#ifdef __SANITIZE_ADDRESS__
#define NUMBER 300
#define NUMBER_SOAK 10000
#else
#define NUMBER 1000
#define NUMBER_SOAK 100000
#endif
#define SECONDS 20 /* for one; a busy machine is slow */

#define LONG                                                                \
	"a name that takes three records, because it is much longer than "  \
	"the first of them, and longer than the second, too, so that both " \
	"must be followed to know it, which this sentence takes care of"

/* What became of a store; the exit status of the process that looked. */
enum outcome {
	ADOPTED = 20, /* above what a failed must() exits with */
	REFUSED, /* at once, by store_open() */
	REPAIRED, /* refused, and adopted without what was wrong */
	END_GOOD,
	BROKEN,
	CHANGED, /* refused, and changed all the same */
	NOT_REPAIRED,
};
static const char *const good_names[] = { "adopted", "refused", "repaired" };

static bool verbose;

/* --- the stores that are damaged --- */

static void some_boxes(void)
{
	struct box *a = box_make("a", 64 << 10), *b = box_make("b", 1 << 20);
	struct box *gone = box_make("gone", 4096);
	uint32_t recv = open_kind(HANDLE_RECV, a);
	struct tx_info tx = { 0 };
	uint32_t text;
	char part[8];
	size_t len = 0;

	for (int i = 0; i < 6; i++)
		send_fill(a, 'a' + i, 3000 + i * 1000);
	for (int i = 0; i < 3; i++)
		send_fill(b, 'k' + i, 100 + i * 70000);
	receive_id(recv);
	/* One is held by an open file, one is half received, two are half
	 * sent. */
	must(tx_next(pool, a, 0, &tx) == 0, "tx_next");
	open_as(HANDLE_TX, a, tx.slot, 0);
	must(tx_free(pool, &the_op, a, tx.id) == 0, "tx_free");
	tx_receive(pool, &the_op, recv, part, sizeof(part), &len);
	write_fill(open_kind(HANDLE_SEND, a), 'h', 500, false);
	write_fill(open_as(HANDLE_SEND, b, 0, 5), 'i', 9000, false);
	open_kind(HANDLE_DATA, b);
	must(handle_open_text(pool, &the_op, LONG LONG LONG LONG, 700, &text) ==
		     0,
	     "handle_open_text");
	open_kind(HANDLE_RECV, gone);
	must(box_remove(pool, &the_op, "gone") == 0, "box_remove");
}

static void some_files(void)
{
	uint32_t dir = made_dir(INODE_ROOT, "dir"), deep, f;
	char name[16];

	deep = made_dir(made_dir(dir, "deeper"), LONG);
	must(vfile_set_volatile(pool, &the_op, deep, true, 0) == 0, "volatile");
	for (int i = 0; i < 4; i++) {
		snprintf(name, sizeof(name), "f%d", i);
		f = filled_file(i & 1 ? deep : dir, name, 3 + i, 'a' + i);
		must(vfile_set_volatile(pool, &the_op, f, true, 0) == 0,
		     "volatile");
	}
	must(tree_link(pool, &the_op, f, dir, "linked") == 0, "link");
	scan_pages("volatile-files", 3); /* purges f0 */
	f = filled_file(INODE_ROOT, "ranges", 16, 'r');
	must(vrange_unpin(pool, &the_op, f, 0, 2 * TREE_PAGE) == 0, "unpin");
	scan_pages("volatile-ranges", 2);
	must(vrange_unpin(pool, &the_op, f, 4 * TREE_PAGE, 3 * TREE_PAGE) == 0,
	     "unpin");
	must(vrange_unpin(pool, &the_op, f, 9 * TREE_PAGE, 2 * TREE_PAGE) == 0,
	     "unpin");
	f = filled_file(dir, LONG, 2, 'l');
	must(vfile_set_volatile(pool, &the_op, f, true, 0) == 0, "volatile");
	must(tree_open(pool, &the_op, f, O_RDWR, &opened) == 0, "open");
	f = filled_file(dir, "orphan", 2, 'o');
	must(tree_open(pool, &the_op, f, O_RDWR, &opened) == 0, "open");
	must(tree_unlink(pool, &the_op, dir, "orphan") == 0, "unlink");
	must(tree_symlink(pool, &the_op, dir, "symlink", "/etc", &f) == 0,
	     "symlink");
}

/* As a mount leaves it that is killed. */
static char *store_made(const char *name, bool boxes, bool files)
{
	char *dir = scratch_dir(name);
	int fd;

	pool_start(dir, SIZE, true, NULL);
	if (boxes)
		some_boxes();
	if (files)
		some_files();
	/* What the program keeps there besides the pool. */
	fd = openat(store.dirfd, "config.json", O_WRONLY | O_CREAT, 0600);
	dprintf(fd, "{\"box_size\":65536}");
	close(fd);
	pool_stop();
	return dir;
}

/* --- one that was damaged --- */

static void on_wrong(void *arg, const char *text)
{
	if (verbose)
		printf("# %s\n", text);
}

/* A sum of what no refusal may change. */
static uint64_t sum_of(int dirfd)
{
	static const char *const names[] = { "boxes",	"transactions",
					     "handles", "inodes",
					     "ranges",	"journal" };
	static uint64_t buf[8192];
	uint64_t sum = 0;

	for (size_t i = 0; i < sizeof(names) / sizeof(*names); i++) {
		int fd = openat(dirfd, names[i], O_RDONLY | O_CLOEXEC);
		ssize_t n;

		memset(buf, 0, sizeof(buf));
		while (fd >= 0 && (n = read(fd, buf, sizeof(buf))) > 0)
			for (ssize_t k = 0; k < (n + 7) / 8; k++)
				sum = (sum ^ buf[k]) * 1099511628211ull;
		if (fd >= 0)
			close(fd);
	}
	return sum;
}

static bool time_is_sane(struct timespec ts)
{
	return ts.tv_sec >= 0 && ts.tv_nsec >= 0 && ts.tv_nsec < 1000000000;
}

static bool tx_is_sane(struct box *box, const struct tx_info *tx)
{
	struct region *region;
	bool there = true;
	char c;

	if (tx->size)
		there = tx->offset < box_size(box) &&
			tx->size <= box_size(box) - tx->offset &&
			box_region(pool, box, &region) == 0 &&
			region_read(region, tx->offset + tx->size - 1, &c, 1) ==
				0;
	return there && tx->id && time_is_sane(tx->time);
}

/* What users are told of boxes. */
static bool boxes_are_sane(void)
{
	struct box *box = NULL;

	while ((box = box_next(pool, box ? box_serial(box) : 0))) {
		struct tx_info tx = { 0 };
		struct box_attr attr;

		if (box_by_name(pool, box_name(box)) != box ||
		    strchr(box_name(box), '/') || !box_size(box) ||
		    box_size(box) % TREE_PAGE)
			return false;
		for (int i = 0; i < BOX_INODES; i++) {
			box_getattr(box, i, &attr);
			if (attr.mode & ~07777 || !time_is_sane(attr.mtime) ||
			    !time_is_sane(attr.ctime))
				return false;
		}
		while (tx_next(pool, box, tx.id, &tx) == 0)
			if (!tx_is_sane(box, &tx))
				return false;
	}
	return true;
}

/* What its users do next. */
static void use_boxes(void)
{
	struct box *box = NULL;

	while ((box = box_next(pool, box ? box_serial(box) : 0))) {
		uint32_t recv = open_kind(HANDLE_RECV, box);
		struct tx_info tx = { 0 };
		char buf[64];

		receive_id(recv);
		if (tx_next(pool, box, 0, &tx) == 0) {
			uint32_t h = open_as(HANDLE_TX, box, tx.slot, 0);
			size_t len = sizeof(buf);

			must(tx_read(pool, h, 0, buf, &len) == 0, "tx_read");
			handle_close(pool, &the_op, h);
			tx_free(pool, &the_op, box, tx.id);
		}
		handle_close(pool, &the_op, recv);
		if (box_size(box) >= 4096)
			write_fill(open_kind(HANDLE_SEND, box), 'n', 1000,
				   true);
	}
	if (box_create(pool, &the_op, "new", 0777, &box) == 0)
		send_fill(box, 'n', 1000);
}

static void use_files(void)
{
	uint32_t node, dir;

	for (uint32_t i = 1; i < 64; i++) {
		struct statx stx;

		if (!inode_valid(pool, i) || inode_stat(pool, i, &stx))
			continue;
		vfile_set_volatile(pool, &the_op, i, true, 0);
		if (!S_ISREG(stx.stx_mode))
			continue;
		vrange_pin(pool, &the_op, i, 0, 0);
		vrange_unpin(pool, &the_op, i, 0, 0);
	}
	if (tree_lookup(pool, &the_op, INODE_ROOT, "dir", &dir) == 0) {
		tree_rename(pool, &the_op, dir, "f2", INODE_ROOT, "moved", 0);
		tree_unlink(pool, &the_op, dir, "linked");
		tree_lookup(pool, &the_op, dir, LONG, &node);
		inode_forget(pool, dir, 1);
	}
	if (tree_mknod(pool, &the_op, INODE_ROOT, "new", S_IFREG | 0644, 0,
		       &node) == 0)
		tree_unlink(pool, &the_op, INODE_ROOT, "new");
	scan_pages("volatile-ranges", 4);
	scan_pages("volatile-files", 4);
}

/* Opens it as the first worker does, uses it, and opens it as the next does. */
static bool is_whole(void)
{
	struct pool_options opts = {
		.store = &store, .size = SIZE, .nr_nodes = 1, .fresh = true
	};

	for (int i = 0; i < 3; i++, opts.fresh = i == 2) {
		int err = pool_open(&opts, &pool);

		if (err) {
			printf("# pool_open: %s\n", strerror(-err));
			return false;
		}
		pool_lock(pool);
		the_op = (struct op){ .umask = 022 };
		if (!pool_intact() || !boxes_are_sane())
			return false;
		if (i < 2) {
			use_boxes();
			use_files();
		}
		if (!pool_intact())
			return false;
		pool_unlock(pool);
		pool_close(pool);
	}
	return true;
}

static enum outcome look(const char *dir)
{
	struct wrongs w = { .say = on_wrong };
	enum outcome outcome = ADOPTED;
	char why[256];
	uint64_t sum;
	int err = store_open(&store, dir, SIZE, NULL, why, sizeof(why));

	if (err) {
		if (verbose)
			printf("# %s\n", why);
		return *why ? REFUSED : BROKEN;
	}
	sum = sum_of(store.dirfd);
	err = pool_adopt(&store, &w);
	if (err == -EUCLEAN && w.nr) {
		if (sum_of(store.dirfd) != sum)
			return CHANGED;
		w = (struct wrongs){ .drop = true };
		outcome = REPAIRED;
		err = pool_adopt(&store, &w);
		if (!err && !w.nr)
			return NOT_REPAIRED; /* what of? */
		w = (struct wrongs){ 0 };
		if (!err)
			err = pool_adopt(&store, &w);
	}
	if (err) {
		printf("# pool_adopt: %s, %s\n", strerror(-err), w.first);
		return NOT_REPAIRED;
	}
	if (!is_whole())
		return BROKEN;
	store_close(&store);
	return outcome;
}

/* Return: enum outcome, or -signal. */
static int try_seed(const char *from, uint64_t seed)
{
	char *dir = scratch_dir("damaged");
	int fd, status;
	pid_t pid;

	scratch_copy(from, dir);
	fflush(stdout);
	pid = fork();
	if (pid == 0) {
		struct wrongs w = { 0 };

		alarm(SECONDS);
		/* Every other one is no copy: it knows its files by number. */
		if (seed / 3 % 2) {
			must(store_open(&store, dir, SIZE, NULL, (char[256]){},
					256) == 0 &&
				     pool_adopt(&store, &w) == 0,
			     "adopted as it was");
			store_close(&store);
		}
		fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
		mutate(fd, seed);
		close(fd);
		status = look(dir);
		fflush(stdout);
		_exit(status);
	}
	must(pid > 0 && waitpid(pid, &status, 0) == pid, "waitpid");
	remove_tree(AT_FDCWD, dir);
	free(dir);
	return WIFEXITED(status) ? WEXITSTATUS(status) : -WTERMSIG(status);
}

/* --- one that was being adopted when the program was killed --- */

#define KILLS 150
#define KILL_US 20 /* later each time */

/* Return: volatile files of the copy in @dir, once it is adopted. */
static int marks_of(const char *dir)
{
	int status;
	pid_t pid;

	fflush(stdout);
	pid = fork();
	if (pid == 0) {
		struct wrongs w = { 0 };

		alarm(SECONDS);
		must(store_open(&store, dir, SIZE, NULL, (char[256]){}, 256) ==
				     0 &&
			     pool_adopt(&store, &w) == 0,
		     "adopted: %s", w.first);
		store_close(&store);
		pool_start(dir, SIZE, true, NULL);
		must(pool_intact(), "intact");
		_exit(volatile_now().files);
	}
	must(pid > 0 && waitpid(pid, &status, 0) == pid, "waitpid");
	return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

static void adopt_and_be_killed(const char *dir, int us)
{
	pid_t pid = fork();

	if (pid == 0) {
		struct wrongs w = { 0 };
		char why[256];

		if (store_open(&store, dir, SIZE, NULL, why, sizeof(why)) == 0)
			pool_adopt(&store, &w);
		_exit(0);
	}
	usleep(us);
	kill(pid, SIGKILL);
	must(pid > 0 && waitpid(pid, NULL, 0) == pid, "waitpid");
}

static void test_killed(const char *from)
{
	int wanted = 0, wrong_ones = 0;

	for (int i = 0; i < KILLS; i++) {
		char *dir = scratch_dir("killed");
		int got;

		scratch_copy(from, dir);
		if (i)
			adopt_and_be_killed(dir, i * KILL_US);
		got = marks_of(dir);
		if (!i)
			wanted = got;
		wrong_ones += got != wanted;
		remove_tree(AT_FDCWD, dir);
		free(dir);
	}
	ok(wanted > 0 && !wrong_ones,
	   "a copy has all its marks, %d, whenever its adoption was killed",
	   wanted);
}

static bool is_good(int outcome)
{
	return outcome >= ADOPTED && outcome < END_GOOD;
}

static void blame(uint64_t seed, int outcome)
{
	printf("# seed %ju: ", (uintmax_t)seed);
	if (outcome == -SIGALRM)
		printf("hangs\n");
	else if (outcome < 0)
		printf("signal %d\n", -outcome);
	else if (is_good(outcome))
		printf("%s\n", good_names[outcome - ADOPTED]);
	else
		printf("%s\n", outcome == BROKEN	 ? "adopted and broken"
			       : outcome == CHANGED	 ? "refused and changed"
			       : outcome == NOT_REPAIRED ? "cannot be repaired"
							 : "failed");
}

int main(int argc, char **argv)
{
	const char *soak = getenv("SOAK");
	uint64_t first = argc > 1 ? strtoull(argv[1], NULL, 0) : 1;
	uint64_t nr = argc > 2			   ? strtoull(argv[2], NULL, 0)
		      : argc > 1		   ? 1
		      : soak && !strcmp(soak, "1") ? NUMBER_SOAK
						   : NUMBER;
	uint64_t count[END_GOOD] = { 0 }, bad = 0;
	char *from[3];

	verbose = argc > 1;
	scratch_new();
	from[0] = store_made("boxes", true, false);
	from[1] = store_made("files", false, true);
	from[2] = store_made("both", true, true);
	for (uint64_t seed = first; seed < first + nr; seed++) {
		int outcome = try_seed(from[seed % 3], seed);

		if (verbose || !is_good(outcome))
			blame(seed, outcome);
		if (is_good(outcome))
			count[outcome]++;
		else
			bad++;
	}
	ok(bad == 0,
	   "of %ju damaged stores none crashes, hangs, or is broken: %ju were "
	   "adopted, %ju refused, %ju repaired",
	   (uintmax_t)nr, (uintmax_t)count[ADOPTED], (uintmax_t)count[REFUSED],
	   (uintmax_t)count[REPAIRED]);
	ok(argc > 1 || (count[ADOPTED] && count[REFUSED] && count[REPAIRED]),
	   "and some of each");
	if (argc == 1)
		test_killed(from[2]);
	for (int i = 0; i < 3; i++)
		free(from[i]);
	return done();
}
