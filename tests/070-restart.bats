#!/usr/bin/env bats
# SPDX-License-Identifier: GPL-2.0-or-later
#
# The worker is killed at any moment: nothing is lost, nothing comes twice, and
# no client sees an error.

load helpers

teardown() {
	[[ ! ${SLOW_REPLIES:-} ]] || rm -f "$SLOW_REPLIES"
	clean_up
}

# kill_worker KEEPER: whichever it has now, also one that is just starting.
kill_worker() {
	pkill -KILL -P "$1" || return 0
}

# killed_thrice KEEPER: three workers that had begun were killed; or kills one.
killed_thrice() {
	(($(json restarts "$POOL/.pool/stats") < 3)) || return 0
	kill_worker "$1"
	return 1
}

# kill_often KEEPER TIMES MIN_MS MAX_MS [FILE]: at random moments, and then on
# until FILE is there.  Every other worker has answered something first, however
# long it needs for that.
kill_often() {
	local i ms

	for ((i = 0; ; i++)); do
		((i < $2)) || [[ ${5:-} && ! -e $5 ]] || break
		((i % 2)) || timeout 60 cat "$POOL/.pool/stats" >/dev/null
		ms=$(($3 + RANDOM % ($4 - $3)))
		sleep "0.$(printf %03d "$ms")"
		kill_worker "$1"
	done
}

# kill_and_wait: one kill, and a new worker that answers.
kill_and_wait() {
	local before

	before=$(pool_pid worker)
	kill -KILL "$before"
	[ "$(pool_pid worker)" != "$before" ]
}

# keep_status FILE CMD...: what CMD ended with is in FILE.status, what it said
# of errors in FILE.err, what it printed is added to FILE.
keep_status() {
	local file=$1 status=0

	shift
	"$@" >>"$file" 2>>"$file.err" </dev/null || status=$?
	echo "$status" >>"$file.status"
}

# send_on FILE OPTION...: until POOL_TMP/stop is there.
send_on() {
	local file=$1

	shift
	while [[ ! -e $POOL_TMP/stop ]]; do
		keep_status "$file" timeout 300 "$TOOLS/sendtx" --sums "$@"
	done
}

# went_well FILE...: all of keep_status: no error, not one.
went_well() {
	local file

	for file; do
		[ ! -s "$file.err" ] || fail "$file: $(sort "$file.err" | uniq -c)"
		fails grep -qvx 0 "$file.status"
	done
}

# all_events: those that are there now.
all_events() {
	timeout 60 dd if="$POOL/.pool/events" bs=64K iflag=nonblock \
		2>/dev/null || true
}

waiting() {
	[ "$(json waiting "$1/.pool/stats")" -ge "$2" ]
}

# nothing_left BOX: no transaction, no memory in use, nobody.
nothing_left() {
	[ -z "$(ls "$1/tx")" ]
	[ "$(jq -c '[.pages.used, .ranges.reserved_bytes,
		.transactions.queued, .transactions.delivered,
		.transactions.writing]' "$1/stat")" = "[0,0,0,0,0]" ]
}

