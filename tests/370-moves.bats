#!/usr/bin/env bats
# SPDX-License-Identifier: GPL-2.0-or-later
#
# A transaction that has to grow and cannot where it is moves to another place
# in steps.  Nobody sees that but in the time it takes.
#
# shellcheck disable=SC2016 # evaluated later

load helpers
load boxes

teardown() {
	clean_up
}

# begin HOW SIZE: a transaction, and one behind it that is whole; HOW is ">" or
# ">>".  FIRST has its bytes so far, descriptor 5 is open on it.
begin() {
	FIRST=$(random_file "$2")
	eval "exec 5$1\"\$BOX/send\""
	cat "$FIRST" >&5
	echo behind >"$BOX/send"
}

# is_there FILE...: the last transaction consists of these; all are freed.
is_there() {
	local last

	last=$(transactions)
	cat "$@" | cmp - "$BOX/tx/${last##* }"
	rm -f "$BOX/tx"/* "$@"
	box_has ranges.reserved 0
}

grows() {
	local how more

	new_box grows 80M
	for how in '>' '>>'; do
		begin "$how" 20M
		more=$(random_file 2M)
		cat "$more" >&5
		exec 5>&-
		is_there "$FIRST" "$more"
	done
	# interleaved, so that each is behind the other
	exec 5>"$BOX/send" 6>"$BOX/send"
	FIRST=$(random_file 1M)
	more=$(random_file 1000000)
	for ((i = 0; i < 5; i++)); do
		cat "$FIRST" "$more" >&5
		cat "$FIRST" "$more" >&6
	done
	exec 6>&- 5>&-
	cmp "$BOX/tx"/*
	is_there "$FIRST" "$more" "$FIRST" "$more" "$FIRST" "$more" \
		"$FIRST" "$more" "$FIRST" "$more"
	# who does not wait for space waits for this
	is "0 20971520 0 1 65536 0" "$(ops open "$BOX/send" w,nonblock \
		zeros 20M open "$BOX/send" w write x fd 0 zeros 64K close)"
	rm "$BOX/tx"/*
}

@test "transactions grow beside each other, whole" {
	in_every_way grows
}

# moving: begins a transaction, and a write for which it moves; whether the
# write waits.  The writer is BG_PID.
moving() {
	begin '>' 96M
	MORE=$(random_file 64K)
	background cat "$MORE" >&5
	while kill -0 "$BG_PID" 2>/dev/null; do
		! waits 1 || return 0
	done
	return 1
}

# caught: a move is under way; how long it takes is not known.
caught() {
	local i

	for i in {1..20}; do
		! moving || return 0
		exec 5>&-
		is_there "$FIRST" "$MORE"
	done
	fail "no move was seen"
}

ended() {
	! kill -0 "$BG_PID" 2>/dev/null
}

killed() {
	local restarts

	new_box killed 320M
	# the worker
	caught
	restarts=$(pool restarts)
	kill -9 "$(pool worker)"
	wait_until 30 ended
	exec 5>&-
	is "$((restarts + 1))" "$(pool restarts)"
	is_there "$FIRST" "$MORE"
	# the writer: nothing is sent, and all is given back
	caught
	kill -9 "$BG_PID"
	wait_until 30 ended
	exec 5>&-
	wait_until 10 box_has transactions.writing 0
	is 1 "$(transactions | wc -w)"
	rm "$BOX/tx"/* "$FIRST" "$MORE"
	box_has ranges.reserved 0
	is 0 "$(waiting)"
}

@test "worker and writer are killed in the middle of a move" {
	in_every_way killed -o size=600M
}
