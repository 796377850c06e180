#!/usr/bin/env bats
# SPDX-License-Identifier: GPL-2.0-or-later
# shellcheck disable=SC2164 # bodies run with "set -e"
#
# What reclaim takes and what it leaves, and what a full pool still does.

load helpers
load boxes
load posix
load volatile

teardown() {
	[[ ! ${PLAIN_TMPFS:-} ]] || umount -l "$PLAIN_TMPFS" 2>/dev/null || true
	clean_up
}

# ---- ranges with holes ---------------------------------------------------

# unpinned: pages that a scan could have.
unpinned() {
	awk '{ print $2 }' "$(of_ranges count)"
}

unpinned_is() {
	[[ $(unpinned) == "$1" ]]
}

# All are seen, a huge folio or a page each.
pieces() {
	local n

	n=$(unpinned)
	((n == 30 * 512 || n == 30)) && EACH=$((n / 30))
}

piece_is_zeros() {
	cmp -s -n 4096 -i 0:$(($1 * $1 * 1000003 * 4096)) /dev/zero s
}

# A file of 4 TiB with 30 pieces of memory in it, here and there.
holes_are_no_pages() {
	local i

	cd "$POOL"
	truncate -s 4T s
	timeout 60 "$POOLCTL" unpin s >/dev/null
	# while it is open, the kernel may have content
	wait_until 5 unpinned_is 0 || fail "$(unpinned) pages"
	is "1 0" "$(pool volatile.ranges) $(pool volatile.range_pages)"
	echo "0 0 1000" >"$(of_ranges scan)"
	is "1 0" "$(pool volatile.ranges) $(pool volatile.purged_pages)"
	for i in {1..30}; do
		dd if=/dev/urandom of=s bs=4096 count=1 seek=$((i * i * 1000003)) \
			conv=notrunc status=none
	done
	wait_until 5 pieces || fail "$(unpinned) pages"
	for i in {1..10}; do
		echo "0 0 $EACH" >"$(of_ranges scan)"
	done
	is "2 $((10 * EACH))" \
		"$(pool volatile.ranges) $(pool volatile.purged_pages)"
	is $((20 * EACH)) "$(unpinned)"
	is "$((20 * EACH * 8))" "$(stat -c %b s)"
	piece_is_zeros 1
	piece_is_zeros 10
	fails piece_is_zeros 11
	echo "0 0 20000" >"$(of_ranges scan)"
	is "0 0" "$(unpinned) $(stat -c %b s)"
	is purged "$(timeout 60 "$POOLCTL" pin s || true)"
	is 0 "$(pool volatile.ranges)"
}

@test "holes of ranges are no pages, and purged pieces are one" {
	in_every_way holes_are_no_pages
}

# ---- full ----------------------------------------------------------------

# The size is 16M.
all_of_it() {
	cd "$POOL"
	echo '{"floor": 3}' >.pool/config
	echo '{"floor": 4}' >.pool/config
	head -c 16M /dev/zero >all
	is 16777216 "$(stat -c %s all)"
	is 4 "$(json floor .pool/config)"
	rm all
}

@test "a config that was written takes nothing of the size" {
	in_every_way all_of_it -o size=16M
}

# cached: 20 volatile files that nobody uses, of 1 MiB each.
cache() {
	local i

	mkdir v
	volatile v
	for i in {1..20}; do
		head -c 1M /dev/urandom >"v/$i"
	done
	wait_until 5 freeable_is 5120 || fail "$(freeable) pages"
}

# cache_is FILES
cache_is() {
	is "$1 $(($1 * 256))" "$(find v -type f | wc -l) $(freeable)"
}

# The size is 64M, of which 30M are in use.
nothing_in_vain() {
	cd "$POOL"
	head -c 30M /dev/zero >plain
	cache
	# more than there is, and more than there would be without the cache
	fails fallocate -l 1T big 2>/dev/null
	fails fallocate -l 35M big 2>/dev/null
	fails fallocate -o 1G -l 40M big 2>/dev/null
	cache_is 20
	is "0 ENOSPC" "$(posix open big rw fallocate keep 0 $((35 << 20)))"
	cache_is 20
	# what has memory already is not asked for once more
	fallocate -l 35M plain
	cache_is 20
}

@test "what cannot succeed purges nothing" {
	in_every_way nothing_in_vain -o size=64M
}

