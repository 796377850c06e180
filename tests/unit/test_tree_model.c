/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Plain files against a naive model: random operations on a few names, of which
 * some are long, in a few directories.  After each its answer is compared, and
 * now and then everything: names, link counts, references, what is open, what
 * is volatile, what was purged.  Workers, and mounts, change in between.
 */
#include <stdint.h>

#include "tests/unit/tree_fixture.h"
#include "tests/unit/tree_model.h"

#define SIZE (1ull << 30)
#define OPERATIONS 200000
#define COMPARE_EVERY 250

static char *dir;
static unsigned int seed = 5;
static uint64_t operations, purged;

static int rnd(int n)
{
	return rand_r(&seed) % n;
}

/* --- choosing --- */

/* A directory that is referred to, and has a name. */
static int some_dir(void)
{
	for (int tries = 0; tries < 8; tries++) {
		int i = 1 + rnd(INODES - 1);

		if (mtree[i].type == DIRECTORY && mtree[i].lookups &&
		    mtree[i].nlink)
			return i;
	}
	return 1;
}

/* Something that is referred to, or 0. */
static int some_inode(void)
{
	for (int tries = 0; tries < 8; tries++) {
		int i = 2 + rnd(INODES - 2);

		if (mtree[i].type && mtree[i].node && mtree[i].lookups)
			return i;
	}
	return 0;
}

/* --- operations --- */

static void same(int is, int should, const char *what)
{
	must(is == should, "%s: %d, not %d, after %" PRIu64 " operations", what,
	     is, should, operations);
}

static void made(int i, uint32_t node)
{
	mtree[i].node = node;
	mtree[i].lookups = 1;
}

static bool inherits(int d, enum type type)
{
	return mtree[d].is_volatile && (type == DIRECTORY || type == REGULAR);
}

static void do_make(enum type type)
{
	int d = some_dir(), name = rnd(NAMES), err, i;
	uint32_t node = 0;

	if (mtree[d].entry[name])
		i = -EEXIST;
	else
		i = m_new(type, d, name);
	if (!i)
		return;
	if (type == DIRECTORY)
		err = tree_mkdir(pool, &the_op, mtree[d].node, names[name],
				 0755, &node);
	else if (type == LINK)
		err = tree_symlink(pool, &the_op, mtree[d].node, names[name],
				   "to", &node);
	else
		err = tree_mknod(pool, &the_op, mtree[d].node, names[name],
				 type == PIPE ? S_IFIFO | 0600 : S_IFREG | 0600,
				 0, &node);
	same(err, i < 0 ? i : 0, "make");
	if (i < 0)
		return;
	made(i, node);
	mtree[i].is_volatile = inherits(d, type);
}

static void do_create(void)
{
	int d = some_dir(), name = rnd(NAMES), err, i = mtree[d].entry[name];
	int flags = O_RDWR | (rnd(2) ? O_EXCL : 0);
	uint32_t node = 0;
	bool new = !i;

	if (i && mtree[i].type != REGULAR)
		return;
	if (new)
		i = m_new(REGULAR, d, name);
	if (!i)
		return;
	err = create_as(&the_op, mtree[d].node, names[name], flags, 0600,
			&node);
	same(err, !new &&flags &O_EXCL ? -EEXIST : 0, "create");
	if (err)
		return;
	if (new) {
		made(i, node);
		mtree[i].is_volatile = inherits(d, REGULAR);
	} else {
		must(!mtree[i].node || mtree[i].node == node, "another node");
		if (!mtree[i].dir) {
			mtree[i].dir = d;
			mtree[i].name = name;
		}
		mtree[i].node = node;
		mtree[i].lookups++;
	}
	mtree[i].opens++;
}

static void do_lookup(void)
{
	int d = some_dir(), name = rnd(NAMES), i = mtree[d].entry[name];
	uint32_t node = 0;
	int err = tree_lookup(pool, &the_op, mtree[d].node, names[name], &node);

	same(err, i ? 0 : -ENOENT, "lookup");
	if (err)
		return;
	must(!mtree[i].node || mtree[i].node == node, "another node");
	/* Found by a name: that is what it is known by, if by no other. */
	if (!mtree[i].dir) {
		mtree[i].dir = d;
		mtree[i].name = name;
	}
	mtree[i].node = node;
	mtree[i].lookups++;
}

static void do_forget(void)
{
	int i = some_inode(), n;

	if (!i)
		return;
	n = 1 + rnd(mtree[i].lookups);
	inode_forget(pool, mtree[i].node, n);
	mtree[i].lookups -= n;
	m_put(i);
}

