#!/usr/bin/env bats
# SPDX-License-Identifier: GPL-2.0-or-later
#
# The life of a page: Free, Used, Available, and Used or Free again; and that
# nobody ever sees what was not sent to this box.
# shellcheck disable=SC2154

load helpers
load boxes

teardown() {
	clean_up
}

# pages: of BOX, "used available free".
pages() {
	jq -r '.pages | "\(.used) \(.available) \(.free)"' "$BOX/stat"
}

# zero_pages: of BOX, how many read as zeros.
zero_pages() {
	od -An -v -t x8 -w4096 "$BOX/data" | grep -c '^\( 0000000000000000\)*$' ||
		true
}

# ---- states --------------------------------------------------------------

shared_pages() {
	new_box b 1M
	is "0 0 256" "$(pages)"
	# looking at it makes no memory
	cat "$BOX/data" >/dev/null
	is "0 0 256" "$(pages)"
	"$TOOLS/sendtx" --size 100 --count 2 "$BOX/send"
	is "1 0 255" "$(pages)"
	rm "$BOX/tx/1"
	is "1 0 255" "$(pages)"
	rm "$BOX/tx/2"
	is "0 1 255" "$(pages)"
	# two that meet in the middle of a page
	"$TOOLS/sendtx" --size 5000 --count 2 "$BOX/send"
	is "3 0 253" "$(pages)"
	rm "$BOX/tx/3"
	is "2 1 253" "$(pages)"
	rm "$BOX/tx/4"
	is "0 3 253" "$(pages)"
	# a page that three share, freed from the middle
	"$TOOLS/sendtx" --size 4000,50,5000 --count 3 "$BOX/send"
	rm "$BOX/tx/6"
	is "3 0 253" "$(pages)"
	rm "$BOX/tx/5"
	is "3 0 253" "$(pages)"
	rm "$BOX/tx/7"
	is "0 3 253" "$(pages)"
	is 3 "$(pool pages.available)"
	is 3 "$(available)"
	# nothing to store, nothing used
	: >"$BOX/send"
	is "0 3 253" "$(pages)"
}

@test "a page is Available when the last transaction on it is freed" {
	in_every_way shared_pages
}

