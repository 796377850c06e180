#!/usr/bin/env bats
# SPDX-License-Identifier: GPL-2.0-or-later
# shellcheck disable=SC2164 # bodies run with "set -e"
#
# File handles: one names its file as long as that is there, whatever the kernel
# has forgotten, and never another file.  And overlayfs, which lives on them.

load helpers
load boxes
load posix
load volatile

teardown() {
	clean_up
}

# forget: everything that the kernel may forget.
forget() {
	cd "$POOL"
	sync
	echo 2 >/proc/sys/vm/drop_caches
}

# handle of FILE, handle read|write|path|number HANDLE
handle() {
	if [[ $1 == of ]]; then
		"$TOOLS/handle" of "$2"
	else
		"$TOOLS/handle" "$1" "$POOL" "$2"
	fi
}

stale() {
	is "open_by_handle_at: ESTALE" "$(handle read "$1" 2>&1 || true)"
}

# in_root_modes BODY OPTION...: open_by_handle_at(2) and mounts are for root.
in_root_modes() {
	local mode body=$1

	shift
	need fuse root
	for mode in $MODES; do
		in_way "root/$mode" "$body" "$@"
	done
}

# ---- handles -----------------------------------------------------------------

reopened() {
	local a long b c name

	cd "$POOL"
	name=$(printf 'n%.0s' {1..200})
	mkdir -p d/e
	echo a >d/e/a
	echo long >"d/$name"
	a=$(handle of d/e/a)
	long=$(handle of "d/$name")
	c=$(handle of d/e)
	is a "$(handle read "$a")"
	forget
	is a "$(handle read "$a")"
	is long "$(handle read "$long")"
	forget
	is "$POOL/d/e" "$(handle path "$c")"
	# under another name, in another directory
	mv d/e/a d/b
	forget
	is a "$(handle read "$a")"
	# of several names the last one
	ln d/b d/e/c
	rm d/b
	forget
	is a "$(handle read "$a")"
	kill_worker
	is a "$(handle read "$a")"
	forget
	kill_worker
	is a "$(handle read "$a")"
	echo new | handle write "$a"
	is new "$(<d/e/c)"
	ln -s a d/sl
	mkfifo d/fifo
	for b in d/sl d/fifo; do
		a=$(handle of "$b")
		forget
		is "$(stat -c %i "$b")" "$(handle number "$a")"
	done
}

@test "a handle opens its file when the kernel has forgotten it" {
	in_root_modes reopened -o export
}

removed() {
	local a b d

	cd "$POOL"
	mkdir d
	echo a >a
	echo b >b
	a=$(handle of a)
	b=$(handle of b)
	d=$(handle of d)
	rm a
	rmdir d
	forget
	stale "$a"
	stale "$d"
	kill_worker
	stale "$a"
	mv b c
	echo other >b
	mv b c
	forget
	stale "$b"
	is other "$(<c)"
}

@test "a handle of what was removed is stale" {
	in_root_modes removed -o export
}

# The record of a removed file is used for the next one.
used_again() {
	local i handles=()

	cd "$POOL"
	for i in {1..40}; do
		echo "$i" >f
		handles+=("$(handle of f)")
		rm f
		forget
	done
	echo last >f
	for i in "${handles[@]}"; do
		stale "$i"
		fails handle write "$i" <<<"wrong" 2>/dev/null
	done
	is last "$(<f)"
	is 40 "$(printf '%s\n' "${handles[@]}" | sort -u | wc -l)"
}

@test "a handle of a removed file opens no other file" {
	in_root_modes used_again -o export
}

purged() {
	local a b

	cd "$POOL"
	made a 20000
	made b 20000
	a=$(handle of a)
	b=$(handle of b)
	settled 10
	forget
	purge 1
	stale "$a"
	is "$SUM" "$(handle read "$b" | sha256sum)"
	made a 20000
	forget
	stale "$a"
}

@test "a handle of a purged file is stale" {
	in_root_modes purged -o export
}

none() {
	cd "$POOL"
	echo a >a
	is "a: EOPNOTSUPP" "$(handle of a 2>&1 || true)"
}

@test "without export there are no handles" {
	linux_has 6 6 ||
		skip_or_fail "the kernel gives handles all the same"
	in_root_modes none
}

# ---- numbers -----------------------------------------------------------------

kept() {
	local before

	cd "$POOL"
	mkdir -p d/e
	touch d/e/{a,b,c}
	before=$(find . -xdev -printf '%i %p\n')
	[[ $EUID != 0 ]] || echo 2 >/proc/sys/vm/drop_caches
	kill_worker
	is "$before" "$(find . -xdev -printf '%i %p\n')"
	rm -r d
	wait_until 20 eval '[ "$(pool tree.records)" = 1 ]'
}

@test "a file keeps its number; a removed one takes no memory" {
	in_every_way kept
}

# ---- overlayfs ---------------------------------------------------------------

# overlay OPTION...: on m, of lo and up.
overlay() {
	local options=lowerdir=lo,upperdir=up,workdir=wk option

	for option; do
		options+=",$option"
	done
	timeout 20 mount -t overlay overlay -o "$options" m
}

not_mixed_up() {
	cd "$POOL"
	mkdir lo up wk m
	echo A >lo/a
	echo B >lo/b
	ln lo/b lo/link
	forget
	stat lo/a >/dev/null
	overlay "$@"
	echo x >>m/a
	umount m
	forget
	stat lo/b >/dev/null
	overlay "$@"
	stat m/a >/dev/null
	is B "$(<m/b)"
	echo new >m/b
	is "A x" "$(xargs <m/a)"
	is new "$(<m/b)"
	mkdir m/dir
	mv m/dir m/moved
	mv m/a m/moved/a
	ln m/moved/a m/moved/again
	rm m/link
	umount m
	forget
	overlay "$@"
	is "A x" "$(xargs <m/moved/again)"
	is "a again" "$(cd m/moved && echo *)"
	fails stat m/link 2>/dev/null
	umount m
	is "A B B" "$(cat lo/a lo/b lo/link | xargs)"
}

with_defaults() {
	not_mixed_up
}

# The kernel falls back to index=off, since there are no handles.
with_index() {
	not_mixed_up index=on
}

with_metacopy() {
	not_mixed_up metacopy=on redirect_dir=on
}

with_all() {
	not_mixed_up index=on metacopy=on redirect_dir=on nfs_export=off
}

@test "overlayfs on a pool does not mix files up" {
	grep -qw overlay /proc/filesystems || modprobe overlay 2>/dev/null ||
		skip_or_fail "the kernel has no overlayfs"
	in_root_modes with_defaults
	in_root_modes with_index
	in_root_modes with_metacopy
	in_root_modes with_all
}
