/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * .pool/config: what can change at run time.  A write is one JSON object; it
 * is applied whole or not at all.  Settings are kept in the store; the limits
 * of the mount in the memory that the keeper shares, and the root directory has
 * its mode itself.
 */
#include "fs/kind/config.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "fs/kind/fixed.h"
#include "fs/kind/kind.h"
#include "fs/kind/text.h"
#include "fs/poolfs.h"
#include "pool/store/store.h"
#include "shrinker/reclaim.h"

struct config {
	uint64_t box_size;
	uint64_t sender_quota;
	uint64_t user_quota;
	uint64_t min_free;
	uint64_t floor;
	uint64_t some_stall_us;
	uint64_t full_stall_us;
	uint64_t window_us;
	uint64_t size;
	uint64_t nr_inodes;
	uint64_t mode;
};

static const struct config_key {
	const char *name;
	size_t offset;
	uint64_t min, max;
	const char *what;
	bool octal;
} config_keys[] = {
#define KEY(name, min, max, what)                                           \
	{                                                                   \
#name, offsetof(struct config, name), min, max, what, false \
	}
	KEY(box_size, 1, BOX_SIZE_MAX, "bytes of a new box's region"),
	KEY(sender_quota, 1, 100, "percent of a region for one sender"),
	KEY(user_quota, 1, 100, "percent of each limit for one user"),
	KEY(min_free, 0, INT64_MAX, "bytes of memory to keep available"),
	KEY(floor, 0, INT64_MAX, "pages that some pressure leaves alone"),
	KEY(some_stall_us, 1, 10000000, "microseconds of some stall"),
	KEY(full_stall_us, 1, 10000000, "microseconds of full stall"),
	KEY(window_us, 1, 10000000, "microseconds of the window"),
	/* These are not kept in the store. */
	KEY(size, SIZE_LEAST, INT64_MAX / 4, "bytes that may be in use"),
	KEY(nr_inodes, 0, INT64_MAX / 4096, "files that there may be"),
	{ "mode", offsetof(struct config, mode), 0, 07777,
	  "mode of the root directory", true },
#undef KEY
};
#define CONFIG_ALL UINT32_MAX
#define CONFIG_KEPT (UINT32_MAX >> (32 - NR_KEYS + 3))
#define NR_KEYS (sizeof(config_keys) / sizeof(*config_keys))

static uint64_t *config_field(struct config *cfg, const struct config_key *key)
{
	return (uint64_t *)((char *)cfg + key->offset);
}

static uint64_t config_root_mode(struct worker *w)
{
	struct statx stx;

	return inode_stat(w->pool, INODE_ROOT, &stx) ? 0 : stx.stx_mode & 07777;
}

static struct reclaim_tuning config_tuning(struct worker *w)
{
	struct reclaim_status *rs = calloc(1, sizeof(*rs));
	struct reclaim_tuning t = { 0 };

	if (rs && w->reclaimer) {
		reclaimer_status(w->reclaimer, rs);
		t = rs->tuning;
	}
	free(rs);
	return t;
}

static void config_get(struct worker *w, struct config *cfg)
{
	struct reclaim_tuning t = config_tuning(w);

	cfg->box_size = pool_config(w->pool)->box_size;
	cfg->sender_quota = pool_config(w->pool)->sender_quota;
	cfg->user_quota = pool_config(w->pool)->user_quota;
	cfg->min_free = t.min_free;
	cfg->floor = t.floor;
	cfg->some_stall_us = t.some_stall_us;
	cfg->full_stall_us = t.full_stall_us;
	cfg->window_us = t.window_us;
	cfg->size = w->shared->size;
	cfg->nr_inodes = w->shared->inodes;
	cfg->mode = config_root_mode(w);
}

static bool config_has(uint32_t keys, size_t offset)
{
	for (size_t i = 0; i < NR_KEYS; i++)
		if (config_keys[i].offset == offset)
			return keys & 1u << i;
	return false;
}

/* An errno cannot name a key, so .pool/events and .pool/config say it. */
__attribute__((format(printf, 3, 4))) static int
config_complain(struct worker *w, const char *key, const char *fmt, ...)
{
	char why[sizeof(w->config_error) - 64];
	json_t *j = json_object();
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(why, sizeof(why), fmt, ap);
	va_end(ap);
	snprintf(w->config_error, sizeof(w->config_error), "%.60s: %s", key,
		 why);
	json_object_set_new(j, "key", json_name(key));
	json_object_set_new(j, "why", json_name(why));
	events_add_once(&w->events, w->request.unique, "config-error", j);
	notify_events(w);
	return -EINVAL;
}

