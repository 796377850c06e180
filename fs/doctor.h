/* SPDX-License-Identifier: GPL-2.0-or-later */
/* "poolctl doctor": what pools have left behind. */
#ifndef POOLFS_FS_DOCTOR_H
#define POOLFS_FS_DOCTOR_H

/** doctor - what follows the word on the command line.  Return: the exit status. */
int doctor(int nr, char **args);

#endif
