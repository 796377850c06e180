/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "tests/tools/fsmodel_parts/attrs.h"

bool op_chmod(void)
{
	struct node *dir, *n;
	int idx = rnd_name(&dir, true), error = find(dir, idx, &n);
	mode_t mode = rnd_mode(is_dir(n) ? 0700 : 0600);

	note("%s to %#o", label_of(dir, idx), mode);
	if (outcome("chmod", chmod(path_of(dir, idx), mode), error))
		n->mode = mode;
	return true;
}

bool op_fchmod(void)
{
	struct open *o = rnd_open();
	mode_t mode = rnd_mode(0600);

	if (!o)
		return false;
	note("fd %d of #%ju to %#o", o->fd, (uintmax_t)o->node->id, mode);
	outcome("fchmod", fchmod(o->fd, mode), 0);
	o->node->mode = mode;
	compare_fstat(o->node, o->fd);
	return true;
}

bool op_utimens(void)
{
	struct node *dir, *n;
	struct open *o = one_in(2) ? rnd_open() : NULL;
	int idx = rnd_name(&dir, true), error;
	struct timespec times[2];
	struct stat st;

	for (int i = 0; i < 2; i++) {
		/* also before 1970 and after 2106 */
		times[i].tv_sec = (time_t)rnd(1ull << 33) - (1 << 30);
		times[i].tv_nsec = rnd(1000000000);
	}
	if (o) {
		n = o->node;
		note("fd %d of #%ju", o->fd, (uintmax_t)n->id);
		outcome("futimens", futimens(o->fd, times), 0);
		outcome("fstat", fstat(o->fd, &st), 0);
	} else {
		error = find(dir, idx, &n);
		note("%s", label_of(dir, idx));
		if (!outcome("utimensat",
			     utimensat(AT_FDCWD, path_of(dir, idx), times, 0),
			     error))
			return true;
		outcome("stat", stat(path_of(dir, idx), &st), 0);
	}
	compare_time("atime", times[0], st.st_atim);
	n->mtime = times[1];
	/* a purge punches holes, which changes it as on any tmpfs */
	n->mtime_known = !n->map_dirty && !n->unpinned;
	compare_stat(n, &st);
	return true;
}

bool no_xattrs;

static const char *xattr_name(int i)
{
	static char name[] = "user.model0";

	name[sizeof(name) - 2] = '0' + i;
	return name;
}

/*
 * Whether there are xattrs is found out by the first call on the first file.
 * Return: an open file to try something with, or NULL.
 */
static struct open *xattr_open(void)
{
	static bool tried;
	struct open *o = no_xattrs ? NULL : rnd_open();

	if (o && !tried) {
		tried = true;
		if (getxattr(".", xattr_name(0), NULL, 0) < 0 &&
		    errno == ENOTSUP) {
			no_xattrs = true;
			printf("no user.* attributes here\n");
			return NULL;
		}
	}
	return o;
}

bool op_setxattr(void)
{
	static const int modes[] = { 0, 0, XATTR_CREATE, XATTR_REPLACE };
	struct open *o = xattr_open();
	int i = rnd(NR_XATTRS), flags = modes[rnd(4)], error = 0;
	const unsigned char *value = random_bytes + rnd(POOL);
	struct xattr *x;
	size_t size = rnd(XATTR_SIZE + 1);

	if (!o)
		return false;
	x = &o->node->xattr[i];
	if (x->size >= 0 && flags == XATTR_CREATE)
		error = EEXIST;
	if (x->size < 0 && flags == XATTR_REPLACE)
		error = ENODATA;
	note("fd %d of #%ju, %s, %zu bytes, flags %d", o->fd,
	     (uintmax_t)o->node->id, xattr_name(i), size, flags);
	if (outcome("setxattr",
		    fsetxattr(o->fd, xattr_name(i), value, size, flags),
		    error)) {
		x->size = size;
		memcpy(x->value, value, size);
	}
	return true;
}

void compare_xattr(const struct node *n, int fd, int i)
{
	const struct xattr *x = &n->xattr[i];
	ssize_t size = fgetxattr(fd, xattr_name(i), got, sizeof(got));

	if (!outcome("getxattr", size, x->size < 0 ? ENODATA : 0))
		return;
	outcome_size("getxattr", size, x->size);
	if (memcmp(got, x->value, size))
		wrong("%s: the value differs", xattr_name(i));
	compared += size;
}

bool op_getxattr(void)
{
	struct open *o = xattr_open();
	int i = rnd(NR_XATTRS), size;

	if (!o)
		return false;
	size = o->node->xattr[i].size;
	note("fd %d of #%ju, %s", o->fd, (uintmax_t)o->node->id, xattr_name(i));
	compare_xattr(o->node, o->fd, i);
	if (size > 0) {
		outcome_size("getxattr",
			     fgetxattr(o->fd, xattr_name(i), got, 0), size);
		if (size > 1)
			outcome("getxattr",
				fgetxattr(o->fd, xattr_name(i), got, size - 1),
				ERANGE);
	}
	return true;
}

bool op_removexattr(void)
{
	struct open *o = xattr_open();
	int i = rnd(NR_XATTRS);
	struct xattr *x;

	if (!o)
		return false;
	x = &o->node->xattr[i];
	note("fd %d of #%ju, %s", o->fd, (uintmax_t)o->node->id, xattr_name(i));
	outcome("removexattr", fremovexattr(o->fd, xattr_name(i)),
		x->size < 0 ? ENODATA : 0);
	x->size = -1;
	return true;
}

bool op_listxattr(void)
{
	struct open *o = xattr_open();
	int want = 0, has = 0;
	ssize_t len;

	if (!o)
		return false;
	note("fd %d of #%ju", o->fd, (uintmax_t)o->node->id);
	len = flistxattr(o->fd, (char *)got, sizeof(got));
	if (len < 0)
		wrong("listxattr: got %s", error_name(errno));
	for (int i = 0; i < NR_XATTRS; i++)
		want += o->node->xattr[i].size >= 0;
	for (char *p = (char *)got; p < (char *)got + len; p += strlen(p) + 1) {
		int i = p[strlen(p) - 1] - '0';

		if (strncmp(p, "user.model", 10))
			continue; /* security.* and the like */
		has++;
		if (o->node->xattr[i].size < 0)
			wrong("listxattr: %s is not there", p);
	}
	if (want != has)
		wrong("listxattr: wanted %d names, got %d", want, has);
	return true;
}
