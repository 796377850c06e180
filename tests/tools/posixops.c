/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * posixops - the calls on files that only plain files know, one after another,
 * and what each returned.  ops.h says how, and has the usual ones.  Its own:
 *
 *	create FILE FLAGS MODE	as open, with a mode (octal)
 *	link-fd FILE		gives the current file a name
 *	rename2 FILE FILE FLAGS	noreplace, exchange, whiteout
 *	mknod FILE TYPE MODE NR	file, fifo, socket, char or block; MODE is octal
 *	bind FILE		a socket that listens there is current
 *	connect FILE		one that is connected is current
 *	accept			from the current one; it is current
 *	fallocate MODES OFFSET SIZE	extend,keep,punch,collapse,zero,insert,
 *				unshare
 *	seek-data OFFSET	seek-hole OFFSET
 *	fstat			of the current file: MODE:LINKS:SIZE
 *	blocks			of the current file
 *	stat FILE		MODE:LINKS:SIZE, not following
 *	access FILE MODE	of the mode as in access(2): a number
 *	resize FILE SIZE	truncate(2)
 *	fchmod MODE (octal)	chown FILE UID GID (not following; -1: stays)
 *	readlink FILE		umask MODE (octal)
 *	btime FILE		when it was made, in nanoseconds, or "none"
 *	setxattr FILE NAME VALUE HOW	any, create or replace
 *	getxattr FILE NAME SIZE		as read
 *	fgetxattr NAME SIZE		of the current file
 *	listxattr FILE SIZE	how much there is
 *	removexattr FILE NAME
 *	flock HOW		sh, ex or un, then ,nb
 *	lock TYPE START SIZE	fcntl: r, w or u; at once or not at all
 *	lock-wait TYPE START SIZE	the same, but waits
 *	ofd-lock TYPE START SIZE	as lock, of the open file
 *	get-lock TYPE START SIZE	who is in the way: "none" or TYPE:START:SIZE
 *	copy N OFFSET TO SIZE	copy_file_range() from the Nth file
 *	sendfile N SIZE		from the Nth file
 *	map-rw SIZE		map-private SIZE	map, also for writing
 *	poke TEXT OFFSET	into the map
 *	msync SIZE		munmap SIZE
 *	exec FILE		runs it in a child; what it ends with
 *	cd DIR			getcwd
 *	opendir DIR		is current, too
 *	readdir COUNT		reads so many names; how many there were
 *	unlike			reads to the end; how many have another inode
 *				or type than stat says
 *	rewinddir		closedir
 *	names			how many names readdir has given since the
 *				last opendir, and a sum of them, in any order
 */
#include "tests/tools/lib/ops.h"

#include <dirent.h>
#include <sys/file.h>
#include <sys/sendfile.h>
#include <sys/socket.h>
#include <sys/sysmacros.h>
#include <sys/un.h>
#include <sys/xattr.h>

static DIR *dir;
static unsigned long names, names_sum;

static mode_t to_mode(const char *text)
{
	return strtoul(text, NULL, 8);
}

/* ---- names ---- */

static void op_create(char **arg)
{
	opened(open(arg[0], parse_words(arg[1], open_words), to_mode(arg[2])));
}

static void op_link_fd(char **arg)
{
	char path[64];

	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	say(linkat(AT_FDCWD, path, AT_FDCWD, arg[0], AT_SYMLINK_FOLLOW));
}

static void op_rename2(char **arg)
{
	static const struct word words[] = {
		{ "noreplace", RENAME_NOREPLACE },
		{ "exchange", RENAME_EXCHANGE },
		{ "whiteout", RENAME_WHITEOUT },
		{ NULL, 0 },
	};

	say(renameat2(AT_FDCWD, arg[0], AT_FDCWD, arg[1],
		      parse_words(arg[2], words)));
}

static void op_mknod(char **arg)
{
	static const struct word words[] = {
		{ "file", S_IFREG },	{ "fifo", S_IFIFO },
		{ "char", S_IFCHR },	{ "block", S_IFBLK },
		{ "socket", S_IFSOCK }, { NULL, 0 },
	};
	int nr = atoi(arg[3]);

	say(mknod(arg[0], parse_words(arg[1], words) | to_mode(arg[2]),
		  makedev(nr / 256, nr % 256)));
}

