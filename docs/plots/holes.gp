# SPDX-License-Identifier: GPL-2.0-or-later
set title "Dropping Available memory, by the length of a hole"
set logscale xy
set xrange [3000:1.2e7]
set xtics ("4 KiB" 4096, "16 KiB" 16384, "64 KiB" 65536, "256 KiB" 262144, \
	"1 MiB" 1048576, "2 MiB" 2097152, "8 MiB" 8388608)
set yrange [0.5:500]
set ytics (0.5, 1, 2, 5, 10, 20, 50, 100, 200, 500)
set xlabel "length of a hole"
set ylabel "GB/s, more is better"
set style data yerrorlines
plot name . ".dat" using 1:2:3:4 linewidth 2 pointtype 7 pointsize 0.6 \
		linecolor rgb ours title "huge folios", \
	"" using 1:5:6:7 linewidth 2 pointtype 7 pointsize 0.6 \
		linecolor rgb second title "small pages"
