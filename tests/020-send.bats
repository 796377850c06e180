#!/usr/bin/env bats
# SPDX-License-Identifier: GPL-2.0-or-later
#
# Sending: what is a transaction, when it is queued, what a full box, a killed
# sender and a payload that is too large do.
# shellcheck disable=SC2154

load helpers
load boxes

teardown() {
	clean_up
}

# ---- what was written is what arrives ------------------------------------

# arrives FILE: the next transaction holds it, whichever way one looks.
arrives() {
	local head id offset size

	head=$(header)
	id=$(json id <<<"$head")
	offset=$(json offset <<<"$head")
	size=$(json size <<<"$head")
	is "$(stat -c %s "$1")" "$size"
	is "$size" "$(stat -c %s "$BOX/tx/$id")"
	cmp "$1" "$BOX/tx/$id"
	((size == 0)) || {
		"$TOOLS/mapread" "$BOX/tx/$id" | cmp "$1" -
		"$TOOLS/mapread" "$BOX/data" "$offset" "$size" | cmp "$1" -
	}
	tail -c +$((offset + 1)) "$BOX/data" | head -c "$size" | cmp "$1" -
	rm "$BOX/tx/$id"
}

payloads() {
	local size f

	new_box b 64M
	for size in 0 1 7 8 9 4095 4096 4097 65536 1048576 1048577 5000001 \
		67108864; do
		f=$(random_file "$size")
		cat "$f" >"$BOX/send"
		arrives "$f"
		rm "$f"
	done
	is 0 "$(pool transactions)"
	is 0 "$(pool pages.used)"
}

# bats test_tags=slow
@test "payloads from nothing to many MiB, bit for bit" {
	in_every_way payloads
}

