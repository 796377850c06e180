/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The worker's seccomp filter.
 *
 *	what it uses			allowed, some by argument
 *	what only an intruder would	the worker is killed (SIGSYS)
 *	all else			ENOSYS, as from an older kernel: the next
 *					libc, or one of another architecture, may
 *					try calls that are not in the list
 *
 * A name that this libseccomp or this architecture does not know is left out.
 */
#include "fs/kernel/filter.h"

#include <errno.h>
#include <linux/quota.h>
#include <linux/fs.h>
#include <sched.h>
#include <seccomp.h>
#include <signal.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "fs/kernel/wire.h"

static const char allowed[] =
	/* memory */
	"brk munmap mremap madvise msync membarrier "
	/* threads, signals, time */
	"futex futex_time64 set_robust_list rseq exit exit_group "
	"restart_syscall sched_yield sched_getaffinity sched_setaffinity "
	"getcpu gettid getpid getppid rt_sigaction rt_sigprocmask "
	"rt_sigreturn rt_sigtimedwait rt_sigsuspend sigaltstack signalfd4 "
	"nanosleep clock_nanosleep clock_gettime clock_getres gettimeofday "
	"time timerfd_create timerfd_settime timerfd_gettime "
	/* descriptors */
	"read readv pread64 preadv preadv2 write writev pwrite64 pwritev "
	"pwritev2 lseek close close_range dup dup2 dup3 fcntl flock poll "
	"ppoll select pselect6 epoll_create1 epoll_ctl epoll_wait "
	"epoll_pwait epoll_pwait2 eventfd2 pipe2 pidfd_open "
	/* files */
	"open openat openat2 stat lstat fstat newfstatat statx statfs "
	"fstatfs access faccessat faccessat2 readlink readlinkat getdents64 "
	"getcwd truncate ftruncate fallocate copy_file_range fsync "
	"fdatasync fadvise64 cachestat utimensat rename renameat renameat2 link "
	"linkat unlink unlinkat mkdir mkdirat rmdir symlink symlinkat mknod "
	"mknodat chmod fchmod fchmodat fchmodat2 chown lchown fchown "
	"fchownat umask setxattr lsetxattr fsetxattr getxattr lgetxattr "
	"fgetxattr listxattr llistxattr flistxattr removexattr lremovexattr "
	"fremovexattr setxattrat getxattrat listxattrat removexattrat "
	/* directories far down, as root: see pool/inode/inode_dir.c */
	"name_to_handle_at open_by_handle_at "
	/* the store's limits: see store_set_limit() */
	"fspick fsconfig "
	/* on whose behalf */
	"getuid geteuid getgid getegid setfsuid setfsgid capget capset "
	/* what there is */
	"getrlimit getrusage sysinfo uname getrandom ";

static const char fatal[] =
	"execve execveat fork vfork ptrace process_vm_readv "
	"process_vm_writev process_madvise pidfd_getfd bpf perf_event_open "
	"userfaultfd init_module finit_module delete_module kexec_load "
	"kexec_file_load reboot mount umount umount2 move_mount open_tree "
	"fsopen fsmount mount_setattr pivot_root chroot unshare setns "
	"swapon swapoff setuid setgid setreuid setregid setresuid setresgid "
	"setgroups add_key keyctl request_key io_uring_setup ioperm iopl "
	"modify_ldt acct syslog sethostname settimeofday clock_settime "
	"adjtimex clock_adjtime ";

static int filter_add(scmp_filter_ctx ctx, uint32_t action, const char *name,
		      unsigned int nr, const struct scmp_arg_cmp *args)
{
	int call = seccomp_syscall_resolve_name(name);

	if (call == __NR_SCMP_ERROR)
		return 0;
	return seccomp_rule_add_array(ctx, action, call, nr, args);
}

/* @names: each followed by a space. */
static int filter_add_list(scmp_filter_ctx ctx, uint32_t action,
			   const char *names)
{
	char name[32];
	int n, err = 0;

	while (!err && sscanf(names, "%31s %n", name, &n) == 1) {
		err = filter_add(ctx, action, name, 0, NULL);
		names += n;
	}
	return err;
}

/* Comparisons of argument @n. */
#define EQUAL(n, value)                                           \
	{                                                         \
		.arg = (n), .op = SCMP_CMP_EQ, .datum_a = (value) \
	}
#define MASKED(n, mask, value)                                           \
	{                                                                \
		.arg = (n), .op = SCMP_CMP_MASKED_EQ, .datum_a = (mask), \
		.datum_b = (value)                                       \
	}

