# SPDX-License-Identifier: GPL-2.0-or-later
set errorbars small front linecolor rgb "#222222" linewidth 1
set title "Small operations in passthrough mode: time against tmpfs (1.0)"
set style histogram errorbars gap 1 linewidth 1
set logscale y
set yrange [0.3:50]
set ytics (0.5, 1, 2, 5, 10, 20, 50)
set ylabel "ratio, less is better"
set arrow from graph 0, first 1 to graph 1, first 1 nohead \
	linecolor "#333333" dashtype 2 front
unset key
set bmargin 5
plot name . ".dat" using 2:3:4:xtic(sprintf("%s\n%.3g requests", \
		strcol(1), $5)) linecolor rgb ours, \
	"" using 0:($4 * 1.15):(sprintf("%.1f", $2)) with labels \
		offset 0,0.5
