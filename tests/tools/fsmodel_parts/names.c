/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "tests/tools/fsmodel_parts/names.h"

mode_t rnd_mode(mode_t least)
{
	return least | rnd(0100);
}

/* What open() should say; @idx becomes the name it ends at. */
static int predict_open(const struct node *dir, int *idx, int flags)
{
	const struct node *n = dir->entry[*idx];
	int error;

	if (n && flags & O_CREAT && flags & O_EXCL)
		return EEXIST;
	if (n && n->kind == SYMLINK_NODE && flags & O_NOFOLLOW)
		return ELOOP;
	error = follow(dir, idx);
	if (error)
		return error;
	n = dir->entry[*idx];
	if (!n)
		return flags & O_CREAT ? 0 : ENOENT;
	if (is_dir(n) && flags & (O_CREAT | O_ACCMODE))
		return EISDIR;
	return 0;
}

static int rnd_flags(void)
{
	static const int access[] = { O_RDONLY, O_WRONLY, O_RDWR, O_RDWR };
	int flags = access[rnd(4)] | O_CLOEXEC;

	if (one_in(6))
		flags |= O_APPEND;
	if (one_in(2))
		flags |= O_CREAT | (one_in(3) ? O_EXCL : 0);
	if (one_in(10) && flags & O_ACCMODE)
		flags |= O_TRUNC;
	if (one_in(10))
		flags |= O_NOFOLLOW;
	return flags;
}

bool op_open(void)
{
	struct open *o = free_open();
	struct node *dir, *n, *made = NULL;
	int flags = rnd_flags();
	int idx = rnd_name(&dir, !(flags & O_CREAT) || one_in(2)), at = idx;
	int error = predict_open(dir, &at, flags), fd;
	mode_t mode = rnd_mode(0600);

	if (!o)
		return false;
	n = dir->entry[at];
	if (!error && !n) {
		n = made = node_new(FILE_NODE, mode);
		if (!made)
			return false;
	}
	if (n && flags & O_TRUNC)
		settle(n);
	note("%s, flags %#o", label_of(dir, idx), flags);
	fd = open(path_of(dir, idx), flags, mode);
	if (!outcome("open", fd, error))
		return true;
	if (is_dir(n)) {
		compare_fstat(n, fd);
		close(fd);
		return true;
	}
	if (made) {
		made->nlink = 1;
		entry_set(dir, at, made);
		inherit_volatile(made, dir);
	}
	if (flags & O_TRUNC)
		data_resize(n, 0);
	open_init(o, fd, n, flags);
	compare_fstat(n, fd);
	return true;
}

bool op_reopen(void)
{
	struct open *o = free_open(), *old = rnd_open();
	int flags = rnd_flags() & ~(O_CREAT | O_EXCL | O_NOFOLLOW), fd;

	if (!o || !old || (flags & O_TRUNC && !settle(old->node)))
		return false;
	note("fd %d of #%ju, flags %#o", old->fd, (uintmax_t)old->node->id,
	     flags);
	fd = open(proc_path(old->fd), flags);
	outcome("open", fd, 0);
	if (flags & O_TRUNC)
		data_resize(old->node, 0);
	open_init(o, fd, old->node, flags);
	compare_fstat(o->node, fd);
	return true;
}

bool op_close(void)
{
	struct open *o = rnd_open();

	if (!o)
		return false;
	note("fd %d of #%ju", o->fd, (uintmax_t)o->node->id);
	open_close(o);
	return true;
}

bool op_tmpfile(void)
{
	struct open *o = free_open();
	int flags = O_TMPFILE | O_CLOEXEC | (one_in(4) ? O_WRONLY : O_RDWR);
	struct node *dir = rnd_dir(), *n;
	mode_t mode = rnd_mode(0600);

	if (one_in(4))
		flags |= O_EXCL; /* never to be linked */
	if (!o || !(n = node_new(FILE_NODE, mode)))
		return false;
	note("#%ju, flags %#o", (uintmax_t)n->id, flags);
	open_init(o,
		  open(dir->parent ? path_of(dir->parent, dir->parent_idx)
				   : ".",
		       flags, mode),
		  n, flags);
	outcome("open", o->fd, 0);
	n->linkable = !(flags & O_EXCL);
	inherit_volatile(n, dir);
	compare_fstat(n, o->fd);
	return true;
}

