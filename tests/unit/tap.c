/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "tests/unit/tap.h"

int tap_nr, tap_failed;

int done(void)
{
	printf("1..%d\n", tap_nr);
	return tap_failed != 0;
}
