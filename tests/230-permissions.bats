#!/usr/bin/env bats
# SPDX-License-Identifier: GPL-2.0-or-later
# shellcheck disable=SC2164 # bodies run with set -e
#
# Plain files on a pool that several users share: what is whose, and who is
# kept from what.

load helpers
load boxes
load posix

teardown() {
	clean_up
}

# shared STEPS: as root, who shares the pool with everybody.
shared() {
	root_same_as_tmpfs "$1" -o allow_other
}

# by UID OP...: posixops as somebody who has that number, also as a group.
by() {
	local id=$1

	shift
	as_id "$id" "$id" timeout -k 1 300 "$TOOLS/posixops" "$@" |
		paste -sd ' ' -
}

# by_member UID GROUP,... OP...: the same with supplementary groups.
by_member() {
	local id=$1 groups=$2

	shift 2
	setpriv --reuid "$id" --regid "$id" --groups "$groups" \
		timeout -k 1 300 "$TOOLS/posixops" "$@" | paste -sd ' ' -
}

# whose FILE...: owner, group and mode of each.
whose() {
	stat -c %u:%g:%a -- "$@" | paste -sd ' ' -
}

ownership() {
	mkdir -m 777 d
	is "0 0 0 0 0 0" "$(by 1001 umask 022 create d/f w,creat 0666 \
		mkdir d/dir 0777 symlink x d/l mknod d/p fifo 0666 0 bind d/s \
		mknod d/m file 0600 0)"
	is "1001:1001:644 1001:1001:755 1001:1001:644 1001:1001:755 1001:1001:600" \
		"$(whose d/f d/dir d/p d/s d/m)"
	is "1001:1001" "$(stat -c %u:%g d/l)"
	is "0 0" "$(by 1002 create d rw,tmpfile 0640 link-fd d/t)"
	is "1002:1002:640" "$(whose d/t)"
	# somebody else's, opened to write, stays so
	chmod 666 d/f
	is "0 5" "$(by 1002 create d/f w,creat,trunc 0600 write hello)"
	is "1001:1001:666" "$(whose d/f)"
	# only root gives away
	is "EPERM EPERM EPERM 0" "$(by 1001 chown d/f 1002 -1 chown d/f -1 1002 \
		chown d/t 1001 -1 chown d/f -1 1001)"
	is "EPERM EPERM 0" "$(by 1002 chmod d/f 0777 chmod d/dir 0777 \
		chmod d/t 0604)"
}

@test "what users make is theirs" {
	shared ownership
}

forbidden() {
	local fd

	umask 022
	mkdir d
	printf secret >d/f
	chmod 600 d/f
	is "EACCES EACCES EACCES 100600:1:6" "$(by 1001 open d/f r open d/f w \
		open d/f rw stat d/f)"
	is "EACCES EACCES EACCES EACCES EACCES EACCES" "$(by 1001 \
		open d/g w,creat mkdir d/x 0755 unlink d/f symlink x d/l \
		rename d/f d/g resize d/f 0)"
	# which of two reasons is given is up to a sysctl
	show by 1001 link d/f d/g
	is "EACCES EACCES EACCES" "$(by 1001 create d rw,tmpfile 0600 \
		mknod d/p fifo 0644 0 bind d/s)"
	chmod 644 d/f
	is "0 6:secret EACCES" "$(by 1001 open d/f r read 9 open d/f w)"
	# who may see it, and then may not: neither by name nor from a cache
	exec {fd}<d/f
	chmod 600 d/f
	is "EACCES" "$(by 1001 open d/f r)"
	exec {fd}<&-
	chmod 644 d/f
	chmod 700 d
	is "EACCES EACCES EACCES EACCES" "$(by 1001 open d/f r stat d/f \
		stat d/none cd d)"
	# to enter, not to list; to list, not to enter
	chmod 711 d
	is "EACCES 0 6:secret" "$(by 1001 opendir d open d/f r read 9)"
	chmod 744 d
	is "0 3 EACCES EACCES" "$(by 1001 opendir d readdir 9 stat d/f cd d)"
	chmod 755 d
	# only one's own rights count, though others have more
	chmod 066 d/f
	chown 1001:1001 d/f
	is "EACCES 0 0" "$(by 1001 open d/f r access d/f 0 chmod d/f 0600)"
	is "EACCES" "$(by 1002 open d/f r)"
	# to run
	cp "$(type -P true)" d/prog
	chmod 744 d/prog
	is "EACCES 0" "$(by 1001 access d/prog 1 access d/prog 4)"
	# other attributes, and times
	chmod 644 d/f
	is "EACCES EPERM" "$(by 1002 setxattr d/f user.x x any chmod d/f 0777)"
	is "0 1:y EPERM" "$(by 1001 setxattr d/f user.x y any \
		getxattr d/f user.x 9 setxattr d/f trusted.x x any)"
	fails as_id 1002 1002 touch -d @5 d/f 2>/dev/null
	fails as_id 1002 1002 touch d/f 2>/dev/null
	chmod 666 d/f
	as_id 1002 1002 touch d/f
	fails as_id 1002 1002 touch -d @5 d/f 2>/dev/null
	as_id 1001 1001 touch -d @5 d/f
	is 5 "$(stat -c %Y d/f)"
}

