#!/usr/bin/env bats
# SPDX-License-Identifier: GPL-2.0-or-later
# shellcheck disable=SC2164 # bodies run with set -e
#
# Plain files, and a worker that is killed: between two steps, while names
# change, at each answer it gives.  No client sees an error, and nothing is
# done twice.

load helpers
load boxes
load posix

teardown() {
	clean_up
}

# kill_worker: and wait for another that answers.
kill_worker() {
	local before

	before=$(pool_pid worker)
	kill -KILL "$before"
	[[ $(pool_pid worker) != "$before" ]]
}

# kill_often KEEPER TIMES MIN_MS MAX_MS: whichever it has then, also one that is
# just starting.
kill_often() {
	local i ms child

	for ((i = 0; i < $2; i++)); do
		ms=$(($3 + RANDOM % ($4 - $3)))
		sleep "0.$(printf %03d "$ms")"
		for child in $(<"/proc/$1/task/$1/children"); do
			kill -KILL "$child" || true
		done 2>/dev/null
	done
}

# ---- what has no answer -----------------------------------------------------

# inodes NUMBER: so many are known, for wait_until.
inodes() {
	[[ $(json tree.inodes "$POOL/.pool/stats") == "$1" ]]
}

# hold_files NUMBER: makes files in hold/, has a process refer to all of them, and
# removes them.  Sets holder.
hold_files() {
	local -a files words=()
	local f

	mkdir "$POOL/hold"
	seq -f "$POOL/hold/%g" "$1" | xargs touch
	files=("$POOL/hold"/*)
	for f in "${files[@]}"; do
		words+=(open "$f" path)
	done
	posix_into "$POOL_TMP/held" "${words[@]}" await "$POOL_TMP/never"
	holder=$BG_PID
	wait_until 20 eval '[ "$(wc -l <"$POOL_TMP/held")" = '"$1"' ]'
	rm -r "$POOL/hold"
}

# FORGET is sent once.  Each worker is killed when it has read one, and the next
# one carries it out.
@test "nothing that the kernel forgets is lost with a worker" {
	local mode holder n worker
	export DIE_AT_FORGET
	tmp
	DIE_AT_FORGET=$POOL_TMP/die
	for mode in $MODES; do
		LD_PRELOAD=$TOOLS/die_at_forget.so \
			ASAN_OPTIONS=$ASAN_OPTIONS:verify_asan_link_order=0 \
			pool_start --mode="$mode"
		# one by one, and as many at once as do not fit into a page
		for n in 7 400; do
			hold_files "$n"
			# and the directory
			inodes $((n + 2))
			: >"$DIE_AT_FORGET"
			worker=$(pool_pid worker)
			((n == 7)) || kill -STOP "$worker"
			kill "$holder"
			wait_until 20 not_running "$holder"
			((n == 7)) || kill -CONT "$worker"
			wait_until 20 inodes 1
			[ -s "$DIE_AT_FORGET" ]
			rm "$DIE_AT_FORGET"
		done
		pool_stop
	done
}

# A listing looks many files up in one request.  Three workers in a row are killed
# when they have done so, and before they can say it.
@test "what a listing has looked up is counted once" {
	local mode
	export DIE_AT_LISTING
	tmp
	for mode in $MODES; do
		DIE_AT_LISTING=$POOL_TMP/die.$mode
		LD_PRELOAD=$TOOLS/die_at_listing.so \
			ASAN_OPTIONS=$ASAN_OPTIONS:verify_asan_link_order=0 \
			pool_start --mode="$mode"
		mkdir "$POOL/d"
		touch "$POOL"/d/{1..40}
		: >"$DIE_AT_LISTING"
		[ "$(timeout 60 find "$POOL/d" -type f | wc -l)" = 40 ]
		[ "$(wc -c <"$DIE_AT_LISTING")" = 3 ]
		rm -r "$POOL/d"
		wait_until 20 inodes 1
		pool_stop
	done
}

# What the worker looks at for itself is no access: a relative access time is set
# by the first one after a modification.
access_times() {
	cd "$POOL"
	mkdir d d/e
	touch d/e/f
	touch -m -d @4000000000 d d/e
	touch -a -d @3000000000 d d/e
	is "3000000000 3000000000" "$(stat -c %X d d/e | xargs)"
	fails rmdir d/e 2>/dev/null
	is "3000000000 3000000000" "$(stat -c %X d d/e | xargs)"
	kill_worker
	is "3000000000 3000000000" "$(stat -c %X d d/e | xargs)"
}

@test "a worker that starts, and a directory that cannot be removed: no access" {
	in_every_way access_times
}

# ---- loops -----------------------------------------------------------------

# The loads of make soak, shortly, on a machine that may do something else: the
# limits of a pause are ten times those of make soak.
@test "kills while everything is in use: nothing is left" {
	POOLFS_STATE=$BATS_TEST_TMPDIR/state \
		LOADS="boxes cache churn lists events" PAUSES="300 1500" \
		timeout 200 "$TOP/tests/soak/kill" 40
}

loops_and_kills() {
	local i rounds killer kills pid
	local -a churners=()

	kills=$(loops 30)
	for i in 1 2; do
		mkdir "$POOL/c$i"
		background timeout 400 "$TOOLS/churn" "$POOL/c$i" "$W/stop" \
			>"$W/rounds$i"
		churners+=("$BG_PID")
	done
	background kill_often "$(pool_pid keeper)" "$kills" 10 120
	killer=$BG_PID
	wait "$killer"
	for i in 1 2; do
		wait_until 60 eval '(($(wc -l <"$POOL/c$i/log") > 6))'
	done
	touch "$W/stop"
	for pid in "${churners[@]}"; do
		wait "$pid"
	done
	for i in 1 2; do
		rounds=$(<"$W/rounds$i")
		is log "$(names_in "$POOL/c$i")"
		cmp "$POOL/c$i/log" <(seq -f %09.0f 0 $((rounds - 1)))
	done
	# one that is killed before it has begun is none
	(($(pool restarts) >= kills / 3)) ||
		fail "$(pool restarts) restarts of $kills kills"
	rm -r "$POOL/c1" "$POOL/c2"
	is "" "$(names_in "$POOL")"
}

# bats test_tags=slow
@test "names and attributes change in loops, and the worker is killed 30 times" {
	in_every_way loops_and_kills
}

writers_and_kills() {
	local killer f i alive=1

	f=$(random_file 3000000)
	background kill_often "$(pool_pid keeper)" "$(loops 20)" 10 100
	killer=$BG_PID
	for ((i = 0; i < 3 || alive; i++)); do
		cp "$f" "$POOL/copy"
		cmp "$f" "$POOL/copy"
		dd if="$f" of="$POOL/dd" bs=777777 oflag=append conv=notrunc \
			status=none
		cmp "$f" "$POOL/dd"
		mv "$POOL/dd" "$POOL/moved"
		tail -c 100 "$POOL/moved" | cmp - <(tail -c 100 "$f")
		rm "$POOL/copy" "$POOL/moved"
		kill -0 "$killer" 2>/dev/null || alive=0
	done
	wait "$killer"
}

# bats test_tags=slow
@test "content that is written while the worker is killed is whole" {
	in_every_way writers_and_kills
}

# ---- between two steps -----------------------------------------------------

# steps_with CMD: a walk through all that changes names, with CMD after each.
steps_with() {
	local op

	for op in "mkdir d 0755" "mknod d/f file 0644 0" "symlink d l" \
		"link d/f g" "rename g h" "rename2 h d exchange" \
		"rename2 h d exchange" "rename2 d e noreplace" \
		"setxattr h user.a value create" \
		"setxattr h user.a new replace" "resize h 5000" "chmod h 0600" \
		"mknod p fifo 0644 0" "unlink l" "rename e/f h" \
		"create e w,creat,excl 0644" "create n w,creat,excl 0640" \
		"create . w,tmpfile 0600" "getxattr h user.a 9" \
		"setxattr n user.b c create" "removexattr n user.b" "unlink p" \
		"rmdir e" "unlink n" "unlink h"; do
		printf '%s: ' "$op"
		# shellcheck disable=SC2086 # words
		posix $op
		"$1"
		find . -mindepth 1 -printf '%P %y %m %n %l\n' | sort
	done
}

steps() {
	mkdir "$POOL/steps"
	mkdir -p "$REFERENCE/$WAY"
	cd "$REFERENCE/$WAY"
	steps_with true >"$W/tmpfs"
	cd "$POOL/steps"
	steps_with kill_worker >"$W/pool"
	diff -u "$W/tmpfs" "$W/pool" >&2
}

# bats test_tags=slow
@test "a kill after each step" {
	reference_setup
	in_every_way steps
}

# ---- what is open ----------------------------------------------------------

open_files() {
	local read write append orphan hidden i

	cd "$POOL"
	mkdir d
	printf readable >r
	printf written >w
	printf start >a
	printf orphan >o
	printf hidden >d/h
	exec {read}<r {write}<>w {append}>>a {orphan}<>o {hidden}<>d/h
	rm o
	chmod 000 d/h d
	mv r r2
	for i in 1 2 3; do
		kill_worker
		is readable "$(dd bs=20 status=none <"/proc/self/fd/$read")"
		printf "%s" "$i" >&"$write"
		printf "%s" "$i" >&"$append"
		printf "%s" "$i" >&"$orphan"
		printf "%s" "$i" >&"$hidden"
		is "0 6" "$(stat -L -c '%h %s' "/proc/self/fd/$orphan")"
		kill_worker
	done
	# where they were, each on its own
	is readable "$(cat <&"$read")"
	is 123tten "$(<w)"
	is start123 "$(<a)"
	is "123han" "$(posix open "/proc/$BASHPID/fd/$orphan" r read 20 |
		cut -d : -f 2)"
	is 0 "$(stat -L -c %h "/proc/self/fd/$orphan")"
	is den "$(cat <&"$hidden")"
	truncate -s 2 "/proc/self/fd/$orphan"
	kill_worker
	is 2 "$(stat -L -c %s "/proc/self/fd/$orphan")"
	exec {read}<&- {write}<&- {append}>&- {orphan}<&- {hidden}<&-
	kill_worker
	chmod 700 d
	chmod 600 d/h
	is 123den "$(<d/h)"
	rm -r a d r2 w
	is "" "$(names_in .)"
}

@test "open files: renamed, removed, hidden by modes" {
	in_every_way open_files
}

mapped_files() {
	cd "$POOL"
	printf before >f
	truncate -s 100K f
	posix_into "$W/said" open f rw map-rw 100K peek 6 0 unlink f \
		touch "$W/ready" await "$W/go" peek 6 0 poke mapped 50000 \
		pread 6 50000 pwrite file 80000 peek 4 80000 fstat
	wait_until 5 test -e "$W/ready"
	kill_worker
	kill_worker
	touch "$W/go"
	wait "$BG_PID"
	is "0 0 6:before 0 6:before 0 6:mapped 4 4:file 100644:0:102400" \
		"$(words "$W/said")"
}

@test "mappings go on, also of a file that is gone" {
	in_every_way mapped_files
}

working_directories() {
	mkdir -p "$POOL/a/b/c" "$POOL/gone"
	printf here >"$POOL/a/b/c/f"
	cd "$POOL/a/b/c"
	kill_worker
	is here "$(<f)"
	mv "$POOL/a/b" "$POOL/b2"
	kill_worker
	is "here ENOENT f g" "$(<f) $(posix touch g stat none) $(names_in .)"
	is "here" "$(<../../b2/c/f)"
	cd "$POOL/gone"
	rmdir ../gone
	kill_worker
	is "40755:0 ENOENT ENOENT" "$(posix stat . open f w,creat stat f)"
	mkdir "$POOL/gone"
	kill_worker
	is "40755:0 40755:2" "$(posix stat . stat "$POOL/gone")"
	cd "$POOL"
	rm -r a b2 gone
}

@test "working directories: moved and removed" {
	in_every_way working_directories
}

streams() {
	local i sum

	mkdir "$POOL/d"
	for i in {1..600}; do
		: >"$POOL/d/name-$i"
	done
	sum=$(posix opendir "$POOL/d" readdir 1000 names)
	is "0 602" "${sum% *}"
	posix_into "$W/said" opendir "$POOL/d" readdir 100 touch "$W/ready" \
		await "$W/go" readdir 1000 readdir 1000 names rewinddir \
		readdir 1000 names
	wait_until 5 test -e "$W/ready"
	kill_worker
	: >"$POOL/d/new"
	rm "$POOL/d/new"
	kill_worker
	touch "$W/go"
	wait "$BG_PID"
	is "0 100 502 0 ${sum##* } 602 ${sum##* }" "$(words "$W/said")"
}

# bats test_tags=slow
@test "directory streams give the rest, each name once" {
	in_every_way streams
}

locks() {
	cd "$POOL"
	posix_into "$W/said" open l rw,creat flock ex open m rw,creat lock w 0 0 \
		touch "$W/ready" await "$W/go" flock un
	wait_until 5 test -e "$W/ready"
	kill_worker
	is "0 EAGAIN 0 EAGAIN" "$(posix open l rw flock ex,nb open m rw lock w 0 0)"
	kill_worker
	touch "$W/go"
	wait "$BG_PID"
	is "0 0 0 0" "$(posix open l rw flock ex,nb open m rw lock w 0 0)"
}

@test "locks hold" {
	in_every_way locks
}

# all_of DIR: every name, its attributes and its content.
all_of() {
	find "$1" -printf '%P %i %y %m %n %s %u %g %T@ %C@ %l\n' | sort
	find "$1" -type f -size -3M -exec sha256sum {} + | sort
	getfattr -R -d -m - --absolute-names "$1" 2>/dev/null
}

state() {
	local i

	mkdir "$POOL/t"
	cd "$POOL/t"
	for i in {1..200}; do
		mkdir "d$i"
		printf '%s' "$i" >"d$i/f"
		ln "d$i/f" "d$i/g"
		ln -s f "d$i/l"
	done
	head -c 100000 /dev/urandom >r
	printf '%01048576d' 1 >large
	truncate -s 3G sparse
	setfattr -n user.name -v value r
	setfacl -m u:1234:r r
	setfacl -d -m u:1234:r d1
	touch -d @12345.123456789 d2/f
	chmod 2751 d3
	mkfifo p
	all_of "$POOL/t" >"$W/before"
	kill_worker
	all_of "$POOL/t" >"$W/after"
	cmp "$W/before" "$W/after"
	# all of it forgotten by the kernel, and asked for anew
	if [[ $EUID == 0 ]]; then
		echo 2 >/proc/sys/vm/drop_caches
	fi
	kill_worker
	all_of "$POOL/t" >"$W/after"
	cmp "$W/before" "$W/after"
}

# bats test_tags=alone
@test "a tree is the same tree, number by number" {
	in_every_way state
}

# ---- at each answer --------------------------------------------------------

traced() {
	grep -q '^TracerPid:[[:space:]]*[1-9]' "/proc/$1/status"
}

# at_answer N OP...: posixops, with the worker killed when it is about to give
# its Nth answer.
at_answer() {
	local n=$1 worker tracer

	shift
	worker=$(pool_pid worker)
	background strace -qq -f -o /dev/null -e trace=write,writev \
		-e inject=write,writev:signal=KILL:when="$n" -p "$worker"
	tracer=$BG_PID
	wait_until 5 traced "$worker"
	posix "$@"
	# at once: one that is asked to end waits for ever for a thread that dies
	kill -KILL "$tracer" 2>/dev/null || true
	wait "$tracer" 2>/dev/null || true
	forget "pid.$tracer"
}

answers() {
	local n op killed=0 before

	cd "$POOL"
	for n in 1 2 3; do
		for op in "mkdir d 0755" "create d/f w,creat,excl 0644" \
			"link d/f d/g" "rename d/g d/h" "rename d/f d/f2" \
			"rename2 d/f2 d/f noreplace" "symlink x d/l" \
			"rename2 d/l d/h exchange" "unlink d/h" \
			"setxattr d/f user.a b create" "removexattr d/f user.a" \
			"mknod d/p fifo 0644 0" "unlink d/l" "unlink d/p" \
			"mkdir d/s 0755" "rmdir d/s" "unlink d/f" "rmdir d"; do
			before=$(pool restarts)
			# shellcheck disable=SC2086 # words
			is "$op, answer $n: 0" "$op, answer $n: $(at_answer $n $op)"
			killed=$((killed + $(pool restarts) - before))
		done
		is "" "$(names_in .)"
	done
	# each has at least one answer
	((killed >= 18)) || fail "only $killed were killed"
}

# bats test_tags=slow
@test "a worker killed before it has answered has done it once" {
	need root
	as_root_in_every_mode answers
}
