#!/usr/bin/env bats
# SPDX-License-Identifier: GPL-2.0-or-later
#
# Limits that are limits: size=, nr_inodes=, and the memory of control files.

load helpers
load boxes

teardown() {
	clean_up
}

is() {
	[ "$1" = "$2" ] || fail "expected $1, got $2"
}

# pool FIELD: of .pool/stats.
pool() {
	json "$1" "$POOL/.pool/stats"
}

kill_worker() {
	local worker

	worker=$(pool worker)
	kill -KILL "$worker"
	wait_until 10 other_worker "$worker"
}

other_worker() {
	local now

	now=$(pool worker 2>/dev/null) && [ "$now" != "$1" ]
}

# held_open FILE N: opens it until that fails, but N times at most.  Sets HELD
# to the descriptors, WHY to the last message.
held_open() {
	local i fd

	HELD=()
	WHY=
	for ((i = 0; i < $2; i++)); do
		{ exec {fd}<"$1"; } 2>"$W/why" || break
		HELD+=("$fd")
	done
	WHY=$(<"$W/why")
}

let_go() {
	local fd

	for fd in "${HELD[@]}"; do
		exec {fd}<&-
	done
	HELD=()
}

# ---- size= ---------------------------------------------------------------

# append FILE: writes on, a bit more each time that there is room.
append() {
	exec >>"$1"
	while :; do
		timeout 60 dd if=/dev/zero bs=64K count=64 2>/dev/null || true
		sleep 0.02
	done
}

# send_on BOX
send_on() {
	while :; do
		timeout 60 "$TOOLS/sendtx" --nonblock --size 300K "$1/send" \
			>/dev/null 2>&1 || sleep 0.02
	done
}

# In a pool that others fill, everything that makes a record or opens a file.
poke() {
	local i

	for ((i = 0; i < 30; i++)); do
		mkdir "box/$1.$i" && : >"box/$1.$i/send"
		: >"$1.$i" && mkdir "$1.d$i" && ln "$1.$i" "$1.l$i"
		mv "$1.l$i" "$1.d$i/l"
		setfattr -n user.pool.volatile -v 1 "$1.d$i"
		echo "$i" >"$1.d$i/v"
	done 2>/dev/null || true
}

# Bytes of content; no more than there may be, and that is no more than twice
# the size, of which half is Available then.
content() {
	local stats limit content

	stats=$(timeout 60 cat .pool/stats)
	content=$(json store.content <<<"$stats")
	limit=$(json store.limit <<<"$stats")
	((content <= limit && limit <= 2 * 16777216)) ||
		fail "$content bytes of $limit"
	echo "$content"
}

# Everything that the pool makes for itself while users fill it.
nothing_is_lent() {
	local i n

	cd "$POOL" || return
	ulimit -n 4096 || ulimit -n "$(ulimit -Hn)"
	for i in 1 2; do
		background append "$POOL/w$i"
	done
	wait_until 20 full
	for ((i = 0; i < 5; i++)); do
		held_open .pool/metrics 300
		poke "p$i"
		let_go
		n=$(content)
		((n <= 16777216)) || fail "$n bytes"
	done
	kill_children
	# by now nobody needs what the pool made for itself
	rm -rf w1 w2 p* full.try
	wait_until 20 emptied
	wait_until 20 released
	head -c 15M /dev/zero >all
	is 15728640 "$(stat -c %s all)"
	is 0 "$(pool restarts)"
}

