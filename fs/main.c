/* SPDX-License-Identifier: GPL-2.0-or-later */
/* poolfs: a memory pool that you mount. */
#include "fs/keeper.h"
#include "fs/options.h"
#include "fs/remount.h"

int main(int argc, char **argv)
{
	struct options options;
	int status = options_parse(&options, argc, argv);

	if (status < 0)
		status = options.remount ? remount_run(&options)
					 : keeper_run(&options);
	options_release(&options);
	return status;
}
