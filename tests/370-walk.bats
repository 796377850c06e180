#!/usr/bin/env bats
# SPDX-License-Identifier: GPL-2.0-or-later
# shellcheck disable=SC2164 # bodies run with "set -e"
#
# Programs that walk over all of a pool: they find what its users have made, end
# without a complaint, and take nothing out of a box.

load helpers
load boxes
load posix
load volatile

teardown() {
	clean_up
}

# tools NAME...: scripts/deps installs them.
tools() {
	local tool

	for tool; do
		command -v "$tool" >/dev/null || skip_or_fail "no $tool"
	done
}

# walking BODY [OPTION...]: in every way, with a tmpfs to copy to.
walking() {
	reference_setup
	in_every_way "$@"
}

# populated: files of most kinds, and a box with transactions that nobody may
# take; in POOL, where the test goes on.
populated() {
	cd "$POOL"
	new_box mail
	printf 'a needle, sent' >"$BOX/send"
	printf 'another needle' >"$BOX/send"
	timeout 60 head -c 60 box/mail/recv >/dev/null # goes back to the queue
	mkdir -p d/e/f 'd/with space' .hidden cache many
	printf 'a needle\n' >d/e/found
	printf 'a needle\n' >.hidden/file
	printf 'a needle\n' >cache/v
	: >empty
	seq -f 'line %05.0f of a longer file' 20000 >'d/with space/data'
	truncate -s 1M d/sparse
	ln 'd/with space/data' d/e/link
	ln -s e/found d/symlink
	ln -s nowhere dangling
	touch many/{1..100}
	chmod 600 empty
	chmod 1770 d/e
	mkfifo d/fifo
	setfattr -n user.note -v text d/e/found
	setfacl -m u:1234:r -m m::rw .hidden/file
	setfacl -d -m g:1234:rx d/e/f
	volatile cache cache/v
	find . \( -path ./box -o -path ./.pool \) -prune -o \
		-exec touch -h -d @1000000000 {} +
	BEFORE=$(taken)
}

