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

# ---- the store's files --------------------------------------------------------
#
# A write through passthrough has the lock of the store's file.

# user_file NAME: 4 MiB, of an ordinary user.
user_file() {
	head -c 4M /dev/urandom >"$POOL/$1"
	chmod 666 "$POOL/$1"
}

scan_ranges() {
	timeout 20 "$TOOLS/fileops" \
		open "$(echo "$POOL"/.pool/shrinker/volatile-ranges-*/scan)" w \
		write "0 0 1000000" >/dev/null || fail "scan"
}

truncated() {
	user_file f
	hang write "$POOL/f"
	# waits for the lock itself, and cannot be killed
	background sh -c ": >'$POOL/f'"
	sleep 0.5
	answers
	neighbour "held: a write, and somebody cuts the file"
	unhang
	wait "$BG_PID"
	is 0 "$(stat -c %s "$POOL/f")"
}

@test "who is held up in a write to a file that another cuts stops nobody" {
	need user_mount
	as_root_in_every_mode truncated -o allow_other
}

found_by_another_name() {
	mkdir -m 1777 "$POOL/d"
	as_user sh -c "echo text >'$POOL/d/f' && ln '$POOL/d/f' '$POOL/d/g'"
	# the file is known by its newest name
	hang unlink-write "$POOL/d/g"
	# so that the kernel has to look it up
	echo 2 >/proc/sys/vm/drop_caches
	is 1 "$(timeout 10 stat -c %h "$POOL/d/f")"
	timeout 10 ls -l "$POOL/d" >/dev/null
	answers
	unhang
	is text "$(timeout 10 cat "$POOL/d/f")"
	is 1 "$(timeout 10 stat -c %h "$POOL/d/f")"
	kill_and_wait
	is text "$(timeout 10 cat "$POOL/d/f")"
}

# bats test_tags=alone
@test "who is held up in a write to a removed file stops nobody" {
	need user_mount
	as_root_in_every_mode found_by_another_name -o allow_other
}

# pin FILE: 0 intact, 1 purged; in the background, its answer is in $W/pin.
pin_file() {
	background sh -c "timeout 100 '$POOLCTL' pin '$1' >'$W/pin' 2>&1"
}

