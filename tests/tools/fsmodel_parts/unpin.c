/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "tests/tools/fsmodel_parts/unpin.h"

bool name_of(const struct node *n, struct node **dir, int *idx)
{
	for (int i = 0; i < nr_nodes; i++) {
		*dir = &nodes[i];
		if (!is_dir(*dir) || !(*dir)->nlink)
			continue;
		for (*idx = 0; *idx < nr_names; ++*idx) {
			if ((*dir)->entry[*idx] == n)
				return true;
		}
	}
	return false;
}

int open_node(const struct node *n, int access)
{
	const char *path = NULL;
	struct node *dir;
	int idx, fd;

	if (name_of(n, &dir, &idx))
		path = path_of(dir, idx);
	for (int i = 0; !path && i < MAX_OPENS; i++) {
		if (opens[i].node == n)
			path = proc_path(opens[i].fd);
	}
	if (!path)
		return -1;
	fd = open(path, access | O_CLOEXEC);
	outcome("open", fd, 0);
	return fd;
}

void compare_all(struct node *n, int fd)
{
	compare_fstat(n, fd);
	for (size_t off = 0; off <= n->size; off += OP_MAX) {
		size_t left = n->size - off;
		ssize_t len = pread(fd, got, OP_MAX, off);

		outcome_size("pread", len, left < OP_MAX ? left : OP_MAX);
		compare(n, off, got, len, "all");
	}
}

bool settle(struct node *n)
{
	struct poolfs_range all = { 0, 0 };
	int purged, fd;

	if (!n->unpinned)
		return true;
	fd = open_node(n, O_RDWR);
	if (fd < 0)
		return false;
	note("pin all of #%ju, size %zu", (uintmax_t)n->id, n->size);
	purged = ioctl(fd, POOLFS_IOC_PIN, &all);
	outcome("pin", purged, 0);
	compare_all(n, fd);
	if (n->seen_purged && purged == POOLFS_NOT_PURGED)
		wrong("pages have turned to zeros, but pin knows of no purge");
	free(n->unpinned);
	n->unpinned = NULL;
	/* What a cache had is what the file has. */
	if (n->seen_purged) {
		posix_fadvise(fd, 0, 0, POSIX_FADV_DONTNEED);
		compare_all(n, fd);
	}
	n->seen_purged = false;
	close(fd);
	return true;
}

bool op_unpin(void)
{
	struct open *o = opt.volatiles ? rnd_open() : NULL;
	struct poolfs_range r;
	struct node *n;
	size_t pages;

	if (!o || !o->node->size)
		return false;
	n = o->node;
	pages = (n->size + PAGE - 1) / PAGE;
	r.offset = rnd(pages);
	r.length = 1 + rnd(pages - r.offset);
	note("fd %d of #%ju, size %zu, %ju pages at page %ju", o->fd,
	     (uintmax_t)n->id, n->size, (uintmax_t)r.length,
	     (uintmax_t)r.offset);
	if (!n->unpinned)
		n->unpinned = calloc(1, opt.max_size / PAGE + 2);
	if (!n->unpinned)
		fail("calloc");
	n->mtime_known = false;
	if (o->w)
		memset(n->unpinned + r.offset, 1, r.length);
	r.offset *= PAGE;
	r.length *= PAGE;
	outcome("unpin", ioctl(o->fd, POOLFS_IOC_UNPIN, &r), o->w ? 0 : EBADF);
	return true;
}

bool op_pin(void)
{
	struct node *n = &nodes[rnd(nr_nodes)];

	return n->unpinned && settle(n);
}