# bats test_tags=slow
@test "senders and receivers, and a worker killed dozens of times" {
	local mode box keeper kills i
	local -a senders=() receivers=()
	for mode in $MODES; do
		pool_start --mode="$mode"
		rm -f "$POOL_TMP"/{stop,sent,got}*
		keeper=$(pool_pid keeper)
		box=$POOL/box/a
		kills=$(loops 36)
		mkdir "$box"
		# small enough for senders to wait now and then
		truncate -s 256K "$box/data"
		senders=()
		background send_on "$POOL_TMP/sent.close" --count 20 \
			--size 10,5000,0,70000 --pieces 3 "$box/send"
		senders+=("$BG_PID")
		background send_on "$POOL_TMP/sent.fsync" --count 50 \
			--first 50 --fsync --size 128,4096,9000 "$box/send"
		senders+=("$BG_PID")
		background send_on "$POOL_TMP/sent.dsync" --count 50 \
			--first 100 --dsync --size 100,40000 "$box/send"
		senders+=("$BG_PID")
		receivers=()
		background timeout 120 "$TOOLS/recvtx" --count 1000000 --sum \
			--free "$box" >"$POOL_TMP/got.map" 2>"$POOL_TMP/got.map.err"
		receivers+=("$BG_PID")
		background timeout 120 "$TOOLS/recvtx" --count 1000000 --sum \
			--free --poll --tx "$box" >"$POOL_TMP/got.tx" \
			2>"$POOL_TMP/got.tx.err"
		receivers+=("$BG_PID")

		kill_often "$keeper" "$kills" 20 260
		touch "$POOL_TMP/stop"
		wait "${senders[@]}"
		went_well "$POOL_TMP"/sent.{close,fsync,dsync}
		wait_until 20 nothing_left "$box"
		[ ! -s "$POOL_TMP/got.map.err" ] || fail "$(<"$POOL_TMP/got.map.err")"
		[ ! -s "$POOL_TMP/got.tx.err" ] || fail "$(<"$POOL_TMP/got.tx.err")"
		for i in "${receivers[@]}"; do
			kill -0 "$i"
			kill "$i"
			wait "$i" || true
		done

		# none lost, none twice
		cat "$POOL_TMP"/sent.{close,fsync,dsync} | sort >"$POOL_TMP/sent"
		cat "$POOL_TMP"/got.{map,tx} | cut -d " " -f 2- | sort \
			>"$POOL_TMP/got"
		[ "$(wc -l <"$POOL_TMP/sent")" -gt 100 ]
		cmp "$POOL_TMP/sent" "$POOL_TMP/got"
		[ -z "$(cut -d " " -f 1 "$POOL_TMP"/got.{map,tx} | sort |
			uniq -d)" ]
		[ "$(json restarts "$POOL/.pool/stats")" -ge $((kills * 3 / 4)) ]
		echo "# $mode: $(wc -l <"$POOL_TMP/sent") transactions," \
			"$(json restarts "$POOL/.pool/stats") restarts" >&3
		[ "$(pool_pid keeper)" = "$keeper" ]
		rmdir "$box"
		pool_stop
	done
}

