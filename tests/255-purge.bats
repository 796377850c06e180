#!/usr/bin/env bats
# SPDX-License-Identifier: GPL-2.0-or-later
# shellcheck disable=SC2164 # bodies run with "set -e"
#
# Volatile files that are purged: whole, the oldest first, under all names, and
# whoever looks sees all of a file or none of it.

load helpers
load boxes
load posix
load volatile

teardown() {
	clean_up
}

# ---- being purged ------------------------------------------------------------

make_again() {
	local i

	cd "$POOL"
	mkdir cache
	volatile cache
	for i in 1 2 3 4 5; do
		[ -f cache/f ] || printf '%s' "$i" >cache/f
		is "$i" "$(<cache/f)"
		# it is there, and not made again
		[ -f cache/f ] || printf 'again' >cache/f
		is "$i" "$(<cache/f)"
		settled 1
		purge 1
	done
	is 5 "$(pool volatile.purged_files)"
}

@test "[ -f f ] || make f" {
	in_every_way make_again
}

whole_files() {
	cd "$POOL"
	made small 1
	made large 1000000
	made other 20000
	settled 251
	# a page of the large one is asked for, and all of it goes
	purge 1
	is "large other" "$(names_in .)"
	purge 1
	is "other" "$(names_in .)"
	is "$SUM" "$(sum other)"
	settled 5
	is 246 "$(pool volatile.purged_pages)"
}

@test "a file goes as a whole, and no more than is asked for" {
	in_every_way whole_files
}

oldest_first() {
	local i

	cd "$POOL"
	mkdir d
	volatile d
	for i in 1 2 3 4 5 6; do
		echo "$i" >"d/$i"
		settled "$i"
	done
	# a use makes it young, whatever kind it is
	cat d/2 >/dev/null
	settled 6
	: >>d/4
	settled 6
	# what does not open it does not
	setfattr -n user.a -v b d/1
	stat d/1 >/dev/null
	chmod 600 d/1
	purge 1
	is "2 3 4 5 6" "$(names_in d)"
	purge 2
	is "2 4 6" "$(names_in d)"
	purge 2
	is "4" "$(names_in d)"
	is 4 "$(<d/4)"
}

@test "the oldest first" {
	in_every_way oldest_first
}

hard_links() {
	cd "$POOL"
	mkdir -p a b/c
	made a/f 100000
	ln a/f b/c/g
	ln a/f h
	is 3 "$(stat -c %h h)"
	settled 25
	purge 1
	gone a/f b/c/g h
	is "" "$(names_in a)$(names_in b/c)"
	settled 0
	is 1 "$(pool volatile.purged_files)"
	# the names are free
	echo new >a/f
	mkdir h
	is new "$(<a/f)"
	rmdir h b/c
	rm a/f
	rmdir a b
	is "" "$(names_in .)"
}

@test "a file with several names is gone under all of them" {
	in_every_way hard_links
}

hard_links_unknown() {
	local i

	cd "$POOL"
	mkdir a b
	for i in {1..20}; do
		echo "$i" >"a/$i"
		ln "a/$i" "b/$i"
		volatile "b/$i"
	done
	settled 20
	[[ $EUID != 0 ]] || echo 2 >/proc/sys/vm/drop_caches
	purge 10
	# listed nowhere, opened nowhere, before anybody has asked by name
	is "$(seq 11 20 | sort | paste -sd " ")" "$(names_in a)"
	is "$(seq 11 20 | sort | paste -sd " ")" "$(names_in b)"
	kill_worker
	is "$(seq 11 20 | sort | paste -sd " ")" "$(names_in a)"
	is "ENOENT ENOENT" "$(posix stat a/1 stat b/10)"
	is "11 20" "$(cat a/11 b/20 | paste -sd " ")"
	# a directory is empty without them
	rm b/{11..20}
	rmdir b
	rm -r a
}

# bats test_tags=alone
@test "names of purged files that nobody has looked up yet" {
	in_every_way hard_links_unknown
}

known_to_the_kernel() {
	cd "$POOL"
	made f 5000
	settled 2
	# looked up just now, and for the next second
	stat f >/dev/null
	cat f >/dev/null
	settled 2
	stat f >/dev/null
	purge 10
	is ENOENT "$(posix open f r)"
	made f 5000
	settled 2
	stat f >/dev/null
	purge 10
	is ENOENT "$(posix stat f)"
	fails cat f
	fails test -f f
}

