#!/usr/bin/env bats
# SPDX-License-Identifier: GPL-2.0-or-later
#
# Mount options and remount: ro, limits that change, access times; and the flags
# and access times of files.

# shellcheck disable=SC2164 # a body ends where cd fails

load helpers
load boxes
load posix
load volatile

teardown() {
	clean_up
}

# remount OPTIONS: as mount(8) has it done.
remount() {
	timeout 60 "$POOLFS" "$POOL" -o "remount,$1"
}

# remount_fails WHY OPTIONS
remount_fails() {
	local said

	said=$(remount "$2" 2>&1) && fail "remount,$2: should have failed"
	[[ $said == *"$1"* ]] || fail "remount,$2: $said"
}

# config JSON
config() {
	timeout 60 dd status=none of="$POOL/.pool/config" <<<"$1"
}

# config_fails KEY JSON: EINVAL, and nothing changes.
config_fails() {
	local before said

	before=$(settings)
	said=$(config "$2" 2>&1) && fail "taken: $2"
	[[ $said == *"Invalid argument"* ]] || fail "$2: $said"
	[[ $(json last_error "$POOL/.pool/config") == "$1: "* ]] ||
		fail "$2: $(json last_error "$POOL/.pool/config")"
	is "$before" "$(settings)"
}

settings() {
	timeout 60 cat "$POOL/.pool/config" | jq -cS "del(.last_error)"
}

setting() {
	json "$1" "$POOL/.pool/config"
}

stats() {
	json "$1" "$POOL/.pool/stats"
}

# read_only CMD...: it fails with EROFS.
read_only() {
	local said

	said=$("$@" 2>&1) && fail "on a read-only mount: $*"
	[[ $said == *"Read-only file system"* ]] || fail "$*: $said"
}

write_to() {
	: >"$1"
}

# ---- ro --------------------------------------------------------------------

ro_mount() {
	cd "$POOL"
	kill_worker
	read_only touch f
	read_only mkdir d
	read_only mkdir box/b
	read_only config '{"box_size": 65536}'
	[[ $(findmnt -no OPTIONS "$POOL") == ro,* ]]
	timeout 60 ls -a >/dev/null
	is "0" "$(stats boxes)"
}

@test "ro: nothing can be made, and a worker can start" {
	in_every_way ro_mount -o ro
}

