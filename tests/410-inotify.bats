#!/usr/bin/env bats
# SPDX-License-Identifier: GPL-2.0-or-later
# shellcheck disable=SC2164 # bodies run with "set -e"
#
# What who watches files hears of changes that no client has made.

load helpers
load boxes
load posix
load volatile

teardown() {
	clean_up
}

# watch PATH...: their events, by number, come to W/events.
watch() {
	background "$TOOLS/inotify" "$@" >"$W/events"
	wait_until 5 grep -q ready "$W/events"
}

# heard EVENT...: these, in any order, and no others.
heard() {
	local want

	want=$(printf '%s\n' ready "$@" | sort)
	wait_until 5 events_are "$want" ||
		fail "$(paste -sd , "$W/events"), not $(paste -sd , - <<<"$want")"
}

events_are() {
	is "$1" "$(sort "$W/events")" 2>/dev/null
}

# watched: each way in which a file can have names.
watched() {
	cd "$POOL"
	mkdir -p d/e
	made d/one 8K
	made d/two 8K
	ln d/two d/two.more
	made d/far 8K
	ln d/far d/e/far
	ln d/far d/e/farther
	made d/unwatched 8K
	echo stays >d/stays
	settled 8
	# looked up by all of their names
	stat d/* d/e/* >/dev/null
	watch d/one d/two.more d/e/far d/stays
	purge 100
	heard "1 delete_self" "1 ignored" "2 delete_self" "2 ignored" \
		"3 delete_self" "3 ignored"
	is "e stays" "$(names_in d)"
	is "" "$(names_in d/e)"
	# the names serve new files, of which nothing false is known
	for f in d/one d/two d/far d/e/far; do
		echo new >"$f"
		is "1 4 new" "$(stat -c '%h %s' "$f") $(cat "$f")"
	done
	ln d/one d/e/one
	is 2 "$(stat -c %h d/one)"
	is stays "$(cat d/stays)"
	rm d/stays
	heard "1 delete_self" "1 ignored" "2 delete_self" "2 ignored" \
		"3 delete_self" "3 ignored" "4 delete_self" "4 ignored"
}

@test "who watches a file hears that it was purged" {
	in_every_way watched
}

# Number and name of a purged file are used again, over and over.
again() {
	local i

	cd "$POOL"
	mkdir d
	for i in {1..5}; do
		made d/v 4K
		settled 1
		watch d/v
		purge 100
		heard "1 delete_self" "1 ignored"
		kill "$BG_PID"
		echo "$i" >d/v
		watch d/v
		is "1 $i" "$(stat -c %h d/v) $(cat d/v)"
		events_are ready
		rm d/v
		heard "1 delete_self" "1 ignored"
		kill "$BG_PID"
	done
}

@test "a new file with the name of a purged one is not taken for it" {
	in_every_way again
}

# Others than clients add no events: the manual says so.
not_heard() {
	cd "$POOL"
	mkdir d
	new_box a
	made d/v 4K
	settled 1
	watch d "$BOX/tx"
	purge 100
	echo x >"$BOX/send"
	wait_until 5 test -e "$BOX/tx/1"
	is "" "$(names_in d)"
	: >d/last
	heard "1 create last"
}

@test "what no client has done in a directory has no events there" {
	in_every_way not_heard
}
