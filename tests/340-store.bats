#!/usr/bin/env bats
# SPDX-License-Identifier: GPL-2.0-or-later
# shellcheck shell=bash disable=SC2012,SC2015,SC2030,SC2031,SC2317
#
# Stores that come from elsewhere: from users who are not trusted, damaged, and
# copied.  (tests/unit/test_mutations.c damages them by the thousand.)

load helpers
load boxes
load posix
load volatile

teardown() {
	clean_up
}

# new_store [WAY]: STORE, a directory of whoever mounts in this way.
new_store() {
	tmp
	STORE=$(mktemp -d "$POOL_TMP/store.XXXXXX")
	[[ ${1:-} != user/* || $EUID != 0 ]] || {
		user_setup
		chown "$POOLFS_TEST_USER" "$STORE"
	}
}

# mounted WAY [OPTION...]: a pool of whoever that is, over STORE.
mounted() {
	local way=$1 start=pool_start

	shift
	[[ $way != user/* ]] || start=pool_as_user_start
	"$start" --mode="${way#*/}" --store "$STORE" "$@"
}

# refused WAY WORD... [-- OPTION...]: mounting STORE prints one line that has
# these words, and leaves no mount.
refused() {
	local way=$1 word status=0
	local -a words=()

	shift
	while (($#)) && [[ $1 != -- ]]; do
		words+=("$1")
		shift
	done
	shift || true
	POOL=$(mktemp -d "$POOL_TMP/mnt.XXXXXX")
	chmod 755 "$POOL"
	POOL_AS=
	[[ $way != user/* ]] || {
		POOL_AS=as_user
		[[ $EUID != 0 ]] || chown "$POOLFS_TEST_USER" "$POOL"
	}
	$POOL_AS timeout -k 5 60 "$POOLFS" "$POOL" --mode="${way#*/}" \
		--store "$STORE" "$@" >"$POOL_TMP/refused" 2>&1 3>&- 4>&- \
		</dev/null || status=$?
	cat "$POOL_TMP/refused"
	[ "$status" = 1 ]
	for word in "${words[@]}"; do
		grep -qF -- "$word" "$POOL_TMP/refused" ||
			fail "it does not say: $word"
	done
	fails is_mounted "$POOL"
}

# in_each_way BODY: BODY is called with the way, in this shell.
in_each_way() {
	local way

	need fuse
	[[ $EUID != 0 ]] || need user_mount
	for way in $(ways); do
		"$1" "$way"
	done
}

# put FILE OFFSET BYTES: printf's format, into a file of the store.
put() {
	# shellcheck disable=SC2059
	printf "$3" | dd of="$STORE/$1" bs=1 seek="$2" conv=notrunc status=none
}

# ---- whose store it is ---------------------------------------------------

@test "root does not adopt a store of a user, nor one that others can write" {
	need fuse root
	new_store user/cached
	refused root/cached "$STORE" "belongs to user $(id -u "$POOLFS_TEST_USER")"
	nothing_in "$STORE"
	# the same the other way round
	new_store
	chmod 755 "$STORE"
	refused user/cached "$STORE"
	nothing_in "$STORE"
	chmod 775 "$STORE"
	refused root/cached "$STORE: it can be written by others" "chmod"
	chmod 777 "$STORE"
	refused root/cached "$STORE: it can be written by others" "chmod"
	nothing_in "$STORE"
}

symlinks_are_refused() {
	local name victim

	new_store "$1"
	mounted "$1"
	$POOL_AS mkdir "$POOL/box/a"
	pool_stop
	victim=$POOL_TMP/victim
	for name in boxes transactions handles inodes ranges journal events \
		store texts config.json config.new box orphan tree tree/files; do
		rm -rf "$victim"
		[[ -d $STORE/$name ]] && mkdir -m 700 "$victim" ||
			echo precious >"$victim"
		chown --reference="$STORE" "$victim"
		[[ ! -e $STORE/$name ]] || mv "$STORE/$name" "$STORE/kept"
		ln -s "$victim" "$STORE/$name"
		refused "$1" "$STORE: $name in it is not a"
		[[ -d $victim ]] && nothing_in "$victim" ||
			[ "$(<"$victim")" = precious ]
		rm "$STORE/$name"
		if [[ ! -d $victim ]]; then
			ln "$victim" "$STORE/$name"
			refused "$1" "$name in it has another name elsewhere"
			[ "$(<"$victim")" = precious ]
			rm "$STORE/$name"
			mkfifo "$STORE/$name"
			chown --reference="$STORE" "$STORE/$name"
			refused "$1" "$name in it is not a regular file"
			rm "$STORE/$name"
		fi
		[[ ! -e $STORE/kept ]] || mv "$STORE/kept" "$STORE/$name"
	done
	# what is made and removed by itself is not followed either
	echo precious >"$victim.2"
	ln -s "$victim.2" "$STORE/probe"
	ln -s "$victim.2" "$STORE/store.new"
	mounted "$1"
	[ "$($POOL_AS ls "$POOL/box")" = a ]
	pool_stop
	[ "$(<"$victim.2")" = precious ]
}

@test "a store with symlinks, links and FIFOs in place of its files is refused" {
	in_each_way symlinks_are_refused
}

@test "a file of the store that others can write, or that is another user's" {
	need fuse root
	local name

	new_store
	mounted root/cached
	pool_stop
	chmod 666 "$STORE/inodes"
	refused root/cached "inodes in it can be written by others"
	chmod 600 "$STORE/inodes"
	chown "$POOLFS_TEST_USER" "$STORE/journal"
	refused root/cached "journal in it belongs to another user"
	chown root "$STORE/journal"
	for name in box orphan tree; do
		chmod 710 "$STORE/$name"
		refused root/cached "$name in it can be entered by others"
		chmod 700 "$STORE/$name"
	done
	mounted root/cached
	pool_stop
}

@test "a directory that is no store is refused, and is not touched" {
	need fuse
	new_store
	mkdir -m 700 "$STORE/box"
	echo mine >"$STORE/box/mine"
	refused root/cached "no store of this version" "empty directory"
	[ "$(find "$STORE" -mindepth 1 | wc -l)" = 2 ]
	# what has other names is left alone
	rm -r "$STORE/box"
	echo mine >"$STORE/lost+found"
	mounted root/cached
	pool_stop
	[ "$(<"$STORE/lost+found")" = mine ]
	# of another version
	sed -i 's/store 2/store 1/' "$STORE/store"
	refused root/cached "no store of this version"
}

# ---- damaged stores ------------------------------------------------------

damage_is_repaired() {
	new_store "$1"
	mounted "$1"
	$POOL_AS bash -c '
		mkdir "$1/box/a" "$1/box/b"
		echo one >"$1/box/a/send"
		echo two >"$1/box/b/send"
		mkdir "$1/d"
		echo kept >"$1/d/f"
		setfattr -n user.pool.volatile -v 1 "$1/d/f"' - "$POOL"
	pool_stop
	cp -a "$STORE" "$STORE.good"
	# the first transaction is in a place far outside: record 2, offset
	put transactions $((2 * 64 + 16)) '\0\0\0\1\0\0\0\0'
	# and the directory of an inode is itself: d, or f
	put inodes $((2 * 128 + 44)) '\2\0\0\0'
	sum=$(cd "$STORE" && cat transactions inodes journal | sha256sum)
	refused "$1" "wrong: transaction record 2 lies outside of its box" \
		"wrong: inode record" "--repair"
	refused "$1" "wrong: transaction record 2 lies outside of its box"
	[ "$(cd "$STORE" && cat transactions inodes journal | sha256sum)" = "$sum" ]
	mounted "$1" --repair
	grep -F "dropped: transaction record 2 lies" "$POOL_LOG"
	[ "$($POOL_AS cat "$POOL/d/f")" = kept ]
	[ "$($POOL_AS bash -c 'cat "$1"/box/*/tx/*' - "$POOL" | wc -l)" = 1 ]
	pool_stop
	mounted "$1"
	fails grep -q wrong "$POOL_LOG"
	pool_stop
}

@test "a damaged store is refused, and --repair drops what is wrong" {
	in_each_way damage_is_repaired
	run "$POOLFS" --repair "$POOL_TMP"
	[ "$status" = 2 ]
	[[ $output == *"of which --store"* ]]
}

@test "a store in use is not given to a second pool by --repair" {
	need fuse
	new_store
	mounted root/cached
	first=$POOL
	refused root/cached "another poolfs uses it" -- --repair
	POOL=$first
	pool_stop
}

# ---- copies --------------------------------------------------------------

# A pool with all that is known by the number of a file.
fill_it() {
	cd "$1"
	mkdir v plain
	setfattr -n user.pool.volatile -v 1 v
	for i in 1 2 3 4 5 6 7 8; do
		echo "plain $i" >"plain/$i"
		head -c 20000 /dev/zero | tr '\0' "$i" >"v/$i"
	done
	ln v/8 plain/linked
	mkdir -p "$(printf 'deep/%.0s' {1..100})"
	echo deep >"$(printf 'deep/%.0s' {1..100})/f"
	setfattr -n user.pool.volatile -v 1 "$(printf 'deep/%.0s' {1..100})/f"
	# others have their numbers in a copy
	rm v/1 v/2
	mkdir box/a
	echo one >box/a/send
	echo two >box/a/send
	head -c 65536 /dev/zero | tr '\0' r >ranges
	"$2" unpin ranges 0 16384
	cd /
}

# what_is DIR: all of that, but for numbers.
what_is() {
	cd "$1"
	for f in plain/* v/* v ranges "$(printf 'deep/%.0s' {1..100})/f"; do
		echo "$f $(stat -c '%a %U %h' "$f") $([[ -d $f ]] ||
			sha256sum <"$f")" \
			"$(getfattr --absolute-names --only-values \
				-n user.pool.volatile "$f" 2>/dev/null)"
	done
	for t in box/a/tx/*; do
		cat "$t"
	done
	"$2" state ranges 0 16384
	"$2" state ranges 16384 49152
	cd /
}

purge_and_look() {
	set -e
	echo "0 0 1000000" >"$(echo "$1"/.pool/shrinker/volatile-files-*/scan)"
	[ "$(cat "$1"/plain/[1-8] | wc -l)" = 8 ]
	[ -z "$(ls "$1/v")" ]
	[ ! -e "$1/plain/linked" ]
	[ ! -e "$1/$(printf 'deep/%.0s' {1..100})/f" ]
}

copied_with_tar() {
	tar -C "$1" --xattrs --xattrs-include='*' -cf - . |
		tar -C "$2" --xattrs --xattrs-include='*' -xpf -
}

copied_with_tar_plainly() {
	tar -C "$1" -cf - . | tar -C "$2" -xpf -
}

copied_with_cp() {
	cp -a "$1/." "$2"
}

copied_with_rsync() {
	rsync -aHS "$1/" "$2"
}

copies_are_read() {
	local how before after place n

	new_store "$1"
	mounted "$1"
	$POOL_AS bash -c "$(declare -f fill_it)"'; fill_it "$@"' - "$POOL" \
		"$POOLCTL"
	before=$($POOL_AS bash -c "$(declare -f what_is)"'; what_is "$@"' - \
		"$POOL" "$POOLCTL")
	pool_stop
	from=$STORE
	for how in tar tar_plainly cp rsync; do
		[[ $how != rsync ]] || command -v rsync >/dev/null || continue
		for place in "$POOL_TMP" "${USER_RUN:-/dev/shm}"; do
			STORE=$(mktemp -d "$place/poolfs-copy.XXXXXX")
			note "tmp.${STORE##*.}" "$STORE"
			# so that the numbers are others'
			for n in 1 2 3 4 5; do
				mkdir "$STORE/$n"
			done
			rmdir "$STORE"/*
			"copied_with_$how" "$from" "$STORE"
			mounted "$1"
			after=$($POOL_AS bash -c \
				"$(declare -f what_is)"'; what_is "$@"' - \
				"$POOL" "$POOLCTL")
			is "$before" "$after"
			# volatile are those that were
			[ "$($POOL_AS json volatile.files "$POOL/.pool/stats")" = 8 ]
			$POOL_AS bash -c "$(declare -f purge_and_look)"'
				purge_and_look "$@"' - "$POOL"
			pool_stop
			rm -rf "$STORE"
		done
	done
	# the one that was copied is what it was
	STORE=$from
	mounted "$1"
	is "$before" "$($POOL_AS bash -c "$(declare -f what_is)"'; what_is "$@"' \
		- "$POOL" "$POOLCTL")"
	pool_stop
}

# bats test_tags=slow
@test "a copy of a store, by tar, cp or rsync, is read right" {
	in_each_way copies_are_read
}

@test "files that are put into a store get no marks of others" {
	need fuse root
	new_store
	mounted root/cached
	mkdir "$POOL/d"
	made "$POOL/d/a" 20000
	made "$POOL/d/b" 20000
	pool_stop
	# another file under the name, a directory, a symlink to one
	echo precious >"$STORE/tree/files/new"
	mv "$STORE/tree/files/new" "$STORE/tree/files/d/a"
	mkdir "$POOL_TMP/outside"
	echo precious >"$POOL_TMP/outside/b"
	mv "$STORE/tree/files/d/b" "$STORE/tree/files/b"
	mounted root/cached
	[ "$(json volatile.files "$POOL/.pool/stats")" = 0 ]
	echo "0 0 1000000" >"$(of_files scan)"
	[ "$(<"$POOL/d/a")" = precious ]
	[ -s "$POOL/b" ]
	volatile "$POOL/d/a"
	pool_stop
	rm -r "$STORE/tree/files/d"
	ln -s "$POOL_TMP/outside" "$STORE/tree/files/d"
	cp "$POOL_TMP/outside/b" "$POOL_TMP/outside/a"
	mounted root/cached
	[ "$(json volatile.files "$POOL/.pool/stats")" = 0 ]
	echo "0 0 1000000" >"$(of_files scan)"
	[ "$(<"$POOL_TMP/outside/a")" = precious ]
	pool_stop
}

root_stays_volatile() {
	volatile "$POOL"
	kill_worker
	is 1 "$(is_volatile "$POOL")"
	echo inherits >"$POOL/f"
	is 1 "$(is_volatile "$POOL/f")"
}

@test "that the root directory is volatile outlives the worker" {
	in_every_way root_stays_volatile
}

# ---- what is left behind -------------------------------------------------

deep_tree() {
	local i

	cd "$1"
	for ((i = 0; i < 40; i++)); do
		mkdir -p d/d/d/d/d/d/d/d/d/d/d/d/d/d/d/d/d/d/d/d/d/d/d/d/d
		cd d/d/d/d/d/d/d/d/d/d/d/d/d/d/d/d/d/d/d/d/d/d/d/d/d
		echo "$i" >file
	done
	mkdir closed
	echo closed >closed/file
	chmod 0 closed
}

@test "a user's store deeper than descriptors go is removed" {
	local store

	need fuse user_mount
	# with as few as the pool can do with
	user_setup
	tmp
	POOLFS_SAVED=$POOLFS
	cat >"$POOL_TMP/poolfs" <<-'END'
		#!/bin/bash
		exec prlimit --nofile=128:128 "$POOLFS_REAL" "$@"
	END
	chmod 755 "$POOL_TMP/poolfs"
	POOLFS_REAL=$POOLFS POOLFS=$POOL_TMP/poolfs
	export POOLFS_REAL
	pool_as_user_start
	POOLFS=$POOLFS_SAVED
	store=$(echo "$USER_RUN"/poolfs-*)
	[ -d "$store/tree/files" ]
	as_user bash -c "$(declare -f deep_tree)"'; deep_tree "$@"' - "$POOL"
	pool_stop
	[ ! -e "$store" ]
	nothing_in "$USER_RUN"
}

# kill_all: all processes of the pool, at once.
kill_all() {
	local keeper worker
	local -a all

	keeper=$(pool_pid keeper)
	worker=$(pool_pid worker)
	mapfile -t all < <(pgrep -P "$worker")
	kill -STOP "$keeper" "$worker" "${all[@]}"
	kill -KILL "$keeper" "$worker" "${all[@]}"
	wait_until 5 not_running "$worker"
	wait_until 5 not_running "$keeper"
	is_mounted "$POOL"
}

@test "all processes of a user's mount killed: doctor finds it, and removes it" {
	local store dir kept

	need fuse user_mount
	new_store user/cached
	pool_as_user_start
	as_user mkdir -p "$POOL/a/b"
	kept=$POOL
	store=$(echo "$USER_RUN"/poolfs-*)
	# one that lives, and one that was named
	pool_as_user_start --store "$STORE"
	kill_all
	dir=$POOL
	POOL=$kept
	run as_user timeout 60 "$POOLCTL" doctor
	echo "$output"
	[ "$status" = 1 ]
	[[ $output == *"$dir: a mount that nobody serves"* ]]
	[[ $output != *"$kept"* && $output != *"$STORE"* && $output != *"$store"* ]]
	is_mounted "$dir"
	run as_user timeout 60 "$POOLCTL" doctor --fix
	[ "$status" = 0 ]
	[[ $output == *"$dir: a mount that nobody serves; removed"* ]]
	fails is_mounted "$dir"
	[ -e "$STORE/inodes" ]
	[ -d "$POOL/a/b" ] || as_user test -d "$POOL/a/b"

	kill_all
	cp -a "$store" "$USER_RUN/poolfs-copy"
	run as_user timeout 60 "$POOLCTL" doctor
	[ "$status" = 1 ]
	[[ $output != *poolfs-copy* ]]
	[[ $output == *"$kept: a mount that nobody serves"* ]]
	[[ $output == *"$store: a store that no pool uses"* ]]
	[ -e "$store/inodes" ]
	run as_user timeout 60 "$POOLCTL" doctor --fix
	[ "$status" = 0 ]
	[ ! -e "$store" ]
	[ -e "$USER_RUN/poolfs-copy/inodes" ]
	fails is_mounted "$kept"
	run as_user timeout 60 "$POOLCTL" doctor
	[ "$status" = 0 ]
	[ "$output" = "nothing was left behind" ]
	run as_user timeout 60 "$POOLCTL" doctor --mend
	[ "$status" = 2 ]
}

@test "all processes of a mount killed: the next mount cleans up" {
	local store

	need fuse user_mount
	pool_as_user_start
	store=$(echo "$USER_RUN"/poolfs-*)
	kill_all
	[ -e "$store/inodes" ]
	pool_mount
	[ ! -e "$store" ]
	[ "$(grep -c " $POOL " /proc/self/mountinfo)" = 1 ]
	as_user mkdir "$POOL/works"
	pool_stop
	nothing_in "$USER_RUN"
	need root
	pool_start
	mkdir "$POOL/d"
	kill_all
	pool_mount
	[ "$(grep -c " $POOL " /proc/self/mountinfo)" = 1 ]
	nothing_in "$POOL/box"
	[ ! -e "$POOL/d" ]
	pool_stop
}
