/* SPDX-License-Identifier: GPL-2.0-or-later */
/* See capability.h. */
#include "fs/kernel/capability.h"

#include <linux/capability.h>
#include <stdint.h>
#include <sys/syscall.h>
#include <unistd.h>

static void capability_change(int cap, bool on, bool drop)
{
	struct __user_cap_header_struct h = {
		.version = _LINUX_CAPABILITY_VERSION_3
	};
	struct __user_cap_data_struct d[2];
	uint32_t bit = 1u << cap % 32;

	if (syscall(SYS_capget, &h, d) < 0)
		return;
	if (on)
		d[cap / 32].effective |= bit & d[cap / 32].permitted;
	else
		d[cap / 32].effective &= ~bit;
	if (drop)
		d[cap / 32].permitted &= ~bit;
	syscall(SYS_capset, &h, d);
}

void capability_set(int cap, bool on)
{
	capability_change(cap, on, false);
}

void capability_drop(int cap)
{
	capability_change(cap, false, true);
}