/* What it was in may go. */
static void m_known_at(int i, int d, int name)
{
	int up = mtree[i].dir;

	mtree[i].dir = d;
	mtree[i].name = name;
	if (up)
		m_put(up);
}

static void do_link(void)
{
	int from = some_inode(), d = some_dir(), name = rnd(NAMES), err;

	/* The kernel does not link what has lost its last name. */
	if (!from || mtree[from].type == DIRECTORY || !mtree[from].nlink)
		return;
	err = tree_link(pool, &the_op, mtree[from].node, mtree[d].node,
			names[name]);
	same(err, mtree[d].entry[name] ? -EEXIST : 0, "link");
	if (err)
		return;
	mtree[d].entry[name] = from;
	mtree[from].nlink++;
	mtree[from].lookups++;
	/* It is known by its newest name. */
	m_known_at(from, d, name);
}

static void do_remove(bool as_dir)
{
	int d = some_dir(), name = rnd(NAMES), i = mtree[d].entry[name];
	int should = 0, err;

	if (!i)
		should = -ENOENT;
	else if (as_dir != (mtree[i].type == DIRECTORY))
		should = as_dir ? -ENOTDIR : -EISDIR;
	else if (as_dir && !m_empty(i))
		should = -ENOTEMPTY;
	err = as_dir ? tree_rmdir(pool, &the_op, mtree[d].node, names[name])
		     : tree_unlink(pool, &the_op, mtree[d].node, names[name]);
	same(err, should, "remove");
	if (!err)
		m_drop(d, name);
}

static int rename_answer(int from, int to, unsigned int flags)
{
	if (!from)
		return -ENOENT;
	if (flags & RENAME_EXCHANGE)
		return to ? 0 : -ENOENT;
	if (!to)
		return 0;
	if (flags & RENAME_NOREPLACE)
		return -EEXIST;
	if ((mtree[from].type == DIRECTORY) != (mtree[to].type == DIRECTORY))
		return mtree[to].type == DIRECTORY ? -EISDIR : -ENOTDIR;
	return mtree[to].type == DIRECTORY && !m_empty(to) ? -ENOTEMPTY : 0;
}

/* The name of @i at (d, name) has become (to, to_name). */
static void m_moved(int i, int d, int name, int to, int to_name)
{
	if (mtree[i].node && mtree[i].dir == d && mtree[i].name == name) {
		mtree[i].dir = to;
		mtree[i].name = to_name;
	} else if (mtree[i].type == DIRECTORY) {
		mtree[i].dir = to;
		mtree[i].name = to_name;
	}
	mtree[to].entry[to_name] = i;
}

static void do_rename(void)
{
	static const unsigned int all_flags[] = { 0, 0, 0, RENAME_NOREPLACE,
						  RENAME_EXCHANGE };
	unsigned int flags = all_flags[rnd(5)];
	int d = some_dir(), to = some_dir();
	int name = rnd(NAMES), to_name = rnd(NAMES);
	int i = mtree[d].entry[name], over = mtree[to].entry[to_name], err;

	/* The kernel keeps these from us. */
	if (i == over || (i && m_is_within(to, i)) ||
	    (over && m_is_within(d, over)))
		return;
	err = tree_rename(pool, &the_op, mtree[d].node, names[name],
			  mtree[to].node, names[to_name], flags);
	same(err, rename_answer(i, over, flags), "rename");
	if (err)
		return;
	if (flags & RENAME_EXCHANGE) {
		bool known = mtree[over].node && mtree[over].dir == to &&
			     mtree[over].name == to_name;

		m_moved(i, d, name, to, to_name);
		mtree[d].entry[name] = over;
		if (known || mtree[over].type == DIRECTORY) {
			mtree[over].dir = d;
			mtree[over].name = name;
		}
		return;
	}
	mtree[d].entry[name] = 0;
	if (over) {
		mtree[to].entry[to_name] = over;
		m_moved(i, d, name, to, to_name);
		mtree[to].entry[to_name] = over;
		m_drop(to, to_name);
	}
	m_moved(i, d, name, to, to_name);
	m_put(d);
}

/* --- files --- */

static void do_open(void)
{
	int i = some_inode();

	if (!i || mtree[i].type != REGULAR || mtree[i].opens > 5)
		return;
	same(tree_open(pool, &the_op, mtree[i].node, O_RDWR, &opened), 0,
	     "open");
	mtree[i].opens++;
	if (mtree[i].pages < PAGES && rnd(2)) {
		fill_pages(mtree[i].node, mtree[i].pages, 1, 'x');
		mtree[i].pages++;
	}
}

