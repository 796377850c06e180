/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "tests/tools/fsmodel_parts/dirs.h"

/* --- reading directories --- */

/*
 * Since Linux 6.14, a tmpfs lists a directory from the newest entry to the
 * oldest, and goes on, in the next call, with the entry of a number that it has
 * kept, or with the next older one if that is gone.  If all of those are gone,
 * it begins again with the newest.  And a rename onto an entry passes its number
 * on to the newcomer, whose place in the order is another.  So what is read in
 * pieces may show an entry twice after another was removed, and after such a
 * rename not at all.
 */
static bool may_come_twice(const struct stream *s)
{
	return s->pieces && (s->removed || s->dir->reordered);
}

static bool may_be_missing(const struct stream *s)
{
	return s->pieces && s->dir->reordered;
}

/*
 * Takes note of one entry of @s.  What has changed since it was opened may be
 * there or not, with any number and type.
 */
static void see_entry(struct stream *s, const struct entry *e)
{
	static const uint8_t type[] = { 0, DT_REG, DT_DIR, DT_LNK };
	int idx = atoi(e->name + 1);
	struct node *n;

	if (!strcmp(e->name, ".") || !strcmp(e->name, ".."))
		return;
	if (idx >= nr_names || strcmp(e->name, names[idx]))
		wrong("readdir: nobody has made \"%s\"", e->name);
	if (s->touched[idx])
		return;
	n = s->dir->entry[idx];
	if (!n)
		wrong("readdir: %.4s is not there", e->name);
	if (s->seen[idx] && !may_come_twice(s))
		wrong("readdir: %.4s comes twice", e->name);
	s->seen[idx] = true;
	if (e->type != type[n->kind])
		wrong("readdir: %.4s: wanted type %d, got %d", e->name,
		      type[n->kind], e->type);
	if (n->ino && e->ino != n->ino)
		wrong("readdir: %.4s: wanted inode %ju, got %ju", e->name,
		      (uintmax_t)n->ino, (uintmax_t)e->ino);
}

/* Return: false at the end, where all names must have been seen. */
static bool read_some(struct stream *s, size_t size)
{
	long len = syscall(SYS_getdents64, s->fd, got, size);

	if (!s->dir->nlink && s->dir != root) {
		outcome("getdents of a directory that is gone", len, ENOENT);
		return false;
	}
	if (!outcome("getdents", len, 0) || !len) {
		for (int i = 0; i < nr_names; i++) {
			if (s->dir->entry[i] && !s->seen[i] && !s->touched[i] &&
			    !may_be_missing(s))
				wrong("readdir: %.4s is missing", names[i]);
		}
		return false;
	}
	for (long at = 0; at < len;) {
		const struct entry *e = (void *)(got + at);

		see_entry(s, e);
		at += e->reclen;
	}
	return true;
}

static void stream_start(struct stream *s)
{
	memset(s->touched, 0, nr_names);
	memset(s->seen, 0, nr_names);
	s->removed = false;
}

static int open_dir(const struct node *dir)
{
	int fd = open(dir->parent ? path_of(dir->parent, dir->parent_idx) : ".",
		      O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	outcome("open of a directory", fd, 0);
	return fd;
}

void compare_dir(struct node *dir)
{
	static bool *none, *seen;
	struct stream s = { .dir = dir, .fd = open_dir(dir) };

	if (!none) {
		none = calloc(1, nr_names);
		seen = calloc(1, nr_names);
	}
	s.touched = none;
	s.seen = seen;
	stream_start(&s);
	while (read_some(&s, sizeof(got)))
		;
	if (dir->parent)
		compare_fstat(dir, s.fd);
	close(s.fd);
}

bool op_readdir(void)
{
	struct node *dir = rnd_dir();

	note("#%ju", (uintmax_t)dir->id);
	compare_dir(dir);
	return true;
}

bool op_stream(void)
{
	struct stream *s = &streams[rnd(MAX_STREAMS)];
	struct node *dir;

	if (!s->dir) {
		dir = rnd_dir();
		note("open of #%ju", (uintmax_t)dir->id);
		s->fd = open_dir(dir);
		s->dir = dir;
		s->pieces = true;
		dir->users++;
		stream_start(s);
		return true;
	}
	dir = s->dir;
	note("fd %d of #%ju", s->fd, (uintmax_t)dir->id);
	if (read_some(s, 300 + rnd(700)))
		return true;
	if (one_in(2)) {
		outcome("rewind", lseek(s->fd, 0, SEEK_SET), 0);
		stream_start(s);
		return true;
	}
	close(s->fd);
	s->dir = NULL;
	dir->users--;
	node_put(dir);
	return true;
}

/* --- whole directories --- */

void remove_all(struct node *dir)
{
	for (int i = 0; i < nr_names; i++) {
		struct node *n = dir->entry[i];

		if (!n)
			continue;
		note("%s", label_of(dir, i));
		if (is_dir(n)) {
			remove_all(n);
			outcome("rmdir", rmdir(path_of(dir, i)), 0);
		} else {
			outcome("unlink", unlink(path_of(dir, i)), 0);
		}
		entry_set(dir, i, NULL);
		node_unnamed(n);
	}
	compare_dir(dir);
}

bool op_remove_dir(void)
{
	struct node *dir = rnd_dir();

	if (dir == root)
		return false;
	remove_all(dir);
	note("%s", label_of(dir->parent, dir->parent_idx));
	outcome("rmdir", rmdir(path_of(dir->parent, dir->parent_idx)), 0);
	entry_set(dir->parent, dir->parent_idx, NULL);
	node_unnamed(dir);
	return true;
}