@test "modes keep others out, of files and directories" {
	shared forbidden
}

# What the kernel has cached for one user is not for the next.
cached_secrets() {
	umask 022
	mkdir -m 700 d
	printf secret >d/f
	chown -R 1001:1001 d
	for _ in {1..5}; do
		is "0 6:secret 100644:1:6" "$(by 1001 open d/f r read 9 stat d/f)"
		is "EACCES EACCES EACCES" "$(by 1002 open d/f r stat d/f opendir d)"
		is "0 6:secret" "$(posix open d/f r read 9)"
	done
	is "0 0" "$(by 1001 chmod d 0711 chmod d/f 0600)"
	for _ in {1..5}; do
		is "0 6:secret" "$(by 1001 open d/f r read 9)"
		is "100600:1:6 EACCES" "$(by 1002 stat d/f open d/f r)"
	done
}

@test "what one user has just read is not there for another" {
	shared cached_secrets
}

sticky() {
	mkdir -m 1777 t
	mkdir -m 777 u
	is "0 0 0" "$(by 1001 create t/f w,creat 0666 mkdir t/d 0777 \
		create t/g w,creat 0644)"
	is "EPERM EPERM EPERM EPERM EPERM" "$(by 1002 unlink t/f rmdir t/d \
		rename t/f t/x rename t/f u/x rename2 t/f t/g exchange)"
	is "0 EPERM EPERM 0" "$(by 1002 create t/mine w,creat 0644 \
		rename t/mine t/f rename t/d u/d rename t/mine u/mine)"
	is "0 0 0 0" "$(by 1001 rename t/f t/x unlink t/x rmdir t/d unlink t/g)"
	# in another's own directory the owner may
	chown 1002 t
	is "0" "$(by 1001 create t/f w,creat 0644)"
	is "0" "$(by 1002 unlink t/f)"
	# without the bit anybody may
	is "0" "$(by 1001 unlink u/mine)"
}

@test "sticky directories" {
	shared sticky
}

setgid() {
	mkdir d
	chown 0:2000 d
	chmod 2777 d
	is "0 0 0 0" "$(by 1001 umask 0 create d/f w,creat 0644 mkdir d/dir 0755 \
		symlink x d/l mknod d/p fifo 0644 0)"
	is "1001:2000:644 1001:2000:2755 1001:2000:644" "$(whose d/f d/dir d/p)"
	is 2000 "$(stat -c %g d/l)"
	is "0 0" "$(by 1001 mkdir d/dir/sub 0700 create d/dir/g w,creat 0600)"
	is "1001:2000:2700 1001:2000:600" "$(whose d/dir/sub d/dir/g)"
	is "0 0" "$(by 1001 create d rw,tmpfile 0644 link-fd d/t)"
	is "1001:2000:644" "$(whose d/t)"
	# a program of a group one is not in
	is 0 "$(by 1001 umask 0 create d/s w,creat 02775)"
	show whose d/s
	is 0 "$(by_member 1001 2000 umask 0 create d/s2 w,creat 02775)"
	show whose d/s2
	is "0 0" "$(by 1001 chmod d/f 02755 stat d/f | cut -d ' ' -f 1) $(
		by_member 1001 2000 chmod d/t 02755)"
	is "1001:2000:755 1001:2000:2755" "$(whose d/f d/t)"
	# it stays when the directory moves
	mkdir -m 777 plain
	is 0 "$(by 1001 rename d/dir plain/dir)"
	is 0 "$(by 1001 create plain/dir/h w,creat 0644)"
	is "1001:2000:644" "$(whose plain/dir/h)"
}

@test "setgid directories" {
	shared setgid
}

