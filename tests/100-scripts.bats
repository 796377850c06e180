#!/usr/bin/env bats
# SPDX-License-Identifier: GPL-2.0-or-later
#
# What people use and read: scripts, installation, manual pages.

load helpers

SCRIPTS=$TOP/scripts

teardown() {
	clean_up
}

# start MODE: a pool with a box in it.
start() {
	pool_start --mode="$1"
	box=$POOL/box/mail
	mkdir "$box"
}

# demo CMD...: without the descriptors of bats, which its pool would keep open.
demo() {
	"$@" </dev/null 3>&- 4>&-
}

# demo_run [CMD...]: runs the demo on what is built; what it prints is in
# $output.
demo_run() {
	run demo "$@" timeout -k 5 400 "$SCRIPTS/demo" --no-deps $demo_args
	echo "$output"
	[[ $status == 0 ]]
	[[ $output == *"they are what was sent"* ]]
	[[ $output == *"were kept are whole"* ]]
	[[ $output == *"== Done"* ]]
}

# pages LINE: "FREE AVAILABLE USED" in the LINEth line that tells of them.
pages() {
	sed -n 's/.*Free \([0-9]*\), Available \([0-9]*\), Used \([0-9]*\).*/\1 \2 \3/p' \
		<<<"$output" | sed -n "$1p"
}

# The pages that the demo has shown: used, then Available, then Free.
check_pages() {
	local free available used

	read -r free available used < <(pages 1)
	[[ $available == 0 && $used == 0 ]]
	read -r free available used < <(pages 2)
	((used >= 2900))
	read -r free available used < <(pages 3)
	((available >= 2700 && used < 300))
	read -r free available used < <(pages 4)
	((free >= 3500 && available <= 300 && used < 300))
}

# ---- demo ----------------------------------------------------------------

# bats test_tags=alone,once
@test "demo: real pressure, and it leaves nothing behind" {
	need fuse real_pressure
	tmp
	demo_args=
	demo_run env TMPDIR="$POOL_TMP"
	[[ $output == *"This is real"* ]]
	[[ $output == *'"event":"pressure-begin"'* ]]
	check_pages
	fails grep -q "$POOL_TMP" /proc/self/mountinfo
	fails compgen -G "$POOL_TMP/poolfs-demo.*"
}

# bats test_tags=slow
@test "demo: simulated pressure says that it is" {
	need fuse
	demo_args=--simulated
	demo_run
	[[ $output == *"This is SIMULATED"* ]]
	[[ $output != *"This is real"* ]]
	check_pages
}

# bats test_tags=slow
@test "demo: as an ordinary user, in cached mode" {
	need user_mount
	user_setup
	demo_args=
	[[ $EUID == 0 ]] || demo_args=--simulated
	demo_run as_user
	[[ $output == *"mode cached"* ]]
	[[ $output == *"This is SIMULATED"* ]]
	check_pages
}

@test "demo: interrupted, it takes everything away" {
	need fuse
	tmp
	background env TMPDIR="$POOL_TMP" setsid "$SCRIPTS/demo" --no-deps \
		--simulated >"$POOL_TMP/log" 2>&1
	wait_until 20 grep -q '^== Send' "$POOL_TMP/log"
	kill -TERM "$BG_PID"
	wait_until 20 not_running "$BG_PID"
	cat "$POOL_TMP/log"
	fails grep -q '^== Done' "$POOL_TMP/log"
	fails grep -q "$POOL_TMP" /proc/self/mountinfo
	fails compgen -G "$POOL_TMP/poolfs-demo.*"
}

@test "demo: a wrong option is status 2" {
	run "$SCRIPTS/demo" --nothing
	[[ $status == 2 && $output == usage:* ]]
}

# ---- send-many and poolfs-recv -------------------------------------------

@test "send-many prints what it sends, of the size that was asked for" {
	need fuse
	for mode in $MODES; do
		start "$mode"
		timeout 60 "$SCRIPTS/send-many" -p "$box" 20 100 >"$POOL_TMP/sent"
		[[ $(stat -c %s "$POOL_TMP/sent") == 2000 ]]
		[[ $(ls "$box/tx" | wc -l) == 20 ]]
		grep -q '^transaction 1 of 20 *$' "$box"/tx/1
		[[ $(stat -c %s "$box/tx/20") == 100 ]]
		pool_stop
	done
}

@test "send-many refuses what is no box, and nonsense" {
	tmp
	run "$SCRIPTS/send-many" "$POOL_TMP" 1
	[[ $status == 1 && $output == *"not a box"* ]]
	for args in "" "x" "x y" "x 1 0" "x -1" "x 1 2 3"; do
		run "$SCRIPTS/send-many" $args
		[[ $status == 2 && $output == usage:* ]]
	done
}

