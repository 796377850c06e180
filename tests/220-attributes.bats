#!/usr/bin/env bats
# SPDX-License-Identifier: GPL-2.0-or-later
# shellcheck disable=SC2164 # bodies run with set -e
#
# Plain files: modes, times, extended attributes and access lists.  What they
# keep other users from is in 230-permissions.bats.

load helpers
load boxes
load posix

teardown() {
	clean_up
}

# ---- modes -----------------------------------------------------------------

modes() {
	local mode

	: >f
	mkdir d
	for mode in 0 7 70 700 444 755 777 1777 2755 4755 6711 7777; do
		is "0 0" "$(posix chmod f "$mode" chmod d "$mode")"
		is "$mode $mode" "$(stat -c %a f) $(stat -c %a d)"
	done
	chmod 755 f d
	is "0 0 100640:1:0" "$(posix open f r fchmod 0640 fstat)"
	is "ENOENT 0 EBADF" "$(posix chmod none 0 open f path fchmod 0)"
	# every maker obeys the umask
	is "0 0 0 0 0" "$(posix umask 0137 create uf w,creat 0777 \
		mkdir ud 0777 mknod up fifo 0777 0 mknod um file 0777 0 bind us)"
	is "640 640 640 640 640" "$(stat -c %a uf ud up um us | paste -sd ' ' -)"
	is "0 0" "$(posix umask 0 create uf2 w,creat 07777 mkdir ud2 01777)"
	show stat -c %a uf2 ud2
	is 1777 "$(stat -c %a ud2)"
}

@test "modes, and the umask of whoever makes something" {
	same_as_tmpfs modes
}

owners() {
	: >f
	mkdir d
	ln -s f l
	is "0 0 0 0" "$(posix chown f 1234 -1 chown d 12 34 chown l 5 6 \
		chown f -1 4321)"
	is "1234:4321 12:34 5:6" "$(stat -c %u:%g f d l | paste -sd ' ' -)"
	# which takes the bits that would make it dangerous
	chmod 6755 f
	is "0 100755:1:0" "$(posix chown f 1 1 stat f)"
	chmod 6644 f
	show posix chown f 2 2 stat f
	chmod 6755 d
	show posix chown d 3 3 stat d
	is "0 1:1" "$(posix chown f 1 1) $(stat -c %u:%g f)"
}

@test "chown, and the bits it takes" {
	root_same_as_tmpfs owners
}

# ---- times -----------------------------------------------------------------

times() {
	local when

	: >f
	mkdir d
	ln -s f l
	for when in 0.000000000 1.000000001 1600000000.123456789 \
		4102444800.999999999; do
		touch -h -m -d "@$when" f d l
		touch -h -a -d "@3.000000007" f d l
		is "$when $when $when" "$(stat -c %.9Y f d l | paste -sd ' ' -)"
		is "3.000000007" "$(stat -c %.9X f d l | sort -u)"
	done
	# before 1970, and for one alone
	touch -m -d @-77 f
	is "-77 3" "$(stat -c '%Y %X' f)"
	# with a descriptor of it open, and after its last write
	is "0 5" "$(posix open f w write later)"
	is 1 "$(($(stat -c %Y f) > 1600000000))"
	exec {fd}>>f
	printf x >&"$fd"
	touch -d @5.5 f
	is "5.500000000" "$(stat -c %.9Y f)"
	exec {fd}>&-
	is "5.500000000" "$(stat -c %.9Y f)"
	# copied with its times
	cp -p f g
	is "$(stat -c %.9Y f)" "$(stat -c %.9Y g)"
}

@test "times, to the nanosecond" {
	same_as_tmpfs times
}

# state FILE...: of each that is there its times, but that of access, which
# readers change.
state() {
	find "$@" -maxdepth 0 -printf '%p %T@ %C@\n' 2>/dev/null || true
}

# changed NAME CMD...: which times of f and of the directory d CMD changes.
changed() {
	local name=$1 file before after

	shift
	before=$(state "${watched[@]}")
	# times are as coarse as the timer
	sleep 0.015
	"$@"
	after=$(state "${watched[@]}")
	printf '%s:' "$name"
	for file in "${watched[@]}"; do
		paste -d ' ' <(grep "^$file " <<<"$before") \
			<(grep "^$file " <<<"$after") | awk '
			NF == 6 { printf " %s%s%s", $1, $2 != $5 ? "+m" : "",
				$3 != $6 ? "+c" : "" }'
	done
	echo
}

append_to() {
	printf x >>"$1"
}

