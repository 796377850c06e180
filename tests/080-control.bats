#!/usr/bin/env bats
# SPDX-License-Identifier: GPL-2.0-or-later
#
# The control tree: every file of .pool/, what it says and what it refuses.

load helpers

teardown() {
	clean_up
}

# config: as it is, without the last error.
config() {
	timeout 60 cat "$POOL/.pool/config" | jq -cS "del(.last_error)"
}

# write_to FILE TEXT: in one write; status and message are run's.
write_to() {
	# shellcheck disable=SC2016
	run timeout 60 bash -c 'printf "%s" "$2" >"$1"' - "$1" "$2"
}

# config_refuses KEY TEXT: EINVAL, the key is named twice, nothing changes.
config_refuses() {
	local before
	before=$(config)
	write_to "$POOL/.pool/config" "$2"
	[ "$status" != 0 ] || fail "taken: $2"
	[[ $output == *"Invalid argument"* ]] || fail "$2: $output"
	[ "$(config)" = "$before" ] || fail "$2: changed $before to $(config)"
	[[ $(json last_error "$POOL/.pool/config") == "$1: "* ]] ||
		fail "$2: $(json last_error "$POOL/.pool/config")"
	[ "$(all_events | jq -r 'select(.event == "config-error") | .key' |
		tail -n 1)" = "$1" ]
}

# all_events: those that are there now.
all_events() {
	timeout 60 dd if="$POOL/.pool/events" bs=64K iflag=nonblock \
		2>/dev/null || true
}

waiting() {
	[ "$(json waiting "$1/.pool/stats")" -ge "$2" ]
}

# open_metrics <FILE: does it follow the OpenMetrics text format?
open_metrics() {
	awk '
		function bad(why) { print "line " NR ": " why ": " $0; err = 1 }
		ended		{ bad("after the end") }
		/^# EOF$/	{ ended = 1; next }
		/^# TYPE /	{
			if (NF != 4 || $3 in type)
				bad("a type")
			if ($4 != "gauge" && $4 != "counter")
				bad("an unknown type")
			type[$3] = $4
			family = $3
			next
		}
		/^# HELP /	{
			if ($3 != family || NF < 4)
				bad("help")
			next
		}
		/^[a-z][a-z0-9_]* [-+0-9.eE]+$/ {
			name = $1
			if (type[family] == "counter" &&
			    sub(/_total$/, "", name) != 1)
				bad("a counter is not a _total")
			if (name != family)
				bad("not of its family")
			if (seen[$1]++)
				bad("twice")
			nr++
			next
		}
			{ bad("strange") }
		END {
			if (!ended)
				print "no # EOF"
			exit err || !ended || nr < 10
		}'
}

