#!/usr/bin/env bats
# SPDX-License-Identifier: GPL-2.0-or-later
#
# What happens between two steps: a worker that is killed after it has done
# something and before it has said so; a store that is full in between.

load helpers

teardown() {
	if [[ ${STORE:-} ]]; then
		umount -l "$STORE" 2>/dev/null || true
	fi
	clean_up
}

traced() {
	grep -q '^TracerPid:[[:space:]]*[1-9]' "/proc/$1/status"
}

# kill_at_answer N: the worker is killed when it is about to give its Nth
# answer from now on.
kill_at_answer() {
	local worker

	worker=$(pool_pid worker)
	background strace -qq -f -o /dev/null -e trace=write \
		-e inject=write:signal=KILL:when="$1" -p "$worker"
	wait_until 5 traced "$worker"
}

waiting_senders() {
	[ "$(json transactions.writing "$POOL/box/b/stat")" = "$1" ]
}

# A sender takes the space that an rm has freed, whose answer was never given.
# bats test_tags=slow
@test "an answer that is owed goes before what others do" {
	local mode n i
	need root
	for mode in $MODES; do
		for n in 4 5 6; do
			pool_start --mode="$mode"
			mkdir "$POOL/box/b"
			truncate -s 64K "$POOL/box/b/data"
			"$TOOLS/sendtx" --size 65536 "$POOL/box/b/send"
			for ((i = 0; i < 24; i++)); do
				background timeout 300 "$TOOLS/sendtx" \
					--size 40000 --first "$i" "$POOL/box/b/send"
			done
			wait_until 10 waiting_senders 24
			# its name is known, so that few questions come before
			stat "$POOL/box/b/tx/1" >/dev/null
			kill_at_answer "$n"
			run timeout 60 "$TOOLS/fileops" unlink "$POOL/box/b/tx/1"
			echo "$mode, answer $n: $output"
			[ "$output" = 0 ]
			timeout 100 "$TOOLS/recvtx" --count 24 --sum --free \
				"$POOL/box/b" >"$POOL_TMP/got"
			[ "$(sort -u "$POOL_TMP/got" | wc -l)" = 24 ]
			[ "$(json restarts "$POOL/.pool/stats")" = 1 ]
			pool_stop
		done
	done
}

data_opens() {
	[ "$(json open "$POOL/box/b/stat")" = "$1" ]
}

# Two have data open; of the first one's close the answer is missing.
@test "a close that comes again leaves the other's file open" {
	local one two worker
	# shellcheck disable=SC2016
	local hold='exec sleep 60 <"$0"'
	need root passthrough
	pool_start --mode=passthrough
	mkdir "$POOL/box/b"
	echo hello >"$POOL/box/b/send"
	# processes of their own: nobody else must have inherited the files
	background sh -c "$hold" "$POOL/box/b/data"
	one=$BG_PID
	background sh -c "$hold" "$POOL/box/b/data"
	two=$BG_PID
	wait_until 5 data_opens 2
	worker=$(pool_pid worker)
	kill_at_answer 1
	kill "$one"
	wait "$one" || true
	wait_until 5 not_running "$worker"
	run timeout 60 head -c 5 "$POOL/box/b/data"
	[ "$output" = hello ]
	[ "$(json restarts "$POOL/.pool/stats")" = 1 ]
	kill "$two"
	pool_stop
}

@test "a half-written transaction is seen beside an empty one that is read" {
	pool_start
	mkdir "$POOL/box/b"
	: >"$POOL/box/b/send"
	exec {reader}<"$POOL/box/b/tx/1"
	rm "$POOL/box/b/tx/1"
	exec {sender}>"$POOL/box/b/send"
	echo half >&"$sender"
	run rmdir "$POOL/box/b"
	[ "$status" = 1 ]
	[[ $output == *busy* ]]
	exec {sender}>&- {reader}<&-
	rm "$POOL/box/b"/tx/*
	rmdir "$POOL/box/b"
	pool_stop
}

# A small tmpfs as the store, with nothing left in it.
small_store() {
	tmp
	STORE=$(mktemp -d "$POOL_TMP/store.XXXXXX")
	mount -t tmpfs -o size=16M,mode=700 none "$STORE"
}

fill_store() {
	dd if=/dev/zero of="$STORE/filler" bs=64K status=none 2>/dev/null || true
	dd if=/dev/zero of="$STORE/filler2" bs=4K status=none 2>/dev/null || true
}

@test "a full store: files that cannot be opened leave no handle" {
	local i file
	local -a files=()

	need root
	small_store
	pool_start --store "$STORE"
	fill_store
	# until the block that their texts have is full
	for ((i = 0; i < 500; i++)); do
		exec {file}<"$POOL/.pool/stats" || break
		files+=("$file")
	done 2>/dev/null
	((i < 500))
	for ((i = 0; i < 50; i++)); do
		fails cat "$POOL/.pool/stats" 2>/dev/null
	done
	rm "$STORE"/filler*
	for file in "${files[@]}"; do
		exec {file}<&-
	done
	[ "$(json open "$POOL/.pool/stats")" -le 1 ]
	pool_stop
}

@test "a full store: records are made in memory that is Available" {
	local i
	need root
	small_store
	pool_start --store "$STORE"
	mkdir "$POOL/box/b"
	"$TOOLS/sendtx" --size 4M "$POOL/box/b/send"
	rm "$POOL/box/b/tx/1"
	fill_store
	for ((i = 0; i < 300; i++)); do
		mkdir "$POOL/box/b$i"
	done
	[ "$(json boxes "$POOL/.pool/stats")" = 301 ]
	pool_stop
}

@test "--psi takes a path that is relative" {
	tmp
	mkfifo "$POOL_TMP/psi"
	cd "$POOL_TMP"
	pool_start --psi psi
	cd /
	[ "$(jq -r '.sources[0].path' "$POOL/.pool/pressure")" = \
		"$POOL_TMP/psi" ]
	pool_stop
}