@test "poolfs-recv hands each payload to the command, in order, and frees it" {
	need fuse
	for mode in $MODES; do
		start "$mode"
		timeout 60 "$SCRIPTS/send-many" -p "$box" 30 5000 >"$POOL_TMP/sent"
		timeout 100 "$SCRIPTS/poolfs-recv" -n 30 "$box" >"$POOL_TMP/got"
		cmp "$POOL_TMP/sent" "$POOL_TMP/got"
		[[ -z $(ls "$box/tx") ]]
		[[ $(json transactions.delivered "$box/stat") == 0 ]]
		pool_stop
	done
}

@test "poolfs-recv waits for what is sent later, and ends with the box" {
	need fuse
	start cached
	background timeout 100 "$SCRIPTS/poolfs-recv" "$box" >"$POOL_TMP/got"
	sleep 0.3
	echo one >"$box/send"
	echo two >"$box/send"
	wait_until 10 grep -q two "$POOL_TMP/got"
	wait_until 5 test ! -e "$box/tx/2"
	rmdir "$box"
	wait_until 10 not_running "$BG_PID"
	wait "$BG_PID"
	[[ $(cat "$POOL_TMP/got") == $'one\ntwo' ]]
}

@test "poolfs-recv tells the command what the header says" {
	need fuse
	start cached
	printf 123456789 >"$box/send"
	printf abc >"$box/send"
	timeout 60 "$SCRIPTS/poolfs-recv" -k -n 2 "$box" \
		sh -c 'echo "$POOL_ID $POOL_OFFSET $POOL_SIZE $POOL_UID $POOL_GID"
			test "$POOL_PID" -gt 0
			test "$(cat "$POOL_TX")" = "$(cat)"
			tail -c +$((POOL_OFFSET + 1)) "$POOL_DATA" |
				head -c "$POOL_SIZE" | cmp - "$POOL_TX"
			test "$POOL_BOX/data" = "$POOL_DATA"
			echo "$POOL_TIME" >&2' \
		>"$POOL_TMP/got" 2>"$POOL_TMP/times"
	cat "$POOL_TMP/got"
	[[ $(cat "$POOL_TMP/got") == "1 0 9 $EUID $(id -g)
2 16 3 $EUID $(id -g)" ]]
	# the times are now, and in order
	sort -c -n "$POOL_TMP/times"
	awk -v now="$EPOCHSECONDS" '{ if (now - $1 > 60 || $1 - now > 1) exit 1 }' \
		"$POOL_TMP/times"
	# -k has kept them
	[[ $(ls "$box/tx") == $'1\n2' ]]
}

@test "poolfs-recv keeps the transaction whose command fails, and goes on" {
	need fuse
	start cached
	for i in 1 2 3; do
		echo "$i" >"$box/send"
	done
	run timeout 60 "$SCRIPTS/poolfs-recv" -n 3 "$box" grep -v 2
	echo "$output"
	[[ $status == 1 ]]
	[[ $output == *"grep failed; kept: $box/tx/2"* ]]
	[[ $(ls "$box/tx") == 2 ]]
	# with -s it stops there
	echo 4 >"$box/send"
	echo 5 >"$box/send"
	run timeout 60 "$SCRIPTS/poolfs-recv" -s -n 2 "$box" false
	[[ $status == 1 ]]
	[[ $(json transactions.queued "$box/stat") == 1 ]]
}

@test "poolfs-recv passes nothing of its own to the command" {
	need fuse
	start cached
	echo x >"$box/send"
	timeout 60 "$SCRIPTS/poolfs-recv" -n 1 "$box" \
		sh -c 'ls -l /proc/self/fd' >"$POOL_TMP/got"
	cat "$POOL_TMP/got"
	fails grep -q "/recv$" "$POOL_TMP/got"
}

@test "two poolfs-recv share a box: each transaction goes to one" {
	need fuse
	start cached
	for i in 1 2; do
		background timeout 100 "$SCRIPTS/poolfs-recv" "$box" \
			>"$POOL_TMP/got.$i"
	done
	timeout 60 "$SCRIPTS/send-many" -p "$box" 40 200 >"$POOL_TMP/sent"
	# ENOTEMPTY until the last one is freed
	wait_until 20 rmdir "$box"
	wait_until 10 not_running "$BG_PID"
	sort "$POOL_TMP"/got.* >"$POOL_TMP/all"
	sort "$POOL_TMP/sent" | cmp - "$POOL_TMP/all"
}

@test "poolfs-recv: wrong use" {
	run "$SCRIPTS/poolfs-recv"
	[[ $status == 2 && $output == usage:* ]]
	run "$SCRIPTS/poolfs-recv" -n x /
	[[ $status == 2 ]]
	run "$SCRIPTS/poolfs-recv" -q /
	[[ $status == 2 ]]
	run "$SCRIPTS/poolfs-recv" /nonexistent
	[[ $status == 1 ]]
	run "$SCRIPTS/poolfs-recv" -h
	[[ $status == 0 && $output == usage:* ]]
}

# ---- deps, install, manual -----------------------------------------------

@test "deps --check changes nothing and names what is missing" {
	run "$SCRIPTS/deps" --check
	[[ $status == 0 || $output == *missing* || $output == *"please install"* ]]
	run "$SCRIPTS/deps" --nonsense
	[[ $status == 2 ]]
}

# install_into DIR [VARIABLE=VALUE...]: without a build: POOLFS is installed, and
# POOLCTL.
install_into() {
	local dir=$1

	shift
	mkdir -p "$POOL_TMP/built"
	cp "$POOLFS" "$POOL_TMP/built/poolfs"
	cp "$POOLCTL" "$POOL_TMP/built/poolctl"
	# -o all: it is not to be built
	env -u MAKEFLAGS -u MAKELEVEL make -C "$TOP" -o all \
		BUILD="$POOL_TMP/built" DESTDIR="$dir" "$@"
}

@test "make install honours DESTDIR and PREFIX, and uninstall takes it back" {
	tmp
	install_into "$POOL_TMP/root" PREFIX=/usr install
	(cd "$POOL_TMP/root" && find . -type f -printf '%m %P\n' | sort -k 2) \
		>"$POOL_TMP/list"
	cat "$POOL_TMP/list"
	diff - "$POOL_TMP/list" <<-'END'
		755 usr/bin/poolctl
		755 usr/bin/poolfs
		755 usr/bin/poolfs-recv
		644 usr/include/poolfs.h
		644 usr/share/man/man1/poolctl.1
		644 usr/share/man/man1/poolfs-recv.1
		644 usr/share/man/man2/poolfs_range.2
		644 usr/share/man/man8/poolfs.8
	END
	"$POOL_TMP/root/usr/bin/poolfs" --version
	"$POOL_TMP/root/usr/bin/poolctl" --version
	"$POOL_TMP/root/usr/bin/poolfs-recv" -h
	install_into "$POOL_TMP/root" PREFIX=/usr uninstall
	[[ -z $(find "$POOL_TMP/root" -type f) ]]
	# the default prefix
	install_into "$POOL_TMP/other" install
	[[ -x $POOL_TMP/other/usr/local/bin/poolfs ]]
}

@test "the manual pages are without a warning" {
	command -v groff >/dev/null || skip_or_fail "no groff"
	for page in "$TOP"/docs/*.[128]; do
		run groff -man -ww -z -Tutf8 "$page"
		echo "$page: $output"
		[[ $status == 0 && -z $output ]]
		if command -v mandoc >/dev/null; then
			mandoc -T lint -W warning "$page"
		fi
	done
}

@test "the manual has every option, every file, and the version" {
	plain=$(sed 's/\\-/-/g' "$TOP/docs/poolfs.8")
	"$POOLFS" --help >"$BATS_TEST_TMPDIR/help"
	while read -r option; do
		grep -q -e "$option" <<<"$plain" || fail "no $option"
	done < <(grep -oE -e '--[a-z-]+|(size|store|mode|psi|min-free)=' \
		"$BATS_TEST_TMPDIR/help" | sort -u)
	version=$("$POOLFS" --version)
	grep -q "\"$version\"" <<<"$plain"
	need fuse
	pool_start
	mkdir "$POOL/box/a"
	for file in $(ls "$POOL/box/a") $(ls "$POOL/.pool"); do
		grep -qE "[/ .]$file(/|\$| |)" <<<"$plain" || fail "no $file"
	done
	for key in $(jq -r keys[] "$POOL/.pool/config"); do
		grep -q "$key" <<<"$plain" || fail "no $key"
	done
}

@test "formats.md has every field that the mount shows" {
	need fuse
	pool_start
	mkdir "$POOL/box/a"
	echo x >"$POOL/box/a/send"
	for file in box/a/stat .pool/stats .pool/config; do
		for key in $(jq -r '[paths | map(strings) | last] | unique[] | strings' \
			"$POOL/$file"); do
			grep -q -w "$key" "$TOP/docs/formats.md" ||
				fail "$file: $key is not in docs/formats.md"
		done
	done
	for key in $(jq -r '[paths | map(strings) | last] | unique[] | strings' \
		"$POOL/.pool/pressure"); do
		grep -q -w "$key" "$TOP/docs/formats.md" || fail "pressure: $key"
	done
	while read -r metric; do
		grep -q "\`$metric\`" "$TOP/docs/formats.md" || fail "$metric"
	done < <(sed -n 's/^# TYPE \([a-z_]*\) .*/\1/p' "$POOL/.pool/metrics")
}
