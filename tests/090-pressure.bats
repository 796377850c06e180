#!/usr/bin/env bats
# SPDX-License-Identifier: GPL-2.0-or-later
#
# Memory pressure: whatever its source is, memory that nobody needs goes back,
# and what is used stays as it is.

load helpers

teardown() {
	clean_up
}

available() {
	json pages.available "$POOL/.pool/stats"
}

pressure() {
	json "$1" "$POOL/.pool/pressure"
}

# all_events: those that are there now.
all_events() {
	timeout 60 dd if="$POOL/.pool/events" bs=64K iflag=nonblock \
		2>/dev/null || true
}

events_named() {
	all_events | jq -c "select(.event == \"$1\")"
}

# fill MIB: a box with so much Available memory, and a Used part whose checksum
# is USED_SUM.
fill() {
	local box=$POOL/box/fill

	mkdir "$box"
	truncate -s "$(($1 + 8))M" "$box/data"
	"$TOOLS/sendtx" --size 1M --count 4 "$box/send"
	"$TOOLS/sendtx" --size 1M --count "$1" "$box/send"
	# the oldest four stay
	(cd "$box/tx" && for ((id = 5; id < $1 + 5; id++)); do echo "$id"; done |
		xargs rm --)
	USED_SUM=$(used_sum)
	[ "$(available)" -ge $(($1 * 256)) ]
}

# used_sum: of what is Used, by reading and by mapping.
used_sum() {
	cat "$POOL/box/fill/tx"/{1,2,3,4} | sha256sum
	"$TOOLS/mapread" --sum "$POOL/box/fill/data" 0 4194304
}

# line KIND TOTAL: of a pressure file.
line() {
	echo "$1 avg10=9.00 avg60=1.00 avg300=0.10 total=$2"
}

# say_often KIND FROM TO: lines of more and more waiting.  Return: were they so
# close to each other that the pressure cannot have ended in between?
say_often() {
	local i now last=0 longest=0

	for ((i = $2; i <= $3; i++)); do
		line "$1" $((i * 1000000)) >"$POOL_TMP/psi"
		now=${EPOCHREALTIME/[.,]/}
		((last == 0 || now - last < longest)) || longest=$((now - last))
		last=$now
		sleep 0.06
	done
	SAID_US=$last
	((longest < 500000))
}

# just_said: that was not long ago.
just_said() {
	((${EPOCHREALTIME/[.,]/} - SAID_US < 500000))
}

# falls_below PAGES
falls_below() {
	[ "$(available)" -lt "$1" ]
}

source_state() {
	json "sources[] | select(.path == \"$1\") | .state" \
		"$POOL/.pool/pressure"
}

state_is() {
	[ "$(source_state "$1")" = "$2" ]
}

@test "a missing or unreadable pressure file: the pool works and says so" {
	local mode
	for mode in $MODES; do
		tmp
		echo "not a pressure file" >"$POOL_TMP/strange"
		pool_start --mode="$mode" --psi "$POOL_TMP/absent" \
			--psi "$POOL_TMP/strange" --psi "$POOL_TMP"
		state_is "$POOL_TMP/absent" unreadable
		[[ $(json 'sources[0].error' "$POOL/.pool/pressure") == \
			*"no such file"* ]]
		[[ $(json 'sources[1].error' "$POOL/.pool/pressure") == \
			*"not a pressure file"* ]]
		[[ $(json 'sources[2].error' "$POOL/.pool/pressure") == \
			*"not a pressure file"* ]]
		# MemAvailable is looked at instead
		[ "$(pressure memory.available)" -gt 0 ]
		[ "$(pressure memory.next_look_ms)" -le 2000 ]
		fill 8
		[ "$(used_sum)" = "$USED_SUM" ]
		# a file of somebody's is not written to
		[ "$(<"$POOL_TMP/strange")" = "not a pressure file" ]
		pool_stop
	done
}

@test "a pressure file that may not be read" {
	need user_mount
	has_root || skip_or_fail "no root"
	tmp
	line some 0 >"$POOL_TMP/secret"
	chmod 600 "$POOL_TMP/secret"
	pool_as_user_start --psi "$POOL_TMP/secret"
	[ "$(as_user json 'sources[0].state' "$POOL/.pool/pressure")" = \
		unreadable ]
	[[ $(as_user json 'sources[0].error' "$POOL/.pool/pressure") == \
		*"no permission"* ]]
	as_user mkdir "$POOL/box/a"
	pool_stop
}

