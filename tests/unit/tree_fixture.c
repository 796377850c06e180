/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "tests/unit/tree_fixture.h"

struct tree_opened opened;
struct statx created;

int create_as(const struct op *op, uint32_t parent, const char *name, int flags,
	      mode_t mode, uint32_t *node)
{
	int err = tree_create(pool, op, parent, name, flags, mode, &opened,
			      &created);

	if (!err)
		*node = opened.inode;
	return err;
}

uint32_t made_dir(uint32_t parent, const char *name)
{
	uint32_t node = 0;
	int err = tree_mkdir(pool, &the_op, parent, name, 0755, &node);

	must(!err, "mkdir %s: %s", name, strerror(-err));
	return node;
}

uint32_t made_file(uint32_t parent, const char *name)
{
	uint32_t node = 0;
	int err = tree_mknod(pool, &the_op, parent, name, S_IFREG | 0644, 0,
			     &node);

	must(!err, "mknod %s: %s", name, strerror(-err));
	return node;
}

void fill_pages(uint32_t node, uint64_t first, uint64_t nr, char fill)
{
	size_t len = nr * TREE_PAGE;
	char *mem = malloc(len + 1);
	int fd = inode_fd(pool, node, true);

	must(mem && fd >= 0, "inode_fd: %s", strerror(-fd));
	memset(mem, fill, len);
	must(pwrite(fd, mem, len, first * TREE_PAGE) == (ssize_t)len, "pwrite");
	free(mem);
	inode_fd_done(pool, node, fd);
}

uint32_t filled_file(uint32_t parent, const char *name, uint64_t pages,
		     char fill)
{
	uint32_t node = made_file(parent, name);

	must(tree_open(pool, &the_op, node, O_RDWR, &opened) == 0, "open %s",
	     name);
	fill_pages(node, 0, pages, fill);
	must(tree_close(pool, &the_op, node) == 0, "close %s", name);
	return node;
}

int page_byte(uint32_t node, uint64_t page)
{
	unsigned char c = 0;
	int fd = inode_fd(pool, node, false);

	if (fd < 0)
		return fd;
	must(pread(fd, &c, 1, page * TREE_PAGE) == 1, "pread");
	inode_fd_done(pool, node, fd);
	return c;
}

uint32_t looked_up(uint32_t parent, const char *name)
{
	uint32_t node = 0;
	int err = tree_lookup(pool, &the_op, parent, name, &node);

	must(!err, "lookup %s: %s", name, strerror(-err));
	return node;
}

int lookup_says(uint32_t parent, const char *name)
{
	uint32_t node = 0;
	int err = tree_lookup(pool, &the_op, parent, name, &node);

	if (!err)
		inode_forget(pool, node, 1);
	return err;
}

int nlink_of(uint32_t node)
{
	struct statx stx;
	int err = inode_stat(pool, node, &stx);

	return err ? err : (int)stx.stx_nlink;
}

uint64_t nr_tree_nodes(void)
{
	struct inode_usage u;

	inode_usage(pool, &u);
	return u.records;
}

struct volatile_stat volatile_now(void)
{
	struct volatile_stat st;

	volatile_stat(pool, &st);
	return st;
}

/* --- reclaim --- */

struct wanted_shrinker {
	const char *name;
	unsigned int id;
	bool found;
};

static int shrinker_match(const struct shrinker_info *info, void *arg)
{
	struct wanted_shrinker *w = arg;

	if (strcmp(info->name, w->name))
		return 0;
	w->id = info->id;
	w->found = true;
	return 1;
}

unsigned long scan_pages(const char *name, unsigned long pages)
{
	struct wanted_shrinker w = { .name = name };
	unsigned long freed = 0;

	shrinker_for_each(shrinker_match, &w);
	must(w.found, "no shrinker %s", name);
	must(shrinker_debug_scan(w.id, 0, pages, &freed) == 0, "scan");
	return freed;
}

/* --- what can be seen --- */

