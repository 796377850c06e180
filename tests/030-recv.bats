#!/usr/bin/env bats
# SPDX-License-Identifier: GPL-2.0-or-later
#
# Receiving: headers, waiting for them, many receivers, and those who die.
# shellcheck disable=SC2154

load helpers
load boxes

teardown() {
	clean_up
}

# ---- the header ----------------------------------------------------------

fields() {
	local before after line time

	new_box b
	before=$(date +%s.%N)
	bash -c 'echo $$ >"$1"; printf 12345 >"$2"' - "$W/pid" "$BOX/send"
	printf 1234567890 >"$BOX/send"
	line=$(header)
	after=$(date +%s.%N)
	is 1 "$(wc -l <<<"$line")"
	is "gid id offset pid size time uid" \
		"$(jq -r 'keys | join(" ")' <<<"$line")"
	is 1 "$(json id <<<"$line")"
	is 5 "$(json size <<<"$line")"
	is "$(cat "$W/pid")" "$(json pid <<<"$line")"
	is "$(id -u)" "$(json uid <<<"$line")"
	is "$(id -g)" "$(json gid <<<"$line")"
	time=$(json time <<<"$line")
	jq -en "$before <= $time and $time <= $after" >/dev/null ||
		fail "$time is not from $before to $after"
	is 12345 "$("$TOOLS/mapread" "$BOX/data" "$(json offset <<<"$line")" 5)"
	line=$(header)
	is 2 "$(json id <<<"$line")"
	is 10 "$(json size <<<"$line")"
	is 1234567890 "$("$TOOLS/mapread" "$BOX/data" \
		"$(json offset <<<"$line")" 10)"
	# handed out, and still there
	is "" "$(header 2>/dev/null || true)"
	is "1 2" "$(transactions)"
	is 2 "$(box transactions.delivered)"
	# in the order in which they were sent
	seq 20 | while read -r line; do
		echo "$line" >"$BOX/send"
	done
	is "$(seq 3 22)" "$(for i in {1..20}; do header; done | json id)"
}

@test "the header says what there is to know" {
	in_every_way fields
}

other_users() {
	umask 0
	new_box b
	as_id 54321 12345 bash -c 'echo hello >"$1"' - "$BOX/send"
	# who has opened it is the sender, also when another one writes
	as_id 54321 12345 sleep 0
	(as_id 54322 54322 echo hello) >"$BOX/send"
	is "[54321,12345]" "$(header | jq -c '[.uid, .gid]')"
	is "[0,0]" "$(header | jq -c '[.uid, .gid]')"
}

@test "the header names the user who opened the file" {
	as_root_in_every_mode other_users -o allow_other
}

scripts() {
	local line

	new_box b
	echo one >"$BOX/send"
	echo two >"$BOX/send"
	# bash reads a byte at a time here
	read -r line <"$BOX/recv"
	is 1 "$(json id <<<"$line")"
	read -r line <"$BOX/recv"
	is 2 "$(json id <<<"$line")"
	is EAGAIN "$(ops open "$BOX/recv" r,nonblock read 1 | cut -d ' ' -f 2)"
}

one_line() {
	local i

	new_box b
	for i in 1 2 3 4; do
		printf "%0${i}d" 0 >"$BOX/send"
	done
	is 1 "$(timeout 60 sed 1q "$BOX/recv" 2>&1 | json size)"
	is 2 "$(timeout 60 sed 1q <"$BOX/recv" 2>&1 | json size)"
	timeout 60 head -n 1 "$BOX/recv" >"$W/line" 2>/dev/null
	is 3 "$(json size <"$W/line")"
	is "1 3" "$(box transactions.queued) $(box transactions.delivered)"
}

@test "sed 1q and head -n 1 take one header each" {
	in_every_way one_line
}

@test "a shell reads a header with read -r" {
	in_every_way scripts
}

# ---- waiting -------------------------------------------------------------

wakes() {
	new_box b
	is "0 EAGAIN EAGAIN" "$(ops open "$BOX/recv" r,nonblock read 100 read 1)"
	ops_into "$W/out" open "$BOX/recv" r read 8 read 200 read 8
	wait_until 5 waits 1
	echo one >"$BOX/send"
	wait_until 5 eval '[[ $(wc -l <"$W/out") == 3 ]]'
	is '8:{"id":1,' "$(sed -n 2p "$W/out")"
	# the rest of the line does not wait; the next one does
	wait_until 5 waits 1
	echo two >"$BOX/send"
	wait_until 5 eval '[[ $(wc -l <"$W/out") == 4 ]]'
	is '8:{"id":2,' "$(sed -n 4p "$W/out")"
}

@test "a read waits for a transaction" {
	in_every_way wakes
}

polls() {
	new_box b
	is "0 0 0" "$(ops open "$BOX/recv" r poll in 100 select 100)"
	echo one >"$BOX/send"
	is "0 1:in 1" "$(ops open "$BOX/recv" r poll in 0 select 0)"
	header >/dev/null
	ops_into "$W/poll" open "$BOX/recv" r poll in 10000 read 8
	ops_into "$W/select" open "$BOX/recv" r select 10000
	ops_into "$W/nonblock" open "$BOX/recv" r,nonblock read 1 poll in 10000
	wait_until 5 said "$W/nonblock" "0 EAGAIN"
	sleep 0.3
	is 0 "$(words "$W/poll")"
	echo two >"$BOX/send"
	wait_until 5 said "$W/poll" '0 1:in 8:{"id":2,'
	wait_until 5 said "$W/select" "0 1"
	wait_until 5 said "$W/nonblock" "0 EAGAIN 1:in"
	is "2 2" "$(header | json id) $(transactions | wc -w)"
	# and again, on the same descriptor
	background timeout 60 "$TOOLS/recvtx" --poll --count 2 "$BOX" >"$W/two"
	sleep 0.2
	printf 3 >"$BOX/send"
	wait_until 5 eval '[[ $(<"$W/two") == 3 ]]'
	printf 4 >"$BOX/send"
	wait_until 5 eval '[[ $(<"$W/two") == 34 ]]'
	wait "$BG_PID"
}

