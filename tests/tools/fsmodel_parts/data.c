/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "tests/tools/fsmodel_parts/data.h"

#define PIPE_MAX (32 << 10) /* fits into a pipe wherever it begins */

int pipe_fds[2];

#define note_open(o, fmt, ...)                                         \
	note("fd %d%s of #%ju, size %zu, " fmt, (o)->fd,               \
	     (o)->append ? " (append)" : "", (uintmax_t)(o)->node->id, \
	     (o)->node->size, __VA_ARGS__)

static const unsigned char *rnd_bytes(void)
{
	return random_bytes + rnd(POOL);
}

/* As much of @len as the largest file has room for at @off. */
static size_t clamp(size_t off, size_t len)
{
	size_t room = opt.max_size - off;

	return len < room ? len : room;
}

size_t rest(const struct node *n, size_t off, size_t len)
{
	size_t there = off < n->size ? n->size - off : 0;

	return len < there ? len : there;
}

bool op_pwrite(void)
{
	struct open *o = rnd_open();
	const unsigned char *from = rnd_bytes();
	size_t off, len;
	ssize_t n;

	if (!o || !settle(o->node))
		return false;
	off = o->append ? o->node->size : rnd_off(o->node->size);
	len = clamp(off, rnd_len(OP_MAX));
	note_open(o, "%zu at %zu", len, off);
	if (one_in(4)) {
		/* the offset means nothing with O_APPEND */
		struct iovec iov[2] = {
			{ (void *)from, len / 3 },
			{ (void *)(from + len / 3), len - len / 3 },
		};

		n = pwritev(o->fd, iov, 2, off);
	} else {
		n = pwrite(o->fd, from, len, off);
	}
	if (!o->w) {
		outcome("pwrite", n, EBADF);
		return true;
	}
	outcome_size("pwrite", n, len);
	data_write(o->node, off, from, len);
	if (one_in(4))
		compare_fstat(o->node, o->fd);
	return true;
}

bool op_write(void)
{
	struct open *o = rnd_open();
	const unsigned char *from = rnd_bytes();
	size_t off, len;
	ssize_t n;

	if (!o || !settle(o->node))
		return false;
	off = o->append ? o->node->size : o->pos;
	len = clamp(off, rnd_len(OP_MAX));
	note_open(o, "%zu at the position %zu", len, off);
	n = write(o->fd, from, len);
	if (!o->w) {
		outcome("write", n, EBADF);
		return true;
	}
	outcome_size("write", n, len);
	data_write(o->node, off, from, len);
	if (len)
		o->pos = off + len;
	outcome_size("lseek", lseek(o->fd, 0, SEEK_CUR), o->pos);
	return true;
}

bool op_read(void)
{
	struct open *o = rnd_open();
	size_t len = rnd_len(OP_MAX);
	ssize_t n;

	if (!o)
		return false;
	if (one_in(3)) {
		o->pos = rnd_off(o->node->size);
		outcome_size("lseek", lseek(o->fd, o->pos, SEEK_SET), o->pos);
	}
	note_open(o, "%zu at the position %jd", len, (intmax_t)o->pos);
	n = read(o->fd, got, len);
	if (!o->r) {
		outcome("read", n, EBADF);
		return true;
	}
	outcome_size("read", n, rest(o->node, o->pos, len));
	compare(o->node, o->pos, got, n, "read");
	o->pos += n;
	return true;
}

bool op_pread(void)
{
	struct open *o = rnd_open();
	size_t off, len = rnd_len(OP_MAX);
	ssize_t n;

	if (!o)
		return false;
	off = rnd_off(o->node->size);
	note_open(o, "%zu at %zu", len, off);
	n = pread(o->fd, got, len, off);
	if (!o->r) {
		outcome("pread", n, EBADF);
		return true;
	}
	outcome_size("pread", n, rest(o->node, off, len));
	compare(o->node, off, got, n, "pread");
	return true;
}

bool op_ftruncate(void)
{
	struct open *o = rnd_open();
	size_t size;

	if (!o || !settle(o->node))
		return false;
	size = rnd_off(one_in(3) ? opt.max_size : o->node->size);
	note_open(o, "to %zu", size);
	if (outcome("ftruncate", ftruncate(o->fd, size), o->w ? 0 : EINVAL))
		data_resize(o->node, size);
	compare_fstat(o->node, o->fd);
	return true;
}