# The same for what can, but only with all of it gone.
all_for_it() {
	cd "$POOL"
	head -c 30M /dev/zero >plain
	cache
	fallocate -l 33M big
	is $((33 << 20)) "$(($(stat -c %b big) * 512))"
	cache_is 0
	rm -r big v
	cache
	# a writer gets as much as there is
	fails head -c 40M /dev/zero >big 2>/dev/null
	(($(stat -c %s big) > 33 << 20)) || fail "$(stat -c %s big) bytes"
	cache_is 0
	rm -r big v
	# figures that are old: what a mapping has written since
	cache
	rm v/*
	truncate -s 20M v/m
	timeout 60 "$TOOLS/mapstore" v/m $((20 << 20))
	fallocate -l 30M big
	[[ ! -e v/m ]]
}

@test "what can succeed purges all that it takes" {
	in_every_way all_for_it -o size=64M
}

# The pool has 1G, and its group 256M.
not_for_the_group() {
	cd "$POOL"
	cache
	fails fallocate -l 600M big 2>/dev/null
	cache_is 20
	fallocate -l 20M big
	cache_is 20
}

@test "nor does what would not fit the pool's cgroup" {
	need root cgroup
	local group way program=$POOLFS

	tmp
	group=$(cgroup_new 256M)
	POOLFS=$POOL_TMP/inside
	printf '#!/bin/bash\necho $$ >"%s"\nexec "%s" "$@"\n' \
		"$group/cgroup.procs" "$program" >"$POOLFS"
	chmod 755 "$POOLFS"
	for way in $MODES; do
		in_way "root/$way" not_for_the_group -o size=1G --min-free 1M
	done
}

# say NAME CMD...: NAME, and whether it works, or which error it has.
say() {
	local name=$1

	shift
	echo "$name: $("$@" 2>&1)"
}

# With no inode left in the directory $1: all that a file system does then.
without_inodes() {
	cd "$1"
	mkdir d e f
	mkdir e/sub
	: >t
	: >o
	: >x
	: >y
	: >z
	ln z z2
	ln -s t sym
	echo text >sym.text
	exec 7>n 8>open
	echo kept >&8
	n=0
	while : >"fill$n"; do
		n=$((n + 1))
	done 2>/dev/null
	say create posix open new w,creat
	say mkdir mkdir new
	say symlink posix symlink t new
	say link posix link t new
	say mkfifo mkfifo new
	say write cp sym.text t
	say truncate posix resize t 100000
	say mknod posix mknod new file 0600 0
	say "over a file" posix rename n t
	say "over an open file" posix rename o open
	say "over a file with links" posix rename y z
	say "over a directory" posix rename d f
	say "over a full directory" posix rename f e
	say "to another directory" posix rename t e/t
	say "over a file in it" posix rename x e/t
	say "over a symlink" posix rename e/t sym
	say exchange posix rename2 z2 sym exchange
	say "exchange with a directory" posix rename2 z2 f exchange
	say noreplace posix rename2 sym z noreplace
	say chmod posix chmod z 0600
	say "unlink of an open file" posix unlink open
	say "unlink in a directory" posix unlink z2
	say "create again" posix open new w,creat
	say "create more" posix open new2 w,creat
	say rmdir posix rmdir e/sub
	say "mkdir again" mkdir e/sub
	exec 7>&- 8>&-
	say "last" ls e f
	ls
	cd /
}

as_on_tmpfs() {
	local deep

	deep=$(printf 'a/%.0s' {1..70})
	for dir in "" "$deep"; do
		mkdir -p "$POOL/$dir" "$PLAIN_TMPFS/$dir"
		without_inodes "$POOL/$dir" >"$W/here"
		without_inodes "$PLAIN_TMPFS/$dir" >"$W/there"
		sed -i '/^ *box$/d; /fill[0-9]*$/d' "$W/here" "$W/there"
		diff "$W/there" "$W/here"
		((n > 9)) || fail "$n files"
		rm -rf "${POOL:?}"/[a-z]* "${PLAIN_TMPFS:?}"/[a-z]* 2>/dev/null ||
			true
	done
}

@test "without an inode left, all that works on tmpfs works" {
	local way
	has_root || skip_or_fail "no root"
	tmp
	PLAIN_TMPFS=$POOL_TMP/plain
	export PLAIN_TMPFS
	for way in $MODES; do
		mkdir -p "$PLAIN_TMPFS"
		mount -t tmpfs -o nr_inodes=200,mode=777 plain "$PLAIN_TMPFS"
		in_way "root/$way" as_on_tmpfs -o nr_inodes=200
		umount "$PLAIN_TMPFS"
	done
}

# ---- reserved ------------------------------------------------------------

# fill_up: all of the rest, again and again.
fill_up() {
	exec 2>/dev/null
	while :; do
		head -c 16M /dev/zero >"$1" || true
		rm -f "$1"
	done
}

# Half of the size is allocated, and others have the rest.
reserved() {
	local times=1000

	cd "$POOL"
	fallocate -l 4M mine
	# also behind its end
	fallocate -n -o 4M -l 1M mine
	is $((5 << 11)) "$(stat -c %b mine)"
	background fill_up "$POOL/others"
	# in cached mode each time is 4 MiB of requests
	[[ $MODE == passthrough ]] || times=$(lasting 50)
	timeout 300 "$TOOLS/mapstore" mine $((4 << 20)) "$times"
	truncate -s 5M mine
	timeout 300 "$TOOLS/mapstore" mine $((5 << 20)) 20
	is $((5 << 11)) "$(stat -c %b mine)"
	is 0 "$(pool restarts)"
}

@test "what fallocate has given is there for a mapping, whoever fills the pool" {
	in_every_way reserved -o size=8M
}

direct() {
	cd "$POOL"
	is "1000 right, 0 old" "$(timeout 100 "$TOOLS/directio" f 1000)"
}

@test "a read sees what O_DIRECT has written, also asynchronously" {
	in_every_way direct
}
