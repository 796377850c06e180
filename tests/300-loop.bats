#!/usr/bin/env bats
# SPDX-License-Identifier: GPL-2.0-or-later
#
# A client that holds the kernel's locks for as long as it likes stops nobody but
# those who use the same file or directory, and a worker that dies, stops or
# hangs is replaced.

load helpers
load boxes

setup() {
	tmp
	export FACTS=$POOL_TMP/facts
	: >"$FACTS"
}

teardown() {
	cat "$FACTS" >&3
	clean_up
}

# hang CALL PATH: an ordinary user waits in the middle of this system call, with
# the locks that the kernel holds there, until unhang.
hang() {
	local evil

	evil=$(mktemp -d "$W/evil.XXXXXX")
	chown "$POOLFS_TEST_USER" "$evil"
	chmod 755 "$W"
	rm -f "$W/held"
	background as_user "$TOOLS/hang" "$evil" "$@" >"$W/held"
	wait_until 5 grep -q held "$W/held" || fail "hang $*"
	read -r HANG_PID _ <"$W/held"
	note "pid.$HANG_PID" "$HANG_PID"
}

unhang() {
	kill -KILL "$HANG_PID"
	wait_until 5 not_running "$HANG_PID"
	forget "pid.$HANG_PID"
}

# neighbour WHAT: how long others wait, in boxes and directories of their own.
neighbour() {
	[[ -x $TOOLS/latency ]] || return 0
	mkdir -p "$B/neighbour" "$POOL/neighbour"
	echo "# $WAY: $1: a neighbour: number, minimum, median, p99, maximum (us):" \
		"$(timeout 60 "$TOOLS/latency" 2 "$POOL/neighbour" \
			"$B/neighbour" | sed -n 's/^all //p')" >>"$FACTS"
}

# answers: within seconds.
answers() {
	timeout 10 cat "$POOL/.pool/stats" >/dev/null || fail "no answer"
}

# kill_and_wait: one kill, and a new worker that answers.
kill_and_wait() {
	local before

	before=$(pool restarts)
	kill -KILL "$(pool worker)"
	is $((before + 1)) "$(pool restarts)"
}

# ---- listings ---------------------------------------------------------------

listing_of_tx() {
	local i

	new_box x
	for i in 1 2; do
		timeout 10 sh -c "echo $i >'$BOX/send'"
		# so that the kernel keeps the listing
		transactions >/dev/null
	done
	hang getdents "$BOX/tx"
	for i in 3 4 5; do
		timeout 10 sh -c "echo $i >'$BOX/send'" || fail "send $i"
		is "$i" "$(box transactions.queued)"
	done
	is 1 "$(header | json id)"
	neighbour "held: the listing of tx/"
	# a worker that cannot be reaped is replaced, and goes on
	kill_and_wait
	timeout 10 sh -c "echo 6 >'$BOX/send'" || fail "send 6"
	is 2 "$(header | json id)"
	answers
	unhang
	# ids are of the whole pool, and the neighbour sent some
	is "1 2 3 4 5 6" "$(cat "$BOX"/tx/* | sort -n | paste -sd ' ' -)"
	rm "$BOX"/tx/*
	timeout 10 sh -c "echo 7 >'$BOX/send'"
	is 7 "$(cat "$BOX"/tx/*)"
}

@test "who holds the listing of tx/ stops nobody" {
	need user_mount
	as_root_in_every_mode listing_of_tx -o allow_other
}

listing_of_volatile() {
	local d

	for d in held other; do
		mkdir "$POOL/$d"
		setfattr -n user.pool.volatile -v 1 "$POOL/$d"
		echo content >"$POOL/$d/file"
	done
	sleep 3 # the listing of a directory that has just changed is not kept
	ls -f "$POOL"/{held,other} "$POOL/held" >/dev/null
	hang getdents "$POOL/held"
	timeout 20 "$TOOLS/fileops" \
		open "$(echo "$POOL"/.pool/shrinker/volatile-files-*/scan)" w \
		write "0 0 1000000" >/dev/null || fail "scan"
	# what the kernel knows of another directory is dropped all the same
	is "" "$(timeout 10 ls "$POOL/other")"
	timeout 10 mkdir "$POOL/other/file"
	neighbour "held: the listing of a volatile directory"
	kill_and_wait
	answers
	unhang
	is "" "$(timeout 10 ls "$POOL/held")"
	timeout 10 mkdir "$POOL/held/file"
}

@test "who holds the listing of a volatile directory stops nobody" {
	need user_mount
	as_root_in_every_mode listing_of_volatile -o allow_other
}

# ---- data -------------------------------------------------------------------

data_held() {
	local i

	new_box x 64K
	for i in 1 2 3; do
		"$TOOLS/sendtx" --size 50K "$BOX/send"
		cat "$BOX/data" >/dev/null
		rm "$BOX/tx/$i"
	done
	hang read "$BOX/data"
	for i in 4 5 6; do
		timeout 20 "$TOOLS/sendtx" --size 50K "$BOX/send" ||
			fail "send $i"
		is "$i" "$(header | json id)"
		timeout 20 cat "$BOX/tx/$i" >/dev/null
		timeout 20 rm "$BOX/tx/$i"
	done
	neighbour "held: a read of data"
	answers
	unhang
}

@test "who is held up in reading data stops nobody" {
	need user_mount
	as_root_in_every_mode data_held -o allow_other
}