ro_remount() {
	local fd v

	cd "$POOL"
	echo text >f
	mkdir box/b d
	echo one >box/b/send
	echo two >box/b/send
	v=$POOL/v
	head -c 12M /dev/zero >v
	volatile v
	settled 3072

	exec {fd}>>f
	remount_fails "open for writing" ro,size=32M
	is $((64 << 20)) "$(setting size)"
	exec {fd}>&-
	wait_until 5 remount ro
	kill_worker
	read_only touch g
	read_only rm f
	read_only write_to f
	read_only write_to box/b/send
	read_only mkdir box/c
	read_only config '{"size": "32M"}'
	is text "$(<f)"
	is 12582912 "$(stat -c %s "$v")"
	# Who may read a box receives; to free is to write.
	is 4 "$(head -n 1 box/b/recv 2>/dev/null | jq .size)"
	read_only rm box/b/tx/*

	# A limit needs no write; volatile files give way to it.
	remount size=4M
	is $((4 << 20)) "$(setting size)"
	wait_until 5 test ! -e "$v"
	is 1 "$(stats volatile.purged_files)"
	is text "$(<f)"
	read_only touch g
	remount rw
	touch g
	rm box/b/tx/*
	echo three >box/b/send
}

@test "remount,ro: as tmpfs, and reclaim goes on" {
	as_root_in_every_mode ro_remount -o size=64M
}

# ---- limits ----------------------------------------------------------------

# fills N: a file of so many MiB can be made, and not one MiB more.
fills() {
	head -c "${1}M" /dev/zero >"$POOL/full" || fail "$1 MiB do not fit"
	head -c 1M /dev/zero 2>/dev/null >>"$POOL/full" &&
		fail "more than $1 MiB"
	removed "$POOL/full"
}

# removed FILE...: and the kernel has forgotten them, a moment later.
removed() {
	local before

	before=$(stats store.content)
	rm "$@"
	wait_until 5 holds_less "$before"
}

holds_less() {
	(($(stats store.content) < $1))
}

resizes() {
	cd "$POOL"
	fills 16
	config '{"size": "24M"}'
	fills 24
	is $((24 << 20)) "$(stats size)"
	is $((24 << 20)) "$(stats limits.box_bytes.max)"
	is $((24 << 20)) "$(($(stat -f -c '%b * %S' .)))"
	kill_worker
	is $((24 << 20)) "$(setting size)"
	fills 24

	# Not below what is in use, and then nothing changes.
	head -c 10M /dev/zero >f
	config_fails size '{"size": "9M", "box_size": 65536}'
	config_fails size '{"size": 1000}'
	config_fails size '{"size": "x"}'
	is $((24 << 20)) "$(stats size)"
	config '{"size": "11M"}'
	head -c 2M /dev/zero 2>/dev/null >g && fail "2 MiB beside 10 in 11"
	removed g
	kill_worker
	head -c 2M /dev/zero 2>/dev/null >g && fail "2 MiB beside 10 in 11"
	removed g
	removed f
	config '{"size": "16M"}'
	fills 16
}

@test "size: other limits at once, while in use" {
	in_every_way resizes -o size=16M
}

# What is held and volatile is reclaimed first: files, boxes, and ranges.
resize_reclaims() {
	local v=$POOL/v

	cd "$POOL"
	mkdir box/b
	truncate -s 8M box/b/data
	head -c 6M /dev/zero >box/b/send
	rm box/b/tx/*
	head -c 6M /dev/zero >v
	head -c 2M /dev/zero >keep
	head -c 6M /dev/zero >range
	timeout 60 "$POOLCTL" unpin range
	volatile v
	settled 1536
	# 2 MiB are in use.
	wait_until 5 config '{"size": "2M"}' 2>/dev/null
	is 2097152 "$(stat -c '%s' keep)"
	(($(stats store.content) <= 4 << 20)) || fail "$(stats store.content)"
	config_fails size '{"size": "1M"}'
	is $((2 << 20)) "$(stats size)"
	rm -f v
	removed keep
	rm -f range
	rmdir box/b
	wait_until 5 nothing_held
	fills 2
}

nothing_held() {
	(($(stats store.content) == 0))
}

@test "size: what is volatile gives way" {
	in_every_way resize_reclaims -o size=32M
}

# Others write without a pause, and workers die.
fill_on() {
	while :; do
		head -c 20M /dev/zero >"$POOL/w" || rm -f "$POOL/w"
	done 2>/dev/null
}

make_volatile() {
	while :; do
		head -c 3M /dev/zero >"$POOL/v$((RANDOM % 6))" &&
			volatile "$POOL"/v?
	done 2>/dev/null || true
}

resize_meanwhile() {
	local end size took=0

	end=$((SECONDS + $(lasting 2)))
	cd "$POOL"
	background fill_on
	background make_volatile
	while ((SECONDS < end || !took)); do
		size=$((RANDOM % 40 + 2))
		# What is in use may be more.
		config "{\"size\": \"${size}M\", \"nr_inodes\": $size}" \
			2>/dev/null || continue
		is "$((size << 20)) $size" \
			"$(setting size) $(setting nr_inodes)"
		took=$((took + 1))
		((took % 5)) || kill_worker
	done
	jobs -p | xargs kill -KILL
	wait || true
	rm -f w v?
	wait_until 5 nothing_held
	config '{"size": "16M", "nr_inodes": 50}'
	fills 16
}

@test "size, nr_inodes: while others write, and workers die" {
	as_root_in_every_mode resize_meanwhile -o size=32M,nr_inodes=100
}

inodes_change() {
	local i

	cd "$POOL"
	for ((i = 0; i < 30; i++)); do
		: >"f$i"
	done
	config_fails nr_inodes '{"nr_inodes": 20}'
	config '{"nr_inodes": 32}'
	is 32 "$(stat -f -c %c .)"
	: >f30
	: 2>/dev/null >f31 && fail "33 inodes of 32"
	kill_worker
	is 32 "$(setting nr_inodes)"
	: 2>/dev/null >f31 && fail "33 inodes of 32"
	remount nr_inodes=34
	: >f31
	: >f32
	: 2>/dev/null >f33 && fail "35 inodes of 34"
	# Volatile ones are purged.
	for ((i = 0; i < 20; i++)); do
		echo x >"f$i"
		volatile "f$i"
	done
	settled 20
	wait_until 5 config '{"nr_inodes": 20}' 2>/dev/null
	is 20 "$(stat -f -c %c .)"
	(($(find . -name 'f*' | wc -l) <= 19))
}

@test "nr_inodes: other limits at once, while in use" {
	as_root_in_every_mode inodes_change -o nr_inodes=100,size=64M
}

root_mode() {
	is 1700 "$(stat -c %a "$POOL")"
	config '{"mode": "0711"}'
	is 711 "$(stat -c %a "$POOL")"
	is 0711 "$(setting mode)"
	config_fails mode '{"mode": "0800"}'
	config_fails mode '{"mode": "17777"}'
	config_fails mode '{"mode": 711}'
	config_fails size '{"mode": "0755", "size": 5}'
	is 711 "$(stat -c %a "$POOL")"
	kill_worker
	is 711 "$(stat -c %a "$POOL")"
	# It is not set again, when chmod has changed it.
	chmod 750 "$POOL"
	config '{"box_size": 65536}'
	kill_worker
	is 750 "$(stat -c %a "$POOL")"
}

@test "mode: of the root directory" {
	in_every_way root_mode -o mode=1700
}

# In a directory nobody has such limits.
without_limit() {
	[[ $MODE == cached ]] || config_fails size '{"size": "8M"}'
	is 0 "$(setting nr_inodes)"
	config_fails nr_inodes '{"nr_inodes": 100}'
	config "$(timeout 60 cat "$POOL/.pool/config" | jq 'del(.last_error)')"
}

@test "limits that a pool does not have are refused" {
	local mode

	for mode in $MODES; do
		tmp
		mkdir "$POOL_TMP/$mode"
		in_way "root/$mode" without_limit --store "$POOL_TMP/$mode"
	done
}

# All of a remount or nothing; what cannot change is ignored, as mount(8) gives
# again what fstab and the kernel have.
remounts() {
	cd "$POOL"
	head -c 10M /dev/zero >f
	remount_fails "size: more than that is in use" ro,noexec,size=4M
	[[ $(findmnt -no OPTIONS "$POOL") == rw,*relatime* ]]
	remount "rw,noexec,user_id=0,group_id=0,default_permissions,store=/x,\
psi=/y,mode=cached,allow_other,user_quota=30,min-free=3M,size=20M,mode=0750"
	[[ $(findmnt -no OPTIONS "$POOL") == *noexec,relatime* ]]
	is "30 3145728 20971520 0750" "$(jq -r '"\(.user_quota) \(.min_free) \(.size) \(.mode)"' \
		.pool/config)"
	is "$MODE" "$(stats mode)"
	remount_fails "no such option" bogus
	run timeout 60 "$POOLFS" -o remount,size=8M "$W"
	[[ $output == *"no pool is mounted there"* ]]
	run timeout 60 "$POOLFS" -o user_id=0 "$W"
	[[ $output == *"user_id=0: no such option"* ]]
	# Others than the owner are not asked.
	chmod 755 .
	run as_id 12345 12345 timeout 60 "$POOLFS" -o remount,size=8M "$POOL"
	((status)) || fail "anybody may remount"
	is 20971520 "$(setting size)"
}

@test "remount: all of it, or nothing" {
	as_root_in_every_mode remounts -o size=64M,allow_other
}

# ---- what is shown ---------------------------------------------------------

shown() {
	is "size=64M,noatime,user_quota=40" "$(stats options)"
	[[ $(findmnt -no OPTIONS "$POOL") == *noatime* ]]
}

shown_dir() {
	is nodiratime,strictatime "$(stats options)"
	[[ $(findmnt -no OPTIONS "$POOL") == *nodiratime* ]]
	[[ $(findmnt -no OPTIONS "$POOL") != *relatime* ]]
}

@test "options that were given are shown" {
	in_every_way shown -o size=64M,noatime -o user_quota=40
	as_root_in_every_mode shown_dir -o nodiratime,strictatime
}

@test "context= goes to the kernel, commas between quotes and all" {
	local options='size=16M,context="system_u:object_r:tmp_t:s0:c1,c2"'

	need root fuse
	tmp
	POOL=$(mktemp -d "$POOL_TMP/mnt.XXXXXX")
	# shellcheck disable=SC2034
	POOL_AS=
	if [[ -e /sys/fs/selinux/enforce ]]; then
		pool_mount -o "$options"
		[[ $(findmnt -no OPTIONS "$POOL") == *tmp_t:s0:c1,c2* ]]
	else
		# A kernel without SELinux does not know it, and poolfs does.
		run pool_mount -o "$options"
		((status))
		[[ $output != *"no such option"* ]]
	fi
}

# ---- access times ----------------------------------------------------------

# accessed FILE: reads it, and says whether that has set its access time.
accessed() {
	touch -a -d @1000 "$1"
	if [[ -d $1 ]]; then
		ls "$1" >/dev/null
	else
		cat "$1" >/dev/null
	fi
	[[ $(stat -c %X "$1") != 1000 ]]
}

not_accessed() {
	! accessed "$1"
}

atime_flags() {
	cd "$POOL"
	mkdir d
	echo text >f
	printf '#!/bin/sh\n:\n' >x
	chmod 755 x
	fails accessed f
	touch -a -d @1000 x
	./x
	is 1000 "$(stat -c %X x)"
	touch d/new
	fails accessed d
	kill_worker
	fails accessed f

	remount relatime
	wait_until 5 accessed f
	touch -a -d @1000 x
	./x
	[[ $(stat -c %X x) != 1000 ]]
	# Of files that were not changed it is set once.
	touch -a -d @4000000000 f
	cat f >/dev/null
	is 4000000000 "$(stat -c %X f)"
	touch d/new2
	accessed d

	remount strictatime
	strict() {
		touch -a -d @4000000000 f
		cat f >/dev/null
		[[ $(stat -c %X f) != 4000000000 ]]
	}
	wait_until 5 strict
	kill_worker
	strict

	remount nodiratime,relatime
	nodir() {
		touch d/"$RANDOM"
		not_accessed d
	}
	wait_until 5 nodir
	accessed f
	remount diratime
	dir() {
		touch d/"$RANDOM"
		accessed d
	}
	wait_until 5 dir
	wait_until 5 remount ro
	touch_nothing() {
		local before

		before=$(stat -c %X f)
		sleep 1.1
		cat f >/dev/null
		[[ $(stat -c %X f) == "$before" ]]
	}
	remount strictatime
	wait_until 5 touch_nothing
}

@test "noatime, relatime, strictatime, nodiratime: also by remount" {
	in_way root/passthrough atime_flags -o noatime
}

# ---- access times in cached mode -------------------------------------------

# In cached mode most reads are from the kernel's cache.
cached_atime() {
	local fd

	cd "$POOL"
	echo text >f
	accessed f
	accessed f
	# Not after the first read since the last change.
	touch -a -d @4000000000 f
	cat f >/dev/null
	is 4000000000 "$(stat -c %X f)"
	# A change while it is open.
	exec {fd}<f
	read -r -u "$fd"
	touch -a -d @1000 f
	echo more >>f
	is 1000 "$(stat -c %X f)"
	read -r -u "$fd"
	is more "$REPLY"
	exec {fd}<&-
	wait_until 5 read_since f
	# A writer is no reader.
	touch -a -d @1000 f
	echo more >>f
	: >>f
	is 1000 "$(stat -c %X f)"
	kill_worker
	is 1000 "$(stat -c %X f)"
	accessed f
	mkdir d
	touch d/f
	accessed d
}

read_since() {
	[[ $(stat -c %X "$1") != 1000 ]]
}

@test "atime: relative, also of what is read from the kernel's cache" {
	in_every_way cached_atime
}

unread() {
	cd "$POOL"
	echo text >f
	mkdir d
	touch d/f
	fails accessed f
	fails accessed d
}

@test "noatime in cached mode" {
	local way

	for way in $(ways); do
		[[ $way != */cached ]] || in_way "$way" unread -o noatime
	done
}

