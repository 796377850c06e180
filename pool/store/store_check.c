/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Is a directory of the user's a store that may be adopted?  What the worker
 * maps and believes must be its own: files that nobody else can write, no
 * symlinks, nothing that has another name elsewhere.
 *
 * States: a directory is refused, or may be laid out.
 * Locks: none; the store is locked against a second pool.  Who owns it is who
 * mounts, so nobody changes it meanwhile.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "pool/store/store_priv.h"

static const char *const store_files[] = {
	STORE_ID, "boxes",	 "transactions", "handles",
	"texts",  "inodes",	 "ranges",	 "journal",
	"events", "config.json", "config.new",	 NULL
};
static const char *const store_dirs[] = { "box", "orphan", "tree", NULL };

__attribute__((format(printf, 4, 5))) static int
refuse(const struct store *store, char *why, int why_size, const char *fmt, ...)
{
	char text[160];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	store_say(why, why_size, "--store %s: %s", store->path, text);
	return -EUCLEAN;
}

/* Is it the user's alone?  Return: NULL, or what is wrong with it. */
static const char *what_is_open(const struct stat *st)
{
	if (st->st_uid != geteuid())
		return "belongs to another user";
	if (st->st_mode & 022)
		return "can be written by others";
	return NULL;
}

static int check_dir_itself(struct store *store, char *why, int why_size)
{
	const char *open;
	struct stat st;

	if (fstat(store->dirfd, &st) < 0)
		return -errno;
	open = what_is_open(&st);
	if (!open)
		return 0;
	if (st.st_uid != geteuid())
		return refuse(
			store, why, why_size,
			"it belongs to user %u, who could change it under "
			"your pool; mount it as that user, or take a copy "
			"that is yours (chown -R, cp -r)",
			st.st_uid);
	return refuse(store, why, why_size,
		      "it %s; chmod go-w it, if what is in it can be trusted",
		      open);
}

/* Return: NULL, or what is wrong.  @exists: out, set if it is there. */
static const char *check_name(int dirfd, const char *name, bool dir,
			      bool *exists)
{
	struct stat st;

	if (fstatat(dirfd, name, &st, AT_SYMLINK_NOFOLLOW) < 0)
		return errno == ENOENT ? NULL : "cannot be looked at";
	*exists = true;
	if (dir && !S_ISDIR(st.st_mode))
		return "is not a directory";
	if (!dir && !S_ISREG(st.st_mode))
		return "is not a regular file";
	if (!dir && st.st_nlink != 1)
		return "has another name elsewhere";
	/* Users' files are below: they must not get to them past the mount. */
	if (dir && st.st_uid == geteuid() && st.st_mode & 077)
		return "can be entered by others";
	return what_is_open(&st);
}

static int check_names(struct store *store, const char *const *names, bool dir,
		       bool *exists, char *why, int why_size)
{
	for (int i = 0; names[i]; i++) {
		const char *bad = check_name(store->dirfd, names[i], dir,
					     exists);

		if (bad)
			return refuse(store, why, why_size,
				      "%s in it %s, so it is not as poolfs has "
				      "left it; use another directory",
				      names[i], bad);
	}
	return 0;
}

/* Its owner and mode are those that users of the mount have given it. */
static int check_root(struct store *store, char *why, int why_size)
{
	struct stat st;

	if (fstatat(store->dirfd, STORE_FILES, &st, AT_SYMLINK_NOFOLLOW) < 0)
		return errno == ENOENT || errno == ENOTDIR ? 0 : -errno;
	return S_ISDIR(st.st_mode)
		       ? 0
		       : refuse(store, why, why_size,
				"%s in it is not a directory; use another "
				"directory",
				STORE_FILES);
}

int store_check(struct store *store, bool *is_new, char *why, int why_size)
{
	bool exists = false;
	struct store_id id;
	int err;

	err = check_dir_itself(store, why, why_size);
	if (!err)
		err = check_names(store, store_files, false, &exists, why,
				  why_size);
	if (!err)
		err = check_names(store, store_dirs, true, &exists, why,
				  why_size);
	if (!err)
		err = check_root(store, why, why_size);
	*is_new = !exists;
	if (err || !exists)
		return err;
	err = store_id_read(store->dirfd, &id);
	if (err)
		return refuse(store, why, why_size,
			      "what is in it is no store of this version of "
			      "poolfs, or \"" STORE_ID "\" in it is damaged; "
			      "use an empty directory");
	if (id.temporary)
		return refuse(store, why, why_size,
			      "it was a store without --store; use another "
			      "directory");
	store->copied = !store_id_is_here(store->dirfd, &id);
	return 0;
}
