#!/usr/bin/env bats
# SPDX-License-Identifier: GPL-2.0-or-later
# shellcheck disable=SC2016 # for the shells of others
#
# Mounts of a pool that are idmapped, as containers ask for them.

load helpers
load boxes
load posix
load volatile

teardown() {
	local m=${MAPPED:-}

	[[ ! $m ]] || ! is_mounted "$m" || timeout 5 umount -l "$m"
	clean_up
}

# Nobody makes a user namespace in a chroot, for one.
has_fuse_idmap() {
	linux_has 6 12 && timeout 10 unshare -U true 2>/dev/null
}

# mapped MODE [OPTION...]: a pool; MAPPED is a mount of it in which the ids from
# 100000 on are those from 0 on.
mapped() {
	local mode=$1

	shift
	pool_start --mode="$mode" -o allow_other,idmap "$@"
	MAPPED=$(mktemp -d "$POOL_TMP/mapped.XXXXXX")
	timeout 20 "$TOOLS/idmap" "$POOL" "$MAPPED" 0 100000 65536
	chmod 1777 "$POOL"
}

unmapped() {
	timeout 20 umount "$MAPPED"
	pool_stop
}

in_every_mode() {
	local mode

	need fuse root fuse_idmap
	for mode in $MODES; do
		mapped "$mode"
		"$@"
		unmapped
	done
}

inside_uid() {
	as_id 101000 101000 timeout 60 "$@"
}

owners() {
	inside_uid bash -ec 'cd "$1"; echo x >f; mkdir d; ln -s f l; mkfifo p
		ln f link; mv f g; echo y >>g; chmod 600 g; setfattr -n user.a -v b g
		cat g >copy' - "$MAPPED"
	is "1000:1000 1000:1000 1000:1000 1000:1000 1000:1000" \
		"$(cd "$POOL" && stat -c %u:%g g d l p copy | paste -sd ' ')"
	is "101000:101000" "$(stat -c %u:%g "$MAPPED/g")"
	as_id 1000 1000 cat "$POOL/g" >/dev/null
	fails as_id 101001 101001 cat "$MAPPED/g" 2>/dev/null
	fails as_id 1000 1000 cat "$MAPPED/g" 2>/dev/null
	# ids that the mount has no numbers for make nothing
	fails as_id 5 5 touch "$MAPPED/none" 2>/dev/null
	fails test -e "$POOL/none"
	# set-ID bits go with a write by another
	as_id 1000 1000 bash -c 'umask 0; echo x >"$1" && chmod 6777 "$1"' - "$POOL/s"
	inside_uid true
	as_id 2000 2000 bash -c 'echo y >>"$1"' - "$POOL/s"
	is 777 "$(stat -c %a "$POOL/s")"
	# root's writes leave them
	chmod 6777 "$POOL/s"
	echo z >>"$POOL/s"
	is 6777 "$(stat -c %a "$POOL/s")"
	# trusted names for root only
	setfattr -n trusted.t -v 1 "$POOL/s"
	is 1 "$(getfattr -d -m - --absolute-names "$POOL/s" | grep -c trusted)"
	is 0 "$(as_id 1000 1000 getfattr -d -m - --absolute-names "$POOL/s" |
		grep -c trusted)"
}

@test "files made through an idmapped mount have mapped owners" {
	in_every_mode owners
}

# sent UID GID MOUNT: the header says so.
sent() {
	local header

	as_id "$1" "$2" bash -c 'echo $$ >"$1"; echo more >"$1"' - "$3/box/b/send"
	header=$(timeout 20 head -n 1 "$POOL/box/b/recv" 2>/dev/null)
	is "$1 $2" "$(json uid <<<"$header") $(json gid <<<"$header")"
	timeout 20 head -n 1 "$POOL/box/b/recv" >/dev/null 2>&1
	rm "$POOL"/box/b/tx/*
}

senders() {
	local kill

	mkdir "$POOL/box/b"
	chmod 222 "$POOL/box/b/send"
	sent 1000 1000 "$POOL"
	sent 0 0 "$POOL"
	sent 4711 99 "$POOL"
	sent 101000 102000 "$MAPPED"
	sent 100000 100000 "$MAPPED"
	# the killed are dropped, whoever they are
	as_id 1000 1000 bash -c 'exec 5>"$1"; printf half >&5; kill -KILL $$' - \
		"$POOL/box/b/send" || true
	bash -c 'exec 5>"$1"; printf half >&5; kill -KILL $$' - \
		"$POOL/box/b/send" || true
	is 0 "$(json transactions.queued "$POOL/box/b/stat")"
	kill=$(pool_pid worker)
	kill -KILL "$kill"
	wait_until 10 pool_answers "$POOL"
	sent 1000 1000 "$POOL"
	sent 101000 102000 "$MAPPED"
	# the box of a user inside has a mapped owner
	inside_uid mkdir "$MAPPED/box/mine"
	is 1000:1000 "$(stat -c %u:%g "$POOL/box/mine")"
	inside_uid bash -c 'echo x >"$1/send" && head -n 1 "$1/recv" >/dev/null' - \
		"$MAPPED/box/mine"
}

@test "a box knows its senders, also where the kernel does not say" {
	in_every_mode senders
}

# purge_read_by UID: 1 if its event has the path.
purge_read_by() {
	local out=$POOL_TMP/events.$1

	background as_id "$1" "$1" timeout 60 cat "$POOL/.pool/events" >"$out"
	wait_until 10 grep -q '"purge"' "$out"
	kill "$BG_PID"
	grep -c '"path":"v"' "$out" || true
}

for_the_owner() {
	local scan

	echo '{"min_free": 1048576}' >"$POOL/.pool/config"
	scan=$(of_files scan)
	echo "0 0 1" >"$scan"
	fails as_id 1000 1000 bash -c 'echo "{}" >"$1"' - "$POOL/.pool/config" \
		2>/dev/null
	fails as_id 100000 100000 bash -c 'echo "0 0 1" >"$1"' - "$scan" \
		2>/dev/null
	made "$POOL/v" 8K
	settled 2
	purge 2
	# who purged it, and whose it was, may see its path; others may not
	is 1 "$(purge_read_by 0)"
	is 0 "$(purge_read_by 1000)"
}

@test "what is for the owner of an idmapped pool is for nobody else" {
	in_every_mode for_the_owner
}

@test "without -o idmap there are none, and only root may ask for it" {
	need fuse root fuse_idmap user_mount
	pool_start -o allow_other
	mkdir "$POOL_TMP/mapped"
	fails timeout 20 "$TOOLS/idmap" "$POOL" "$POOL_TMP/mapped" 0 100000 65536 \
		2>/dev/null
	pool_stop
	tmp
	mkdir "$POOL_TMP/m"
	chmod 777 "$POOL_TMP/m"
	fails as_user timeout 20 "$POOLFS" "$POOL_TMP/m" -o idmap \
		2>"$POOL_TMP/why"
	grep -q "only for root" "$POOL_TMP/why"
}
