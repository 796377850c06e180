/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * By what a store is known: the file "store", which is the first that is made
 * in it.
 *
 *	poolfs store 2, pages of 4096, order 1234
 *	kept
 *	tree 1234 1700000000.123456789
 *
 * Records name files by their numbers.  A copy of a store has files with other
 * numbers, which may by chance be those of others.  So the last line names the
 * directory tree/files by number and time of birth, which no copy has.
 *
 * Locks: none; the store is locked against a second pool.
 */
#include <endian.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "pool/store/remove.h"
#include "pool/store/store_priv.h"

#define ID_TEXT 160 /* more than its bytes */

/* What must be the same in a store that can be read. */
static int id_format(char *text)
{
	return snprintf(text, ID_TEXT,
			"poolfs store 2, pages of %ld, order %d\n",
			sysconf(_SC_PAGESIZE), __BYTE_ORDER);
}

int store_id_read(int dirfd, struct store_id *id)
{
	int fd = openat(dirfd, STORE_ID,
			O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
	char text[ID_TEXT], format[ID_TEXT], kind[16];
	int len = id_format(format), err;
	ssize_t n;

	if (fd < 0)
		return -errno;
	n = read(fd, text, sizeof(text) - 1);
	err = -errno;
	close(fd);
	if (n < 0)
		return err;
	text[n] = 0;
	if (strncmp(text, format, len) ||
	    sscanf(text + len,
		   "%15s\ntree %" SCNu64 " %" SCNd64 ".%" SCNu32 "\n", kind,
		   &id->ino, &id->born, &id->born_ns) != 4)
		return -EUCLEAN;
	id->temporary = !strcmp(kind, "temporary");
	return id->temporary || !strcmp(kind, "kept") ? 0 : -EUCLEAN;
}

int store_id_write(int dirfd, const struct store_id *id)
{
	char text[ID_TEXT];
	int len = id_format(text), fd, err = 0;

	len += snprintf(text + len, sizeof(text) - len,
			"%s\ntree %" PRIu64 " %" PRId64 ".%09" PRIu32 "\n",
			id->temporary ? "temporary" : "kept", id->ino, id->born,
			id->born_ns);
	unlinkat(dirfd, STORE_ID ".new", 0);
	fd = openat(dirfd, STORE_ID ".new",
		    O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
	if (fd < 0)
		return -errno;
	if (write(fd, text, len) != len)
		err = -ENOSPC;
	close(fd);
	if (!err && renameat(dirfd, STORE_ID ".new", dirfd, STORE_ID) < 0)
		err = -errno;
	return err;
}

/* Fills in what @id says of tree/files. */
static void id_look(int dirfd, struct store_id *id)
{
	struct statx stx;

	if (statx(dirfd, STORE_FILES, AT_SYMLINK_NOFOLLOW,
		  STATX_INO | STATX_BTIME, &stx) < 0 ||
	    !(stx.stx_mask & STATX_BTIME))
		return;
	id->ino = stx.stx_ino;
	id->born = stx.stx_btime.tv_sec;
	id->born_ns = stx.stx_btime.tv_nsec;
}

bool store_id_is_here(int dirfd, const struct store_id *id)
{
	struct store_id now = { 0 };

	id_look(dirfd, &now);
	return now.ino && now.ino == id->ino && now.born == id->born &&
	       now.born_ns == id->born_ns;
}

int store_empty(int dirfd)
{
	int err = remove_content(dirfd, STORE_ID);

	if (!err && unlinkat(dirfd, STORE_ID, 0) < 0 && errno != ENOENT)
		err = -errno;
	return err;
}

int store_settle(struct store *store)
{
	struct store_id id = { .temporary = store->temporary };
	int err;

	id_look(store->dirfd, &id);
	err = store_id_write(store->dirfd, &id);
	store->copied = store->copied && err;
	return err;
}