# Also the one that the worker has made before its filter, for that hole.
all_threads_confined() {
	local thread

	! sanitized || return 0
	for thread in "/proc/$(pool worker)/task"/*; do
		grep -q '^Seccomp:.2' "$thread/status"
		grep -q '^NoNewPrivs:.1' "$thread/status"
	done
}

purged_while_written() {
	user_file f
	user_file g
	"$POOLCTL" unpin "$POOL/f"
	hang write "$POOL/f"
	"$POOLCTL" unpin "$POOL/g"
	exec 7<>"$POOL/g"
	scan_ranges
	answers
	# those of other files were purged, open or not
	is 0 "$(stat -c %b "$POOL/g")"
	"$POOLCTL" pin "$POOL/g" | grep -q purged
	exec 7>&-
	# again: without another thread
	"$POOLCTL" unpin "$POOL/f" 0 8K
	scan_ranges
	neighbour "held: a write, and the file's ranges are purged"
	# a pin waits until the hole is made, also with the next worker
	pin_file "$POOL/f"
	sleep 0.5
	[[ ! -s $W/pin || $MODE == cached ]] || fail "$(<"$W/pin")"
	kill_and_wait
	answers
	all_threads_confined
	sleep 0.5
	[[ ! -s $W/pin || $MODE == cached ]] || fail "$(<"$W/pin")"
	unhang
	wait "$BG_PID" || true
	grep -q purged "$W/pin" || fail "$(<"$W/pin")"
	# what is written after the pin stays
	head -c 4M /dev/urandom >"$W/copy"
	dd if="$W/copy" of="$POOL/f" bs=1M conv=notrunc status=none
	scan_ranges
	cmp "$W/copy" "$POOL/f"
	answers
}

@test "who is held up in a write to a file that is purged stops nobody" {
	need user_mount
	as_root_in_every_mode purged_while_written -o allow_other
}

# ---- workers that die -------------------------------------------------------

# start_to_crash [OPTION...]: a pool whose workers die as crash() says.
start_to_crash() {
	export CRASH=$POOL_TMP/crash
	rm -f "$CRASH"
	LD_PRELOAD=$TOOLS/crash.so \
		ASAN_OPTIONS=$ASAN_OPTIONS:verify_asan_link_order=0 \
		pool_start "$@"
	touch "$POOL/file"
	setfattr -n user.is -v MURDEROUS "$POOL/file"
}

# crash HOW N [TEXT]: see tests/preload/crash.c; by default, the next workers die
# at ask.
crash() {
	echo "$1 $2 ${3:-MURDEROUS}" >"$CRASH"
}

ask() {
	timeout 60 getfattr -n user.is --only-values "$POOL/file" 2>&1
}

zombies() {
	ps -o stat= --ppid "$1" | grep -c Z || true
}

@test "a request that workers crash in is answered EIO, and harms nobody else" {
	local mode keeper
	for mode in $MODES; do
		start_to_crash --mode="$mode"
		keeper=$(pool_pid keeper)
		for _ in {1..5}; do
			crash 11 3
			[[ $(ask) == *"Input/output error"* ]]
			[[ $(ask) == *MURDEROUS* ]]
		done
		is 15 "$(json restarts "$POOL/.pool/stats")"
		wait_until 5 eval '(($(zombies "$keeper") == 0))' ||
			fail "$(ps -o pid,stat,comm --ppid "$keeper")"
		# twice is an accident
		crash 11 2
		[[ $(ask) == *MURDEROUS* ]]
		pool_stop
	done
}

@test "what workers that cannot be reaped crash in is answered EIO, too" {
	need user_mount
	local i
	W=$(mktemp -d "$POOL_TMP/work.XXXXXX")
	start_to_crash -o allow_other
	mkdir "$POOL/box/x"
	for i in 1 2; do
		echo "$i" >"$POOL/box/x/send"
		ls "$POOL/box/x/tx" >/dev/null
	done
	hang getdents "$POOL/box/x/tx"
	echo 3 >"$POOL/box/x/send"
	crash 11 3
	[[ $(ask) == *"Input/output error"* ]]
	is "11 0 MURDEROUS" "$(<"$CRASH")"
	unhang
	pool_stop
}

@test "a request in which somebody kills the worker is carried out" {
	start_to_crash
	crash 9 12
	[[ $(ask) == *MURDEROUS* ]]
	is 12 "$(json restarts "$POOL/.pool/stats")"
	pool_stop
}

@test "a request that takes all memory is answered EIO" {
	need root cgroup
	local group keeper
	start_to_crash
	keeper=$(pool_pid keeper)
	group=$(cgroup_new 96M)
	echo "$keeper" >"$group/cgroup.procs"
	echo "$(pool_pid worker)" >"$group/cgroup.procs"
	crash eat 3
	[[ $(ask) == *"Input/output error"* ]] || fail "$(ask)"
	is "eat 0 MURDEROUS" "$(<"$CRASH")"
	[[ $(ask) == *MURDEROUS* ]]
	is "$keeper" "$(pool_pid keeper)"
	pool_stop
}

@test "a crash loop hears SIGTERM, and leaves no zombies" {
	local keeper worker
	start_to_crash
	keeper=$(pool_pid keeper)
	crash 11 1000000 ready
	kill -KILL "$(pool_pid worker)"
	# the pauses have grown
	wait_until 10 eval 'read -r _ left _ <"$CRASH"; ((left < 999994))'
	(($(zombies "$keeper") <= 1)) ||
		fail "$(ps -o pid,stat,comm --ppid "$keeper")"
	kill -TERM "$keeper"
	wait_until 5 not_running "$keeper"
	fails is_mounted "$POOL"
	forget "pool.${POOL//\//_}"
}

@test "a crash loop that ends: the mount goes on" {
	start_to_crash
	crash 11 4 ready
	kill -KILL "$(pool_pid worker)"
	is 5 "$(json restarts "$POOL/.pool/stats")"
	[[ $(ask) == *MURDEROUS* ]]
	pool_stop
}

@test "a mount where no worker is ever ready ends, and says so" {
	local status=0
	tmp
	export CRASH=$POOL_TMP/crash
	POOL=$POOL_TMP/mnt
	mkdir "$POOL"
	note "pool.${POOL//\//_}" "$POOL" 0
	crash 11 1000000 ready
	LD_PRELOAD=$TOOLS/crash.so \
		ASAN_OPTIONS=$ASAN_OPTIONS:verify_asan_link_order=0 \
		timeout 60 "$POOLFS" "$POOL" >"$POOL_TMP/said" 2>&1 \
		3>&- 4>&- </dev/null || status=$?
	is 1 "$status"
	grep -q "5 workers have died before one was ready" "$POOL_TMP/said" ||
		fail "$(<"$POOL_TMP/said")"
	fails is_mounted "$POOL"
}

# bats test_tags=slow
@test "a worker that is stopped is replaced while an operation waits" {
	local mode worker
	for mode in $MODES; do
		pool_start --mode="$mode"
		mkdir "$POOL/box/a"
		worker=$(pool_pid worker)
		kill -STOP "$worker"
		timeout 60 sh -c "echo hello >'$POOL/box/a/send'" ||
			fail "no worker has come"
		not_running "$worker"
		is hello "$(cat "$POOL"/box/a/tx/*)"
		is 1 "$(json restarts "$POOL/.pool/stats")"
		pool_stop
	done
}

# bats test_tags=slow
@test "a worker that hangs in a request is replaced, and the request blamed" {
	local times=1
	start_to_crash
	[[ ${SOAK:-0} != 1 ]] || times=3
	crash hang "$times"
	if ((times == 3)); then
		[[ $(ask) == *"Input/output error"* ]]
	else
		[[ $(ask) == *MURDEROUS* ]]
	fi
	is "$times" "$(json restarts "$POOL/.pool/stats")"
	pool_stop
}

# bats test_tags=slow
@test "a worker that cannot even be killed is replaced" {
	need root
	local worker
	W=$(mktemp -d "$POOL_TMP/work.XXXXXX")
	mkdir "$W/evil"
	start_to_crash
	worker=$(pool_pid worker)
	background "$TOOLS/hang" "$W/evil" serve "$W/go" >"$W/held"
	HANG_PID=$BG_PID
	wait_until 5 is_mounted "$W/evil"
	crash "$W/evil/f" 1
	[[ $(ask) == *MURDEROUS* ]]
	fails not_running "$worker"
	touch "$W/go"
	wait_until 5 eval '! is_mounted "$W/evil"'
	pool_stop
	unhang
	wait_until 5 not_running "$worker"
}

# stopped_for_long: it is the same worker after that.
stopped_for_long() {
	local worker

	worker=$(pool_pid worker)
	# until the RELEASE of the file that this was read from is handled
	sleep 2
	kill -STOP "$worker"
	sleep 8
	kill -CONT "$worker" && is "$worker" "$(pool_pid worker)"
}

# Alone, and again: when somebody drops the kernel's caches, a FORGET waits.
# bats test_tags=slow,alone
@test "a worker that is stopped while nothing is to be done is left alone" {
	pool_start
	stopped_for_long || stopped_for_long || stopped_for_long
	pool_stop
}

@test "SIGTERM to the keeper of a worker that is stopped" {
	local keeper
	pool_start
	keeper=$(pool_pid keeper)
	kill -STOP "$(pool_pid worker)"
	kill -TERM "$keeper"
	wait_until 5 not_running "$keeper"
	fails is_mounted "$POOL"
	forget "pool.${POOL//\//_}"
}

# ---- the end ----------------------------------------------------------------

@test "the mount ends while a client holds up a thread of the worker" {
	need root user_mount
	local mode keeper
	for mode in $MODES user; do
		if [[ $mode == user ]]; then
			pool_as_user_start
		else
			pool_start --mode="$mode" -o allow_other
		fi
		B=$POOL/box
		W=$(mktemp -d "$POOL_TMP/work.XXXXXX")
		BOX=$B/x
		$POOL_AS mkdir "$BOX"
		for _ in 1 2; do
			$POOL_AS "$TOOLS/sendtx" "$BOX/send"
			$POOL_AS ls -f "$BOX/tx" >/dev/null
		done
		hang getdents "$BOX/tx"
		$POOL_AS "$TOOLS/sendtx" "$BOX/send"
		keeper=$(pool_pid keeper)
		kill -TERM "$keeper"
		wait_until 10 not_running "$keeper" ||
			fail "the keeper: $(where_is "$keeper")"
		fails is_mounted "$POOL"
		unhang
		forget "pool.${POOL//\//_}"
	done
}

# processes_of_pool: of the mount POOL.
processes_of_pool() {
	pgrep -f -- "^$POOLFS $POOL "
}

# open_at_the_end: the keeper ends while a thread of a worker that has died has
# the connection open, and somebody a file.
open_at_the_end() {
	local keeper worker status=0

	keeper=$(pool_pid keeper)
	worker=$(pool_pid worker)
	W=$(mktemp -d "$POOL_TMP/work.XXXXXX")
	BOX=$POOL/box/x
	as_user mkdir "$BOX"
	for _ in 1 2; do
		as_user "$TOOLS/sendtx" "$BOX/send"
		as_user ls -f "$BOX/tx" >/dev/null
	done
	hang getdents "$BOX/tx"
	as_user "$TOOLS/sendtx" "$BOX/send"
	sleep 0.3
	# its thread has the connection open
	kill -KILL "$worker"
	as_user timeout 20 ls "$BOX" >/dev/null
	fails is "$worker" "$(pool_pid worker)"
	chmod 755 "$W"
	mkfifo -m 666 "$W/go"
	exec 8<>"$W/go"
	# shellcheck disable=SC2016
	background as_user bash -c 'exec 7<"$1/stat" && read -r _ <"$2" &&
		exec timeout -k 1 10 cat <&7' bash "$BOX" "$W/go"
	sleep 0.3
	kill -TERM "$keeper"
	wait_until 10 not_running "$keeper"
	fails is_mounted "$POOL"
	echo >&8
	exec 8>&-
	wait "$BG_PID" || status=$?
	is 1 "$status"
	[[ -d /proc/$worker ]]
	unhang
	# and nothing is left
	wait_until 10 eval '! processes_of_pool'
	forget "pool.${POOL//\//_}"
}

@test "who has a file open is told of the end, whatever holds up an earlier worker" {
	need user_mount
	pool_as_user_start
	# so that the keeper cannot end the connection
	! is_mounted "$CONNECTIONS" ||
		chmod 0 "$CONNECTIONS/$(connection_of "$POOL")/abort"
	open_at_the_end
}

@test "the same where the keeper can end the connection" {
	need root user_mount
	fusectl_mount || skip_or_fail "fusectl cannot be mounted"
	pool_as_user_start
	open_at_the_end
}

# fill_pipe PIPE: until it is full.
fill_pipe() {
	timeout 10 dd if=/dev/zero of="$1" bs=4096 count=100 oflag=nonblock \
		2>/dev/null || true
}

@test "a keeper whose messages nobody reads does not wait" {
	local err i
	tmp
	POOL=$(mktemp -d "$POOL_TMP/mnt.XXXXXX")
	err=$POOL_TMP/err
	mkfifo "$err"
	exec 8<>"$err"
	fill_pipe "$err"
	note "pool.${POOL//\//_}" "$POOL" 0
	background "$POOLFS" -f "$POOL" 2>"$err"
	wait_until 10 pool_answers "$POOL"
	note "pool.${POOL//\//_}" "$POOL" "$BG_PID"
	for i in 1 2 3; do
		kill -KILL "$(pool_pid worker)"
		is "$i" "$(timeout 20 cat "$POOL/.pool/stats" | json restarts)"
	done
	# and says how many were lost
	timeout 1 cat <&8 >/dev/null || true
	kill -KILL "$(pool_pid worker)"
	is 4 "$(timeout 20 cat "$POOL/.pool/stats" | json restarts)"
	timeout 1 cat <&8 >"$POOL_TMP/said" || true
	grep -q '([3-9] messages before were lost)$' "$POOL_TMP/said" ||
		fail "$(<"$POOL_TMP/said")"
	# the same where there is no reader
	exec 8>&-
	kill -KILL "$(pool_pid worker)"
	is 5 "$(timeout 20 cat "$POOL/.pool/stats" | json restarts)"
	pool_stop
}
