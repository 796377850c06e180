# SPDX-License-Identifier: GPL-2.0-or-later
# shellcheck shell=bash disable=SC2030,SC2031,SC2034,SC2086
#
# What the processes of a mount hold, and what becomes of it when they die.
load helpers
load boxes

teardown() {
	core_pattern_back
	clean_up
}

# where: a mount point that poolfs was not asked to use yet; noted.
where() {
	tmp
	POOL=$(mktemp -d "$POOL_TMP/mnt.XXXXXX")
	POOL_AS=
	note "pool.${POOL//\//_}" "$POOL" 0
}

# noted: the pool that something else than pool_start has mounted on POOL.
noted() {
	wait_until 10 pool_answers "$POOL"
	note "pool.${POOL//\//_}" "$POOL" "$(pool_pid keeper)"
}

# ended PID...: the pool is gone, whoever was killed, with all it had.
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

# of PID FIELD: what /proc says of it.
of() {
	sed -n "s/^$2:[[:space:]]*//p" "/proc/$1/status"
}

# caps NUMBER...: as a mask of /proc, without what this machine has not.
caps() {
	local mask=0 cap

	for cap; do
		((mask |= 1 << cap))
	done
	printf '%016x' $((mask & 0x$(of self CapBnd)))
}

# each_pool BODY: a pool of each user and mode; KEEPER and WORKER are its
# processes.
each_pool() {
	local way start

	for way in $(ways); do
		[[ $way != user/* ]] || has_user_mount || continue
		start=pool_start
		[[ $way != user/* || $EUID != 0 ]] || start=pool_as_user_start
		"$start" --mode="${way#*/}" "${@:2}"
		WAY=$way
		KEEPER=$(pool_pid keeper)
		WORKER=$(pool_pid worker)
		"$1"
		pool_stop
	done
}

holds_little() {
	local none=0000000000000000 all thread pid
	all=$(caps 0 1 2 3 4 6 7 9 19 21 24 27 28 31)

	for pid in "$KEEPER" "$WORKER"; do
		is $none "$(of "$pid" CapInh)"
		is $none "$(of "$pid" CapAmb)"
		is 0077 "$(of "$pid" Umask)"
		grep -q '^Max core file size  *[01]  *[01] ' "/proc/$pid/limits"
		has_root && is 00000000 "$(<"/proc/$pid/coredump_filter")"
		# what makes the files of /proc root's: it cannot be traced
		is 0 "$(stat -c %u "/proc/$pid/status")"
		if has_root; then
			is / "$(readlink "/proc/$pid/cwd")"
		fi
	done
	is 1 "$(of "$WORKER" NoNewPrivs)"
	for thread in "/proc/$WORKER/task"/*; do
		sanitized || grep -q '^Seccomp:.2' "$thread/status"
		[[ $WAY == root/* ]] || is $none "$(of "$WORKER" CapPrm)"
	done
	if [[ $WAY == root/* ]]; then
		is 1 "$(of "$KEEPER" NoNewPrivs)"
		is "$all" "$(of "$KEEPER" CapBnd)"
		is "$all" "$(of "$KEEPER" CapPrm)"
		is "$(caps 1 19 21)" "$(of "$KEEPER" CapEff)"
		is "$all" "$(of "$WORKER" CapBnd)"
		is "$(caps 0 1 2 3 4 6 7 9 19 21 27 28 31)" "$(of "$WORKER" CapPrm)"
		if has_capability 24; then
			is -900 "$(<"/proc/$WORKER/oom_score_adj")"
		fi
	else
		is $none "$(of "$KEEPER" CapPrm)"
	fi
}

@test "capabilities, privileges, umask, core files: what the processes hold" {
	need fuse
	each_pool holds_little
}

# restarted: WORKER has been replaced.
restarted() {
	local now
	now=$(pool_pid worker) && [[ $now != "$WORKER" ]]
}

# deep LEVELS NAME: so many directories below each other, from here.
deep() {
	local i

	for ((i = 0; i < $1; i++)); do
		mkdir "$2" || return
		cd "$2" || return
	done
}

# calls_much: a bit of all that a pool can do, and a restart.
calls_much() {
	local name
	name=$(printf 'n%.0s' {1..200})
	$POOL_AS bash -c "$(declare -f deep); cd \"\$1\" && deep 40 \"\$2\" &&
		echo text >f && ln f g && mv f h && cp h i && cmp h i &&
		ln -s h s && readlink s && mkfifo p && touch -d yesterday h &&
		truncate -s 1M h && fallocate -p -o 0 -l 64K h && sync h &&
		setfattr -n user.a -v 1 h && getfattr -d h && setfacl -m u:0:r h &&
		chmod 600 h && chown \"\$(id -u)\" h && rm h" - "$POOL" "$name"
	$POOL_AS "$POOLCTL" unpin "$POOL/$name" 2>/dev/null || true
	$POOL_AS bash -c 'cd "$1" && head -c 1M /dev/zero >v &&
		setfattr -n user.pool.volatile -v 1 v && cat v >/dev/null &&
		head -c 1M /dev/zero >r && "$2" unpin r && "$2" pin r &&
		mkdir box/a && "$3/sendtx" --size 100000 box/a/send &&
		"$3/recvtx" --timeout 60 box/a >/dev/null && ls -l . box/a box/a/tx >/dev/null &&
		cat .pool/{stats,metrics,pressure,config} >/dev/null &&
		for s in .pool/shrinker/*; do
			cat "$s/count" && echo 0 0 999999 >"$s/scan"
		done && echo "{\"floor\": 3}" >.pool/config' - \
		"$POOL" "$POOLCTL" "$TOOLS"
}

strictly() {
	is 2 "$(of "$WORKER" Seccomp)"
	calls_much
	is "$WORKER" "$(pool_pid worker)"
	kill -KILL "$WORKER"
	wait_until 10 restarted
	$POOL_AS timeout 60 find "$POOL" "$POOL/box" "$POOL/.pool" >/dev/null
	is 1 "$($POOL_AS json restarts "$POOL/.pool/stats")"
}

@test "a worker calls nothing that its filter refuses" {
	need fuse
	! sanitized || skip "built with a sanitizer: no filter"
	linux_has 6 9 || skip_or_fail "no restarts"
	LD_PRELOAD=$TOOLS/strict_filter.so each_pool strictly
}

@test "a kernel without filters: said at start, and the pool works" {
	need fuse
	! sanitized || skip "built with a sanitizer: no filter"
	LD_PRELOAD=$TOOLS/no_filter.so pool_start
	grep -q "cannot limit the worker's system calls: .*; going on" "$POOL_LOG"
	is 0 "$(of "$(pool_pid worker)" Seccomp)"
	mkdir "$POOL/box/a"
	"$TOOLS/sendtx" --text hello "$POOL/box/a/send"
	is hello "$("$TOOLS/recvtx" --timeout 60 "$POOL/box/a")"
	pool_stop
}

leaves_no_core() {
	# as SIGSEGV, of which a sanitizer would make a report
	kill -TRAP "$WORKER"
	wait_until 10 restarted
	is "" "$(find / -maxdepth 1 -name 'core*' -newer "$POOL_TMP/start")"
}

@test "a worker that crashes leaves no core file, whatever the limit" {
	need fuse
	linux_has 6 9 || skip_or_fail "no restarts"
	tmp
	touch "$POOL_TMP/start"
	ulimit -c unlimited
	each_pool leaves_no_core
}

# core_program: from now on the machine gives cores to a program, which keeps
# them in $CORES, also those of processes that have changed their user.
core_program() {
	CORES=$POOL_TMP/cores
	mkdir "$CORES"
	printf '%s\n' '#!/bin/sh' "exec cat >$CORES/\$1" >"$POOL_TMP/core"
	chmod 755 "$POOL_TMP/core"
	WAS=("$(</proc/sys/kernel/core_pattern)"
		"$(</proc/sys/fs/suid_dumpable)")
	echo "|$POOL_TMP/core %p" >/proc/sys/kernel/core_pattern &&
		echo 2 >/proc/sys/fs/suid_dumpable
}

core_pattern_back() {
	[[ ${WAS[*]:-} ]] || return 0
	echo "${WAS[0]}" >/proc/sys/kernel/core_pattern
	echo "${WAS[1]}" >/proc/sys/fs/suid_dumpable
	WAS=()
}

# bats test_tags=alone
@test "a program that takes cores is given none of a worker" {
	need fuse root
	linux_has 6 9 || skip_or_fail "no restarts"
	local mode
	tmp
	core_program 2>/dev/null || skip_or_fail "no core_pattern"
	ulimit -S -c 0
	bash -c 'kill -TRAP $$' || true
	wait_until 2 eval '[[ $(ls "$CORES") ]]' ||
		skip_or_fail "the kernel's programs run elsewhere"
	rm "$CORES"/*
	for mode in $MODES; do
		pool_start --mode="$mode" -o allow_other,mode=1777
		# the worker takes the user's credentials for that
		as_user timeout 60 touch "$POOL/theirs"
		WORKER=$(pool_pid worker)
		kill -TRAP "$WORKER"
		wait_until 10 restarted
		[[ ! -e $CORES/$WORKER ]]
		pool_stop
	done
	# with a hard limit that is lower it may be given one, without memory
	ulimit -H -c 0
	pool_start -o allow_other,mode=1777
	as_user timeout 60 touch "$POOL/theirs"
	mkdir "$POOL/box/a"
	"$TOOLS/sendtx" --text a-very-secret-text "$POOL/box/a/send"
	WORKER=$(pool_pid worker)
	kill -TRAP "$WORKER"
	wait_until 10 restarted
	fails grep -qs secret "$CORES/$WORKER"
	pool_stop
}

# inherits_nothing: with descriptor 9 a locked file, 8 a FIFO, at start.
inherits_nothing() {
	local fds
	has_root || return 0
	fds=$(readlink "/proc/$KEEPER/fd"/* "/proc/$WORKER/fd"/*)
	fails grep -e "$POOL_TMP/lock" -e "$POOL_TMP/fifo" -e '^pipe' <<<"$fds"
}

@test "nothing that the caller had open is kept" {
	need fuse
	tmp
	mkfifo "$POOL_TMP/fifo"
	exec 9>"$POOL_TMP/lock" 8<>"$POOL_TMP/fifo"
	flock 9
	each_pool inherits_nothing
	pool_start
	exec 9>&- 8>&-
	flock -n "$POOL_TMP/lock" true
	pool_stop
}

@test "a program that is started without standard files" {
	need fuse
	tmp
	where
	timeout -k 5 60 "$POOLFS" "$POOL" <&- >&- 2>&- 3>&- 4>&-
	noted
	mkdir "$POOL/box/a"
	"$TOOLS/sendtx" --text hello "$POOL/box/a/send"
	is hello "$("$TOOLS/recvtx" --timeout 60 "$POOL/box/a")"
	pool_stop
}

@test "in the foreground it leaves its directory, too" {
	need root
	tmp
	mkdir "$POOL_TMP/there"
	mount -t tmpfs none "$POOL_TMP/there"
	where
	cd "$POOL_TMP/there"
	background "$POOLFS" -f "../${POOL##*/}"
	cd /
	wait_until 10 pool_answers "$POOL" || true
	umount "$POOL_TMP/there" || { umount -l "$POOL_TMP/there"; false; }
	noted
	pool_stop
}

