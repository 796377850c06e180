/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "tests/bench/lib/sides.h"

#define SIDE_OPS_MAX 8

void sides_open(struct sides *s, char **argv, int argc)
{
	if (argc < 2 || argc % 2 || argc / 2 > SIDES_MAX)
		errx(2, "expected: NAME DIR, for 1 to %d sides", SIDES_MAX);
	s->nr = argc / 2;
	for (int i = 0; i < s->nr; i++) {
		struct side *side = &s->side[i];

		side->name = argv[2 * i];
		side->path = argv[2 * i + 1];
		side->dir = open(side->path,
				 O_RDONLY | O_DIRECTORY | O_CLOEXEC);
		if (side->dir < 0)
			err(1, "%s", side->path);
	}
}

void sides_run(struct sides *s, const struct side_op *ops, int nr_ops,
	       int rounds)
{
	double best[SIDE_OPS_MAX][SIDES_MAX];

	for (int r = 0; r < rounds; r++) {
		for (int o = 0; o < nr_ops; o++) {
			for (int i = 0; i < s->nr; i++) {
				int n = (r + i) % s->nr;
				double value = ops[o].run(&s->side[n]);

				if (!r || (ops[o].rate ? value > best[o][n]
						       : value < best[o][n]))
					best[o][n] = value;
			}
		}
	}
	for (int o = 0; o < nr_ops; o++)
		for (int i = 0; i < s->nr; i++)
			printf("%s_%s %.3f %s\n", s->side[i].name, ops[o].name,
			       best[o][i], ops[o].unit);
}
