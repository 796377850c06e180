#!/usr/bin/env bats
# SPDX-License-Identifier: GPL-2.0-or-later
# shellcheck disable=SC2164 # bodies run with "set -e"
#
# Volatile files and directories: who is, what is in use, and what changes of a
# file leave of it.

load helpers
load boxes
load posix
load volatile

teardown() {
	clean_up
}

# ---- the attribute -----------------------------------------------------------

attribute() {
	local value

	cd "$POOL"
	echo content >f
	mkdir d
	for value in f d; do
		[[ $(is_volatile "$value") == *"No such attribute"* ]]
		is ENODATA "$(posix removexattr $value $ATTRIBUTE)"
		is "0 1:1" "$(posix setxattr $value $ATTRIBUTE 1 any \
			getxattr $value $ATTRIBUTE 10)"
		is "EEXIST 0" "$(posix setxattr $value $ATTRIBUTE 1 create \
			setxattr $value $ATTRIBUTE 1 replace)"
		is "$ATTRIBUTE=\"1\"" "$(getfattr -d $value | grep pool)"
		# "0" takes it away, as removing it does
		is "0 ENODATA" "$(posix setxattr $value $ATTRIBUTE 0 any \
			getxattr $value $ATTRIBUTE 10)"
		is "ENODATA" "$(posix setxattr $value $ATTRIBUTE 1 replace)"
		is "0 0 ENODATA" "$(posix setxattr $value $ATTRIBUTE 1 create \
			removexattr $value $ATTRIBUTE \
			getxattr $value $ATTRIBUTE 10)"
		fails grep -q pool <(getfattr -d $value)
	done
	is content "$(<f)"
}

@test "the attribute: set, read, listed, removed" {
	in_every_way attribute
}