@test "purged while the kernel knows the name" {
	in_every_way known_to_the_kernel
}

created_over() {
	local flags

	cd "$POOL"
	for flags in rw,creat rw,creat,excl w,creat,trunc rw,creat,trunc; do
		made f 5000
		settled 2
		stat f >/dev/null
		purge 10
		# a new file: empty, with its own mode, not volatile
		is "0 100640:1:0" "$(posix create f $flags 0640 fstat)"
		[[ $(is_volatile f) == *"No such attribute"* ]]
		rm f
	done
	# any kind of thing can have the name
	for flags in "mkdir f 0755" "symlink x f" "mknod f fifo 0644 0"; do
		made f 5000
		settled 2
		stat f >/dev/null
		purge 10
		# shellcheck disable=SC2086 # words
		is "$flags: 0" "$flags: $(posix $flags)"
		rm -r f
	done
	made f 5000
	settled 2
	stat f >/dev/null
	purge 10
	echo other >other
	mv other f
	is other "$(<f)"
	ln f g
	is other "$(<g)"
}

@test "a purged name is free for whoever makes something" {
	in_every_way created_over
}

directories_of_purged() {
	local i

	cd "$POOL"
	mkdir d d/e
	volatile d d/e
	for i in {1..50}; do
		echo "$i" >"d/$i"
		echo "$i" >"d/e/$i"
	done
	ls -l d d/e >/dev/null
	is ENOTEMPTY "$(posix rmdir d/e)"
	settled 100
	purge 100
	is "e" "$(names_in d)"
	is "" "$(names_in d/e)"
	is "total 0" "$(ls -l d/e)"
	is "" "$(find d -type f)"
	is 0 "$(posix rmdir d/e)"
	is 0 "$(posix rmdir d)"
}

@test "ls and rmdir of a directory whose files were purged" {
	in_every_way directories_of_purged
}

listing_meanwhile() {
	local i

	cd "$POOL"
	mkdir d
	volatile d
	for i in {1..400}; do
		echo "$i" >"d/$i"
	done
	settled 400
	posix_into "$W/said" opendir d readdir 20 touch "$W/ready" \
		await "$W/go" readdir 1000 closedir
	wait_until 5 test -e "$W/ready"
	purge 400
	touch "$W/go"
	wait "$BG_PID"
	# what the kernel has in its hands may still come; none of it opens
	[[ $(words "$W/said") == "0 20 "* ]]
	is "" "$(names_in d)"
}

@test "a listing that is under way when files are purged" {
	in_every_way listing_meanwhile
}

working_directory() {
	cd "$POOL"
	mkdir d
	volatile d
	cd d
	echo 1 >f
	settled 1
	purge 1
	is "" "$(names_in .)"
	echo 2 >f
	is 2 "$(<f)"
	# a directory itself is never purged
	settled 1
	purge 100
	[[ -d $POOL/d ]]
	is 1 "$(is_volatile "$POOL/d")"
}

@test "a volatile directory itself stays" {
	in_every_way working_directory
}

# ---- the worker --------------------------------------------------------------

survives() {
	local i

	cd "$POOL"
	mkdir d e
	volatile d
	for i in 1 2 3 4 5; do
		head -c "$((i * 4096))" /dev/zero >"d/$i"
		settled $((i * (i + 1) / 2))
	done
	cat d/1 >/dev/null
	settled 15
	ln d/4 e/4
	mv d/3 e/3
	exec {fd}<d/5
	settled 10
	for i in 1 2 3; do
		kill_worker
	done
	settled 10
	is 1 "$(is_volatile d)"
	is 1 "$(is_volatile e/4)"
	is 6 "$(pool volatile.files)"
	# 2, 3, 4, 1 is the order, and 5 is in use
	purge 1
	is "1 4 5 3 4" "$(names_in d) $(names_in e)"
	kill_worker
	purge 1
	is "1 4 5 4" "$(names_in d) $(names_in e)"
	purge 1
	kill_worker
	is "1 5 " "$(names_in d) $(names_in e)"
	purge 100
	is "5" "$(names_in d)"
	exec {fd}<&-
	settled 5
	kill_worker
	echo new >d/new
	settled 6
	purge 5
	is "new" "$(names_in d)"
}

