#!/usr/bin/env bats
# SPDX-License-Identifier: GPL-2.0-or-later
#
# The helpers and tools themselves, without a mount: what fails here makes the
# results of all later files worthless.

load helpers

teardown() {
	clean_up
}

@test "skip_or_fail skips, and fails where everything should run" {
	run bash -c '. "$1"; skip() { echo "skip $*"; exit 0; }
		CI= POOLFS_NO_SKIP= skip_or_fail why' - "$TOP/tests/helpers.bash"
	[ "$status" = 0 ]
	[ "$output" = "skip why" ]
	run bash -c '. "$1"; skip() { exit 0; }
		CI=true skip_or_fail why' - "$TOP/tests/helpers.bash"
	[ "$status" = 1 ]
	[[ $output == *"should run here"*why* ]]
	run bash -c '. "$1"; skip() { exit 0; }
		POOLFS_NO_SKIP=1 skip_or_fail why' - "$TOP/tests/helpers.bash"
	[ "$status" = 1 ]
	run bash -c '. "$1"; skip() { echo "skip $*"; exit 0; }
		CI=true POOLFS_MAY_SKIP="no zram|why" skip_or_fail why' \
		- "$TOP/tests/helpers.bash"
	[ "$status" = 0 ]
}

@test "wait_until waits, and not for ever" {
	tmp
	(
		sleep 0.3
		touch "$POOL_TMP/there"
	) 3>&- &
	wait_until 5 test -e "$POOL_TMP/there"
	PATIENCE=1 fails wait_until 1 test -e "$POOL_TMP/never"
}

@test "json reads a value and fails for one that is missing" {
	tmp
	echo '{"pages": {"used": 7}, "mode": "cached"}' >"$POOL_TMP/f"
	[ "$(json pages.used "$POOL_TMP/f")" = 7 ]
	[ "$(json .mode "$POOL_TMP/f")" = cached ]
	fails json nothing "$POOL_TMP/f"
	echo '{"cut' >"$POOL_TMP/f"
	fails json mode "$POOL_TMP/f"
}

@test "loops are longer in a soak, and shorter under a sanitizer" {
	tmp
	POOLFS=$POOL_TMP/poolfs
	: >"$POOLFS"
	[ "$(SOAK=0 loops 4)" = 4 ]
	[ "$(SOAK=1 loops 4)" = 80 ]
	echo __asan_init >"$POOLFS"
	[ "$(SOAK=0 loops 4)" = 2 ]
	[ "$(SOAK=1 loops 4)" = 27 ]
}

@test "what is noted is found as a leftover, and cleaned" {
	tmp
	local dir=$POOL_TMP
	background sleep 60
	local pid=$BG_PID

	run leftovers
	[[ $output == *"the directory $dir"* ]]
	[[ $output == *"process $pid"* ]]
	clean_up
	[ -z "$(leftovers)" ]
	[ ! -d "$dir" ]
	wait_until 2 not_running "$pid"
}

@test "as_user is an ordinary user with a run directory" {
	has_root || skip_or_fail "no root"
	user_setup
	[ "$(as_user id -u)" = "$(id -u "$POOLFS_TEST_USER")" ]
	[ "$(as_user id -G)" = "$(id -g "$POOLFS_TEST_USER")" ]
	# shellcheck disable=SC2016
	as_user sh -c 'touch "$XDG_RUNTIME_DIR/f" && test -w /dev/fuse'
	fails as_user touch /root/f
	# functions run as that user, too
	fails as_user has_root
	fails as_user has_passthrough
}

@test "as_id takes any user" {
	has_root || skip_or_fail "no root"
	[ "$(as_id 54321 12345 id -u)" = 54321 ]
	[ "$(as_id 54321 12345 id -g)" = 12345 ]
}

@test "is_mounted and connection_of tell mounts apart" {
	tmp
	fails is_mounted "$POOL_TMP"
	is_mounted /proc
	[ -n "$(connection_of /proc)" ]
	[ -z "$(connection_of "$POOL_TMP")" ]
}

@test "a pool that cannot start is an error with its message" {
	tmp
	printf '#!/bin/sh\necho "no such thing" >&2\nexit 3\n' >"$POOL_TMP/bad"
	chmod +x "$POOL_TMP/bad"
	POOLFS=$POOL_TMP/bad run pool_start -o nonsense
	[ "$status" = 3 ]
	[[ $output == *"no such thing"* ]]
}

@test "mapread: bytes, a part, a checksum, and again on SIGUSR1" {
	tmp
	local f=$POOL_TMP/f out=$POOL_TMP/out

	seq 20000 >"$f"
	"$TOOLS/mapread" "$f" | cmp - "$f"
	"$TOOLS/mapread" "$f" 5000 100 | cmp - <(tail -c +5001 "$f" | head -c 100)
	local before
	before=$("$TOOLS/mapread" --sum "$f")
	background "$TOOLS/mapread" --sum --hold 20 "$f" >"$out"
	wait_until 5 test -s "$out"
	printf X | dd of="$f" bs=1 seek=12345 conv=notrunc status=none
	kill -USR1 "$BG_PID"
	wait_until 5 eval "[ \$(wc -l <'$out') = 2 ]"
	[ "$(sed -n 1p "$out")" = "$before" ]
	[ "$(sed -n 2p "$out")" = "$("$TOOLS/mapread" --sum "$f")" ]
	[ "$(sed -n 2p "$out")" != "$before" ]
	kill "$BG_PID"
	wait "$BG_PID"
}