# on_a_fifo MODE: sets ms, from the event to the first page that is gone.
on_a_fifo() {
	local before started

	rm -f "$POOL_TMP/psi"
	mkfifo "$POOL_TMP/psi"
	pool_start --mode="$1" --psi "$POOL_TMP/psi"
	state_is "$POOL_TMP/psi" armed
	fill 64
	before=$(available)
	[ "$(pressure why)" = none ]
	started=${EPOCHREALTIME/[.,]/}
	line some 5000000 >"$POOL_TMP/psi"
	wait_until 2 falls_below "$before"
	ms=$(((${EPOCHREALTIME/[.,]/} - started) / 1000))
}

@test "an event on a FIFO: Available memory goes at once" {
	local mode ms i
	tmp
	for mode in $MODES; do
		# the limits are generous; a loaded machine may try again
		for ((i = 0; i < 10; i++)); do
			((i == 0)) || pool_stop
			on_a_fifo "$mode"
			((ms >= 1500 || $(pressure reaction_us) >= 500000)) ||
				break
		done
		((ms < 1500)) || fail "after $ms ms"
		echo "# $mode: seen after $ms ms, reaction_us" \
			"$(pressure reaction_us)" >&3
		[ "$(pressure reaction_us)" -lt 500000 ]
		[ "$(pressure freed_pages)" -gt 0 ]
		[ "$(used_sum)" = "$USED_SUM" ]
		events_named pressure-begin | jq -e '.why == "some"' >/dev/null
		events_named pass | head -n 1 | jq -e '.freed_pages > 0 and
			.priority <= 12 and .us >= 0' >/dev/null
		pool_stop
	done
}

