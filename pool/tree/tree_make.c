/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Making files of all types, on behalf of the calling process.
 *
 * States: those of intent.h.  A file is made in the store, gets a prepared
 * record, and is published by one commit.
 * Locks: pool->lock (1) held by all callers.
 * Reclaim: is called to make room in a full store (tree_make_room()), and
 * purges nothing while INODES_BUSY() otherwise.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <stdio.h>
#include <sys/fsuid.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "pool/inode/names.h"
#include "pool/tree/intent.h"
#include "pool/tree/tree_priv.h"

/* --- on whose behalf --- */

/* setfsuid() clears effective capabilities: sets them again. */
static void cred_keep_capabilities(void)
{
	struct __user_cap_header_struct h = {
		.version = _LINUX_CAPABILITY_VERSION_3
	};
	struct __user_cap_data_struct d[2];

	if (syscall(SYS_capget, &h, d) < 0)
		return;
	d[0].effective = d[0].permitted;
	d[1].effective = d[1].permitted;
	syscall(SYS_capset, &h, d);
}

/*
 * Takes the credentials of the caller, so that the file is owned by the caller,
 * and the kernel applies set-group-ID directories, default ACLs and quotas.
 * Permissions were checked before.
 */
static int cred_take(const struct inode_table *t, const struct op *op,
		     mode_t *mask)
{
	if (!t->root && op->uid != geteuid())
		return -EPERM;
	*mask = umask(op->umask);
	if (!t->root)
		return 0;
	setfsgid(op->gid);
	if (op->uid) {
		setfsuid(op->uid);
		cred_keep_capabilities();
	}
	return 0;
}

static void cred_back(const struct inode_table *t, const struct op *op,
		      mode_t mask)
{
	umask(mask);
	if (!t->root)
		return;
	if (op->uid) {
		setfsuid(0);
		cred_keep_capabilities();
	}
	setfsgid(0);
}

/* --- making --- */

/* What is to be made, and the result. */
struct making {
	mode_t mode;
	dev_t rdev;
	const char *target; /* of a symbolic link, else NULL */
	bool open; /* a regular file, to be opened */
	int fd; /* its descriptor, -1: none */
	int32_t backing; /* passthrough id, 0: none */
	uint32_t orphan; /* O_TMPFILE: its inode, else 0 */
	bool again; /* an earlier worker may have made it */
	bool taken; /* its name is counted to the caller */
	struct statx stx; /* out */
};

static void make_close(struct making *m)
{
	if (m->fd >= 0)
		close(m->fd);
	m->fd = -1;
}

/*
 * Makes a file without a name in the directory @p, and links it to orphan/ at
 * once, where a worker that starts finds it.
 */
static int make_nameless(struct inode_table *t, const struct inode_path *p,
			 struct making *m)
{
	char proc[40], orphan[16];
	int err = 0;

	m->fd = openat(p->dirfd, p->path, O_RDWR | O_TMPFILE | O_CLOEXEC,
		       m->mode & ~S_IFMT);
	if (m->fd < 0)
		return -errno;
	snprintf(proc, sizeof(proc), "/proc/self/fd/%d", m->fd);
	inode_orphan_name(m->orphan, orphan, sizeof(orphan));
	/* A worker that was killed here may have left one. */
	unlinkat(t->orphanfd, orphan, 0);
	if (linkat(AT_FDCWD, proc, t->orphanfd, orphan, AT_SYMLINK_FOLLOW) < 0)
		err = -errno;
	if (err)
		make_close(m);
	return err;
}

static int make_in_store(struct inode_table *t, const struct inode_path *p,
			 struct making *m)
{
	int err = 0;

	if (m->orphan)
		return make_nameless(t, p, m);
	if (m->target)
		err = symlinkat(m->target, p->dirfd, p->path);
	else if (S_ISDIR(m->mode))
		err = mkdirat(p->dirfd, p->path, m->mode & ~S_IFMT);
	else if (!m->open)
		err = mknodat(p->dirfd, p->path, m->mode, m->rdev);
	else
		m->fd = err = openat(p->dirfd, p->path,
				     O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW |
					     O_CLOEXEC,
				     m->mode & ~S_IFMT);
	return err < 0 ? -errno : 0;
}

/* Memory of an inode and a name in the kernel, roughly. */
#define MAKE_BYTES 8192

static int make_once(struct pool *pool, const struct op *op,
		     const struct inode_path *p, struct making *m)
{
	mode_t mask;
	int err = pool_grow(pool, MAKE_BYTES, true);

	if (!err)
		err = cred_take(pool->inodes, op, &mask);
	if (err)
		return err;
	store_fit_inodes(pool->store);
	store_admit_user(pool->store, op->uid);
	err = make_in_store(pool->inodes, p, m);
	cred_back(pool->inodes, op, mask);
	return err;
}

