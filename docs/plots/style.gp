# SPDX-License-Identifier: GPL-2.0-or-later
# What the plots share; the variable name is set by scripts/plots.
set terminal svg size 760,440 font "sans-serif,13" background "#ffffff"
set output name . ".svg"
set border 3 linecolor "#555555"
set tics nomirror textcolor "#333333"
set grid ytics linecolor "#dddddd" linewidth 1
set key outside top center horizontal Left reverse samplen 2 width 1
set errorbars small front
set style fill solid 0.9 noborder
set style data histograms
ours = "#1f6fb4"
ours2 = "#7fb2dd"
other = "#b0b0b0"
second = "#d9822b"
second2 = "#f0bd8a"
