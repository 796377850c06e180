#!/usr/bin/env bats
# SPDX-License-Identifier: GPL-2.0-or-later
# shellcheck disable=SC2164 # bodies run with "set -e"
#
# Volatile ranges of plain files: the ioctls of poolfs.h, and what a scan leaves
# of the files.

load helpers
load boxes
load posix
load volatile

teardown() {
	clean_up
}

# ranges VERB FILE [FIRST PAGES]...: pinrange, in pages; its words on one line.
ranges() {
	local verb=$1 file=$2
	local -a bytes=()

	shift 2
	while (($#)); do
		bytes+=($(($1 * 4096)) $(($2 * 4096)))
		shift 2
	done
	raw "$verb" "$file" "${bytes[@]}"
}

# raw [OPTION] VERB FILE [OFFSET LENGTH]...: the same in bytes.
raw() {
	timeout -k 1 100 "$TOOLS/pinrange" "$@" | paste -sd ' ' -
}

# states FILE PAGES: a letter a page, p, u, or x: it was purged.
states() {
	local i
	local -a each=()

	for ((i = 0; i < $2; i++)); do
		each+=("$i" 1)
	done
	ranges state "$1" "${each[@]}" | tr -d ' ' | tr 012 pux
}

# unpinned: pages that a scan could have.
unpinned() {
	awk '{ print $2 }' "$(of_ranges count)"
}

# purge_ranges PAGES
purge_ranges() {
	echo "0 0 $1" >"$(of_ranges scan)"
}

# new_file FILE PAGES: random content, of which REFERENCE_FILE is a copy.
new_file() {
	REFERENCE_FILE=$W/reference
	head -c $(($2 * 4096)) /dev/urandom >"$REFERENCE_FILE"
	cp "$REFERENCE_FILE" "$1"
}

# zeros FIRST PAGES: in the reference.
zeros() {
	dd if=/dev/zero of="$REFERENCE_FILE" bs=4096 seek="$1" count="$2" \
		conv=notrunc status=none
}

same() {
	timeout 60 cmp "$1" "$REFERENCE_FILE"
}

# purges: events of ranges so far, each as [first page, pages].
purges() {
	events | jq -sc '[.[] | select(.event == "purge" and .offset != null) |
		[.offset / 4096, .length / 4096]]'
}

# ---- what ashmem did ---------------------------------------------------------

pinned_at_first() {
	cd "$POOL"
	new_file f 16
	is pppppppppppppppp "$(states f 16)"
	is "0 0 0" "$(ranges pin f 0 16 3 1 15 1)"
	is "0 0" "$(<"$(of_ranges count)")"
	purge_ranges 1000
	same f
	# unpinned, and taken back before anything has happened
	is 0 "$(ranges unpin f 4 8)"
	is ppppuuuuuuuupppp "$(states f 16)"
	is "0 8" "$(<"$(of_ranges count)")"
	is 0 "$(ranges pin f 4 8)"
	is pppppppppppppppp "$(states f 16)"
	purge_ranges 1000
	same f
	is "0 0" "$(pool volatile.ranges) $(pool volatile.range_pages)"
}

@test "unpinned and pinned in time: nothing is lost" {
	in_every_way pinned_at_first
}

joined() {
	cd "$POOL"
	new_file f 16
	is "0 0" "$(ranges unpin f 2 2 3 3)"
	is ppuuuupppppppppp "$(states f 16)"
	is "1 4" "$(pool volatile.ranges) $(pool volatile.range_pages)"
	is "0" "$(ranges unpin f 8 4)"
	is "2 8" "$(pool volatile.ranges) $(pool volatile.range_pages)"
	# one that has both in it
	is "0" "$(ranges unpin f 1 13)"
	is puuuuuuuuuuuuupp "$(states f 16)"
	is "1 13" "$(pool volatile.ranges) $(pool volatile.range_pages)"
	is "0 13" "$(<"$(of_ranges count)")"
	# from the middle of one to the middle of another
	is "0 0 0 0" "$(ranges pin f 0 16) $(ranges unpin f 0 4 8 4 3 6)"
	is uuuuuuuuuuuupppp "$(states f 16)"
	is "1 12" "$(pool volatile.ranges) $(pool volatile.range_pages)"
}

@test "what is unpinned over others joins with them" {
	in_every_way joined
}

split() {
	cd "$POOL"
	new_file f 16
	is 0 "$(ranges unpin f 0 16)"
	is 0 "$(ranges pin f 4 4)"
	is uuuuppppuuuuuuuu "$(states f 16)"
	is "2 12" "$(pool volatile.ranges) $(pool volatile.range_pages)"
	# the front and the end of one
	is "0 0" "$(ranges pin f 0 1 15 1)"
	is puuuppppuuuuuuup "$(states f 16)"
	# over a gap
	is 0 "$(ranges pin f 3 6)"
	is puuppppppuuuuuup "$(states f 16)"
	is 8 "$(unpinned)"
	purge_ranges 1000
	zeros 1 2
	zeros 9 6
	same f
	# the state of all of them: is any purged?
	is "2 2 0 2 0" "$(ranges state f 0 16 0 2 3 6 8 2 15 1)"
}

@test "pin splits" {
	in_every_way split
}

inside() {
	cd "$POOL"
	new_file f 16
	is "0 0" "$(ranges unpin f 0 4 8 4)"
	# no news of the first, so it is still the older one
	is "0 0" "$(ranges unpin f 0 4 1 2)"
	is "2 8" "$(pool volatile.ranges) $(pool volatile.range_pages)"
	purge_ranges 4
	is "1 0" "$(ranges pin f 0 4 8 4)"
	# a part that is new makes it young
	cp "$REFERENCE_FILE" f
	is "0 0 0" "$(ranges unpin f 0 4 8 4 3 2)"
	purge_ranges 4
	is "0 1" "$(ranges pin f 0 5 8 4)"
	zeros 8 4
	same f
}

@test "the oldest first; unpin inside what is unpinned changes nothing" {
	in_every_way inside
}

said_once() {
	cd "$POOL"
	new_file f 16
	is 0 "$(ranges unpin f 0 16)"
	purge_ranges 16
	zeros 0 16
	same f
	is "0 0" "$(<"$(of_ranges count)")"
	# a purged range is still unpinned
	is xxxxxxxxxxxxxxxx "$(states f 16)"
	is "1 0" "$(ranges pin f 4 4 4 4)"
	is xxxxppppxxxxxxxx "$(states f 16)"
	# any part of it is enough
	is "1 0" "$(ranges pin f 3 3 3 3)"
	is "1" "$(ranges pin f 0 16)"
	is "0" "$(ranges pin f 0 16)"
	is pppppppppppppppp "$(states f 16)"
}

@test "pin says once that any part was purged" {
	in_every_way said_once
}

purged_joins() {
	cd "$POOL"
	new_file f 16
	is 0 "$(ranges unpin f 0 4)"
	purge_ranges 4
	zeros 0 4
	# one range, so it is purged as one, and nothing is to be had from it
	is 0 "$(ranges unpin f 2 6)"
	is xxxxxxxxpppppppp "$(states f 16)"
	is 0 "$(unpinned)"
	purge_ranges 100
	same f
	is 1 "$(ranges pin f 7 1)"
	is 0 "$(ranges pin f 8 1)"
	is 1 "$(ranges pin f 0 16)"
	same f
}

@test "what joins with a purged range is purged" {
	in_every_way purged_joins
}

whole_file() {
	cd "$POOL"
	new_file f 16
	is 0 "$(raw unpin f)"
	is uuuuuuuuuuuuuuuu "$(states f 16)"
	is 0 "$(ranges pin f 10 0)"
	is uuuuuuuuuupppppp "$(states f 16)"
	is 1 "$(ranges state f 3 0)"
	is 0 "$(ranges state f 10 0)"
	is 0 "$(raw pin f)"
	# a page that the file ends in is whole
	head -c 10000 "$REFERENCE_FILE" >g
	is 0 "$(raw unpin g 4096 0)"
	is puu "$(states g 3)"
	is 0 "$(raw pin g 4096 8192)"
	is ppp "$(states g 3)"
	is 0 "$(raw unpin g 8192 4096)"
	purge_ranges 1
	is 10000 "$(stat -c %s g)"
	cmp <(head -c 8192 g) <(head -c 8192 "$REFERENCE_FILE")
	cmp <(tail -c 1808 g) <(head -c 1808 /dev/zero)
	# at the end there is nothing, which is no error
	is "0 0 0" "$(raw state g 12288 0) $(raw unpin g 12288 0) $(
		raw pin g 12288 0)"
	: >empty
	is "0 0 0" "$(raw unpin empty) $(raw state empty) $(raw pin empty)"
}