bool op_truncate(void)
{
	struct node *dir, *n;
	int idx = rnd_name(&dir, true), error = find(dir, idx, &n);
	size_t size = rnd_off(n && one_in(2) ? n->size : opt.max_size);

	if (is_dir(n))
		error = EISDIR;
	if (n)
		settle(n);
	note("%s to %zu", label_of(dir, idx), size);
	if (outcome("truncate", truncate(path_of(dir, idx), size), error))
		data_resize(n, size);
	return true;
}

bool op_fallocate(void)
{
	static const int modes[] = {
		0,
		FALLOC_FL_KEEP_SIZE,
		FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE,
		FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE,
		FALLOC_FL_PUNCH_HOLE, /* not without KEEP_SIZE */
	};
	struct open *o = rnd_open();
	int mode = modes[rnd(5)], error;
	size_t off, len;
	struct node *n;

	if (!o || !settle(o->node))
		return false;
	n = o->node;
	off = rnd_off(n->size);
	len = clamp(off, rnd_len(OP_MAX));
	note_open(o, "mode %#x, %zu at %zu", mode, len, off);
	error = !len			       ? EINVAL
		: mode == FALLOC_FL_PUNCH_HOLE ? EOPNOTSUPP
		: !o->w			       ? EBADF
					       : 0;
	if (!outcome("fallocate", fallocate(o->fd, mode, off, len), error))
		return true;
	if (mode & FALLOC_FL_PUNCH_HOLE)
		data_zero(n, off, off + len);
	else if (!mode && n->size < off + len)
		data_resize(n, off + len);
	n->mtime_known = false;
	compare_fstat(n, o->fd);
	return true;
}

static void seek_data(struct open *o, size_t off)
{
	struct node *n = o->node;
	off_t data = lseek(o->fd, off, SEEK_DATA);

	if (data < 0) {
		outcome("SEEK_DATA", data, ENXIO);
		compare_hole(n, off, n->size);
		return;
	}
	if (data < off || data >= n->size)
		wrong("SEEK_DATA from %zu of %zu gave %jd", off, n->size,
		      (intmax_t)data);
	compare_hole(n, off, data);
}

bool op_seek(void)
{
	struct open *o = rnd_open();
	struct node *n;
	size_t off;
	off_t hole;

	if (!o)
		return false;
	n = o->node;
	off = rnd_off(n->size);
	note_open(o, "from %zu", off);
	seek_data(o, off);
	hole = lseek(o->fd, off, SEEK_HOLE);
	if (outcome("SEEK_HOLE", hole, off < n->size ? 0 : ENXIO)) {
		if (hole < off || hole > n->size)
			wrong("SEEK_HOLE from %zu of %zu gave %jd", off,
			      n->size, (intmax_t)hole);
		if (hole < n->size && lseek(o->fd, hole, SEEK_DATA) == hole)
			wrong("at %jd there is data, and a hole",
			      (intmax_t)hole);
		if (hole < n->size)
			seek_data(o, hole);
	}
	outcome_size("SEEK_END", lseek(o->fd, 0, SEEK_END), n->size);
	outcome_size("lseek", lseek(o->fd, o->pos, SEEK_SET), o->pos);
	return true;
}

bool op_copy_range(void)
{
	struct open *in = rnd_open(), *out = one_in(4) ? in : rnd_open();
	off64_t from, to;
	size_t off, off_to, len, count;
	int error = 0;
	ssize_t n;

	if (!in || !settle(in->node) || !settle(out->node))
		return false;
	from = off = rnd_off(in->node->size);
	to = off_to = rnd_off(out->node->size);
	len = clamp(off_to, rnd_len(OP_MAX));
	count = rest(in->node, off, len);
	note_open(in, "%zu at %zu, to fd %d of #%ju at %zu", len, off, out->fd,
		  (uintmax_t)out->node->id, off_to);
	if (!in->r || !out->w || out->append)
		error = EBADF;
	else if (in->node == out->node && off_to + count > off &&
		 off_to < off + count)
		error = EINVAL;
	n = copy_file_range(in->fd, &from, out->fd, &to, len, 0);
	if (!outcome("copy_file_range", n, error))
		return true;
	/* it may always do less, but not nothing */
	if (n > count || (!n && count))
		wrong("copy_file_range: wanted %zu, got %zd", count, n);
	outcome_size("source offset", from, off + n);
	outcome_size("target offset", to, off_to + n);
	data_write(out->node, off_to, in->node->data + off, n);
	compare_fstat(out->node, out->fd);
	return true;
}

