/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The keeper: see keeper.h.
 *
 *	mount --> supervise --> unmount, remove the store
 *
 * What it does while the mount lives is in supervise.c.
 */
#include "fs/keeper.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "fs/adopt.h"
#include "fs/kernel/capability.h"
#include "fs/kernel/harden.h"
#include "fs/kernel/mount.h"
#include "fs/kernel/process.h"
#include "fs/kernel/say.h"
#include "fs/refuse.h"
#include "fs/request/buffer.h"
#include "fs/request/context.h"
#include "fs/supervise.h"
#include "pool/pool.h"
#include "pool/store/left.h"
#include "pool/store/store.h"
#include "shrinker/clock.h"

struct keeper {
	const struct options *options;
	struct mount_shared *shared;
	struct store store;
	struct supervisor supervisor;
	struct fuse_session *mount;
	int ready_fd;
};

/*
 * What was left has the connection open, so it does not end with us.  Somebody
 * may still use the file system, which has no mount any more: without an answer
 * they would wait for ever.
 */
static void keeper_end_connection(int fd, int abort_fd)
{
	if (mount_is_alive(fd) &&
	    (abort_fd < 0 || write(abort_fd, "1", 1) < 0 || mount_is_alive(fd)))
		refuse_in_background(fd);
	if (abort_fd >= 0)
		close(abort_fd);
	close(fd);
}

/* libfuse does not unmount a file system that umount -f has aborted. */
static void keeper_unmount(struct keeper *k)
{
	const char *dir = k->options->mountpoint;
	int fd = -1, abort_fd = -1;
	struct statfs sfs;

	if (k->supervisor.left) {
		fd = fcntl(fuse_session_fd(k->mount), F_DUPFD_CLOEXEC, 3);
		abort_fd = mount_abort_open(k->shared->device);
	}
	mount_end(k->mount, dir, k->shared->device);
	fuse_session_destroy(k->mount);
	if (fd >= 0)
		keeper_end_connection(fd, abort_fd);
	/* Another file system may be mounted there by now: do not access it, or
	 * it could not be unmounted meanwhile. */
	if (mount_was_removed(k->shared->mount_id))
		return;
	/* Our descriptors are closed, so this does not wait for us, and it is
	 * not answered from the kernel's cache. */
	if (statfs(dir, &sfs) < 0 && errno == ENOTCONN)
		umount2(dir, MNT_DETACH | UMOUNT_NOFOLLOW);
}

static int keeper_mount(struct keeper *k)
{
	struct fuse_args args = FUSE_ARGS_INIT(0, NULL);
	static const struct fuse_lowlevel_ops none;
	char *list;
	int err = 0;

	/* A comma in the name would begin another option. */
	for (char *p = k->options->source; *p; p++)
		if (*p == ',' || *p == '\\')
			*p = '_';
	if (asprintf(&list, "-o%s,fsname=%s,subtype=poolfs", k->options->kernel,
		     k->options->source) < 0)
		return -ENOMEM;
	if (fuse_opt_add_arg(&args, "poolfs") || fuse_opt_add_arg(&args, list))
		err = -ENOMEM;
	free(list);
	if (!err)
		k->mount = fuse_session_new(&args, &none, sizeof(none), NULL);
	fuse_opt_free_args(&args);
	if (!k->mount)
		return -EINVAL;
	/* libfuse says on standard error what is wrong. */
	if (fuse_session_mount(k->mount, k->options->mountpoint)) {
		fuse_session_destroy(k->mount);
		k->mount = NULL;
		return -EIO;
	}
	err = mount_flags_finish(k->options->mountpoint, &k->options->flags);
	if (err)
		say("-o strictatime, nodiratime: %s", strerror(-err));
	k->shared->device = mount_device(k->options->mountpoint);
	k->shared->mount_id = mount_id(k->options->mountpoint);
	k->shared->mounted_ns = clock_ns();
	if (err)
		keeper_unmount(k);
	return err;
}

static void keeper_silence(int fd)
{
	int null = open("/dev/null", O_RDWR | O_CLOEXEC);

	if (null < 0)
		return;
	dup2(null, fd);
	close(null);
}

/*
 * The mount answers: the process that was started in the foreground may exit.
 */
static void keeper_ready(void *arg)
{
	struct keeper *k = arg;

	if (k->ready_fd < 0)
		return;
	keeper_silence(2);
	if (write(k->ready_fd, "", 1) < 0)
		say("nobody waited for the mount");
	close(k->ready_fd);
	k->ready_fd = -1;
}

