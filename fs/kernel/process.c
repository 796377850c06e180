/* SPDX-License-Identifier: GPL-2.0-or-later */
/* See process.h. */
#include "fs/kernel/process.h"

#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/pidfd.h>
#include <unistd.h>

#define PF_EXITING 0x00000004ul
#define PF_SIGNALED 0x00000400ul
#define CAP_SYS_PTRACE 19

/*
 * /proc/@pid/@name as a string.  Return: its length, 0 when it cannot be read.
 */
static size_t proc_read(const char *pid, const char *name, char *text,
			size_t size)
{
	char path[64];
	ssize_t n = 0;
	int fd;

	snprintf(path, sizeof(path), "/proc/%s/%s", pid, name);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd >= 0) {
		n = read(fd, text, size - 1);
		close(fd);
	}
	text[n > 0 ? n : 0] = 0;
	return n > 0 ? n : 0;
}

static size_t proc_read_of(pid_t pid, const char *name, char *text, size_t size)
{
	char number[16];

	snprintf(number, sizeof(number), "%d", (int)pid);
	return proc_read(number, name, text, size);
}

pid_t process_of(pid_t tid)
{
	char text[1024];
	const char *line;
	int fd, pid;

	if (tid <= 0)
		return tid;
	/* Most processes have one thread, and this call costs less than opening
	 * a file of /proc. */
	fd = pidfd_open(tid, 0);
	if (fd >= 0) {
		close(fd);
		return tid;
	}
	proc_read_of(tid, "status", text, sizeof(text));
	line = strstr(text, "\nTgid:");
	return line && sscanf(line, "\nTgid: %d", &pid) == 1 ? pid : tid;
}

int process_ids(pid_t tid, uid_t *uid, gid_t *gid)
{
	const char *uids, *gids;
	unsigned int fsuid, fsgid;
	char text[1024];

	if (tid <= 0)
		return -ESRCH;
	proc_read_of(tid, "status", text, sizeof(text));
	uids = strstr(text, "\nUid:");
	gids = strstr(text, "\nGid:");
	if (!uids || !gids ||
	    sscanf(uids, "\nUid: %*u %*u %*u %u", &fsuid) != 1 ||
	    sscanf(gids, "\nGid: %*u %*u %*u %u", &fsgid) != 1)
		return -ESRCH;
	*uid = fsuid;
	*gid = fsgid;
	return 0;
}

bool process_all_ids(void)
{
	unsigned long long first, outside, nr;
	char text[128];

	proc_read("self", "uid_map", text, sizeof(text));
	return sscanf(text, "%llu %llu %llu", &first, &outside, &nr) == 3 &&
	       !first && !outside && nr >= UINT32_MAX;
}

bool process_shown(void)
{
	char text[16];
	ssize_t n = readlink("/proc/self", text, sizeof(text) - 1);

	text[n > 0 ? n : 0] = 0;
	return atoi(text) == getpid();
}

/*
 * The kernel shows the exit code only to a process that may trace this one;
 * others read 0.
 */
static bool may_trace(uid_t uid, gid_t gid)
{
	unsigned long long caps;
	char text[4096];
	const char *line;

	if (uid == geteuid() && gid == getegid())
		return true;
	proc_read("self", "status", text, sizeof(text));
	line = strstr(text, "\nCapEff:");
	return line && sscanf(line, "\nCapEff: %llx", &caps) == 1 &&
	       (caps >> CAP_SYS_PTRACE & 1);
}

enum process_end process_end(pid_t tid, uid_t uid, gid_t gid)
{
	unsigned long flags = 0;
	char text[1024], *end;
	const char *last;

	proc_read_of(tid, "stat", text, sizeof(text));
	/* The name, in parentheses, may contain any character. */
	end = strrchr(text, ')');
	last = strrchr(text, ' ');
	if (!end || last < end ||
	    sscanf(end + 1, " %*c %*d %*d %*d %*d %*d %lu", &flags) != 1 ||
	    !(flags & PF_EXITING))
		return PROCESS_LIVES;
	if (!(flags & PF_SIGNALED))
		return PROCESS_EXITS;
	/*
	 * When one thread calls exit(), the others end as if by a signal.  The
	 * last number is the exit code of the process, as wait() returns it.
	 */
	return (atoi(last) & 0x7f) || !may_trace(uid, gid) ? PROCESS_KILLED
							   : PROCESS_EXITS;
}

char process_state(pid_t pid)
{
	char text[1024];
	const char *end;

	proc_read_of(pid, "stat", text, sizeof(text));
	end = strrchr(text, ')');
	return end && end[1] == ' ' ? end[2] : 0;
}

int process_status(pid_t pid)
{
	char text[1024];
	const char *last;

	proc_read_of(pid, "stat", text, sizeof(text));
	last = strrchr(text, ' ');
	return last ? atoi(last) : 0;
}

int process_cpu(pid_t tid)
{
	char text[1024], *at;
	int cpu;

	proc_read_of(tid, "stat", text, sizeof(text));
	at = strrchr(text, ')');
	/* It is the 39th field; the one behind the name is the third. */
	for (int field = 2; at && field < 39; field++)
		at = strchr(at + 1, ' ');
	return at && sscanf(at, "%d", &cpu) == 1 ? cpu : -1;
}