@test "length 0 is up to the end" {
	in_every_way whole_file
}

# ---- bad input ---------------------------------------------------------------

bad_ranges() {
	local verb bad e=EINVAL

	cd "$POOL"
	new_file f 16
	is 0 "$(ranges unpin f 4 4)"
	for verb in pin unpin state; do
		bad="$e $e $e $e"
		# unaligned, by one and by half a page
		is "$verb $bad" "$verb $(raw $verb f 1 4096 0 1 2048 2048 \
			4095 0)"
		# past the end, by a page and more
		is "$verb $bad" "$verb $(raw $verb f 65536 4096 61440 8192 \
			69632 0 0 69632)"
		# negative, and wrapped
		is "$verb $bad" "$verb $(raw $verb f -4096 4096 -4096 8192 \
			-4096 0 4096 -4096)"
		is "$verb $bad" "$verb $(raw $verb f 0 -4096 8192 -8192 \
			0x8000000000000000 0x8000000000000000 \
			0x7ffffffffffff000 4096)"
	done
	# none of them has changed anything
	is ppppuuuupppppppp "$(states f 16)"
	is "1 4" "$(pool volatile.ranges) $(pool volatile.range_pages)"
	is EFAULT "$(raw null f)"
	is ENOTTY "$(raw unknown f)"
	same f
}

