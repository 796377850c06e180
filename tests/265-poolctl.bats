#!/usr/bin/env bats
# SPDX-License-Identifier: GPL-2.0-or-later
# shellcheck disable=SC2164 # bodies run with "set -e"
#
# poolctl: what it prints, its exit status, and all that it complains of.

load helpers
load boxes
load posix
load volatile

teardown() {
	clean_up
}

# poolctl WORD...: its words are in $W/out and $W/err, its status in STATUS.  AS is
# what makes it run as somebody else.
poolctl() {
	STATUS=0
	"${AS[@]}" timeout -k 1 100 "$POOLCTL" "$@" >"$W/out" 2>"$W/err" ||
		STATUS=$?
}

# gives STATUS OUTPUT WORD...: and says nothing more.
gives() {
	poolctl "${@:3}"
	is "$*: $1 $2" "$*: $STATUS $(<"$W/out")$(<"$W/err")"
}

# complains STATUS TEXT WORD...: of what a pattern says, and prints nothing.
complains() {
	poolctl "${@:3}"
	is "${*:3}: $1" "${*:3}: $STATUS$(<"$W/out")"
	# shellcheck disable=SC2053
	[[ $(<"$W/err") == "poolctl: "$2 ]] || fail "wanted: poolctl: $2
   got: $(<"$W/err")"
}

refuses() {
	complains 1 "$@"
}

# wrong TEXT WORD...: a command line.
wrong() {
	complains 2 "$1
Try 'poolctl --help'." "${@:2}"
}

# new_file FILE PAGES: random content, of which $W/reference is a copy.
new_file() {
	head -c $(($2 * 4096)) /dev/urandom >"$W/reference"
	cp "$W/reference" "$1"
}

same() {
	timeout 60 cmp "$1" "$W/reference"
}

# ranges_are NUMBER PAGES: what the pool has.
ranges_are() {
	is "$1 $2" "$(pool volatile.ranges) $(pool volatile.range_pages)"
}

purge_ranges() {
	echo "0 0 $1" >"$(of_ranges scan)"
}

# ---- what it is for ----------------------------------------------------------

whole_file() {
	cd "$POOL"
	new_file f 16
	gives 0 pinned state f
	gives 0 intact pin f
	gives 0 "" unpin f
	ranges_are 1 16
	gives 0 unpinned state f
	gives 0 intact pin f
	ranges_are 0 0
	gives 0 pinned state f
	same f
	gives 0 "" unpin f
	purge_ranges 100
	# that it was purged does not pin it
	gives 0 purged state f
	gives 0 purged state f
	gives 3 purged pin f
	gives 0 intact pin f
	gives 0 pinned state f
	cmp f <(head -c 64K /dev/zero)
	# by another name, and of nothing
	ln -s f link
	gives 0 "" unpin "$POOL/link"
	is 1 "$(pool volatile.ranges)"
	: >empty
	gives 0 "" unpin empty
	gives 0 pinned state empty
	gives 0 intact pin empty
}

@test "a whole file" {
	in_every_way whole_file
}

parts() {
	cd "$POOL"
	new_file f 16
	gives 0 "" unpin f 16384 16384
	gives 0 unpinned state f
	gives 0 pinned state f 0 16384
	gives 0 unpinned state f 28672 4096
	gives 0 pinned state f 32768 0
	gives 0 "" unpin f 49152 0
	ranges_are 2 8
	purge_ranges 4
	gives 0 intact pin f 49152 16384
	gives 3 purged pin f 16384 4096
	gives 0 intact pin f 0 16384
	gives 3 purged pin f
	ranges_are 0 0
	dd if=/dev/zero of="$W/reference" bs=4096 seek=4 count=4 conv=notrunc \
		status=none
	same f
	# the page that it ends in
	truncate -s 50000 f
	gives 0 "" unpin f 49152 4096
	gives 0 intact pin f 48K 4K
	gives 0 "" unpin f 52K 0
	ranges_are 0 0
}

@test "a range of it" {
	in_every_way parts
}

sizes() {
	local at

	cd "$POOL"
	truncate -s 4G f
	# the same place, in all ways to write it
	for at in 2147483648 0x80000000 2097152K 2048M 2048m 0x800M 2G 2g 0x2G \
		0002G 0X2g; do
		gives 0 "" unpin f "$at" 4k
		is "$at 0 1" "$at $("$TOOLS/pinrange" state f 2147479552 4096 \
			2147483648 4096 | paste -sd ' ' -)"
		is 1 "$(pool volatile.ranges)"
		gives 0 intact pin f 0 "$at"
		is 1 "$(pool volatile.ranges)"
		gives 0 intact pin f "$at" 0x1000
		ranges_are 0 0
	done
	# not octal
	refuses "f: *page size*" state f 010000 4096
	gives 0 pinned state f 0 012288
}