# bats test_tags=slow
@test "each change is made once, whenever the worker is killed" {
	local mode keeper i killer
	for mode in $MODES; do
		pool_start --mode="$mode"
		keeper=$(pool_pid keeper)
		rm -f "$POOL_TMP/enough"
		background kill_often "$keeper" "$(loops 16)" 10 150 \
			"$POOL_TMP/enough"
		killer=$BG_PID
		for ((i = 0; i < 10000; i++)); do
			mkdir "$POOL/box/b$i"
			truncate -s 64K "$POOL/box/b$i/data"
			chmod 700 "$POOL/box/b$i/data"
			"$TOOLS/sendtx" --size 10,7000,0 --count 3 \
				"$POOL/box/b$i/send"
			"$TOOLS/recvtx" --count 2 --sum --free --tx \
				"$POOL/box/b$i" >/dev/null
			fails rmdir "$POOL/box/b$i" 2>/dev/null
			rm "$POOL/box/b$i"/tx/*
			rmdir "$POOL/box/b$i"
			echo "{\"floor\": $i}" >"$POOL/.pool/config"
			[ "$(json floor "$POOL/.pool/config")" = "$i" ]
			((i < 4)) || touch "$POOL_TMP/enough"
			kill -0 "$killer" 2>/dev/null || break
		done
		wait "$killer"
		[ "$i" -gt 3 ]
		[ -z "$(ls "$POOL/box")" ]
		[ "$(json pages.used "$POOL/.pool/stats")" = 0 ]
		[ "$(json transactions "$POOL/.pool/stats")" = 0 ]
		pool_stop
	done
}

@test "open files and mappings stay valid" {
	local mode box sum i mapper
	for mode in $MODES; do
		pool_start --mode="$mode"
		box=$POOL/box/a
		mkdir "$box"
		seq 40000 >"$POOL_TMP/text"
		cat "$POOL_TMP/text" >"$box/send"
		"$TOOLS/sendtx" --size 100000 "$box/send"
		background "$TOOLS/mapread" --sum --hold 50 "$box/data" \
			>"$POOL_TMP/sums"
		mapper=$BG_PID
		exec 7<"$box/tx/1" 8<"$box/tx/2" 9<"$box/data"
		sum=$(sha256sum <"$box/tx/2")
		wait_until 5 test -s "$POOL_TMP/sums"
		head -c 100000 <&7 >"$POOL_TMP/read"
		for ((i = 0; i < 3; i++)); do
			kill_and_wait
		done
		# what is removed stays whole for who has it open
		rm "$box/tx/1" "$box/tx/2"
		kill_and_wait
		tail -c +100001 "$POOL_TMP/text" | cmp - <(cat <&7)
		[ "$(sha256sum <&8)" = "$sum" ]
		cmp -n 100000 "$POOL_TMP/text" <(head -c 100000 <&9)
		kill -USR1 "$mapper"
		wait_until 5 eval '[ "$(wc -l <"$POOL_TMP/sums")" = 2 ]'
		[ "$(sort -u "$POOL_TMP/sums" | wc -l)" = 1 ]
		exec 7<&- 8<&- 9<&-
		kill "$mapper"
		wait_until 5 nothing_left "$box"
		pool_stop
	done
}

# hold_up_notifier: the worker is kept from answering a READ, and its notifier
# waits in the kernel for the page that this READ keeps locked, until
# $SLOW_REPLIES is removed.  Sets keeper, worker, sender and reader.
hold_up_notifier() {
	local box

	tmp
	export SLOW_REPLIES=$POOL_TMP/slow
	LD_PRELOAD=$TOOLS/slow_replies.so \
		ASAN_OPTIONS=$ASAN_OPTIONS:verify_asan_link_order=0 \
		pool_start --mode=cached
	keeper=$(pool_pid keeper)
	worker=$(pool_pid worker)
	box=$POOL/box/a
	mkdir "$box"
	exec 7<"$box/data"
	"$TOOLS/sendtx" --text first "$box/send"
	[ "$(dd if="$box/data" bs=5 count=1 status=none)" = first ]
	rm "$box/tx/1"
	# so that the kernel has to read it again
	echo 1 >/proc/sys/vm/drop_caches
	touch "$SLOW_REPLIES"
	background timeout 300 "$TOOLS/sendtx" --size 5000 "$box/send"
	sender=$BG_PID
	wait_until 5 test -e "$SLOW_REPLIES.invalidating"
	# opening it would wait for the notifier
	background timeout 300 bash -c "head -c 5 <&7" >"$POOL_TMP/read"
	reader=$BG_PID
	wait_until 5 test -e "$SLOW_REPLIES.reading"
	wait_until 5 grep -qs folio_lock "/proc/$worker/task"/*/stack
}

# bats test_tags=alone
@test "a worker that cannot be reaped is replaced" {
	need root
	local keeper worker sender reader
	hold_up_notifier
	kill -KILL "$worker"
	rm "$SLOW_REPLIES"
	wait "$sender" "$reader"
	[ "$(stat -c %s "$POOL_TMP/read")" = 5 ]
	[ "$(pool_pid worker)" != "$worker" ]
	[ "$("$TOOLS/recvtx" --timeout 60 --free "$POOL/box/a" | wc -c)" = 5000 ]
	exec 7<&-
	pool_stop
}

# bats test_tags=alone
@test "SIGTERM to the keeper of a worker that cannot be reaped" {
	need root
	local keeper worker sender reader
	hold_up_notifier
	kill -TERM "$keeper"
	kill -KILL "$worker"
	wait_until 20 not_running "$keeper"
	wait_until 5 not_running "$worker"
	fails is_mounted "$POOL"
	fails wait "$reader"
	[ ! -s "$POOL_TMP/read" ]
	exec 7<&-
	forget "pool.${POOL//\//_}"
}

