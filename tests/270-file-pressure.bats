#!/usr/bin/env bats
# SPDX-License-Identifier: GPL-2.0-or-later
# shellcheck disable=SC2164 # bodies run with "set -e"
#
# Plain files and little memory: a full pool, a full inode table, and a memory
# group that is smaller than its files.

load helpers
load boxes
load posix
load volatile

teardown() {
	clean_up
}

# of_size FILE MIB: zeros, all of them or the test ends.
of_size() {
	dd if=/dev/zero of="$1" bs=1M count="$2" status=none
}

# until_full DIR: files of 1 MiB, until there is no space; how many are whole.
until_full() {
	local i

	for ((i = 0; i < 200; i++)); do
		if ! of_size "$1/$i" 1 2>"$W/why"; then
			rm "$1/$i"
			grep -q "No space left on device" "$W/why" ||
				fail "$(<"$W/why")"
			break
		fi
	done
	echo "$i"
}

# full_of_volatile MIB: in a directory v, and nobody uses them.
full_of_volatile() {
	local i

	mkdir "$POOL/v"
	volatile "$POOL/v"
	for ((i = 0; i < $1; i++)); do
		of_size "$POOL/v/$i" 1
	done
	settled $(($1 * 256))
	is "$1" "$(ls "$POOL/v" | wc -l)"
}

# ---- a full pool -------------------------------------------------------------