static void op_readlink(char **arg)
{
	char target[5000];

	say_bytes(readlink(arg[0], target, sizeof(target)), target);
}

static void op_cd(char **arg)
{
	say(chdir(arg[0]));
}

static void op_getcwd(char **arg)
{
	char path[5000];

	say(getcwd(path, sizeof(path)) ? 0 : -1);
}

/* ---- sockets ---- */

static int new_socket(const char *path, struct sockaddr_un *addr)
{
	int s = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	if (s < 0)
		fail("socket");
	if (strlen(path) >= sizeof(addr->sun_path))
		usage("bind FILE: too long");
	*addr = (struct sockaddr_un){ .sun_family = AF_UNIX };
	strcpy(addr->sun_path, path);
	return s;
}

static void op_bind(char **arg)
{
	struct sockaddr_un addr;
	int s = new_socket(arg[0], &addr);

	opened(bind(s, (struct sockaddr *)&addr, sizeof(addr)) || listen(s, 1)
		       ? -1
		       : s);
}

static void op_connect(char **arg)
{
	struct sockaddr_un addr;
	int s = new_socket(arg[0], &addr);

	opened(connect(s, (struct sockaddr *)&addr, sizeof(addr)) ? -1 : s);
}

static void op_accept(char **arg)
{
	opened(accept(fd, NULL, NULL));
}

/* ---- content ---- */

static void op_fallocate(char **arg)
{
	static const struct word words[] = {
		{ "extend", 0 },
		{ "keep", FALLOC_FL_KEEP_SIZE },
		{ "punch", FALLOC_FL_PUNCH_HOLE },
		{ "collapse", FALLOC_FL_COLLAPSE_RANGE },
		{ "zero", FALLOC_FL_ZERO_RANGE },
		{ "insert", FALLOC_FL_INSERT_RANGE },
		{ "unshare", FALLOC_FL_UNSHARE_RANGE },
		{ NULL, 0 },
	};

	say(fallocate(fd, parse_words(arg[0], words), to_size(arg[1]),
		      to_size(arg[2])));
}

static void op_seek_data(char **arg)
{
	say(lseek(fd, to_size(arg[0]), SEEK_DATA));
}

static void op_seek_hole(char **arg)
{
	say(lseek(fd, to_size(arg[0]), SEEK_HOLE));
}

static void op_copy(char **arg)
{
	int from = atoi(arg[0]);
	off_t in = to_size(arg[1]), out = to_size(arg[2]);

	if (from < 0 || from >= nr_fds)
		usage("copy N: of those that were opened");
	say(copy_file_range(fds[from], &in, fd, &out, to_size(arg[3]), 0));
}

static void op_sendfile(char **arg)
{
	int from = atoi(arg[0]);
	off_t in = 0;

	if (from < 0 || from >= nr_fds)
		usage("sendfile N: of those that were opened");
	say(sendfile(fd, fds[from], &in, to_size(arg[1])));
}

static void op_resize(char **arg)
{
	say(truncate(arg[0], to_size(arg[1])));
}

static void map_as(size_t size, int flags)
{
	map = mmap(NULL, size, PROT_READ | PROT_WRITE, flags, fd, 0);
	say(map == MAP_FAILED ? -1 : 0);
}

static void op_map_rw(char **arg)
{
	map_as(to_size(arg[0]), MAP_SHARED);
}

static void op_map_private(char **arg)
{
	map_as(to_size(arg[0]), MAP_PRIVATE);
}

static void op_poke(char **arg)
{
	memcpy(map + to_size(arg[1]), arg[0], strlen(arg[0]));
	say(0);
}

static void op_msync(char **arg)
{
	say(msync(map, to_size(arg[0]), MS_SYNC));
}

static void op_munmap(char **arg)
{
	say(munmap(map, to_size(arg[0])));
}

/* ---- attributes ---- */

static void say_stat(int result, const struct stat *st)
{
	if (result)
		say(result);
	else if (S_ISDIR(st->st_mode))
		/* what a directory's size is, nobody says */
		printf("%o:%lu\n", st->st_mode, (unsigned long)st->st_nlink);
	else
		printf("%o:%lu:%lld\n", st->st_mode,
		       (unsigned long)st->st_nlink, (long long)st->st_size);
	fflush(stdout);
}