# triggers_of PID: the kernel's files of pressure that it has open.
triggers_of() {
	find "/proc/$1/fd" -lname "*pressure*" -printf "%l\n" | sort
}

# To close a trigger takes the kernel tens of milliseconds.
@test "no worker has triggers to close when it dies: its watcher has them, too" {
	need root psi
	local worker watcher
	pool_start
	worker=$(pool_pid worker)
	watcher=$(tr -d " " <"/proc/$worker/task/$worker/children")
	[ "$(triggers_of "$worker")" ]
	[ "$(triggers_of "$watcher")" = "$(triggers_of "$worker")" ]
	# and nothing of the pool's
	[ "$(find "/proc/$worker/fd" -lname /dev/fuse)" ]
	[ ! "$(find "/proc/$watcher/fd" -lname /dev/fuse)" ]
	kill_and_wait
	wait_until 5 not_running "$watcher"
}

@test "a half-written transaction goes on" {
	local mode box i
	for mode in $MODES; do
		pool_start --mode="$mode"
		box=$POOL/box/a
		mkdir "$box"
		exec 7>"$box/send" 8>"$box/send"
		kill_and_wait
		for i in 1 2 3 4; do
			printf "part %s, " "$i" >&7
			kill_and_wait
		done
		[ "$(json transactions.writing "$box/stat")" = 2 ]
		printf end >&7
		kill_and_wait
		exec 7>&-
		[ "$("$TOOLS/recvtx" --timeout 60 --free "$box")" = \
			"part 1, part 2, part 3, part 4, end" ]
		# and the empty one
		kill_and_wait
		exec 8>&-
		[ "$("$TOOLS/recvtx" --timeout 60 --header --free "$box" |
			json size)" = 0 ]
		wait_until 5 nothing_left "$box"
		pool_stop
	done
}

@test "what a killed sender had written is dropped by the next worker, too" {
	local mode box
	for mode in $MODES; do
		pool_start --mode="$mode"
		box=$POOL/box/a
		mkdir "$box"
		# shellcheck disable=SC2016
		background bash -c 'echo $$ >"$2"; exec >"$1"; echo half
			read -r <"$3"' - "$box/send" "$POOL_TMP/pid" "$box/recv"
		wait_until 5 waiting "$POOL" 1
		kill_and_wait
		kill -KILL "$(<"$POOL_TMP/pid")"
		wait_until 5 nothing_left "$box"
		rm "$POOL_TMP/pid"
		pool_stop
	done
}