bool op_linkat(void)
{
	struct open *o = rnd_open();
	struct node *dir, *n;
	int idx = rnd_name(&dir, one_in(5)), error;

	if (!o)
		return false;
	n = o->node;
	error = dir->entry[idx]		    ? EEXIST
		: !n->nlink && !n->linkable ? ENOENT
					    : 0;
	note("fd %d of #%ju to %s", o->fd, (uintmax_t)n->id,
	     label_of(dir, idx));
	if (outcome("linkat",
		    linkat(AT_FDCWD, proc_path(o->fd), AT_FDCWD,
			   path_of(dir, idx), AT_SYMLINK_FOLLOW),
		    error)) {
		n->nlink++;
		n->linkable = false;
		entry_set(dir, idx, n);
	}
	compare_fstat(n, o->fd);
	return true;
}

bool op_link(void)
{
	struct node *from_dir, *dir, *n;
	int from = rnd_name(&from_dir, true), idx = rnd_name(&dir, one_in(5));
	int error = 0;

	n = from_dir->entry[from];
	if (!n)
		error = ENOENT;
	else if (dir->entry[idx])
		error = EEXIST;
	else if (is_dir(n))
		error = EPERM;
	note("%s to %s", label_of(from_dir, from), label_of(dir, idx));
	if (outcome("link", link(path_of(from_dir, from), path_of(dir, idx)),
		    error)) {
		n->nlink++;
		entry_set(dir, idx, n);
	}
	return true;
}

bool op_unlink(void)
{
	struct node *dir, *n;
	int idx = rnd_name(&dir, true);

	n = dir->entry[idx];
	note("%s", label_of(dir, idx));
	if (outcome("unlink", unlink(path_of(dir, idx)),
		    !n		? ENOENT
		    : is_dir(n) ? EISDIR
				: 0)) {
		entry_set(dir, idx, NULL);
		node_unnamed(n);
	}
	return true;
}

bool op_symlink(void)
{
	struct node *dir, *n;
	int idx = rnd_name(&dir, one_in(5));
	int target = one_in(4)	 ? TARGET_NONE
		     : one_in(8) ? TARGET_LONG
				 : (int)rnd(nr_names);

	n = node_new(SYMLINK_NODE, 0777);
	if (!n)
		return false;
	n->target = target;
	note("%s, target %d", label_of(dir, idx), target);
	if (outcome("symlink", symlink(target_of(n), path_of(dir, idx)),
		    dir->entry[idx] ? EEXIST : 0)) {
		n->nlink = 1;
		entry_set(dir, idx, n);
	}
	node_put(n);
	return true;
}

static void compare_link(struct node *n, const char *path)
{
	ssize_t len = readlink(path, (char *)got, sizeof(got));

	outcome_size("readlink", len, strlen(target_of(n)));
	if (memcmp(got, target_of(n), len))
		wrong("readlink: wanted %s, got %.*s", target_of(n), (int)len,
		      got);
}

bool op_mkdir(void)
{
	struct node *dir, *n;
	int idx = rnd_name(&dir, one_in(5));
	mode_t mode = rnd_mode(0700);

	n = node_new(DIR_NODE, mode);
	if (!n)
		return false;
	note("%s", label_of(dir, idx));
	if (outcome("mkdir", mkdir(path_of(dir, idx), mode),
		    dir->entry[idx] ? EEXIST : 0)) {
		n->nlink = 1;
		entry_set(dir, idx, n);
		inherit_volatile(n, dir);
	}
	node_put(n);
	return true;
}

bool op_rmdir(void)
{
	struct node *dir, *n;
	int idx = rnd_name(&dir, true), error;

	/* half of the time one that is a directory */
	for (int i = 0; i < nr_names && one_in(2) && !is_dir(dir->entry[idx]);
	     i++)
		idx = (idx + 1) % nr_names;
	n = dir->entry[idx];
	error = !n	       ? ENOENT
		: !is_dir(n)   ? ENOTDIR
		: dir_empty(n) ? 0
			       : ENOTEMPTY;
	note("%s", label_of(dir, idx));
	if (outcome("rmdir", rmdir(path_of(dir, idx)), error)) {
		entry_set(dir, idx, NULL);
		node_unnamed(n);
	}
	return true;
}

