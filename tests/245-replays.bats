#!/usr/bin/env bats
# SPDX-License-Identifier: GPL-2.0-or-later
# shellcheck disable=SC2164 # bodies run with "set -e"
#
# A worker that is killed at any answer: everyop compares all that follows with
# a run without the kill.  Each opcode, in every way, before the answer, after
# it, and when the request was read.

load helpers
load boxes

teardown() {
	clean_up
}

# Of linux/fuse.h: lookup, getattr, setattr, readlink, symlink, mknod, mkdir,
# unlink, rmdir, link, open, read, write, statfs, release, fsync, setxattr,
# getxattr, listxattr, removexattr, flush, create, ioctl, poll, fallocate,
# readdirplus, rename2, lseek, copy_file_range, tmpfile, statx.  (Others are not
# sent: the kernel does locks and access itself, keeps listings, and was told
# ENOSYS once to opendir and fsyncdir.)
every_answer() {
	local nr

	# shellcheck disable=SC2086 # words
	"$TOOLS/everyop" "$POOL" "$DIE_AT" $AT >"$W/said" || {
		cat "$W/said" >&2
		fail "with a kill it is not the same"
	}
	sed "s|^|# $WAY: |" "$W/said" >>"$FACTS"
	nr=$(sed -n 's/.*killed at//p' "$W/said" | wc -w)
	((nr >= 28)) || fail "killed at $nr opcodes only"
}

# bats test_tags=slow
@test "a worker killed at an answer of each opcode: all that follows is the same" {
	local way

	need fuse
	linux_has 6 9 || skip_or_fail "the kernel does not send requests again"
	tmp
	FACTS=$POOL_TMP/facts
	: >"$FACTS"
	chmod 666 "$FACTS"
	DIE_AT=$POOL_TMP/die
	AT=$RANDOM
	[[ ${SOAK:-} != 1 ]] || AT="1 1"
	export DIE_AT FACTS AT
	for way in $(ways); do
		rm -f "$DIE_AT"
		truncate -s 1M "$DIE_AT"
		chmod 666 "$DIE_AT"
		LD_PRELOAD=$TOOLS/die_at.so \
			ASAN_OPTIONS=${ASAN_OPTIONS:-}:verify_asan_link_order=0 \
			in_way "$way" every_answer
	done
	cat "$FACTS" >&3
}