# bats test_tags=slow
@test "priority rises while pressure lasts, and all of it ends" {
	local mode i left
	for mode in $MODES; do
		tmp
		rm -f "$POOL_TMP/psi"
		mkfifo "$POOL_TMP/psi"
		for ((i = 0; i < 20; i++)); do
			((i == 0)) || pool_stop
			pool_start --mode="$mode" --psi "$POOL_TMP/psi"
			fill 64
			say_often some 1 25 || continue
			cat "$POOL/.pool/pressure" >"$POOL_TMP/pressure"
			cat "$POOL/.pool/metrics" >"$POOL_TMP/metrics"
			! just_said || break
		done
		[ "$(json pressure "$POOL_TMP/pressure")" = true ]
		[ "$(json why "$POOL_TMP/pressure")" = some ]
		[ "$(json priority "$POOL_TMP/pressure")" -lt 10 ]
		grep -qx "poolfs_pressure 1" "$POOL_TMP/metrics"
		# each more urgent than the one before
		[ "$(events_named pass | jq -s '[.[].priority] |
			length > 3 and . == (sort | reverse) and
			first > last' )" = true ] ||
			fail "$(events_named pass)"
		wait_until 5 eval '[ "$(pressure why)" = none ]'
		[ "$(pressure priority)" = 12 ]
		[ "$(events_named pressure-begin | wc -l)" = 1 ]
		[ "$(events_named pressure-end | wc -l)" = 1 ]
		# when it has ended nothing more goes
		left=$(available)
		sleep 0.5
		[ "$(available)" = "$left" ]
		[ "$(used_sum)" = "$USED_SUM" ]
		# and it can begin again
		line some 900000000 >"$POOL_TMP/psi"
		wait_until 2 eval '[ "$(pressure pressures)" = 2 ]'
		pool_stop
	done
}

@test "full pressure takes everything that nobody needs" {
	local mode i
	for mode in $MODES; do
		tmp
		rm -f "$POOL_TMP/psi"
		mkfifo "$POOL_TMP/psi"
		pool_start --mode="$mode" --psi "$POOL_TMP/psi"
		fill 32
		for ((i = 1; i <= 1000; i++)); do
			line full $((i * 1000000)) >"$POOL_TMP/psi"
			sleep 0.06
			[ "$(available)" != 0 ] || break
		done
		[ "$(available)" = 0 ]
		[ "$(json pages.used "$POOL/.pool/stats")" = 1024 ]
		[ "$(used_sum)" = "$USED_SUM" ]
		# what was dropped can be had again
		"$TOOLS/sendtx" --size 4M "$POOL/box/fill/send"
		[ "$("$TOOLS/mapread" --sum "$POOL/box/fill/tx/37" 0 4194304)" = \
			"$("$TOOLS/sendtx" --size 4M --sums /dev/null |
				cut -d " " -f 2)" ]
		pool_stop
	done
}

# bats test_tags=slow
@test "the floor is left alone by some pressure" {
	local mode i
	for mode in $MODES; do
		tmp
		rm -f "$POOL_TMP/psi"
		mkfifo "$POOL_TMP/psi"
		pool_start --mode="$mode" --psi "$POOL_TMP/psi"
		fill 32
		echo '{"floor": 4096}' >"$POOL/.pool/config"
		for ((i = 1; i <= 30; i++)); do
			line some $((i * 1000000)) >"$POOL_TMP/psi"
			sleep 0.06
		done
		[ "$(available)" -ge 4096 ]
		[ "$(available)" -lt $((32 * 256)) ]
		for ((i = 31; i <= 1000; i++)); do
			line full $((i * 1000000)) >"$POOL_TMP/psi"
			sleep 0.06
			[ "$(available)" -ge 4096 ] || break
		done
		[ "$(available)" -lt 4096 ]
		[ "$(used_sum)" = "$USED_SUM" ]
		pool_stop
	done
}

@test "nonsense from a source is counted, and no reason to reclaim" {
	local mode before
	for mode in $MODES; do
		tmp
		rm -f "$POOL_TMP/psi"
		mkfifo "$POOL_TMP/psi"
		pool_start --mode="$mode" --psi "$POOL_TMP/psi"
		fill 8
		before=$(available)
		echo "garbage" >"$POOL_TMP/psi"
		head -c 3000 /dev/urandom >"$POOL_TMP/psi"
		echo >"$POOL_TMP/psi"
		line some -5 >"$POOL_TMP/psi"
		line most 5000000 >"$POOL_TMP/psi"
		# less than a threshold is not enough either
		line some 10 >"$POOL_TMP/psi"
		sleep 0.3
		[ "$(available)" = "$before" ]
		[ "$(pressure pressures)" = 0 ]
		state_is "$POOL_TMP/psi" armed
		# it still listens
		line some 5000000 >"$POOL_TMP/psi"
		wait_until 2 eval '[ "$(pressure pressures)" = 1 ]'
		pool_stop
	done
}

@test "several sources; one that is lost is said to be, and the other works" {
	local mode before
	for mode in $MODES; do
		tmp
		rm -f "$POOL_TMP"/psi*
		mkfifo "$POOL_TMP/psi1" "$POOL_TMP/psi2"
		pool_start --mode="$mode" --psi "$POOL_TMP/psi1" \
			--psi "$POOL_TMP/psi2" --psi "$POOL_TMP/psi1"
		# a path counts once
		[ "$(pressure 'sources | length')" = 2 ]
		fill 64
		rm "$POOL_TMP/psi1"
		# it is noticed at the next look
		echo '{"floor": 0}' >"$POOL/.pool/config"
		wait_until 8 state_is "$POOL_TMP/psi1" lost
		events_named source-lost |
			jq -e ".path == \"$POOL_TMP/psi1\" and has(\"error\")" \
				>/dev/null
		state_is "$POOL_TMP/psi2" armed
		before=$(available)
		line some 5000000 >"$POOL_TMP/psi2"
		wait_until 2 falls_below "$before"
		[ "$(used_sum)" = "$USED_SUM" ]
		pool_stop
	done
}

# bats test_tags=alone
@test "--min-free: reclaim without any pressure file" {
	local mode total
	total=$(($(awk '/^MemTotal:/ { print $2 }' /proc/meminfo) * 1024))
	for mode in $MODES; do
		tmp
		# nothing can be above that
		pool_start --mode="$mode" --psi "$POOL_TMP/absent" \
			--min-free 100%
		[ "$(pressure memory.min_free)" -le "$total" ]
		[ "$(pressure why)" = memory ]
		mkdir "$POOL/box/a"
		"$TOOLS/sendtx" --size 4M --count 1 "$POOL/box/a/send"
		rm "$POOL/box/a/tx/1"
		wait_until 5 eval '[ "$(available)" = 0 ]'
		pool_stop
		# and at run time
		pool_start --mode="$mode" --psi "$POOL_TMP/absent"
		fill 8
		[ "$(pressure why)" = none ]
		echo "{\"min_free\": $total}" >"$POOL/.pool/config"
		wait_until 5 eval '[ "$(available)" = 0 ]'
		[ "$(used_sum)" = "$USED_SUM" ]
		echo '{"min_free": "1M"}' >"$POOL/.pool/config"
		wait_until 5 eval '[ "$(pressure why)" = none ]'
		pool_stop
	done
}

# bats test_tags=alone
@test "pressure while senders and receivers work" {
	local mode i
	for mode in $MODES; do
		tmp
		rm -f "$POOL_TMP"/{psi,sent,got}
		mkfifo "$POOL_TMP/psi"
		pool_start --mode="$mode" --psi "$POOL_TMP/psi"
		mkdir "$POOL/box/a"
		truncate -s 1M "$POOL/box/a/data"
		background timeout 300 "$TOOLS/recvtx" --sum --free \
			--count 1200 "$POOL/box/a" >"$POOL_TMP/got"
		local receiver=$BG_PID
		background timeout 300 "$TOOLS/sendtx" --sums --fsync \
			--count 1200 --size 100,70000,3000,200000 \
			"$POOL/box/a/send" >"$POOL_TMP/sent"
		for ((i = 1; i <= 200; i++)); do
			kill -0 "$receiver" 2>/dev/null || break
			line full $((i * 10000000)) >"$POOL_TMP/psi"
			echo "0 0 100000" >"$(echo "$POOL"/.pool/shrinker/box*/scan)"
		done
		wait "$BG_PID"
		wait "$receiver"
		cut -d " " -f 2- "$POOL_TMP/got" | cmp - "$POOL_TMP/sent"
		[ "$(json moved.dropped "$POOL/.pool/stats")" -gt 0 ]
		pool_stop
	done
}

# real MODE OPTION...: from real pressure to Available memory given back.
real() {
	local mode=$1 before

	shift
	pool_start --mode="$mode" "$@"
	fill 256
	before=$(available)
	real_pressure_start 40
	wait_until 30 falls_below "$before" || {
		cat /proc/pressure/memory "$POOL/.pool/pressure" >&2
		fail "nothing was given back"
	}
	# the kernel's own trigger has fired, nothing else
	events_named pressure-begin |
		jq -es 'any(.why | test("some|full"))' >/dev/null ||
		fail "no pressure-begin: $(all_events)"
	[ "$(pressure 'sources[0].triggers | map(.events) | add')" -gt 0 ]
	real_pressure_stop
	[ "$(used_sum)" = "$USED_SUM" ]
	[ "$(json pages.used "$POOL/.pool/stats")" = 1024 ]
	echo "# $mode: $before pages Available, then $(available)" >&3
	pool_stop
}

# bats test_tags=alone
@test "real pressure, passthrough: Available falls, Used stays bit for bit" {
	need real_pressure passthrough
	real passthrough --psi /proc/pressure/memory
}

# bats test_tags=alone
@test "real pressure, cached: Available falls, Used stays bit for bit" {
	need real_pressure
	real cached
}

# bats test_tags=alone
@test "real pressure reaches an ordinary user's pool" {
	need real_pressure user_mount
	pool_as_user_start
	local before
	as_user mkdir "$POOL/box/a"
	as_user "$TOOLS/sendtx" --size 4M "$POOL/box/a/send"
	as_user rm "$POOL/box/a/tx/1"
	before=$(as_user json pages.available "$POOL/.pool/stats")
	[ "$before" -ge 1024 ]
	real_pressure_start 40
	wait_until 30 eval '[ "$(as_user json pages.available \
		"$POOL/.pool/stats")" -lt "$before" ]'
	real_pressure_stop
	pool_stop
}

# A group of version 2, whichever controllers it has: pressure is always there.
cgroup_v2_any() {
	awk '$3 == "cgroup2" { print $2; exit }' /proc/self/mounts
}

has_cgroup_v2_pressure() {
	[[ -r $(cgroup_v2_any)/cgroup.procs ]] || return
	CGROUP=$(cgroup_v2_any)/poolfs-test-$$-$RANDOM
	mkdir "$CGROUP" 2>/dev/null || return
	note "cgroup.${CGROUP##*/}" "$CGROUP"
	[[ -r $CGROUP/memory.pressure ]] &&
		cat "$CGROUP/memory.pressure" >/dev/null 2>&1
}

# bats test_tags=alone
@test "a cgroup's memory.pressure as the source, until the group is gone" {
	need root cgroup_v2_pressure real_pressure
	pool_start --psi "$CGROUP/memory.pressure"
	state_is "$CGROUP/memory.pressure" armed
	[ "$(pressure 'sources | length')" = 1 ]
	fill 64
	local before
	before=$(available)
	# the eater's pressure counts for both of its groups
	zram_new 1G
	local limited
	limited=$(cgroup_new 64M)
	# shellcheck disable=SC2016
	bash -c 'echo $$ >"$1/cgroup.procs"; echo $$ >"$2/cgroup.procs"
		shift 2; exec "$@"' eat "$CGROUP" "$limited" \
		"$TOOLS/eat_memory" 256M 40 >/dev/null 2>&1 3>&- &
	PRESSURE_PIDS+=("$!")
	note "pid.$!" "$!"
	wait_until 30 falls_below "$before" || {
		cat "$CGROUP/memory.pressure" "$POOL/.pool/pressure" >&2
		fail "nothing was given back"
	}
	[ "$(pressure 'sources[0].some.total')" -gt 0 ]
	# all groups go, and the source with its own
	real_pressure_stop
	[ ! -d "$CGROUP" ]
	wait_until 12 state_is "$CGROUP/memory.pressure" lost
	[ "$(used_sum)" = "$USED_SUM" ]
	pool_stop
}
