/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "tests/tools/fsmodel_parts/model.h"

#define KEPT 40 /* operations shown after a failure */

struct settings opt = { 1, 100000, 16, 256 << 10, false, false, 0, 20000 };
struct node *nodes;
struct node *root;
int nr_nodes;
struct open opens[MAX_OPENS];
struct map maps[MAX_MAPS];
struct stream streams[MAX_STREAMS];
name_text *names;
int nr_names;
char long_target[4000];
uid_t own_uid;
unsigned char random_bytes[POOL + OP_MAX];
unsigned char got[OP_MAX + 64 * PAGE];
uint64_t op_number, compared;
uint64_t nr_purged, nr_gone;
const char *op_name = "start";
static char history[KEPT][240];
static int nr_history;

/* --- telling --- */

void note(const char *fmt, ...)
{
	char *line = history[nr_history++ % KEPT];
	int n = snprintf(line, sizeof(history[0]),
			 "%ju %s: ", (uintmax_t)op_number, op_name);
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(line + n, sizeof(history[0]) - n, fmt, ap);
	va_end(ap);
}

_Noreturn void wrong(const char *fmt, ...)
{
	int first = nr_history > KEPT ? nr_history - KEPT : 0;
	va_list ap;

	fprintf(stderr, "fsmodel: seed %ju, operation %ju (%s)\n",
		(uintmax_t)opt.seed, (uintmax_t)op_number, op_name);
	va_start(ap, fmt);
	vfprintf(stderr, fmt, ap);
	va_end(ap);
	fprintf(stderr, "\nthe last operations:\n");
	for (int i = first; i < nr_history; i++)
		fprintf(stderr, "  %s\n", history[i % KEPT]);
	fflush(NULL);
	_exit(1);
}

const char *error_name(int error)
{
	const char *name = strerrorname_np(error);

	return error && name ? name : "success";
}

bool outcome(const char *call, long result, int error)
{
	int has = result < 0 ? errno : 0;

	if (has != error)
		wrong("%s: wanted %s, got %s", call, error_name(error),
		      error_name(has));
	return !has;
}

void outcome_size(const char *call, long result, long want)
{
	if (result < 0)
		wrong("%s: wanted %ld, got %s", call, want, error_name(errno));
	if (result != want)
		wrong("%s: wanted %ld, got %ld", call, want, result);
}

/* --- chance --- */

uint64_t rnd_state;

/* splitmix64 */
static uint64_t rnd64(void)
{
	uint64_t x = rnd_state += 0x9e3779b97f4a7c15;

	x = (x ^ x >> 30) * 0xbf58476d1ce4e5b9;
	x = (x ^ x >> 27) * 0x94d049bb133111eb;
	return x ^ x >> 31;
}

uint64_t rnd(uint64_t n)
{
	return rnd64() % n;
}

bool one_in(int n)
{
	return !rnd(n);
}

size_t rnd_len(size_t max)
{
	size_t len = one_in(4) ? PAGE * (1 + rnd(OP_MAX / PAGE / 2))
			       : 1 + rnd(1ull << rnd(18));

	return len < max ? len : max;
}

size_t rnd_off(size_t size)
{
	size_t off = rnd(size + size / 8 + 2);

	if (one_in(3))
		off -= off % PAGE;
	else if (one_in(8))
		off = size;
	return off < opt.max_size ? off : opt.max_size;
}

/* --- nodes --- */

static int count_kind(enum kind kind)
{
	int n = 0;

	for (int i = 0; i < nr_nodes; i++)
		n += nodes[i].kind == kind;
	return n;
}

/* The buffer is longer than the largest file by this. */
#define SLACK (2 * PAGE)

struct node *node_new(enum kind kind, mode_t mode)
{
	int max = kind == FILE_NODE  ? (int)opt.files
		  : kind == DIR_NODE ? MAX_DIRS
				     : MAX_SYMLINKS;
	struct node *n = nodes, keep;

	if (count_kind(kind) >= max)
		return NULL;
	while (n->kind != FREE)
		n++;
	keep = *n;
	memset(n, 0, sizeof(*n));
	n->kind = kind;
	n->id = op_number;
	n->mode = mode;
	n->data = keep.data;
	n->entry = keep.entry;
	for (int i = 0; i < NR_XATTRS; i++)
		n->xattr[i].size = -1;
	if (kind == FILE_NODE && !n->data)
		n->data = calloc(1, opt.max_size + SLACK);
	else if (kind == FILE_NODE)
		memset(n->data, 0, keep.high);
	else
		n->high = keep.high; /* for the file that comes next */
	if (kind == DIR_NODE && !n->entry)
		n->entry = calloc(nr_names, sizeof(*n->entry));
	if ((kind == FILE_NODE && !n->data) || (kind == DIR_NODE && !n->entry))
		fail("calloc");
	return n;
}

void node_put(struct node *n)
{
	if (n->nlink || n->users)
		return;
	n->kind = FREE;
	if (n->held)
		close(n->held);
	free(n->unpinned);
	n->unpinned = NULL;
}

