#!/usr/bin/env bats
# SPDX-License-Identifier: GPL-2.0-or-later
#
# Random operations on plain files, compared with a model, while memory is
# reclaimed all the time; and real work: a tree copied in, built there and
# copied out.

load helpers
load boxes
load posix
load volatile

teardown() {
	clean_up
}

# In all three ways together these are a million; a sanitizer is several times
# slower.
model_ops() {
	if [[ ${QUICK:-0} == 1 ]]; then
		echo 20000
	elif sanitized; then
		loops 120000
	else
		loops 250000
	fi
}

killed_ops() {
	loops 90000
}

# reclaim_on: until the test ends it, scans of ranges, and volatile files beyond
# what the pool may hold.
reclaim_on() {
	local i

	mkdir "$POOL/cache"
	volatile "$POOL/cache"
	for ((i = 0;; i++)); do
		sleep 0.02
		echo "0 0 64" >"$(of_ranges scan)"
		head -c 1M /dev/zero >"$POOL/cache/$((i % 40))"
	done
}

# Far more than the model has, and less than the cache would have.
SIZE=16M

# did OPS: all of them, and ranges and files have been purged meanwhile.
did() {
	grep -Eq "^$1 operations, .*, [1-9][0-9]* pages purged, [1-9][0-9]* files gone" \
		"$W/out" || fail "$(<"$W/out")"
}

model() {
	local ops reclaimer

	ops=$(model_ops)
	background reclaim_on
	reclaimer=$BG_PID
	timeout -s TERM 400 "$TOOLS/fsmodel" --volatile \
		--scan "$(of_files scan)" --seed "$RANDOM" --ops "$ops" \
		"$POOL/model" >"$W/out" 2>&1 || fail "$(<"$W/out")"
	kill "$reclaimer"
	did "$ops"
}

@test "random operations on plain files do what a model says" {
	in_every_way model -o size="$SIZE"
}

killed() {
	local end reclaimer

	background reclaim_on
	reclaimer=$BG_PID
	background timeout -s TERM 300 "$TOOLS/fsmodel" --volatile \
		--scan "$(of_files scan)" --seed "$RANDOM" \
		--ops "$(killed_ops)" "$POOL/model" >"$W/out" 2>&1
	end=$((SECONDS + 250))
	while kill -0 "$BG_PID" 2>/dev/null && ((SECONDS < end)); do
		kill -KILL "$(pool_pid worker)"
		sleep 0.3
	done
	wait "$BG_PID" || fail "$(<"$W/out")"
	kill "$reclaimer"
	did "$(killed_ops)"
	[ "$(json restarts "$POOL/.pool/stats")" -ge 3 ]
}

# bats test_tags=slow
@test "the same while the worker is killed again and again" {
	in_every_way killed -o size="$SIZE"
}

# The reclaimer alone takes what is volatile.
model_in_pressure() {
	local ops end=$((SECONDS + 200))

	ops=$(loops 15000)
	until ((SECONDS > end)); do
		timeout -s TERM 300 "$TOOLS/fsmodel" --volatile --let-go 300000 \
			--seed "$RANDOM" --ops "$ops" "$POOL/model" \
			>"$W/out" 2>&1 || fail "$(<"$W/out")"
		grep -q "^$ops operations" "$W/out"
		! (did "$ops") 2>/dev/null || return 0
	done
	fail "nothing was purged: $(<"$W/out")"
}

# bats test_tags=alone
@test "the same while the machine waits for memory" {
	need real_pressure
	real_pressure_start 800
	in_every_way model_in_pressure
	pressure_stop
}

# The sources of this program, without what is built.
sources() {
	(cd "$TOP" && tar -c Makefile fs pool shrinker scripts docs)
}

build_in() {
	mkdir "$POOL/src" "$W/out"
	sources | tar -x -C "$POOL/src"
	diff -r "$TOP/fs" "$POOL/src/fs"
	make -C "$POOL/src" -j 2 >"$W/make" 2>&1 || fail "$(tail "$W/make")"
	[[ $("$POOL/src/build/poolfs" --version) == poolfs* ]]
	tar -c -C "$POOL/src" . | tar -x -C "$W/out"
	diff -r --no-dereference "$POOL/src" "$W/out"
	(cd "$POOL/src" && find . -printf '%P %m %s %y %l\n' | sort) >"$W/in"
	(cd "$W/out" && find . -printf '%P %m %s %y %l\n' | sort) >"$W/copy"
	# sizes of directories are each file system's own
	diff <(grep -v ' d ' "$W/in") <(grep -v ' d ' "$W/copy")
	rm -r "$POOL/src"
	wait_until 5 eval '[ "$(json tree.inodes "$POOL/.pool/stats")" -le 3 ]'
}

# bats test_tags=slow
@test "a tree copied in, built there and copied out is identical" {
	need root
	as_root_in_every_mode build_in -o exec
}
