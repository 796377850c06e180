# SPDX-License-Identifier: GPL-2.0-or-later
# shellcheck shell=bash disable=SC2030,SC2031,SC2034,SC2086
#
# What the processes of a mount hold, and what becomes of it when they die.
load helpers
load boxes

teardown() { clean_up; }

# ended WAY PID...: the pool is gone, whoever was killed, with all it had.
ended() {
	local pid

	wait_until 10 eval '! is_mounted "$POOL"' || fail "$POOL is mounted"
	for pid; do
		wait_until 10 not_running "$pid" ||
			fail "still there: $(where_is "$pid")"
	done
	[[ ! $POOL_AS ]] || wait_until 5 nothing_in "$USER_RUN"
	forget "pool.${POOL//\//_}"
}

@test "kill -9 of the keeper ends the mount, also when users have made files" {
	need root
	local mode keeper worker
	for mode in $MODES; do
		pool_start --mode="$mode" -o allow_other,mode=1777
		# for that the worker takes the user's credentials
		as_user timeout 60 touch "$POOL/theirs"
		keeper=$(pool_pid keeper)
		worker=$(pool_pid worker)
		kill -KILL "$keeper"
		ended "$keeper" "$worker"
	done
}

@test "kill -9 of both processes at once: the watcher unmounts" {
	local start keeper worker
	local -a starts=(pool_start)
	[[ $EUID == 0 ]] || starts=()
	has_user_mount && starts+=(pool_as_user_start)
	for start in "${starts[@]}"; do
		"$start"
		$POOL_AS timeout 60 mkdir "$POOL/box/a"
		keeper=$(pool_pid keeper)
		worker=$(pool_pid worker)
		kill -STOP "$worker"
		kill -KILL "$keeper" "$worker"
		ended "$keeper" "$worker"
		"$start"
		keeper=$(pool_pid keeper)
		worker=$(pool_pid worker)
		kill -KILL "$worker" "$keeper"
		ended "$keeper" "$worker"
	done
}

# bats test_tags=slow
@test "kill -9 of the keeper ends a worker that is stopped" {
	local keeper worker
	pool_start
	keeper=$(pool_pid keeper)
	worker=$(pool_pid worker)
	kill -STOP "$worker"
	kill -KILL "$keeper"
	ended "$keeper" "$worker"
}
