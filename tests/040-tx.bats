#!/usr/bin/env bats
# SPDX-License-Identifier: GPL-2.0-or-later
#
# tx/ and data: looking at transactions, freeing them, and the region's size.
# shellcheck disable=SC2154

load helpers
load boxes

teardown() {
	clean_up
}

# ---- reading -------------------------------------------------------------

reading() {
	local f

	new_box b
	f=$(random_file 100001)
	cat "$f" >"$BOX/send"
	is "regular file 100001 1" "$(stat -c '%F %s %h' "$BOX/tx/1")"
	is 444 "$(stat -c %a "$BOX/tx/1")"
	cmp "$f" "$BOX/tx/1"
	cmp "$f" <(dd if="$BOX/tx/1" bs=777 status=none)
	cmp <(tail -c 5 "$f") <(tail -c 5 "$BOX/tx/1")
	printf abcdefgh >"$BOX/send"
	is "0 8:abcdefgh 0: 3:def 0: 4 4:efgh 0:" "$(ops open "$BOX/tx/2" r \
		read 100 read 100 pread 3 3 pread 5 8 lseek 4 read 9 read 9)"
	"$TOOLS/mapread" "$BOX/tx/1" | cmp "$f" -
	"$TOOLS/mapread" "$BOX/tx/1" 4096 8192 |
		cmp - <(tail -c +4097 "$f" | head -c 8192)
	# looking takes nothing away
	is "1 2" "$(transactions)"
	is 1 "$(header | json id)"
	is "1 2" "$(transactions)"
}

@test "tx/ID has the payload" {
	in_every_way reading
}

refused() {
	local name

	new_box b
	echo x >"$BOX/send"
	for name in 07 01 +1 -1 1. 0x1 ' 1' '1 ' 1x 00 0 2 \
		18446744073709551617 99999999999999999999999; do
		is ENOENT "$(ops open "$BOX/tx/$name" r)"
		is ENOENT "$(ops unlink "$BOX/tx/$name")"
	done
	is "EACCES EACCES" "$(ops open "$BOX/tx/1" w open "$BOX/tx/1" rw |
		sed 's/EPERM/EACCES/g')"
	is "0 EBADF EINVAL EACCES" "$(ops open "$BOX/tx/1" r write no \
		truncate 1 writable-map 4K)"
	fails truncate -s 1 "$BOX/tx/1" 2>/dev/null
	fails eval 'echo y >>"$BOX/tx/1"' 2>/dev/null
	fails chmod 777 "$BOX/tx/1" 2>/dev/null
	is x "$(cat "$BOX/tx/1")"
}

@test "names that are none, and no writing to tx/ID" {
	in_every_way refused
}

# ---- freeing -------------------------------------------------------------

frees() {
	new_box b 1M
	head -c 500000 /dev/zero >"$BOX/send"
	echo x >"$BOX/send"
	is "0 ENOENT ENOENT" "$(ops unlink "$BOX/tx/1" unlink "$BOX/tx/1" \
		open "$BOX/tx/1" r)"
	is 2 "$(transactions)"
	# it was never received, and never will be
	is 2 "$(header | json id)"
	rm "$BOX/tx/2"
	is 0 "$(pool pages.used)"
	is 1048576 "$(box ranges.largest_free_bytes)"
	is 2 "$(pool counters.freed)"
	# numbers are not used again
	echo y >"$BOX/send"
	is 3 "$(transactions)"
}

@test "rm frees, also what nobody has received" {
	in_every_way frees
}