# ---- chattr ----------------------------------------------------------------

try() {
	local status=0

	"$@" >/dev/null 2>&1 || status=$?
	echo "$*: $status"
}

# Steps on tmpfs and on the pool, whose output must be the same.
flags_steps() {
	local f

	echo text >f
	echo text >h
	mkdir d
	touch d/x
	lsattr -d f d
	for f in i a d A; do
		chattr "+$f" f
		lsattr f
		try cat f
		try write_to f
		try append f
		try truncate -s 1 f
		try truncate -s 100 f
		try fallocate -l 1M f
		try fallocate -p -l 4K f
		try chmod 600 f
		try chown 1:1 f
		try touch f
		try touch -d @5 f
		try setfattr -n user.x -v 1 f
		try setfacl -m u:1:r f
		try ln f g
		try mv f g
		try mv h f
		try mv --exchange f h
		try rm f
		[[ -e f ]] || echo text >f
		[[ -e h ]] || echo text >h
		rm -f g
		chattr "-$f" f
	done
	rm f h
	for f in i a; do
		chattr "+$f" d
		lsattr -d d
		try touch d/y
		try mkdir d/e
		try ln d/x d/l
		try mv d/x d/z
		try rm d/x
		try rmdir d
		try mv d e
		try chmod 700 d
		try ls d
		chattr "-$f" d
		[[ -e d/x ]] || touch d/x
	done
	chattr +ia d
	lsattr -d d
	chattr "=" d
	rm -r d
	echo one >log
	chattr +a log
	for f in 1 2 3; do
		append log
	done
	cat log
	try chattr +u log
	lsattr log
	chattr -a log
	echo >log
	cat log
}