# bats test_tags=slow
@test "numbers: decimal, hexadecimal, K, M and G" {
	in_every_way sizes
}

make_it() {
	cd "$POOL"
	new_file f 4
	gives 0 "" unpin f
	"$POOLCTL" pin f || echo again >f
	same f
	gives 0 "" unpin f
	purge_ranges 100
	"$POOLCTL" pin f || echo again >f
	is again "$(<f)"
}

@test "poolctl pin FILE || make it again" {
	in_every_way make_it
}

odd_names() {
	local name

	cd "$POOL"
	for name in -h --version -- 'a b' $'new\nline' ''; do
		[[ ! $name ]] || : >"./$name"
		[[ ! $name ]] || gives 0 pinned state "$name"
	done
	refuses ": No such file or directory" state ""
}

@test "a file may have any name" {
	in_every_way odd_names
}

volatile_file() {
	cd "$POOL"
	made a 64K
	made b 64K
	settled 32
	# whoever opens it makes it young
	gives 0 pinned state a
	settled 32
	purge 1
	gone b
	refuses "b: No such file or directory" pin b
	# pinned as a range, it may go as a file
	gives 0 "" unpin a 0 4K
	gives 0 intact pin a
	settled 16
	purge 1
	gone a
}

@test "a volatile file: it is opened, that is all" {
	in_every_way volatile_file
}

# ---- what it refuses ---------------------------------------------------------

bad_ranges() {
	local verb bad page end

	cd "$POOL"
	new_file f 16
	truncate -s 65000 f
	truncate -s 65000 "$W/reference"
	gives 0 "" unpin f 16K 16K
	page="f: OFFSET and LENGTH must be multiples of the page size, 4096 bytes"
	end="f: the range goes past the end: the file has 65000 bytes; LENGTH 0 \
means up to there"
	for verb in unpin pin state; do
		for bad in "1 4096" "0 1" "2048 2048" "0x7fff 0" "0 65000" \
			"0xffffffffffffffff 0" "0 18446744073709551615"; do
			# shellcheck disable=SC2086
			refuses "$page" $verb f $bad
		done
		for bad in "64K 4K" "60K 8K" "68K 0" "0 68K" "17179869183G 4K" \
			"0xfffffffffffff000 0x1000" "4K 0xfffffffffffff000" \
			"0xfffffffffffff000 0" "0 0xfffffffffffff000"; do
			# shellcheck disable=SC2086
			refuses "$end" $verb f $bad
		done
	done
	ranges_are 1 4
	same f
}

# bats test_tags=slow
@test "unaligned, or past the end" {
	in_every_way bad_ranges
}

other_files() {
	local verb f none="no plain file of a pool: only those on a poolfs mount, \
outside of box/ and .pool/, have volatile ranges"

	cd "$POOL"
	mkdir d "$B/a"
	mkfifo fifo
	ln -s nowhere dangling
	: >"$W/f"
	"$TOOLS/sendtx" --size 100 "$B/a/send"
	for verb in unpin pin state; do
		for f in d . box .pool "$B/a" "$B/a/tx" /; do
			refuses "$f: Is a directory: name a file in it" $verb "$f"
		done
		for f in fifo "$W/f" /dev/null; do
			refuses "$f: $none" $verb "$f"
		done
		for f in none dangling; do
			refuses "$f: No such file or directory" $verb $f
		done
		refuses "f/g: No such file or directory" $verb f/g
		refuses "fifo/g: Not a directory" $verb fifo/g
	done
	for f in "$B/a/data" "$B/a/tx/1" "$B/a/stat" "$B/a/recv" .pool/stats \
		.pool/events; do
		refuses "$f: $none" state "$f"
		for verb in unpin pin; do
			refuses "$f: *: $verb is for plain files that you may read and write" $verb "$f"
		done
	done
	for verb in unpin pin state; do
		refuses ".pool/config: $none" $verb .pool/config
	done
	# nothing of a box was taken, and nothing was sent
	for verb in unpin pin state; do
		refuses "$B/a/send: Permission denied: $verb is for plain files \
that you may read*" $verb "$B/a/send"
	done
	is 1 "$(json transactions.queued "$B/a/stat")"
	is 1 "$(ls "$B/a/tx")"
}

# bats test_tags=slow
@test "directories, boxes, fifos, other file systems" {
	in_every_way other_files
}

rights() {
	local mode plain="is for plain files that you may read"

	cd "$POOL"
	new_file f 4
	if [[ $EUID == 0 ]]; then
		AS=(as_id "$(id -u "$POOLFS_TEST_USER")" 65534)
	fi
	chmod 444 f
	refuses "f: Permission denied: unpin $plain and write" unpin f
	refuses "f: Permission denied: pin $plain and write" pin f
	gives 0 pinned state f
	for mode in 222 000; do
		chmod $mode f
		refuses "f: Permission denied: unpin $plain and write" unpin f
		refuses "f: Permission denied: pin $plain and write" pin f
		refuses "f: Permission denied: state $plain" state f
	done
	chmod 666 f
	gives 0 "" unpin f
	ranges_are 1 4
	purge_ranges 100
	chmod 444 f
	refuses "f: Permission denied: pin $plain and write" pin f
	gives 0 purged state f
	chmod 666 f
	gives 3 purged pin f
}