bool op_sendfile(void)
{
	struct open *in = rnd_open(), *out = rnd_open();
	size_t off, len, count;
	off64_t from;
	int error;
	ssize_t n;

	/* inside one file, what is read depends on how it is cut */
	if (!in || in->node == out->node || !settle(in->node) ||
	    !settle(out->node))
		return false;
	from = off = rnd_off(in->node->size);
	len = clamp(out->pos, rnd_len(OP_MAX));
	count = rest(in->node, off, len);
	note_open(in, "%zu at %zu, to fd %d of #%ju at %jd", len, off, out->fd,
		  (uintmax_t)out->node->id, (intmax_t)out->pos);
	if (!len)
		return false;
	error = !in->r || !out->w ? EBADF : out->append ? EINVAL : 0;
	n = sendfile(out->fd, in->fd, &from, len);
	if (!outcome("sendfile", n, error))
		return true;
	if (n > count || (!n && count))
		wrong("sendfile: wanted %zu, got %zd", count, n);
	data_write(out->node, out->pos, in->node->data + off, n);
	out->pos += n;
	outcome_size("lseek", lseek(out->fd, 0, SEEK_CUR), out->pos);
	return true;
}

static void drain_pipe(size_t len)
{
	for (ssize_t n; len; len -= n) {
		n = read(pipe_fds[0], got, len);
		if (n <= 0)
			fail("pipe");
	}
}

bool op_splice_read(void)
{
	struct open *o = rnd_open();
	size_t len = rnd_len(PIPE_MAX), count;
	off64_t off, start;
	ssize_t n;

	if (!o)
		return false;
	off = start = rnd_off(o->node->size);
	count = rest(o->node, off, len);
	note_open(o, "%zu at %jd", len, (intmax_t)off);
	n = splice(o->fd, &off, pipe_fds[1], NULL, len, 0);
	if (!outcome("splice", n, o->r ? 0 : EBADF))
		return true;
	if (n > count || (!n && count))
		wrong("splice: wanted %zu, got %zd", count, n);
	if (n && read(pipe_fds[0], got, n) != n)
		fail("pipe");
	compare(o->node, start, got, n, "splice");
	return true;
}

bool op_splice_write(void)
{
	struct open *o = rnd_open();
	const unsigned char *from = rnd_bytes();
	size_t len, done = 0;
	off64_t off, start;
	int error;

	if (!o)
		return false;
	off = start = rnd_off(o->node->size);
	len = clamp(off, rnd_len(PIPE_MAX));
	if (!len || !settle(o->node))
		return false;
	note_open(o, "%zu at %jd", len, (intmax_t)off);
	error = !o->w ? EBADF : o->append ? EINVAL : 0;
	if (write(pipe_fds[1], from, len) != len)
		fail("pipe");
	while (done < len) {
		ssize_t n = splice(pipe_fds[0], NULL, o->fd, &off, len - done,
				   0);

		if (!outcome("splice", n, error)) {
			drain_pipe(len);
			return true;
		}
		if (!n)
			wrong("splice: wanted %zu, got 0", len - done);
		done += n;
	}
	data_write(o->node, start, from, len);
	return true;
}

bool op_fsync(void)
{
	struct open *o = rnd_open();

	if (!o)
		return false;
	note_open(o, "%s", "all");
	outcome("fsync", one_in(2) ? fsync(o->fd) : fdatasync(o->fd), 0);
	o->node->map_dirty = false;
	compare_fstat(o->node, o->fd);
	return true;
}

/* --- mappings --- */

static struct map *rnd_map(bool taken)
{
	int first = rnd(MAX_MAPS);