volatile_gives_way() {
	local i

	cd "$POOL"
	full_of_volatile 60
	# by write, which here is larger than what is left
	of_size plain 40
	is $((40 << 20)) "$(stat -c %s plain)"
	(($(pool volatile.purged_files) >= 30))
	(($(df --output=used -B 1M . | tail -n 1) >= 40))
	cmp plain <(head -c 40M /dev/zero)
	# what it leaves are the youngest
	for i in v/*; do
		[[ -e $i ]] || break # none is left
		((${i#v/} >= $(pool volatile.purged_files)))
		cmp "$i" <(head -c 1M /dev/zero)
	done
	rm -r plain v
	is 0 "$(freeable)"
}

@test "size=: volatile files give way to a writer" {
	in_every_way volatile_gives_way -o size=64M
}

other_ways_to_write() {
	cd "$POOL"
	full_of_volatile 60
	fallocate -l 40M f
	is $((40 << 20)) "$(stat -c %s f)"
	rm -r f v
	full_of_volatile 60
	head -c 20M /dev/zero >source
	# it may copy less, but something, and cp goes on
	is "0 0 1048576" "$(posix open source r open f rw,creat,trunc \
		copy 0 0 0 1M)"
	cp source f
	cmp source f
	rm -r source f v
	full_of_volatile 60
	posix open f rw,creat truncate 20M map-rw 20M poke end 20971515 \
		>/dev/null
	is 3:end "$(posix open f r pread 3 20971515 | cut -d ' ' -f 2)"
	new_box a 32M
	"$TOOLS/sendtx" --size 32M "$BOX/send"
	is 33554432 "$("$TOOLS/recvtx" --timeout 60 --header "$B/a" | json size)"
}

# bats test_tags=slow
@test "size=: to fallocate, copies, mappings, boxes" {
	in_every_way other_ways_to_write -o size=64M
}

ranges_give_way() {
	cd "$POOL"
	of_size f 50
	is 0 "$("$TOOLS/pinrange" unpin f 1M 48M)"
	of_size plain 40
	cmp plain <(head -c 40M /dev/zero)
	is 1 "$("$TOOLS/pinrange" pin f 1M 48M)"
	is $((50 << 20)) "$(stat -c %s f)"
}

@test "size=: volatile ranges give way, too" {
	in_every_way ranges_give_way -o size=64M
}

# holds_to_size FILE: what ordinary content there is room for.
holds_to_size() {
	of_size "$1" 200 2>/dev/null || true
	(($(stat -c %s "$1") <= 66 << 20)) ||
		fail "$(stat -c %s "$1") bytes in $1"
	rm "$1"
}

nothing_given_up() {
	cd "$POOL"
	# a hole
	truncate -s 2G sparse
	is 0 "$("$TOOLS/pinrange" unpin sparse 0 0)"
	holds_to_size a
	# memory that was there when it was unpinned
	of_size punched 30
	is 0 "$("$TOOLS/pinrange" unpin punched 0 0)"
	fallocate -p -l 30M punched
	holds_to_size b
	rm sparse punched
	# twice: as a range, and with its file
	mkdir v
	volatile v
	of_size v/f 30
	is 0 "$("$TOOLS/pinrange" unpin v/f 0 0)"
	holds_to_size c
}

@test "size=: who unpins what is no memory gets none for it" {
	in_every_way nothing_given_up -o size=64M
}

mapped_does_not() {
	cd "$POOL"
	mkdir v
	volatile v
	of_size v/0 40
	background "$TOOLS/mapread" --sum --close --hold 30 v/0 >"$W/sum"
	wait_until 10 test -s "$W/sum"
	fails of_size v/1 40 2>/dev/null
	(($(stat -c %s v/1) <= 26 << 20)) ||
		fail "$(stat -c %s v/1) bytes beside 40 MiB that are mapped"
	kill_worker
	fails of_size v/1 40 2>/dev/null
	kill "$BG_PID"
	wait "$BG_PID" || true
	# the limit follows with the next that is opened or closed
	of_size v/1 40 2>/dev/null || of_size v/1 40
}

@test "size=: nor do volatile files that are closed, and mapped" {
	in_every_way mapped_does_not -o size=64M
}

ordinary_does_not() {
	local n used

	cd "$POOL"
	mkdir p
	n=$(until_full p)
	# tables have some room, too, which is then there
	((n >= 60 && n <= 72)) || fail "$n MiB into 64 MiB"
	used=$(df --output=used -B 1M . | tail -n 1)
	((used >= 60 && used <= 72)) || fail "df has $used MiB"
	# still, and for everything that needs a page
	is "ENOSPC" "$(posix open p/0 rw fallocate extend 1M 20M |
		cut -d ' ' -f 2)"
	fails of_size more 20 2>/dev/null
	rm more
	# nobody's content has suffered
	for ((n--; n >= 0; n--)); do
		cmp "p/$n" <(head -c 1M /dev/zero)
	done
	rm p/0 p/1 p/2
	mkdir p/more
	n=$(until_full p/more)
	((n <= 4)) || fail "$n more MiB in the place of 3"
}

# bats test_tags=slow
@test "size=: ordinary files do not: ENOSPC" {
	in_every_way ordinary_does_not -o size=64M
}

open_ones_do_not() {
	local i fd
	local -a fds=()

	cd "$POOL"
	full_of_volatile 50
	for ((i = 0; i < 50; i++)); do
		exec {fd}<"v/$i"
		fds+=("$fd")
	done
	fails of_size plain 40 2>/dev/null
	rm plain
	for ((i = 0; i < 50; i++)); do
		cmp "v/$i" <(head -c 1M /dev/zero)
	done
	for fd in "${fds[@]}"; do
		exec {fd}<&-
	done
	settled $((50 * 256))
	of_size plain 40
}

@test "size=: volatile files that are open do not" {
	in_every_way open_ones_do_not -o size=64M
}

without_end() {
	local i

	cd "$POOL"
	mkdir v
	volatile v
	for ((i = 0; i < 200; i++)); do
		of_size "v/$i" 1
	done
	# the cache is as large as it may be, and no larger
	i=$(ls v | wc -l)
	((i >= 8 && i <= 40)) || fail "$i files of 1 MiB in 16 MiB"
	cmp "v/199" <(head -c 1M /dev/zero)
	fails test -e v/0
}

# bats test_tags=slow
@test "size=: a cache that is written to without end" {
	in_every_way without_end -o size=16M
}

# ---- a full inode table ------------------------------------------------------

# filled DIR: empty files until there is no inode; how many.
filled() {
	local i

	for ((i = 0; i < 2000; i++)); do
		{ : >"$1/$i"; } 2>"$W/why" || break
	done
	grep -q "No space left on device" "$W/why" || fail "$(<"$W/why")"
	echo "$i"
}

inodes() {
	local n

	cd "$POOL"
	mkdir p
	n=$(filled p)
	((n >= 300 && n <= 500)) || fail "$n files with nr_inodes=500"
	is 0 "$(df --output=iavail . | tail -n 1 | tr -d ' ')"
	is "ENOSPC ENOSPC ENOSPC ENOSPC" "$(posix mkdir d 0755 symlink x l \
		mknod m fifo 0600 0 open . rw,tmpfile)"
	# tmpfs counts names, too
	is ENOSPC "$(posix link p/0 p/again)"
	rm p/0
	is 0 "$(posix mkdir d 0755)"
	rm -r p d
	mkdir p
	is "$n" "$(filled p)"
	rm -r p
}

@test "nr_inodes=: ENOSPC, and room again" {
	as_root_in_every_mode inodes -o nr_inodes=500
}

control_without_inodes() {
	cd "$POOL"
	new_box a
	mkdir p
	filled p >/dev/null
	is 0 "$(pool restarts)"
	"$TOOLS/sendtx" --text hello "$BOX/send"
	is hello "$("$TOOLS/recvtx" --timeout 60 "$BOX")"
	kill_worker
	is 1 "$(pool restarts)"
	rm -r p
}

@test "nr_inodes=: what the pool needs itself is not counted" {
	as_root_in_every_mode control_without_inodes -o nr_inodes=500
}

volatile_inodes() {
	local i n

	cd "$POOL"
	mkdir p v
	volatile v
	# as many as there may be, and with something to give
	for ((i = 0; i < 600; i++)); do
		echo "$i" >"v/$i"
	done
	is 599 "$(<v/599)"
	fails test -e v/0
	n=$(ls v | wc -l)
	((n <= 500))
	# for anything that needs one
	for i in {1..50}; do
		echo "$i" >"p/$i"
		mkdir "p/d$i"
		ln -s x "p/l$i"
	done
	is 150 "$(ls p | wc -l)"
	is 50 "$(<p/50)"
}

@test "nr_inodes=: volatile files give way" {
	as_root_in_every_mode volatile_inodes -o nr_inodes=500
}

@test "nr_inodes= is refused where the store is not the pool's own" {
	need user_mount
	tmp
	POOL=$(mktemp -d "$POOL_TMP/mnt.XXXXXX")
	mkdir "$POOL_TMP/store"
	run timeout 60 "$POOLFS" --store "$POOL_TMP/store" -o nr_inodes=500 \
		"$POOL"
	[ "$status" = 1 ]
	[[ $output == *"nr_inodes=500"* ]]
	run timeout 60 "$POOLFS" -o nr_inodes=many "$POOL"
	[ "$status" != 0 ]
	fails is_mounted "$POOL"
	user_setup
	chown "$POOLFS_TEST_USER" "$POOL"
	run as_user timeout 60 "$POOLFS" -o nr_inodes=500 "$POOL"
	[ "$status" = 1 ]
	[[ $output == *"nr_inodes=500"* ]]
	wait_until 2 fails is_mounted "$POOL"
	wait_until 5 nothing_in "$USER_RUN"
}

@test "usrquota: EDQUOT for a user as on tmpfs, or a refusal that names it" {
	local options=usrquota,usrquota_block_hardlimit=1M
	need root
	tmp
	POOL=$(mktemp -d "$POOL_TMP/mnt.XXXXXX")
	if has_tmpfs_quota; then
		pool_mount -o "allow_other,$options"
		chmod 1777 "$POOL"
		user_setup
		run as_user dd if=/dev/zero of="$POOL/f" bs=64K count=32
		[ "$status" = 1 ]
		[[ $output == *"quota exceeded"* ]]
		# root has no limit, and regions are root's
		head -c 2M /dev/zero >"$POOL/root"
		mkdir "$POOL/box/b"
		"$TOOLS/sendtx" --nonblock --size 2M "$POOL/box/b/send"
		pool_stop
	else
		run timeout 60 "$POOLFS" -o "$options" "$POOL"
		[ "$status" = 1 ]
		[[ $output == *"-o usrquota: this kernel's tmpfs does not"* ]]
		fails is_mounted "$POOL"
	fi
}

# ---- a memory group that is smaller than the files ---------------------------

LIMIT=128M
SWAP=128M
FILES=220 # of 2 MiB
# A sanitizer's own memory is charged to the group, too.
if sanitized; then
	LIMIT=256M
	SWAP=192M
	FILES=300
fi

# group_setup: a group with a limit and swap; INSIDE enters it and runs what it
# is given, so that every page that this touches first is charged to the group.
group_setup() {
	tmp
	zram_new "$SWAP"
	GROUP=$(cgroup_new "$LIMIT")
	INSIDE=$POOL_TMP/inside
	cat >"$INSIDE" <<-END
		#!/bin/bash
		echo \$\$ >"$GROUP/cgroup.procs"
		exec "\$@"
	END
	cat >"$POOL_TMP/fill" <<-'END'
		#!/bin/bash
		# DIR FILES: as fast as it can
		for ((i = 0; i < $2; i++)); do
			yes "file $i" | head -c 2M >"$1/$i" || exit
		done
	END
	chmod 755 "$INSIDE" "$POOL_TMP/fill"
	# ordinary users enter it, too
	chmod 666 "$GROUP/cgroup.procs"
}

# killed: how often the OOM killer has come to the group.
killed() {
	sed -n 's/^oom_kill //p' "$GROUP/memory.events" \
		"$GROUP/memory.oom_control" 2>/dev/null
}

# pressure_file: where the group's waiting is told; version 1 has it for the
# machine as a whole only.
pressure_file() {
	if [[ -r $GROUP/memory.pressure ]]; then
		echo "$GROUP/memory.pressure"
	else
		echo /proc/pressure/memory
	fi
}

# The reference: the same files, the same limit, the same swap, no pool.
on_tmpfs() {
	local status=0

	group_setup
	reference_setup
	timeout 300 "$INSIDE" "$POOL_TMP/fill" "$REFERENCE" "$FILES" \
		2>"$POOL_TMP/said" || status=$?
	echo "# tmpfs: $(ls "$REFERENCE" | wc -l) of $FILES files," \
		"killed $(killed) times" >&3
	((status)) || fail "the writer was not killed"
	(($(killed) > 0)) || fail "no OOM killer, but: $(<"$POOL_TMP/said")"
	(($(ls "$REFERENCE" | wc -l) < FILES))
	rm -r "${REFERENCE:?}"
	pressure_stop
}

# in_pool START OPTION...: the pool is in the group, and so is the writer.
in_pool() {
	local start=$1 f i=0 n=0 real=$POOLFS POOLFS

	shift
	group_setup
	POOLFS=$POOL_TMP/poolfs
	printf '#!/bin/bash\nexec "%s" "%s" "$@"\n' "$INSIDE" "$real" >"$POOLFS"
	chmod 755 "$POOLFS"
	"$start" --psi "$(pressure_file)" "$@"
	grep -qx "$(pool_pid worker)" "$GROUP/cgroup.procs"
	$POOL_AS mkdir "$POOL/v"
	$POOL_AS setfattr -n "$ATTRIBUTE" -v 1 "$POOL/v"
	$POOL_AS cp "$TOP/Makefile" "$POOL/ordinary"
	$POOL_AS timeout 300 "$INSIDE" "$POOL_TMP/fill" "$POOL/v" "$FILES" ||
		fail "the writer ended with $?; killed: $(killed)"
	is 0 "$(killed)"
	is 0 "$(pool_pid restarts)"
	for f in $($POOL_AS ls "$POOL/v"); do
		n=$((n + 1))
		((f >= i)) || i=$f
		# a file may still go, but not a part of it
		if $POOL_AS cat "$POOL/v/$f" >"$POOL_TMP/content"; then
			cmp "$POOL_TMP/content" <(yes "file $f" | head -c 2M)
		fi
	done 2>/dev/null
	echo "# ${POOL_AS:-root} ${*: -1}: $n of $FILES files," \
		"killed $(killed) times" >&3
	# less than the memory there is, and not nothing
	((n > 0 && n < 128))
	$POOL_AS cmp "$TOP/Makefile" "$POOL/ordinary"
	(($($POOL_AS json volatile.purged_files "$POOL/.pool/stats") > 50))
	pool_stop
	pressure_stop
}

# bats test_tags=alone,once
@test "more files than a memory group allows: tmpfs brings the OOM killer" {
	need real_pressure
	on_tmpfs
}

# bats test_tags=alone,once
@test "the same files, volatile in a pool, shrink: passthrough" {
	need real_pressure passthrough
	in_pool pool_start --mode=passthrough
}

# bats test_tags=alone,once
@test "the same files, volatile in a pool, shrink: cached" {
	need real_pressure
	in_pool pool_start --mode=cached
}

# bats test_tags=alone
@test "the same files, volatile in a pool, shrink: an ordinary user" {
	need real_pressure user_mount
	in_pool pool_as_user_start --mode=cached
}