@test "what there is, whose it is, and who may do what with it" {
	local mode path
	for mode in $MODES; do
		pool_start --mode="$mode"
		[ "$(ls "$POOL/.pool" | tr "\n" " ")" = \
			"config events metrics pressure shrinker stats " ]
		path=$(echo "$POOL"/.pool/shrinker/*-0)
		[ "$(ls "$path" | tr "\n" " ")" = "count scan " ]
		[ "$(stat -c "%a %F" "$POOL/.pool" "$POOL/.pool/shrinker" \
			"$path" | sort -u)" = "755 directory" ]
		[ "$(cd "$POOL/.pool" && stat -c "%a %n" -- config events \
			metrics pressure stats | tr "\n" " ")" = \
			"644 config 444 events 444 metrics 444 pressure 444 stats " ]
		[ "$(cd "$path" && stat -c "%a %n" -- count scan |
			tr "\n" " ")" = "444 count 200 scan " ]
		[ "$(stat -c %u "$POOL/.pool"/* | sort -u)" = "$(id -u)" ]
		pool_stop
	done
}

@test "nothing of it can be removed, renamed, changed or added" {
	local mode file
	for mode in $MODES; do
		pool_start --mode="$mode"
		for file in config events metrics pressure stats \
			shrinker/*-0/count shrinker/*-0/scan; do
			file=$(echo "$POOL"/.pool/$file)
			fails rm -f "$file" 2>/dev/null
			fails mv "$file" "$POOL/box/x" 2>/dev/null
			fails ln "$file" "$POOL/x" 2>/dev/null
			fails chmod 600 "$file" 2>/dev/null
			fails chown 1 "$file" 2>/dev/null
		done
		fails rmdir "$POOL/.pool/shrinker" 2>/dev/null
		fails rmdir "$POOL"/.pool/shrinker/*-0 2>/dev/null
		run mkdir "$POOL/.pool/new"
		[[ $output == *"Operation not permitted"* ]]
		run touch "$POOL/.pool/new"
		[[ $output == *"Operation not permitted"* ]]
		fails mkfifo "$POOL/.pool/shrinker/new" 2>/dev/null
		fails ln -s x "$POOL/.pool/new" 2>/dev/null
		for file in stats metrics pressure events; do
			write_to "$POOL/.pool/$file" x
			[[ $output == *"Permission denied"* ]] ||
				fail "$file: $output"
		done
		run cat "$POOL"/.pool/shrinker/*-0/scan
		[[ $output == *"Permission denied"* ]]
		run ls "$POOL/.pool/absent" "$POOL/.pool/shrinker/x-99"
		[[ $output == *"absent"*"No such"*"x-99"*"No such"* ]]
		pool_stop
	done
}

@test "other users read, and change nothing" {
	need root
	pool_start -o allow_other
	local file
	for file in stats metrics pressure config; do
		as_user cat "$POOL/.pool/$file" >/dev/null
	done
	as_user dd if="$POOL/.pool/events" bs=64K count=1 status=none \
		>/dev/null
	as_user cat "$POOL"/.pool/shrinker/*-0/count >/dev/null
	# shellcheck disable=SC2016
	for file in config shrinker/*-0/scan; do
		run as_user bash -c 'echo "{}" >"$1"' - "$(echo "$POOL"/.pool/$file)"
		[ "$status" != 0 ]
		[[ $output == *"Permission denied"* ]]
	done
	pool_stop
}

# bats test_tags=slow
@test "stats, pressure, config and stat are JSON, whatever the reads" {
	local mode file
	for mode in $MODES; do
		pool_start --mode="$mode"
		mkdir "$POOL/box/a"
		"$TOOLS/sendtx" --size 100000 --count 3 "$POOL/box/a/send"
		for file in .pool/stats .pool/pressure .pool/config \
			box/a/stat; do
			jq -e type "$POOL/$file" >/dev/null
			timeout 60 dd if="$POOL/$file" bs=7 status=none |
				jq -e type >/dev/null
			[ "$(tail -c 1 "$POOL/$file" | od -An -c |
				tr -d " ")" = '\n' ]
		done
		# one open sees one state of affairs
		exec 7<"$POOL/box/a/stat"
		rm "$POOL"/box/a/tx/*
		[ "$(jq .transactions.queued <&7)" = 3 ]
		exec 7<&-
		[ "$(json transactions.queued "$POOL/box/a/stat")" = 0 ]
		pool_stop
	done
}

@test "stats add up" {
	local mode stats=.pool/stats
	for mode in $MODES; do
		pool_start --mode="$mode"
		stats=$POOL/.pool/stats
		[ "$(json mode "$stats")" = "$mode" ]
		[ "$(json version "$stats")" = \
			"$("$POOLFS" --version | cut -d " " -f 2)" ]
		[ "$(jq -c '[.boxes, .transactions, .pages.used]' "$stats")" = \
			"[0,0,0]" ]
		mkdir "$POOL/box/a" "$POOL/box/b"
		"$TOOLS/sendtx" --size 8192 --count 3 "$POOL/box/a/send"
		"$TOOLS/sendtx" --size 4096 "$POOL/box/b/send"
		"$TOOLS/recvtx" --timeout 60 --count 2 --free \
			"$POOL/box/a" >/dev/null
		[ "$(jq -c '[.boxes, .transactions, .pages.used,
			.pages.available, .bytes.used, .bytes.available]' \
			"$stats")" = "[2,2,3,4,12288,16384]" ] ||
			fail "$(<"$stats")"
		[ "$(jq -c '.counters | [.sent, .sent_bytes, .delivered,
			.freed, .dropped]' "$stats")" = "[4,28672,2,2,0]" ]
		[ "$(jq -c '.moved | [.reused, .populated, .dropped]' \
			"$stats")" = "[0,7,0]" ]
		# Available pages are taken before Free ones
		"$TOOLS/sendtx" --size 16384 "$POOL/box/a/send"
		[ "$(jq -c '.moved | [.reused, .populated]' "$stats")" = \
			"[4,7]" ] || fail "$(jq -c .moved "$stats")"
		"$TOOLS/sendtx" --pieces 2 --kill-self-halfway \
			"$POOL/box/b/send" || true
		wait_until 5 eval '[ "$(json counters.dropped "$stats")" = 1 ]'
		jq -e '.uptime > 0 and .uptime < 100' "$stats" >/dev/null
		pool_stop
	done
}

@test "metrics are OpenMetrics, and say what stats say" {
	local mode
	for mode in $MODES; do
		pool_start --mode="$mode"
		mkdir "$POOL/box/a"
		"$TOOLS/sendtx" --size 5000 --count 3 "$POOL/box/a/send"
		"$TOOLS/recvtx" --timeout 60 --free "$POOL/box/a" >/dev/null
		open_metrics <"$POOL/.pool/metrics"
		[ "$(tail -n 1 "$POOL/.pool/metrics")" = "# EOF" ]
		metric() {
			sed -n "s/^poolfs_$1 //p" "$POOL/.pool/metrics"
		}
		[ "$(metric sent_total)" = 3 ]
		[ "$(metric sent_bytes_total)" = 15000 ]
		[ "$(metric delivered_total)" = 1 ]
		[ "$(metric freed_total)" = 1 ]
		[ "$(metric boxes)" = 1 ]
		[ "$(metric transactions)" = 2 ]
		[ "$(metric used_bytes)" = "$(json bytes.used "$POOL/.pool/stats")" ]
		[ "$(metric available_bytes)" = \
			"$(json bytes.available "$POOL/.pool/stats")" ]
		[ "$(metric size_bytes)" = "$(json size "$POOL/.pool/stats")" ]
		[ "$(metric restarts_total)" = 0 ]
		pool_stop
	done
	# the parser itself
	fails open_metrics < <(printf "poolfs_x 1\n# EOF\n") >/dev/null
}

@test "config takes what it should, and it has its effect" {
	local mode
	for mode in $MODES; do
		# shellcheck disable=SC2034 # for pool_mount
		MONITOR=machine
		pool_start --mode="$mode"
		[ "$(config | jq -c keys)" = \
			'["box_size","floor","full_stall_us","min_free","mode","nr_inodes","sender_quota","size","some_stall_us","user_quota","window_us"]' ]
		echo '{"box_size": 65536}' >"$POOL/.pool/config"
		mkdir "$POOL/box/a"
		[ "$(stat -c %s "$POOL/box/a/data")" = 65536 ]
		echo '{"box_size": "1M", "sender_quota": 25}' \
			>"$POOL/.pool/config"
		mkdir "$POOL/box/b"
		[ "$(stat -c %s "$POOL/box/b/data")" = $((1 << 20)) ]
		# rounded up to pages
		printf '{"box_size":5000}' >"$POOL/.pool/config"
		[ "$(json box_size "$POOL/.pool/config")" = 8192 ]
		# appending is writing, too; an empty object changes nothing
		echo '{"floor": 7, "min_free": "1M"}' >>"$POOL/.pool/config"
		echo '{}' >"$POOL/.pool/config"
		[ "$(config | jq -c '[.box_size, .sender_quota, .floor,
			.min_free]')" = "[8192,25,7,1048576]" ]
		# several lines, but one write: bash writes line by line
		printf '{"some_stall_us": 2000000, "full_stall_us": 1000000,
			"window_us": 4000000}\n' | dd of="$POOL/.pool/config" \
			bs=4096 iflag=fullblock status=none
		[ "$(config | jq -c '[.some_stall_us, .full_stall_us,
			.window_us, .floor]')" = "[2000000,1000000,4000000,7]" ]
		if has_psi; then
			wait_until 5 eval 'jq -e ".sources[0].triggers[] |
				select(.kind == \"some\") |
				.stall_us == 2000000 and .window_us == 4000000" \
				"$POOL/.pool/pressure" >/dev/null'
		fi
		[ "$(all_events | jq -c 'select(.event == "config") | .floor' |
			tail -n 1)" = 7 ]
		# 0 is the default again
		echo '{"min_free": 0}' >"$POOL/.pool/config"
		[ "$(json min_free "$POOL/.pool/config")" -gt 1048576 ]
		pool_stop
	done
}

# bats test_tags=slow
@test "config refuses the rest, names the key and changes nothing" {
	local mode
	for mode in $MODES; do
		pool_start --mode="$mode"
		echo '{"floor": 5}' >"$POOL/.pool/config"
		config_refuses JSON 'garbage'
		config_refuses JSON '{"floor": 1'
		config_refuses JSON '{"floor": 1} trailing'
		config_refuses JSON '{"floor": 1, "floor": 2}'
		config_refuses JSON '[]'
		config_refuses JSON '3'
		config_refuses JSON ' '
		config_refuses JSON "$(head -c 100000 /dev/zero | tr "\0" "[")"
		config_refuses nonsense '{"nonsense": 1}'
		config_refuses last_error '{"last_error": "x"}'
		config_refuses "" '{"": 1}'
		config_refuses box_size '{"box_size": 0}'
		config_refuses box_size '{"box_size": -1}'
		config_refuses box_size '{"box_size": 1.5}'
		config_refuses box_size '{"box_size": true}'
		config_refuses box_size '{"box_size": null}'
		config_refuses box_size '{"box_size": []}'
		config_refuses box_size '{"box_size": "much"}'
		config_refuses box_size '{"box_size": "50%"}'
		config_refuses box_size '{"box_size": "9999999T"}'
		config_refuses box_size '{"box_size": 9223372036854775807}'
		config_refuses JSON '{"box_size": 99999999999999999999}'
		config_refuses sender_quota '{"sender_quota": 0}'
		config_refuses sender_quota '{"sender_quota": 101}'
		config_refuses user_quota '{"user_quota": 0}'
		config_refuses user_quota '{"user_quota": 101}'
		config_refuses some_stall_us '{"some_stall_us": 0}'
		config_refuses window_us '{"window_us": 10000001}'
		# none may be longer than the window
		config_refuses window_us '{"window_us": 1000}'
		config_refuses window_us '{"full_stall_us": 5000000}'
		# the good half of a bad one
		config_refuses nonsense '{"floor": 6, "nonsense": 1}'
		config_refuses sender_quota '{"floor": 6, "sender_quota": "x"}'
		[ "$(json floor "$POOL/.pool/config")" = 5 ]
		# the next good one takes the error away
		echo '{"floor": 8}' >"$POOL/.pool/config"
		fails json last_error "$POOL/.pool/config" >/dev/null
		pool_stop
	done
}

@test "config is kept when the worker is killed, and with its store" {
	local mode store
	for mode in $MODES; do
		tmp
		store=$POOL_TMP/store.$mode
		mkdir "$store"
		pool_start --mode="$mode" --store "$store"
		echo '{"floor": 11, "box_size": "128K"}' >"$POOL/.pool/config"
		local before
		before=$(config)
		kill -KILL "$(pool_pid worker)"
		[ "$(config)" = "$before" ]
		pool_stop
		pool_start --mode="$mode" --store "$store" --min-free 5M
		[ "$(config | jq -c '[.floor, .box_size, .min_free]')" = \
			"[11,131072,5242880]" ]
		mkdir "$POOL/box/a"
		[ "$(stat -c %s "$POOL/box/a/data")" = 131072 ]
		# what was set is stronger than the command line
		echo '{"min_free": "6M"}' >"$POOL/.pool/config"
		pool_stop
		pool_start --mode="$mode" --store "$store" --min-free 5M
		[ "$(json min_free "$POOL/.pool/config")" = $((6 << 20)) ]
		pool_stop
	done
}

@test "events are lines of JSON with a time and a name, and a read waits" {
	local mode
	for mode in $MODES; do
		pool_start --mode="$mode"
		background timeout 300 cat "$POOL/.pool/events" \
			>"$POOL_TMP/events"
		wait_until 5 waiting "$POOL" 1
		kill -0 "$BG_PID"
		jq -es 'all(.time > 1e9 and (.event | type == "string"))' \
			"$POOL_TMP/events" >/dev/null
		grep -q '"event":"mount"' "$POOL_TMP/events"
		local before
		before=$(wc -l <"$POOL_TMP/events")
		echo '{"floor": 3}' >"$POOL/.pool/config"
		wait_until 5 grep -q '"floor":3' "$POOL_TMP/events"
		[ "$(wc -l <"$POOL_TMP/events")" -gt "$before" ]
		jq -es 'all(.time > 1e9)' "$POOL_TMP/events" >/dev/null
		kill "$BG_PID"
		wait_until 5 not_running "$BG_PID"
		wait_until 5 eval '! waiting "$POOL" 1'
		pool_stop
	done
}

@test "events: no waiting with O_NONBLOCK, no line is cut" {
	local mode
	for mode in $MODES; do
		pool_start --mode="$mode"
		sleep 0.2
		exec 7<"$POOL/.pool/events"
		timeout 5 dd bs=64K count=1 status=none <&7 >"$POOL_TMP/first"
		[ -s "$POOL_TMP/first" ]
		exec 7<&-
		run timeout 5 dd if="$POOL/.pool/events" bs=64K iflag=nonblock \
			of="$POOL_TMP/all"
		[[ $output == *"Resource temporarily unavailable"* ]]
		[ "$(wc -l <"$POOL_TMP/all")" -ge "$(wc -l <"$POOL_TMP/first")" ]
		run timeout 5 dd if="$POOL/.pool/events" bs=100 count=1 \
			of=/dev/null
		[[ $output == *"Invalid argument"* ]]
		pool_stop
	done
}

@test "many readers of events read the same" {
	local mode i
	local -a readers=()
	for mode in $MODES; do
		pool_start --mode="$mode"
		readers=()
		sleep 0.2
		for ((i = 0; i < 8; i++)); do
			background timeout 300 cat "$POOL/.pool/events" \
				>"$POOL_TMP/reader.$i"
			readers+=("$BG_PID")
		done
		wait_until 5 waiting "$POOL" 8
		for ((i = 1; i <= 10; i++)); do
			echo "{\"floor\": $i}" >"$POOL/.pool/config"
		done
		for ((i = 0; i < 8; i++)); do
			wait_until 5 grep -q '"floor":10' "$POOL_TMP/reader.$i"
			[ "$(jq -c 'select(.event == "config") | .floor' \
				"$POOL_TMP/reader.$i" | tr "\n" " ")" = \
				"1 2 3 4 5 6 7 8 9 10 " ]
			cmp "$POOL_TMP/reader.0" "$POOL_TMP/reader.$i"
		done
		kill "${readers[@]}"
		pool_stop
	done
}

@test "a slow reader of events is told how many it has lost" {
	local mode i nr
	for mode in $MODES; do
		pool_start --mode="$mode"
		sleep 0.2
		exec 7<"$POOL/.pool/events"
		timeout 5 dd bs=64K count=1 status=none <&7 >"$POOL_TMP/before"
		for ((i = 1; i <= 300; i++)); do
			echo "{\"floor\": $i}" >"$POOL/.pool/config"
		done
		background sh -c 'exec cat <&7' >"$POOL_TMP/after"
		wait_until 5 grep -q '"floor":300' "$POOL_TMP/after"
		kill "$BG_PID"
		exec 7<&-
		[ "$(head -n 1 "$POOL_TMP/after" | json event)" = lost ]
		[ "$(grep -c '"lost"' "$POOL_TMP/after")" = 1 ]
		nr=$(head -n 1 "$POOL_TMP/after" | json count)
		# those and the rest are as many as there were
		[ $((nr + $(wc -l <"$POOL_TMP/after") - 1)) -ge 300 ]
		[ "$(jq -s '[.[] | select(.event == "config") | .floor] |
			length > 20 and last == 300 and
			. == [range(first; 301)]' "$POOL_TMP/after")" = true ]
		# who comes later has not lost anything
		fails grep -q '"lost"' <(all_events)
		pool_stop
	done
}

@test "a shrinker's count, and a scan by hand" {
	local mode dir before after
	for mode in $MODES; do
		pool_start --mode="$mode"
		dir=$(echo "$POOL"/.pool/shrinker/box*)
		[[ $(<"$dir/count") =~ ^0(\ 0)+$ ]]
		mkdir "$POOL/box/a"
		"$TOOLS/sendtx" --size 1M --count 2 "$POOL/box/a/send"
		[[ $(<"$dir/count") =~ ^0(\ 0)+$ ]]
		rm "$POOL/box/a/tx/1"
		[ "$(awk '{ for (i = 2; i <= NF; i++) n += $i; print n }' \
			"$dir/count")" = 256 ]
		before=$(json pages.available "$POOL/.pool/stats")
		[ "$before" = 256 ]
		echo "0 0 0" >"$dir/scan"
		[ "$(json pages.available "$POOL/.pool/stats")" = 256 ]
		echo "0 0 100" >"$dir/scan"
		after=$(json pages.available "$POOL/.pool/stats")
		[ "$after" -lt 256 ]
		echo "0 0 1000000" >"$dir/scan"
		[ "$(json pages.available "$POOL/.pool/stats")" = 0 ]
		# nothing is left, which is no error; Used content is untouched
		echo "0 0 1000000" >"$dir/scan"
		[ "$(json pages.used "$POOL/.pool/stats")" = 256 ]
		[ "$("$TOOLS/recvtx" --timeout 60 --sum "$POOL/box/a" |
			cut -d " " -f 3)" = \
			"$("$TOOLS/mapread" --sum "$POOL/box/a/tx/2")" ]
		pool_stop
	done
}

@test "scan refuses garbage, and nothing happens" {
	local mode dir text before
	for mode in $MODES; do
		pool_start --mode="$mode"
		dir=$(echo "$POOL"/.pool/shrinker/box*)
		mkdir "$POOL/box/a"
		"$TOOLS/sendtx" --size 1M "$POOL/box/a/send"
		rm "$POOL/box/a/tx/1"
		before=$(json pages.available "$POOL/.pool/stats")
		[ "$before" -ge 256 ]
		for text in x " " 0 "0 0" "0 0 x" "0 0 1 2" "0 0 1x" "1 0 100" \
			"0 99 100" "0 -1 100" "-1 0 100" "0 0 -100" \
			"0 0 99999999999999999999999" "0 99999999999999 1" \
			"4294967296 0 100" \
			"$(head -c 5000 /dev/zero | tr "\0" 0) 0 1"; do
			write_to "$dir/scan" "$text"
			[ "$status" != 0 ] || fail "taken: ${text:0:40}"
			[[ $output == *"Invalid argument"* ]] || fail "$output"
		done
		[ "$(json pages.available "$POOL/.pool/stats")" = "$before" ]
		pool_stop
	done
}