static int make_as(struct pool *pool, const struct op *op,
		   const struct inode_path *p, struct making *m)
{
	int err = retry_with_room(names_take(pool, op->uid, m->again),
				  tree_make_room(pool));

	m->taken = !err;
	return err ? err
		   : retry_with_room(make_once(pool, op, p, m),
				     tree_make_room(pool));
}

/* It was not made after all. */
static void make_failed(struct pool *pool, const struct op *op,
			struct making *m)
{
	make_close(m);
	if (m->taken)
		names_put(pool, op->uid);
}

/* Attributes of the file that was opened, or of that at @p. */
static int make_stat(const struct inode_path *p, struct making *m)
{
	bool open = m->fd >= 0;

	return statx(open ? m->fd : p->dirfd, open ? "" : p->path,
		     AT_SYMLINK_NOFOLLOW | (open ? AT_EMPTY_PATH : 0),
		     STATX_BASIC_STATS | STATX_BTIME, &m->stx) < 0
		       ? -errno
		       : 0;
}

/*
 * Registers the file for passthrough; opens it if an earlier worker made it.  In
 * cached mode it stays closed then: its mode may forbid the worker to open it
 * without a mode override (inode_fd()).
 */
static int make_register(struct pool *pool, const struct inode_path *p,
			 struct making *m)
{
	if (!m->open || !tree_has_passthrough(pool))
		return 0;
	if (m->fd < 0)
		m->fd = openat(p->dirfd, p->path,
			       O_RDWR | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
	if (m->fd < 0)
		return -errno;
	m->backing = tree_register(pool, m->fd);
	return m->backing < 0 ? m->backing : 0;
}

/* Publishes the inode, open if that was asked for. */
static void make_commit(struct pool *pool, const struct op *op, uint32_t parent,
			uint32_t inode, struct making *m)
{
	struct inode_rec *rec = inode_rec(pool->inodes, inode);

	vfile_inherit(pool, inode, parent, m->stx.stx_mode);
	rec->backing = m->backing;
	if (m->open && pool->leases)
		rec->flags |= INODE_WRITTEN;
	names_made_begin(pool, op->token, op->uid);
	journal_begin(&pool->journal, op->token);
	inode_publish(pool, inode, m->open);
	journal_commit(&pool->journal, inode);
	names_made_end(pool);
	inode_published(pool, inode);
	inode_mem(pool->inodes, inode)->no_capability = true;
	pool_fit_limit(pool);
	/* In passthrough mode the worker needs no descriptor. */
	if (m->backing)
		make_close(m);
	if (m->fd >= 0)
		inode_fd_keep(pool, inode, m->fd);
}

/* A prepared record for a new file; on failure the file is removed. */
static int make_record(struct pool *pool, uint32_t parent, const char *name,
		       const struct inode_path *p, struct making *m,
		       uint32_t *inode)
{
	int err = inode_prepare(pool, parent, name, m->stx.stx_ino,
				m->stx.stx_mode, inode);

	if (!err) {
		err = make_register(pool, p, m);
		if (err)
			inode_unprepare(pool, *inode);
	}
	if (err)
		unlinkat(p->dirfd, p->path,
			 S_ISDIR(m->stx.stx_mode) ? AT_REMOVEDIR : 0);
	return err;
}

static int tree_make(struct pool *pool, const struct op *op, uint32_t parent,
		     const char *name, struct making *m, uint32_t *inode)
{
	struct intent intent = { 0 };
	struct inode_path p;
	uint32_t i;
	int err;

	INODES_BUSY(pool);
	m->fd = -1;
	err = inode_path_at(pool, parent, name, &p);
	if (err)
		return err;
	err = intent_begin_name(pool, op, &intent, &p);
	m->again = intent.again;
	if (!err)
		err = make_as(pool, op, &p, m);
	if (err == -EEXIST && intent.again)
		err = 0;
	if (!err)
		err = make_stat(&p, m);
	if (!err)
		err = make_record(pool, parent, name, &p, m, &i);
	inode_path_release(&p);
	if (err) {
		make_failed(pool, op, m);
		return err;
	}
	make_commit(pool, op, parent, i, m);
	*inode = i;
	return 0;
}

/* tree_make() for what is not opened, carried out once. */
static int tree_make_once(struct pool *pool, const struct op *op,
			  uint32_t parent, const char *name, struct making *m,
			  uint32_t *inode)
{
	int64_t done;

	if (!intent_is_done(pool, op, &done))
		return tree_make(pool, op, parent, name, m, inode);
	*inode = done;
	return 0;
}

int tree_mkdir(struct pool *pool, const struct op *op, uint32_t parent,
	       const char *name, mode_t mode, uint32_t *inode)
{
	struct making m = { .mode = S_IFDIR | (mode & ~S_IFMT) };

	return tree_make_once(pool, op, parent, name, &m, inode);
}

int tree_mknod(struct pool *pool, const struct op *op, uint32_t parent,
	       const char *name, mode_t mode, dev_t rdev, uint32_t *inode)
{
	struct making m = { .mode = mode, .rdev = rdev };

	if (S_ISDIR(mode))
		return -EPERM;
	return tree_make_once(pool, op, parent, name, &m, inode);
}

int tree_symlink(struct pool *pool, const struct op *op, uint32_t parent,
		 const char *name, const char *target, uint32_t *inode)
{
	struct making m = { .target = target };

	return tree_make_once(pool, op, parent, name, &m, inode);
}

/* --- creating: making and opening --- */

static int create_nameless(struct pool *pool, const struct op *op,
			   uint32_t parent, struct making *m, uint32_t *inode)
{
	struct inode_table *t = pool->inodes;
	struct inode_path p;
	char orphan[16];
	int err;

	INODES_BUSY(pool);
	m->fd = -1;
	err = inode_path(pool, parent, &p);
	if (err)
		return err;
	err = inode_prepare(pool, 0, "", 0, m->mode, &m->orphan);
	if (err) {
		inode_path_release(&p);
		return err;
	}
	err = make_as(pool, op, &p, m);
	inode_path_release(&p);
	if (!err)
		err = make_stat(&p, m);
	if (!err)
		err = make_register(pool, &p, m);
	if (err) {
		inode_orphan_name(m->orphan, orphan, sizeof(orphan));
		unlinkat(t->orphanfd, orphan, 0);
		make_failed(pool, op, m);
		inode_unprepare(pool, m->orphan);
		return err;
	}
	/* The name that keeps it is not one that anybody gave it. */
	m->stx.stx_nlink--;
	inode_rec(t, m->orphan)->ino = m->stx.stx_ino;
	inode_rec(t, m->orphan)->flags = INODE_ORPHAN;
	make_commit(pool, op, parent, m->orphan, m);
	*inode = m->orphan;
	return 0;
}

/* Attributes of an inode that was looked up and opened; on failure it is
 * neither. */
static int create_stat(struct pool *pool, uint32_t inode, struct statx *stx)
{
	const struct op undo = { .token = 0 };
	int err = inode_stat(pool, inode, stx);

	if (!err)
		return 0;
	tree_close(pool, &undo, inode);
	inode_forget(pool, inode, 1);
	return err;
}

/* The file exists, although the kernel did not know: opens it. */
static int create_existing(struct pool *pool, const struct op *op,
			   uint32_t parent, const char *name, int flags,
			   struct tree_opened *out, struct statx *stx)
{
	struct op uncounted = *op;
	uint32_t i;
	int err;