reuse() {
	local populated reused i

	new_box b 1M
	"$TOOLS/sendtx" --size 1M "$BOX/send"
	is "256 0 0" "$(pages)"
	rm "$BOX/tx/1"
	is "0 256 0" "$(pages)"
	populated=$(pool moved.populated)
	reused=$(pool moved.reused)
	is 256 "$populated"
	for i in {1..20}; do
		"$TOOLS/sendtx" --size 1,100,5000,100000,300001 --count 5 \
			--first "$i" "$BOX/send"
		rm "$BOX/tx"/*
	done
	"$TOOLS/sendtx" --size 1M "$BOX/send"
	is "$populated" "$(pool moved.populated)"
	(($(pool moved.reused) >= reused + 256))
	is 0 "$(pool moved.dropped)"
	is "256 0 0" "$(pages)"
}

@test "Available pages are used again, and none is populated" {
	in_every_way reuse
}

given_back() {
	new_box b 1M
	"$TOOLS/sendtx" --size 1M "$BOX/send"
	rm "$BOX/tx/1"
	is 256 "$(available)"
	rmdir "$BOX"
	is 0 "$(available)"
	is 0 "$(pool pages.available)"
	# what a sender has reserved to grow, and not used
	new_box b 1M
	(head -c 100000 /dev/zero && echo x >"$BOX/send" &&
		head -c 100000 /dev/zero) | dd of="$BOX/send" bs=100000 \
		iflag=fullblock status=none
	is 200008 "$(box ranges.reserved_bytes)"
	# and what was written by one that is dropped
	is "0 100000 -9" "$(ops child open "$BOX/send" w zeros 100000 kill 9 \
		end wait)"
	wait_until 5 box_has ranges.reserved_bytes 200008
}

@test "memory that nobody can need is given back" {
	in_every_way given_back
}

# ---- scans ---------------------------------------------------------------

# three: 100, 50 and 106 pages of random bytes; the second, F, stays, at AT.
three() {
	new_box b 1M
	F=$(random_file 204800)
	head -c 409600 /dev/urandom >"$BOX/send"
	cat "$F" >"$BOX/send"
	head -c 434176 /dev/urandom >"$BOX/send"
	header >/dev/null
	AT=$(header | json offset)
	rm "$BOX/tx"/{1,3}
	is "50 206 0" "$(pages)"
	is 206 "$(available)"
}

# kept: the second is still there, whichever way one looks.
kept() {
	cmp "$F" "$BOX/tx/2"
	"$TOOLS/mapread" "$BOX/data" "$AT" 204800 | cmp "$F" -
	tail -c +$((AT + 1)) "$BOX/data" | cmp -n 204800 "$F" -
}

scans() {
	local nr left=206

	three
	background "$TOOLS/mapread" --sum --hold 100 "$BOX/data" >"$W/map"
	wait_until 5 test -s "$W/map"
	is 0 "$(zero_pages)"
	for nr in 0 1 2 7 1 30 64; do
		scan "$nr"
		left=$((left - nr))
		is "$left" "$(available)"
		is "50 $left $((206 - left))" "$(pages)"
		is "$((206 - left))" "$(zero_pages)"
		is "$((206 - left))" "$(pool moved.dropped)"
		kept
	done
	# more than there is
	scan 100000
	is "50 0 206" "$(pages)"
	is 0 "$(available)"
	scan 1
	is "50 0 206" "$(pages)"
	is 206 "$(pool moved.dropped)"
	kept
	# a new look, and a mapping that is older than all of this
	head -c 1M /dev/zero >"$W/want"
	dd if="$F" of="$W/want" bs=4096 seek=$((AT / 4096)) conv=notrunc \
		status=none
	cmp "$W/want" "$BOX/data"
	kill -USR1 "$BG_PID"
	wait_until 5 eval '[[ $(wc -l <"$W/map") == 2 ]]'
	is "$("$TOOLS/mapread" --sum "$W/want")" "$(tail -n 1 "$W/map")"
}

# bats test_tags=slow
@test "a scan drops what it was asked for, and nothing that is Used" {
	in_every_way scans
}

bad_scans() {
	local text

	three
	# shellcheck disable=SC2034 # in the eval
	for text in "1" "0 0" "0 0 x" "0 0 1 2" "0 0 -1" "1 0 1" "0 99 1" \
		"0 -1 1" "0 0 99999999999999999999999" "zero"; do
		fails eval 'printf %s "$text" >"$(shrinker scan)"' 2>/dev/null
	done
	is "50 206 0" "$(pages)"
}

scan_and_send() {
	local i

	new_box b 1M
	# a reclaimer that never rests, beside receivers and senders
	background bash -c 'while :; do echo "0 0 17" >"$1"; done' - \
		"$(shrinker scan)"
	for i in 1 2; do
		background timeout 300 "$TOOLS/recvtx" --sum --free \
			--count 100000 "$BOX" >"$W/r$i" 2>"$W/e$i"
	done
	"$TOOLS/sendtx" --size 10,5000,100000,4096 --count 300 --sums \
		"$BOX/send" >"$W/s"
	wait_until 30 eval '[[ $(cat "$W"/r? | wc -l) == 300 ]]'
	cmp <(sort "$W/s") <(cat "$W"/r? | cut -d ' ' -f 2- | sort)
	is "" "$(cat "$W"/e?)"
	wait_until 5 eval '[[ $(pages) == "0 0 256" ]]'
	(($(pool moved.dropped) > 0))
}

@test "what is sent while a reclaimer runs arrives whole" {
	in_every_way scan_and_send
}

@test "a scan that cannot be understood does nothing" {
	in_every_way bad_scans
}

# ---- a store that is full ------------------------------------------------

full_pool() {
	local f a b direct

	f=$(random_file 6M)
	new_box a 16M
	a=$BOX
	new_box b 16M
	b=$BOX
	cat "$f" >"$a/send"
	# what is Used cannot be reclaimed: nothing is taken from it, and
	# nothing of the second is left
	fails "$TOOLS/sendtx" --size 6M --pieces 6 "$b/send" 2>"$W/err"
	grep -q ENOSPC "$W/err"
	wait_until 5 box_has transactions.writing 0
	is "" "$(transactions)"
	is 0 "$(box ranges.reserved_bytes)"
	is 0 "$(box pages.used)"
	cmp "$f" "$a/tx/1"
	# neither waiting nor room in the box helps: it is an error also there
	BOX=$a
	fails "$TOOLS/sendtx" --size 6M --pieces 6 "$a/send" 2>"$W/err"
	grep -q ENOSPC "$W/err"
	is 1 "$(transactions)"
	cmp "$f" "$a/tx/1"
	# what is Available can, and is
	rm "$a/tx/1"
	(($(pool pages.available) >= 1536))
	direct=$(json direct_freed_pages "$POOL/.pool/pressure")
	cat "$f" >"$b/send"
	cmp "$f" "$b/tx"/*
	(($(json direct_freed_pages "$POOL/.pool/pressure") > direct))
	(($(pool pages.available) + $(pool pages.used) <= 2048))
	# a small one has room still
	echo small >"$a/send"
	is small "$(cat "$a/tx"/*)"
	cmp "$f" "$b/tx"/*
}

@test "a full pool: reclaim is tried, then ENOSPC" {
	in_every_way full_pool -o size=8M
}

# ---- whose bytes ---------------------------------------------------------

# marks FILE: how often the secret is in it.
marks() {
	grep -c -a SECRET "$1" || true
}

strangers() {
	local i a b

	yes SECRET | head -c 6M >"$W/secret"
	new_box a 7M
	a=$BOX
	new_box b 7M
	b=$BOX
	for i in 1 2 3; do
		cat "$W/secret" >"$a/send"
		rm "$a/tx"/*
		# a byte in a page, the end of a page, many pages
		"$TOOLS/sendtx" --size 1,5000,3M --count 3 "$b/send"
		is 0 "$(marks "$b/data")"
		is 0 "$(cat "$b/tx"/* | marks -)"
		is 0 "$("$TOOLS/mapread" "$b/data" | marks -)"
		rm "$b/tx"/*
		# these are all the bytes that were ever sent to it
		is 0 "$(tail -c +4000000 "$b/data" | tr -d '\0' | wc -c)"
	done
	(($(pool moved.dropped) > 0))
	# a new box of the same name is another
	rmdir "$a"
	mkdir "$a"
	is 0 "$(tr -d '\0' <"$a/data" | wc -c)"
	echo x >"$a/send"
	is 2 "$(tr -d '\0' <"$a/data" | wc -c)"
}

@test "no box shows the bytes of another" {
	in_every_way strangers -o size=8M
}

# ---- mappings ------------------------------------------------------------

coherent() {
	local n

	n=$(loops 1000)
	new_box b 256K
	is "$n" "$(timeout 400 "$TOOLS/coherence" "$BOX" "$n")"
	is "$n" "$(timeout 400 "$TOOLS/coherence" "$BOX" "$n" \
		"$(shrinker scan)")"
	is "" "$(transactions)"
}

# bats test_tags=slow
@test "a mapping shows what was sent, and zeros after a drop" {
	in_every_way coherent
}

coherent_under_reclaim() {
	local n

	n=$(loops 300)
	new_box b 256K
	background bash -c 'while :; do echo "0 0 9" >"$1"; done' - \
		"$(shrinker scan)"
	is "$n" "$(timeout 400 "$TOOLS/coherence" "$BOX" "$n" \
		"$(shrinker scan)")"
}

# bats test_tags=slow
@test "the same while a reclaimer never rests" {
	in_every_way coherent_under_reclaim
}
