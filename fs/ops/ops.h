/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * One table of operations a kind of node.  The ops*.c files decode the node and
 * call what its kind has; what a kind lacks is answered with the errno that fits.
 *
 * Every operation replies exactly once, last; they run with pool->lock (1)
 * held, which no reply needs to wait for.
 */
#ifndef POOLFS_OPS_H
#define POOLFS_OPS_H

#include <sys/stat.h>

#include "fs/worker/worker.h"

/* An operation on one node. */
struct call {
	struct worker *w;
	fuse_req_t req;
	uint64_t node;
	uint64_t index; /* node_index(node) */
	const struct fuse_ctx *ctx;
};

struct dir_reply;

struct node_ops {
	/* Fills all of *@st but st_ino.  Return: 0 or -errno. */
	int (*getattr)(struct call *c, struct stat *st);
	/* Return: 0 or -errno; the caller replies with getattr's. */
	int (*setattr)(struct call *c, const struct stat *st, int to_set);
	/* Return: 0 and *@child, or -errno. */
	int (*lookup)(struct call *c, const char *name, uint64_t *child);
	/* Adds entries from offset @off on with dir_add(). */
	void (*readdir)(struct call *c, struct dir_reply *d, off_t off);
	int (*mkdir)(struct call *c, const char *name, mode_t mode,
		     uint64_t *child);
	int (*rmdir)(struct call *c, const char *name);
	int (*unlink)(struct call *c, const char *name);
	/* These reply themselves. */
	void (*open)(struct call *c, struct fuse_file_info *fi);
	void (*read)(struct call *c, size_t size, off_t off,
		     struct fuse_file_info *fi);
	void (*write)(struct call *c, const void *buf, size_t size, off_t off,
		      struct fuse_file_info *fi);
	void (*flush)(struct call *c, struct fuse_file_info *fi);
	void (*fsync)(struct call *c, struct fuse_file_info *fi);
	void (*poll)(struct call *c, uint64_t key, struct fuse_file_info *fi);
	/* Before the handle is closed; the caller replies. */
	void (*release)(struct call *c, struct fuse_file_info *fi);
	/* Plain files have these. */
	int (*mknod)(struct call *c, const char *name, mode_t mode, dev_t rdev,
		     uint64_t *child);
	int (*symlink)(struct call *c, const char *name, const char *target,
		       uint64_t *child);
	/* Another name for the node @from. */
	int (*link)(struct call *c, uint64_t from, const char *name);
	int (*rename)(struct call *c, const char *name, uint64_t to,
		      const char *to_name, unsigned int flags);
	/* Return: length or -errno. */
	ssize_t (*readlink)(struct call *c, char *buf, size_t size);
	ssize_t (*getxattr)(struct call *c, const char *name, void *value,
			    size_t size);
	ssize_t (*listxattr)(struct call *c, char *list, size_t size);
	int (*setxattr)(struct call *c, const char *name, const void *value,
			size_t size, int flags);
	int (*removexattr)(struct call *c, const char *name);
	int (*fallocate)(struct call *c, int mode, off_t off, off_t len);
	off_t (*lseek)(struct call *c, off_t off, int whence);
	/* Two plain files. */
	ssize_t (*copy_range)(struct call *c, off_t off, uint64_t to,
			      off_t to_off, size_t len);
	/* @fh: what open gave it.  It replies itself. */
	void (*ioctl)(struct call *c, unsigned int cmd, uint64_t fh,
		      const void *in, size_t in_size);
	/* @name NULL: a file without a name.  It replies itself. */
	void (*create)(struct call *c, const char *name, mode_t mode,
		       struct fuse_file_info *fi);
};

/* A directory's listing, filled until it is full. */
struct dir_reply {
	fuse_req_t req;
	char *buf;
	size_t size, used;
	bool plus; /* with attributes: READDIRPLUS */
};

/** dir_add - @next: the offset that goes on after it.  Return: false: full. */
bool dir_add(struct dir_reply *d, const char *name, uint64_t node, mode_t type,
	     off_t next);