groups() {
	local all

	umask 022
	mkdir d
	printf ours >d/f
	chown -R 0:2000 d
	chmod 640 d/f
	chmod 770 d
	is "EACCES EACCES" "$(by 1001 open d/f r open d/g w,creat)"
	is "0 4:ours EACCES" "$(by_member 1001 2000 open d/f r read 9 open d/f w)"
	is "0 4:ours 0" "$(by_member 1001 5,6,2000,3000 open d/f r read 9 \
		create d/g w,creat 0660)"
	is "1001:1001:640" "$(whose d/g)"
	# more groups than a request could name
	all=$(seq -s , 3001 3100),2000
	is "0 4:ours" "$(by_member 1001 "$all" open d/f r read 9)"
	is "EACCES" "$(by_member 1001 "${all%,2000}" open d/f r)"
	# to one of one's groups only
	is "0 EPERM 0" "$(by_member 1001 2000 chown d/g -1 2000 \
		chown d/g -1 2001 chmod d/g 0664)"
	is "1001:2000:664" "$(whose d/g)"
	is "0 2" "$(by_member 1002 2000 open d/g w write hi)"
	is EACCES "$(by 1002 open d/g w)"
}

@test "supplementary groups" {
	shared groups
}

privileged_bits() {
	local bits

	umask 0
	for bits in 4777 2777 6777 2767; do
		: >f
		printf content >f
		chmod "$bits" f
		show posix open f w write by-root stat f
		chmod "$bits" f
		show by 1001 open f w write by-another stat f
		chmod "$bits" f
		show by 1001 open f w truncate 3 stat f
		chmod "$bits" f
		show by 1001 resize f 2 stat f
		chmod "$bits" f
		show by 1001 open f w,trunc stat f
		chmod "$bits" f
		show by 1001 open f rw fallocate extend 0 4096 stat f
		chmod "$bits" f
		show by 1001 open f rw copy 0 0 10 10 stat f
		chmod "$bits" f
		show by 1001 open f w,append write x stat f
		rm f
	done
	printf content >f
	chmod 6777 f
	is "0 3 100777:1:7" "$(by 1001 open f w write new stat f)"
	# again, with the file open all the time
	exec {fd}<f
	chmod 4777 f
	is "0 3 100777:1:7" "$(by 1001 open f w write abc stat f)"
	chmod 4777 f
	is "0 3 100777:1:7" "$(by 1001 open f w write abc stat f)"
	exec {fd}<&-
	chown 1001 f
	chmod 4755 f
	is "0 100755:1:7" "$(by 1001 chown f -1 1001 stat f)"
}

# bats test_tags=slow
@test "set-user-ID and set-group-ID bits go when others write" {
	shared privileged_bits
}

# The writer matters, not who has opened it, nor when.
inherited_writer() {
	umask 0
	: >f
	chmod 4777 f
	as_id 1001 1001 sh -c 'printf x' >>f
	is 777 "$(stat -c %a f)"
	chmod 4777 f
	printf x >>f
	is 4777 "$(stat -c %a f)"
}

@test "set-user-ID bits go when others write through a file that root opened" {
	shared inherited_writer
}

bits_after_open() {
	umask 0
	: >f
	chmod 777 . f
	background as_id 1001 1001 timeout 300 "$TOOLS/posixops" open f w \
		write x touch ready await set write y stat f >"$W/said"
	wait_until 10 test -e ready
	chmod 4777 f
	touch set
	wait "$BG_PID"
	is "0 1 1 100777:1:2" "$(words "$W/said")"
	rm ready set
}

@test "set-user-ID bits go that came when the writer had the file open" {
	shared bits_after_open
}

lists() {
	umask 022
	mkdir d
	printf listed >d/f
	chmod 600 d/f
	setfacl -m u:1001:r,g:2000:rw d/f
	is "0 6:listed EACCES" "$(by 1001 open d/f r read 9 open d/f w)"
	is "EACCES" "$(by 1002 open d/f r)"
	is "0 0" "$(by_member 1002 7,2000,8 open d/f r open d/f rw)"
	# the mask takes it from all but the owner
	setfacl -m m::- d/f
	is "EACCES EACCES" "$(by 1001 open d/f r) $(
		by_member 1002 2000 open d/f r)"
	setfacl -m m::rw d/f
	is 0 "$(by 1001 open d/f r)"
	chmod g-r d/f
	is EACCES "$(by 1001 open d/f r)"
	# named users come before their groups
	setfacl -b -m u:1001:-,g:2000:r d/f
	is "EACCES 0" "$(by_member 1001 2000 open d/f r) $(
		by_member 1002 2000 open d/f r)"
	# directories, by default for what is made in them
	chmod 700 d
	setfacl -m u:1001:rwx d
	setfacl -d -m u:1001:rw,u:1002:r,g::-,o::- d
	is "0" "$(by 1001 umask 077 create d/g w,creat 0666)"
	is "1001:1001:660" "$(whose d/g)"
	show getfacl -cnpE d/g
	setfacl -m u:1002:x d
	is "0 EACCES EACCES" "$(by 1002 open d/g r open d/g w opendir d)"
	# only an owner writes them
	fails as_id 1002 1002 setfacl -m u:1002:rw d/g 2>/dev/null
	as_id 1001 1001 setfacl -m u:1002:rw d/g
	is "0" "$(by 1002 open d/g w)"
	as_id 1001 1001 setfacl -b d/g
	is "EACCES" "$(by 1002 open d/g w)"
}