# bats test_tags=slow
@test "state and order survive worker kills" {
	in_every_way survives
}

kill_between() {
	local i fd

	cd "$POOL"
	for i in {1..10}; do
		made f 20000
		ln f g
		exec {fd}<f
		kill_worker
		exec {fd}<&-
		kill_worker
		settled 5
		stat f g >/dev/null
		purge 1
		kill_worker
		gone f g
	done
	is "" "$(names_in .)"
}

# bats test_tags=slow
@test "a worker killed around open, close and purge" {
	in_every_way kill_between
}

stored() {
	local mode i

	need fuse root
	tmp
	for mode in $MODES; do
		mkdir "$POOL_TMP/store.$mode"
		pool_start --mode="$mode" --store "$POOL_TMP/store.$mode"
		mkdir "$POOL/d"
		volatile "$POOL/d"
		for i in 1 2 3; do
			echo "$i" >"$POOL/d/$i"
			settled "$i"
		done
		ln "$POOL/d/1" "$POOL/one"
		pool_stop
		pool_start --mode="$mode" --store "$POOL_TMP/store.$mode"
		settled 3
		is 1 "$(is_volatile "$POOL/d")"
		purge 1
		is "2 3" "$(names_in "$POOL/d")"
		is "d" "$(names_in "$POOL")"
		pool_stop
	done
}

@test "state and order survive in a store" {
	stored
}

# ---- numbers and events ------------------------------------------------------

counted() {
	cd "$POOL"
	is "0 0" "$(<"$(of_files count)")"
	is "0 0" "$(<"$(of_ranges count)")"
	mkdir "d \"with\" signs"
	made "d \"with\" signs/f" 100000
	made g 5000
	settled 27
	is "0 27" "$(<"$(of_files count)")"
	is 2 "$(pool volatile.files)"
	is 27 "$(pool volatile.available)"
	grep -qx "poolfs_volatile_files 2" "$POOL/.pool/metrics"
	grep -qx "poolfs_volatile_available_bytes $((27 * 4096))" \
		"$POOL/.pool/metrics"
	purge 26
	events | jq -s -e '[.[] | select(.event == "purge")] |
		map([.path, .pages]) ==
		[["d \"with\" signs/f", 25], ["g", 2]]' >/dev/null ||
		fail "$(events)"
	is 2 "$(pool volatile.purged_files)"
	is 27 "$(pool volatile.purged_pages)"
	is 0 "$(pool volatile.files)"
	is 0 "$(pool volatile.available)"
	grep -qx "poolfs_purged_files_total 2" "$POOL/.pool/metrics"
	grep -qx "poolfs_purged_pages_total 27" "$POOL/.pool/metrics"
}

@test "count, stats, metrics and events" {
	in_every_way counted
}

bad_scans() {
	local text

	cd "$POOL"
	made f 5000
	settled 2
	for text in "" x "0 0" "0 0 -1" "0 0 1 1" "0 99 1" "1 0 0x"; do
		if printf '%s\n' "$text" >"$(of_files scan)"; then
			fail "scan took '$text'"
		fi
	done 2>/dev/null
	purge 0
	settled 2
	is "$SUM" "$(sum f)"
	# only its owner writes it, and count is read only
	fails eval 'echo 1 >"$(of_files count)"' 2>/dev/null
}

@test "what is written into scan is looked at" {
	in_every_way bad_scans
}

events_by_links() {
	cd "$POOL"
	mkdir d
	made f 5000
	ln f d/g
	rm f
	settled 2
	purge 1
	gone d/g
	# by a name that it has
	events | jq -s -e '[.[] | select(.event == "purge")] |
		map(.path) == ["d/g"]' >/dev/null || fail "$(events)"
}

@test "the event names a name that the file had" {
	in_every_way events_by_links
}

pressed() {
	local i

	cd "$POOL"
	echo 1 >keep
	made f 100000
	settled 25
	for ((i = 1; i <= 1000; i++)); do
		echo "full avg10=9.00 avg60=1.00 avg300=0.10 total=$((i * 1000000))" \
			>"$PSI"
		sleep 0.06
		[[ -e f ]] || break
	done
	gone f
	is 1 "$(<keep)"
}