@test "unaligned, past the end, wrapped: EINVAL" {
	in_every_way bad_ranges
}

read_only() {
	cd "$POOL"
	new_file f 16
	is EBADF "$(raw --read-only unpin f)"
	is EBADF "$(raw --read-only unpin f 4096 4096)"
	is pppppppppppppppp "$(states f 16)"
	is 0 "$(ranges unpin f 4 4)"
	# to ask is no writing
	is "1 0" "$(raw --read-only state f 0 32768 0 4096 )"
	is "EBADF EBADF" "$(raw --read-only pin f 16384 4096 0 0)"
	is ppppuuuupppppppp "$(states f 16)"
	# readers hear of a purge, and do not take the word from the writer
	purge_ranges 4
	is "2 2 0" "$(raw --read-only state f 0 32768 16384 4096 0 4096 )"
	is "EBADF EBADF" "$(raw --read-only pin f 16384 4096 0 0)"
	is "ppppxxxxpppppppp 1 0" "$(states f 16) $(ranges pin f 4 4 4 4)"
	is "0 0" "$(raw --read-only state f 0 32768 16384 4096)"
	is 0 "$(ranges unpin f 4 4)"
	chmod 400 f
	is 1 "$(raw --read-only state f)"
	rm -f f
}

@test "a descriptor for reading: only the state, and no word is taken away" {
	in_every_way read_only
}

other_files() {
	local verb

	cd "$POOL"
	mkdir d "$B/a"
	mkfifo fifo
	"$TOOLS/sendtx" --size 8192 "$B/a/send"
	for verb in pin unpin state; do
		is "$verb ENOTTY ENOTTY" "$verb $(raw --read-only $verb d) $(
			raw --read-only $verb .)"
		is "$verb ENOTTY" "$verb $(raw --read-only $verb "$B/a/data")"
		is "$verb ENOTTY" "$verb $(raw --read-only $verb "$B/a/tx/1")"
		is "$verb ENOTTY" "$verb $(raw --read-only $verb "$B/a/stat")"
		is "$verb ENOTTY" "$verb $(raw --read-only $verb .pool/stats)"
		is "$verb ENOTTY" "$verb $(raw $verb fifo)"
		is "$verb ENOTTY" "$verb $(raw --read-only $verb /dev/shm)"
	done
	purge_ranges 100
	is 8192 "$(json size <("$TOOLS/recvtx" --timeout 60 --header "$B/a"))"
}

@test "directories, boxes, fifos: ENOTTY" {
	in_every_way other_files
}

# ---- what a scan takes -------------------------------------------------------