@test "access lists let in whom they name, and keep out the others" {
	shared lists
}

# listing UID GID GROUPS CMD...: CMD, then what is left of the modes of f and d,
# which began as 6755 and as 2775.
listing() {
	local uid=$1 gid=$2 groups=$3

	shift 3
	chmod 6755 f
	chmod 2775 d
	setpriv --reuid "$uid" --regid "$gid" --groups "$groups" \
		timeout -k 1 300 "$@" 2>/dev/null || printf 'failed '
	stat -c %a f d | paste -sd ' ' -
}

list_makers() {
	local fd

	umask 022
	: >f
	mkdir d
	chown 1001:2000 f d
	# one of the group: by its first, or by another one; and root of none
	is "6755 2775" "$(listing 1001 2000 7 setfacl -m u:1002:rx f d)"
	is "6755 2775" "$(listing 1001 1001 7,2000,8 setfacl -m u:1003:rx f d)"
	is "6755 2775" "$(listing 0 0 7 setfacl -m u:1004:rx f d)"
	# the owner alone
	is "4755 775" "$(listing 1001 1001 7 setfacl -m u:1005:rx f d)"
	is "4755 775" "$(listing 1001 1001 7 setfacl -x u:1005 f d)"
	# also with the bit seen before, by who has it open
	exec {fd}<f
	is "4755 2775" "$(listing 1001 1001 7 setfacl -m u:1005:rx f)"
	is 4755 "$(stat -L -c %a "/proc/self/fd/$fd")"
	exec {fd}<&-
	# a default list is not the file's own, nor are other attributes
	is "6755 2775" "$(listing 1001 1001 7 setfacl -d -m u:1005:rx d)"
	is "6755 2775" "$(listing 1001 1001 7 setfattr -n user.x -v 1 f)"
	# who may not set one takes nothing
	is "failed 6755 2775" "$(listing 1002 1002 7 setfacl -m u:1006:rx f d)"
	# the list goes, and the bit with it
	show listing 1001 1001 7 setfacl -b f d
	show listing 1001 1001 7 setfacl -b f d
	show listing 1001 1001 7 setfacl -m u::rwx f d
	setfacl -m u:1005:rx f
	show listing 1001 2000 7 setfacl -b f
	show getfacl -cnpE f d
}

@test "an access list takes the set-group-ID bit, unless its maker is of the group" {
	shared list_makers
}

# ---- the pool of an ordinary user ------------------------------------------

of_a_user() {
	local me

	me=$(id -u)
	[[ $me != 0 ]]
	umask 022
	: >f
	mkdir d
	is "$me:$(id -g):644 $me:$(id -g):755" "$(whose f d)"
	is "EPERM EPERM EPERM 0" "$(posix chown f 0 -1 chown f -1 0 chown d 12 34 \
		chown f "$me" -1)"
	is "EPERM ENODATA" "$(posix setxattr f trusted.x x any \
		getxattr f security.capability 9)"
	# not even its owner, without the right
	chmod 000 f
	chmod 500 d
	is "EACCES EACCES EACCES EACCES" "$(posix open f r open f w \
		open d/x w,creat mkdir d/y 0755)"
	chmod 300 d
	is "EACCES 0" "$(posix opendir d open d/x w,creat)"
	chmod 700 d
	chmod 4755 f
	show stat -c %a f
	is "0 1 100755:1:1" "$(posix open f w write x stat f)"
}

@test "in an ordinary user's own pool modes hold for him, too" {
	need fuse user_mount
	reference_setup
	STEPS=of_a_user in_way user/cached compare_with_tmpfs
}