/* Argument 1 of quotactl_fd, for users. */
#define QUOTA(command) EQUAL(1, (uint32_t)(command) << SUBCMDSHIFT | USRQUOTA)

/* Calls that are allowed with some arguments only. */
static int filter_add_special(scmp_filter_ctx ctx,
			      const struct filter_options *o)
{
	const struct {
		const char *name;
		unsigned int nr;
		struct scmp_arg_cmp args[2];
	} rules[] = {
		/* memory that holds no code */
		{ "mmap", 1, { MASKED(2, PROT_EXEC, 0) } },
		{ "mprotect", 1, { MASKED(2, PROT_EXEC, 0) } },
		/* a thread; the flags of clone3 cannot be looked at, and libc
		 * takes clone when it is told ENOSYS */
		{ "clone", 1, { MASKED(0, CLONE_THREAD, CLONE_THREAD) } },
		/* passthrough */
		{ "ioctl", 1, { EQUAL(1, wire_ioctl_open) } },
		{ "ioctl", 1, { EQUAL(1, wire_ioctl_close) } },
		/* on which node its own memory is: no nodes to move it to */
		{ "move_pages", 2, { EQUAL(0, 0), EQUAL(3, 0) } },
		/* users' shares of the store: see pool/store/store_quota.c */
		{ "quotactl_fd", 1, { QUOTA(Q_GETNEXTQUOTA) } },
		{ "quotactl_fd", 1, { QUOTA(Q_SETQUOTA) } },
		/* flags of chattr(1) */
		{ "ioctl", 1, { EQUAL(1, FS_IOC_GETFLAGS) } },
		{ "ioctl", 1, { EQUAL(1, FS_IOC_SETFLAGS) } },
		{ "ioctl", 1, { EQUAL(1, FS_IOC_FSGETXATTR) } },
		{ "ioctl", 1, { EQUAL(1, FS_IOC_FSSETXATTR) } },
		/* to look at its own limits */
		{ "prlimit64", 1, { EQUAL(2, 0) } },
		/* "ready", and abort() */
		{ "kill", 2, { EQUAL(0, o->keeper), EQUAL(1, SIGUSR1) } },
		{ "tgkill", 1, { EQUAL(0, getpid()) } },
		{ "prctl", 1, { EQUAL(0, PR_SET_NAME) } },
	};
	const struct scmp_arg_cmp local = EQUAL(0, AF_UNIX);
	int err = 0;

	for (size_t i = 0; i < sizeof(rules) / sizeof(rules[0]) && !err; i++)
		err = filter_add(ctx, SCMP_ACT_ALLOW, rules[i].name,
				 rules[i].nr, rules[i].args);
	if (err || !o->sockets)
		return err;
	err = filter_add(ctx, SCMP_ACT_ALLOW, "socket", 1, &local);
	return err ? err : filter_add(ctx, SCMP_ACT_ALLOW, "connect", 0, NULL);
}

/* What a sanitizer calls when it has something to say is not in the lists. */
static bool filter_is_for_this_build(void)
{
	if (sizeof(long) < 8)
		return false; /* other names, such as mmap2 */
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
	return false;
#elif defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
	return false;
#else
	return true;
#endif
#else
	return true;
#endif
}

int filter_install(const struct filter_options *o)
{
	scmp_filter_ctx ctx;
	int err;

	if (!filter_is_for_this_build())
		return 0;
	ctx = seccomp_init(SCMP_ACT_ERRNO(ENOSYS));
	if (!ctx)
		return -ENOSYS;
	/* The kernel's defences against speculation are for programs that run
	 * the code of others. */
	seccomp_attr_set(ctx, SCMP_FLTATR_CTL_SSB, 1);
	seccomp_attr_set(ctx, SCMP_FLTATR_CTL_LOG, o->log);
	seccomp_attr_set(ctx, SCMP_FLTATR_CTL_OPTIMIZE, 2);
	/* A thread that makes holes can be there already: see
	 * vranges_adopt(). */
	seccomp_attr_set(ctx, SCMP_FLTATR_CTL_TSYNC, 1);
	seccomp_attr_set(ctx, SCMP_FLTATR_ACT_BADARCH, SCMP_ACT_KILL_PROCESS);
	err = filter_add_list(ctx, SCMP_ACT_ALLOW, allowed);
	if (!err)
		err = filter_add_list(ctx, SCMP_ACT_KILL_PROCESS, fatal);
	if (!err)
		err = filter_add_special(ctx, o);
	if (!err)
		err = seccomp_load(ctx);
	seccomp_release(ctx);
	return err;
}