static void op_fstat(char **arg)
{
	struct stat st;

	say_stat(fstat(fd, &st), &st);
}

static void op_stat(char **arg)
{
	struct stat st;

	say_stat(lstat(arg[0], &st), &st);
}

static void op_blocks(char **arg)
{
	struct stat st;

	say(fstat(fd, &st) ? -1 : st.st_blocks);
}

static void op_access(char **arg)
{
	say(access(arg[0], atoi(arg[1])));
}

static void op_fchmod(char **arg)
{
	say(fchmod(fd, to_mode(arg[0])));
}

static void op_chown(char **arg)
{
	say(lchown(arg[0], atoi(arg[1]), atoi(arg[2])));
}

static void op_umask(char **arg)
{
	umask(to_mode(arg[0]));
}

static void op_btime(char **arg)
{
	struct statx stx;

	if (statx(AT_FDCWD, arg[0], AT_SYMLINK_NOFOLLOW, STATX_BTIME, &stx))
		say(-1);
	else if (!(stx.stx_mask & STATX_BTIME))
		puts("none");
	else
		printf("%lld%09u\n", (long long)stx.stx_btime.tv_sec,
		       stx.stx_btime.tv_nsec);
	fflush(stdout);
}

static void op_setxattr(char **arg)
{
	static const struct word words[] = {
		{ "any", 0 },
		{ "create", XATTR_CREATE },
		{ "replace", XATTR_REPLACE },
		{ NULL, 0 },
	};

	say(lsetxattr(arg[0], arg[1], arg[2], strlen(arg[2]),
		      parse_words(arg[3], words)));
}

static char *xattr_value(size_t size)
{
	char *value = malloc(size + 1);

	if (!value)
		fail("malloc");
	return value;
}

static void op_getxattr(char **arg)
{
	size_t size = to_size(arg[2]);
	char *value = xattr_value(size);
	ssize_t n = lgetxattr(arg[0], arg[1], value, size);

	/* with no room it says how much it would be */
	if (size)
		say_bytes(n, value);
	else
		say(n);
	free(value);
}

static void op_fgetxattr(char **arg)
{
	size_t size = to_size(arg[1]);
	char *value = xattr_value(size);

	say_bytes(fgetxattr(fd, arg[0], value, size), value);
	free(value);
}

static void op_listxattr(char **arg)
{
	size_t size = to_size(arg[1]);
	char *list = xattr_value(size);

	say(llistxattr(arg[0], list, size));
	free(list);
}

static void op_removexattr(char **arg)
{
	say(lremovexattr(arg[0], arg[1]));
}

/* ---- locks ---- */

static void op_flock(char **arg)
{
	static const struct word words[] = {
		{ "sh", LOCK_SH }, { "ex", LOCK_EX }, { "un", LOCK_UN },
		{ "nb", LOCK_NB }, { NULL, 0 },
	};

	say(flock(fd, parse_words(arg[0], words)));
}

static struct flock to_lock(char **arg)
{
	return (struct flock){
		.l_type = *arg[0] == 'r'   ? F_RDLCK
			  : *arg[0] == 'w' ? F_WRLCK
					   : F_UNLCK,
		.l_start = to_size(arg[1]),
		.l_len = to_size(arg[2]),
	};
}

static void op_lock(char **arg)
{
	struct flock lock = to_lock(arg);

	say(fcntl(fd, F_SETLK, &lock));
}

static void op_lock_wait(char **arg)
{
	struct flock lock = to_lock(arg);

	say(fcntl(fd, F_SETLKW, &lock));
}

static void op_ofd_lock(char **arg)
{
	struct flock lock = to_lock(arg);

	say(fcntl(fd, F_OFD_SETLK, &lock));
}

static void op_get_lock(char **arg)
{
	struct flock lock = to_lock(arg);

	if (fcntl(fd, F_GETLK, &lock))
		say(-1);
	else if (lock.l_type == F_UNLCK)
		puts("none");
	else
		printf("%c:%lld:%lld\n", lock.l_type == F_RDLCK ? 'r' : 'w',
		       (long long)lock.l_start, (long long)lock.l_len);
	fflush(stdout);
}

/* ---- directories, programs ---- */