@test "who may only read may ask, but neither pin nor unpin" {
	need fuse user_mount
	in_way user/cached rights
	[[ $EUID != 0 ]] || as_root_in_every_mode rights -o allow_other
}

# refuses_when ERROR TEXT WORD...: its ioctl fails like that.
refuses_when() {
	AS=(env ASAN_OPTIONS="${ASAN_OPTIONS:-}:detect_leaks=0" strace -qq -f
		-o /dev/null -e "inject=ioctl:error=$1")
	refuses "${@:2}"
	AS=()
}

failures() {
	cd "$POOL"
	new_file f 4
	refuses_when ENOSPC "f: No space left on device: the pool is full, or has \
as many ranges as it can record; remove some files" unpin f
	refuses_when ENOMEM "f: Cannot allocate memory" unpin f
	refuses_when EINVAL "f: Invalid argument" state f 4K 12K
	refuses_when EIO "f: Input/output error" pin f
	gives 0 pinned state f
}

@test "what else may fail" {
	in_every_way failures
}

no_streams() {
	local status

	cd "$POOL"
	new_file f 4
	# what it says must not go into the file that it has open
	status=0
	"$POOLCTL" unpin f 1 1 <&- >&- 2>&- || status=$?
	is 1 $status
	same f
	"$POOLCTL" unpin f <&- >&- 2>&-
	ranges_are 1 4
	# its word is lost, but not its status
	purge_ranges 4
	status=0
	"$POOLCTL" pin f >/dev/full || status=$?
	is 3 $status
	status=0
	"$POOLCTL" pin f >/dev/full 2>"$W/err" || status=$?
	is "1 poolctl: standard output: No space left on device" \
		"$status $(<"$W/err")"
	status=0
	"$POOLCTL" state f >&- 2>"$W/err" || status=$?
	is "1 poolctl: standard output: Bad file descriptor" \
		"$status $(<"$W/err")"
}

@test "standard streams that are closed or full" {
	in_every_way no_streams
}

# ---- the command line --------------------------------------------------------

# Of these nothing is opened.
@test "wrong use is status 2" {
	local size="not a number of bytes, such as 65536, 0x10000, 64K or 2M" bad
	local large="the number is too large"

	W=$BATS_TEST_TMPDIR
	wrong "unpin, pin, state or doctor?"
	wrong "unpin, pin, state or doctor?" --
	wrong "unpn: there are unpin, pin, state and doctor" unpn
	wrong ": there are unpin, pin, state and doctor" "" f
	for verb in unpin pin state; do
		wrong "$verb: which file?" $verb
		wrong "OFFSET 4K: and LENGTH? 0 means up to the end" $verb f 4K
		wrong "g: one range of one file is enough" $verb f 0 0 g
	done
	for bad in "" " " x 0x -1 +1 -4K " 4096" "4096 " 4KB 4KiB K 4T 1.5M 1e3 \
		0x-1 0x+1 4,096 4K0 $'4K\n' 0b1; do
		wrong "OFFSET $bad: $size" pin f "$bad" 0
		wrong "LENGTH $bad: $size" pin f 0 "$bad"
	done
	for bad in 18446744073709551616 0x10000000000000000 17179869184G \
		0x4000000000000000K 99999999999999999999999999; do
		wrong "OFFSET $bad: $large" unpin f "$bad" 0
		wrong "LENGTH $bad: $large" unpin f 0 "$bad"
	done
	poolctl --nothing pin f
	is "2 Try 'poolctl --help'." "$STATUS $(tail -n 1 "$W/err")"
	grep -q -e --nothing "$W/err"
}

@test "help, version, and the manual has what they have" {
	local word

	W=$BATS_TEST_TMPDIR
	gives 0 "$("$POOLFS" --version | sed s/poolfs/poolctl/)" --version
	gives 0 "$("$POOLCTL" -V)" --version
	poolctl --help
	is "0 usage: poolctl" "$STATUS $(head -c 14 "$W/out")$(<"$W/err")"
	gives 0 "$(<"$W/out")" -h
	sed 's/\\-/-/g' "$TOP/docs/poolctl.1" >"$W/manual"
	for word in $(grep -oE -e '--[a-z]+|"[a-z]+' "$W/out") unpin pin state; do
		grep -q -e "$word" "$W/manual" || fail "no $word"
	done
	grep -q "\"$("$POOLFS" --version)\"" "$W/manual"
	[[ $(wc -L <"$W/out") -le 80 ]]
}
