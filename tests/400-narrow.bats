#!/usr/bin/env bats
# SPDX-License-Identifier: GPL-2.0-or-later
# shellcheck disable=SC2030,SC2031,SC2164 # bodies run with "set -e"
#
# Programs whose numbers of inodes and offsets have 32 bits.

load helpers
load boxes
load posix

teardown() {
	clean_up
}

# m32: WALK32, walkall as a 32-bit program.
m32() {
	tmp
	export WALK32=$POOL_TMP/walk32
	timeout 60 gcc -m32 -O1 -o "$WALK32" "$TOP/tests/tools/walkall.c" \
		2>"$POOL_TMP/why" || skip_or_fail "no gcc -m32 (gcc-multilib)"
	timeout 60 "$WALK32" /dev/null/none 2>/dev/null ||
		[[ $? == 1 ]] || skip_or_fail "no 32-bit programs on this kernel"
}

# walked DIR...: both kinds of programs see the same, and all of it once.
walked() {
	timeout 60 "$TOOLS/walkall" "$@" >"$W/64"
	timeout 60 "$WALK32" "$@" >"$W/32"
	diff -u "$W/64" "$W/32"
	is "" "$(cut -d ' ' -f 1 "$W/32" | sort | uniq -d)"
	is "$(find "$@" -mindepth 1 | sort)" "$(cut -d ' ' -f 1 "$W/32" | sort)"
}

# numbers: of what is at hand, aliases of files apart.
numbers() {
	cut -d ' ' -f 1,3 "$W/32"
}

everything() {
	local i before

	set -- .
	((LISTED)) || set -- . box .pool
	cd "$POOL"
	mkdir -p d/e many
	echo x >d/f
	ln d/f d/link
	ln -s f d/symlink
	mkfifo d/fifo
	touch many/{1..150}
	for i in {1..9}; do
		mkdir "box/b$i"
	done
	for i in {1..30}; do
		echo "$i" >box/b7/send
	done
	timeout 60 head -n 1 box/b7/recv >/dev/null 2>&1 || true
	walked "$@"
	# files and what is not a file have no number in common
	is "" "$(numbers | grep -v '/link ' | cut -d ' ' -f 2 | sort | uniq -d)"
	[[ $(wc -l <"$W/32") -gt 220 ]]
	before=$(numbers)
	kill -KILL "$(pool_pid worker)"
	wait_until 10 pool_answers "$POOL"
	walked "$@"
	is "$before" "$(numbers)"
	rmdir box/b3
	mkdir box/b10
	rm box/b7/tx/5
	echo 31 >box/b7/send
	walked "$@"
	is "" "$(numbers | grep -v '/link ' | cut -d ' ' -f 2 | sort | uniq -d)"
}

@test "a 32-bit program lists and stats all there is" {
	m32
	export LISTED=0
	in_every_way everything
}

@test "a 32-bit program, with list_control" {
	m32
	export LISTED=1
	in_every_way everything -o list_control
}
