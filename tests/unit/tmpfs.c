/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "tests/unit/tmpfs.h"

int tmpfs_new(const char *huge, const char *size)
{
	int fs = fsopen("tmpfs", FSOPEN_CLOEXEC), mnt = -1, dir = -1;

	if (fs < 0)
		return -1;
	if (!fsconfig(fs, FSCONFIG_SET_STRING, "huge", huge, 0) &&
	    (!size || !fsconfig(fs, FSCONFIG_SET_STRING, "size", size, 0)) &&
	    !fsconfig(fs, FSCONFIG_CMD_CREATE, NULL, NULL, 0))
		mnt = fsmount(fs, FSMOUNT_CLOEXEC, 0);
	if (mnt >= 0)
		dir = openat(mnt, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (mnt >= 0)
		close(mnt);
	close(fs);
	return dir;
}

int tmpfs_file(int dir)
{
	return openat(dir, ".", O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
}

int memory_file(void)
{
	return memfd_create("region", MFD_CLOEXEC);
}