/* Return: 0 or -EINVAL, as tmpfs has it. */
static int config_limit_failed(struct worker *w, const char *key, int err)
{
	return config_complain(w, key, "%s",
			       err == -EBUSY ? "more than that is in use"
			       : err == -EOPNOTSUPP
				       ? "this pool has no such limit"
				       : strerror(-err));
}

/* Both limits, or none.  Return: 0 or -EINVAL. */
static int config_set_limits(struct worker *w, const struct config *cfg)
{
	uint64_t size = w->shared->size;
	int err = 0;

	if (cfg->size != size)
		err = pool_resize(w->pool, cfg->size);
	if (err)
		return config_limit_failed(w, "size", err);
	if (cfg->nr_inodes != w->shared->inodes)
		err = pool_limit_inodes(w->pool, cfg->nr_inodes);
	if (err) {
		pool_resize(w->pool, size);
		return config_limit_failed(w, "nr_inodes", err);
	}
	w->shared->size = cfg->size;
	w->shared->inodes = w->store->inodes;
	w->shared->inodes_exact = w->store->inodes_exact;
	return 0;
}

static void config_set_mode(struct worker *w, mode_t mode)
{
	const struct tree_attr a = { .set = TREE_SET_MODE, .mode = mode };

	if (mode == config_root_mode(w))
		return;
	tree_setattr(w->pool, INODE_ROOT, &a);
	notify_attributes(w, INODE_ROOT);
}

/*
 * @keys: bit i: config_keys[i] was set.  The others keep their default, which
 * for min_free follows the machine and the command line.
 */
static int config_set(struct worker *w, const struct config *cfg, uint32_t keys)
{
	bool has_min_free = config_has(keys, offsetof(struct config, min_free));
	struct reclaim_tuning t = { .min_free = has_min_free
							? cfg->min_free
							: w->options->min_free,
				    .floor = cfg->floor,
				    .some_stall_us = cfg->some_stall_us,
				    .full_stall_us = cfg->full_stall_us,
				    .window_us = cfg->window_us };
	uint64_t mask = sysconf(_SC_PAGESIZE) - 1;
	struct reclaim_tuning before = config_tuning(w);
	int err = reclaimer_configure(w->reclaimer, &t);

	if (err)
		return config_complain(w, "window_us",
				       "stalls must not be longer than it");
	err = config_set_limits(w, cfg);
	if (err) {
		reclaimer_configure(w->reclaimer, &before);
		return err;
	}
	config_set_mode(w, cfg->mode);
	pool_config(w->pool)->box_size = (cfg->box_size + mask) & ~mask;
	pool_config(w->pool)->sender_quota = cfg->sender_quota;
	pool_config(w->pool)->user_quota = cfg->user_quota;
	store_set_share(w->store, user_share(w->pool, USER_FILE_BYTES));
	w->config_keys = keys;
	return 0;
}

static int config_number(const struct config_key *key, json_t *value,
			 uint64_t *n)
{
	const char *text = json_string_value(value);
	char *end;

	if (key->octal) {
		if (!text || !*text || strspn(text, "01234567") != strlen(text))
			return -EINVAL;
		errno = 0;
		*n = strtoull(text, &end, 8);
		return -errno;
	}
	if (text)
		return size_parse(text, 0, n);
	if (!json_is_integer(value) || json_integer_value(value) < 0)
		return -EINVAL;
	*n = json_integer_value(value);
	return 0;
}

static int config_set_key(struct worker *w, struct config *cfg, uint32_t *keys,
			  const char *name, json_t *value)
{
	const struct config_key *key = NULL;
	uint64_t n = 0;

	for (size_t i = 0; i < NR_KEYS; i++)
		if (!strcmp(name, config_keys[i].name))
			key = &config_keys[i];
	if (!key)
		return config_complain(w, name, "there is no such key");
	if (config_number(key, value, &n))
		return config_complain(
			w, name,
			key->octal ? "%s: octal, as \"0700\""
				   : "%s: a whole number, or one as "
				     "\"64M\"",
			key->what);
	if (n > 07777 && key->octal)
		return config_complain(w, name, "%s: at most \"7777\"",
				       key->what);
	if (n < key->min || n > key->max)
		return config_complain(w, name,
				       "%s: from %" PRIu64 " to %" PRIu64,
				       key->what, key->min, key->max);
	*config_field(cfg, key) = n;
	*keys |= 1u << (key - config_keys);
	return 0;
}