attribute_beside_others() {
	cd "$POOL"
	echo content >f
	setfattr -n user.a -v b f
	volatile f
	setfattr -n user.c -v d f
	is "user.a user.c $ATTRIBUTE" "$(getfattr f | grep user | sort |
		paste -sd " ")"
	# a list that just fits, and one byte less
	local all=$((${#ATTRIBUTE} + 1 + 14))
	[[ $(posix listxattr f $all) == "$all"* ]]
	is ERANGE "$(posix listxattr f $((all - 1)))"
	is "ERANGE ERANGE ERANGE" "$(posix listxattr f 5 \
		listxattr f $((all - 14)) listxattr f $((all - 13)))"
	setfattr -x user.a f
	setfattr -x user.c f
	is "$ATTRIBUTE" "$(getfattr f | grep user)"
	is "$((all - 14)) ERANGE" "$(posix listxattr f $((all - 14)) \
		listxattr f $((all - 15)) | sed 's/:[^ ]*//')"
}

@test "the attribute beside others" {
	in_every_way attribute_beside_others
}

bad_values() {
	local value

	cd "$POOL"
	echo content >f
	mkdir d
	for value in 2 "" 11 "1 " yes true -1 01 A; do
		is "'$value': EINVAL EINVAL" "'$value': $(posix \
			setxattr f $ATTRIBUTE "$value" any \
			setxattr d $ATTRIBUTE "$value" any)"
	done
	# a byte of zero is a value, too
	is EINVAL "$(setfattr -n $ATTRIBUTE -v 0x00 f 2>&1 |
		sed 's/.*Invalid argument/EINVAL/')"
	is ENODATA "$(posix getxattr f $ATTRIBUTE 10)"
	volatile f
	is EINVAL "$(posix setxattr f $ATTRIBUTE 2 any)"
	is 1 "$(is_volatile f)"
	is content "$(<f)"
}

@test "bad values: EINVAL" {
	in_every_way bad_values
}

other_kinds() {
	local kind

	cd "$POOL"
	echo content >f
	ln -s f link
	ln -s nowhere dangling
	mkfifo fifo
	# The kernel itself refuses user.* of what is no file or directory.
	for kind in link dangling fifo; do
		if setfattr -h -n $ATTRIBUTE -v 1 "$kind"; then
			fail "a $kind was made volatile"
		fi
		fails getfattr -h -n $ATTRIBUTE "$kind"
	done
	# through the link it is the file
	volatile link
	is 1 "$(is_volatile f)"
	# nor does a directory make them volatile
	mkdir d
	volatile d
	mkfifo d/fifo
	ln -s ../f d/link
	settled 1
	purge 1000
	is "fifo link" "$(names_in d)"
	fails test -e f
	if setfattr -n $ATTRIBUTE -v 1 "$POOL/.pool"; then
		fail "the control tree was made volatile"
	fi
	mkdir "$B/a"
	fails setfattr -n $ATTRIBUTE -v 1 "$B/a"
	fails setfattr -n $ATTRIBUTE -v 1 "$B/a/data"
}

@test "symlinks, fifos, boxes: refused, and never purged" {
	in_every_way other_kinds
}

foreign() {
	cd "$POOL"
	echo content >mine
	chmod 644 mine
	mkdir -m 755 dir
	as_user_here "$TOOLS/posixops" setxattr mine $ATTRIBUTE 1 any \
		setxattr dir $ATTRIBUTE 1 any >"$W/said"
	is "EACCES EACCES" "$(words "$W/said")"
	volatile mine
	as_user_here "$TOOLS/posixops" removexattr mine $ATTRIBUTE \
		getxattr mine $ATTRIBUTE 10 >"$W/said"
	is "EACCES 1:1" "$(words "$W/said")"
}

as_user_here() {
	setpriv --reuid "$POOLFS_TEST_USER" --clear-groups "$@"
}

@test "who may not write a file may not make it volatile" {
	as_root_in_every_mode foreign -o allow_other
}

# ---- directories -------------------------------------------------------------

inherited() {
	cd "$POOL"
	mkdir d d/before
	echo 1 >d/old
	volatile d
	echo 2 >d/new
	mkdir -p d/sub/sub
	echo 3 >d/sub/sub/deep
	posix open d/open rw,creat,excl write 4 >/dev/null
	posix mknod d/node file 0644 0 >/dev/null
	echo 5 >d/before/f
	is 1 "$(is_volatile d/new)"
	is 1 "$(is_volatile d/sub)"
	is 1 "$(is_volatile d/sub/sub)"
	is 1 "$(is_volatile d/sub/sub/deep)"
	is 1 "$(is_volatile d/open)"
	is 1 "$(is_volatile d/node)"
	# what was there is as it was, and so is what is made in that
	[[ $(is_volatile d/old) == *"No such attribute"* ]]
	[[ $(is_volatile d/before) == *"No such attribute"* ]]
	[[ $(is_volatile d/before/f) == *"No such attribute"* ]]
	# it can be taken from each of them
	setfattr -x $ATTRIBUTE d/sub
	echo 6 >d/sub/f
	[[ $(is_volatile d/sub/f) == *"No such attribute"* ]]
	setfattr -x $ATTRIBUTE d
	echo 7 >d/later
	[[ $(is_volatile d/later) == *"No such attribute"* ]]
	is 1 "$(is_volatile d/new)"
	# an empty file has nothing to give
	settled 3
	purge 1000
	is "before later node old sub" "$(names_in d)"
	is "" "$(names_in d/sub/sub)"
	is "f sub" "$(names_in d/sub)"
}

@test "a directory hands it down to what is made in it, nested" {
	in_every_way inherited
}

moved_in_and_out() {
	cd "$POOL"
	mkdir d
	volatile d
	echo 1 >plain
	echo 2 >d/volatile
	echo 3 >linked
	# made means made: what moves keeps what it has
	mv plain d/plain
	mv d/volatile volatile
	ln linked d/linked
	[[ $(is_volatile d/plain) == *"No such attribute"* ]]
	[[ $(is_volatile d/linked) == *"No such attribute"* ]]
	is 1 "$(is_volatile volatile)"
	settled 1
	purge 1000
	gone volatile
	is "1 3" "$(cat d/plain d/linked | paste -sd " ")"
}

@test "what is moved or linked keeps what it has" {
	in_every_way moved_in_and_out
}

tmpfile_in_directory() {
	cd "$POOL"
	mkdir d
	volatile d
	is "0 4 0" "$(posix open d rw,tmpfile write 1234 link-fd d/f)"
	is 1 "$(is_volatile d/f)"
	settled 1
	purge 10
	gone d/f
}

@test "O_TMPFILE in a volatile directory, linked" {
	in_every_way tmpfile_in_directory
}

# ---- in use and not ----------------------------------------------------------

opened() {
	local a b

	cd "$POOL"
	made f 100000
	settled 25
	exec {a}<f
	settled 0
	exec {b}<>f
	purge 1000
	is "$SUM" "$(sum f)"
	exec {a}<&-
	purge 1000
	is 0 "$(freeable)"
	is "$SUM" "$(sum "/proc/self/fd/$b")"
	exec {b}<&-
	# the last close
	settled 25
	is 0 "$(pool volatile.purged_files)"
	is "$SUM" "$(sum f)"
	settled 25
	purge 1
	gone f
	settled 0
	is 1 "$(pool volatile.purged_files)"
	is 25 "$(pool volatile.purged_pages)"
}

@test "an open file is in use; its last close ends that" {
	in_every_way opened
}

inherited_descriptor() {
	cd "$POOL"
	made f 5000
	background sleep 60 9<f
	settled 0
	purge 1000
	is "$SUM" "$(sum f)"
	kill -KILL "$BG_PID"
	settled 2
	purge 1000
	gone f
}

@test "a process that is killed gives up what it has open" {
	in_every_way inherited_descriptor
}

executed() {
	cd "$POOL"
	cp "$(command -v sleep)" program
	volatile program
	background ./program 60
	wait_until 5 eval '[ "$(readlink "/proc/$BG_PID/exe")" = "$POOL/program" ]'
	purge 100000
	[[ -x program ]]
	kill "$BG_PID"
	wait "$BG_PID" || true
	wait_until 5 eval 'purge 100000; [ ! -e program ]'
}

@test "a program that runs is in use" {
	in_every_way executed
}

mapped() {
	cd "$POOL"
	made f 100000
	local sums
	background "$TOOLS/mapread" --sum --hold 60 --close f >"$W/sums"
	wait_until 5 test -s "$W/sums"
	sums=$(<"$W/sums")
	for _ in 1 2 3; do
		purge 1000
		is "$SUM" "$(sum f)"
		sleep 0.1
	done
	is 0 "$(pool volatile.purged_files)"
	kill -USR1 "$BG_PID"
	wait_until 5 eval '[ "$(wc -l <"$W/sums")" = 2 ]'
	is "$sums" "$(tail -n 1 "$W/sums")"
	kill -KILL "$BG_PID"
	wait "$BG_PID" || true
	# a mapping that has just ended may linger for a moment
	wait_until 5 eval 'purge 1000; [ ! -e f ]'
	gone f
}

@test "a mapping keeps its file after close, and no longer" {
	in_every_way mapped
}

mapped_and_killed() {
	cd "$POOL"
	made f 100000
	background "$TOOLS/mapread" --sum --hold 60 --close f >"$W/sums"
	wait_until 5 test -s "$W/sums"
	kill_worker
	purge 1000
	is "$SUM" "$(sum f)"
	kill_worker
	purge 1000
	kill -USR1 "$BG_PID"
	wait_until 5 eval '[ "$(wc -l <"$W/sums")" = 2 ]'
	is 1 "$(sort -u "$W/sums" | wc -l)"
	kill -KILL "$BG_PID"
	wait "$BG_PID" || true
	wait_until 5 eval 'purge 1000; [ ! -e f ]'
}

@test "a mapping keeps its file when the worker is killed" {
	in_every_way mapped_and_killed
}

written_by_mapping() {
	cd "$POOL"
	volatile .
	posix open f rw,creat truncate 100000 map-rw 100000 \
		poke written 90000 >/dev/null
	wait_until 5 eval '[ "$(freeable)" -gt 0 ]'
	is "7:written" "$(posix open f r pread 7 90000 | cut -d " " -f 2)"
	wait_until 5 eval 'purge 1000; [ ! -e f ]'
}

@test "what was written by a mapping is there when the file is opened again" {
	in_every_way written_by_mapping
}

# ---- what changes a file keeps its state -------------------------------------

renamed() {
	cd "$POOL"
	mkdir d e
	made d/f 5000
	mv d/f e/g
	is 1 "$(is_volatile e/g)"
	settled 2
	is "$SUM" "$(sum e/g)"
	settled 2
	# the directory above it
	mv e e2
	purge 1
	gone e2/g
	# over another: that is no more
	made v 5000
	echo plain >p
	settled 2
	mv p v
	settled 0
	[[ $(is_volatile v) == *"No such attribute"* ]]
	is plain "$(<v)"
	made w 5000
	mv w v
	settled 2
	is 1 "$(is_volatile v)"
	is "$SUM" "$(sum v)"
	# exchanged: each has its own
	echo plain >p
	is 0 "$(posix rename2 p v exchange)"
	is 1 "$(is_volatile p)"
	[[ $(is_volatile v) == *"No such attribute"* ]]
	settled 2
	purge 1
	gone p
	is plain "$(<v)"
}

@test "rename" {
	in_every_way renamed
}

linked() {
	cd "$POOL"
	made f 5000
	settled 2
	ln f g
	settled 2
	is 1 "$(is_volatile g)"
	# it has one state, by whichever name
	setfattr -x $ATTRIBUTE g
	settled 0
	purge 100
	is "$SUM" "$(sum f)"
	volatile f
	settled 2
	rm f
	settled 2
	is "$SUM" "$(sum g)"
	settled 2
	purge 1
	gone g
}

@test "link" {
	in_every_way linked
}

every_name() {
	cd "$POOL"
	mkdir d e
	made f 5000
	ln f d/g
	ln f e/h
	is "$SUM $SUM $SUM" "$(sum f) $(sum d/g) $(sum e/h)"
	settled 2
	# from now on the kernel keeps listings, if it keeps the directories
	sleep 3.1
	exec 8<d 9<e
	is "g g g" "$(ls d) $(ls d) $(ls d)"
	is "h h h" "$(ls e) $(ls e) $(ls e)"
	purge 1
	is " " "$(ls d) $(ls e)"
	exec 8<&- 9<&-
	# an older kernel learns it from the first look
	linux_has 6 18 || posix stat f stat d/g stat e/h
	is "0 ENOENT 0" "$(posix mkdir d/g 0755 rmdir e/h mkdir f 0755)"
	is "$(printf '%s\n' d d/g e f)" "$(find d e f 2>/dev/null)"
}

# bats test_tags=slow
@test "a purged file is gone by every name, also for who has looked at it" {
	in_every_way every_name
}

# bats test_tags=slow
@test "a worker killed right after a purge: the file is gone for everybody" {
	need root
	local mode scan worker
	tmp
	export SLOW_REPLIES=$POOL_TMP/slow
	for mode in $MODES; do
		rm -f "$SLOW_REPLIES"*
		LD_PRELOAD=$TOOLS/slow_replies.so \
			ASAN_OPTIONS=$ASAN_OPTIONS:verify_asan_link_order=0 \
			pool_start --mode="$mode"
		cd "$POOL"
		made f 5000
		mkdir d
		ln f d/g
		is "5000 5000" "$(stat -c %s f d/g | paste -sd ' ')"
		settled 2
		sleep 3.1
		is g "$(ls d)"
		touch "$SLOW_REPLIES"
		scan=$(of_files scan)
		background timeout 100 sh -c "echo 0 0 8 >'$scan'"
		wait_until 5 test -e "$SLOW_REPLIES.invalidating"
		worker=$(pool_pid worker)
		rm "$SLOW_REPLIES"
		kill -KILL "$worker"
		[ "$(pool_pid worker)" != "$worker" ]
		wait_until 5 eval '! test -e f && ! test -e d/g'
		wait_until 5 eval '[ ! "$(ls d)" ]'
		cd /
		pool_stop
	done
}

truncated() {
	cd "$POOL"
	made f 100000
	settled 25
	truncate -s 5000 f
	settled 2
	truncate -s 10M f
	settled 2
	head -c 5000 f | cmp - <(head -c 5000 f)
	is 10485760 "$(stat -c %s f)"
	settled 2
	fallocate -p -o 0 -l 4096 f
	settled 1
	truncate -s 0 f
	settled 0
	# nothing to gain from it
	purge 1000
	is 0 "$(stat -c %s f)"
	head -c 9000 /dev/zero >f
	is 1 "$(is_volatile f)"
	settled 3
	purge 1
	gone f
}

@test "truncate, holes, O_TRUNC: the pages it has" {
	in_every_way truncated
}

unlinked() {
	local fd

	cd "$POOL"
	made f 100000
	settled 25
	rm f
	settled 0
	made f 100000
	exec {fd}<f
	rm f
	purge 1000
	is "$SUM" "$(sum "/proc/self/fd/$fd")"
	exec {fd}<&-
	settled 0
	is 0 "$(pool volatile.purged_files)"
	wait_until 5 eval '[ "$(pool volatile.files)" = 0 ]'
	# one of two names, while it is open
	made f 100000
	ln f g
	exec {fd}<f
	rm f
	exec {fd}<&-
	settled 25
	is "$SUM" "$(sum g)"
	settled 25
	purge 1
	gone g
}

@test "unlink" {
	in_every_way unlinked
}

turned_off() {
	local i fd

	cd "$POOL"
	for i in a b c; do
		echo "$i" >"$i"
	done
	volatile a b c
	settled 3
	setfattr -x $ATTRIBUTE b
	settled 2
	setfattr -n $ATTRIBUTE -v 0 a
	settled 1
	purge 100
	is "a b" "$(cat a b | paste -sd " ")"
	gone c
	# while it is open
	exec {fd}<a
	volatile a
	settled 0
	purge 100
	exec {fd}<&-
	settled 1
	exec {fd}<a
	setfattr -x $ATTRIBUTE a
	exec {fd}<&-
	settled 0
	purge 100
	is a "$(<a)"
}

@test "taken back in time: it stays" {
	in_every_way turned_off
}
