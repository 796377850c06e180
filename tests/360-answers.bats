#!/usr/bin/env bats
# SPDX-License-Identifier: GPL-2.0-or-later
# shellcheck disable=SC2164 # bodies run with "set -e"
#
# What is answered, and to whom: paths and names that are not for everybody,
# the errno that is true, attributes that follow those of another inode, offsets
# and lengths of any size.

load helpers
load boxes
load posix
load volatile

teardown() {
	clean_up
}

# as UID CMD...
as() {
	as_id "$1" "$1" timeout -k 1 60 "${@:2}"
}

# ---- who may read what -------------------------------------------------------

# last_purge UID: the newest event of that kind, as that user reads it.
last_purge() {
	as "$1" dd if="$POOL/.pool/events" bs=64K iflag=nonblock status=none \
		2>/dev/null | jq -c 'select(.event == "purge") | [.path, .pages]' |
		tail -n 1
}

private_paths() {
	cd "$POOL"
	mkdir -m 700 private
	made private/secret 64K
	chown 1234:1234 private/secret
	settled 16
	# somebody who waits for the event hears of it without its path
	background as_id 1111 1111 timeout 100 cat .pool/events >"$W/heard"
	wait_until 5 grep -q '"mount"' "$W/heard"
	purge 16
	gone private/secret
	is '["private/secret",16]' "$(last_purge 0)"
	is '["private/secret",16]' "$(last_purge 1234)"
	is '[null,16]' "$(last_purge 1111)"
	wait_until 5 grep -q '"purge"' "$W/heard"
	kill -KILL "$BG_PID"
	fails grep -q secret "$W/heard"
	kill_worker
	is '["private/secret",16]' "$(last_purge 0)"
	is '[null,16]' "$(last_purge 1111)"
}

@test "events: the path of a purged file is for root and its owner" {
	as_root_in_every_mode private_paths -o allow_other
}

long_path() {
	local dir name i

	cd "$POOL"
	# 6 levels of 200 bytes, not UTF-8: 1206 bytes, and 3606 as the event has
	# them, more than a line; 2 levels are fewer
	name=$(printf '\377%.0s' {1..200})
	dir=.
	for i in {1..5}; do
		dir=$dir/$name
		mkdir "$dir"
		made "$dir/f" 64K
		settled 16
		purge 16
		gone "$dir/f"
		settled 0
		is "$((i * 201 + 1))" "$(events | jq -r '
			select(.event == "purge") | .path_bytes //
			(.path | gsub("%FF"; "x") | length)' | tail -n 1)"
	done
	is 5 "$(events | jq -c 'select(.event == "purge")' | wc -l)"
	rm -r "$name"
}

@test "events: a path of any bytes is whole, or its length is said" {
	in_every_way long_path
}

# listed_to UID: names of attributes of f.
listed_to() {
	as "$1" getfattr -m - f | grep '^[a-z]' | sort | paste -sd ' ' -
}

hidden_names() {
	cd "$POOL"
	echo x >f
	chmod 644 f
	is "0 0 0" "$(posix setxattr f trusted.a x any setxattr f user.b y any \
		setxattr f trusted.cc z any)"
	is "user.b" "$(listed_to 1111)"
	# and the length that is said is that of the list
	is "7 7 ERANGE" "$(as 1111 "$TOOLS/posixops" listxattr f 0 \
		listxattr f 7 listxattr f 6 | paste -sd ' ' - | sed 's/:[^ ]*//')"
	volatile f
	is "user.b user.pool.volatile" "$(listed_to 1111)"
	is "trusted.a trusted.cc user.b user.pool.volatile" "$(listed_to 0)"
}

@test "trusted.* attributes are listed to root only" {
	as_root_in_every_mode hidden_names -o allow_other
}

# ---- no access faults --------------------------------------------------------