charged() {
	local i

	cd "$POOL"
	new_file f 100
	# one of 60, and 20 of one
	is 0 "$(ranges unpin f 0 60)"
	for ((i = 60; i < 100; i += 2)); do
		ranges unpin f $i 1 >/dev/null
	done
	is "0 80" "$(<"$(of_ranges count)")"
	is "21 80" "$(pool volatile.ranges) $(pool volatile.range_pages)"
	# as many pages as are asked for, whatever they are parts of
	purge_ranges 50
	is 30 "$(unpinned)"
	purge_ranges 15
	is 15 "$(unpinned)"
	zeros 0 60
	for ((i = 60; i < 70; i += 2)); do
		zeros $i 1
	done
	same f
	is 65 "$(pool volatile.purged_pages)"
	is 0 "$(ranges pin f 70 30)"
	is 1 "$(ranges pin f 0 60)"
	grep -qx "poolfs_purged_pages_total 65" "$POOL/.pool/metrics"
	is 0 "$(pool volatile.purged_files)"
}

@test "pages are charged, not ranges" {
	in_every_way charged
}

# No hole may go on behind 2 MiB of the file, unless it ends there.
cut_at_huge_pages() {
	jq -e 'all(.[]; (.[0] / 512 | floor) == ((.[0] + .[1] - 1) / 512 | floor)
		or (.[0] + .[1]) % 512 == 0)' >/dev/null
}

cuts() {
	cd "$POOL"
	new_file f 2048
	is 0 "$(ranges unpin f 100 1900)"
	purge_ranges 700
	is 1200 "$(unpinned)"
	is "[[100,412],[512,288]]" "$(purges)"
	purge_ranges 1000
	is 200 "$(unpinned)"
	purges | cut_at_huge_pages || fail "$(purges)"
	zeros 100 1700
	same f
	is "0 1" "$(ranges pin f 1800 200 1700 100)"
	is 1700 "$(purges | jq 'map(.[1]) | add')"
}

@test "a part of a range is cut off at 2 MiB of the file" {
	in_every_way cuts
}

neighbours() {
	local i first pages at=0

	cd "$POOL"
	new_file f 3000
	cp f plain
	for i in {1..60}; do
		first=$((at + RANDOM % 30 + 1))
		pages=$((RANDOM % (i % 10 == 0 ? 600 : 15) + 1))
		at=$((first + pages))
		((at < 3000)) || break
		ranges unpin f $first $pages >/dev/null
		zeros $first $pages
	done
	cp "$REFERENCE_FILE" "$W/purged"
	background "$TOOLS/mapread" --sum --hold 60 f >"$W/sums"
	wait_until 5 test -s "$W/sums"
	purge_ranges 100
	purge_ranges 1000
	purge_ranges 1000000
	is 0 "$(unpinned)"
	same f
	# who had it mapped before, and who maps it now
	zeros_are_seen
	is "$("$TOOLS/mapread" --sum f)" "$(tail -n 1 "$W/sums")"
	# nobody else's pages
	is "$(head -n 1 "$W/sums")" "$("$TOOLS/mapread" --sum plain)"
	# and it can be written again
	dd if=plain of=f bs=1M conv=notrunc status=none
	cmp plain f
	is 1 "$(raw pin f)"
	purge_ranges 100000
	cmp plain f
}

# zeros_are_seen: by the mapping, a moment later at most.
zeros_are_seen() {
	local wanted

	wanted=$("$TOOLS/mapread" --sum "$REFERENCE_FILE")
	wait_until 5 eval 'kill -USR1 "$BG_PID"; sleep 0.05
		[ "$(tail -n 1 "$W/sums")" = "'"$wanted"'" ]'
}

# bats test_tags=slow
@test "what is pinned stays bit for bit, for readers and mappings" {
	in_every_way neighbours
}