truncate_to() {
	truncate -s "$2" "$1"
}

empty() {
	: >"$1"
}

times_change() {
	local watched=(d d/f)

	mkdir d e
	: >d/f
	changed write append_to d/f
	changed truncate truncate_to d/f 100
	changed same-size truncate_to d/f 100
	changed trunc empty d/f
	changed trunc-empty empty d/f
	changed chmod chmod 600 d/f
	changed chown chown "$(id -u)" d/f
	changed link ln d/f d/g
	changed unlink rm d/g
	changed make empty d/h
	changed rename mv d/f d/f2
	ln d/f2 d/f
	# the same file under the name it keeps
	changed rename mv d/f2 d/f3
	mv d/f3 d/f2
	rm d/f
	watched=(d d/f2 e)
	changed away mv d/h e/h
	changed mkdir mkdir d/sub
	changed mvdir mv d/sub e/sub
	changed rmdir rmdir e/sub
	changed xattr setfattr -n user.x -v 1 d/f2
	changed remove-xattr setfattr -x user.x d/f2
	changed fallocate fallocate -l 8192 d/f2
	changed punch fallocate -p -l 4096 d/f2
	changed symlink ln -s x d/link
	changed exchange posix rename2 d/f2 e/h exchange
	changed replace mv d/f2 e/h
	watched=(d e/h)
	changed read cat e/h
	changed touch touch -a d
}

# bats test_tags=slow
@test "each change leaves its mark in the times of files and directories" {
	same_as_tmpfs times_change
}

birth() {
	local before after made

	before=$(date +%s%N)
	is "0" "$(posix create f w,creat 0644)"
	after=$(date +%s%N)
	made=$(posix btime f)
	[[ $made =~ ^[0-9]+$ ]] || fail "no birth time: $made"
	# the clock of files is coarse
	((made >= before - 20000000 && made <= after)) ||
		fail "born $made, not in $before...$after"
	touch -d @1 f
	echo more >>f
	mv f g
	is "$made" "$(posix btime g)"
	mkdir d
	ln -s x l
	((made <= $(posix btime d) && made <= $(posix btime l)))
	is ENOENT "$(posix btime none)"
	is "$((made / 1000000000))" "$(stat -c %W g)"
}

@test "birth times" {
	same_as_tmpfs birth
}

# ---- extended attributes ---------------------------------------------------

xattrs() {
	local file

	: >f
	mkdir d
	for file in f d; do
		is "0 5:value 5 ERANGE EEXIST 0 3:new" "$(posix \
			setxattr $file user.name value any \
			getxattr $file user.name 100 getxattr $file user.name 0 \
			getxattr $file user.name 4 \
			setxattr $file user.name other create \
			setxattr $file user.name new replace \
			getxattr $file user.name 100)"
		is "ENODATA ENODATA ENODATA" "$(posix \
			setxattr $file user.none x replace \
			getxattr $file user.none 10 removexattr $file user.none)"
		is "0 0 0:" "$(posix setxattr $file user.two x create \
			setxattr $file user.empty "" create \
			getxattr $file user.empty 10)"
		is "user.empty user.name user.two" "$(getfattr --absolute-names \
			$file | grep ^user | sort | paste -sd ' ' -)"
		is "30 30 ERANGE 0 ENODATA 20" "$(posix listxattr $file 0 \
			listxattr $file 100 listxattr $file 29 \
			removexattr $file user.name getxattr $file user.name 9 \
			listxattr $file 0)"
	done
	# as people do it
	setfattr -n user.text -v 'some "text"' f
	is 'some "text"' "$(getfattr --only-values -n user.text f)"
	setfattr -n user.bytes -v 0x00ff0a00 f
	is "00ff0a00" "$(getfattr --only-values -n user.bytes f | od -An -tx1 |
		tr -d ' ')"
	# kept through all but a copy that does not ask for them
	mv f g
	ln g h
	is "text" "$(getfattr --only-values -n user.text h | grep -o text)"
	cp g plain
	cp --preserve=xattr g whole
	show posix listxattr plain 0
	is "$(getfattr -d g | tail -n +2)" "$(getfattr -d whole | tail -n +2)"
	is "0 0 1:x" "$(posix open g r unlink g fgetxattr user.two 9)"
	# what there is no room or no place for
	is "0" "$(posix setxattr h "user.$(text 250)" x any)"
	is "ERANGE" "$(posix setxattr h "user.$(text 251)" x any)"
	is "0 60000" "$(posix setxattr h user.large "$(text 60000)" any \
		getxattr h user.large 0)"
	is "E2BIG" "$(posix setxattr h user.large "$(text 65537)" any)"
	is "EOPNOTSUPP ENOENT" "$(posix setxattr h nonsense.name x any \
		setxattr none user.x x any)"
	ln -s h l
	mkfifo p
	is "EPERM EPERM" "$(posix setxattr l user.x x any setxattr p user.x x any)"
	chmod 444 h
	if [[ $EUID != 0 ]]; then
		is "EACCES 1:x" "$(posix setxattr h user.two y any \
			getxattr h user.two 9)"
		chmod 222 h
		is "0 EACCES" "$(posix setxattr h user.two y any \
			getxattr h user.two 9)"
		is "EPERM ENODATA 0" "$(posix setxattr h trusted.x x any \
			getxattr h trusted.x 9 listxattr p 0)"
		is EPERM "$(posix setxattr h security.x x any)"
	fi
}

