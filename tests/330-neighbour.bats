#!/usr/bin/env bats
# SPDX-License-Identifier: GPL-2.0-or-later
#
# What one user has in the pool, however much of it, does not cost the others:
# neither descriptors nor time.

load helpers
load boxes
load posix
load volatile

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
	costs_the_same statbox 4 2000 100
	# a worker that has not given the aliases out, and one that has
	! has_root || restart
	costs_the_same chmodsend 4 2000 20
}

@test "a request costs no more beside thousands of boxes, handles, ranges and the like" {
	in_every_way many_things
}

# large_requests: as much as the kernel passes on of what a client asks for.
large_requests() {
	costs_the_same copy 1 64 100
	costs_the_same listplus 32 4096 20
}

@test "a request does a bounded part of what it asks for" {
	in_every_way large_requests
}

told_at_once() {
	local nr=3000

	is "ready $nr done" "$(timeout 200 "$TOOLS/attack" pollers "$POOL" $nr 3 \
		< <(echo go) | paste -sd ' ')"
}

all_hear_the_end() {
	local nr=1500

	is "ready $nr done" "$(timeout 200 "$TOOLS/attack" receivers "$POOL" \
		$nr 2 < <(echo go) | paste -sd ' ')"
}

@test "of thousands who wait for a box each hears that it is removed" {
	in_every_way all_hear_the_end
}

@test "of thousands who poll a box each is told of a transaction" {
	in_every_way told_at_once
}

# ---- time ----------------------------------------------------------------------

# In a soak it is time that passes.  Else, on a machine that is busy, it is what
# the worker does while somebody waits for it, for some of the attacks.
@test "the neighbour of an attacker waits less than 5 ms, at the 99th percentile" {
	need fuse root
	if [[ ${SOAK:-0} == 1 ]]; then
		timeout 3000 "$TOP/tests/soak/neighbour"
	else
		WORK=1 timeout 300 "$TOP/tests/soak/neighbour" 0.5 copy \
			listplus split moves
	fi
}

# ---- requests that go on in steps --------------------------------------------

# memory_is_short: what is volatile is purged, again and again.
memory_is_short() {
	while sleep 0.05; do
		purge 1000
	done
}

purged_links() {
	local i

	cd "$POOL" || return
	background memory_is_short
	# the directory is removed at the line from standard input
	is "ready 600 done" "$(echo | timeout 100 "$TOOLS/attack" purgedlinks \
		"$POOL" 600 0 | paste -sd ' ' -)"
	is "" "$(names_in . | sed 's/.pool box//')"
	# a directory that takes the place of such a one, and a kill meanwhile
	mkdir d e
	echo text >d/f
	echo other >e/other
	for ((i = 0; i < 300; i++)); do
		ln d/f "d/$i"
	done
	is ENOTEMPTY "$(posix rename e d)"
	volatile d/f
	wait_until 20 eval '[[ ! -e d/f ]]'
	posix_into "$W/renamed" rename e d
	! has_root || restart
	wait "$BG_PID"
	is 0 "$(<"$W/renamed")"
	is "other" "$(names_in d)"
	rm -r d
	is "" "$(names_in . | sed 's/.pool box//')"
}

@test "a directory of many names of purged files is removed in steps" {
	in_every_way purged_links
}

# memory FILE: size and memory, in MiB.
memory() {
	stat -c '%s %b' "$1" | awk '{ print $1 / 1048576, int($2 / 2048) }'
}

allocations() {
	cd "$POOL" || return
	timeout 60 fallocate -l 100M f
	is "100 100" "$(memory f)"
	is "$((100 << 20))" "$(tr -d '\1-\377' <f | wc -c)"
	timeout 60 fallocate -o 100M -l 50M --keep-size f
	is "100 150" "$(memory f)"
	rm f
	# what fails gives back what it had taken, and no more
	head -c 60M /dev/zero >full
	fails timeout 60 fallocate -l 250M f 2>"$W/why"
	grep -q "No space left" "$W/why"
	is "0 0" "$(memory f)"
	printf 'content' | dd of=f bs=1 seek=33M conv=notrunc status=none
	fails timeout 60 fallocate -o 5 -l 250M f 2>"$W/why"
	is content "$(tail -c 7 f)"
	(($(stat -c %b f) <= 4096)) || fail "$(memory f) is left"
	timeout 60 fallocate -l 100M f
	is "100 100" "$(memory f)"
	is content "$(tail -c +$(((33 << 20) + 1)) f | head -c 7)"
}

@test "an allocation in steps is whole, or nothing of it" {
	in_every_way allocations -o size=256M
}

# allocated PERCENT: whether a part of the pool is seen to be taken.
part_is_taken() {
	local n

	while ! not_running "$BG_PID"; do
		n=$(($(pool store.content) >> 20))
		((n <= 50 || n >= 1450)) || return 0
	done
	return 1
}

allocation_meanwhile() {
	local i seen=0

	cd "$POOL" || return
	# others are answered, and see that it goes on
	for i in {1..10}; do
		background timeout 60 fallocate -l 1500M f
		! part_is_taken || seen=1
		wait "$BG_PID"
		is "1500 1500" "$(memory f)"
		rm f
		((seen == 0)) || break
	done
	is 1 "$seen"
	# the worker is killed
	for i in 1 3 5 7; do
		background timeout 60 fallocate -l 1500M f
		sleep "0.0$i"
		restart
		wait "$BG_PID"
		is "1500 1500" "$(memory f)"
		rm f
	done
	fallocate -l 300M full
	for i in 1 4 7; do
		background timeout 60 fallocate -l 1500M f
		sleep "0.0$i"
		restart
		fails wait "$BG_PID"
		is "0 0" "$(memory f)"
	done
}

@test "others are served during an allocation, and it survives a kill" {
	as_root_in_every_mode allocation_meanwhile -o size=1600M
}