# mapped_pages FIRST PAGES WAIT: of 64 that only a mapping has written, which
# stays, so many are purged; WAIT says when.
mapped_pages() {
	local i
	local -a pokes=() peeks=()

	for ((i = 0; i < 64; i++)); do
		pokes+=(poke "page$((i + 100))" $((i * 4096)))
		peeks+=(peek 7 $((i * 4096)))
	done
	REFERENCE_FILE=$W/reference
	rm -f f "$REFERENCE_FILE" "$W"/{poked,purged,peeked,seen}
	posix open "$REFERENCE_FILE" rw,creat truncate 256K map-rw 256K \
		"${pokes[@]}" >/dev/null
	zeros "$1" "$2"
	"$TOOLS/posixops" open "$REFERENCE_FILE" r map 256K "${peeks[@]}" \
		>"$W/wanted"
	truncate -s 256K f
	posix_into "$W/said" open f rw map-rw 256K "${pokes[@]}" \
		touch "$W/poked" await "$W/purged" "${peeks[@]}" \
		poke again 80K touch "$W/peeked" await "$W/seen"
	wait_until 5 test -e "$W/poked"
	is 0 "$(ranges unpin f "$1" "$2")"
	purge_ranges 1000
	"$3" "$1" "$2"
	touch "$W/purged"
	wait_until 5 test -e "$W/peeked"
	is "$(grep ^7: "$W/wanted")" "$(grep ^7: "$W/said")"
	# what is written after that is new
	posix open f rw fsync >/dev/null
	printf again | dd of="$REFERENCE_FILE" bs=1 seek=80K conv=notrunc \
		status=none
	same f
	touch "$W/seen"
}

nothing_left() {
	[[ $(posix open f rw fsync blocks) == "0 0 0" ]]
}

by_itself() {
	wait_until 5 nothing_left || fail "$(stat -c %b f) blocks"
	is 1 "$(ranges pin f "$@")"
}

by_a_pin() {
	is 1 "$(ranges pin f "$@")"
	[[ $2 != 64 ]] || nothing_left || fail "$(stat -c %b f) blocks"
}

written_by_mapping() {
	local i

	cd "$POOL"
	for i in {1..5}; do
		mapped_pages 0 64 by_a_pin
		mapped_pages 8 48 by_a_pin
	done
	mapped_pages 0 64 by_itself
}

# bats test_tags=slow
@test "what only a mapping has written is purged, too" {
	in_every_way written_by_mapping
}

pressed() {
	local i

	cd "$POOL"
	new_file f 64
	is 0 "$(ranges unpin f 10 50)"
	for ((i = 1; i <= 1000; i++)); do
		echo "full avg10=9.00 avg60=1.00 avg300=0.10 total=$((i * 1000000))" \
			>"$PSI"
		sleep 0.06
		[[ $(unpinned) != 0 ]] || break
	done
	is 0 "$(unpinned)"
	zeros 10 50
	same f
}

@test "pressure purges ranges" {
	tmp
	PSI=$POOL_TMP/psi
	mkfifo "$PSI"
	chmod 666 "$PSI"
	export PSI
	in_every_way pressed --psi "$PSI"
}

many() {
	local i
	local -a all=()

	cd "$POOL"
	new_file f 10000
	for ((i = 0; i < 10000; i += 2)); do
		all+=("$i" 1)
	done
	is 0 "$(ranges unpin f "${all[@]}" | tr -d ' ' | tr -s 0)"
	is "5000 5000" "$(pool volatile.ranges) $(pool volatile.range_pages)"
	purge_ranges 5000
	is 0 "$(unpinned)"
	# half of the pages are there, each where it was
	perl -e 'open F, "<", $ARGV[0]; open R, "<", $ARGV[1];
		while (read F, $f, 4096) {
			read R, $r, 4096;
			$r = "\0" x 4096 unless $n++ % 2;
			die "page " . ($n - 1) . "\n" if $f ne $r;
		}' f "$REFERENCE_FILE"
	is 1 "$(raw pin f)"
	is "0 0" "$(pool volatile.ranges) $(pool volatile.range_pages)"
}

# bats test_tags=slow
@test "5,000 ranges of a file" {
	in_every_way many
}

# ---- what happens to the file ------------------------------------------------