# Table blocks in the middle have no memory, and the pool is full.
polled_in_between() {
	local i opener

	mkdir "$B/x"
	for i in 1 2; do
		background timeout 300 "$TOOLS/manyopen" "$B/x/recv" 4000 "$1" \
			"$2" "$3" "$W/ready" >"$W/said"
		opener=$BG_PID
		wait_until 30 test -e "$W/ready"
		dd if=/dev/zero of="$POOL/fill" bs=64K status=none 2>/dev/null ||
			true
		truncate -s -16K "$POOL/fill"
		# the next worker looks for those who poll, too
		[[ $i == 1 ]] || kill_worker
		"$TOOLS/sendtx" --text hello "$B/x/send"
		wait "$opener"
		is ready "$(<"$W/said")"
		is hello "$("$TOOLS/recvtx" --timeout 60 "$B/x")"
		rm -f "$POOL/fill" "$W/ready" "$B/x/tx"/*
	done
	# but for the one that was asked for
	is 1 "$(pool restarts)"
}

polled_last() {
	polled_in_between 3999 1000 3500
}

polled_first() {
	polled_in_between 0 500 4000
}

# bats test_tags=slow
@test "4,000 open files, many closed, one polled, a full pool, a send" {
	[[ $(ulimit -Hn) == unlimited ]] || (($(ulimit -Hn) > 4100)) ||
		skip_or_fail "not so many open files"
	in_every_way polled_last -o size=64M
	in_every_way polled_first -o size=64M
}

# ---- any offset, size and count ----------------------------------------------

edge_values() {
	local f n

	mkdir "$POOL/d" "$B/x"
	echo x >"$POOL/f"
	"$TOOLS/sendtx" --text hello "$B/x/send"
	for f in "$POOL" "$POOL"/{f,d} "$B" "$B/x" "$B/x"/{data,send,recv,stat,tx} \
		"$B/x/tx/1" "$POOL/.pool" "$POOL/.pool"/{stats,config,events} \
		"$POOL/.pool/shrinker" "$POOL/.pool/shrinker"/box*/{count,scan}; do
		timeout -k 1 100 "$TOOLS/edges" "$f" >"$W/said" ||
			fail "$f: $(<"$W/said")"
	done
	for n in -1 0 1 4095 2147483647 2147483648 4294967295 4294967296 \
		9223372036854775807 9223372036854775808 18446744073709551615 \
		18446744073709551616 1e30 '"16E"' '"-1"' '"9223372036854775807K"'; do
		for f in floor min_free window_us box_size sender_quota; do
			echo "{\"$f\": $n}" >"$POOL/.pool/config" || true
		done
		for f in "$POOL/.pool/shrinker"/*/scan; do
			echo "$n 0 1" >"$f" || true
			echo "0 $n 1" >"$f" || true
			echo "0 0 $n" >"$f" || true
		done
	done 2>/dev/null
	is 0 "$(pool restarts)"
	is "x d f" "$(ls "$B") $(names_in "$POOL")"
}

# bats test_tags=slow
@test "offsets, sizes, counts and flags at the edges of their types" {
	in_every_way edge_values -o size=16M
}

too_much() {
	cd "$POOL"
	made v 4M
	settled 1024
	is "0 ENOSPC" "$(posix open f rw,creat fallocate extend 0 4000000000G)"
	is "0 ENOSPC" "$(posix open f rw,creat fallocate extend 0 65M)"
	is 1024 "$(freeable)"
	is "$SUM" "$(sum v)"
}

@test "what no pool could hold costs nobody what is volatile" {
	in_every_way too_much -o size=64M
}

# ---- attributes that follow those of another inode ---------------------------

# The files of tx/ have the mode and the owner of tx.
tx_follows() {
	local i

	mkdir -m 755 "$B/x"
	for i in {1..300}; do
		"$TOOLS/sendtx" --text "text $i" "$B/x/send"
	done
	# all of them are looked up, and kept
	is 300 "$(as 1111 cat "$B/x/tx"/* | grep -o text | wc -l)"
	is 300 "$(stat -c %a "$B/x/tx"/* | grep -c 444)"
	chmod 711 "$B/x/tx"
	for i in 1 2 255 256 257 300; do
		is "EACCES 400" "$(as 1111 "$TOOLS/posixops" open \
			"$B/x/tx/$i" r) $(stat -c %a "$B/x/tx/$i")"
	done
	chmod 755 "$B/x/tx"
	is 300 "$(as 1111 cat "$B/x/tx"/* | grep -o text | wc -l)"
	chmod 511 "$B/x/tx"
	chown 2222:3333 "$B/x/tx"
	is "2222:3333 EACCES" "$(stat -c %u:%g "$B/x/tx/7") $(
		as 1111 "$TOOLS/posixops" open "$B/x/tx/7" r)"
	is "text 7" "$(as 2222 cat "$B/x/tx/7")"
	# for a worker that did not look them up
	kill_worker
	chown 1111:3333 "$B/x/tx"
	is "text 7" "$(as 1111 cat "$B/x/tx/7")"
	is EACCES "$(as 2222 "$TOOLS/posixops" open "$B/x/tx/7" r)"
}

@test "chmod and chown of tx reach the files in it at once" {
	as_root_in_every_mode tx_follows -o allow_other
}

# An O_PATH descriptor keeps an alias of send.
send_follows() {
	local i

	chmod 777 "$W"
	mkdir -m 777 "$B/x"
	chmod 222 "$B/x/send"
	for i in 1 2; do
		exec 8>"$B/x/send"
		background as_id 1111 1111 timeout 100 "$TOOLS/posixops" \
			open "$B/x/send" path touch "$W/ready" await "$W/go" \
			open /proc/self/fd/3 w >"$W/said"
		wait_until 10 test -e "$W/ready"
		exec 9>"$B/x/send"
		chmod 200 "$B/x/send"
		is 200 "$(stat -c %a "$B/x/send")"
		touch "$W/go"
		wait "$BG_PID"
		is EACCES "$(tail -n 1 "$W/said")"
		chmod 222 "$B/x/send"
		exec 8>&- 9>&-
		kill_worker
		rm -f "$W/ready" "$W/go"
	done
}

@test "chmod of send reaches each of its aliases at once" {
	as_root_in_every_mode send_follows -o allow_other
}

# ---- the errno that is true --------------------------------------------------

# fills FILE DD-OPTION...: it ends with that error.
fills() {
	LC_ALL=C dd if=/dev/zero of="$1" bs=256K "${@:2}" 2>&1 |
		grep -q "No space left on device" || fail "dd of=$*"
}

full_pool() {
	local i

	cd "$POOL"
	mkdir "$B/x"
	head -c 1M /dev/urandom >src
	for i in 1 2 3; do
		# a box that was used has pages to give back
		"$TOOLS/sendtx" --size 2M "$B/x/send"
		"$TOOLS/recvtx" --timeout 60 "$B/x" >/dev/null
		rm -f "$B/x/tx"/*
		fills f
		fills f oflag=append conv=notrunc
		fills g conv=notrunc seek=100
		is "0 0 ENOSPC" "$(posix open src r open f rw copy 0 0 50M 1M)"
		is "0 ENOSPC" "$(posix open f rw fallocate extend 60M 7M)"
		is "sendtx: write: ENOSPC" \
			"$("$TOOLS/sendtx" --size 1M "$B/x/send" 2>&1)"
		rm -f f g
	done
}

@test "a full pool is ENOSPC, whoever has given room back meanwhile" {
	in_every_way full_pool -o size=8M
}