bool dir_empty(const struct node *dir)
{
	for (int i = 0; i < nr_names; i++) {
		if (dir->entry[i])
			return false;
	}
	return true;
}

bool is_dir(const struct node *n)
{
	return n && n->kind == DIR_NODE;
}

bool is_within(const struct node *dir, const struct node *top)
{
	while (dir && dir != top)
		dir = dir->parent;
	return dir;
}

void entry_set(struct node *dir, int idx, struct node *n)
{
	bool removed = dir->entry[idx];

	dir->entry[idx] = n;
	dir->mtime_known = false;
	if (is_dir(n)) {
		n->parent = dir;
		n->parent_idx = idx;
	}
	for (int i = 0; i < MAX_STREAMS; i++) {
		if (streams[i].dir != dir)
			continue;
		streams[i].touched[idx] = true;
		streams[i].removed |= removed;
	}
}

void node_unnamed(struct node *n)
{
	n->nlink--;
	node_put(n);
}

static void data_changed(struct node *n, size_t end)
{
	n->mtime_known = false;
	if (n->high < end)
		n->high = end;
}

void data_write(struct node *n, size_t off, const void *from, size_t len)
{
	if (!len)
		return;
	memmove(n->data + off, from, len);
	if (n->size < off + len)
		n->size = off + len;
	data_changed(n, off + len);
}

void data_zero(struct node *n, size_t off, size_t end)
{
	if (end > n->size)
		end = n->size;
	if (off < end)
		memset(n->data + off, 0, end - off);
	n->mtime_known = false;
}

void data_resize(struct node *n, size_t size)
{
	data_zero(n, size, n->size);
	n->size = size;
}

/* --- names --- */

const char *target_of(const struct node *n)
{
	return n->target == TARGET_LONG	  ? long_target
	       : n->target == TARGET_NONE ? "no/such/place"
					  : names[n->target];
}

static size_t put_path(char *to, const struct node *dir, int idx, bool full)
{
	size_t n = 0;

	if (dir->parent) {
		n = put_path(to, dir->parent, dir->parent_idx, full);
		to[n++] = '/';
	}
	return n + sprintf(to + n, full ? "%s" : "%.4s", names[idx]);
}

const char *path_of(const struct node *dir, int idx)
{
	static char paths[4][PATH_MAX];
	static int next;
	char *path = paths[next++ % 4];

	put_path(path, dir, idx, true);
	return path;
}

const char *label_of(const struct node *dir, int idx)
{
	static char labels[4][5 * (MAX_DIRS + 2)];
	static int next;
	char *label = labels[next++ % 4];

	put_path(label, dir, idx, false);
	return label;
}

const char *proc_path(int fd)
{
	static char path[40];

	sprintf(path, "/proc/self/fd/%d", fd);
	return path;
}

int follow(const struct node *dir, int *idx)
{
	for (int i = 0; i < 40; i++) {
		const struct node *n = dir->entry[*idx];

		if (!n || n->kind != SYMLINK_NODE)
			return 0;
		if (n->target < 0)
			return ENOENT;
		*idx = n->target;
	}
	return ELOOP;
}

int find(const struct node *dir, int idx, struct node **n)
{
	int error = follow(dir, &idx);

	*n = error ? NULL : dir->entry[idx];
	return error ? error : *n ? 0 : ENOENT;
}

struct node *rnd_dir(void)
{
	struct node *n = root;

	if (one_in(2))
		return n;
	for (int tries = 0; tries < 20; tries++) {
		n = &nodes[rnd(nr_nodes)];
		if (is_dir(n) && n->nlink)
			return n;
	}
	return root;
}

int rnd_name(struct node **dir, bool there)
{
	int idx;

	for (int tries = 0; tries < 10; tries++) {
		*dir = rnd_dir();
		idx = rnd(nr_names);
		if (!!(*dir)->entry[idx] == there)
			break;
	}
	return idx;
}

struct open *rnd_open(void)
{
	int first = rnd(MAX_OPENS);

	for (int i = 0; i < MAX_OPENS; i++) {
		struct open *o = &opens[(first + i) % MAX_OPENS];

		if (o->node)
			return o;
	}
	return NULL;
}

struct open *free_open(void)
{
	for (int i = 0; i < MAX_OPENS; i++) {
		if (!opens[i].node)
			return &opens[i];
	}
	return NULL;
}

void open_init(struct open *o, int fd, struct node *n, int flags)
{
	int mode = flags & O_ACCMODE;

	*o = (struct open){
		.fd = fd,
		.node = n,
		.r = mode != O_WRONLY,
		.w = mode != O_RDONLY,
		.append = flags & O_APPEND,
	};
	n->users++;
}

void open_close(struct open *o)
{
	struct node *n = o->node;

	if (close(o->fd))
		wrong("close: got %s", error_name(errno));
	o->node = NULL;
	n->users--;
	node_put(n);
}
