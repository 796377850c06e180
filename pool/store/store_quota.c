/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * How many bytes of the content each user may have, where tmpfs counts them
 * (CONFIG_TMPFS_QUOTA).  Nobody else sees what is written in passthrough mode.
 *
 *	mount		each user has the share that the mount names, but root:
 *			regions are root's
 *	a new share	each user that tmpfs knows; from then on each other one
 *			before it gets its first file
 *
 * States: none but the kernel's, which outlive the worker.
 * Locks: none; who changes the share holds pool->lock (1).
 * Reclaim: gives bytes back to their owners, by holes and unlinks.
 */
#include <errno.h>
#include <linux/quota.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "pool/store/store.h"
#include "pool/store/store_priv.h"

/* The kernel counts a limit in these. */
#define LIMIT_UNIT QIF_DQBLKSIZE

static int quota_call(struct store *store, uint32_t command, int type,
		      uint32_t id, void *arg)
{
	/* As long as a register: the filter looks at all of it. */
	unsigned long command_and_type = command << SUBCMDSHIFT | type;

	return syscall(SYS_quotactl_fd, store->contentfd, command_and_type, id,
		       arg) < 0
		       ? -errno
		       : 0;
}

bool store_quota_spare_root(struct store *store)
{
	struct if_dqblk none = { .dqb_valid = QIF_LIMITS };

	quota_call(store, Q_SETQUOTA, GRPQUOTA, 0, &none);
	return quota_call(store, Q_SETQUOTA, USRQUOTA, 0, &none) == 0;
}

void store_limit_user(struct store *store, uint32_t uid)
{
	struct if_dqblk limit = {
		.dqb_bhardlimit = store->share / LIMIT_UNIT,
		.dqb_valid = QIF_BLIMITS,
	};

	if (uid)
		quota_call(store, Q_SETQUOTA, USRQUOTA, uid, &limit);
}

void store_set_share(struct store *store, uint64_t bytes)
{
	struct if_nextdqblk next;
	uint32_t uid = 1;

	if (!store->share_mounted)
		return;
	/* 0 would be no limit. */
	store->share = bytes < LIMIT_UNIT ? LIMIT_UNIT : bytes;
	while (quota_call(store, Q_GETNEXTQUOTA, USRQUOTA, uid, &next) == 0) {
		store_limit_user(store, next.dqb_id);
		uid = next.dqb_id + 1;
		if (!uid)
			break;
	}
}

int store_next_user(struct store *store, uint32_t *uid, uint64_t *bytes)
{
	struct if_nextdqblk next;
	int err = store->counts_users ? quota_call(store, Q_GETNEXTQUOTA,
						   USRQUOTA, *uid, &next)
				      : -EOPNOTSUPP;

	if (err)
		return err;
	*uid = next.dqb_id;
	*bytes = next.dqb_curspace;
	return 0;
}
