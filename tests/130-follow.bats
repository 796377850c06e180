#!/usr/bin/env bats
# SPDX-License-Identifier: GPL-2.0-or-later
#
# The worker goes to the processor of a client that is alone.

load helpers
load boxes

teardown() {
	clean_up
}

# may_run_on PID: a list of processors.
may_run_on() {
	sed -n 's/^Cpus_allowed_list:[[:space:]]*//p' "/proc/$1/status"
}

# asks CPU: 300 requests in a row from there.
asks() {
	timeout 60 taskset -c "$1" "$TOOLS/sendtx" --size 10 --count 300 \
		--dsync "$POOL/box/b/send"
	rm "$POOL/box/b/tx/"*
}

# followed CPU WORKER: the worker, which was last elsewhere, has gone to the
# processor of who asks, once.
followed() {
	local log=$POOL_TMP/strace allowed

	allowed=$(may_run_on "$2")
	taskset -pc $((1 - $1)) "$2" >/dev/null
	asks $((1 - $1))
	taskset -pc "$allowed" "$2" >/dev/null
	background timeout 60 strace -qq -e trace=sched_setaffinity -o "$log" \
		-p "$2"
	wait_until 5 grep -q '^TracerPid:[[:space:]]*[1-9]' "/proc/$2/status"
	asks "$1"
	kill -INT "$BG_PID"
	wait "$BG_PID" || true
	is "$allowed" "$(may_run_on "$2")"
	grep -q "sched_setaffinity(0, [0-9]*, \[$1\])" "$log"
}

need_two_cpus() {
	local list

	list=$(may_run_on $$)
	[[ $list == 0-* || $list == 0,1* ]] ||
		skip_or_fail "not two processors, but $list"
}

# bats test_tags=slow
@test "the worker goes where its only client is, and may go anywhere" {
	local worker cpu
	need_two_cpus
	pool_start
	mkdir "$POOL/box/b"
	worker=$(pool_pid worker)
	# by chance it is there already
	for cpu in 0 1; do
		wait_until 20 followed "$cpu" "$worker"
	done
	pool_stop
}

@test "a worker that may run on one processor only stays there" {
	local worker
	need_two_cpus
	tmp
	printf '#!/bin/bash\nexec taskset -c 1 "%s" "$@"\n' "$POOLFS" \
		>"$POOL_TMP/poolfs"
	chmod 755 "$POOL_TMP/poolfs"
	POOLFS=$POOL_TMP/poolfs pool_start
	mkdir "$POOL/box/b"
	worker=$(pool_pid worker)
	asks 0
	is 1 "$(may_run_on "$worker")"
	pool_stop
}