static void do_close(void)
{
	int i = some_inode();

	if (!i || !mtree[i].opens)
		return;
	mtree[i].opens--;
	same(tree_close(pool, &the_op, mtree[i].node), mtree[i].opens, "close");
	m_put(i);
}

static void do_truncate(void)
{
	struct tree_attr a = { .set = TREE_SET_SIZE };
	int i = some_inode();

	if (!i || mtree[i].type != REGULAR)
		return;
	mtree[i].pages = rnd(mtree[i].pages + 1);
	a.size = mtree[i].pages * TREE_PAGE;
	same(tree_setattr(pool, mtree[i].node, &a), 0, "truncate");
	for (int p = mtree[i].pages; p < PAGES; p++)
		mtree[i].unpinned[p] = false;
}

static void do_volatile(void)
{
	bool on = rnd(3) > 0;
	int i = some_inode(), should = 0;

	if (!i)
		return;
	if (mtree[i].type != REGULAR && mtree[i].type != DIRECTORY)
		should = -EOPNOTSUPP;
	same(vfile_set_volatile(pool, &the_op, mtree[i].node, on, 0), should,
	     "volatile");
	if (!should)
		mtree[i].is_volatile = on;
}

static void do_range(void)
{
	int i = some_inode(), p = rnd(PAGES), err;
	bool on = rnd(2);

	if (!i || mtree[i].type != REGULAR || p >= mtree[i].pages)
		return;
	err = on ? vrange_unpin(pool, &the_op, mtree[i].node, p * TREE_PAGE,
				TREE_PAGE)
		 : vrange_pin(pool, &the_op, mtree[i].node, p * TREE_PAGE,
			      TREE_PAGE);
	must(err == 0 || (!on && err == 1), "range: %d", err);
	mtree[i].unpinned[p] = on;
	m_put(i);
}

/* Looks directory @i up, from as far above as need be. */
static void know(int i)
{
	if (mtree[i].node)
		return;
	for (int d = 1; d < INODES; d++)
		for (int n = 0; n < NAMES; n++)
			if (mtree[d].type == DIRECTORY &&
			    mtree[d].entry[n] == i) {
				know(d);
				mtree[i].node = looked_up(mtree[d].node,
							  names[n]);
				mtree[i].lookups++;
				mtree[i].dir = d;
				mtree[i].name = n;
				return;
			}
}

/* The names of a file that was purged are gone, and with the last the file. */
static void m_purged(int i)
{
	bool gone = mtree[i].nlink == 1 && mtree[i].dir; /* with its name */

	/* Its directory is known as long as it is. */
	if (!gone)
		inode_set_lookups(pool, mtree[i].node, ++mtree[i].lookups);
	for (int d = 1; d < INODES; d++)
		for (int n = 0; n < NAMES; n++) {
			if (mtree[d].type != DIRECTORY ||
			    mtree[d].entry[n] != i)
				continue;
			mtree[d].entry[n] = 0;
			if (gone)
				continue; /* and its parent, too */
			know(d);
			same(lookup_says(mtree[d].node, names[n]), -ENOENT,
			     "purged");
		}
	inode_forget(pool, mtree[i].node, mtree[i].lookups);
	mtree[i] = (struct inode){ 0 };
	m_put_all();
	purged++;
}

/* Every volatile file that nobody has open goes, under all its names. */
static void do_purge(void)
{
	bool goes[INODES] = { false };
	struct statx stx;

	scan_pages("volatile-ranges", 1000);
	for (int i = 2; i < INODES; i++)
		goes[i] = mtree[i].type == REGULAR && mtree[i].node &&
			  mtree[i].nlink && mtree[i].is_volatile &&
			  !mtree[i].opens &&
			  !inode_stat(pool, mtree[i].node, &stx) &&
			  stx.stx_blocks;
	scan_pages("volatile-files", 1000);
	for (int i = 2; i < INODES; i++)
		if (goes[i] && mtree[i].nlink == 1)
			m_purged(i);
	for (int i = 2; i < INODES; i++)
		if (goes[i] && mtree[i].type)
			m_purged(i);
}

/* --- comparing --- */

static void compare_names(int d)
{
	int fd = inode_opendir(pool, mtree[d].node);
	struct stat st;

	must(fd >= 0, "opendir: %d", fd);
	for (int n = 0; n < NAMES; n++)
		same(fstatat(fd, names[n], &st, AT_SYMLINK_NOFOLLOW) == 0,
		     mtree[d].entry[n] != 0, "a name");
	close(fd);
}

