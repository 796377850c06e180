#!/usr/bin/env bats
# SPDX-License-Identifier: GPL-2.0-or-later
#
# What a hostile or careless user does to a pool that he shares with others:
# it must go on answering, and be empty when he is gone.

load helpers
load boxes

teardown() {
	clean_up
}

# nothing_left: boxes are empty, files closed, no memory is held.
nothing_left() {
	wait_until 5 pool_is open 0
	is 0 "$(pool waiting)"
	timeout 60 find "$B" -path '*/tx/*' -delete
	timeout 60 find "$B" -mindepth 1 -maxdepth 1 -exec rmdir {} +
	is 0 "$(pool transactions)"
	is 0 "$(pool boxes)"
	scan 1000000
	is 0 "$(pool pages.available)"
	is 0 "$(pool pages.used)"
}

pool_is() {
	[[ $(pool "$1") == "$2" ]]
}

# ---- the store is full of what readers have touched -----------------------

# touch_holes: as an ordinary user, all of a region larger than the pool; the
# toucher ends with SIGBUS when the store is full.
touch_holes() {
	local status=0

	as_id 65534 65534 timeout 300 "$TOOLS/mapread" --sum "$1" \
		>/dev/null 2>&1 || status=$?
	[[ $status == 4 ]] || fail "touching all of it gave $status"
}

holes() {
	mkdir "$B/holes" "$B/mine"
	truncate -s 1G "$B/holes/data"
	truncate -s 64M "$B/mine/data"
	touch_holes "$B/holes/data"
	timeout 60 cat "$POOL/.pool/stats" >/dev/null
	touch_holes "$B/holes/data"
	for i in {1..48}; do
		"$TOOLS/sendtx" --size 1M "$B/mine/send"
	done
	touch_holes "$B/holes/data"
	timeout 60 mkdir "$B/another"
	echo x >"$B/another/send"
	timeout 60 cat "$B/holes/stat" >/dev/null
	is 49 "$(pool transactions)"
	nothing_left
}

@test "readers that touch holes until the store is full keep nobody from sending" {
	need passthrough
	in_way root/passthrough holes -o allow_other,size=64M
}

# ---- many receivers ---------------------------------------------------------

receivers() {
	local pid

	new_box many
	for i in {1..200}; do
		background dd if="$BOX/recv" of=/dev/null bs=7 count=1 \
			status=none
	done
	wait_until 20 waits 200
	for pid in "$POOLFS_STATE"/pid.*; do
		kill -STOP "${pid##*.}"
	done
	for i in {1..20}; do
		echo "$i" >"$BOX/send"
	done
	for pid in "$POOLFS_STATE"/pid.*; do
		kill -KILL "${pid##*.}"
		rm "$pid"
	done
	wait_until 10 waits 0
	# what they had read a part of comes again, to the next, in order
	wait_until 5 box_has transactions.queued 20
	for i in {1..20}; do
		is "$i" "$(header | json id)"
	done
	nothing_left
}

# bats test_tags=slow
@test "two hundred receivers are killed with a part of a header" {
	in_every_way receivers
}

# ---- nonsense for config ----------------------------------------------------

# A write of its own; it must be refused.
config_refuses_file() {
	fails timeout 60 dd if="$1" of="$POOL/.pool/config" bs=4M \
		conv=notrunc status=none
	timeout 60 jq -e .last_error "$POOL/.pool/config" >/dev/null
}

nonsense() {
	local before

	before=$(jq -S 'del(.last_error)' "$POOL/.pool/config")
	head -c 1000000 /dev/zero >"$W/zeros"
	tr '\0' '[' <"$W/zeros" >"$W/deep"
	tr '\0' ' ' <"$W/zeros" >"$W/blanks"
	{ printf '{"' && tr '\0' 'k' <"$W/zeros" && printf '":1}'; } >"$W/key"
	printf '{"%060s\xe2\x82\xac":1}' x >"$W/cut"
	printf '{"floor":0}\0' >"$W/nul"
	for f in zeros deep blanks key cut nul; do
		config_refuses_file "$W/$f"
	done
	is "$before" "$(jq -S 'del(.last_error)' "$POOL/.pool/config")"
	events | jq -e . >/dev/null
	is 0 "$(pool restarts)"
}

@test "a megabyte of nonsense for config is refused and can be looked at" {
	in_every_way nonsense
}

# ---- listings from where no name is ---------------------------------------

offsets() {
	local dir off names

	mkdir "$B/x" "$POOL/d"
	touch "$POOL/d/f"
	echo x >"$B/x/send"
	for dir in "$B/x" "$B/x/tx" "$B" "$POOL" "$POOL/d" "$POOL/.pool" \
		"$POOL/.pool/shrinker" "$POOL"/.pool/shrinker/*; do
		# around where a number of 31 or 32 bits is cut, and the last
		for off in 0x7fffffff 0x80000000 0xfffffff{d,e,f} \
			0x10000000{0,1,2,3} 0x7ffffffffffffffe; do
			names=$(timeout 10 "$TOOLS/bigdir" seek "$dir" "$off") ||
				fail "$dir from $off"
			# offsets of plain files' names are the store's
			[[ ! $names || $dir == "$POOL" || $dir == "$POOL/d" ]] ||
				fail "$dir from $off: $names"
		done
	done
	is 0 "$(json restarts "$POOL/.pool/stats")"
}

@test "a listing from an offset that no name has is empty, and harms nobody" {
	in_every_way offsets
}