static int by_name(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

static inline void dump_at(FILE *f, int dirfd, int depth);

static void dump_entry(FILE *f, int dirfd, const char *name, int depth)
{
	char path[64], buf[512];
	struct stat st;
	ssize_t n;
	int fd;

	must(fstatat(dirfd, name, &st, AT_SYMLINK_NOFOLLOW) == 0, "%s", name);
	fprintf(f, "%*s%s mode %o nlink %d uid %d gid %d", depth, "",
		depth ? name : "orphan", st.st_mode,
		S_ISDIR(st.st_mode) ? 0 : (int)st.st_nlink, (int)st.st_uid,
		(int)st.st_gid);
	if (S_ISREG(st.st_mode))
		fprintf(f, " size %jd blocks %jd", (intmax_t)st.st_size,
			(intmax_t)st.st_blocks);
	if (S_ISLNK(st.st_mode)) {
		n = readlinkat(dirfd, name, buf, sizeof(buf));
		fprintf(f, " -> %.*s", (int)n, buf);
	}
	fd = openat(dirfd, name, O_PATH | O_NOFOLLOW | O_CLOEXEC);
	must(fd >= 0, "%s", name);
	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	n = S_ISLNK(st.st_mode) ? 0 : listxattr(path, buf, sizeof(buf));
	for (ssize_t i = 0; i < n; i += strlen(buf + i) + 1) {
		char value[64];
		ssize_t len = getxattr(path, buf + i, value, sizeof(value));

		fprintf(f, " %s=%.*s", buf + i, (int)len, value);
	}
	close(fd);
	fprintf(f, "\n");
	if (S_ISDIR(st.st_mode)) {
		fd = openat(dirfd, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
		dump_at(f, fd, depth + 1);
	}
}

/* Closes @dirfd. */
static void dump_at(FILE *f, int dirfd, int depth)
{
	char *names[256];
	size_t nr = 0;
	DIR *d = fdopendir(dirfd);
	struct dirent *e;

	must(d, "fdopendir");
	while ((e = readdir(d)))
		if (strcmp(e->d_name, ".") && strcmp(e->d_name, "..")) {
			must(nr < 256, "too many names");
			names[nr++] = strdup(e->d_name);
		}
	qsort(names, nr, sizeof(*names), by_name);
	for (size_t i = 0; i < nr; i++) {
		dump_entry(f, dirfd, names[i], depth);
		free(names[i]);
	}
	closedir(d);
}

static void dump_node(FILE *f, uint32_t node)
{
	struct statx stx;
	int err = inode_stat(pool, node, &stx);

	fprintf(f, "node opens %u%s", inode_opens(pool, node),
		vfile_is_volatile(pool, node) ? " volatile" : "");
	if (err) {
		fprintf(f, " %s\n", strerror(-err));
		return;
	}
	fprintf(f, " mode %o nlink %u size %llu", stx.stx_mode,
		S_ISDIR(stx.stx_mode) ? 0 : stx.stx_nlink,
		S_ISREG(stx.stx_mode) ? stx.stx_size : 0);
	for (uint64_t p = 0;
	     S_ISREG(stx.stx_mode) && p * TREE_PAGE < stx.stx_size; p++)
		fprintf(f, "%s%d", p ? "" : " pages ",
			vrange_state(pool, node, p * TREE_PAGE, TREE_PAGE));
	fprintf(f, "\n");
}

/* Which number a node has is no part of what can be seen. */
static void dump_nodes(FILE *f)
{
	char *line[DUMP_NODES];
	size_t nr = 0, size;

	for (uint32_t i = 2; i < DUMP_NODES; i++) {
		FILE *one;

		if (!inode_valid(pool, i))
			continue;
		one = open_memstream(&line[nr++], &size);
		must(one, "open_memstream");
		dump_node(one, i);
		fclose(one);
	}
	qsort(line, nr, sizeof(*line), by_name);
	for (size_t i = 0; i < nr; i++) {
		fputs(line[i], f);
		free(line[i]);
	}
}

char *tree_dump(void)
{
	struct volatile_stat vs = volatile_now();
	struct inode_usage u;
	size_t size;
	char *text;
	FILE *f = open_memstream(&text, &size);

	must(f, "open_memstream");
	inode_usage(pool, &u);
	fprintf(f, "nodes %d open %d volatile %d available %d ranges %d/%d\n",
		(int)u.inodes, (int)u.open, (int)vs.files, (int)vs.available,
		(int)vs.ranges, (int)vs.range_pages);
	dump_at(f, inode_opendir(pool, INODE_ROOT), 1);
	fprintf(f, "orphans\n");
	dump_at(f,
		openat(store.contentfd, "orphan",
		       O_RDONLY | O_DIRECTORY | O_CLOEXEC),
		0); /* with no names */
	dump_nodes(f);
	fclose(f);
	return text;
}

/* --- the end --- */

void tree_close_everything(void)
{
	the_op.token = 0;
	for (uint32_t i = 2; i < DUMP_NODES; i++)
		while (inode_opens(pool, i))
			must(tree_close(pool, &the_op, i) >= 0, "close %u", i);
}

unsigned int tree_forget_everything(void)
{
	unsigned int n = 0, at;

	for (uint32_t i = DUMP_NODES; i-- > 2;) {
		struct statx stx;

		if (inode_valid(pool, i) && !inode_stat(pool, i, &stx)) {
			if (vfile_is_volatile(pool, i))
				vfile_set_volatile(pool, &the_op, i, false, 0);
			if (S_ISREG(stx.stx_mode))
				vrange_pin(pool, &the_op, i, 0, 0);
		}
		for (at = 0; at < 8 && inode_valid(pool, i); at++, n++)
			inode_forget(pool, i, 1);
	}
	return n;
}

void tree_remove_everything(uint32_t node)
{
	int fd = inode_opendir(pool, node);
	DIR *d = fd < 0 ? NULL : fdopendir(fd);
	struct dirent *e;

	must(d, "opendir: %s", strerror(-fd));
	while ((e = readdir(d))) {
		struct statx stx;
		uint32_t child;
		int err;

		if (!strcmp(e->d_name, ".") || !strcmp(e->d_name, "..") ||
		    tree_lookup(pool, &the_op, node, e->d_name, &child))
			continue;
		must(inode_stat(pool, child, &stx) == 0, "stat");
		if (S_ISDIR(stx.stx_mode))
			tree_remove_everything(child);
		err = S_ISDIR(stx.stx_mode)
			      ? tree_rmdir(pool, &the_op, node, e->d_name)
			      : tree_unlink(pool, &the_op, node, e->d_name);
		must(!err, "remove %s: %s", e->d_name, strerror(-err));
		must(lookup_says(node, e->d_name) == -ENOENT, "%s is removed",
		     e->d_name);
		inode_forget(pool, child, 1);
	}
	closedir(d);
}