truncated() {
	cd "$POOL"
	new_file f 16
	is 0 "$(ranges unpin f 4 8)"
	# in the middle of a page: that one stays
	truncate -s $((5 * 4096 + 100)) f
	is 2 "$(unpinned)"
	truncate -s $((16 * 4096)) f
	is ppppuupppppppppp "$(states f 16)"
	truncate -s $((4 * 4096)) f
	is "0 0" "$(pool volatile.ranges) $(pool volatile.range_pages)"
	truncate -s 64K f
	is pppppppppppppppp "$(states f 16)"
	purge_ranges 100
	cmp -n 16384 f "$REFERENCE_FILE"
	# also a purged one, and by who has it open
	cp "$REFERENCE_FILE" f
	is 0 "$(ranges unpin f 4 8)"
	purge_ranges 100
	posix open f rw truncate 0 truncate 65536 >/dev/null
	is "0 pppppppppppppppp" "$(ranges pin f 0 16) $(states f 16)"
	cp "$REFERENCE_FILE" f
	is 0 "$(ranges unpin f 0 16)"
	: >f
	is "0 0" "$(pool volatile.ranges) $(unpinned)"
	cp "$REFERENCE_FILE" f
	purge_ranges 100
	same f
}

@test "truncation drops ranges" {
	in_every_way truncated
}

written() {
	cd "$POOL"
	new_file f 16
	is 0 "$(ranges unpin f 4 4)"
	# to write is not to pin
	dd if="$REFERENCE_FILE" of=f bs=4096 seek=4 skip=4 count=4 \
		conv=notrunc status=none
	is ppppuuuupppppppp "$(states f 16)"
	same f
	purge_ranges 4
	# after a purge, too: what is there now is not lost, but it is not said
	dd if="$REFERENCE_FILE" of=f bs=4096 seek=4 skip=4 count=4 \
		conv=notrunc status=none
	is 1 "$(ranges pin f 4 4)"
	same f
	# a hole that somebody punches is no purge
	is 0 "$(ranges unpin f 4 4)"
	fallocate -p -o 16384 -l 16384 f
	is 0 "$(ranges pin f 4 4)"
	zeros 4 4
	same f
}

@test "writing and punching holes is neither pin nor purge" {
	in_every_way written
}

named() {
	local fd

	cd "$POOL"
	mkdir d
	new_file f 16
	is 0 "$(ranges unpin f 4 4)"
	mv f d/g
	ln d/g h
	is ppppuuuupppppppp "$(states h 16)"
	mv d e
	is 0 "$(ranges pin e/g 6 1)"
	is ppppuupupppppppp "$(states h 16)"
	rm h
	purge_ranges 100
	zeros 4 2
	zeros 7 1
	same e/g
	is 1 "$(raw pin e/g)"
	# no name at all
	is 0 "$(ranges unpin e/g 0 2)"
	exec {fd}<>e/g
	rm e/g
	is 0 "$(ranges unpin "/proc/$BASHPID/fd/$fd" 12 4)"
	is 6 "$(unpinned)"
	purge_ranges 6
	zeros 0 2
	zeros 12 4
	same "/proc/$BASHPID/fd/$fd"
	is "1 0" "$(ranges pin "/proc/$BASHPID/fd/$fd" 0 1 5 1)"
	exec {fd}>&-
	wait_until 5 eval '[ "$(pool volatile.ranges)" = 0 ]'
	# with the file they go
	new_file f 16
	is 0 "$(ranges unpin f 4 4)"
	rm f
	wait_until 5 eval '[ "$(pool volatile.ranges) $(unpinned)" = "0 0" ]'
}

@test "rename, link, unlink" {
	in_every_way named
}

in_volatile_file() {
	cd "$POOL"
	new_file f 16
	volatile f
	is 0 "$(ranges unpin f 4 4)"
	settled 16
	purge_ranges 2
	zeros 4 2
	# what a range has given back, the file cannot give again
	same f
	settled 14
	is 1 "$(ranges pin f 4 4)"
	is 0 "$(ranges unpin f 8 4)"
	settled 14
	purge 1
	gone f
	is "0 0" "$(pool volatile.ranges) $(unpinned)"
	new_file f 16
	purge_ranges 100
	same f
	is pppppppppppppppp "$(states f 16)"
}

@test "ranges of a volatile file" {
	in_every_way in_volatile_file
}

# ---- the worker --------------------------------------------------------------

