/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "tests/tools/fsmodel_parts/compare.h"

_Noreturn void differs(const struct node *n, size_t off, size_t len,
		       const unsigned char *has, const char *how)
{
	const unsigned char *want = n->data + off;
	char wanted[64], got_text[64];
	size_t first = 0, bytes = 0;

	while (want[first] == has[first])
		first++;
	for (size_t i = first; i < len; i++)
		bytes += want[i] != has[i];
	for (size_t i = first, at = 0; i < len && at < 45; i++, at += 3) {
		sprintf(wanted + at, " %02x", want[i]);
		sprintf(got_text + at, " %02x", has[i]);
	}
	wrong("%s of file #%ju (%zu bytes): %zu at %zu differ in %zu bytes, the "
	      "first at %zu\nwanted%s\n   got%s",
	      how, (uintmax_t)n->id, n->size, len, off, bytes, off + first,
	      wanted, got_text);
}

static bool all_zero(const unsigned char *p, size_t len)
{
	return !len || (!p[0] && !memcmp(p, p + 1, len - 1));
}

/* Unpinned pages may have turned to zeros: then the model's do, too. */
static void compare_pages(struct node *n, size_t off, const unsigned char *has,
			  size_t len, const char *how)
{
	for (size_t end = off + len, page, part; off < end;
	     off += part, has += part) {
		page = off / PAGE;
		part = (page + 1) * PAGE - off;
		if (part > end - off)
			part = end - off;
		if (!memcmp(n->data + off, has, part))
			continue;
		if (!n->unpinned[page] || !all_zero(has, part))
			differs(n, off, part, has, how);
		memset(n->data + page * PAGE, 0, PAGE);
		n->seen_purged = true;
		nr_purged++;
	}
}

void compare(struct node *n, size_t off, const void *has, size_t len,
	     const char *how)
{
	compared += len;
	if (!memcmp(n->data + off, has, len))
		return;
	if (!n->unpinned)
		differs(n, off, len, has, how);
	compare_pages(n, off, has, len, how);
}

void compare_hole(struct node *n, size_t off, size_t end)
{
	static const unsigned char zeros[PAGE];

	for (size_t len; off < end; off += len) {
		len = end - off < PAGE ? end - off : PAGE;
		compare(n, off, zeros, len, "SEEK_DATA or SEEK_HOLE");
	}
}

static unsigned int links_of(const struct node *n)
{
	unsigned int nlink = n->nlink;

	if (is_dir(n) && n->nlink) {
		nlink = 2;
		for (int i = 0; i < nr_names; i++)
			nlink += is_dir(n->entry[i]);
	}
	return nlink;
}

static bool same_time(struct timespec a, struct timespec b)
{
	return a.tv_sec == b.tv_sec && a.tv_nsec == b.tv_nsec;
}

void compare_time(const char *what, struct timespec want, struct timespec has)
{
	if (!same_time(want, has))
		wrong("%s: wanted %jd.%09ld, got %jd.%09ld", what,
		      (intmax_t)want.tv_sec, want.tv_nsec, (intmax_t)has.tv_sec,
		      has.tv_nsec);
}

static void compare_field(const struct node *n, const char *what,
			  uintmax_t want, uintmax_t has)
{
	if (want != has)
		wrong("stat of #%ju: %s: wanted %ju, got %ju", (uintmax_t)n->id,
		      what, want, has);
}

void compare_stat(struct node *n, const struct stat *st)
{
	static const mode_t type[] = { 0, S_IFREG, S_IFDIR, S_IFLNK };

	if (!n->ino)
		n->ino = st->st_ino;
	compare_field(n, "ino", n->ino, st->st_ino);
	compare_field(n, "type", type[n->kind], st->st_mode & S_IFMT);
	compare_field(n, "nlink", links_of(n), st->st_nlink);
	compare_field(n, "uid", own_uid, st->st_uid);
	if (n->kind != SYMLINK_NODE)
		compare_field(n, "mode", n->mode, st->st_mode & 07777);
	if (n->kind == FILE_NODE)
		compare_field(n, "size", n->size, st->st_size);
	if (n->kind == SYMLINK_NODE)
		compare_field(n, "size", strlen(target_of(n)), st->st_size);
	if (n->mtime_known)
		compare_time("mtime", n->mtime, st->st_mtim);
}

void compare_fstat(struct node *n, int fd)
{
	struct stat st;

	if (fstat(fd, &st))
		wrong("fstat: got %s", error_name(errno));
	compare_stat(n, &st);
}
