/* SPDX-License-Identifier: GPL-2.0-or-later */
/* See kind.h. */
#include "fs/kind/kind.h"

static const struct inode_ops *const ops_of_kind[INODE_KINDS] = {
	[INODE_PLAIN] = &plain_ops,
	[INODE_SHRINKER] = &shrinker_ops,
	[INODE_SHRINKER_COUNT] = &text_ops,
	[INODE_SHRINKER_SCAN] = &scan_ops,
	[INODE_TX] = &tx_ops,
	[INODE_BOX + BOX_DIR] = &box_dir_ops,
	[INODE_BOX + BOX_DATA] = &box_data_ops,
	[INODE_BOX + BOX_SEND] = &box_send_ops,
	[INODE_BOX + BOX_RECV] = &box_recv_ops,
	[INODE_BOX + BOX_TX] = &box_tx_dir_ops,
	[INODE_BOX + BOX_STAT] = &text_ops,
};

static const struct inode_ops *const ops_of_fixed[FIXED_END] = {
	[FIXED_BOXES] = &boxes_ops,   [FIXED_CONTROL] = &control_ops,
	[FIXED_STATS] = &text_ops,    [FIXED_METRICS] = &text_ops,
	[FIXED_PRESSURE] = &text_ops, [FIXED_CONFIG] = &config_ops,
	[FIXED_EVENTS] = &events_ops, [FIXED_SHRINKERS] = &shrinkers_ops,
};

static const struct inode_ops no_ops;

uint64_t kind_parent(uint64_t ino)
{
	uint64_t kind = inode_kind(ino), index = inode_index(ino);

	if (kind == INODE_BOX + BOX_TX)
		return inode_number(INODE_BOX + BOX_DIR, index);
	if (kind == INODE_BOX + BOX_DIR)
		return inode_number(INODE_FIXED, FIXED_BOXES);
	if (kind == INODE_SHRINKER)
		return inode_number(INODE_FIXED, FIXED_SHRINKERS);
	return index == FIXED_SHRINKERS
		       ? inode_number(INODE_FIXED, FIXED_CONTROL)
		       : INODE_ROOT;
}

const struct inode_ops *kind_ops(uint64_t ino)
{
	const struct inode_ops *ops = NULL;
	uint64_t index = inode_index(ino);

	if (inode_kind(ino) == INODE_FIXED)
		ops = index < FIXED_END ? ops_of_fixed[index] : NULL;
	else if (inode_kind(ino) < INODE_KINDS)
		ops = ops_of_kind[inode_kind(ino)];
	return ops ? ops : &no_ops;
}