append() {
	echo more >>"$1"
}

@test "chattr: as tmpfs" {
	root_same_as_tmpfs flags_steps
}

# Whoever asks, and whatever dies.
flags_hold() {
	local v=$POOL/v fd

	cd "$POOL"
	chmod 777 .
	echo text >f
	chown 12345 f
	run as_id 12345 12345 chattr +i "$POOL/f"
	((status)) || fail "anybody may make a file immutable"
	as_id 12345 12345 chattr +dA "$POOL/f"
	[[ $(lsattr f) == *-dA-* ]]
	touch -a -d @1000 f
	cat f >/dev/null
	is 1000 "$(stat -c %X f)"
	chattr +i f
	echo one >log
	chattr +a log
	kill_worker
	fails write_to f 2>/dev/null
	fails rm -f f 2>/dev/null
	fails write_to log 2>/dev/null
	echo two >>log
	is "one two" "$(xargs <log)"
	is text "$(<f)"
	timeout 60 "$TOOLS/appendonly" log
	is "one two" "$(xargs <log)"

	# What is volatile is not purged then.
	head -c 1M /dev/zero >v
	volatile v
	settled 256
	chattr +i v
	wait_until 5 freeable_is 0
	purge 256 || true
	is 1048576 "$(stat -c %s v)"
	fails setfattr -n user.pool.volatile -v 0 v 2>/dev/null
	chattr -i v
	settled 256
	purge 256
	wait_until 5 test ! -e v

	# A file that has no name ends like any other.
	exec {fd}<>gone
	rm gone
	chattr +i "/proc/self/fd/$fd" 2>/dev/null || true
	exec {fd}>&-
	wait_until 5 inodes_are 4
	chattr -ia f log
	rm f log
}

inodes_are() {
	(($(stat -f -c "%c - %d" .) <= $1))
}

@test "chattr: kept over a kill, for whoever may; not purged" {
	as_root_in_every_mode flags_hold -o allow_other,size=64M
}
