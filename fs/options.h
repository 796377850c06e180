/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The command line. */
#ifndef POOLFS_FS_OPTIONS_H
#define POOLFS_FS_OPTIONS_H

#include "fs/request/mount_options.h"

/**
 * options_parse - fills *@o from the command line; prints on standard error
 * what is wrong with it, and on standard output what --help and --version ask
 * for.
 *
 * Return: -1: go on; otherwise the status to exit with (0 after --help and
 * --version, 2 after an error).  options_release() is due in either case.
 */
int options_parse(struct options *o, int argc, char **argv);
void options_release(struct options *o);

#endif