# taken: how many transactions each box has, in which states.
taken() {
	jq -c '[.transactions, .ranges]' "$POOL"/box/*/stat
	transactions
}

# quiet CMD...: ends well, and says nothing about it.
quiet() {
	timeout -k 1 120 "$@" 2>"$W/complaints" ||
		fail "$1 gave $?: $(<"$W/complaints")"
	is "" "$(<"$W/complaints")"
}

# nothing_taken: and the pool goes on.
nothing_taken() {
	is "$BEFORE" "$(taken)"
	is 0 "$(pool waiting)"
}

# names DIR: all that is listed, with links; a copy has the same.
names() {
	(
		cd "$1"
		find . -printf '%P %y %n %l\n' | sort
		find . -type f -exec sha256sum {} + | sort -k 2
	)
}

# all_of DIR: and attributes.  The size of a directory is its file system's own.
all_of() {
	names "$1"
	(
		cd "$1"
		find . -type d -printf '%P %m %U %G %T@\n' -o \
			-printf '%P %m %s %U %G %T@\n' | sort
		find . -print0 | sort -z | xargs -0 getfattr -h -d
		find . ! -type l -print0 | sort -z | xargs -0 getfacl -p
	)
}

# copied WHAT COPY: POOL is in COPY, as far as the function WHAT tells.
copied() {
	diff -u <("$1" "$POOL") <("$1" "$2")
	[[ -s $2/d/e/found && ! -e $2/box && ! -e $2/.pool ]]
	nothing_taken
}

# somewhere: a new directory of a tmpfs.
somewhere() {
	mktemp -d "$REFERENCE/copy.XXXXXX"
}

# ---- what is listed ------------------------------------------------------------

# links FILE: two requests of the kernel tell how many, the second with the time
# of birth.
links() {
	stat --cached=never -c %h "$1"
	stat --cached=never -c '%h %w' "$1" | cut -d ' ' -f 1
}

# as_listed DIR...: each has a link for each directory in it.
as_listed() {
	local dir n

	for dir; do
		n=$(find "$dir" -mindepth 1 -maxdepth 1 -type d | wc -l)
		is "$((n + 2)) $((n + 2))" "$(links "$dir" | paste -sd ' ' -)"
	done
}

# as_stated DIR...: each name is listed with the inode and the type that stat has.
as_stated() {
	local dir

	for dir; do
		is 0 "$(posix opendir "$dir" unlike | cut -d ' ' -f 2)"
	done
}

hidden() {
	local name

	populated
	is ".hidden cache d dangling empty many" "$(names_in .)"
	is "8 8" "$(posix opendir . readdir 99 rewinddir readdir 3 readdir 99 |
		awk '{ print $2, $3 + $4 }')"
	as_listed . d d/e .hidden box box/mail box/mail/tx .pool .pool/shrinker \
		.pool/shrinker/*
	as_stated . d d/e many
	for name in box .pool; do
		is "EEXIST EISDIR EISDIR" "$(posix mkdir "$name" 0755 \
			open "$name" w,creat unlink "$name")"
		is "$(stat -c %i "$name")" "$(cd "$name" && stat -c %i .)"
	done
	timeout 60 find . .pool box >/dev/null
	is ".hidden cache d dangling empty many" "$(names_in .)"
	rm -r many d
	mkdir later
	as_listed . box
	is ".hidden cache dangling empty later" "$(names_in .)"
	nothing_taken
}

@test "box and .pool are there by name, and nothing lists them" {
	in_every_way hidden
}

shown() {
	cd "$POOL"
	mkdir d box/a
	: >f
	is ".pool box d f" "$(names_in .)"
	is "box d f" "$(echo *)"
	as_listed . d box .pool
	as_stated . d box box/a box/a/tx .pool .pool/shrinker{,/*}
	# also for one who reads a few at a time, or from the beginning again
	is "6 6" "$(posix opendir . readdir 1 readdir 1 readdir 2 readdir 99 \
		rewinddir readdir 99 | awk '{ print $2 + $3 + $4 + $5, $NF }')"
	rmdir d
	as_listed .
	is ".pool box f" "$(names_in .)"
}

@test "with list_control they are listed" {
	in_every_way shown -o list_control
}

# ended CMD...: it may complain, but comes to an end.
ended() {
	local status=0

	timeout -k 1 120 "$@" >"$W/said" 2>&1 || status=$?
	((status < 124)) || fail "$* gave $status"
}

walked_through() {
	local to walker

	populated
	to=$(mktemp -d "$REFERENCE/copy.XXXXXX")
	for walker in "grep -r needle box .pool" "grep -r needle ." \
		"cp -a . $to" "cp -r box .pool $to" "tar -cf $W/tar ." \
		"rsync -aHAX . $to" "du -a ." "getfattr -R -d ."; do
		# shellcheck disable=SC2086 # words
		ended $walker
		nothing_taken
	done
	# what has happened is told, and then it ends
	timeout 60 cp -P .pool/events "$W/events"
	grep -q '"mount"' "$W/events"
	is "" "$(timeout 60 dd if=box/mail/recv iflag=nofollow status=none)"
	is "0: 0:" "$(ops open box/mail/recv r,nofollow,nonblock read 4096 |
		cut -d ' ' -f 2) $(ops open box/mail/recv r,nofollow read 10 |
		cut -d ' ' -f 2)"
	kill_worker
	is "" "$(timeout 60 dd if=box/mail/recv iflag=nofollow status=none)"
	nothing_taken
	is 14 "$(timeout 60 sed 1q box/mail/recv | json size)"
}

@test "cp -a, grep -r, tar, rsync of box and .pool take nothing, and end" {
	tools grep cp tar rsync du getfattr
	walking walked_through -o list_control
}

# Somebody has put names into a store that cannot be reached.
stored() {
	local dir=$1 mode=$2

	shift 2
	mkdir -m 700 "$dir"
	pool_start --mode="$mode" --store "$dir" "$@"
	echo x >"$POOL/f"
	pool_stop
	mkdir -p "$dir/tree/files/box/lost"
	echo lost >"$dir/tree/files/.pool"
	pool_start --mode="$mode" --store "$dir" "$@"
}

@test "a store with such names in it: they are hidden, too" {
	local mode

	need fuse root
	tmp
	for mode in $MODES; do
		stored "$POOL_TMP/$mode" "$mode"
		[[ $(ls -A "$POOL") == f ]]
		timeout 60 jq .worker "$POOL/.pool/stats" >/dev/null
		mkdir "$POOL/box/a"
		cleared "$POOL"
		pool_stop
		stored "$POOL_TMP/$mode-shown" "$mode" -o list_control
		[[ $(ls -AU "$POOL" | sort | paste -sd ' ' -) == ".pool box f" ]]
		pool_stop
	done
}

# ---- reading --------------------------------------------------------------------

searched() {
	is "./.hidden/file ./cache/v ./d/e/found" \
		"$(quiet grep -r needle . | cut -d : -f 1 | sort | paste -sd ' ' -)"
}

found() {
	is "$(find d .hidden cache many empty -type f | wc -l)" \
		"$(quiet find . -type f -exec md5sum {} + | wc -l)"
	is "$(quiet find . | sort)" "$(quiet find . -noleaf | sort)"
	is 118 "$(quiet find . | wc -l)"
}

measured() {
	local each

	each=$(find . ! -name link -printf '%k\n' | paste -sd + -)
	is "$((each))" "$(quiet du -sk . | cut -f 1)"
	is "$(find . | sort)" "$(quiet du -a -l . | cut -f 2 | sort)"
}

listed() {
	quiet ls -lR . >/dev/null
	is "cache cache/v d/e/found" "$(quiet getfattr -R -h -d -m '^user' . |
		sed -n 's/^# file: //p' | sort | paste -sd ' ' -)"
	is 116 "$(quiet getfacl -R . | grep -c '^# file: ')"
}

read_all() {
	populated
	searched
	nothing_taken
	found
	nothing_taken
	measured
	nothing_taken
	listed
	nothing_taken
}

@test "grep -r, find -exec md5sum, du, ls -lR, getfattr -R, getfacl -R" {
	tools grep find md5sum du getfattr getfacl
	walking read_all
}

# ---- copies and archives -------------------------------------------------------

by_cp() {
	local to

	to=$(somewhere)
	quiet cp -a "$POOL" "$to/all"
	copied all_of "$to/all"
}

by_tar() {
	local to

	to=$(somewhere)
	quiet tar -C "$POOL" --acls --xattrs -cSf "$W/tar" .
	quiet tar -C "$to" --acls --xattrs -xpf "$W/tar"
	copied all_of "$to"
}

by_rsync() {
	local to

	to=$(somewhere)
	quiet rsync -aHAX "$POOL/" "$to"
	copied all_of "$to"
	is "" "$(quiet rsync -aHAXni --delete --checksum "$POOL/" "$to")"
	# and the other way: what is not there is removed
	: >extra
	mkdir -p extra.d/e
	quiet rsync -aHAX --delete "$to/" "$POOL"
	copied all_of "$to"
}

# cpio knows no attributes, and times of files only.
with_times() {
	names "$1"
	(cd "$1" && find . -type f -printf '%P %m %U %G %T@\n' | sort)
}

by_cpio() {
	local to

	to=$(somewhere)
	find . -depth -print0 >"$W/list"
	quiet cpio -0 -o -H newc --quiet <"$W/list" >"$W/cpio"
	(cd "$to" && quiet cpio -i -d -m --quiet <"$W/cpio")
	copied with_times "$to"
}

by_zip() {
	# it would read from a FIFO, or say that it does not
	rm d/fifo
	quiet zip -q -r -y "$W/all.zip" .
	is "$(find . -mindepth 1 -printf '%P\n' | sort)" \
		"$(quiet zip -sf "$W/all.zip" | sed -n 's:^  ::; T; s:/$::; p' |
			sort)"
	nothing_taken
}

copies() {
	populated
	by_cp
	by_tar
	by_rsync
	by_cpio
	by_zip
}

@test "cp -a, tar, rsync -aHAX, cpio, zip -r" {
	tools cp tar rsync cpio zip
	walking copies
}

# ---- changes -------------------------------------------------------------------

# boxes_are: what a change of all that is listed leaves alone.
boxes_are() {
	find "$POOL/box" "$POOL/.pool" -printf '%p %m %U %G\n' | sort
}

owned() {
	local before owner

	before=$(boxes_are)
	quiet chmod -R u+rwX,go-w .
	is "$before" "$(boxes_are)"
	is "" "$(find . ! -type l -perm /022)"
	owner=$(id -u):$(id -g)
	[[ $EUID != 0 ]] || owner=1234:4321
	quiet chown -R "$owner" .
	is "$owner" "$(find . -printf '%U:%G\n' | sort -u)"
	is "$before" "$(boxes_are)"
	nothing_taken
}

moved() {
	local to before

	shopt -s dotglob
	to=$(somewhere)
	touch -d @1000000000 .
	chmod --reference="$to" .
	chown --reference="$to" .
	before=$(all_of .)
	quiet mv -- * "$to"
	is "" "$(names_in .)"
	as_listed . "$to"
	touch -d @1000000000 "$to"
	is "$before" "$(all_of "$to")"
	quiet mv "$to"/* .
	is "" "$(names_in "$to")"
	touch -d @1000000000 .
	is "$before" "$(all_of .)"
	shopt -u dotglob
	nothing_taken
}

# cleared DIR: removes all that is in it.
cleared() {
	local out

	out=$(timeout -k 1 120 rm -rf "$1"/* "$1"/.[!.]* 2>&1) ||
		fail "rm gave $?: $out"
	is "" "$out"
	is "" "$(names_in "$1")"
}

changes() {
	populated
	owned
	moved
	cleared "$POOL"
	as_listed .
	nothing_taken
	is "a needle, sent" "$(cat box/mail/tx/1)"
	mkdir -p d/e
	: >d/e/f
	quiet find . -mindepth 1 -delete
	is "" "$(names_in .)"
	nothing_taken
}

@test "chown -R, chmod -R, mv of all and back, rm -rf of all, find -delete" {
	tools chown chmod mv rm find
	walking changes
}

# ---- a directory that has to be empty ------------------------------------------

# The user that a database runs as.
own_root() {
	local id way others

	id=$(id -u "$POOLFS_TEST_USER")
	[[ $EUID == 0 ]] || id=$(id -u)
	need fuse
	for way in $(ways); do
		others=allow_other,
		[[ $way == root/* ]] || others=
		in_way "$way" "$1" -o "${others}uid=$id,mode=0700"
	done
}

# by_owner CMD...
by_owner() {
	if [[ $EUID == 0 ]]; then
		as_user "$@"
	else
		"$@"
	fi
}

# As initdb makes a cluster: the directory has to be the user's and empty, is
# closed to others, and gets directories and files, which are synchronized.
as_initdb() {
	is "" "$(by_owner ls -A "$POOL")"
	is "700 2" "$(stat -c '%a %h' "$POOL")"
	by_owner chmod 700 "$POOL"
	by_owner bash -ec 'cd "$1" && umask 077 && mkdir base base/1 global pg_wal
		echo 15 >PG_VERSION && seq 100000 >base/1/1 && ln -s ../base pg_wal/b
		sync base/1/1 base base/1 global pg_wal PG_VERSION .' - "$POOL"
	is "PG_VERSION base global pg_wal" "$(by_owner ls -A "$POOL" |
		LC_ALL=C sort | paste -sd ' ' -)"
	is "5 $(by_owner id -u)" "$(stat -c '%h %u' "$POOL")"
	[[ $EUID != 0 ]] || fails as_id 54321 54321 ls "$POOL" 2>/dev/null
}

@test "what a database wants of a directory: empty, its own, and closed" {
	own_root as_initdb
}

has_initdb() {
	INITDB=$(command -v initdb || ls /usr/lib/postgresql/*/bin/initdb |
		tail -n 1) 2>/dev/null
	[[ -x $INITDB ]]
}

real_initdb() {
	has_initdb
	by_owner timeout 200 "$INITDB" -D "$POOL" -A trust -E UTF8 --locale=C \
		--no-instructions >"$W/said" 2>&1 || fail "$(<"$W/said")"
	by_owner test -s "$POOL/PG_VERSION"
	by_owner rm -rf "$POOL"/*
}

# bats test_tags=slow
@test "initdb, where there is one" {
	has_initdb || skip "PostgreSQL is not installed"
	own_root real_initdb
}