	/* The lookup and the open are two changes.  A kill in between leaves a
	 * reference too many, and not one too few. */
	uncounted.token = 0;
	err = tree_lookup(pool, &uncounted, parent, name, &i);
	if (err)
		return err;
	err = tree_open(pool, op, i, flags, out);
	if (err) {
		inode_forget(pool, i, 1);
		return err;
	}
	return create_stat(pool, i, stx);
}

/* The request was carried out by the worker before: the same answer. */
static int create_again(struct pool *pool, uint32_t inode, int flags,
			struct tree_opened *out, struct statx *stx)
{
	int32_t backing = inode_rec(pool->inodes, inode)->backing;
	int err = create_stat(pool, inode, stx);

	if (err)
		return err;
	*out = (struct tree_opened){
		.inode = inode,
		.backing = backing,
		.setid = open_is_setid(backing, flags, stx->stx_mode),
	};
	return 0;
}

int tree_create(struct pool *pool, const struct op *op, uint32_t parent,
		const char *name, int flags, mode_t mode,
		struct tree_opened *out, struct statx *stx)
{
	struct making m = { .mode = mode, .open = true };
	uint32_t inode;
	int64_t done;
	int err;

	if (intent_is_done(pool, op, &done))
		return create_again(pool, done, flags, out, stx);
	if (name)
		err = tree_make(pool, op, parent, name, &m, &inode);
	else
		err = create_nameless(pool, op, parent, &m, &inode);
	if (err == -EEXIST && !(flags & O_EXCL))
		return create_existing(pool, op, parent, name, flags, out, stx);
	if (err)
		return err;
	*stx = m.stx;
	*out = (struct tree_opened){
		.inode = inode,
		.backing = m.backing,
		.setid = open_is_setid(m.backing, flags, m.stx.stx_mode),
	};
	return 0;
}