# bats test_tags=slow
@test "user.* attributes: values, lists, what is refused" {
	same_as_tmpfs xattrs
}

root_xattrs() {
	: >f
	ln -s f l
	is "0 0 0 7:private 5:label" "$(posix setxattr f trusted.a private any \
		setxattr f security.b label any setxattr l trusted.a link any \
		getxattr f trusted.a 99 getxattr f security.b 99)"
	is "EEXIST ENODATA 0 ENODATA" "$(posix setxattr f trusted.a x create \
		setxattr f trusted.none x replace removexattr f security.b \
		getxattr f security.b 9)"
	is "trusted.a" "$(getfattr -m trusted f | grep ^trusted)"
	is link "$(getfattr -h --only-values -n trusted.a l)"
	# a capability goes with the next write
	cp "$(type -P true)" prog
	setfattr -n security.capability \
		-v 0x0100000200040000000000000000000000000000 prog
	is 20 "$(posix getxattr prog security.capability 0)"
	printf x >>prog
	is ENODATA "$(posix getxattr prog security.capability 0)"
	# that it had none is not believed for ever
	setfattr -n security.capability \
		-v 0x0100000200040000000000000000000000000000 prog
	is 20 "$(posix getxattr prog security.capability 0)"
}

@test "trusted.* and security.* attributes, as root" {
	root_same_as_tmpfs root_xattrs
}

# ---- access lists ----------------------------------------------------------

# acl FILE: all of it, on one line.
acl() {
	getfacl -cnpE -- "$1" | grep . | paste -sd ' ' -
}

access_lists() {
	umask 022
	: >f
	mkdir d
	is "user::rw- group::r-- other::r--" "$(acl f)"
	setfacl -m u:1234:rw,g:4321:x f
	is "user::rw- user:1234:rw- group::r-- group:4321:--x mask::rwx other::r--" \
		"$(acl f)"
	# the mask is what the mode calls the group
	is 674 "$(stat -c %a f)"
	chmod 640 f
	is "user::rw- user:1234:rw- group::r-- group:4321:--x mask::r-- other::---" \
		"$(acl f)"
	setfacl -m u::rwx,m::rx,o::r f
	is 754 "$(stat -c %a f)"
	setfacl -x u:1234 f
	is "user::rwx group::r-- group:4321:--x mask::r-x other::r--" "$(acl f)"
	# as an attribute
	is "system.posix_acl_access" "$(getfattr -m - f | grep ^system)"
	cp -p f g
	is "$(acl f)" "$(acl g)"
	setfacl -b f
	is "user::rwx group::r-- other::r--" "$(acl f)"
	show posix listxattr f 0 stat f
	show posix setxattr f system.posix_acl_access nonsense any
	# one that says no more than the mode is none
	setfacl -m u::rw,g::r,o::r f
	show posix stat f listxattr f 0
	show acl f
}

@test "access lists, and the mode they are a part of" {
	same_as_tmpfs access_lists
}

