#!/usr/bin/env bats
# SPDX-License-Identifier: GPL-2.0-or-later
# shellcheck disable=SC2164 # bodies run with set -e
#
# Plain files: opening them, and what is in them.

load helpers
load boxes
load posix

teardown() {
	clean_up
}

# ---- open ------------------------------------------------------------------

open_flags() {
	is "0 100640:1:0" "$(posix umask 027 create new w,creat 0666 fstat)"
	is "0 100604:1:0" "$(posix umask 000 create all w,creat,excl 0604 fstat)"
	# of one that is there neither mode nor content change
	printf content >there
	is "0 100644:1:7 7:content" \
		"$(posix create there rw,creat 0600 fstat read 9)"
	is EEXIST "$(posix open there w,creat,excl)"
	is "0 100644:1:0" "$(posix open there w,trunc fstat)"
	is "ENOENT ENOENT ENOENT" "$(posix open none r open none/f w,creat \
		open none w)"
	is "EBADF EBADF" "$(posix open there w read 1 open there r write x |
		cut -d ' ' -f 2,4)"
	# what is not a file
	mkdir dir
	is "EISDIR EISDIR EEXIST EISDIR 0" "$(posix open dir w open dir r,creat \
		open dir r,creat,excl open dir/ w,creat open dir r)"
	is "ENOTDIR ENOTDIR ENOTDIR 0" "$(posix open there r,directory \
		open there/ r open there/f w,creat open dir r,directory)"
	is "EISDIR" "$(posix open dir r read 1 | cut -d ' ' -f 2)"
}

@test "open makes files, once, with their mode, and finds what is there" {
	same_as_tmpfs open_flags
}

open_links() {
	printf target >file
	ln -s file link
	ln -s nowhere dangling
	ln -s loop loop
	is "ELOOP 0 6:target" "$(posix open link r,nofollow open link r read 9)"
	is "ELOOP ENOENT" "$(posix open loop r open dangling r)"
	is "EEXIST EEXIST" "$(posix open dangling w,creat,excl \
		open link w,creat,excl)"
	is "0 4 100644:1:4" "$(posix open dangling w,creat write made stat nowhere)"
	is "0 120777:1:4 EBADF" "$(posix open link path,nofollow fstat read 1)"
	is "0 100644:1:6 EBADF EBADF EBADF" "$(posix open file path fstat \
		read 1 write x truncate 0)"
	is target "$(<file)"
	# its name in /proc opens what it stands for
	exec {fd}<file
	is target "$(cat "/proc/self/fd/$fd")"
	exec {fd}<&-
}

@test "open: O_NOFOLLOW, O_PATH, links that dangle and loop" {
	same_as_tmpfs open_links
}

open_writing() {
	is "0 0 3 3 3 3" "$(posix open log w,creat,append open log rw,append \
		write one fd 0 write two fd 1 write x-- fd 0 pwrite end 0)"
	is "onetwox--end" "$(<log)"
	is "0 6 0 6:synced 0 5 0" "$(posix open sync rw,creat,sync write synced \
		lseek 0 read 9 open sync w,dsync write again fsync)"
	is againd "$(<sync)"
	show posix open direct rw,creat,direct write unaligned pread 9 0 \
		pread 4 3 fsync fstat
	# beside one through the caches
	show posix open direct rw write buffered open direct r,direct read 20
	is "0 0 3 3:abc 3 6:abcdef" "$(posix open two w,creat,trunc open two r \
		fd 0 write abc fd 1 pread 9 0 fd 0 write def fd 1 pread 9 0)"
}

@test "open: O_APPEND, O_SYNC, O_DSYNC, O_DIRECT" {
	same_as_tmpfs open_writing
}

tmpfile() {
	is "0 5 100600:0:5 0 100600:1:5 5 5:HELLO" "$(posix create . rw,tmpfile \
		0600 write hello fstat link-fd named fstat pwrite HELLO 0 \
		pread 9 0)"
	is HELLO "$(<named)"
	is "0 EEXIST" "$(posix create . rw,tmpfile 0600 link-fd named)"
	is "0 0 0 100644:2:0" "$(posix create . w,tmpfile 0644 link-fd one \
		link-fd two fstat)"
	is "0 ENOENT" "$(posix create . rw,tmpfile,excl 0600 link-fd never)"
	is "EINVAL ENOENT ENOTDIR" "$(posix create . r,tmpfile 0600 \
		create none rw,tmpfile 0600 create named rw,tmpfile 0600)"
	is "0 9 100600:0:9" "$(posix create . rw,tmpfile 0600 write forgotten \
		fstat)"
	is "named one two" "$(names_in .)"
	mkdir sub
	is "0 3 0" "$(posix create sub rw,tmpfile 0640 write sub link-fd sub/f)"
	is sub "$(<sub/f)"
	rm -r sub
}