@test "a missing capability is named at start, with what it costs" {
	need root
	local lost without
	tmp
	for lost in lease sys_ptrace; do
		where
		setpriv --bounding-set="-$lost" timeout -k 5 60 "$POOLFS" \
			"$POOL" >"$POOL.log" 2>&1 3>&- 4>&-
		noted
		is 1 "$(grep -ci "without cap_$lost: [a-z]" "$POOL.log")"
		pool_stop
	done
	# one that is there is not named
	pool_start
	while read -r without; do
		fails setpriv --inh-caps="+${without,,}" \
			--ambient-caps="+${without,,}" true
	done < <(sed -n 's/.*without CAP_\([A-Z_]*\):.*/\1/p' "$POOL_LOG")
	pool_stop
}

# intrusion WHAT: the result, "killed" if the worker dies of it.
intrusion() {
	local worker
	worker=$(pool_pid worker)
	rm -f "$INTRUDE".*
	echo "$1" >"$INTRUDE.new"
	chmod 666 "$INTRUDE.new"
	mv "$INTRUDE.new" "$INTRUDE"
	wait_until 10 intruded "$worker"
	cat "$INTRUDE.done" 2>/dev/null || echo killed
}

# intruded WORKER: a request, and it has tried.
intruded() {
	$POOL_AS timeout 60 stat "$POOL/.pool/$RANDOM" >/dev/null 2>&1
	[[ -e $INTRUDE.done ]] || not_running "$1"
}

confined() {
	local what
	for what in fork clone3 socket local kill pidfd tgkill ioctl dumpable \
		limit code; do
		is "$what ENOSYS" "$what $(intrusion "$what")"
	done
	is "$WORKER" "$(pool_pid worker)"
	# what only an intruder would try
	for what in execve mount ptrace setuid; do
		is "$what killed" "$what $(intrusion "$what")"
		$POOL_AS timeout 60 ls "$POOL/box"
		WORKER=$(pool_pid worker)
	done
}

@test "what a worker never calls is refused, or kills it" {
	need fuse
	! sanitized || skip "built with a sanitizer: no filter"
	tmp
	mkdir -m 777 "$POOL_TMP/open"
	export INTRUDE=$POOL_TMP/open/intrude
	LD_PRELOAD=$TOOLS/intrude.so each_pool confined
}