@test "pressure purges, by a FIFO" {
	tmp
	PSI=$POOL_TMP/psi
	mkfifo "$PSI"
	chmod 666 "$PSI"
	export PSI
	in_every_way pressed --psi "$PSI"
}

# ---- many at once ------------------------------------------------------------

flood() {
	local us

	mkdir "$POOL/d"
	volatile "$POOL/d"
	cd "$POOL/d"
	# one page each
	seq 10000 | split -l 1 -a 4 - f
	cd ..
	settled 10000
	us=${EPOCHREALTIME/[.,]/}
	purge 10000
	us=$((${EPOCHREALTIME/[.,]/} - us))
	echo "# $WAY: 10,000 files purged in $((us / 1000)) ms" >>"$FACTS"
	settled 0
	is "" "$(names_in d)"
	is 10000 "$(pool volatile.purged_files)"
	is 10000 "$(pool volatile.purged_pages)"
	rmdir d
	wait_until 5 eval '[ "$(pool volatile.files)" = 0 ]'
	is "" "$(names_in .)"
}

# bats test_tags=slow
@test "10,000 files are purged by one scan" {
	facts_to_show
	in_every_way flood
	cat "$FACTS" >&3
}

# said_by TOOL'S-OUTPUT WORD
said_by() {
	awk -v word="$2" '$1 == word { print $2 }' "$1"
}

# storm_of SECONDS CMD...: with CMD going on beside it.
storm_of() {
	local what seconds=$1

	shift
	mkdir "$POOL/d"
	volatile "$POOL/d"
	timeout 300 "$TOOLS/purgestorm" --least 21 \
		--scan "$(of_files scan)" 30 "$POOL/d" 2000 "$seconds" \
		>"$W/said" || fail "purgestorm: status $?"
	echo "# $WAY: $(paste -sd " " "$W/said")" >>"$FACTS"
	for what in made opened read mapped rewritten renamed linked copied \
		shortened removed absent scans; do
		(($(said_by "$W/said" $what) > 20)) ||
			fail "only $(said_by "$W/said" $what) $what"
	done
	# a call that loses two races in a row may say so, which is rare
	(($(said_by "$W/said" stale) <= $(said_by "$W/said" opened) / 100))
	purge 1000000
	wait_until 5 eval 'purge 1000000; [ -z "$(names_in "$POOL/d")" ]'
	rmdir "$POOL/d"
}

storm() {
	local i

	for ((i = 0; i < 5 && $(pool volatile.purged_files) <= 500; i++)); do
		storm_of "$(lasting 4)"
	done
	(($(pool volatile.purged_files) > 500))
}

# bats test_tags=slow
@test "a purge storm: all of the old content or the documented absence" {
	facts_to_show
	in_every_way storm
	cat "$FACTS" >&3
}

storm_and_kills() {
	local i

	background kill_often "$(pool_pid keeper)"
	for ((i = 0; i < 5 && $(pool restarts) <= 8; i++)); do
		storm_of "$(lasting 8)"
	done
	kill -KILL "$BG_PID"
	(($(pool restarts) > 8)) || fail "only $(pool restarts) restarts"
}

# bats test_tags=slow
@test "a purge storm, and the worker is killed again and again" {
	facts_to_show
	in_every_way storm_and_kills
	cat "$FACTS" >&3
}

# A path that is too long for one call takes a descriptor to begin at.
no_descriptor() {
	local worker i name

	cd "$POOL"
	name=$(text 250)
	for i in {1..20}; do
		mkdir "$name"
		cd "$name"
	done
	made f 4096
	settled 1
	worker=$(pool worker)
	prlimit --pid "$worker" --nofile=0:1024
	purge 10 || true
	prlimit --pid "$worker" --nofile=1024:1024
	is "$worker" "$(pool worker)"
	is "$SUM" "$(sum f)"
	settled 1
	purge 10
	settled 0
	gone f
}

@test "a file that cannot be looked at for want of descriptors is not lost" {
	need root
	as_root_in_every_mode no_descriptor
}
