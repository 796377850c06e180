#!/usr/bin/env bats
# SPDX-License-Identifier: GPL-2.0-or-later
#
# Boxes as directories: made, listed, described, owned, removed.
# shellcheck disable=SC2154

load helpers
load boxes

teardown() {
	clean_up
}

# ---- making and removing -------------------------------------------------

made_and_removed() {
	is "" "$(ls "$B")"
	mkdir "$B/one"
	is one "$(ls "$B")"
	is "data recv send stat tx" "$(ls "$B/one" | paste -sd ' ' -)"
	is "" "$(ls -A "$B/one/tx")"
	is EEXIST "$(ops mkdir "$B/one" 755)"
	is ENOENT "$(ops mkdir "$B/none/two" 755)"
	is one "$(json name "$B/one/stat")"
	is 4194304 "$(json size "$B/one/stat")"
	rmdir "$B/one"
	is "" "$(ls "$B")"
	is ENOENT "$(ops rmdir "$B/one")"
	fails test -e "$B/one"
	is 0 "$(pool boxes)"
	# again, and nothing of the old one is left
	mkdir "$B/one"
	is "" "$(ls -A "$B/one/tx")"
	is "0 EAGAIN" "$(ops open "$B/one/recv" r,nonblock read 100)"
}

@test "a box is made and removed" {
	in_every_way made_and_removed
}

in_use() {
	new_box b
	echo x >"$BOX/send"
	is ENOTEMPTY "$(ops rmdir "$BOX")"
	header >/dev/null
	is ENOTEMPTY "$(ops rmdir "$BOX")"
	rm "$BOX/tx/1"
	is "0 4 EBUSY" "$(ops open "$BOX/send" w write half rmdir "$BOX")"
	rm "$BOX/tx/2"
	# who has written nothing is no obstacle
	is "0 0 EPIPE EPIPE 0" "$(ops open "$BOX/send" w rmdir "$BOX" \
		write late fsync close)"
	fails test -e "$BOX"
	is 0 "$(pool boxes)"
}

@test "a box with transactions cannot be removed" {
	in_every_way in_use
}

removed_while_open() {
	new_box b
	ops_into "$W/recv" open "$BOX/recv" r read 100
	wait_until 5 waits 1
	rmdir "$BOX"
	wait_until 5 said "$W/recv" "0 0:"
	wait "$BG_PID"
	new_box b
	# a mapping outlives the box; a new one of the same name is another
	is "0 0 0 0 0 4:...." "$(ops open "$BOX/data" r map 4K \
		rmdir "$BOX" mkdir "$BOX" 755 close peek 4 0)"
	is "0 0 1:hup 0: EINVAL" "$(ops open "$BOX/recv" r rmdir "$BOX" \
		poll in 1000 read 100 truncate 0)"
}

@test "a box that is removed while files are open on it" {
	in_every_way removed_while_open
}

nothing_else() {
	local place

	new_box b
	echo x >"$BOX/send"
	for place in "$B" "$BOX" "$BOX/tx" "$POOL/.pool"; do
		is EPERM "$(ops symlink x "$place/new")"
		is EPERM "$(ops link "$BOX/data" "$place/new")"
		is EPERM "$(ops mknod "$place/new")"
		is EPERM "$(ops open "$place/new" w,creat)"
	done
	is EPERM "$(ops rename "$BOX" "$B/c")"
	is EPERM "$(ops rename "$BOX/data" "$BOX/other")"
	is EPERM "$(ops rename "$BOX/tx/1" "$BOX/tx/2")"
	is EPERM "$(ops unlink "$BOX/data")"
	is EPERM "$(ops unlink "$BOX/send")"
	is EPERM "$(ops rmdir "$BOX/tx")"
	is EPERM "$(ops mkdir "$BOX/more" 755)"
	is EPERM "$(ops mkdir "$BOX/tx/2" 755)"
	is ENOTDIR "$(ops rmdir "$BOX/data")"
	is EISDIR "$(ops unlink "$BOX")"
	is "data recv send stat tx" "$(ls "$BOX" | paste -sd ' ' -)"
	is 1 "$(transactions)"
}

@test "nothing but boxes can be made, and nothing renamed" {
	in_every_way nothing_else
}

# ---- names ---------------------------------------------------------------

