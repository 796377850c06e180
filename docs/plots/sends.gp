# SPDX-License-Identifier: GPL-2.0-or-later
set title "Send, receive, free: throughput against a Unix stream socket (1.0)"
set logscale xy
set xrange [700:1.5e6]
set xtics ("1 KiB" 1024, "4 KiB" 4096, "16 KiB" 16384, "64 KiB" 65536, \
	"256 KiB" 262144, "1 MiB" 1048576)
set yrange [0.02:2]
set ytics (0.02, 0.05, 0.1, 0.2, 0.5, 1, 2)
set xlabel "payload of a transaction"
set ylabel "ratio, more is better"
set key outside top center horizontal maxcols 2 width -6
set style data yerrorlines
set arrow from graph 0, first 1 to graph 1, first 1 nohead \
	linecolor "#333333" dashtype 2 front
plot name . ".dat" using 1:2:3:4 linewidth 2 pointtype 7 pointsize 0.6 \
		linecolor rgb ours title "a box, on any core", \
	"" using 1:8:9:10 linewidth 2 pointtype 7 pointsize 0.6 \
		linecolor rgb second title "a box, all on one core", \
	"" using 1:5 with lines linewidth 1.5 dashtype 3 linecolor rgb ours \
		title "a server that drops it, on any core", \
	"" using 1:11 with lines linewidth 1.5 dashtype 3 \
		linecolor rgb second \
		title "a server that drops it, all on one core"