@test "O_TMPFILE, and the name it gets later" {
	same_as_tmpfs tmpfile
}

# What a version control system does: nobody may write, but the maker does.
read_only_maker() {
	local fd

	is "0 6 100444:1:6 0 3 0 9:objectend" "$(posix create object \
		rw,creat,excl 0444 write object fstat fsync write end lseek 0 \
		read 20)"
	is 444 "$(stat -c %a object)"
	is "0 4 100000:1:4" "$(posix create none rw,creat,excl 0 write none fstat)"
	mkdir dir
	printf before >dir/f
	exec {fd}<>dir/f
	chmod 000 dir/f dir
	is before "$(dd status=none bs=6 count=1 <&"$fd")"
	printf after >&"$fd"
	is 0 "$(stat -L -c %a "/proc/self/fd/$fd")"
	exec {fd}<&-
	chmod 755 dir
	chmod 644 dir/f
	is "beforeafter" "$(<dir/f)"
	# and by descriptor alone
	is "0 0 0 8 0 8:unharmed 3 0 3:unh 100000:1:3" "$(posix open dir/f rw,trunc \
		chmod dir/f 0 chmod dir 0 write unharmed fsync pread 20 0 \
		pwrite unh 0 truncate 3 pread 20 0 fstat)"
	# no mode can keep root out
	if [[ $EUID != 0 ]]; then
		is "EACCES EACCES" "$(posix open dir/f r stat dir/f)"
		chmod 755 dir
		is "EACCES EACCES" "$(posix open dir/f r open object w)"
	fi
	chmod 755 dir
}

@test "who has a file open goes on, whatever becomes of the modes" {
	same_as_tmpfs read_only_maker
}