odd_names() {
	local name long again
	local -a names=(' ' 'a b' '*' '?' '-rf' $'line\nbreak' $'tab\t' '\'
		"'" '"' '$(id)' '.hidden' '...' 'ä€𝄞' $'\xff\xfe' $'\x01'
		'%s%n' '{}' 'data' 'tx' '~')

	long=$(printf 'x%.0s' {1..255})
	names+=("$long" "$(printf 'ö%.0s' {1..127})z")
	for name in "${names[@]}"; do
		mkdir -- "$B/$name"
	done
	is "${#names[@]}" "$(pool boxes)"
	is "${#names[@]}" "$(find "$B" -mindepth 1 -maxdepth 1 -printf x | wc -c)"
	for name in "${names[@]}"; do
		echo "to $name" >"$B/$name/send"
		# bytes that are no text are shown by something that is
		again=$(json name "$B/$name/stat")
		[[ $name == $'\xff\xfe' ]] || is "$name" "$again"
	done
	for name in "${names[@]}"; do
		is "to $name" "$(cat "$B/$name/tx"/*)"
		rm -- "$B/$name/tx"/*
		rmdir -- "$B/$name"
	done
	is 0 "$(pool boxes)"
	is ENAMETOOLONG "$(ops mkdir "$B/x$long" 755)"
	is ENAMETOOLONG "$(ops open "$B/x$long/data" r)"
	is 0 "$(pool boxes)"
}

@test "names: odd characters, 255 bytes, and one byte too many" {
	in_every_way odd_names
}

# ---- attributes ----------------------------------------------------------

modes_of() {
	stat -c %a "$1" "$1/data" "$1/send" "$1/recv" "$1/tx" "$1/stat" |
		paste -sd ' ' -
}

modes() {
	umask 022
	mkdir "$B/a"
	is "755 644 200 444 755 444" "$(modes_of "$B/a")"
	umask 077
	mkdir "$B/b"
	is "700 600 200 400 700 400" "$(modes_of "$B/b")"
	umask 0
	mkdir "$B/c"
	is "777 644 222 444 777 444" "$(modes_of "$B/c")"
	mkdir -m 750 "$B/d"
	is 750 "$(stat -c %a "$B/d")"
	is "$(id -u):$(id -g)" "$(stat -c %u:%g "$B/a")"
	is "$(id -u):$(id -g)" "$(stat -c %u:%g "$B/a/tx")"
	is 1777 "$(stat -c %a "$B")"
	is "regular file" "$(stat -c %F "$B/a/data")"
	is "directory" "$(stat -c %F "$B/a/tx")"
	is 4194304 "$(stat -c %s "$B/a/data")"
	# by chmod, and only there
	chmod 600 "$B/a/data"
	chmod 222 "$B/a/send"
	chmod 0 "$B/a/recv"
	chmod 1770 "$B/a/tx"
	is "755 600 222 0 1770 444" "$(modes_of "$B/a")"
	is "755 600 222 0 1770 444" "$(modes_of "$B/a")"
}

@test "mkdir's mode and umask decide, and chmod changes" {
	in_every_way modes
}

times() {
	local before after made

	before=$(date +%s)
	mkdir "$B/a"
	after=$(date +%s)
	for made in $(stat -c %Y "$B/a" "$B/a/data") $(stat -c %Z "$B/a"); do
		((made >= before && made <= after)) || fail "made at $made"
	done
	echo x >"$B/a/send"
	made=$(stat -c %Y "$B/a/tx/1")
	((made >= after && made <= after + 5))
	is "3 1" "$(stat -c %h "$B/a" "$B/a/data" | paste -sd ' ' -)"
	# each file is another one
	is 6 "$(stat -c %i "$B/a" "$B/a"/* | sort -u | wc -l)"
}

@test "times, links and inodes" {
	in_every_way times
}

# Another uid, no capability.
other() {
	as_id 54321 54321 "$@"
}

other_ops() {
	other timeout 60 "$TOOLS/fileops" "$@" | paste -sd ' ' -
}

permissions() {
	umask 022
	new_box public
	is EACCES "$(other_ops open "$BOX/send" w)"
	is EACCES "$(other_ops open "$BOX/data" w)"
	is 0 "$(other_ops open "$BOX/data" r)"
	is 0 "$(other_ops open "$BOX/recv" r)"
	is EPERM "$(other_ops chmod "$BOX" 777)"
	is EPERM "$(other_ops rmdir "$BOX")"
	echo secret >"$BOX/send"
	is "0 7:secret$" "$(other_ops open "$BOX/tx/1" r read 100)"
	is EACCES "$(other_ops unlink "$BOX/tx/1")"
	chmod 777 "$BOX/tx"
	is 0 "$(other_ops unlink "$BOX/tx/1")"
	umask 077
	new_box private
	echo secret >"$BOX/send"
	is "EACCES EACCES EACCES" "$(other_ops open "$BOX/data" r \
		open "$BOX/recv" r open "$BOX/tx/2" r)"
	# the door to the directory alone does not open what is in it
	chmod 755 "$BOX"
	is "EACCES EACCES EACCES EACCES" "$(other_ops open "$BOX/data" r \
		open "$BOX/recv" r open "$BOX/tx/2" r open "$BOX/send" w)"
	chmod 755 "$BOX/tx"
	# a transaction is as readable as tx/
	is 0 "$(other_ops open "$BOX/tx/2" r)"
	# a box that anybody may send to
	chmod 222 "$BOX/send"
	is "0 2 0" "$(other_ops open "$BOX/send" w write hi close)"
	is 54321 "$(header >/dev/null; header | json uid)"
	# anybody may make one, and owns it
	other mkdir "$B/theirs"
	is 54321:54321 "$(stat -c %u:%g "$B/theirs")"
	other rmdir "$B/theirs"
}

@test "permissions are those of the modes" {
	as_root_in_every_mode permissions -o allow_other
}

owners() {
	umask 077
	new_box b
	chown 54321:54321 "$BOX" "$BOX/send"
	is 54321:54321 "$(stat -c %u:%g "$BOX")"
	is 54321:54321 "$(stat -c %u:%g "$BOX/send")"
	is 0:0 "$(stat -c %u:%g "$BOX/data")"
	is "0 2 0" "$(other_ops open "$BOX/send" w write hi close)"
	is EACCES "$(other_ops open "$BOX/data" r)"
	chown 54321 "$BOX/data" "$BOX/recv"
	is "0 0" "$(other_ops open "$BOX/data" r open "$BOX/recv" r)"
	is EPERM "$(other chown 0 "$BOX" 2>&1 | grep -o "not permitted" |
		sed 's/.*/EPERM/')"
	rm "$BOX/tx/1"
	is 0 "$(other_ops rmdir "$BOX")"
}

