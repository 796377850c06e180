/* SPDX-License-Identifier: GPL-2.0-or-later */
/* See capability.h. */
#include "fs/kernel/capability.h"

#include <linux/capability.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#define KEEPER CAPABILITY_KEEPER
#define WORKER CAPABILITY_WORKER
#define WATCHER CAPABILITY_WATCHER

/* All that is ever held. */
static const struct {
	int cap;
	const char *name;
	enum capability_user users;
	const char *without; /* in root's pool */
} table[] = {
	{ CAP_SYS_ADMIN, "SYS_ADMIN", KEEPER | WORKER | WATCHER,
	  "no passthrough, no store of its own, no unmounting" },
	{ CAP_DAC_OVERRIDE, "DAC_OVERRIDE", KEEPER | WORKER | WATCHER,
	  "files that are not root's cannot be served" },
	{ CAP_DAC_READ_SEARCH, "DAC_READ_SEARCH", WORKER,
	  "directories far down are slow to reach" },
	{ CAP_FOWNER, "FOWNER", WORKER | WATCHER,
	  "modes, times and attributes of users' files cannot be set" },
	{ CAP_CHOWN, "CHOWN", WORKER, "chown fails" },
	{ CAP_FSETID, "FSETID", WORKER, "set-group-ID bits get lost" },
	{ CAP_SETUID, "SETUID", WORKER,
	  "files that users make belong to root, and fail to open (EACCES)" },
	{ CAP_SETGID, "SETGID", WORKER,
	  "files that users make belong to root's group" },
	{ CAP_MKNOD, "MKNOD", WORKER, "no device files can be made" },
	{ CAP_SETFCAP, "SETFCAP", WORKER,
	  "files cannot be given capabilities" },
	{ CAP_LINUX_IMMUTABLE, "LINUX_IMMUTABLE", WORKER,
	  "no file can be made append-only or immutable" },
	{ CAP_LEASE, "LEASE", WORKER,
	  "volatile files of other users are not purged" },
	{ CAP_SYS_RESOURCE, "SYS_RESOURCE", KEEPER | WORKER,
	  "memory pressure is noticed up to two seconds late, and the "
	  "machine may kill the pool when it is short of memory" },
	{ CAP_SYS_PTRACE, "SYS_PTRACE", KEEPER | WORKER,
	  "transactions of senders that exit with several threads are "
	  "dropped" },
};
#define NR (sizeof(table) / sizeof(table[0]))

/* As the kernel has it: bits 0-31, then 32-63. */
struct capabilities {
	struct __user_cap_header_struct h;
	struct __user_cap_data_struct d[2];
};

static bool capabilities_get(struct capabilities *c)
{
	c->h = (struct __user_cap_header_struct){
		.version = _LINUX_CAPABILITY_VERSION_3
	};
	return syscall(SYS_capget, &c->h, c->d) == 0;
}

static void capabilities_set(struct capabilities *c)
{
	syscall(SYS_capset, &c->h, c->d);
}

static uint64_t needed(enum capability_user users)
{
	uint64_t set = 0;

	for (size_t i = 0; i < NR; i++)
		if (table[i].users & users)
			set |= 1ull << table[i].cap;
	return set;
}

void capability_limit(enum capability_user users)
{
	uint64_t keep = needed(users);
	struct capabilities c;

	/* While there is CAP_SETPCAP.  It ends at the last one there is. */
	for (int cap = 0; cap < 64; cap++)
		if (!(keep >> cap & 1) &&
		    prctl(PR_CAPBSET_DROP, cap, 0, 0, 0) < 0)
			break;
	prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0);
	if (!capabilities_get(&c))
		return;
	for (int i = 0; i < 2; i++) {
		c.d[i].permitted &= (uint32_t)(keep >> 32 * i);
		c.d[i].effective = c.d[i].permitted;
		c.d[i].inheritable = 0;
	}
	capabilities_set(&c);
}

void capability_use(enum capability_user users)
{
	uint64_t use = needed(users);
	struct capabilities c;

	if (!capabilities_get(&c))
		return;
	for (int i = 0; i < 2; i++)
		c.d[i].effective = c.d[i].permitted & (uint32_t)(use >> 32 * i);
	capabilities_set(&c);
}

const char *capability_missing(int *i, const char **without)
{
	struct capabilities c;

	if (!capabilities_get(&c))
		return NULL;
	while (*i < (int)NR) {
		int n = (*i)++, cap = table[n].cap;

		if (c.d[cap / 32].permitted & 1u << cap % 32)
			continue;
		*without = table[n].without;
		return table[n].name;
	}
	return NULL;
}

static void capability_change(int cap, bool on, bool drop)
{
	uint32_t bit = 1u << cap % 32;
	struct capabilities c;

	if (!capabilities_get(&c))
		return;
	if (on)
		c.d[cap / 32].effective |= bit & c.d[cap / 32].permitted;
	else
		c.d[cap / 32].effective &= ~bit;
	if (drop)
		c.d[cap / 32].permitted &= ~bit;
	capabilities_set(&c);
}

void capability_set(int cap, bool on)
{
	capability_change(cap, on, false);
}

void capability_drop(int cap)
{
	capability_change(cap, false, true);
}