default_lists() {
	mkdir d
	setfacl -d -m u::rwx,u:1234:rwx,g::rx,o::- d
	show acl d
	# they beat the umask, not the mode that is asked for
	umask 077
	is "0 100660:1:0 0 40770:2 0 10640:1:0" "$(posix umask 077 \
		create d/f w,creat 0666 stat d/f mkdir d/sub 0777 stat d/sub \
		mknod d/p fifo 0640 0 stat d/p)"
	show acl d/f
	show acl d/sub
	show acl d/p
	is "user::rw- user:1234:rwx group::r-x mask::rw- other::---" "$(acl d/f)"
	# inherited further
	is "0 100600:1:0" "$(posix create d/sub/f w,creat 0600 stat d/sub/f)"
	show acl d/sub/f
	# what comes from elsewhere stays as it is
	: >f
	mv f d/moved
	is "user::rw- group::--- other::---" "$(acl d/moved)"
	is "0 0 100660:1:0" "$(posix create d rw,tmpfile 0666 link-fd d/tmp stat d/tmp)"
	show acl d/tmp
	ln -s x d/l
	show stat -c %a d/l
	setfacl -k d
	is "0 100600:1:0" "$(posix umask 077 create d/g w,creat 0666 stat d/g)"
	show acl d
}

@test "default access lists are inherited, and beat the umask" {
	same_as_tmpfs default_lists
}

# ---- what statx says -------------------------------------------------------

numbers() {
	local ino

	: >f
	ln f g
	mkdir d
	ino=$(stat -c %i f)
	is "$ino" "$(stat -c %i g)"
	is 3 "$(stat -c %i f d . | sort -u | wc -l)"
	is 1 "$(stat -c %d f d . | sort -u | wc -l)"
	mv f d/f
	is "$ino" "$(stat -c %i d/f)"
	# also when the kernel has forgotten it
	if [[ $EUID == 0 ]]; then
		echo 2 >/proc/sys/vm/drop_caches
	fi
	is "$ino" "$(stat -c %i d/f)"
	is "regular empty file directory" "$(stat -c %F d/f d | paste -sd ' ' -)"
	((512 <= $(stat -c %o d/f)))
	# content is counted when it is there
	head -c 1000000 /dev/urandom >big
	(($(stat -c '%b * %B' big) >= 1000000))
	: >big
	is "0 0" "$(stat -c '%s %b' big)"
}

# bats test_tags=alone
@test "inode numbers are as steady as on tmpfs" {
	same_as_tmpfs numbers
}

# ---- mappings ----------------------------------------------------------------

# map_writer FILE: maps it, and closes it.
map_writer() {
	coproc WRITER { exec "$TOOLS/mapwrite" "$1" 1M; }
	read -r -t 20 _ <&"${WRITER[0]}"
}

store() {
	echo >&"${WRITER[1]}"
	read -r -t 20 _ <&"${WRITER[0]}"
}

unmap() {
	local pid=$WRITER_PID

	eval "exec ${WRITER[1]}>&-"
	wait "$pid"
}

# Somebody else looks each time: nothing that the kernel keeps is old.
mapped_attributes() {
	cd "$POOL"
	touch -d @1000000000 old
	is 1000000000 "$(stat -c %Y old)"
	map_writer f
	touch -d @1000000000 f
	is "1000000000 1048576 0" "$(stat -c '%Y %s %b' f)"
	store
	is 2048 "$(stat -c %b f)"
	[[ $(stat -c %Y f) -gt 1000000000 ]]
	is 256 "$(tar -cSf - f | tar -xOf - | tr -d '\0' | wc -c)"
	unmap
	is 2048 "$(stat -c %b f)"
	# of a file whose attributes are kept
	is "1000000000 0" "$(stat -c '%Y %b' old)"
	map_writer old
	store
	is "1048576 2048" "$(stat -c '%s %b' old)"
	[[ $(stat -c %Y old) -gt 1000000000 ]]
	unmap
}

@test "attributes follow what a mapping writes, open or closed" {
	in_every_way mapped_attributes
}

# A linker that maps its output, and make, which looks at it.
linked_by_mapping() {
	cd "$POOL"
	for _ in 1 2 3; do
		touch -d @1000000000 out
		stat out >/dev/null
		map_writer out
		store
		unmap
		: >source
		touch -d "1 second ago" source
		[[ out -nt source ]]
		rm out
	done
}

@test "what a linker has written through a mapping is newer than its sources" {
	in_every_way linked_by_mapping
}

# free CMD...: does it make no request?
free() {
	local before between after

	before=$(json requests "$POOL/.pool/stats")
	between=$(json requests "$POOL/.pool/stats")
	"$@" >/dev/null
	after=$(json requests "$POOL/.pool/stats")
	((after - between == between - before))
}

# Once nobody can write any more, attributes cost no request.
kept_again() {
	cd "$POOL"
	echo text >f
	wait_until 5 free stat f
	exec 5<f
	wait_until 5 free stat f
	exec 5<&-
	wait_until 5 free stat f
}

@test "attributes of a file that nobody can write are kept" {
	in_every_way kept_again
}