@test "chown changes who may" {
	as_root_in_every_mode owners -o allow_other
}

# ---- resizing ------------------------------------------------------------

default_size() {
	echo '{"box_size": "64K"}' >"$POOL/.pool/config"
	new_box small
	is 65536 "$(stat -c %s "$BOX/data")"
	is "0 EMSGSIZE" "$(ops open "$BOX/send" w zeros 65537)"
	rmdir "$BOX"
}

@test "the size of a new box is configured" {
	in_every_way default_size
}

# ---- many ----------------------------------------------------------------

come_and_go() {
	local i=0

	while :; do
		mkdir "$B/other.$i" "$B/other.$((i + 1))" "$B/other.$((i + 2))"
		rmdir "$B/other.$((i + 1))" "$B/other.$i" "$B/other.$((i + 2))"
		i=$(((i + 3) % 999))
		: >"$W/going"
	done
}

# only_boxes N: others are removed; are there N boxes?
only_boxes() {
	find "$B" -mindepth 1 -maxdepth 1 -name 'other.*' -exec rmdir {} +
	(($(pool boxes) == $1))
}

ten_thousand() {
	local n=10000 i list

	(cd "$B" && seq -f 'box.%05g' $n | xargs mkdir)
	background come_and_go
	wait_until 5 test -e "$W/going"
	for i in 1 2 3; do
		rm "$W/going"
		# shellcheck disable=SC2010 # it is ls that is tried
		list=$(ls -f "$B" | grep '^box\.' | sort)
		is "$n" "$(wc -l <<<"$list")"
		is "" "$(uniq -d <<<"$list")"
		wait_until 5 test -e "$W/going"
	done
	kill -KILL "$BG_PID"
	wait "$BG_PID" || true
	# a mkdir that it had started may be under way still
	wait_until 10 only_boxes $n
	echo first >"$B/box.00001/send"
	echo last >"$B/box.10000/send"
	is firstlast "$(cat "$B/box.00001/tx/"* "$B/box.10000/tx/"* | tr -d '\n')"
	rm "$B"/box.{00001,10000}/tx/*
	(cd "$B" && seq -f 'box.%05g' $n | xargs rmdir)
	is 0 "$(pool boxes)"
	is "" "$(ls "$B")"
}

# bats test_tags=slow
@test "10,000 boxes, listed once each while others come and go" {
	in_every_way ten_thousand -o size=4G
}