survive() {
	cd "$POOL"
	new_file f 32
	cp f g
	is "0 0" "$(ranges unpin f 0 4 20 4)"
	is "0" "$(ranges unpin g 8 4)"
	is "0" "$(ranges unpin f 10 4)"
	kill_worker
	is uuuuppppppuuuuppppppuuuupppppppp "$(states f 32)"
	is "4 16" "$(pool volatile.ranges) $(unpinned)"
	# f 0, f 20, g 8, f 10
	purge_ranges 6
	kill_worker
	is 10 "$(unpinned)"
	is xxxxppppppuuuuppppppxxuupppppppp "$(states f 32)"
	purge_ranges 6
	kill_worker
	is 1 "$(ranges pin f 0 4)"
	kill_worker
	is 0 "$(ranges pin f 0 4)"
	is "1 1 0" "$(ranges pin g 8 4) $(ranges pin f 20 4 10 4)"
	zeros 0 4
	zeros 20 4
	same f
	is "0 0" "$(pool volatile.ranges) $(unpinned)"
}

@test "state and order survive worker kills" {
	in_every_way survive
}

# race TIMES: what is pinned and not purged is whole; what was purged has
# zeros, page by page.
race() {
	local i said purged=0 kept=0

	cd "$POOL"
	new_file f 64
	background eval 'while echo "0 0 8" >"$(of_ranges scan)"; do
		sleep 0.004
	done'
	for ((i = 0; i < $1 || (i < 20 * $1 && !(kept && purged)); i++)); do
		is "0 0" "$(ranges unpin f 0 20 30 10)"
		((i % 3)) || sleep 0.01
		said=$(ranges pin f 0 40)
		if [[ $said == 0 ]]; then
			same f
			kept=$((kept + 1))
		else
			is 1 "$said"
			perl -e 'open F, "<", $ARGV[0]; open R, "<", $ARGV[1];
				while (read F, $f, 4096) {
					read R, $r, 4096;
					die "page $n\n" if $f ne $r &&
						$f ne "\0" x 4096;
					$n++;
				}' f "$REFERENCE_FILE"
			cp "$REFERENCE_FILE" f
			purged=$((purged + 1))
		fi
		same f
	done
	kill -KILL "$BG_PID"
	echo "# $WAY: $kept times kept, $purged times purged" >>"$FACTS"
	((kept && purged))
}

racing() {
	race "$(loops 150)"
}

@test "a worker killed right after a purge: no old bytes in a cache" {
	need root
	local f scan worker
	tmp
	export SLOW_REPLIES=$POOL_TMP/slow
	LD_PRELOAD=$TOOLS/slow_replies.so \
		ASAN_OPTIONS=$ASAN_OPTIONS:verify_asan_link_order=0 \
		pool_start --mode=cached
	f=$POOL/f
	W=$POOL_TMP
	new_file "$f" 16
	# the kernel has all of it
	same "$f"
	is 0 "$(ranges unpin "$f" 4 8)"
	touch "$SLOW_REPLIES"
	scan=$(of_ranges scan)
	background timeout 100 sh -c "echo 0 0 8 >'$scan'"
	wait_until 5 test -e "$SLOW_REPLIES.invalidating"
	# it waits until the kernel has dropped its copies; others do not
	background ranges pin "$f" 4 8 >"$W/pin"
	sleep 0.3
	touch "$POOL/other"
	[ ! -s "$W/pin" ]
	worker=$(pool_pid worker)
	rm "$SLOW_REPLIES"
	kill -KILL "$worker"
	[ "$(pool_pid worker)" != "$worker" ]
	zeros 4 8
	wait_until 5 grep -qx 1 "$W/pin"
	same "$f"
	is 0 "$(ranges pin "$f" 4 8)"
	pool_stop
}

# bats test_tags=slow
@test "pin and unpin race with the shrinker" {
	facts_to_show
	in_every_way racing
	cat "$FACTS" >&3
}

racing_with_kills() {
	local killer i

	background kill_often "$(pool_pid keeper)"
	killer=$BG_PID
	# a worker that is killed before it has begun is no restart
	for ((i = 0; i < 10 && $(pool restarts) <= 5; i++)); do
		race "$(lasting 100)"
	done
	kill -KILL "$killer"
	(($(pool restarts) > 5)) || fail "only $(pool restarts) restarts"
}

# bats test_tags=slow
@test "pin and unpin race with the shrinker, and the worker is killed" {
	facts_to_show
	in_every_way racing_with_kills
	cat "$FACTS" >&3
}