# bats test_tags=slow
@test "poll and select work" {
	in_every_way polls
}

interruptions() {
	local sig

	new_box b
	is "0 EINTR" "$(ops open "$BOX/recv" r alarm 300 read 100)"
	is 0 "$(waiting)"
	for sig in KILL TERM INT; do
		ops_into "$W/out" open "$BOX/recv" r read 100
		wait_until 5 waits 1
		kill -"$sig" "$BG_PID"
		if [[ $sig == INT ]]; then
			# ignored in the background: let it go otherwise
			kill -TERM "$BG_PID"
		fi
		wait_until 1 not_running "$BG_PID"
		wait_until 2 waits 0
	done
	# what comes then is nobody's yet
	echo x >"$BOX/send"
	is 1 "$(header | json id)"
}

@test "a waiting receiver can be interrupted and killed" {
	in_every_way interruptions
}

# ---- many receivers ------------------------------------------------------

shared() {
	local i n

	n=$(loops 400)
	new_box b
	for i in 1 2 3 4; do
		background timeout 300 "$TOOLS/recvtx" --sum --free \
			--count 100000 "$BOX" >"$W/r$i" 2>"$W/e$i"
	done
	wait_until 5 waits 4
	for i in 1 2; do
		"$TOOLS/sendtx" --size 10,5000,100000 --count "$((n / 2))" \
			--first "$((i * n))" --sums "$BOX/send" >"$W/s$i" &
	done
	wait_until 60 eval '[[ $(cat "$W"/r? | wc -l) == '"$n"' ]]'
	# each id once, and each payload whole
	is "$(seq "$n")" "$(cat "$W"/r? | awk '{ print $1 }' | sort -n)"
	cmp <(cat "$W"/s? | sort) <(cat "$W"/r? | cut -d ' ' -f 2- | sort)
	is "" "$(cat "$W"/e?)"
	wait_until 5 eval '[[ ! $(transactions) ]]'
	is 0 "$(pool pages.used)"
}

@test "each transaction is handed out once" {
	in_every_way shared
}

forked() {
	local i

	new_box b
	# one open file, three processes that read from it
	ops_into "$W/out" open "$BOX/recv" r child read 200 end \
		child read 200 end read 200 wait wait
	wait_until 5 waits 3
	for i in 1 2 3; do
		echo "$i" >"$BOX/send"
	done
	wait_until 5 eval '[[ $(wc -l <"$W/out") == 6 ]]'
	is "$(seq 3)" "$(grep -o '"id":[0-9]*' "$W/out" | cut -d : -f 2 | sort)"
	is 3 "$(grep -c '\$$' "$W/out")"
	wait "$BG_PID"
}

@test "receivers that share one open file" {
	in_every_way forked
}

in_parts() {
	local whole parts

	new_box b
	echo x >"$BOX/send"
	whole=$(ops open "$BOX/recv" r,nonblock read 20)
	is '0 20:{"id":1,"offset":0,"' "$whole"
	# not read to its end: it is the next one's
	is 1 "$(box transactions.queued)"
	whole=$(header)
	is 1 "$(json id <<<"$whole")"
	echo y >"$BOX/send"
	parts=$(timeout 60 dd if="$BOX/recv" bs=1 status=none \
		count=$((${#whole} + 1)))
	is 2 "$(json id <<<"$parts")"
	is '{"id"' "${parts:0:5}"
	# among several, given back in its order
	echo 3 >"$BOX/send"
	echo 4 >"$BOX/send"
	is "0 9:{\"id\":3,\"" "$(ops open "$BOX/recv" r read 9)"
	wait_until 5 box_has transactions.queued 2
	is 3 "$(header | json id)"
	is 4 "$(header | json id)"
}

@test "a header may be read in parts, and is given back half read" {
	in_every_way in_parts
}

partly_read_and_removed() {
	new_box b
	echo x >"$BOX/send"
	"$TOOLS/fileops" open "$BOX/recv" r,nonblock read 5 \
		unlink "$BOX/tx/1" read 10 read 500 read 1 >"$W/out"
	is '0 5:{"id" 0 10::1,"offset' "$(head -n 4 "$W/out" | words -)"
	is 1 "$(sed -n 5p "$W/out" | grep -c '}\$$')"
	is EAGAIN "$(sed -n 6p "$W/out")"
	is "" "$(transactions)"
	wait_until 5 eval '[[ $(pool pages.used) == 0 ]]'
}

@test "a transaction is removed while its header is read" {
	in_every_way partly_read_and_removed
}

killed() {
	local sig

	new_box b
	for sig in 9 15; do
		echo x >"$BOX/send"
	done
	# having read nothing, or a part
	is "0 -9" "$(ops child open "$BOX/recv" r kill 9 end wait)"
	is '0 5:{"id" -9' "$(ops child open "$BOX/recv" r read 5 kill 9 end \
		wait)"
	wait_until 5 box_has transactions.queued 2
	is 1 "$(header | json id)"
	# having read it: it stays in tx/, and is not handed out again
	ops child open "$BOX/recv" r read 200 kill 9 end wait >/dev/null
	is "0 EAGAIN" "$(ops open "$BOX/recv" r,nonblock read 200)"
	is "1 2" "$(transactions)"
	is xx "$(cat "$BOX/tx"/* | tr -d '\n')"
}

@test "a killed receiver loses nothing that it has not read" {
	in_every_way killed
}