# With Available memory, which comes on top of the size.
size_holds() {
	local i limit most

	cd "$POOL" || return
	mkdir box/s
	background append "$POOL/w1"
	background send_on "$POOL/box/s"
	background receive_all "$POOL/box/s"
	wait_until 20 full
	mkdir v
	setfattr -n user.pool.volatile -v 1 v
	for ((i = 0; i < 30; i++)); do
		{
			head -c 1M /dev/zero >"v/$((i % 10))"
			cat "v/$((i % 7))" >/dev/null
		} 2>/dev/null || true
		content >/dev/null
	done
	kill_children
	rm -rf w1 v full.try
	wait_until 20 emptied
	wait_until 20 released
	# what the box has freed may still be Available, and comes on top
	if [[ $WAY != user/* ]]; then
		limit=$(pool store.limit)
		most=$((16777216 + $(pool pages.available) * $(getconf PAGESIZE)))
		((limit >= 16777216 && limit <= most)) ||
			fail "$limit, with $most at most"
	fi
	head -c 15M /dev/zero >all
	is 0 "$(pool restarts)"
}

receive_all() {
	while :; do
		timeout 60 "$TOOLS/recvtx" --free "$1" >/dev/null 2>&1 || sleep 0.02
	done
}

# Whoever was sending ends by itself.
emptied() {
	rm -f box/*/tx/* && rmdir box/*
} 2>/dev/null

full() {
	! head -c 64K /dev/zero >full.try
} 2>/dev/null

released() {
	(($(pool store.content) <= 2 * 1024 * 1024))
}

kill_children() {
	local note pid

	for note in "$POOLFS_STATE"/pid.*; do
		pid=${note##*.}
		kill -KILL "$pid" 2>/dev/null || true
		wait "$pid" 2>/dev/null || true
		rm -f "$note"
	done
}

@test "size=: what the pool needs in a full pool is lent to nobody" {
	in_every_way nothing_is_lent -o size=16M
}

@test "size=: what is Available comes on top of it, and no more" {
	in_every_way size_holds -o size=16M
}

# ---- nr_inodes= ----------------------------------------------------------

# files_fit DIR: how many files there is room for in it; they stay there.
files_fit() {
	local i

	for ((i = 0; i < 500; i++)); do
		{ : >"$1/f$i"; } 2>/dev/null || break
	done
	echo "$i"
}

inodes_hold() {
	local i

	cd "$POOL" || return
	mkdir d
	# the root and d are two of the 100
	is 98 "$(files_fit d)"
	for i in {1..30}; do
		held_open .pool/stats 5
		mkdir "box/b$i"
		"$TOOLS/sendtx" --size 10 "box/b$i/send"
		let_go
		fails touch "d/more$i" 2>/dev/null
	done
	# a file that takes another one's place has two names for a moment, and the
	# inode of the other one comes back when the kernel has forgotten it
	for i in {1..20}; do
		mv "d/f$i" "d/f$((i + 20))"
		wait_until 5 eval ': >"d/f$i"' 2>/dev/null
		fails touch "d/more$i" 2>/dev/null
	done
	kill_worker
	fails touch d/more 2>/dev/null
	for i in {1..30}; do
		rm "box/b$i/tx"/*
		rmdir "box/b$i"
		fails touch "d/more$i" 2>/dev/null
	done
	rm -r d
	mkdir d
	is 98 "$(files_fit d)"
	is "100 0" "$(stat -f -c '%c %d' .)"
}

@test "nr_inodes=: users have as many, whatever the pool makes for itself" {
	as_root_in_every_mode inodes_hold -o nr_inodes=100,size=64M
}

# ---- texts of control files ----------------------------------------------

# As an ordinary user in root's pool: as many as its share has room for.
texts_of_user() {
	ulimit -n 20000
	W=$(mktemp -d)
	held_open "$1" 19000
	echo "${#HELD[@]} $WHY"
	rm -r "$W"
}

texts_are_counted() {
	local held before

	ulimit -n 20000 || skip_or_fail "no 20000 descriptors"
	before=$(pool store.records)
	run as_user texts_of_user "$POOL/.pool/metrics"
	[[ $output == *"quota exceeded"* ]] || fail "$output"
	held=${output%% *}
	((held > 10 && held < 1000)) || fail "$held texts"
	(($(pool store.records) - before <= 2 << 20))
	# all that there may be, and none is lent by the size
	held_open "$POOL/.pool/metrics" 19000
	[[ $WHY == *"No space left"* ]] || fail "$WHY"
	fails json uptime "$POOL/.pool/stats" 2>/dev/null
	let_go
	wait_until 20 json uptime "$POOL/.pool/stats"
	(($(pool store.records) - before <= 1 << 20))
}

@test "texts of open control files are counted to who opened them" {
	as_root_in_every_mode texts_are_counted -o size=16M,allow_other
}

text_stays() {
	local first rest

	exec {fd}<"$POOL/.pool/metrics"
	read -r -N 700 first <&"$fd"
	mkdir "$POOL/box/x"
	kill_worker
	rest=$(timeout 60 cat <&"$fd")
	exec {fd}<&-
	open_metrics_end <<<"$rest"
	# made before the box was, to the last byte
	grep -q '^poolfs_boxes 0$' <<<"$first$rest"
}

open_metrics_end() {
	[[ $(tail -n 1) == "# EOF" ]]
}

@test "a text is the same when the worker was killed in between" {
	in_every_way text_stays
}

# ---- bytes of users ------------------------------------------------------

# as UID CMD...
as() {
	as_id "$1" "$1" timeout 60 "${@:2}"
}

# megabytes UID WHAT: how many of 1 MiB it can have, and what it hears then.
megabytes() {
	local i out

	for ((i = 0; i < 20; i++)); do
		out=$("$2" "$1" 2>&1) || break
	done
	echo "$i $out"
}

send_as() {
	as "$1" "$TOOLS/sendtx" --nonblock --size 1M "$POOL/box/$1/send"
}

append_as() {
	as "$1" dd if=/dev/zero of="$POOL/d$1/f" bs=1M count=1 oflag=append \
		conv=notrunc status=none
}

# has UID ITEM
has() {
	json ".users[\"$1\"].$2 // 0" "$POOL/.pool/stats"
}

files_are_counted() {
	local uid

	for uid in 1001 1002; do
		as "$uid" mkdir "$POOL/box/$uid"
		as "$uid" truncate -s 16M "$POOL/box/$uid/data"
		mkdir "$POOL/d$uid"
		chown "$uid" "$POOL/d$uid"
	done
	[[ $(megabytes 1001 append_as) == "8 "*quota* ]]
	is 8388608 "$(has 1001 file_bytes)"
	kill_worker
	is 8388608 "$(has 1001 file_bytes)"
	# however deep they are
	as 1002 sh -c "cd $POOL/d1002; for i in \$(seq 250); do mkdir d; cd d; done
		head -c 1M /dev/zero >f"
	kill_worker
	is $((1 << 20)) "$(has 1002 file_bytes)"
	rm -r "$POOL/d1002/d"
	wait_until 10 gave_back 1002
	# others go on, and bytes that are there can be written again
	is "8 " "$(megabytes 1002 append_as | cut -c1-2)"
	as 1001 dd if=/dev/zero of="$POOL/d1001/f" bs=1M count=8 conv=notrunc \
		status=none
	rm "$POOL/d1002/f"
	# also those that were only allocated, and what is there of a larger part
	as 1002 fallocate -l 6M "$POOL/d1002/f"
	as 1002 fallocate -l 8M "$POOL/d1002/f"
	as 1002 dd if=/dev/zero of="$POOL/d1002/f" bs=1M count=8 conv=notrunc \
		status=none
	is 8388608 "$(has 1002 file_bytes)"
	rm "$POOL/d1002/f"
	# boxes and files together
	is "0 sendtx: write: EDQUOT" "$(megabytes 1001 send_as)"
	as 1001 truncate -s 4M "$POOL/d1001/f"
	is "4 sendtx: write: EDQUOT" "$(megabytes 1001 send_as)"
	rm "$POOL"/box/1001/tx/*
	as 1001 fallocate -p -o 0 -l 1M "$POOL/d1001/f"
	is $((3 << 20)) "$(has 1001 file_bytes)"
	# open, but without a name
	exec {fd}<"$POOL/d1001/f"
	rm "$POOL/d1001/f"
	is $((3 << 20)) "$(has 1001 file_bytes)"
	exec {fd}<&-
	wait_until 10 gave_back 1001
	as 1001 sh -c "head -c 2M /dev/zero >$POOL/d1001/f"
	chown 1002 "$POOL/d1001/f"
	is "0 $((2 << 20))" "$(has 1001 file_bytes) $(has 1002 file_bytes)"
	rm "$POOL/d1001/f"
	wait_until 10 gave_back 1002
	# root has no share
	head -c 15M /dev/zero >"$POOL/all"
}

gave_back() {
	[[ $(has "$1" file_bytes) == 0 ]]
}

@test "in cached mode plain files have a share of the size, by user" {
	need fuse root
	pool_start --mode=cached -o allow_other,size=16M,user_quota=50
	files_are_counted
	pool_stop
}

# tmpfs counts what clients write past the worker.
passthrough_is_counted() {
	local uid

	is tmpfs "$(pool store.files_counted_by)"
	for uid in 1001 1002 1003; do
		mkdir "$POOL/d$uid"
		chown "$uid" "$POOL/d$uid"
	done
	[[ $(megabytes 1001 append_as) == "4 "*quota* ]]
	is 4194304 "$(has 1001 file_bytes)"
	kill_worker
	is 4194304 "$(has 1001 file_bytes)"
	[[ $(megabytes 1001 append_as) == "0 "*quota* ]]
	# whoever writes: it is the owner's share
	fails dd if=/dev/zero of="$POOL/d1001/f" bs=4K count=1 oflag=append \
		conv=notrunc status=none 2>/dev/null
	# what is there can be written again; others go on
	as 1001 dd if=/dev/zero of="$POOL/d1001/f" bs=1M count=4 conv=notrunc \
		status=none
	is "4 " "$(megabytes 1002 append_as | cut -c1-2)"
	# root has no share, and regions are root's
	mkdir "$POOL/box/r"
	truncate -s 8M "$POOL/box/r/data"
	for uid in 1 2 3 4 5 6; do
		timeout 60 "$TOOLS/sendtx" --nonblock --size 1M "$POOL/box/r/send"
	done
	rm "$POOL"/box/r/tx/*
	rmdir "$POOL/box/r"
	# a purged, a cut and a removed file give back; so does one without a name
	as 1001 fallocate -p -o 0 -l 1M "$POOL/d1001/f"
	is $((3 << 20)) "$(has 1001 file_bytes)"
	as 1001 truncate -s 2M "$POOL/d1001/f"
	is $((1 << 20)) "$(has 1001 file_bytes)"
	exec {fd}<"$POOL/d1001/f"
	rm "$POOL/d1001/f"
	is $((1 << 20)) "$(has 1001 file_bytes)"
	exec {fd}<&-
	wait_until 10 gave_back 1001
	as 1001 sh -c "head -c 1M /dev/zero >$POOL/d1001/v"
	setfattr -n user.pool.volatile -v 1 "$POOL/d1001/v"
	make_purge
	wait_until 10 gave_back 1001
	# a file that is given away moves to the other share, if it has room
	as 1001 sh -c "head -c 2M /dev/zero >$POOL/d1001/f"
	fails chown 1002 "$POOL/d1001/f" 2>/dev/null
	chown 1003 "$POOL/d1001/f"
	is "0 $((2 << 20))" "$(has 1001 file_bytes) $(has 1003 file_bytes)"
}

make_purge() {
	echo "0 0 100000" >"$(echo "$POOL"/.pool/shrinker/volatile-files-*/scan)"
}

share_is_changed() {
	local uid

	# for who has files, and for who gets the first one later
	is 4194304 "$(has 1002 file_bytes)"
	echo '{"user_quota": 50}' >"$POOL/.pool/config"
	rm "$POOL/d1001/f"
	for uid in 1004 1005; do
		mkdir "$POOL/d$uid"
		chown "$uid" "$POOL/d$uid"
	done
	[[ $(megabytes 1002 append_as) == "4 "*quota* ]]
	rm "$POOL/d1002/f"
	kill_worker
	mkdir "$POOL/d1006"
	chown 1006 "$POOL/d1006"
	[[ $(megabytes 1006 append_as) == "8 "*quota* ]]
	rm "$POOL/d1006/f"
	[[ $(megabytes 1004 append_as) == "8 "*quota* ]]
	echo '{"user_quota": 10}' >"$POOL/.pool/config"
	[[ $(megabytes 1005 append_as) == "1 "*quota* ]]
	[[ $(megabytes 1004 append_as) == "0 "*quota* ]]
	is 8388608 "$(has 1004 file_bytes)"
	is 0 "$(pool store.content | awk '{ print ($1 > 16777216) }')"
}

@test "in passthrough mode plain files have a share where tmpfs counts them" {
	need fuse root passthrough
	# No package brings that.
	has_tmpfs_quota || skip "the kernel has no CONFIG_TMPFS_QUOTA"
	pool_start --mode=passthrough -o allow_other,size=16M
	passthrough_is_counted
	share_is_changed
	pool_stop
}

@test ".pool/stats says who counts bytes of plain files to users" {
	local counts=nobody

	need fuse root
	! has_tmpfs_quota || counts=tmpfs
	pool_start --mode=cached -o allow_other,size=16M
	is worker "$(pool store.files_counted_by)"
	pool_stop
	for options in size=16M allow_other,size=16M,user_quota=100; do
		pool_start --mode="${MODES%% *}" -o "$options"
		[[ $MODES == cached ]] ||
			is nobody "$(pool store.files_counted_by)"
		pool_stop
	done
	has_passthrough || return 0
	pool_start --mode=passthrough -o allow_other,size=16M
	is "$counts" "$(pool store.files_counted_by)"
	pool_stop
}

# ---- the limit that the worker lives in ----------------------------------

# within CMD...: in the memory group GROUP, for good.
within() {
	(
		echo "$BASHPID" >"$GROUP/cgroup.procs"
		"$@"
	)
}

oom_kills() {
	if [[ -e $GROUP/memory.oom_control ]]; then
		sed -n 's/^oom_kill //p' "$GROUP/memory.oom_control"
	else
		sed -n 's/^oom_kill //p' "$GROUP/memory.events"
	fi
}

# group_pool MODE LIMIT [OPTION...]: a pool whose processes live in a group.
group_pool() {
	local mode=$1 limit=$2

	shift 2
	tmp
	GROUP=$(cgroup_new "$limit")
	POOL=$(mktemp -d "$POOL_TMP/mnt.XXXXXX")
	POOL_AS=within
	pool_mount --mode="$mode" "$@"
	# shellcheck disable=SC2034 # pool_mount reads it
	POOL_AS=
}

# until_refused CMD...: again and again; what it says in the end.
until_refused() {
	local i out

	for ((i = 0; i < 2000; i++)); do
		out=$("$@" 2>&1) || break
	done
	echo "$out"
}

send_to() {
	timeout 60 "$TOOLS/sendtx" --nonblock --size 1M "$POOL/box/$1/send"
}

write_to() {
	timeout 60 dd if=/dev/zero bs=1M count=8 of="$POOL/file.$RANDOM$RANDOM"
}

# A sanitizer's own memory is charged to the group, too.
GROUP_LIMIT=$((64 << 20))
! sanitized || GROUP_LIMIT=$((192 << 20))

group_bounds() {
	local b out

	group_pool "$1" "$GROUP_LIMIT" -o size=256M
	(($(pool store.memory_limit) == GROUP_LIMIT))
	(($(pool store.effective_size) < GROUP_LIMIT))
	# nobody receives
	for b in 1 2 3 4 5 6; do
		mkdir "$POOL/box/$b"
		truncate -s 32M "$POOL/box/$b/data"
	done
	for b in 1 2; do
		out=$(until_refused send_to "$b")
		[[ $out == *ENOSPC* || $out == *EAGAIN* ]] ||
			fail "$out"
	done
	for b in 3 4 5; do
		background until_refused send_to "$b"
	done
	# payloads that wait are memory of the worker, too
	for b in {1..20}; do
		background "$TOOLS/sendtx" --size 1M "$POOL/box/1/send"
	done
	out=$(until_refused send_to 6)
	[[ $out == *ENOSPC* || $out == *"No space left"* ]] || fail "$out"
	if [[ $1 == cached ]]; then
		out=$(until_refused write_to)
		[[ $out == *ENOSPC* || $out == *"No space left"* ]] || fail "$out"
	fi
	# all else goes on
	for b in {1..50}; do
		mkdir "$POOL/d$b"
		echo "$b" >"$POOL/d$b/f" 2>/dev/null || true
		ls -l "$POOL/d$b" >/dev/null
		rm -r "$POOL/d$b"
	done
	rm -f "$POOL"/file.*
	kill_children
	rm "$POOL"/box/2/tx/*
	send_to 2
	is 0 "$(oom_kills)"
	is 0 "$(pool restarts)"
	# limits can change
	set_group_limit 256M
	wait_until 5 memory_limit_is $((256 << 20))
	for b in {1..8}; do
		send_to 2
	done
	is 0 "$(oom_kills)"
	pool_stop
}

set_group_limit() {
	if [[ -e $GROUP/memory.limit_in_bytes ]]; then
		echo "$1" >"$GROUP/memory.limit_in_bytes"
	else
		echo "$1" >"$GROUP/memory.max"
	fi
}

memory_limit_is() {
	(($(pool store.memory_limit) == $1))
}

@test "a pool in a small memory group: ENOSPC, and no OOM kill" {
	local mode

	need fuse root cgroup
	[[ $(awk '/SwapTotal/ { print $2 }' /proc/meminfo) == 0 ]] ||
		skip_or_fail "with swap there is more room"
	for mode in $MODES; do
		group_bounds "$mode"
	done
}
