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

# ---- work ----------------------------------------------------------------------

# busy: how long the worker's loop has been on a processor, in microseconds.
busy() {
	awk '{ print int($1 / 1000) }' \
		"/proc/$WORKER/task/$WORKER/schedstat"
}

# cost KIND NR ROUNDS: COST is what the worker needs for the rounds, beside NR
# things of the kind.
cost() {
	local line from

	coproc ATTACK { timeout 200 "$TOOLS/attack" "$1" "$POOL" "$2" "$3"; }
	read -r line <&"${ATTACK[0]}"
	is "ready $2" "$line"
	from=$(busy)
	echo go >&"${ATTACK[1]}"
	read -r line <&"${ATTACK[0]}"
	is "done" "$line"
	COST=$(($(busy) - from))
	attack_ends
	wait "$ATTACK_PID"
}

# attack_ends: closes what the attacker waits for.
attack_ends() {
	local fd=${ATTACK[1]}

	exec {fd}>&-
}

# costs_the_same KIND FEW MANY ROUNDS: work does not grow with what is there.
# Without a bound it is the hundredfold.
costs_the_same() {
	local few

	WORKER=$(pool worker)
	cost "$1" "$2" "$4"
	few=$COST
	cost "$1" "$3" "$4"
	echo "$WAY: $1: $few us with $2, $COST us with $3"
	((COST < 5 * few + 20000))
}

deep_directories() {
	costs_the_same deep 4 1000 100
	cost chain 1000 1
	is "" "$(find "$POOL"/chain.* -mindepth 1 -maxdepth 1)"
}

@test "a request in a deep directory costs no more than in another one" {
	in_every_way deep_directories
}

# in_the_deep: in a directory 100 levels down, above which one has mode 0.
in_the_deep() {
	local i long

	long=$(printf '%060d' 0)
	mkdir "$POOL/top"
	cd "$POOL/top" || return
	for i in {1..100}; do
		mkdir "$long.$i"
		cd "$long.$i" || return
		[[ $i != 50 ]] || exec 9<.
	done
	echo text >a
	mkdir d e f e/d e/x
	ln a b
	exec 7<a 8<d
	chmod 0 /proc/self/fd/9
	mv a c
	mv -T d e/d
	rm c
	echo more >>b
	restart
	is "text more" "$(paste -sd ' ' - <&7)"
	mv -T f e/d
	fails rmdir e 2>/dev/null
	rmdir e/d e/x e
	echo new >e
	is new "$(cat e)"
	rm b e
	is "" "$(ls)"
	cd /
	chmod 755 /proc/self/fd/9
	exec 7<&- 8<&- 9<&-
	rm -r "$POOL/top"
}

@test "files, names and directories a hundred levels down are as others" {
	in_every_way in_the_deep
}

far_apart() {
	local deep line

	mkdir "$POOL/near"
	coproc ATTACK { exec "$TOOLS/attack" deep "$POOL" 1100 0; }
	deep=/proc/$ATTACK_PID/cwd
	read -r line <&"${ATTACK[0]}"
	is "ready 1100" "$line"
	echo text >"$deep/a"
	mv -T "$deep/a" "$deep/b"
	mv "$deep/b" "$POOL/near/c"
	is text "$(cat "$POOL/near/c")"
	mkdir "$deep/x" "$deep/x/y"
	is EXDEV "$(ops rename "$deep/x/y" "$POOL/near/y")"
	is EXDEV "$(ops rename "$POOL/near/c" "$deep/x/c")"
	is 0 "$(ops rename "$deep/x/y" "$deep/x/z")"
	attack_ends
}

@test "between directories more than a thousand levels down rename is EXDEV" {
	in_every_way far_apart
}

many_things() {
	costs_the_same boxes 4 1000 100
	costs_the_same handles 4 2000 100
	costs_the_same removed 4 1000 20
	costs_the_same transactions 4 2000 100
	costs_the_same ranges 4 4000 100
	costs_the_same writers 4 100 100
	costs_the_same control 4 1000 100
	costs_the_same files 4 1000 100
	costs_the_same moves 2 64 20
}

@test "a request costs no more beside thousands of boxes, handles, ranges and the like" {
	in_every_way many_things
}

# large_requests: as much as the kernel passes on of what a client asks for.
large_requests() {
	costs_the_same copy 1 64 100
}

@test "a request does a bounded part of what it asks for" {
	in_every_way large_requests
}

told_at_once() {
	local nr=3000

	is "ready $nr done" "$(timeout 200 "$TOOLS/attack" pollers "$POOL" $nr 3 \
		< <(echo go) | paste -sd ' ')"
}

@test "of thousands who poll a box each is told of a transaction" {
	in_every_way told_at_once
}

# ---- time ----------------------------------------------------------------------

# Time is judged in a soak only; here the tools have to work.
@test "the neighbour of an attacker waits less than 5 ms, at the 99th percentile" {
	need fuse root
	if [[ ${SOAK:-0} == 1 ]]; then
		timeout 3000 "$TOP/tests/soak/neighbour"
	else
		LIMIT=60000000 timeout 300 "$TOP/tests/soak/neighbour" 0.2 deep
	fi
}
