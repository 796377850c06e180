#!/usr/bin/env bats
# SPDX-License-Identifier: GPL-2.0-or-later
# shellcheck disable=SC2016 # for the shells inside
#
# Pools and callers in different name spaces of processes.

load helpers
load boxes

teardown() {
	clean_up
}

has_pid_namespaces() {
	has_root && unshare -m --propagation private --pid --fork --mount-proc true \
		2>/dev/null
}

# spaced MODE: a pool that is served in name spaces of its own; INIT is the first
# process there.
spaced() {
	tmp
	POOL=$(mktemp -d "$POOL_TMP/mnt.XXXXXX")
	chmod 755 "$POOL"
	mkfifo -m 666 "$POOL_TMP/calm.$1"
	# shellcheck disable=SC2016
	background unshare --kill-child -m --propagation private --pid --fork \
		--mount-proc bash -c '"$1" "$2" --mode="$3" --psi "$4" \
			-o allow_other || exit
			exec sleep 1000' - "$POOLFS" "$POOL" "$1" \
		"$POOL_TMP/calm.$1" >"$POOL_TMP/log.$1" 2>&1
	wait_until 10 has_child "$BG_PID"
	INIT=$(children "$BG_PID")
	wait_until 10 inside test -e "$POOL/.pool/stats"
}

children() {
	tr -d ' ' <"/proc/$1/task/$1/children"
}

has_child() {
	[[ $(children "$1") ]]
}

# inside CMD...: there, as a process of that space.
inside() {
	timeout -k 1 60 nsenter -t "$INIT" -m -p "$@"
}

# outside CMD...: sees the mount only.
outside() {
	timeout -k 1 60 nsenter -t "$INIT" -m "$@"
}

in_a_space() {
	local box=$POOL/box/b header

	inside mkdir "$box"
	inside bash -c 'echo whole >"$1" && exec 5>"$1" && printf half >&5 &&
		kill -KILL $$' - "$box/send" || true
	inside bash -c 'printf half >"$1"/send & wait' - "$box"
	is 2 "$(inside find "$box/tx" -type f | wc -l)"
	header=$(inside timeout 20 head -n 1 "$box/recv" 2>/dev/null)
	is 6 "$(json size <<<"$header")"
	[[ $(json pid <<<"$header") -gt 1 ]]
	# what cannot be seen sends nothing
	outside bash -c 'echo x >"$1"' - "$box/send" 2>"$POOL_TMP/why" &&
		fail "it could be opened"
	grep -q "No such process" "$POOL_TMP/why"
	outside su -s /bin/bash "$POOLFS_TEST_USER" -c "echo x >$box/send" \
		2>/dev/null && fail "it could be opened"
	# and does all the rest
	outside bash -ec 'cd "$1"; echo x >f; cat f; mkdir box/c; rmdir box/c
		cat .pool/stats >/dev/null' - "$POOL"
	is 2 "$(outside find "$box/tx" -type f | wc -l)"
	outside timeout 20 head -n 1 "$box/recv" >/dev/null
}

@test "a pool in a PID namespace: whom it does not see cannot send" {
	local mode

	need fuse root pid_namespaces
	for mode in $MODES; do
		spaced "$mode"
		in_a_space
		kill "$BG_PID"
	done
}

@test "a /proc of other processes is refused" {
	local status=0

	need fuse root pid_namespaces
	tmp
	mkdir "$POOL_TMP/m"
	timeout 60 unshare -m --propagation private --pid --fork \
		"$POOLFS" "$POOL_TMP/m" 2>"$POOL_TMP/why" || status=$?
	is 1 "$status"
	grep -q "/proc is not that of this PID namespace" "$POOL_TMP/why"
	fails is_mounted "$POOL_TMP/m"
}