/** dir_add_dots - "." and "..", offsets 1 and 2. */
bool dir_add_dots(struct dir_reply *d, uint64_t self, off_t off);
/** dir_add_plus - the same as dir_add(), with what a look-up would say. */
bool dir_add_plus(struct dir_reply *d, const char *name,
		  const struct fuse_entry_param *e, off_t next);

/** entry_of - what a look-up of @child says.  Return: 0 or -errno. */
int entry_of(struct call *c, uint64_t child, struct fuse_entry_param *e);

/** reply_open - answer OPEN with flags that libfuse may not know. */
void reply_open(struct call *c, uint32_t handle, uint32_t flags,
		int32_t backing_id);

/** open_handle - a new handle, of who calls.  @box NULL: it belongs to none. */
int open_handle(struct call *c, enum handle_kind kind, struct box *box,
		uint32_t tx, int flags, uint32_t *handle);

/** poll_register - the kernel will be told when to look again. */
void poll_register(struct call *c, struct box *box, uint64_t key,
		   uint32_t handle);

/* The kinds. */
extern const struct node_ops plain_ops; /* files and directories */
extern const struct node_ops fixed_boxes_ops, fixed_control_ops;
extern const struct node_ops fixed_shrinkers_ops, shrinker_ops;
extern const struct node_ops text_ops; /* files made when opened */
extern const struct node_ops config_ops; /* .pool/config */
extern const struct node_ops events_ops; /* .pool/events */
extern const struct node_ops shrinker_scan_ops;
extern const struct node_ops box_dir_ops, box_data_ops, box_send_ops;
extern const struct node_ops box_recv_ops, box_tx_dir_ops, tx_ops;

const struct node_ops *node_ops(uint64_t node);

/* fixed.c: the names in the root that are not plain files'. */
int fixed_root_find(const char *name, uint64_t *child);
/* The @i-th of them, from 0; false: there is none. */
bool fixed_root_entry(unsigned int i, const char **name, uint64_t *node);

/* plain_file.c */
void plain_open(struct call *c, struct fuse_file_info *fi);
void plain_create(struct call *c, const char *name, mode_t mode,
		  struct fuse_file_info *fi);
void plain_read(struct call *c, size_t size, off_t off,
		struct fuse_file_info *fi);
void plain_write(struct call *c, const void *buf, size_t size, off_t off,
		 struct fuse_file_info *fi);
void plain_fsync(struct call *c, struct fuse_file_info *fi);
void plain_release(struct call *c, struct fuse_file_info *fi);
/* As a write by the caller does to set-ID bits. */
int plain_kill_suidgid(struct call *c, uint32_t node);
/* As a new access list, or none, by the caller does to the set-group-ID bit. */
int plain_kill_sgid(struct call *c, uint32_t node);
int plain_fallocate(struct call *c, int mode, off_t off, off_t len);
off_t plain_lseek(struct call *c, off_t off, int whence);
void plain_ioctl(struct call *c, unsigned int cmd, uint64_t fh, const void *in,
		 size_t in_size);
ssize_t plain_copy_range(struct call *c, off_t off, uint64_t to, off_t to_off,
			 size_t len);

/** owner_stat - a node of the pool's own. */
void owner_stat(struct call *c, struct stat *st, mode_t mode);

/** box_node_getattr - from the box's record; also for its stat file. */
int box_node_getattr(struct call *c, struct stat *st);
int box_node_setattr(struct call *c, const struct stat *st, int to_set);

/* render.c: the text of a file that is made when it is opened. */
char *render_text(struct worker *w, uint64_t node, int *err);
/* config.c: a whole JSON document; -EINVAL names the key in .pool/events. */
int config_write(struct worker *w, const char *text, size_t len);
char *config_render(struct worker *w);
void config_load(struct worker *w);

/* JSON of a name, whatever bytes it has. */
json_t *json_name(const char *name);

#endif