@test "who waits goes on waiting" {
	local mode box i
	for mode in $MODES; do
		pool_start --mode="$mode"
		box=$POOL/box/a
		mkdir "$box" "$POOL/box/b"
		truncate -s 64K "$box/data"
		rm -f "$POOL_TMP"/{send,recv,poll}*
		"$TOOLS/sendtx" --size 64K "$box/send"
		background keep_status "$POOL_TMP/send" \
			timeout 300 "$TOOLS/sendtx" --text "at last" "$box/send"
		background keep_status "$POOL_TMP/recv" \
			timeout 300 "$TOOLS/recvtx" --free "$POOL/box/b"
		wait_until 5 waiting "$POOL" 2
		background keep_status "$POOL_TMP/poll" \
			timeout 300 "$TOOLS/recvtx" --poll --free "$POOL/box/b"
		wait_until 5 eval '[ "$(json open "$POOL/box/b/stat")" -ge 2 ]'
		for ((i = 0; i < 4; i++)); do
			kill_and_wait
			wait_until 5 waiting "$POOL" 2
		done
		fails compgen -G "$POOL_TMP/*.status"
		rm "$box"/tx/*
		wait_until 5 test -s "$POOL_TMP/send.status"
		[ "$(cat "$box"/tx/*)" = "at last" ]
		"$TOOLS/sendtx" --text "one" "$POOL/box/b/send"
		"$TOOLS/sendtx" --text "two" "$POOL/box/b/send"
		wait_until 5 test -s "$POOL_TMP/recv.status"
		wait_until 5 test -s "$POOL_TMP/poll.status"
		went_well "$POOL_TMP"/{send,recv,poll}
		[ "$(cat "$POOL_TMP"/{recv,poll} | grep -o ... | sort |
			tr "\n" " ")" = "one two " ]
		wait_until 5 nothing_left "$POOL/box/b"
		pool_stop
	done
}

@test "a receiver that waits can still be interrupted" {
	local mode
	for mode in $MODES; do
		pool_start --mode="$mode"
		mkdir "$POOL/box/a"
		background timeout 300 cat "$POOL/box/a/recv"
		wait_until 5 waiting "$POOL" 1
		kill_and_wait
		wait_until 5 waiting "$POOL" 1
		kill "$BG_PID"
		wait_until 5 not_running "$BG_PID"
		wait_until 5 eval '! waiting "$POOL" 1'
		"$TOOLS/sendtx" --text "not for it" "$POOL/box/a/send"
		[ "$("$TOOLS/recvtx" --timeout 60 "$POOL/box/a")" = "not for it" ]
		pool_stop
	done
}

@test "stats count restarts, and events tell of them" {
	local mode i
	for mode in $MODES; do
		pool_start --mode="$mode"
		[ "$(json restarts "$POOL/.pool/stats")" = 0 ]
		for i in 1 2 3; do
			kill_and_wait
			[ "$(json restarts "$POOL/.pool/stats")" = "$i" ]
			[ "$(json mode "$POOL/.pool/stats")" = "$mode" ]
		done
		grep -qx "poolfs_restarts_total 3" "$POOL/.pool/metrics"
		all_events >"$POOL_TMP/events"
		[ "$(jq -c 'select(.event == "restart") | .restarts' \
			"$POOL_TMP/events" | tr "\n" " ")" = "1 2 3 " ]
		[ "$(jq -r 'select(.restarts == 3) | .worker' \
			"$POOL_TMP/events")" = "$(pool_pid worker)" ]
		pool_stop
	done
}

@test "a worker killed at its answer: no event is lost, none comes twice" {
	local mode when reader
	export DIE_AT_REPLY
	tmp
	DIE_AT_REPLY=$POOL_TMP/die
	for mode in $MODES; do
		LD_PRELOAD=$TOOLS/die_at_reply.so \
			ASAN_OPTIONS=$ASAN_OPTIONS:verify_asan_link_order=0 \
			pool_start --mode="$mode"
		for when in before after; do
			background timeout 300 cat "$POOL/.pool/events" \
				>"$POOL_TMP/events"
			reader=$BG_PID
			wait_until 5 waiting "$POOL" 1
			echo "$when \"floor\":7" >"$DIE_AT_REPLY"
			# the answer that dies is the waiting reader's
			echo '{"floor": 7}' >"$POOL/.pool/config"
			wait_until 5 eval '! test -e "$DIE_AT_REPLY"'
			pool_pid worker >/dev/null
			echo '{"floor": 8}' >"$POOL/.pool/config"
			wait_until 5 grep -q '"floor":8' "$POOL_TMP/events"
			sleep 0.3
			all_events >"$POOL_TMP/all"
			cmp "$POOL_TMP/events" "$POOL_TMP/all"
			kill "$reader"
			wait_until 5 not_running "$reader"
		done
		[ "$(json restarts "$POOL/.pool/stats")" = 2 ]
		pool_stop
	done
}

@test "a reader of events loses no line" {
	local mode i
	for mode in $MODES; do
		pool_start --mode="$mode"
		background timeout 300 cat "$POOL/.pool/events" \
			>"$POOL_TMP/events"
		wait_until 5 waiting "$POOL" 1
		for ((i = 1; i <= 12; i++)); do
			echo "{\"floor\": $i}" >"$POOL/.pool/config"
			((i % 3)) || kill_and_wait
		done
		wait_until 5 grep -q '"restarts":4' "$POOL_TMP/events"
		# the same as for one who comes now, and in the same order
		sleep 0.3
		all_events >"$POOL_TMP/all"
		cmp "$POOL_TMP/events" "$POOL_TMP/all"
		[ "$(jq -c 'select(.event == "config") | .floor' \
			"$POOL_TMP/events" | tr "\n" " ")" = \
			"1 2 3 4 5 6 7 8 9 10 11 12 " ] ||
			fail "$(cut -c 1-100 "$POOL_TMP/events")"
		pool_stop
	done
}

# bats test_tags=slow
@test "a worker that is killed all the time: the mount survives" {
	local mode keeper end
	for mode in $MODES; do
		pool_start --mode="$mode"
		keeper=$(pool_pid keeper)
		rm -f "$POOL_TMP"/recv*
		mkdir "$POOL/box/a"
		background keep_status "$POOL_TMP/recv" \
			timeout 300 "$TOOLS/recvtx" --free "$POOL/box/a"
		wait_until 5 waiting "$POOL" 1
		end=$((SECONDS + 3))
		while ((SECONDS < end)); do
			kill_worker "$keeper"
			sleep 0.01
		done
		# where none of them has begun in this time
		wait_until 30 killed_thrice "$keeper"
		timeout 60 "$TOOLS/sendtx" --text "still here" \
			"$POOL/box/a/send"
		wait_until 10 test -s "$POOL_TMP/recv.status"
		went_well "$POOL_TMP/recv"
		[ "$(<"$POOL_TMP/recv")" = "still here" ]
		[ "$(pool_pid keeper)" = "$keeper" ]
		pool_stop
	done
}

@test "SIGTERM to a keeper whose worker is killed all the time" {
	pool_start
	local keeper
	keeper=$(pool_pid keeper)
	for _ in {1..20}; do
		kill_worker "$keeper"
		sleep 0.01
	done
	kill -TERM "$keeper"
	wait_until 10 not_running "$keeper"
	fails is_mounted "$POOL"
}

@test "the content of memory is kept, page by page" {
	local mode box sums before
	for mode in $MODES; do
		pool_start --mode="$mode"
		box=$POOL/box/a
		mkdir "$box"
		"$TOOLS/sendtx" --size 1M,3000,5,200K,0,64K --count 10 "$box/send"
		rm "$box"/tx/{2,4,7}
		sums=$(cd "$box/tx" && sha256sum -- *)
		before=$(jq -c '[.pages, .ranges, .transactions]' "$box/stat")
		kill_and_wait
		[ "$(cd "$box/tx" && sha256sum -- *)" = "$sums" ]
		[ "$(jq -c '[.pages, .ranges, .transactions]' "$box/stat")" = \
			"$before" ]
		# what was Available can be used again, and reclaimed
		rm "$box"/tx/*
		kill_and_wait
		[ "$(json pages.used "$box/stat")" = 0 ]
		[ "$(json pages.available "$box/stat")" -gt 0 ]
		echo "0 0 1000000" >"$(echo "$POOL"/.pool/shrinker/box*/scan)"
		[ "$(json pages.available "$box/stat")" = 0 ]
		pool_stop
	done
}

@test "an ordinary user's worker is started again" {
	need user_mount
	pool_as_user_start
	local before
	as_user mkdir "$POOL/box/a"
	as_user "$TOOLS/sendtx" --text kept "$POOL/box/a/send"
	before=$(pool_pid worker)
	kill -KILL "$before"
	[ "$(as_user "$TOOLS/recvtx" --timeout 60 "$POOL/box/a")" = kept ]
	[ "$(pool_pid worker)" != "$before" ]
	pool_stop
	wait_until 5 nothing_in "$USER_RUN"
}