@test "mapread: an empty file, and a mapping beyond the end" {
	tmp
	: >"$POOL_TMP/empty"
	[ -z "$("$TOOLS/mapread" "$POOL_TMP/empty")" ]
	run "$TOOLS/mapread" --sum "$POOL_TMP/empty" 0 4096
	[ "$status" = 4 ]
	[[ $output == *SIGBUS* ]]
	run "$TOOLS/mapread" "$POOL_TMP/absent"
	[ "$status" = 18 ]
	[[ $output == *ENOENT* ]]
}

@test "sendtx writes what it says, whole or in pieces" {
	tmp
	local f=$POOL_TMP/f

	: >"$f"
	"$TOOLS/sendtx" --size 10,300 --count 4 --append "$f"
	[ "$(stat -c %s "$f")" = 620 ]
	: >"$f"
	"$TOOLS/sendtx" --size 10,300 --count 4 --fsync --pieces 3 "$f"
	[ "$(stat -c %s "$f")" = 620 ]
	: >"$f"
	run "$TOOLS/sendtx" --size 1000 --count 1 --first 5 --sums --dsync "$f"
	[ "$output" = "1000 $("$TOOLS/mapread" --sum "$f")" ]
	: >"$f"
	"$TOOLS/sendtx" --text "hello, box" --count 2 --rwf-dsync "$f"
	[ "$(cat "$f")" = "hello, boxhello, box" ]
	: >"$f"
	"$TOOLS/sendtx" --size 0 "$f"
	[ ! -s "$f" ]
}

@test "sendtx dies half way when told to" {
	tmp
	: >"$POOL_TMP/f"
	run "$TOOLS/sendtx" --size 1000 --pieces 2 --kill-self-halfway \
		"$POOL_TMP/f"
	[ "$status" = 137 ]
	[ "$(stat -c %s "$POOL_TMP/f")" = 500 ]
}

@test "sendtx names the errno, with a status of its own" {
	tmp
	run "$TOOLS/sendtx" "$POOL_TMP/absent"
	[ "$status" = 18 ]
	[[ $output == *ENOENT* ]]
	run "$TOOLS/sendtx" /dev/full
	[ "$status" = 14 ]
	[[ $output == *"write: ENOSPC"* ]]
	mkfifo "$POOL_TMP/fifo"
	background sleep 20 <>"$POOL_TMP/fifo"
	run "$TOOLS/sendtx" --nonblock --size 4096 --count 100 --fsync \
		"$POOL_TMP/fifo"
	[ "$status" != 0 ]
	run "$TOOLS/sendtx" --interrupt 0.3 --size 128K "$POOL_TMP/fifo"
	[ "$status" = 20 ] || [ "$status" = 15 ]
}

@test "recvtx reads headers, payloads and frees them" {
	tmp
	local box=$POOL_TMP/box

	mkdir -p "$box/tx"
	truncate -s 8192 "$box/data"
	printf 'payload' | dd of="$box/data" bs=1 seek=4096 conv=notrunc \
		status=none
	printf 'payload' >"$box/tx/7"
	mkfifo "$box/recv"
	local head='{"id": 7, "offset": 4096, "size": 7, "pid": 1}'

	(echo "$head" >"$box/recv") 3>&- &
	[ "$("$TOOLS/recvtx" --timeout 60 "$box")" = payload ]
	(echo "$head" >"$box/recv") 3>&- &
	[ "$("$TOOLS/recvtx" --timeout 60 --tx "$box")" = payload ]
	(echo "$head" >"$box/recv") 3>&- &
	[ "$("$TOOLS/recvtx" --timeout 60 --header "$box")" = "$head" ]
	(echo "$head" >"$box/recv") 3>&- &
	run "$TOOLS/recvtx" --timeout 60 --poll --sum --free "$box"
	[[ $output =~ ^7\ 7\ [0-9a-f]{16}$ ]]
	[ ! -e "$box/tx/7" ]
	(echo '{"offset": 8190, "size": 7, "id": 1}' >"$box/recv") 3>&- &
	run "$TOOLS/recvtx" --timeout 60 "$box"
	[ "$status" = 5 ]
	run "$TOOLS/recvtx" --timeout 1 "$box"
	[ "$status" = 3 ]
}

@test "psi_wait arms a trigger and gives up in time" {
	need psi
	run timeout 60 "$TOOLS/psi_wait" --timeout 1 /proc/pressure/memory \
		"some 1900000 2000000"
	[ "$status" = 3 ]
	[[ $output == armed*timeout* ]]
	run "$TOOLS/psi_wait" /proc/pressure/memory "some nonsense"
	[ "$status" = 1 ]
	[[ $output == *EINVAL* ]]
}

@test "eat_memory touches for as long as it is told" {
	run timeout 60 "$TOOLS/eat_memory" 4M 0.5
	[ "$status" = 0 ]
	[[ $output == touched* ]]
}

# bats test_tags=alone
@test "real pressure is seen by the kernel, and taken away again" {
	need real_pressure
	tmp
	local before
	before=$(awk '/^some/ { print substr($5, 7) }' /proc/pressure/memory)

	background timeout 100 "$TOOLS/psi_wait" --timeout 100 \
		/proc/pressure/memory "some 100000 2000000" >"$POOL_TMP/out"
	wait_until 5 grep -q armed "$POOL_TMP/out"
	real_pressure_start 30
	wait_until 20 grep -q fired "$POOL_TMP/out"
	wait_until 20 eval '[[ $(pressure_avg10) != 0.00 ]]'
	real_pressure_stop
	local after
	after=$(awk '/^some/ { print substr($5, 7) }' /proc/pressure/memory)
	((after - before > 100000))
	fails compgen -G "$POOLFS_STATE/zram.*"
	fails compgen -G "$POOLFS_STATE/cgroup.*"
}
