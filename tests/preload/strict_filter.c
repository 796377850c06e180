/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Loaded into poolfs, it has the worker's filter kill it at any system call that
 * it does not allow, where it would be told ENOSYS, which could go unnoticed.
 */
#include <dlfcn.h>
#include <errno.h>
#include <seccomp.h>

scmp_filter_ctx seccomp_init(uint32_t action)
{
	scmp_filter_ctx (*next)(uint32_t) = dlsym(RTLD_NEXT, "seccomp_init");
	/* SIGSYS, which ends it; no rule may have the action of the filter. */
	scmp_filter_ctx ctx = next(SCMP_ACT_TRAP);

	/* libc asks for that first, for each thread. */
	if (ctx)
		seccomp_rule_add(ctx, SCMP_ACT_ERRNO(ENOSYS), SCMP_SYS(clone3),
				 0);
	return ctx;
}