/* @keys: those that it shows, bit i: config_keys[i]. */
static json_t *config_json(struct worker *w, uint32_t keys)
{
	json_t *j = json_object();
	struct config cfg;

	config_get(w, &cfg);
	for (size_t i = 0; i < NR_KEYS; i++) {
		const struct config_key *key = &config_keys[i];
		uint64_t n = *config_field(&cfg, key);

		if (!(keys & 1u << i))
			continue;
		json_object_set_new(j, key->name,
				    key->octal ? json_sprintf("%04o", (int)n)
					       : json_integer(n));
	}
	return j;
}

static void config_save(struct worker *w)
{
	json_t *j = config_json(w, w->config_keys & CONFIG_KEPT);
	int fd = openat(w->store->dirfd, "config.new",
			O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW | O_CLOEXEC,
			0600);

	/* It is in force already.  In a full store it is not kept. */
	if (fd >= 0) {
		int err = json_dumpfd(j, fd, JSON_COMPACT);

		close(fd);
		if (!err)
			renameat(w->store->dirfd, "config.new", w->store->dirfd,
				 "config.json");
	}
	json_decref(j);
}

static int config_apply(struct worker *w, const char *text, size_t len)
{
	uint32_t keys = w->config_keys;
	struct config cfg;
	json_error_t why;
	json_t *j, *value;
	const char *name;
	int err = 0;

	j = json_loadb(text, len, JSON_REJECT_DUPLICATES, &why);
	if (!j)
		return config_complain(w, "JSON", "line %d: %s", why.line,
				       why.text);
	if (!json_is_object(j)) {
		json_decref(j);
		return config_complain(w, "JSON", "it must be an object");
	}
	config_get(w, &cfg);
	json_object_foreach(j, name, value)
	{
		err = config_set_key(w, &cfg, &keys, name, value);
		if (err)
			break;
	}
	json_decref(j);
	if (err)
		return err;
	err = config_set(w, &cfg, keys);
	if (err)
		return err;
	w->config_error[0] = 0;
	return 0;
}

static int config_write(struct worker *w, const char *text, size_t len)
{
	int err = config_apply(w, text, len);

	if (err)
		return err;
	config_save(w);
	events_add_once(&w->events, w->request.unique, "config",
			config_json(w, CONFIG_ALL));
	notify_events(w);
	return 0;
}

static char *config_render(struct worker *w)
{
	json_t *j = config_json(w, CONFIG_ALL);
	char *text, *line = NULL;

	if (w->config_error[0])
		json_object_set_new(j, "last_error",
				    json_name(w->config_error));
	text = json_dumps(j, JSON_INDENT(2));
	json_decref(j);
	if (text && asprintf(&line, "%s\n", text) < 0)
		line = NULL;
	free(text);
	return line;
}

void config_load(struct worker *w)
{
	char text[4096];
	int fd = openat(w->store->dirfd, "config.json",
			O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
	ssize_t n;

	if (fd < 0)
		return;
	n = read(fd, text, sizeof(text));
	close(fd);
	if (n > 0)
		config_apply(w, text, n);
}

/* --- the file --- */

static int config_getattr(struct call *c, struct stat *st)
{
	owner_stat(c, st, S_IFREG | 0644);
	return 0;
}

static void config_open(struct call *c, struct fuse_file_info *fi)
{
	char *text = NULL;
	int err = 0;

	if ((fi->flags & O_ACCMODE) != O_WRONLY) {
		text = config_render(c->w);
		err = text ? 0 : -ENOMEM;
	}
	text_open_as(c, text, err, fi);
	free(text);
}

static void config_file_write(struct call *c, const void *buf, size_t size,
			      off_t off, struct fuse_file_info *fi)
{
	int err = config_write(c->w, buf, size);

	if (err)
		fuse_reply_err(c->req, -err);
	else
		fuse_reply_write(c->req, size);
}

/* From poolfs -o remount, which has to work on a read-only mount, too. */
static void config_ioctl(struct call *c, unsigned int cmd, uint64_t fh,
			 const void *in, size_t in_size)
{
	const struct poolfs_config *text = in;
	int err;

	if (cmd != POOLFS_IOC_CONFIG || in_size < sizeof(*text))
		err = -ENOTTY;
	else if (!user_is_owner(c->w->pool, c->op.uid))
		err = -EPERM;
	else
		err = config_write(c->w, text->json,
				   strnlen(text->json, sizeof(text->json)));
	if (err)
		fuse_reply_err(c->req, -err);
	else
		fuse_reply_ioctl(c->req, 0, NULL, 0);
}

const struct inode_ops config_ops = {
	.getattr = config_getattr,
	.setattr = text_setattr_writable,
	.open = config_open,
	.read = text_read,
	.write = config_file_write,
	.ioctl = config_ioctl,
};
