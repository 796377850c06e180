#!/usr/bin/env bats
# SPDX-License-Identifier: GPL-2.0-or-later
#
# What one user has in the pool, however much of it, does not cost the others:
# neither descriptors nor time.

load helpers
load boxes

teardown() {
	clean_up
}

# fewer_descriptors: the next worker, which this starts, may have 256.
fewer_descriptors() {
	prlimit --pid "$(pool keeper)" --nofile=256:256
	restart
	is 256 "$(awk '/^Max open files/ { print $4 }' "/proc/$(pool worker)/limits")"
}

# restart: kills the worker, and waits for the next one.
restart() {
	local was

	was=$(pool restarts)
	kill -KILL "$(pool worker)"
	wait_until 10 pool_is restarts $((was + 1))
}

pool_is() {
	[[ $(pool "$1") == "$2" ]]
}

# ---- descriptors -------------------------------------------------------------

# open_files FIRST LAST: opens files of these numbers, to write and to read.
open_files() {
	local i fd

	for ((i = $1; i <= $2; i++)); do
		exec {fd}>"$POOL/f/$i"
		OUT[i]=$fd
		exec {fd}<"$POOL/f/$i"
		IN[i]=$fd
	done
}

# what_is_open_works TEXT: each file that is open takes a line, and gives it.
what_is_open_works() {
	local i line

	for i in "${!OUT[@]}"; do
		echo "$i $1" >&"${OUT[i]}"
	done
	for i in "${!IN[@]}"; do
		read -r -u "${IN[i]}" line
		is "$i $1" "$line"
	done
}

descriptors() {
	local i
	local -a IN OUT

	fewer_descriptors
	mkdir "$POOL/f" "$POOL/keep"
	ulimit -Sn 2100
	open_files 1 1000
	# files without a name, and one that its owner may not open any more
	rm "$POOL/f"/{1..100}
	chmod 0 "$POOL/f/500"
	mkdir "$B"/{1..1000}
	for i in {1..1000}; do
		echo "box $i" >"$B/$i/send"
	done
	what_is_open_works first
	(($(worker_fds) <= 256))
	# everybody else
	ls "$POOL" "$POOL/.pool" "$B/7/tx" >/dev/null
	echo mine >"$POOL/keep/a"
	is mine "$(cat "$POOL/keep/a")"
	is 1000 "$(pool transactions)"
	restart
	what_is_open_works second
	for i in {1..1000}; do
		echo again >"$B/$i/send"
	done
	cat "$B"/{1..1000}/tx/* | sort >"$W/have"
	for i in {1..1000}; do
		printf '%s\n' "box $i" again
	done | sort >"$W/want"
	cmp "$W/want" "$W/have"
	is 2000 "$(pool transactions)"
	(($(worker_fds) <= 256))
}

worker_fds() {
	find "/proc/$(pool worker)/fd" -mindepth 1 -maxdepth 1 | wc -l
}

@test "a thousand boxes and a thousand open files take no more descriptors than there are" {
	in_every_way descriptors
}