static void compare_inode(int i, uint64_t *nodes)
{
	struct statx stx;

	if (!mtree[i].node)
		return;
	++*nodes;
	must(inode_valid(pool, mtree[i].node), "a node is gone");
	same(inode_opens(pool, mtree[i].node), mtree[i].opens, "opens");
	same(vfile_is_volatile(pool, mtree[i].node), mtree[i].is_volatile,
	     "volatile");
	same(inode_stat(pool, mtree[i].node, &stx), 0, "stat");
	if (mtree[i].type != DIRECTORY)
		same(stx.stx_nlink, mtree[i].nlink, "nlink");
	if (mtree[i].type != REGULAR)
		return;
	same(stx.stx_size / TREE_PAGE, mtree[i].pages, "size");
	for (int p = 0; p < mtree[i].pages; p++)
		same(vrange_state(pool, mtree[i].node, p * TREE_PAGE,
				  TREE_PAGE) != VRANGE_STATE_PINNED,
		     mtree[i].unpinned[p], "range");
}

static void compare(void)
{
	uint64_t nodes = 0;

	must(pool_intact(), "after %" PRIu64 " operations", operations);
	for (int i = 1; i < INODES; i++) {
		compare_inode(i, &nodes);
		if (mtree[i].type == DIRECTORY && mtree[i].node &&
		    mtree[i].nlink)
			compare_names(i);
	}
	same(nr_tree_nodes(), nodes, "nodes");
}

static void do_restart(void)
{
	pool_stop();
	pool_start(dir, SIZE, false, NULL);
}

/* To a new mount nothing is known and nothing is open. */
static void do_remount(void)
{
	pool_stop();
	pool_start(dir, SIZE, true, NULL);
	for (int i = 2; i < INODES; i++)
		mtree[i].lookups = mtree[i].opens = 0;
	m_put_all();
}

static void do_something(void)
{
	switch (rnd(24)) {
	case 0:
	case 1:
		do_make(REGULAR);
		break;
	case 2:
		do_make(DIRECTORY);
		break;
	case 3:
		do_make(rnd(2) ? LINK : PIPE);
		break;
	case 4:
	case 5:
		do_create();
		break;
	case 6:
	case 7:
	case 8:
		do_lookup();
		break;
	case 9:
	case 10:
		do_forget();
		break;
	case 11:
	case 12:
		do_link();
		break;
	case 13:
		do_remove(true);
		break;
	case 14:
		do_remove(false);
		break;
	case 15:
	case 16:
	case 17:
		do_rename();
		break;
	case 18:
		do_open();
		break;
	case 19:
	case 20:
		do_close();
		break;
	case 21:
		do_truncate();
		break;
	case 22:
		do_volatile();
		break;
	default:
		do_range();
		break;
	}
}

int main(int argc, char **argv)
{
	uint64_t workers = 0, mounts = 0;

	if (argc > 1)
		seed = atoi(argv[1]);
	scratch_new();
	dir = scratch_dir("pool");
	pool_start(dir, SIZE, true, NULL);
	mtree[1] = (struct inode){
		.type = DIRECTORY, .node = INODE_ROOT, .lookups = 1, .nlink = 1
	};
	for (operations = 1; operations <= OPERATIONS; operations++) {
		do_something();
		if (rnd(1000) == 0)
			do_purge();
		if (rnd(1000) == 0) {
			do_restart();
			workers++;
		}
		if (rnd(5000) == 0) {
			do_remount();
			mounts++;
		}
		if (operations % COMPARE_EVERY == 0)
			compare();
	}
	ok(true, "%d operations", OPERATIONS);
	ok(workers > 100 && mounts > 10 && purged > 10,
	   "with %" PRIu64 " workers, %" PRIu64 " mounts, %" PRIu64
	   " files purged",
	   workers, mounts, purged);
	pool_stop();
	pool_start(dir, SIZE, true, NULL);
	for (uint32_t i = 2; i < 1000; i++)
		if (inode_valid(pool, i) && vfile_is_volatile(pool, i))
			vfile_set_volatile(pool, &the_op, i, false, 0);
	tree_remove_everything(INODE_ROOT);
	for (uint32_t i = 2; i < 1000; i++)
		inode_forget(pool, i, 1000);
	ok(pool_intact() && nr_tree_nodes() == 1 && !volatile_now().ranges,
	   "in the end nothing is left");
	pool_stop();
	free(dir);
	return done();
}