	for (int i = 0; i < MAX_MAPS; i++) {
		struct map *m = &maps[(first + i) % MAX_MAPS];

		if (!!m->addr == taken)
			return m;
	}
	return NULL;
}

bool op_map(void)
{
	struct open *o = rnd_open();
	struct map *m = rnd_map(false);
	bool w = !one_in(3);
	size_t off, len;
	void *addr;

	if (opt.no_mmap || !o || !m)
		return false;
	off = rnd_off(o->node->size) / PAGE * PAGE;
	len = PAGE * (1 + rnd(64));
	note_open(o, "%zu at %zu%s", len, off, w ? ", to write" : "");
	addr = mmap(NULL, len, PROT_READ | (w ? PROT_WRITE : 0), MAP_SHARED,
		    o->fd, off);
	if (!outcome("mmap", addr == MAP_FAILED ? -1 : 0,
		     o->r && (o->w || !w) ? 0 : EACCES))
		return true;
	*m = (struct map){ addr, len, off, o->node, w };
	o->node->users++;
	return true;
}

/*
 * A part of the mapping that is in the file, up to the end of its last page if
 * @tail.  Return: its length, 0 if there is none.
 */
static size_t rnd_part(const struct map *m, size_t *at, bool tail)
{
	size_t end = m->node->size, len;

	if (tail)
		end = (end + PAGE - 1) / PAGE * PAGE;
	if (end > m->off + m->len)
		end = m->off + m->len;
	if (end <= m->off)
		return 0;
	*at = m->off + rnd(end - m->off);
	len = rnd_len(OP_MAX);
	return len < end - *at ? len : end - *at;
}

void compare_map(const struct map *m, size_t off, size_t len)
{
	const unsigned char *from = m->addr + (off - m->off);

	if (!m->node->unpinned) {
		compare(m->node, off, from, len, "mapping");
		return;
	}
	/* what is purged while it is copied is zeros the next time */
	memcpy(got, from, len);
	if (memcmp(m->node->data + off, got, len))
		memcpy(got, from, len);
	compare(m->node, off, got, len, "mapping");
}

bool op_map_read(void)
{
	struct map *m = rnd_map(true);
	size_t off, len = m ? rnd_part(m, &off, true) : 0;

	if (!len)
		return false;
	note("map of #%ju, size %zu, %zu at %zu", (uintmax_t)m->node->id,
	     m->node->size, len, off);
	compare_map(m, off, len);
	return true;
}

bool op_map_write(void)
{
	struct map *m = rnd_map(true);
	size_t off, len = m && m->w ? rnd_part(m, &off, false) : 0;
	const unsigned char *from = rnd_bytes();

	if (!len || !settle(m->node))
		return false;
	note("map of #%ju, size %zu, %zu at %zu", (uintmax_t)m->node->id,
	     m->node->size, len, off);
	memcpy(m->addr + (off - m->off), from, len);
	data_write(m->node, off, from, len);
	m->node->map_dirty = true;
	return true;
}

bool op_msync(void)
{
	struct map *m = rnd_map(true);

	if (!m)
		return false;
	note("map of #%ju, %zu at %zu", (uintmax_t)m->node->id, m->len, m->off);
	outcome("msync", msync(m->addr, m->len, one_in(2) ? MS_SYNC : MS_ASYNC),
		0);
	return true;
}

bool op_munmap(void)
{
	struct map *m = rnd_map(true);

	if (!m)
		return false;
	note("map of #%ju, %zu at %zu", (uintmax_t)m->node->id, m->len, m->off);
	outcome("munmap", munmap(m->addr, m->len), 0);
	m->addr = NULL;
	m->node->users--;
	node_put(m->node);
	return true;
}

/* --- whole files --- */

bool compare_whole(struct node *n)
{
	int fd;

	note("#%ju, size %zu", (uintmax_t)n->id, n->size);
	fd = open_node(n, O_RDONLY);
	if (fd < 0)
		return false;
	compare_all(n, fd);
	close(fd);
	return true;
}

bool op_whole(void)
{
	struct node *n = &nodes[rnd(nr_nodes)];

	return n->kind == FILE_NODE && compare_whole(n);
}