# Each directory on its way is closed, from the bottom up.
far_below() {
	local dir=1 fd i

	for i in {2..12}; do
		dir+=/$i
	done
	mkdir -p "$dir"
	printf before >"$dir/f"
	exec {fd}<>"$dir/f"
	chmod 000 "$dir/f"
	while [[ $dir == */* ]]; do
		chmod 000 "$dir"
		dir=${dir%/*}
	done
	chmod 000 1
	is before "$(dd status=none bs=6 count=1 <&"$fd")"
	printf after >&"$fd"
	is "0 11" "$(stat -L -c '%a %s' "/proc/self/fd/$fd")"
	exec {fd}<&-
	# nothing was left open
	for i in {1..12}; do
		is 0 "$(stat -c %a "$dir")"
		chmod 755 "$dir"
		dir+=/$((i + 1))
	done
	is 0 "$(stat -c %a "${dir%/*}/f")"
}

@test "who has a file open goes on, whatever becomes of 12 directories above" {
	same_as_tmpfs far_below
}

# ---- content ---------------------------------------------------------------

sizes() {
	is "0 8 0 0 8:abcd.... 0 4:abcd" "$(posix create f rw,creat 0644 \
		write abcdefgh truncate 4 truncate 8 pread 20 0 resize f 4 \
		pread 20 0)"
	is "EINVAL ENOENT EISDIR" "$(posix open f r truncate 3 resize none 1 \
		resize . 1 | cut -d ' ' -f 2-)"
	is "0:" "$(posix open f r pread 4 100 | cut -d ' ' -f 2)"
	# a hole between two writes
	is "0 1 1 100644:1:10001 4:x..." "$(posix create hole rw,creat 0644 \
		pwrite x 0 pwrite y 10000 fstat pread 4 0)"
	is "1:y 0:" "$(posix open hole r pread 4 10000 pread 4 10001 |
		cut -d ' ' -f 2-)"
	# what was cut off must not come back
	head -c 100000 /dev/zero | tr '\0' x >grow
	truncate -s 50001 grow
	truncate -s 100000 grow
	is "50001 49999" "$(tr -d '\0' <grow | wc -c) $(tr -d x <grow | wc -c)"
	# nothing at all
	is "0 0:" "$(posix create empty rw,creat 0644 read 10)"
}

@test "reading and writing at any place, truncate both ways" {
	same_as_tmpfs sizes
}

past_4g() {
	local blocks

	is "0 3 3 100644:1:5368709123 3:far 4:.... 3:mid 3:far" "$(posix create big \
		rw,creat 0644 pwrite far 5G pwrite mid 4G fstat pread 3 5G \
		pread 4 3G pread 3 4G pread 9 5G)"
	blocks=$(stat -c %b big)
	((blocks > 0 && blocks < 16384)) || fail "blocks: $blocks"
	is far "$(tail -c 3 big)"
	is "0 far" "$(posix open big r) $(dd if=big bs=1G skip=5 status=none)"
	is "0 0 3 3:map" "$(posix create small rw,creat 0644 truncate 6G \
		pwrite map 6442446848 pread 3 6442446848)"
	show stat -c %s big small
	show posix open big rw truncate 4294967297 fstat pread 4 4G
	show posix open big rw truncate 9223372036854775807 fstat \
		truncate 0 fstat
}

@test "files past 4 GiB" {
	same_as_tmpfs past_4g
}

fallocated() {
	local mode

	is "0 0 100644:1:1048576 0 100644:1:1048576" "$(posix create f rw,creat \
		0644 fallocate extend 0 1M fstat fallocate keep 1M 1M fstat)"
	is 4096 "$(stat -c %b f)"
	tr '\0' x </dev/zero | head -c 65536 >g
	is "0 0 100644:1:65536 4:xx.. 4:..xx" "$(posix open g rw \
		fallocate punch,keep 5000 10000 fstat pread 4 4998 pread 4 14998)"
	is 55536 "$(tr -d '\0' <g | wc -c)"
	# whole pages went back
	is 0 "$(posix open g rw fallocate punch,keep 0 1M | cut -d ' ' -f 2)"
	is "65536 0" "$(stat -c '%s %b' g)"
	for mode in punch collapse zero zero,keep insert unshare; do
		show posix open g rw fallocate "$mode" 0 4096
		is "EOPNOTSUPP" "$(posix open g rw fallocate "$mode" 0 4096 |
			cut -d ' ' -f 2)"
	done
	is "0 EINVAL EINVAL EINVAL" "$(posix open g rw fallocate extend 0 0 \
		fallocate extend -1 1 fallocate punch,keep 0 -1)"
	is "0 EBADF" "$(posix open g r fallocate extend 0 1)"
	mkfifo fifo
	show posix open fifo rw fallocate extend 0 1
	is "65536 0" "$(stat -c '%s %b' g)"
	# after one through a writer's own eyes
	is "0 6 0 6:ab..ef" "$(posix create h rw,creat 0644 write abcdef \
		fallocate punch,keep 2 2 pread 9 0)"
}

@test "fallocate: what tmpfs can, and EOPNOTSUPP for the rest" {
	same_as_tmpfs fallocated
}

holes() {
	# in units that large pages respect
	truncate -s 8M f
	dd if=/dev/urandom of=f bs=1M seek=2 count=2 conv=notrunc status=none
	is "0 2097152 2097152 3000000 4194304 5000000 0 ENXIO ENXIO 8388607" "$(
		posix open f r seek-data 0 seek-data 2M seek-data 3000000 \
			seek-hole 2M seek-hole 5000000 seek-hole 0 \
			seek-data 4M seek-data 9M seek-hole 8388607)"
	# at once after the write; a page may be as large as the file, but for
	# what was punched out of it
	text 65536 >g
	is "0 4 0 0 16384 20480 ENXIO 20480" "$(posix open g rw \
		pwrite data 16K fallocate punch,keep 0 16K \
		fallocate punch,keep 20K 44K seek-data 0 seek-hole 16K \
		seek-data 20K seek-hole 20K)"
	is "0 0 ENXIO 0" "$(posix open g rw fallocate punch,keep 0 64K seek-data 0 \
		seek-hole 0)"
	is "0 ENXIO ENXIO" "$(posix create e rw,creat 0644 seek-data 0 \
		seek-hole 0)"
	is "0 EINVAL" "$(posix open g r lseek -1)"
	((8388608 > $(stat -c '%b * 512' f))) || fail "f is not sparse"
	cp --sparse=always f f2
	same_content f f2
}

@test "SEEK_DATA and SEEK_HOLE" {
	same_as_tmpfs holes
}

random_content() {
	local f

	f=$(random_file 9437185)
	cp "$f" a
	same_content "$f" a
	dd if="$f" of=b bs=12345 status=none
	same_content "$f" b
	# over what is there, in place, and appended
	dd if="$f" of=b bs=1M count=3 seek=2 conv=notrunc status=none
	dd if="$f" of=c bs=1M count=2 status=none
	dd if="$f" bs=1M count=3 status=none >>c
	tail -c +5242881 "$f" >>c
	same_content <(dd if="$f" bs=1M count=3 status=none) \
		<(dd if=b bs=1M skip=2 count=3 status=none)
	same_content <(tail -c +5242881 "$f") <(tail -c +5242881 b)
	same_content <(tail -c +5242881 "$f") <(tail -c +5242881 c)
	show stat -c %s a b c
}

# bats test_tags=slow
@test "megabytes come out as they went in" {
	same_as_tmpfs random_content
}

copies() {
	local f

	is "0 10 0 5 5:23456 3 8:23456789" "$(posix create a rw,creat 0644 \
		write 0123456789 create b rw,creat 0644 copy 0 2 0 5 pread 20 0 \
		copy 0 7 5 100 pread 20 0)"
	is "0 0 0 EINVAL" "$(posix open a rw copy 0 10 20 5 copy 0 100 0 5 \
		copy 0 0 2 5)"
	is "4 9:012301239" "$(printf 012345679 >c && posix open c rw copy 0 0 4 4 \
		pread 20 0 | cut -d ' ' -f 2-)"
	is "EBADF EBADF" "$(posix open a r open b r copy 0 0 0 5 open b w \
		copy 2 0 0 5 | cut -d ' ' -f 3,5)"
	is "0 0 10 10:0123456789" "$(posix open a r create s rw,creat 0644 \
		sendfile 0 100 pread 20 0)"
	f=$(random_file 5000001)
	cp "$f" big
	is "0 0 1048576" "$(posix open big r create big2 w,creat 0644 copy 0 0 0 1M)"
	cp big big2 # as often as it takes
	same_content "$f" big2
	is "0 0 5000001" "$(posix open big r create big3 w,creat 0644 \
		sendfile 0 1G)"
	same_content "$f" big3
	cp big "$f.back"
	same_content "$f" "$f.back"
}

@test "copy_file_range and sendfile" {
	same_as_tmpfs copies
}

same_page() {
	local writes lost

	read -r writes lost < <(timeout 100 "$TOOLS/samepage" "$POOL/page" \
		"$(lasting 2)")
	((writes > 100)) || fail "only $writes writes"
	is "0 0" "$lost"
}

# bats test_tags=slow
@test "one page, written and mapped at the same time: nothing is lost" {
	in_every_way same_page
}

# ---- mappings --------------------------------------------------------------

mappings() {
	is "0 0 0 0 5:hello 5 5:world" "$(posix create f rw,creat 0644 \
		truncate 8192 map-rw 8192 poke hello 100 pread 5 100 \
		pwrite world 5000 peek 5 5000)"
	# another process, another open file, another mapping
	is "0 0 0 0 5:hello 0 0 0 4:back 4:back" "$(posix open f rw map-rw 8192 \
		child open f rw map-rw 8192 peek 5 100 poke back 6000 msync 8192 \
		end wait peek 4 6000 pread 4 6000)"
	is "hello" "$(tail -c +101 f | head -c 5)"
	# a mapping needs neither the descriptor nor the name
	is "0 0 0 0 0 0 4:kept ENOENT" "$(posix create g rw,creat 0644 \
		truncate 4096 map-rw 4096 close unlink g poke kept 0 \
		peek 4 0 stat g)"
	is "0 0 0 5:hello 0 4:mine" "$(posix open f rw map-private 8192 \
		poke mine 100 pread 5 100 msync 8192 peek 4 100)"
	is "0 EACCES 0" "$(posix open f r map-rw 8192 map-private 8192)"
	is "0 EACCES" "$(posix open f w map 8192)"
	# past the end there is nothing
	is "0 1 0 -7" "$(posix create end rw,creat 0644 write x map 8192 \
		child peek 1 4096 end wait)"
	# what is cut off leaves the mapping
	is "0 0 0 -7 0 0 1:." "$(posix open f rw map-rw 8192 truncate 4096 \
		child peek 1 5000 end wait truncate 8192 poke x 0 peek 1 5000)"
	is "0 0 0 5:.ello" "$(posix open f rw map-rw 8192 \
		fallocate punch,keep 0 101 peek 5 100)"
}

@test "mappings: shared by processes, private, past the end" {
	same_as_tmpfs mappings
}

# Sees what the other writes, as soon as it has been written.
shared_with_another() {
	truncate -s 4096 f
	posix_into one open f rw map-rw 4096 poke ping 0 touch pinged \
		await ponged peek 4 100 munmap 4096 close
	wait_until 5 test -e pinged
	is "0 4:ping 4" "$(posix open f rw pread 4 0 pwrite pong 100)"
	touch ponged
	wait "$BG_PID"
	is "0 0 0 4:pong 0 0" "$(words one)"
	rm one pinged ponged
	is "ping" "$(head -c 4 f)"
}

@test "a mapping and a writer see each other" {
	same_as_tmpfs shared_with_another
}

# ---- unlinked and replaced while open --------------------------------------

unlinked() {
	local fd

	is "0 5 0 100644:0:5 5:hello 5 0 100600:0:10 10:hellothere ENOENT" "$(
		posix create f rw,creat 0644 write hello unlink f fstat \
			pread 20 0 pwrite there 5 fchmod 0600 fstat pread 20 0 \
			stat f)"
	# a new one of its name has nothing to do with it
	is "0 3 0 0 3 3:old 3:new 100644:0:3 100644:1:3" "$(posix create f \
		rw,creat 0644 write old unlink f create f rw,creat,excl 0644 \
		write new fd 0 pread 9 0 fd 1 pread 9 0 fd 0 fstat fd 1 fstat)"
	is new "$(<f)"
	# opened again by way of /proc
	exec {fd}<>f
	rm f
	is new "$(cat "/proc/self/fd/$fd")"
	printf more >>"/proc/self/fd/$fd"
	is "newmore 0" "$(cat <&"$fd") $(stat -L -c %h "/proc/self/fd/$fd")"
	: >"/proc/self/fd/$fd"
	is 0 "$(stat -L -c %s "/proc/self/fd/$fd")"
	exec {fd}<&-
	# a descriptor alone can still cut it, allocate, map
	is "0 0 0 0 0 2:.. 0 100644:0:8192" "$(posix create f rw,creat 0644 \
		unlink f truncate 4096 map-rw 4096 poke x 100 peek 2 4 \
		fallocate extend 0 8192 fstat)"
	is "" "$(names_in .)"
	# nobody sees them; a directory can go meanwhile
	mkdir d
	exec {fd}>d/f
	rm d/f
	rmdir d
	echo still >&"$fd"
	exec {fd}>&-
	is "" "$(names_in .)"
}

@test "unlinked while open: content, size and links stay right" {
	same_as_tmpfs unlinked
}

replaced() {
	local fd

	printf old >victim
	printf new >f
	exec {fd}<>victim
	mv f victim
	is "old 0" "$(cat <&"$fd") $(stat -L -c %h "/proc/self/fd/$fd")"
	printf er >&"$fd"
	is "new 1 older" "$(<victim) $(stat -c %h victim) $(
		cat "/proc/self/fd/$fd")"
	exec {fd}<&-
	# of two names one is left
	ln victim second
	printf third >f
	is "0 0 100644:1:3 100644:1:5 3:new" "$(posix open second r \
		rename f victim fstat stat victim read 9)"
	# renamed while open, in its turn, into another directory
	mkdir d
	is "0 0 5:third 3 0 3:abc 100644:1:5" "$(posix open victim rw \
		rename victim d/f read 9 pwrite abc 0 rename d/f g pread 3 0 \
		stat g)"
	is abcrd "$(<g)"
	# exchanged while open
	printf one >one
	printf two >two
	is "0 0 0 3:one 3:two 3 3" "$(posix open one rw open two rw \
		rename2 one two exchange fd 0 pread 3 0 fd 1 pread 3 0 \
		fd 0 pwrite ONE 0 fd 1 pwrite TWO 0)"
	is "TWO ONE" "$(<one) $(<two)"
}

@test "renamed over while open: both stay what they are" {
	same_as_tmpfs replaced
}

# ---- locks -----------------------------------------------------------------

locks() {
	is "0 0 0 EAGAIN EAGAIN 0 0 0 0 EAGAIN 0 0 0 0 0" "$(posix open l rw,creat \
		flock ex child open l rw flock ex,nb flock sh,nb end wait \
		flock sh child open l r flock sh,nb flock ex,nb end wait flock un \
		child open l r flock ex,nb end wait)"
	# gone with the last close, and with its process
	is "0 0 0 0 0" "$(posix open l rw flock ex close open l rw flock ex,nb)"
	is "0 0 -9 0 0" "$(posix child open l rw flock ex kill 9 end wait \
		open l rw flock ex,nb)"
	is "0 0 0 EAGAIN 0 w:0:10 EAGAIN 0" "$(posix open l rw lock w 0 10 \
		child open l rw lock w 5 1 lock w 10 1 get-lock w 0 15 \
		lock r 9 1 end wait)"
	is "0 0 0 r:20:5 none 0 EAGAIN 0" "$(posix open l rw lock r 20 5 \
		child open l rw get-lock w 0 0 get-lock r 0 0 lock r 22 1 \
		lock w 22 1 end wait)"
	# a close of any descriptor takes a process's locks
	is "0 0 0 0 0 0 0" "$(posix open l rw lock w 0 0 open l r close \
		child open l rw lock w 0 0 end wait)"
	# but not an open file's
	is "0 0 0 0 0 EAGAIN 0" "$(posix open l rw ofd-lock w 0 0 open l r close \
		child open l rw ofd-lock w 0 0 end wait)"
	is "0 EBADF" "$(posix open l r lock w 0 1)"
}

@test "flock, fcntl and open-file locks between processes" {
	same_as_tmpfs locks
}

waiting_for_locks() {
	local kind holder waiter

	for kind in "flock ex" "lock-wait w 0 0"; do
		rm -f ./*
		# shellcheck disable=SC2086 # words
		posix_into holder open l rw,creat $kind touch held await go \
			write first close
		holder=$BG_PID
		wait_until 5 test -e held
		# shellcheck disable=SC2086
		posix_into waiter open l rw touch trying $kind read 9
		waiter=$BG_PID
		wait_until 5 test -e trying
		sleep 0.2
		is 0 "$(words waiter)"
		touch go
		wait "$holder" "$waiter"
		is "0 0 5:first" "$(words waiter)"
	done
}

# bats test_tags=slow
@test "who waits for a lock gets it, and sees what was written" {
	same_as_tmpfs waiting_for_locks
}

# ---- programs --------------------------------------------------------------

# Not compared: /dev/shm may be mounted noexec.
programs() {
	local dir

	# W is where any file system is
	for dir in "$W/ref" "$POOL/steps"; do
		mkdir "$dir"
		cd "$dir"
		cp "$(type -P true)" prog
		cp "$(type -P sleep)" sleeper
		printf '#!/bin/sh\nexit 7\n' >script
		printf '#!./none\n' >wrong
		chmod 755 script wrong
		posix exec ./prog exec ./script exec ./wrong chmod prog 0644 \
			exec ./prog chmod prog 0755 exec ./none exec .
		posix open prog rw exec ./prog close exec ./prog
		./sleeper 60 &
		BG_PID=$!
		note "pid.$BG_PID" "$BG_PID"
		wait_until 5 eval '[[ $(readlink "/proc/$BG_PID/exe") == \
			*sleeper ]]'
		posix open sleeper w open sleeper r unlink sleeper
		kill "$BG_PID"
		wait "$BG_PID" || true
	done >"$W/said"
	cd /
	is 6 "$(wc -l <"$W/said")"
	is "$(head -n 3 "$W/said")" "$(tail -n 3 "$W/said")"
	is "0 7 ENOENT 126 0 EACCES 126 0 ENOENT 126 EACCES 126" \
		"$(sed -n 4p "$W/said")"
}

@test "programs and scripts run from the mount; ETXTBSY" {
	in_every_way programs
}

# ---- what is no regular file -----------------------------------------------

specials() {
	mkfifo -m 640 fifo
	is "10640:1:0" "$(posix stat fifo)"
	background timeout 60 bash -c 'seq 50000 >fifo'
	is "$(seq 50000 | sha256sum)" "$(timeout 60 cat fifo | sha256sum)"
	wait "$BG_PID"
	is "ENXIO" "$(posix open fifo w,nonblock)"
	is "0 10600:1:0" "$(posix umask 077 mknod fifo2 fifo 0666 0 stat fifo2)"
	is "0 140755:1:0 0 2 0 0 2:hi" "$(posix bind sock stat sock child \
		connect sock write hi end wait accept read 9)"
	is "ECONNREFUSED ENXIO" "$(posix connect sock open sock r)"
	is "0 140644:1:0" "$(posix mknod sock2 socket 0644 0 stat sock2)"
	is "0 100604:1:0 EEXIST" "$(posix mknod file file 0604 0 stat file \
		mknod fifo file 0644 0)"
	printf text >file
	is text "$(<file)"
	if [[ $EUID == 0 ]]; then
		is "0 20640:1:0 0 60600:1:0" "$(posix mknod null char 0640 259 \
			stat null mknod disk block 0600 2049 stat disk)"
		is "1:3 8:1" "$(stat -c %t:%T null disk | paste -sd ' ' -)"
	else
		is "EPERM EPERM" "$(posix mknod null char 0660 259 \
			mknod disk block 0600 2049)"
	fi
	show posix mknod white char 0644 0 stat white
	# as good as files: links, renames, modes
	ln fifo fifo3
	mv sock sock3
	chmod 600 fifo
	show stat -c '%N %A %h' fifo fifo2 fifo3 sock2 sock3 file
	rm fifo fifo2 sock3
	show names_in .
}

@test "fifos, sockets and device nodes" {
	same_as_tmpfs specials
}

# ---- limits ----------------------------------------------------------------

# fs_bytes a|b: what is free, or all, in bytes.
fs_bytes() {
	echo $(($(stat -f -c "%$1 * %S" "$POOL")))
}

space() {
	local total before inodes taken i

	total=$(fs_bytes b)
	is $((64 << 20)) "$total"
	is 255 "$(stat -f -c %l "$POOL")"
	before=$(fs_bytes a)
	((before > 0 && before <= total))
	head -c 8M /dev/urandom >"$POOL/f"
	sync "$POOL/f"
	((before - $(fs_bytes a) >= 8 << 20)) ||
		fail "free fell from $before to $(fs_bytes a)"
	rm "$POOL/f"
	wait_until 5 eval '(($(fs_bytes a) > before - (1 << 20)))'
	# an ordinary user's pool shares them with others, who free some
	for i in {1..20}; do
		rm -f "$POOL"/i*
		inodes=$(stat -f -c %d "$POOL")
		touch "$POOL"/i{1..40}
		taken=$((inodes - $(stat -f -c %d "$POOL")))
		((taken < 40)) || break
	done
	((taken >= 40)) || fail "$inodes inodes were free, $taken are taken"
	((inodes < $(stat -f -c %c "$POOL")))
}

@test "statfs: the size of the pool, what is free, names" {
	in_every_way space -o size=64M
}

full() {
	local i

	printf kept >"$POOL/kept"
	for i in 1 2; do
		fails dd if=/dev/urandom of="$POOL/f" bs=1M count=64 conv=fsync \
			status=none 2>"$W/err"
		grep -q "No space left on device" "$W/err"
		(($(stat -c %b "$POOL/f") <= 65536)) ||
			fail "$(stat -c %b "$POOL/f") blocks in 32 MiB"
		# the rest of the pool goes on
		timeout 60 cat "$POOL/.pool/stats" >/dev/null
		is kept "$(<"$POOL/kept")"
		is "0 ENOSPC" "$(posix create "$POOL/g" w,creat 0644 \
			fallocate extend 0 64M)"
		rm "$POOL/f" "$POOL/g"
		head -c 16M /dev/zero >"$POOL/again"
		sync "$POOL/again"
		is 16777216 "$(stat -c %s "$POOL/again")"
		rm "$POOL/again"
	done
}

# bats test_tags=slow
@test "a full pool says ENOSPC, and recovers" {
	in_every_way full -o size=32M
}

limited() {
	(
		ulimit -f 8
		trap '' XFSZ
		is "0 5 0 EFBIG EFBIG 100644:1:8192" "$(posix create f rw,creat 0644 \
			pwrite below 0 truncate 8192 pwrite above 8192 truncate 8193 \
			fstat)"
		is "0 2" "$(posix open f rw pwrite across 8190)"
	)
	is 8192 "$(stat -c %s f)"
}

@test "a process's own limit of size" {
	same_as_tmpfs limited
}

# ---- what it costs ---------------------------------------------------------

# requests OP...: how many these make, and reading the stats once.
requests() {
	local before

	before=$(pool requests)
	"$TOOLS/posixops" open "$POOL/f" rw "$@" >"$W/said"
	echo $(($(pool requests) - before))
}

no_requests() {
	local reads=() writes=() none with i

	text 65536 >"$POOL/f"
	for i in {0..999}; do
		reads+=(pread 9 $((i * 61)))
		writes+=(pwrite x $((i * 63)))
	done
	requests >/dev/null # what is asked only once
	none=$(requests)
	with=$(requests "${reads[@]}" "${writes[@]}")
	is 2000 "$(grep -c '^9:\|^1$' "$W/said")"
	# the kernel asks for attributes anew now and then
	((with <= none + 20)) ||
		fail "2,000 reads and writes made $with requests, $none without"
}

@test "passthrough: reads and writes of an open file make no request" {
	need root passthrough
	in_way root/passthrough no_requests
}

# of_store PID: how many descriptors of plain files it has.
of_store() {
	find "/proc/$1/fd" -lname '*/files/*' -o -lname '*/orphan/*' \
		2>/dev/null | wc -l
}

few_descriptors() {
	local worker fd i

	mkdir "$POOL/d"
	worker=$(pool worker)
	exec {fd}<>"$POOL/d/open"
	printf x >&"$fd"
	is x "$(<"$POOL/d/open")"
	for i in {1..2000}; do
		printf x >"$POOL/d/$i"
	done
	is 2000x "$(cat "$POOL"/d/[1-9]* | wc -c)x"
	# a last close is known a moment later
	if [[ $MODE == passthrough ]]; then
		wait_until 5 eval '(($(of_store "$worker") <= 1))'
	else
		wait_until 5 eval '(($(of_store "$worker") == 1))'
		exec {fd}<&-
		wait_until 5 eval '(($(of_store "$worker") == 0))'
	fi
	(($(find "/proc/$worker/fd" -type l | wc -l) < 50)) ||
		fail "descriptors: $(find "/proc/$worker/fd" -type l | wc -l)"
	is "$worker" "$(pool worker)"
}

@test "a closed file costs no descriptor" {
	as_root_in_every_mode few_descriptors
}

# ---- all together ----------------------------------------------------------

tree_of() {
	find "$1" -printf '%P %y %m %n %s %T@ %l\n' | grep -v '^ ' |
		sed 's/\( d [0-9]*\) [0-9]* [0-9]* /\1 /' | sort
}

whole_tree() {
	local src=$W/src

	mkdir "$src"
	cp -a "$TOP"/{Makefile,fs,pool,shrinker,docs} "$src"
	mkdir "$src/tests"
	cp -a "$TOP/tests/tools" "$src/tests"
	ln -s ../pool/pool.h "$src/fs/link.h"
	ln "$src/Makefile" "$src/docs/hard"
	chmod 700 "$src/pool"
	cp -a "$src" tree
	diff -r --no-dereference "$src" tree
	[[ $(tree_of "$src") == "$(tree_of tree)" ]] ||
		diff <(tree_of "$src") <(tree_of tree) >&2
	# out again, another way
	mkdir out
	tar -C tree -H posix -cf - . | tar -C out -xpf -
	[[ $(tree_of "$src") == "$(tree_of out)" ]] ||
		diff <(tree_of "$src") <(tree_of out) >&2
	make -s -C tree BUILD=b b/libshrinker.a b/tests/tools/fileops \
		</dev/null >/dev/null
	cp tree/b/tests/tools/fileops "$W/built"
	is "0 3" "$("$W/built" open f w,creat write all | paste -sd ' ')"
	rm -r tree out "$src"
	is f "$(names_in .)"
	rm f
}

# bats test_tags=slow
@test "a tree copied in, built in and copied out" {
	same_as_tmpfs whole_tree
}
