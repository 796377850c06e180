/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "tests/tools/fsmodel_parts/volatile.h"

#define VOLATILE "user.pool.volatile"
#define TOLD_US 2000000 /* until the kernel knows of a purge, at most */

void hold(struct node *n)
{
	int fd = open_node(n, O_RDONLY);

	if (fd < 0)
		wrong("#%ju cannot be opened", (uintmax_t)n->id);
	n->held = fd;
}

static void unhold(struct node *n)
{
	if (n->held)
		close(n->held);
	n->held = 0;
}

void inherit_volatile(struct node *n, const struct node *dir)
{
	n->is_volatile = dir->is_volatile;
	if (n->is_volatile && n->kind == FILE_NODE)
		hold(n);
}

static void compare_volatile(const struct node *n, const char *path)
{
	char value[8];
	ssize_t len = getxattr(path, VOLATILE, value, sizeof(value));

	if (len < 0 && errno != ENODATA)
		wrong("getxattr of " VOLATILE ": got %s", error_name(errno));
	if ((len == 1 && *value == '1') != n->is_volatile)
		wrong("#%ju should%s be volatile", (uintmax_t)n->id,
		      n->is_volatile ? "" : " not");
}

bool op_volatile(void)
{
	bool on = !one_in(3), removed = !on && one_in(2);
	struct node *n, *dir;
	const char *path;
	int idx, error;

	if (!opt.volatiles)
		return false;
	n = &nodes[rnd(nr_nodes)];
	if ((n->kind != FILE_NODE && !is_dir(n)) || !name_of(n, &dir, &idx))
		return false;
	note("%s %s", label_of(dir, idx), on ? "on" : "off");
	path = path_of(dir, idx);
	compare_volatile(n, path);
	error = removed && !n->is_volatile ? ENODATA : 0;
	if (n->kind == FILE_NODE && !n->held)
		hold(n);
	if (removed)
		outcome("removexattr", removexattr(path, VOLATILE), error);
	else
		outcome("setxattr",
			setxattr(path, VOLATILE, on ? "1" : "0", 1, 0), 0);
	n->is_volatile = on;
	if (n->kind == FILE_NODE && !on)
		unhold(n);
	return true;
}

/* A name of a file that is gone; the kernel may have it a moment longer. */
static void see_gone(const char *path)
{
	struct stat st;

	for (int us = 0; us < TOLD_US && !lstat(path, &st); us += 1000)
		usleep(1000);
	outcome("stat", lstat(path, &st), ENOENT);
}

/* With all its names; nobody uses it. */
static void node_gone(struct node *n)
{
	for (int i = 0; i < nr_nodes; i++) {
		struct node *dir = &nodes[i];

		for (int idx = 0; is_dir(dir) && idx < nr_names; idx++) {
			if (dir->entry[idx] != n)
				continue;
			see_gone(path_of(dir, idx));
			entry_set(dir, idx, NULL);
			n->nlink--;
		}
	}
	node_put(n);
	nr_gone++;
}

/* One that has a name, and mostly one that nobody else uses. */
static struct node *rnd_held(struct node **dir, int *idx)
{
	int first = rnd(nr_nodes);
	bool unused = !one_in(4);

	for (int i = 0; i < nr_nodes; i++) {
		struct node *n = &nodes[(first + i) % nr_nodes];

		if (n->kind == FILE_NODE && n->held && !(unused && n->users) &&
		    name_of(n, dir, idx))
			return n;
	}
	return NULL;
}

bool op_let_go(void)
{
	struct node *dir, *n;
	const char *path;
	int idx, fd;

	n = rnd_held(&dir, &idx);
	if (!n)
		return false;
	note("%s, #%ju, %u users", label_of(dir, idx), (uintmax_t)n->id,
	     n->users);
	unhold(n);
	if (opt.scan && one_in(4))
		outcome_size("scan", write(opt.scan, SCAN, strlen(SCAN)),
			     strlen(SCAN));
	else if (one_in(4))
		usleep(rnd(opt.let_go_us));
	path = path_of(dir, idx);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0 && errno == ENOENT && !n->users) {
		node_gone(n);
		return true;
	}
	outcome("open of a volatile file", fd, 0);
	n->held = fd;
	compare_all(n, fd);
	compare_volatile(n, path);
	return true;
}