/* In the order in which the kernel looks. */
static int predict_rename(const struct node *dir, int idx,
			  const struct node *to, int to_idx, unsigned int flags)
{
	const struct node *n = dir->entry[idx], *old = to->entry[to_idx];
	bool exchange = flags & RENAME_EXCHANGE;

	if (!n)
		return ENOENT;
	if (old && flags & RENAME_NOREPLACE)
		return EEXIST;
	if (!old && exchange)
		return ENOENT;
	if (is_dir(n) && is_within(to, n))
		return EINVAL;
	if (is_dir(old) && is_within(dir, old))
		return exchange ? EINVAL : ENOTEMPTY;
	if (n == old || !old || exchange)
		return 0;
	if (is_dir(n) != is_dir(old))
		return is_dir(n) ? ENOTDIR : EISDIR;
	return is_dir(old) && !dir_empty(old) ? ENOTEMPTY : 0;
}

bool op_rename(void)
{
	static const unsigned int modes[] = { 0, 0, RENAME_NOREPLACE,
					      RENAME_EXCHANGE };
	struct node *dir, *to, *n, *old;
	unsigned int flags = modes[rnd(4)];
	int idx = rnd_name(&dir, true), to_idx = rnd_name(&to, one_in(2));
	int error = predict_rename(dir, idx, to, to_idx, flags);

	n = dir->entry[idx];
	old = to->entry[to_idx];
	note("%s to %s, flags %u", label_of(dir, idx), label_of(to, to_idx),
	     flags);
	if (!outcome("rename",
		     renameat2(AT_FDCWD, path_of(dir, idx), AT_FDCWD,
			       path_of(to, to_idx), flags),
		     error))
		return true;
	if (n == old)
		return true; /* two names of one file both stay */
	if (old)
		to->reordered = true;
	if (flags & RENAME_EXCHANGE)
		dir->reordered = true;
	entry_set(dir, idx, flags & RENAME_EXCHANGE ? old : NULL);
	entry_set(to, to_idx, n);
	if (old && !(flags & RENAME_EXCHANGE))
		node_unnamed(old);
	return true;
}

bool op_stat(void)
{
	struct node *dir, *n;
	int idx = rnd_name(&dir, !one_in(4)), error;
	bool follows = one_in(2);
	struct stat st;

	n = dir->entry[idx];
	error = follows ? find(dir, idx, &n) : n ? 0 : ENOENT;
	note("%s%s", label_of(dir, idx), follows ? "" : ", not following");
	if (!outcome("stat",
		     fstatat(AT_FDCWD, path_of(dir, idx), &st,
			     follows ? 0 : AT_SYMLINK_NOFOLLOW),
		     error))
		return true;
	compare_stat(n, &st);
	if (n->kind == SYMLINK_NODE)
		compare_link(n, path_of(dir, idx));
	return true;
}

bool op_bad_name(void)
{
	char path[2 * PATH_MAX], what = rnd(3);
	struct node *dir, *n;
	int idx = rnd_name(&dir, true), error = ENOENT;
	struct stat st;

	n = dir->entry[idx];
	if (n && n->kind != FILE_NODE)
		return false;
	if (what == 0) {
		error = ENAMETOOLONG;
		snprintf(path, sizeof(path), "%0256d", 0);
	} else {
		error = n ? ENOTDIR : ENOENT;
		snprintf(path, sizeof(path), "%s/x", path_of(dir, idx));
	}
	note("%s and %s", label_of(dir, idx), error_name(error));
	outcome("stat", stat(path, &st), error);
	outcome("open", open(path, O_CREAT | O_RDWR, 0600), error);
	outcome("mkdir", mkdir(path, 0700), error);
	outcome("rmdir", rmdir(path), error);
	outcome("unlink", unlink(path), error);
	outcome("symlink", symlink("x", path), error);
	outcome("truncate", truncate(path, 0), error);
	outcome("rename", rename(path, path_of(dir, idx)), error);
	if (n)
		outcome("link", link(path_of(dir, idx), path), error);
	return true;
}
