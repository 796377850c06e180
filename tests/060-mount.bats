#!/usr/bin/env bats
# SPDX-License-Identifier: GPL-2.0-or-later
#
# The command line, mount(8) and fstab, and every way in which a mount ends.

load helpers

teardown() {
	clean_up
}

# refused WORD OPTION...: exit status 2, a message that names WORD, no mount.
refused() {
	local word=$1

	shift
	run timeout 60 "$POOLFS" "$@"
	[ "$status" = 2 ] || fail "poolfs $*: status $status, not 2: $output"
	[[ $output == *"$word"* ]] || fail "poolfs $*: no '$word' in: $output"
	[[ $output == *poolfs* ]]
	fails is_mounted "$POOL"
}

# where: a mount point that poolfs was not asked to use yet; noted.
where() {
	tmp
	POOL=$(mktemp -d "$POOL_TMP/mnt.XXXXXX")
	chmod 755 "$POOL"
	POOL_AS=
	note "pool.${POOL//\//_}" "$POOL" 0
}

# noted: the pool that something else than pool_start has mounted on POOL.
noted() {
	wait_until 10 $POOL_AS pool_answers "$POOL"
	note "pool.${POOL//\//_}" "$POOL" "$(pool_pid keeper)"
}

# open_files PID
open_files() {
	local -a fds=("/proc/$1/fd"/*)

	echo ${#fds[@]}
}

# has_open_files PID NUMBER
has_open_files() {
	[ "$(open_files "$1")" = "$2" ]
}

# switches PID...: how often all their threads have slept so far.
switches() {
	local pid

	for pid; do
		cat "/proc/$pid/task"/*/status
	done | awk '/^voluntary_ctxt_switches/ { n += $2 } END { print n }'
}

# store_of PID: the directory that keeper has locked as its store, if one can
# be seen.
store_of() {
	local fd dir

	for fd in "/proc/$1/fd"/*; do
		dir=$(readlink "$fd") || continue
		if [[ -d $dir && $dir != "$TOP" && -e $dir/boxes ]]; then
			echo "$dir"
			return
		fi
	done
}

# keep_status FILE CMD...: what CMD ended with; its output is in FILE.out.
keep_status() {
	local file=$1 status=0

	shift
	"$@" >"$file.out" 2>&1 </dev/null || status=$?
	echo "$status" >"$file"
}

# waiters_start DIR: somebody in every kind of wait, with box/a of DIR.
waiters_start() {
	local dir=$1

	mkdir "$dir/box/a" "$dir/box/b"
	"$TOOLS/sendtx" --size 4M "$dir/box/a/send"
	background keep_status "$POOL_TMP/sender" \
		timeout 300 "$TOOLS/sendtx" --size 100 "$dir/box/a/send"
	background keep_status "$POOL_TMP/receiver" \
		timeout 300 cat "$dir/box/b/recv"
	background keep_status "$POOL_TMP/poller" \
		timeout 300 "$TOOLS/recvtx" --poll "$dir/box/b"
	background keep_status "$POOL_TMP/reader" \
		timeout 300 cat "$dir/.pool/events"
	wait_until 5 waiting "$dir" 3
	# the one in poll() is no request that waits
	wait_until 5 eval '[ "$(json open "$POOL/box/b/stat")" -ge 2 ]'
}

waiting() {
	[ "$(json waiting "$1/.pool/stats")" -ge "$2" ]
}

# waiters_ended: each as documented.
waiters_ended() {
	local who

	for who in sender receiver poller reader; do
		wait_until 10 test -s "$POOL_TMP/$who" ||
			fail "the $who still waits"
	done
	[ "$(<"$POOL_TMP/receiver")" = 0 ]
	[ ! -s "$POOL_TMP/receiver.out" ]
	[ "$(<"$POOL_TMP/reader")" = 0 ]
	[ "$(<"$POOL_TMP/sender")" != 0 ]
	[[ $(<"$POOL_TMP/sender.out") == *"write: ESHUTDOWN"* ]]
	# its descriptor is of no use any more, which poll() says
	[ "$(<"$POOL_TMP/poller")" != 0 ]
	[ "$(<"$POOL_TMP/poller")" != 124 ]
	rm -f "$POOL_TMP"/{sender,receiver,poller,reader}{,.out}
}

@test "--help and --version" {
	run "$POOLFS" --help
	[ "$status" = 0 ]
	local word
	for word in --store --mode --psi --min-free --foreground size= user_quota= \
		allow_other --version; do
		[[ $output == *"$word"* ]] || fail "--help has no $word"
	done
	[ "$("$POOLFS" -h 2>/dev/null)" = "$output" ]
	run "$POOLFS" --version
	[ "$status" = 0 ]
	[[ $output =~ ^poolfs\ [0-9]+\.[0-9]+\.[0-9]+$ ]]
	[ "$("$POOLFS" -V)" = "$output" ]
}

@test "a bad option is named, with status 2" {
	where
	refused --bogus --bogus "$POOL"
	refused "'Z'" -Z "$POOL"
	refused bogus -o bogus "$POOL"
	refused bogus=1 -o size=64M,bogus=1 "$POOL"
	refused "size=12q" -o size=12q "$POOL"
	refused "size=-1" -o size=-1 "$POOL"
	refused "size=" -o size= "$POOL"
	refused "size=" -o size=1 "$POOL"
	refused "size=101%" -o size=101% "$POOL"
	refused "size=99999999999999999999" -o size=99999999999999999999 \
		"$POOL"
	refused "size=17179869184G" -o size=17179869184G "$POOL"
	refused "user_quota=0" -o user_quota=0 "$POOL"
	refused "user_quota=101" -o user_quota=101 "$POOL"
	refused "user_quota=1%" -o user_quota=1% "$POOL"
	refused "user_quota=" -o user_quota= "$POOL"
	refused "mode=fast" --mode=fast "$POOL"
	refused "mode=fast" -o mode=fast "$POOL"
	refused "min-free" --min-free=lots "$POOL"
	refused "user_id=0" -o user_id=0 "$POOL"
	refused "'--store'" "$POOL" --store
	refused "store" --store= "$POOL"
	refused "store" -o store= "$POOL"
	refused "size= with --store" --store "$POOL_TMP" -o size=8M \
		--mode=passthrough "$POOL"
	refused "psi" --psi= "$POOL"
	[ -z "$(ls -A "$POOL")" ]
}

@test "a bad mount point is named, with status 2" {
	where
	refused "mounted on"
	refused "$POOL/absent" "$POOL/absent"
	refused "absent: No such" source "$POOL/absent"
	refused third first second third
	touch "$POOL_TMP/file"
	refused "file: Not a directory" "$POOL_TMP/file"
	fails is_mounted "$POOL_TMP/file"
}

@test "a store that cannot be used is named" {
	where
	run timeout 60 "$POOLFS" --store "$POOL_TMP/absent" "$POOL"
	[ "$status" = 1 ]
	[[ $output == *"$POOL_TMP/absent: No such"* ]]
	touch "$POOL_TMP/file"
	run timeout 60 "$POOLFS" --store "$POOL_TMP/file" "$POOL"
	[ "$status" = 1 ]
	[[ $output == *"$POOL_TMP/file: Not a directory"* ]]
	fails is_mounted "$POOL"
}

@test "-f stays in the foreground and ends with status 0" {
	local signal status
	for signal in TERM INT HUP umount; do
		where
		background timeout 300 "$POOLFS" -f "$POOL" \
			>"$POOL_TMP/out" 2>&1
		noted
		# the process itself: our child's child
		[ "$(ps -o ppid= -p "$(pool_pid keeper)" | tr -d ' ')" = \
			"$BG_PID" ]
		if [[ $signal == umount ]]; then
			timeout 60 umount "$POOL"
		else
			kill -"$signal" "$(pool_pid keeper)"
		fi
		status=0
		wait "$BG_PID" || status=$?
		[ "$status" = 0 ] || fail "$signal: status $status"
		fails grep -v 'without CAP_' "$POOL_TMP/out"
		fails is_mounted "$POOL"
	done
}

@test "without -f the mount answers when the command returns" {
	local mode
	for mode in $MODES; do
		where
		timeout 60 "$POOLFS" --mode="$mode" "$POOL" \
			>"$POOL_TMP/out" 2>&1 3>&-
		is_mounted "$POOL"
		[ "$(json mode "$POOL/.pool/stats")" = "$mode" ]
		fails grep -v 'without CAP_' "$POOL_TMP/out"
		noted
		pool_stop
	done
}

@test "size= limits what regions hold, and df and statfs show it" {
	local mode i
	for mode in $MODES; do
		pool_start --mode="$mode" -o size=16M
		[ "$(json size "$POOL/.pool/stats")" = $((16 << 20)) ]
		[ "$(df --output=size "$POOL" | tail -n 1)" -eq 16384 ]
		[ "$(df --output=used "$POOL" | tail -n 1)" -eq 0 ]
		[[ $(df --output=source,fstype "$POOL" | tail -n 1) == \
			*poolfs*fuse.poolfs* ]]
		mkdir "$POOL"/box/{1,2,3,4,5}
		for i in 1 2 3; do
			"$TOOLS/sendtx" --size 4M "$POOL/box/$i/send"
		done
		[ "$(df --output=used "$POOL" | tail -n 1)" -eq 12288 ]
		[ "$(df --output=avail "$POOL" | tail -n 1)" -eq 4096 ]
		"$TOOLS/sendtx" --size 4M "$POOL/box/4/send"
		run timeout 60 "$TOOLS/sendtx" --size 4M "$POOL/box/5/send"
		[ "$status" = 14 ] || fail "no ENOSPC: $status, $output"
		# what nobody needs is there for whoever asks
		rm "$POOL"/box/1/tx/*
		[ "$(df --output=avail "$POOL" | tail -n 1)" -eq 4096 ]
		timeout 60 "$TOOLS/sendtx" --size 4M "$POOL/box/5/send"
		pool_stop
	done
}

@test "size= in percent, and the default" {
	local total
	total=$(($(awk '/^MemTotal:/ { print $2 }' /proc/meminfo) * 1024))
	pool_start -o size=10%
	[ "$(json size "$POOL/.pool/stats")" -le $((total / 10)) ]
	[ "$(json size "$POOL/.pool/stats")" -gt $((total / 11)) ]
	pool_stop
	pool_start
	[ "$(json size "$POOL/.pool/stats")" -le $((total / 2 + 4096)) ]
	[ "$(json size "$POOL/.pool/stats")" -gt $((total / 3)) ]
	pool_stop
}

@test "--mode=passthrough is refused to who cannot have it" {
	need user_mount
	where
	user_setup
	chown "$POOLFS_TEST_USER" "$POOL"
	run as_user timeout 60 "$POOLFS" --mode=passthrough "$POOL"
	[ "$status" = 1 ]
	[[ $output == *"--mode=passthrough"*CAP_SYS_ADMIN* ]]
	wait_until 2 eval '! is_mounted "$POOL"'
	wait_until 5 nothing_in "$USER_RUN"
	# auto takes what there is
	pool_as_user_start
	[ "$(as_user json mode "$POOL/.pool/stats")" = cached ]
	pool_stop
}

# mount(8) gives its helpers no PATH but the shell's own, so what "make install"
# made becomes /usr/local/bin, in a name space of its own.
# inside SCRIPT: there, with POOL, and POOL_TMP.
inside() {
	need root private_mounts
	where
	make -s -C "$TOP" -o all BUILD="${POOLFS%/poolfs}" \
		DESTDIR="$POOL_TMP/dest" PREFIX=/usr/local install
	# shellcheck disable=SC2016
	timeout 300 unshare -m --propagation private bash -ec '
		. "$1/tests/helpers.bash"
		trap "umount -l \"$2\" 2>/dev/null || true" EXIT
		POOL=$2
		POOL_TMP=$3
		mount --bind "$POOL_TMP/dest/usr/local/bin" /usr/local/bin
		eval "$4"
	' - "$TOP" "$POOL" "$POOL_TMP" "$1" 3>&- 4>&-
	forget "pool.${POOL//\//_}"
}

# shellcheck disable=SC2016
@test "mount -t fuse.poolfs with options" {
	inside '
		timeout 60 mount -t fuse.poolfs -o \
			size=64M,mode=cached,allow_other,min-free=3M,noexec \
			mypool "$POOL"
		wait_until 10 pool_answers "$POOL"
		grep " $POOL .*noexec.* - fuse.poolfs mypool .*allow_other" \
			/proc/self/mountinfo
		[ "$(json size "$POOL/.pool/stats")" = $((64 << 20)) ]
		[ "$(json mode "$POOL/.pool/stats")" = cached ]
		[ "$(json min_free "$POOL/.pool/config")" = $((3 << 20)) ]
		keeper=$(json keeper "$POOL/.pool/stats")
		timeout 60 umount "$POOL"
		wait_until 5 not_running "$keeper"
		status=0
		timeout 60 mount -t fuse.poolfs -o bogus mypool "$POOL" \
			>"$POOL_TMP/out" 2>&1 || status=$?
		[ "$status" != 0 ]
		grep "bogus: no such option" "$POOL_TMP/out"
	'
}

# shellcheck disable=SC2016
@test "mount -o remount, as mount(8) has it done" {
	inside '
		timeout 60 mount -t fuse.poolfs -o size=64M mypool "$POOL"
		wait_until 10 pool_answers "$POOL"
		timeout 60 mount -o remount,size=32M,noexec,mode=0700 "$POOL"
		[ "$(json size "$POOL/.pool/config")" = $((32 << 20)) ]
		[ "$(stat -c %a "$POOL")" = 700 ]
		findmnt -no OPTIONS "$POOL" | grep noexec
		timeout 60 mount -o remount,ro "$POOL"
		fails touch "$POOL/f"
		[ "$(json size "$POOL/.pool/config")" = $((32 << 20)) ]
		timeout 60 mount -o remount,rw,size=40M "$POOL"
		touch "$POOL/f"
		[ "$(json size "$POOL/.pool/config")" = $((40 << 20)) ]
		findmnt -no OPTIONS "$POOL" | grep noexec
		echo "mypool $POOL fuse.poolfs defaults,noauto,size=48M 0 0" \
			>"$POOL_TMP/fstab"
		timeout 60 mount -T "$POOL_TMP/fstab" -o remount "$POOL"
		[ "$(json size "$POOL/.pool/config")" = $((48 << 20)) ]
	'
}

# shellcheck disable=SC2016
@test "a line of fstab" {
	inside '
		mkdir "$POOL_TMP/store"
		echo "cache $POOL fuse.poolfs defaults,noauto,nofail,_netdev,size=32M,store=$POOL_TMP/store,mode=cached,x-test=1 0 0" \
			>"$POOL_TMP/fstab"
		timeout 60 mount -T "$POOL_TMP/fstab" "$POOL"
		wait_until 10 pool_answers "$POOL"
		grep " $POOL .* - fuse.poolfs cache " /proc/self/mountinfo
		[ "$(json size "$POOL/.pool/stats")" = $((32 << 20)) ]
		[ -e "$POOL_TMP/store/boxes" ]
		keeper=$(json keeper "$POOL/.pool/stats")
		timeout 60 umount "$POOL"
		wait_until 5 not_running "$keeper"
	'
}

@test "SIGTERM ends a pool cleanly, whoever waits" {
	local mode
	for mode in $MODES; do
		pool_start --mode="$mode"
		waiters_start "$POOL"
		pool_stop
		waiters_ended
	done
}

@test "SIGINT ends a pool cleanly, whoever waits" {
	local mode keeper worker
	for mode in $MODES; do
		pool_start --mode="$mode"
		waiters_start "$POOL"
		keeper=$(pool_pid keeper)
		worker=$(pool_pid worker)
		kill -INT "$keeper"
		wait_until 10 not_running "$keeper"
		wait_until 2 not_running "$worker"
		fails is_mounted "$POOL"
		waiters_ended
	done
}

@test "SIGTERM to the worker alone is no end" {
	local mode worker
	for mode in $MODES; do
		pool_start --mode="$mode"
		mkdir "$POOL/box/a"
		worker=$(pool_pid worker)
		kill -TERM "$worker"
		wait_until 5 not_running "$worker"
		[ -d "$POOL/box/a" ]
		[ "$(pool_pid worker)" != "$worker" ]
		pool_stop
	done
}

@test "umount of a busy mount is EBUSY and harms nobody" {
	local mode
	for mode in $MODES; do
		pool_start --mode="$mode"
		mkdir "$POOL/box/a"
		background timeout 300 "$TOOLS/recvtx" "$POOL/box/a" \
			>"$POOL_TMP/got"
		wait_until 5 waiting "$POOL" 1
		run timeout 60 umount "$POOL"
		[ "$status" = 32 ]
		[[ $output == *busy* ]]
		is_mounted "$POOL"
		timeout 60 "$TOOLS/sendtx" --text "still here" \
			"$POOL/box/a/send"
		wait "$BG_PID"
		[ "$(<"$POOL_TMP/got")" = "still here" ]
		# a mapping alone keeps it, too, or has its content to the end
		pool_stop
	done
}

@test "a mount that follows another at once is left alone by the old keeper" {
	local i
	pool_start
	for i in {1..10}; do
		umount "$POOL"
		pool_mount
	done
	# the last of the old keepers has ended, whatever it does then
	sleep 0.5
	is_mounted "$POOL"
	[ "$(json restarts "$POOL/.pool/stats")" = 0 ]
	pool_stop
}

@test "umount -f: who waits gets an error, and nothing is left" {
	local mode keeper
	need root
	for mode in $MODES; do
		pool_start --mode="$mode"
		keeper=$(pool_pid keeper)
		mkdir "$POOL/box/a"
		background timeout 300 "$TOOLS/recvtx" "$POOL/box/a"
		wait_until 5 waiting "$POOL" 1
		# it says busy, and has cut the connection all the same
		timeout 60 umount -f "$POOL" || true
		fails wait "$BG_PID"
		wait_until 10 not_running "$keeper"
		wait_until 5 fails is_mounted "$POOL"
	done
}

@test "umount of an idle mount ends both processes" {
	local mode keeper worker
	for mode in $MODES; do
		pool_start --mode="$mode"
		mkdir "$POOL/box/a"
		"$TOOLS/sendtx" --size 1M "$POOL/box/a/send"
		keeper=$(pool_pid keeper)
		worker=$(pool_pid worker)
		timeout 60 umount "$POOL"
		wait_until 10 not_running "$keeper"
		wait_until 2 not_running "$worker"
	done
}

@test "umount -l: who waits goes on waiting, and then all ends" {
	local mode keeper worker
	for mode in $MODES; do
		pool_start --mode="$mode"
		keeper=$(pool_pid keeper)
		worker=$(pool_pid worker)
		mkdir "$POOL/box/a"
		background timeout 300 "$TOOLS/recvtx" "$POOL/box/a" \
			>"$POOL_TMP/got"
		wait_until 5 waiting "$POOL" 1
		exec 7>"$POOL/box/a/send"
		timeout 60 umount -l "$POOL"
		fails is_mounted "$POOL"
		kill -0 "$BG_PID"
		echo "by the back door" >&7
		fails not_running "$keeper"
		exec 7>&-
		wait "$BG_PID"
		[ "$(<"$POOL_TMP/got")" = "by the back door" ]
		wait_until 10 not_running "$keeper"
		wait_until 2 not_running "$worker"
	done
}

@test "a mapping keeps its content when the pool has ended" {
	local mode
	for mode in $MODES; do
		pool_start --mode="$mode"
		mkdir "$POOL/box/a"
		"$TOOLS/sendtx" --size 64K "$POOL/box/a/send"
		background timeout 300 "$TOOLS/mapread" --sum --hold 50 \
			"$POOL/box/a/data" 0 65536 >"$POOL_TMP/sums"
		wait_until 5 test -s "$POOL_TMP/sums"
		pool_stop
		# timeout(1) hands signals on
		kill -USR1 "$(pgrep -P "$BG_PID")"
		wait_until 5 eval '[ "$(wc -l <"$POOL_TMP/sums")" = 2 ]'
		[ "$(sort -u "$POOL_TMP/sums" | wc -l)" = 1 ]
		kill "$BG_PID"
	done
}

@test "--store DIR outlives a stop and a start" {
	local mode sum_a sum_b id store
	for mode in $MODES; do
		tmp
		store=$POOL_TMP/store.$mode
		mkdir "$store"
		pool_start --mode="$mode" --store "$store"
		mkdir -m 700 "$POOL/box/a"
		mkdir "$POOL/box/b"
		truncate -s 1M "$POOL/box/b/data"
		"$TOOLS/sendtx" --size 300000,5,0,70000 --count 4 \
			"$POOL/box/a/send"
		"$TOOLS/sendtx" --text "in b" "$POOL/box/b/send"
		# one of them is delivered already
		id=$("$TOOLS/recvtx" --timeout 60 --header "$POOL/box/a" |
			json id)
		sum_a=$(cd "$POOL/box/a/tx" && sha256sum -- *)
		sum_b=$(cd "$POOL/box/b/tx" && sha256sum -- *)
		pool_stop

		pool_start --mode="$mode" --store "$store"
		[ "$(cd "$POOL/box/a/tx" && sha256sum -- *)" = "$sum_a" ]
		[ "$(cd "$POOL/box/b/tx" && sha256sum -- *)" = "$sum_b" ]
		[ "$(stat -c %a "$POOL/box/a")" = 700 ]
		[ "$(stat -c %s "$POOL/box/b/data")" = $((1 << 20)) ]
		[ "$(json transactions.queued "$POOL/box/a/stat")" = 3 ]
		[ "$(json transactions.delivered "$POOL/box/a/stat")" = 1 ]
		[ -e "$POOL/box/a/tx/$id" ]
		[ "$("$TOOLS/recvtx" --timeout 60 --header "$POOL/box/a" |
			json size)" = 5 ]
		[ "$("$TOOLS/recvtx" --timeout 60 --free "$POOL/box/b")" = \
			"in b" ]
		rmdir "$POOL/box/b"
		pool_stop

		# nor does it matter in which mode
		pool_start --mode=cached --store "$store"
		[ "$(ls "$POOL/box")" = a ]
		[ "$(cd "$POOL/box/a/tx" && sha256sum -- *)" = "$sum_a" ]
		pool_stop
	done
}

@test "--store DIR with size=: plain files are held to it" {
	local store
	tmp
	store=$POOL_TMP/store
	mkdir "$store"
	pool_start --store "$store" -o size=16M
	[ "$(json mode "$POOL/.pool/stats")" = cached ]
	run timeout 60 dd if=/dev/zero of="$POOL/f" bs=1M count=32 status=none
	[ "$status" = 1 ]
	[[ $output == *"No space left on device"* ]]
	(($(stat -c %s "$store/tree/files/f") <= 16 << 20))
	rm "$POOL/f"
	dd if=/dev/zero of="$POOL/f" bs=1M count=8 status=none
	pool_stop
}

@test "--store DIR after a kill -9 of both processes" {
	local mode sum store keeper worker
	for mode in $MODES; do
		tmp
		store=$POOL_TMP/store.$mode
		mkdir "$store"
		pool_start --mode="$mode" --store "$store"
		mkdir "$POOL/box/a"
		"$TOOLS/sendtx" --size 300000,5,0,70000 --count 8 \
			"$POOL/box/a/send"
		sum=$(cd "$POOL/box/a/tx" && sha256sum -- *)
		# a sender that is half way has not sent anything
		exec 7>"$POOL/box/a/send"
		echo "half" >&7
		keeper=$(pool_pid keeper)
		worker=$(pool_pid worker)
		kill -STOP "$worker"
		kill -KILL "$keeper" "$worker"
		exec 7>&-
		wait_until 5 not_running "$worker"
		timeout 60 umount -l "$POOL" || true
		pool_start --mode="$mode" --store "$store"
		[ "$(cd "$POOL/box/a/tx" && sha256sum -- *)" = "$sum" ]
		[ "$(json transactions.writing "$POOL/box/a/stat")" = 0 ]
		[ "$(json pages.used "$POOL/box/a/stat")" -gt 0 ]
		rm "$POOL"/box/a/tx/*
		[ "$(json pages.used "$POOL/box/a/stat")" = 0 ]
		pool_stop
	done
}

@test "a store has one pool, and no other readers" {
	tmp
	mkdir -m 755 "$POOL_TMP/store"
	pool_start --store "$POOL_TMP/store"
	local first=$POOL
	mkdir "$POOL/box/a"
	"$TOOLS/sendtx" --text secret "$POOL/box/a/send"
	mkdir "$POOL_TMP/second"
	run timeout 60 "$POOLFS" --store "$POOL_TMP/store" "$POOL_TMP/second"
	[ "$status" = 1 ]
	[[ $output == *"$POOL_TMP/store: another poolfs uses it"* ]]
	fails is_mounted "$POOL_TMP/second"
	[ -d "$first/box/a" ]
	# nothing of it can be read by anybody else
	if has_root; then
		[ -z "$(as_user find "$POOL_TMP/store" -mindepth 1 -readable)" ]
		fails as_user ls "$POOL_TMP/store/box"
	fi
	# what has modes of its own lies in a directory that lets nobody in
	[ "$(stat -c %a "$POOL_TMP/store/tree")" = 700 ]
	[ -z "$(find "$POOL_TMP/store" -mindepth 1 -path "*/tree/*" -prune -o \
		-perm /077 -print)" ]
	pool_stop
}

@test "the store of root is nowhere to be found" {
	need root
	pool_start
	[ -z "$(store_of "$(pool_pid keeper)")" ]
	# /dev/shm and the like are as they were
	[ "$(grep -c poolfs /proc/self/mountinfo)" -ge 1 ]
	fails grep -q "tmpfs.*poolfs" /proc/self/mountinfo
	pool_stop
}

@test "an ordinary user's mount and store" {
	need user_mount
	pool_as_user_start
	local store
	store=$(echo "$USER_RUN"/poolfs-*)
	[ -d "$store" ]
	[ "$(stat -c '%a %U' "$store")" = "700 $POOLFS_TEST_USER" ]
	[ "$(stat -c %U "$POOL_TMP" 2>/dev/null)" = root ]
	grep -q " $POOL .* - fuse.poolfs .*user_id=$(id -u "$POOLFS_TEST_USER")" \
		/proc/self/mountinfo
	as_user mkdir "$POOL/box/a"
	as_user "$TOOLS/sendtx" --text mine "$POOL/box/a/send"
	[ "$(as_user "$TOOLS/recvtx" --timeout 60 "$POOL/box/a")" = mine ]
	# without allow_other it is theirs alone
	fails as_id 54321 54321 ls "$POOL/box"
	pool_stop
	[ ! -e "$store" ]
	wait_until 5 nothing_in "$USER_RUN"

	# the other way to end it
	pool_as_user_start
	local keeper worker
	keeper=$(pool_pid keeper)
	worker=$(pool_pid worker)
	as_user mkdir "$POOL/box/a"
	as_user timeout 60 fusermount3 -u "$POOL"
	wait_until 10 not_running "$keeper"
	wait_until 2 not_running "$worker"
	wait_until 5 nothing_in "$USER_RUN"
}

@test "an ordinary user without a run directory has a store in /dev/shm" {
	need user_mount
	where
	user_setup
	chown "$POOLFS_TEST_USER" "$POOL"
	POOL_AS=as_user
	as_user env XDG_RUNTIME_DIR=/nonexistent timeout 60 "$POOLFS" "$POOL" \
		>"$POOL_TMP/out" 2>&1 3>&- 4>&-
	noted
	local store
	store=$(store_of "$(pool_pid keeper)")
	[[ $store == /dev/shm/poolfs-* ]]
	[ "$(stat -c '%a %U' "$store")" = "700 $POOLFS_TEST_USER" ]
	pool_stop
	[ ! -e "$store" ]
}

@test "SIGTERM ends an ordinary user's pool, whoever waits" {
	need user_mount
	pool_as_user_start
	as_user mkdir "$POOL/box/a"
	background keep_status "$POOL_TMP/receiver" \
		as_user timeout 300 cat "$POOL/box/a/recv"
	wait_until 5 eval '[ "$(as_user json waiting "$POOL/.pool/stats")" -ge 1 ]'
	pool_stop
	wait_until 5 test -s "$POOL_TMP/receiver"
	[ "$(<"$POOL_TMP/receiver")" = 0 ]
	wait_until 5 nothing_in "$USER_RUN"
}

@test "kill -9 of the keeper: the worker cleans up" {
	local mode keeper worker
	for mode in $MODES; do
		pool_start --mode="$mode"
		waiters_start "$POOL"
		keeper=$(pool_pid keeper)
		worker=$(pool_pid worker)
		kill -KILL "$keeper"
		wait_until 10 not_running "$worker"
		wait_until 2 eval '! is_mounted "$POOL"'
		waiters_ended
	done
}

@test "kill -9 of an ordinary user's keeper: the worker cleans up" {
	need user_mount
	pool_as_user_start
	local keeper worker
	keeper=$(pool_pid keeper)
	worker=$(pool_pid worker)
	as_user mkdir "$POOL/box/a"
	as_user "$TOOLS/sendtx" --size 1M "$POOL/box/a/send"
	kill -KILL "$keeper"
	wait_until 10 not_running "$worker"
	wait_until 2 eval '! is_mounted "$POOL"'
	wait_until 5 nothing_in "$USER_RUN"
}

@test "allow_other lets other users in, by modes and owners" {
	need root
	pool_start -o allow_other
	chmod 755 "$POOL_TMP"
	as_user ls "$POOL/box"
	as_user mkdir "$POOL/box/theirs"
	[ "$(stat -c %U "$POOL/box/theirs")" = "$POOLFS_TEST_USER" ]
	mkdir -m 700 "$POOL/box/mine"
	fails as_user ls "$POOL/box/mine/tx"
	fails as_user rmdir "$POOL/box/mine"
	pool_stop
	pool_start
	fails as_user ls "$POOL/box"
	pool_stop
}

# bats test_tags=slow
@test "opening and closing leaks no descriptor" {
	local mode i n box worker files
	for mode in $MODES; do
		pool_start --mode="$mode"
		box=$POOL/box/a
		mkdir "$box"
		"$TOOLS/sendtx" --size 5000 "$box/send"
		worker=$(pool_pid worker)
		: <"$box/data"
		"$TOOLS/mapread" "$box/data" 0 4096 >/dev/null
		files=$(open_files "$worker")
		n=$(loops 1000)
		for ((i = 0; i < n; i++)); do
			: <"$box/data"
			: <"$box/recv"
			: <"$POOL/.pool/stats"
			: <"$POOL/.pool/events"
			: <"$box/tx/1" 2>/dev/null || :
		done
		for ((i = 0; i < n / 10; i++)); do
			: <"$box/stat"
			: >"$box/send"
			: >"$POOL/.pool/config"
		done
		rm "$box"/tx/*
		wait_until 5 has_open_files "$worker" "$files" ||
			fail "$mode: $files files, then $(open_files "$worker")"
		# those that look are open, too
		[ "$(json open "$box/stat")" -le 1 ]
		[ "$(json open "$POOL/.pool/stats")" -le 1 ]
		pool_stop
	done
}

# bats test_tags=alone,once
@test "an idle pool wakes up less than once a second" {
	local mode before after keeper worker seconds
	for mode in $MODES; do
		pool_start --mode="$mode"
		mkdir "$POOL/box/a"
		"$TOOLS/sendtx" --size 1M "$POOL/box/a/send"
		rm "$POOL"/box/a/tx/*
		background timeout 300 cat "$POOL/box/a/recv"
		background timeout 300 cat "$POOL/.pool/events"
		wait_until 5 waiting "$POOL" 2
		keeper=$(pool_pid keeper)
		worker=$(pool_pid worker)
		sleep 0.2
		seconds=$(lasting 4)
		before=$(switches "$keeper" "$worker")
		sleep "$seconds"
		after=$(switches "$keeper" "$worker")
		echo "# $mode: $((after - before)) in $seconds s" >&3
		((after - before < seconds))
		pool_stop
	done
}