/* In a new worker, which must not keep open what the user waits for. */
static void keeper_forked(void *arg)
{
	struct keeper *k = arg;

	if (k->ready_fd >= 0)
		close(k->ready_fd);
}

/* Bytes of files that users may have who share root's pool. */
static uint64_t keeper_user_share(const struct options *o)
{
	uint32_t quota = o->user_quota ? o->user_quota : USER_DEFAULT_QUOTA;

	if (geteuid() != 0 || !options_shared(o) || quota == 100)
		return 0;
	return user_percent(o->size, quota);
}

static int keeper_prepare(struct keeper *k)
{
	const struct store_limits limits = {
		.options = k->options->limits,
		.share = keeper_user_share(k->options),
	};
	char why[256];
	int err;

	k->shared = mmap(NULL, sizeof(*k->shared), PROT_READ | PROT_WRITE,
			 MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (k->shared == MAP_FAILED)
		return -errno;
	k->shared->keeper = getpid();
	k->shared->buffer = buffer_new();
	if (!k->shared->buffer)
		return -ENOMEM;
	k->supervisor = (struct supervisor){ .options = k->options,
					     .shared = k->shared,
					     .store = &k->store,
					     .ready = keeper_ready,
					     .forked = keeper_forked,
					     .arg = k };
	supervise_init(&k->supervisor);
	/* When a worker dies, its watcher becomes our child. */
	prctl(PR_SET_CHILD_SUBREAPER, 1);
	/* Where all processes of a mount were killed, nobody has removed it. */
	stores_left(true, NULL, NULL);
	err = store_open(&k->store, k->options->store, k->options->size,
			 &limits, why, sizeof(why));
	if (err)
		say("%s", why);
	else if (k->options->store)
		err = adopt_store(&k->store, k->options->repair);
	if (err)
		store_close(&k->store);
	k->shared->size = k->options->size;
	k->shared->inodes = k->store.inodes;
	k->shared->inodes_exact = k->store.inodes_exact;
	return err;
}

/* Goes to the background; the caller leaves when the mount answers. */
static void keeper_detach(struct keeper *k)
{
	int fds[2];
	char byte;
	pid_t pid;

	if (pipe2(fds, O_CLOEXEC) < 0 || (pid = fork()) < 0) {
		say("cannot go to the background: %s", strerror(errno));
		exit(1);
	}
	if (pid > 0) {
		close(fds[1]);
		/* End of file without a byte: the child has printed why. */
		exit(read(fds[0], &byte, 1) == 1 ? 0 : 1);
	}
	close(fds[0]);
	setsid();
	keeper_silence(0);
	keeper_silence(1);
	k->ready_fd = fds[1];
}

/*
 * As root, give up all privileges but those that a mount needs, and say which
 * of them are not there.  Those of an ordinary user stay: fusermount3, which
 * unmounts, is a set-user-ID program.
 */
static void keeper_limit_privileges(void)
{
	const char *name, *without;
	int i = 0;

	capability_limit(CAPABILITY_ALL);
	if (geteuid() != 0)
		return;
	harden_privileges();
	while ((name = capability_missing(&i, &without)))
		say("without CAP_%s: %s", name, without);
}

int keeper_run(const struct options *options)
{
	struct keeper k = { .options = options, .ready_fd = -1 };
	int status = 1;

	if (!process_shown()) {
		say("/proc is not that of this PID namespace: mount it, or a sender "
		    "that is killed cannot be told from one that is done");
		return 1;
	}
	if (options->idmap && (geteuid() != 0 || !process_all_ids())) {
		say("-o idmap: only for root, and not in a user namespace: "
		    "senders could not be told apart");
		return 1;
	}
	harden_process();
	/* A message that nobody reads must not end the mount. */
	signal(SIGPIPE, SIG_IGN);
	if (!options->foreground)
		keeper_detach(&k);
	keeper_limit_privileges();
	if (keeper_prepare(&k))
		return 1;
	/* The root directory had the mask of who mounts. */
	umask(077);
	if (keeper_mount(&k) == 0) {
		capability_use(CAPABILITY_KEEPER);
		k.supervisor.mount = k.mount;
		status = supervise(&k.supervisor);
		capability_use(CAPABILITY_ALL);
		supervise_stop(&k.supervisor);
		keeper_unmount(&k);
	}
	store_close(&k.store);
	k.shared->ended = 1;
	return status;
}