pieces() {
	local f size

	new_box b 8M
	for size in 13 511 4096 100000; do
		f=$(random_file 300000)
		dd if="$f" of="$BOX/send" bs="$size" count=$((299999 / size)) \
			status=none
		truncate -s $((299999 / size * size)) "$f"
		arrives "$f"
		rm "$f"
	done
	# between two that stay where they are
	echo before >"$BOX/send"
	f=$(random_file 2000000)
	(
		dd bs=700001 count=1 status=none
		echo between >"$BOX/send"
		cat
	) <"$f" >"$BOX/send"
	is "before between" "$(cat "$BOX/tx/$(header | json id)" \
		"$BOX/tx/$(header | json id)" | paste -sd ' ' -)"
	arrives "$f"
	rm "$BOX/tx"/*
	is 0 "$(pool pages.used)"
}

@test "one transaction of many writes, and others in between" {
	in_every_way pieces
}

neighbours() {
	local i

	new_box b 1M
	for i in {1..60}; do
		head -c $((i * 37)) /dev/zero | tr '\0' "\\$((i + 100 - 52))" \
			>"$W/$i"
	done
	for i in {1..60}; do
		cat "$W/$i" >"$BOX/send"
	done
	# freeing one changes no other
	for i in {2..60..2}; do
		rm "$BOX/tx/$i"
	done
	for i in {1..60..2}; do
		cmp "$W/$i" "$BOX/tx/$i"
	done
	for i in {2..60..2}; do
		cat "$W/$i" >"$BOX/send"
	done
	for i in {1..60..2}; do
		cmp "$W/$i" "$BOX/tx/$i"
	done
	for i in {2..60..2}; do
		cmp "$W/$i" "$BOX/tx/$((60 + i / 2))"
	done
}

# bats test_tags=slow
@test "transactions that share pages do not disturb each other" {
	in_every_way neighbours
}

# ---- when a transaction ends ---------------------------------------------

ends() {
	new_box b
	is "0 0" "$(ops open "$BOX/send" w close)"
	is 1 "$(transactions)"
	is "0 3 0 3 0 0 0" "$(ops open "$BOX/send" w write one fsync \
		write two fsync fsync close)"
	is "1 2 3" "$(transactions)"
	# a write after fsync begins the next one
	is "0 3 0 3 4 0" "$(ops open "$BOX/send" w write 4.. fsync write 5.. \
		write more close)"
	is "1 2 3 4 5" "$(transactions)"
	is 5..mor "$(cat "$BOX/tx/5" | head -c 6)"
	# synchronous writes are each one, and leave nothing for close
	is "0 2 2 0" "$(ops open "$BOX/send" w,dsync write 6. write 7. close)"
	is "0 2 2 0" "$(ops open "$BOX/send" w dsync-write 8. dsync-write 9. \
		close)"
	is "1 2 3 4 5 6 7 8 9" "$(transactions)"
	is "6.7.8.9." "$(cat "$BOX/tx"/{6,7,8,9})"
	# one that begins plainly ends with the first synchronous write
	is "0 5 5 0" "$(ops open "$BOX/send" w write begin dsync-write .done \
		close)"
	is begin.done "$(cat "$BOX/tx/10")"
	is 10 "$(ls "$BOX/tx" | wc -l)"
	# appending and truncating mean nothing, and there are no places
	is "0 1 ESPIPE 1 0" "$(ops open "$BOX/send" w,append,trunc write a \
		pwrite x 9 write b close)"
	is ab "$(cat "$BOX/tx/11")"
	is "0 ESPIPE 0" "$(ops open "$BOX/send" w lseek 5 close)"
}

@test "close, fsync, O_DSYNC and RWF_DSYNC end a transaction" {
	in_every_way ends
}

open_wrongly() {
	new_box b
	is "EACCES EACCES EACCES EACCES" "$(ops open "$BOX/send" r \
		open "$BOX/send" rw open "$BOX/recv" w open "$BOX/recv" rw)"
	is "" "$(transactions)"
	is "0 1:out EBADF EACCES 0" "$(ops open "$BOX/send" w poll out 0 \
		read 1 writable-map 4K close)"
	is 1 "$(transactions)"
}

@test "send cannot be read, nor recv written" {
	in_every_way open_wrongly
}

last_close() {
	new_box b
	is "0 1 0 0 0 EAGAIN 1 0 8:{\"id\":1," "$(ops open "$BOX/send" w \
		write a dup close open "$BOX/recv" r,nonblock read 8 \
		fd 0 write b close fd 2 read 8)"
	is ab "$(cat "$BOX/tx/1")"
	# the last of several processes that write it
	is "0 1 1 0 0 0" "$(ops open "$BOX/send" w write c child write d close \
		end wait close)"
	is cd "$(cat "$BOX/tx/2")"
	# a child that has only inherited it holds it open
	ops_into "$W/out" open "$BOX/send" w write e \
		child await "$W/go" end close wait
	wait_until 5 said "$W/out" "0 1 0"
	is "1 2" "$(transactions)"
	touch "$W/go"
	wait_until 5 said "$W/out" "0 1 0 0"
	is "1 2 3" "$(transactions)"
	# in a script: many writers of one open file
	(
		echo one
		(echo two)
		/bin/echo three
	) >"$BOX/send"
	is "one two three" "$(paste -sd ' ' - <"$BOX/tx/4")"
}

@test "only the last close of an open file queues" {
	in_every_way last_close
}

in_order() {
	local i n

	n=$(loops 500)
	new_box b
	for ((i = 1; i <= n; i++)); do
		echo "$i" >"$BOX/send"
		[ "$(ls "$BOX/tx")" = "$i" ]
		rm "$BOX/tx/$i"
	done
	# and with open files of others going all the time
	background bash -c 'while :; do read -rn 1 <"$1"; done' - "$BOX/stat"
	for ((i = n + 1; i <= n + 100; i++)); do
		echo "$i" >"$BOX/send"
		[ -e "$BOX/tx/$i" ]
		rm "$BOX/tx/$i"
	done
}

# bats test_tags=slow
@test "what a process does after close finds the transaction" {
	in_every_way in_order
}

# ---- killed senders ------------------------------------------------------

killed() {
	local sig

	new_box b
	for sig in 9 15 11 2; do
		is "0 4 -$sig" "$(ops child open "$BOX/send" w write half \
			kill "$sig" end wait)"
		is "" "$(transactions)"
		wait_until 5 box_has transactions.writing 0
		is 0 "$(box ranges.reserved_bytes)"
	done
	is 4 "$(pool counters.dropped)"
	# between two of its transactions: the first had its end
	is "0 3 0 3 -9" "$(ops child open "$BOX/send" w write one fsync \
		write two kill 9 end wait)"
	is 1 "$(transactions)"
	# a shell has the file under two numbers, and closes one of them
	bash -c 'exec 7>"$1"; echo half >&7; kill -9 $$' - "$BOX/send" || true
	is 1 "$(transactions)"
	# before it wrote: nothing either
	is "0 -9" "$(ops child open "$BOX/send" w kill 9 end wait)"
	# a real tool in a pipe, in the middle of many MiB
	rm "$BOX/tx/1"
	truncate -s 64M "$BOX/data"
	background dd if=/dev/zero of="$BOX/send" bs=4096 status=none
	wait_until 10 eval '(($(box ranges.reserved_bytes) > 1000000))'
	kill -TERM "$BG_PID"
	wait "$BG_PID" || true
	wait_until 5 box_has transactions.writing 0
	is 0 "$(box ranges.reserved_bytes)"
	is "" "$(transactions)"
	is 0 "$(pool pages.used)"
}

@test "what a killed sender has half written is dropped" {
	in_every_way killed
}

threads() {
	local i how

	# whichever thread writes, and whichever is the last to go
	new_box b
	for i in $(seq "$(loops 10)"); do
		for how in main thread; do
			is "$how 137" "$how $(status_of "$TOOLS/threads" "$how" \
				kill "$BOX/send")"
			is "$how 0" "$how $(status_of "$TOOLS/threads" "$how" \
				exit "$BOX/send")"
			wait_until 5 box_has open 0
			is 1 "$(transactions | wc -w)"
			is "written" "$(cat "$BOX/tx"/*)"
			is "$(cat "$W/pid")" "$(header | json pid)"
			rm "$BOX/tx"/*
		done
	done
}

# status_of CMD...: in a shell of its own; W/pid has its pid.
status_of() {
	bash -c 'echo $$ >"$1"; shift; exec "$@"' - \
		"$W/pid" "$@" 2>/dev/null && echo 0 || echo $?
}

# bats test_tags=slow
@test "a sender of several threads, killed or not" {
	in_every_way threads
}

killed_after_close() {
	new_box b
	# dying with the file closed, or without a signal, is no half
	is "0 3 0 -9" "$(ops child open "$BOX/send" w write one close kill 9 \
		end wait)"
	wait_until 5 test -e "$BOX/tx/1"
	is "0 3 0" "$(ops child open "$BOX/send" w write two end wait)"
	wait_until 5 test -e "$BOX/tx/2"
	# a child that only has inherited it
	is "0 1 -9 1 0" "$(ops open "$BOX/send" w write a child kill 9 end \
		wait write b close)"
	is ab "$(cat "$BOX/tx/3")"
	# one that has written its part, and is killed with it
	is "0 1 1 -9 0" "$(ops open "$BOX/send" w write a child write b \
		kill 9 end wait close)"
	sleep 0.2
	is "1 2 3" "$(transactions)"
}

@test "a killed child that only inherited the file drops nothing" {
	in_every_way killed_after_close
}

# ---- a full box ----------------------------------------------------------

# full: BOX, of 64K, has no room; its transactions are 1 to 4.
# shellcheck disable=SC2120 # its argument is optional
full() {
	local i

	new_box "${1:-b}" 64K
	for i in 1 2 3 4; do
		"$TOOLS/sendtx" --size 16K --first "$i" "$BOX/send"
	done
	is 0 "$(box ranges.largest_free_bytes)"
}

full_waits() {
	local i

	full
	is "0 EAGAIN 0" "$(ops open "$BOX/send" w,nonblock write x close)"
	is "0 EAGAIN 0" "$(ops open "$BOX/send" w,append write x close)"
	is "0 EAGAIN 0" "$(ops open "$BOX/send" w,nonblock,dsync write x close)"
	is "1 2 3 4" "$(transactions)"
	ops_into "$W/waits" open "$BOX/send" w write patience close
	wait_until 5 waits 1
	is 0 "$(words "$W/waits")"
	sleep 0.2
	is 0 "$(words "$W/waits")"
	# empty ones need no room, and a shell can open it all the same
	timeout 60 bash -c ': >"$1"' - "$BOX/send"
	is "1 2 3 4 5" "$(transactions)"
	rm "$BOX/tx/2"
	wait_until 5 said "$W/waits" "0 8 0"
	is patience "$(cat "$BOX/tx/6")"
	# poll and select say so, too
	rm "$BOX/tx/6"
	"$TOOLS/sendtx" --size 16K "$BOX/send"
	is "0 0" "$(ops open "$BOX/send" w poll out 200)"
	ops_into "$W/polls" open "$BOX/send" w poll out 10000
	sleep 0.3
	rm "$BOX/tx/1"
	wait_until 5 said "$W/polls" "0 1:out"
}

# bats test_tags=slow
@test "a full box makes senders wait, or refuses" {
	in_every_way full_waits
}

shells_wait() {
	local i pids=()

	full
	for i in 1 2 3 4; do
		background bash -c 'echo "$1" >"$2"' - "$i" "$BOX/send"
		pids+=("$BG_PID")
		wait_until 5 waits "$i"
	done
	# each can be killed by itself, the first as well as a later one
	for i in 0 2; do
		kill -KILL "${pids[i]}"
		wait_until 1 not_running "${pids[i]}"
	done
	wait_until 2 waits 2
	is "0 EAGAIN 0" "$(ops open "$BOX/send" w,trunc,nonblock write x close)"
	rm "$BOX/tx/1"
	wait_until 5 waits 0
	wait_until 5 eval '[[ $(transactions) == "2 3 4 5 6" ]]'
	# served in order, but queued when each has closed
	is "2 4" "$(cat "$BOX/tx"/{5,6} | sort | paste -sd ' ' -)"
}

# bats test_tags=slow
@test "shells wait in a full box, and each can be killed" {
	in_every_way shells_wait
}

full_in_order() {
	local i

	full
	for i in 1 2 3 4 5 6; do
		ops_into "$W/w$i" open "$BOX/send" w zeros 16K close
		wait_until 5 waits "$i"
	done
	# one small one comes last, and would have room first
	rm "$BOX/tx/1"
	wait_until 5 said "$W/w1" "0 16384 0"
	for i in 2 3 4 5 6; do
		is 0 "$(words "$W/w$i")"
	done
	ops_into "$W/small" open "$BOX/send" w write small close
	wait_until 5 waits 6
	for i in 2 3 4; do
		rm "$BOX/tx/$i"
		wait_until 5 said "$W/w$i" "0 16384 0"
		is 0 "$(words "$W/w$((i + 1))")"
		is 0 "$(words "$W/small")"
	done
	rm "$BOX/tx"/{5,6,7}
	wait_until 5 said "$W/small" "0 5 0"
	wait_until 5 said "$W/w6" "0 16384 0"
	wait_until 5 test -e "$BOX/tx/11"
	# queued when each has closed: it may be any of the last three
	is small "$(cat "$BOX/tx"/{9,10,11} | tr -d '\0')"
}

# bats test_tags=slow
@test "who waits is served in order" {
	in_every_way full_in_order
}

interrupted() {
	full
	is "0 EINTR 0" "$(ops open "$BOX/send" w alarm 300 write gone close)"
	is 0 "$(waiting)"
	is "1 2 3 4" "$(transactions)"
	# half written, then interrupted: no half either
	rm "$BOX/tx/4"
	is "0 10 EINTR 0" "$(ops open "$BOX/send" w alarm 300 write 0123456789 \
		zeros 16K close)"
	is "1 2 3" "$(transactions)"
	wait_until 5 box_has transactions.writing 0
	is 16384 "$(box ranges.largest_free_bytes)"
	# trying again is allowed
	is "0 10 EINTR 4 0" "$(ops open "$BOX/send" w alarm 300 \
		write 0123456789 zeros 16K write more close)"
	is 0123456789more "$(cat "$BOX/tx"/[!123])"
	rm "$BOX/tx"/[!123]
	# killed while waiting: at once, and nothing arrives
	"$TOOLS/sendtx" --size 16K "$BOX/send"
	local before sig
	before=$(transactions)
	for sig in KILL TERM; do
		ops_into "$W/killed" open "$BOX/send" w write gone close
		wait_until 5 waits 1
		kill -"$sig" "$BG_PID"
		wait_until 1 not_running "$BG_PID"
		wait_until 2 waits 0
	done
	rm "$BOX/tx/1"
	is "$(sed 's/^1 //' <<<"$before")" "$(transactions)"
	wait_until 5 box_has transactions.writing 0
}

# bats test_tags=slow
@test "a signal ends the waiting, and nothing is delivered" {
	in_every_way interrupted
}

too_large() {
	new_box b 64K
	is "0 EMSGSIZE 0" "$(ops open "$BOX/send" w zeros 65537 close)"
	# the first part had room
	is "0 60000 EMSGSIZE EMSGSIZE EMSGSIZE 3 0" "$(ops open "$BOX/send" w \
		zeros 60000 zeros 6000 write more fsync write yes close)"
	is 1 "$(ls "$BOX/tx" | wc -l)"
	is yes "$(cat "$BOX/tx"/*)"
	rm "$BOX/tx"/*
	# without fsync, close drops it
	is "0 60000 EMSGSIZE EMSGSIZE 0" "$(ops open "$BOX/send" w zeros 60000 \
		zeros 6000 write more close)"
	is "" "$(transactions)"
	wait_until 5 box_has transactions.writing 0
	is 65536 "$(box ranges.largest_free_bytes)"
	# a tool that cuts its output into pieces
	fails dd if=/dev/zero of="$BOX/send" bs=4096 count=17 status=none \
		2>"$W/err"
	grep -q "Message too long" "$W/err"
	is "" "$(transactions)"
	# too large also for a box that is full
	"$TOOLS/sendtx" --size 64K "$BOX/send"
	is "0 EMSGSIZE 0" "$(ops open "$BOX/send" w zeros 65537 close)"
	rm "$BOX/tx"/*
	# all of it is not too large
	"$TOOLS/sendtx" --size 64K "$BOX/send"
	is 65536 "$(stat -c %s "$BOX/tx"/*)"
}

@test "a payload larger than the box is refused, and never cut" {
	in_every_way too_large
}

deadlock() {
	new_box b 64K
	# each has half, and wants more than the other leaves
	ops_into "$W/a" open "$BOX/send" w zeros 30000 await "$W/go-a" \
		zeros 30000 close
	wait_until 5 said "$W/a" "0 30000"
	ops_into "$W/b" open "$BOX/send" w zeros 30000 await "$W/go-b" \
		zeros 30000
	wait_until 5 said "$W/b" "0 30000"
	touch "$W/go-a"
	wait_until 5 waits 1
	touch "$W/go-b"
	wait_until 5 said "$W/b" "0 30000 EDEADLK"
	# which is what the first one needs
	wait_until 5 said "$W/a" "0 30000 30000 0"
	is 60000 "$(stat -c %s "$BOX/tx"/*)"
	is 0 "$(waiting)"
}

@test "two half written transactions that block each other" {
	in_every_way deadlock
}

too_many_bytes() {
	local i

	new_box b 1M
	"$TOOLS/sendtx" --size 1M "$BOX/send"
	# 16 MiB may wait together in a pool of up to 64
	for ((i = 0; i < 16; i++)); do
		ops_into "$W/w$i" open "$BOX/send" w zeros 1M close
	done
	wait_until 20 waits 16
	is "0 ENOBUFS 0" "$(ops open "$BOX/send" w zeros 1M close)"
	is "0 ENOBUFS 0" "$(ops open "$BOX/send" w write x close)"
	is 1 "$(transactions)"
	# all of them arrive, one after another
	for ((i = 1; i <= 17; i++)); do
		wait_until 5 test -e "$BOX/tx/$i"
		rm "$BOX/tx/$i"
	done
	is 0 "$(waiting)"
	is "0 1048576" "$(sort -u "$W"/w* | paste -sd ' ' -)"
	is "" "$(transactions)"
}

# bats test_tags=slow
@test "too many bytes that wait are refused" {
	in_every_way too_many_bytes -o size=16M
}

# ---- quotas --------------------------------------------------------------

# other UID OP...: fileops as somebody else.
other() {
	local uid=$1

	shift
	as_id "$uid" "$uid" timeout 60 "$TOOLS/fileops" "$@" | paste -sd ' ' -
}

quota() {
	umask 0
	new_box b 64K
	# half of it, together
	is "0 EDQUOT 0" "$(other 54321 open "$BOX/send" w zeros 33000 close)"
	is "" "$(transactions)"
	is "0 20000 0" "$(other 54321 open "$BOX/send" w zeros 20000 close)"
	is "0 EDQUOT 0" "$(other 54321 open "$BOX/send" w zeros 13000 close)"
	is "0 10000 EDQUOT 0" "$(other 54321 open "$BOX/send" w zeros 10000 \
		zeros 5000 close)"
	is "0 12000 0" "$(other 54321 open "$BOX/send" w zeros 12000 close)"
	is "1 2" "$(transactions)"
	# somebody else has a half of his own
	is "0 30000 0" "$(other 54322 open "$BOX/send" w zeros 30000 close)"
	rm "$BOX/tx/3"
	# what was freed does not count
	is "0 EDQUOT 0" "$(other 54321 open "$BOX/send" w zeros 20000 close)"
	rm "$BOX/tx/1"
	is "0 20000 0" "$(other 54321 open "$BOX/send" w zeros 20000 close)"
	rm "$BOX/tx"/*
	# the owner has no quota
	is "0 65536 0" "$(ops open "$BOX/send" w zeros 64K close)"
	rm "$BOX/tx"/*
	# of a box that is somebody's, root is a stranger
	chown 54321 "$BOX"
	is "0 EDQUOT 0" "$(ops open "$BOX/send" w zeros 33000 close)"
	is "0 65536 0" "$(other 54321 open "$BOX/send" w zeros 64K close)"
	rm "$BOX/tx"/*
	chown 0 "$BOX"
	# settable
	echo '{"sender_quota": 10}' >"$POOL/.pool/config"
	is 10 "$(json sender_quota "$POOL/.pool/config")"
	is "0 EDQUOT 0" "$(other 54321 open "$BOX/send" w zeros 6600 close)"
	is "0 6500 0" "$(other 54321 open "$BOX/send" w zeros 6500 close)"
	rm "$BOX/tx"/*
	echo '{"sender_quota": 100}' >"$POOL/.pool/config"
	is "0 65536 0" "$(other 54321 open "$BOX/send" w zeros 65536 close)"
}

@test "a stranger has half of the box" {
	as_root_in_every_mode quota -o allow_other
}

suspects() {
	events | grep -c '"suspect"' || true
}

suspicion() {
	local i

	umask 0
	# many small ones, and two larger ones, until less than a fifth of what
	# strangers may have is left: so far nobody is more than the others
	new_box b 64K
	as_id 54321 54321 "$TOOLS/sendtx" --size 100 --count 50 "$BOX/send"
	is "0 12000 0" "$(other 54322 open "$BOX/send" w zeros 12000 close)"
	is "0 12000 0" "$(other 54323 open "$BOX/send" w zeros 12000 close)"
	is 0 "$(suspects)"
	# the 51st of one
	is "0 100 0" "$(other 54321 open "$BOX/send" w zeros 100 close)"
	is 1 "$(suspects)"
	# once
	is "0 100 0" "$(other 54321 open "$BOX/send" w zeros 100 close)"
	is 1 "$(suspects)"
	events | grep '"suspect"' >"$W/event"
	is 54321 "$(json uid "$W/event")"
	is b "$(json box "$W/event")"
	is 51 "$(json transactions "$W/event")"
	is $((51 * 104)) "$(json bytes "$W/event")"
	# until there was room again: now by bytes, more than a quarter
	rm "$BOX/tx"/*
	is "0 100 0" "$(other 54322 open "$BOX/send" w zeros 100 close)"
	is "0 31000 0" "$(other 54323 open "$BOX/send" w zeros 31000 close)"
	is 2 "$(suspects)"
	is 54323 "$(events | grep '"suspect"' | tail -n 1 | json uid)"
	# an owner is none
	new_box mine 64K
	is "0 65000 0" "$(ops open "$BOX/send" w zeros 65000 close)"
	is 2 "$(suspects)"
}

@test "who fills the box is named" {
	as_root_in_every_mode suspicion -o allow_other
}