held() {
	local f g

	new_box b 64K
	f=$(random_file 40000)
	g=$(random_file 24000)
	cat "$f" >"$BOX/send"
	exec {fd}<"$BOX/tx/1"
	head -c 1000 <&$fd >"$W/part" || true
	background "$TOOLS/mapread" --sum --hold 60 "$BOX/tx/1" >"$W/map"
	wait_until 5 test -s "$W/map"
	rm "$BOX/tx/1"
	is ENOENT "$(ops open "$BOX/tx/1" r)"
	# its space is not given to others
	is "0 EAGAIN 0" "$(ops open "$BOX/send" w,nonblock zeros 30000 close)"
	cat "$g" >"$BOX/send"
	cmp "$f" "/dev/fd/$fd"
	kill -USR1 "$BG_PID"
	wait_until 5 eval '[[ $(wc -l <"$W/map") == 2 ]]'
	is 1 "$(sort -u "$W/map" | wc -l)"
	is "$("$TOOLS/mapread" --sum "$f")" "$(head -n 1 "$W/map")"
	is EBUSY "$(ops open "$BOX/data" w truncate 1M | cut -d ' ' -f 2)"
	# when the last one has closed it, it is
	exec {fd}<&-
	kill -TERM "$BG_PID"
	wait "$BG_PID"
	wait_until 5 eval '(($(box ranges.largest_free_bytes) >= 40000))'
	cat "$f" >"$BOX/send"
	cmp "$f" "$BOX/tx/3"
	cmp "$g" "$BOX/tx/2"
	rm "$BOX/tx"/*
	is 0 "$(pool pages.used)"
}

@test "rm of one that is being read keeps the open file whole" {
	in_every_way held
}

removed_box_held() {
	new_box b
	echo content >"$BOX/send"
	exec {fd}<"$BOX/tx/1"
	rm "$BOX/tx/1"
	rmdir "$BOX"
	is content "$(cat <&$fd)"
	exec {fd}<&-
	wait_until 5 eval '[[ $(pool pages.used) == 0 ]]'
	is 0 "$(pool transactions)"
}

@test "an open file outlives its box" {
	in_every_way removed_box_held
}

listing() {
	local n

	n=3000
	new_box b
	"$TOOLS/sendtx" --size 8 --count $((2 * n)) --fsync "$BOX/send"
	# names as the shell has them, odd ones to go
	(cd "$BOX/tx" && seq 1 2 $((2 * n)) | xargs -n 50 rm) &
	for _ in {1..8}; do
		# shellcheck disable=SC2010 # it is ls that is tried
		ls -f "$BOX/tx" | grep '^[0-9]' | sort -n >"$W/list"
		is "" "$(uniq -d "$W/list")"
		# what stays is there each time
		is "$n" "$(awk '$1 % 2 == 0' "$W/list" | wc -l)"
	done
	wait
	is "$(seq 2 2 $((2 * n)))" "$(ls "$BOX/tx" | sort -n)"
	(cd "$BOX/tx" && rm -- *)
	is "" "$(transactions)"
	is 0 "$(pool transactions)"
}

# bats test_tags=slow
@test "tx/ is listed while thousands are removed: each once" {
	in_every_way listing
}

# ---- data ----------------------------------------------------------------

data_is_read_only() {
	new_box b
	echo content >"$BOX/send"
	is "EPERM EPERM" "$(ops open "$BOX/data" rw \
		open "$BOX/data" rw,trunc)"
	# as truncate where it comes as one
	[[ $(ops open "$BOX/data" w,trunc) == E@(PERM|INVAL) ]]
	is "0 EPERM EPERM EACCES" "$(ops open "$BOX/data" w write no \
		pwrite no 5 writable-map 4K)"
	is "0 EBADF EINVAL EACCES" "$(ops open "$BOX/data" r write no \
		truncate 1M writable-map 4K)"
	fails eval 'echo no >"$BOX/data"' 2>/dev/null
	fails eval 'echo no >>"$BOX/data"' 2>/dev/null
	fails dd if=/dev/zero of="$BOX/data" bs=1 count=1 conv=notrunc \
		status=none 2>/dev/null
	fails fallocate -l 1 "$BOX/data" 2>/dev/null
	fails fallocate -p -o 0 -l 4096 "$BOX/data" 2>/dev/null
	is "0 0 8:content$ 8:content$" "$(ops open "$BOX/data" r map 4K \
		read 8 peek 8 0)"
	is EPERM "$(ops unlink "$BOX/data")"
}

@test "data can be read, and not written" {
	in_every_way data_is_read_only
}

resizing() {
	new_box b
	is 4194304 "$(stat -c %s "$BOX/data")"
	truncate -s 64M "$BOX/data"
	is 67108864 "$(stat -c %s "$BOX/data")"
	is 67108864 "$(json size "$BOX/stat")"
	"$TOOLS/sendtx" --size 60M "$BOX/send"
	is "0 EBUSY" "$(ops open "$BOX/data" w truncate 128M)"
	header >/dev/null
	is "0 EBUSY" "$(ops open "$BOX/data" w truncate 128M)"
	is 62914560 "$(stat -c %s "$BOX/tx/1")"
	rm "$BOX/tx/1"
	is "0 4 0 EBUSY" "$(ops open "$BOX/send" w write half \
		open "$BOX/data" w truncate 128M)"
	rm "$BOX/tx"/*
	# rounded up to pages
	truncate -s 10000 "$BOX/data"
	is 12288 "$(stat -c %s "$BOX/data")"
	is "0 EMSGSIZE 0" "$(ops open "$BOX/send" w zeros 12289 close)"
	is "0 12288 0" "$(ops open "$BOX/send" w zeros 12288 close)"
	rm "$BOX/tx"/*
	truncate -s 1 "$BOX/data"
	is 4096 "$(stat -c %s "$BOX/data")"
	is "0 EINVAL EFBIG" "$(ops open "$BOX/data" w truncate 0 truncate 5000G)"
	is 4096 "$(stat -c %s "$BOX/data")"
	# far more than there is memory: pages come with what is sent
	truncate -s 64G "$BOX/data"
	is 68719476736 "$(stat -c %s "$BOX/data")"
	echo x >"$BOX/send"
	is x "$(cat "$BOX/tx"/*)"
	rm "$BOX/tx"/*
	# what is kept for each page of it has a limit, too
	is "0 ENOSPC" "$(ops open "$BOX/data" w truncate 4096G)"
}

@test "an empty box can be resized" {
	in_every_way resizing -o size=4G
}

grown() {
	local f

	new_box b 64K
	f=$(random_file 40000)
	cat "$f" >"$BOX/send"
	cmp -n 40000 "$f" "$BOX/data"
	background "$TOOLS/mapread" --sum --hold 60 "$BOX/data" 0 40000 >"$W/map"
	wait_until 5 test -s "$W/map"
	rm "$BOX/tx/1"
	truncate -s 1M "$BOX/data"
	# nothing of what was there is left, in no mapping
	kill -USR1 "$BG_PID"
	wait_until 5 eval '[[ $(wc -l <"$W/map") == 2 ]]'
	head -c 40000 /dev/zero >"$W/zeros"
	is "$("$TOOLS/mapread" --sum "$W/zeros")" "$(tail -n 1 "$W/map")"
	cmp <(head -c 1M /dev/zero) "$BOX/data"
	cat "$f" "$f" >"$BOX/send"
	# seen here it is queued, and old copies of its bytes are gone
	cmp <(cat "$f" "$f") "$BOX/tx/2"
	kill -USR1 "$BG_PID"
	wait_until 5 eval '[[ $(wc -l <"$W/map") == 3 ]]'
	is "$(head -n 1 "$W/map")" "$(tail -n 1 "$W/map")"
}

@test "a mapping that is older than the size" {
	in_every_way grown
}