static void op_opendir(char **arg)
{
	dir = opendir(arg[0]);
	names = 0;
	names_sum = 0;
	opened(dir ? dirfd(dir) : -1);
}

static void op_readdir(char **arg)
{
	size_t wanted = to_size(arg[0]), got = 0;
	struct dirent *entry;

	errno = 0;
	while (got < wanted && (entry = readdir(dir))) {
		names_sum += checksum(entry->d_name, strlen(entry->d_name));
		got++;
	}
	names += got;
	say(errno ? -1 : (long)got);
}

/* In the root of a file system ".." is the root. */
static void op_unlike(char **arg)
{
	struct stat here, st;
	struct dirent *entry;
	long wrong = 0;

	if (fstat(dirfd(dir), &here)) {
		say(-1);
		return;
	}
	errno = 0;
	while ((entry = readdir(dir))) {
		if (fstatat(dirfd(dir), entry->d_name, &st,
			    AT_SYMLINK_NOFOLLOW))
			break;
		if (st.st_dev != here.st_dev)
			st = here;
		wrong += entry->d_ino != st.st_ino ||
			 entry->d_type != IFTODT(st.st_mode);
	}
	say(errno ? -1 : wrong);
}

static void op_rewinddir(char **arg)
{
	rewinddir(dir);
	names = 0;
	names_sum = 0;
}

static void op_closedir(char **arg)
{
	say(closedir(dir));
}

static void op_names(char **arg)
{
	printf("%lu:%lx\n", names, names_sum);
	fflush(stdout);
}

static void op_exec(char **arg)
{
	int status;
	pid_t pid = fork();

	if (pid < 0)
		fail("fork");
	if (pid == 0) {
		execl(arg[0], arg[0], NULL);
		say(-1);
		/* not exit(): no words of its parent's a second time */
		_exit(126);
	}
	if (waitpid(pid, &status, 0) != pid)
		fail("waitpid");
	printf("%d\n",
	       WIFEXITED(status) ? WEXITSTATUS(status) : -WTERMSIG(status));
	fflush(stdout);
}

static const struct op ops[] = {
	{ "create", 3, op_create },
	{ "link-fd", 1, op_link_fd },
	{ "rename2", 3, op_rename2 },
	{ "mknod", 4, op_mknod },
	{ "readlink", 1, op_readlink },
	{ "cd", 1, op_cd },
	{ "getcwd", 0, op_getcwd },
	{ "bind", 1, op_bind },
	{ "connect", 1, op_connect },
	{ "accept", 0, op_accept },
	{ "fallocate", 3, op_fallocate },
	{ "seek-data", 1, op_seek_data },
	{ "seek-hole", 1, op_seek_hole },
	{ "copy", 4, op_copy },
	{ "sendfile", 2, op_sendfile },
	{ "resize", 2, op_resize },
	{ "map-rw", 1, op_map_rw },
	{ "map-private", 1, op_map_private },
	{ "poke", 2, op_poke },
	{ "msync", 1, op_msync },
	{ "munmap", 1, op_munmap },
	{ "fstat", 0, op_fstat },
	{ "stat", 1, op_stat },
	{ "blocks", 0, op_blocks },
	{ "access", 2, op_access },
	{ "fchmod", 1, op_fchmod },
	{ "chown", 3, op_chown },
	{ "umask", 1, op_umask },
	{ "btime", 1, op_btime },
	{ "setxattr", 4, op_setxattr },
	{ "getxattr", 3, op_getxattr },
	{ "fgetxattr", 2, op_fgetxattr },
	{ "listxattr", 2, op_listxattr },
	{ "removexattr", 2, op_removexattr },
	{ "flock", 1, op_flock },
	{ "lock", 3, op_lock },
	{ "lock-wait", 3, op_lock_wait },
	{ "ofd-lock", 3, op_ofd_lock },
	{ "get-lock", 3, op_get_lock },
	{ "opendir", 1, op_opendir },
	{ "readdir", 1, op_readdir },
	{ "unlike", 0, op_unlike },
	{ "rewinddir", 0, op_rewinddir },
	{ "closedir", 0, op_closedir },
	{ "names", 0, op_names },
	{ "exec", 1, op_exec },
	{ NULL, 0, NULL },
};

int main(int argc, char **argv)
{
	return run_ops(argc, argv, ops);
}
