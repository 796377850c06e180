# SPDX-License-Identifier: GPL-2.0-or-later
set errorbars small front linecolor rgb "#222222" linewidth 1
set title "Large files: throughput against tmpfs huge=within\\_size (1.0)"
set style histogram errorbars gap 1 linewidth 1
set yrange [0:1.2]
set ylabel "ratio, more is better"
set arrow from graph 0, first 1 to graph 1, first 1 nohead \
	linecolor "#333333" dashtype 2 front
plot name . ".dat" using 2:3:4:xtic(1) linecolor rgb ours \
		title "poolfs, passthrough", \
	"" using 5:6:7 linecolor rgb ours2 title "poolfs, cached", \
	"" using 8:9:10 linecolor rgb other title "/dev/shm"
