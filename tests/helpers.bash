# SPDX-License-Identifier: GPL-2.0-or-later
# shellcheck shell=bash disable=SC2034,SC2086
#
# Helpers of the bats suite.  A test file begins with "load helpers" and has
#
#	teardown() { clean_up; }
#
# so that whatever a test has started is ended, also when it fails.  All of it
# is noted in files under $POOLFS_STATE the moment it exists: what a killed test
# leaves behind, tests/run finds there, reports and removes.
#
# Variables a test may use:
#
#	POOLFS	the program			POOL	 the last mount point
#	POOLCTL	the one beside it
#	TOOLS	where tests/tools were built	POOL_TMP a directory all may enter
#	MODES	the modes that can run here	POOL_LOG what the pool has printed
#
# SOAK=1 makes "loops N" longer, a sanitizer shorter.  With QUICK=1 a test runs
# in one mode only.  CI=true or POOLFS_NO_SKIP=1 makes a skip for a missing
# feature a failure, unless POOLFS_MAY_SKIP, an extended regular expression,
# matches its reason.

TOP=$(cd "${BASH_SOURCE[0]%/*}/.." && pwd)
: "${POOLFS:=$TOP/build/poolfs}"
: "${POOLCTL:=${POOLFS%/*}/poolctl}"
: "${TOOLS:=$TOP/build/tests/tools}"
: "${POOLFS_STATE:=${BATS_RUN_TMPDIR:-/tmp/poolfs-state.$$}/state}"
: "${POOLFS_TEST_USER:=nobody}"
export POOLFS POOLCTL TOOLS POOLFS_STATE
mkdir -p "$POOLFS_STATE" 2>/dev/null || true # as_user may not, nor need to

# ---- small things --------------------------------------------------------

# fail MESSAGE: end the test as failed.
fail() {
	printf '%s\n' "$*" >&2
	return 1
}

# fails CMD...: CMD must fail.  (Bash does not end a test for "! CMD".)
fails() {
	if "$@"; then
		fail "should have failed: $*"
	fi
}

# skip_or_fail REASON: this test cannot run here.  Where everything should run,
# that is a failure.
skip_or_fail() {
	local strict=${POOLFS_NO_SKIP:-}

	[[ ${CI:-} == true ]] && strict=1
	if [[ $strict == 1 ]] &&
		! { [[ ${POOLFS_MAY_SKIP:-} ]] && [[ $1 =~ $POOLFS_MAY_SKIP ]]; }; then
		printf 'this test should run here, but: %s\n' "$1" >&2
		exit 1
	fi
	skip "$1"
}

# need FEATURE...: skip_or_fail unless has_FEATURE holds.  Who needs pressure
# has pools that hear of the machine's.
need() {
	local feature

	for feature; do
		[[ $feature != *psi && $feature != *pressure ]] ||
			MONITOR=machine
		[[ $feature != real_pressure ]] || must_be_alone
		"has_$feature" || skip_or_fail "no $feature"
	done
}

# must_be_alone: tests/run has the other tests wait for this one.
must_be_alone() {
	[[ ${POOLFS_ALONE:-1} == 1 ]] ||
		fail 'the line above this test must be "# bats test_tags=alone"'
}

# wait_until SECONDS CMD...: try again and again; fails when time is up.  The
# seconds are those of a machine that has nothing else to do.  A wait that ends
# well costs nothing, so there are PATIENCE times as many, up to a minute.
wait_until() {
	local seconds=$((${1%.*} * ${PATIENCE:-10})) end

	((seconds <= 60)) || seconds=$((${1%.*} > 60 ? ${1%.*} : 60))
	end=$((${EPOCHREALTIME/[.,]/} + seconds * 1000000))
	shift
	until "$@"; do
		((${EPOCHREALTIME/[.,]/} < end)) || return 1
		sleep 0.05
	done
}

# json FIELD [FILE]: one value out of a JSON file or of each line of standard
# input, such as "pages.used"; or what jq makes of it with ".FIELD".  Never hangs
# on a mount that does not answer.
json() {
	if [[ $1 =~ ^[][a-z0-9_.]+$ ]]; then
		"$TOOLS/json_field" "$@"
	else
		timeout -k 1 60 cat -- "${2:--}" | jq -er ".${1#.}"
	fi
}

# nothing_in DIR: it is empty.
nothing_in() {
	[[ ! $(find "$1" -mindepth 1) ]]
}

# one_of WORD...: for a quick run, one that depends on the number of the test.
one_of() {
	local -a words=("$@")

	echo "${words[${BATS_TEST_NUMBER:-0} % $#]}"
}

# sanitized: is this the program that is several times slower?
sanitized() {
	grep -qs __asan_init "$POOLFS"
}

# lasting N: N, or many more in a soak: seconds, mostly.
lasting() {
	echo $(($1 * (${SOAK:-0} ? 20 : 1)))
}

# loops N: N times, or many more in a soak, or a third under a sanitizer.
loops() {
	local n

	n=$(lasting "$1")

	! sanitized || n=$(((n + 2) / 3))
	echo "$n"
}

# tmp: sets POOL_TMP, a directory for this test that other users may enter.
tmp() {
	if [[ ! ${POOL_TMP:-} ]]; then
		POOL_TMP=$(mktemp -d /tmp/poolfs-test.XXXXXX)
		chmod 755 "$POOL_TMP"
		note "tmp.${POOL_TMP##*.}" "$POOL_TMP"
	fi
}

# ---- notes of what must be cleaned ---------------------------------------

# note NAME LINE...: a file a thing, kept until the thing is gone.
note() {
	local name=$1

	shift
	printf '%s\n' "$@" >"$POOLFS_STATE/$name"
}

forget() {
	rm -f "$POOLFS_STATE/$1"
}

# leftovers: what is noted and still there, one line each.
leftovers() {
	local note path

	for note in "$POOLFS_STATE"/*; do
		[[ -e $note ]] || continue
		path=$(head -n 1 "$note")
		case ${note##*/} in
		pool.*) is_mounted "$path" && echo "a mount on $path" ;;
		zram.*) [[ -e /sys/block/zram$path ]] && echo "zram$path" ;;
		cgroup.*) [[ -d $path ]] && echo "the cgroup $path" ;;
		tmp.*) [[ -d $path ]] && echo "the directory $path" ;;
		ctl.*) is_mounted "$path" && echo "a mount on $path" ;;
		pid.*) kill -0 "$path" 2>/dev/null && echo "process $path" ;;
		esac
	done
	return 0
}

# clean_up: ends everything that is noted.  The order matters: processes first,
# directories last.
clean_up() {
	local note

	pressure_stop
	for note in "$POOLFS_STATE"/pid.*; do
		[[ -e $note ]] || continue
		kill -KILL "$(head -n 1 "$note")" 2>/dev/null || true
		rm -f "$note"
	done
	for note in "$POOLFS_STATE"/pool.*; do
		[[ -e $note ]] && pool_end "$note"
	done
	for note in "$POOLFS_STATE"/ctl.*; do
		[[ -e $note ]] || continue
		umount "$(head -n 1 "$note")" 2>/dev/null || true
		rm -f "$note"
	done
	for note in "$POOLFS_STATE"/tmp.*; do
		[[ -e $note ]] || continue
		rm -rf --one-file-system "$(head -n 1 "$note")"
		rm -f "$note"
	done
	POOL_TMP=
	return 0
}

# background CMD...: runs CMD beside the test; its pid is in BG_PID.  It is
# killed with the test.
background() {
	"$@" 3>&- &
	BG_PID=$!
	note "pid.$BG_PID" "$BG_PID"
}

# ---- mounts --------------------------------------------------------------

# is_mounted DIR: without touching it.
is_mounted() {
	awk -v dir="$1" '$5 == dir { found = 1 } END { exit !found }' \
		/proc/self/mountinfo
}

# connection_of DIR: the number of its FUSE connection, the minor number of its
# device.
connection_of() {
	awk -v dir="$1" '$5 == dir { split($3, dev, ":"); print dev[2] }' \
		/proc/self/mountinfo | tail -n 1
}

# pool_answers DIR: its stats can be read.
pool_answers() {
	json keeper "$1/.pool/stats" >/dev/null 2>&1
}

# Mount on the new directory POOL with the options given.  POOL_AS is a prefix
# for all that touches it, such as as_user: without allow_other not even root
# may look into the mount of a user.
#
# A pool hears of no pressure: other programs that make some shall not have it
# give up what a test looks for.  With MONITOR=machine it does as always.
pool_mount() {
	local status=0

	if [[ ${MONITOR:-} != machine && $* != *psi* ]]; then
		[[ -p $POOL_TMP/calm ]] || mkfifo -m 666 "$POOL_TMP/calm"
		set -- --psi "$POOL_TMP/calm" "$@"
	fi
	POOL_LOG=$POOL.log
	note "pool.${POOL//\//_}" "$POOL" 0
	# not the descriptors of bats: it would wait for the daemon
	$POOL_AS timeout -k 5 60 "$POOLFS" "$POOL" "$@" \
		>"$POOL_LOG" 2>&1 3>&- 4>&- </dev/null || status=$?
	if ((status)); then
		echo "poolfs $* gave $status:" >&2
		cat "$POOL_LOG" >&2
		return "$status"
	fi
	if ! wait_until 10 $POOL_AS pool_answers "$POOL"; then
		echo "poolfs $*: mounted, but .pool/stats does not answer" >&2
		return 1
	fi
	POOL_KEEPER=$(pool_pid keeper)
	note "pool.${POOL//\//_}" "$POOL" "$POOL_KEEPER"
}

# pool_start [OPTION...]: a new pool; POOL is where.
pool_start() {
	tmp
	POOL=$(mktemp -d "$POOL_TMP/mnt.XXXXXX")
	chmod 755 "$POOL"
	POOL_AS=
	pool_mount "$@"
}

# pool_as_user_start [OPTION...]: the same for an ordinary user.
pool_as_user_start() {
	tmp
	user_setup
	POOL=$(mktemp -d "$POOL_TMP/mnt.XXXXXX")
	[[ $EUID != 0 ]] || chown "$POOLFS_TEST_USER" "$POOL"
	POOL_AS=as_user
	pool_mount "$@"
}

# pool_pid keeper|worker: as .pool/stats has it now.
pool_pid() {
	$POOL_AS json "$1" "$POOL/.pool/stats"
}

# where_is PID...: their threads, and what each is waiting for in the kernel.
where_is() {
	local pid task

	for pid; do
		for task in "/proc/$pid/task"/*; do
			echo "$task $(cat "$task/comm" "$task/wchan" 2>&1 |
				tr "\n" " ")"
			cat "$task/stack" 2>&1
		done
	done
}

# pool_stop: asks the keeper to end and says whether it did: the mount is gone,
# and so are both processes.
pool_stop() {
	local keeper worker

	keeper=$(pool_pid keeper)
	worker=$(pool_pid worker)
	kill -TERM "$keeper"
	wait_until 10 not_running "$keeper" ||
		fail "the keeper did not end: $(where_is "$keeper" "$worker")"
	wait_until 2 not_running "$worker" ||
		fail "the worker did not end: $(where_is "$worker")"
	fails is_mounted "$POOL"
	forget "pool.${POOL//\//_}"
}

not_running() {
	[[ ! -e /proc/$1 ]] || grep -q '^State:[[:space:]]Z' "/proc/$1/status"
}

# pool_end NOTE: gets rid of a pool, whatever has become of it.
pool_end() {
	local dir keeper nr

	{
		read -r dir
		read -r keeper
	} <"$1"
	if ((keeper > 1)); then
		kill -TERM "$keeper" 2>/dev/null &&
			wait_until 5 not_running "$keeper"
	fi
	nr=$(connection_of "$dir")
	if [[ $nr ]]; then
		# -f aborts the connection, whoever waits for it wakes up; the
		# file does the same where a user mounted or umount fails
		timeout 5 umount -c -f -l "$dir" || fusermount3 -uz "$dir"
		wait_until 1 test ! -e "$CONNECTIONS/$nr" ||
			echo 1 >"$CONNECTIONS/$nr/abort"
	fi 2>/dev/null
	((keeper > 1)) && ! not_running "$keeper" &&
		kill -KILL "$keeper" 2>/dev/null
	rm -f "$1"
	return 0
}

CONNECTIONS=/sys/fs/fuse/connections

# fusectl_mount: mounts the control file system of FUSE there, if it is not.
# clean_up unmounts it.
fusectl_mount() {
	is_mounted "$CONNECTIONS" && return
	note ctl.fusectl "$CONNECTIONS"
	mount -t fusectl fusectl "$CONNECTIONS" 2>/dev/null ||
		{ forget ctl.fusectl && false; }
}

# ---- ordinary users ------------------------------------------------------

# user_setup: once a test, before anything runs as the ordinary user.  Its run
# directory must be a tmpfs, as the real ones are.
user_setup() {
	[[ ${USER_RUN:-} && -d $USER_RUN ]] && return
	USER_RUN=$(mktemp -d /dev/shm/poolfs-test.XXXXXX)
	note "tmp.${USER_RUN##*.}" "$USER_RUN"
	[[ $EUID == 0 ]] || return 0
	chown "$POOLFS_TEST_USER" "$USER_RUN"
	# 0600 on machines without udev
	chmod 666 /dev/fuse
	[[ -d ${POOLFS_SAN_LOG:-} ]] && chmod 1777 "$POOLFS_SAN_LOG"
	return 0
}

# as_user CMD...: as $POOLFS_TEST_USER; a function of this file will do, too.
as_user() {
	user_setup
	as_id "$(id -u "$POOLFS_TEST_USER")" "$(id -g "$POOLFS_TEST_USER")" "$@"
}

# as_id UID GID CMD...: as any user, without privileges and other groups.
as_id() {
	local uid=$1 gid=$2
	local -a prefix=()

	shift 2
	# the bounding set stays: fusermount3, set-user-ID, mounts with it
	[[ $EUID == 0 ]] &&
		prefix=(setpriv --reuid "$uid" --regid "$gid" --clear-groups)
	if [[ $(type -t "$1") == function ]]; then
		XDG_RUNTIME_DIR=${USER_RUN:-/nonexistent} HOME=/nonexistent \
			"${prefix[@]}" bash -c '. "$1"; shift; "$@"' as_id \
			"$TOP/tests/helpers.bash" "$@"
	else
		XDG_RUNTIME_DIR=${USER_RUN:-/nonexistent} HOME=/nonexistent \
			"${prefix[@]}" "$@"
	fi
}

# ---- what this machine can do --------------------------------------------

has_root() {
	[[ $EUID == 0 ]]
}

# has_capability NUMBER: whether this process has it.
has_capability() {
	local mask

	mask=$(awk '/^CapEff:/ { print $2 }' /proc/self/status)
	((0x$mask >> $1 & 1))
}

has_fuse() {
	[[ -c /dev/fuse ]]
}

# An ordinary user can mount through the set-user-ID helper, and unmount, for
# which it reads /etc/mtab.
has_user_mount() {
	[[ -c /dev/fuse && -e /etc/mtab && -u $(command -v fusermount3) ]] &&
		command -v setpriv >/dev/null
}

# In a chroot the root may be no mount, and cannot be made private.
has_private_mounts() {
	has_root && unshare -m --propagation private true 2>/dev/null
}

# linux_has MAJOR MINOR: is it at least that?
linux_has() {
	local major minor

	IFS=.- read -r major minor _ < <(uname -r)
	((major > $1 || (major == $1 && minor >= $2)))
}

has_passthrough() {
	linux_has 6 9 && has_capability 21 # CAP_SYS_ADMIN
}

# Whether the kernel's tmpfs has quotas is seen on a tmpfs of its own.
has_tmpfs_quota() {
	local dir status=0

	has_root || return
	dir=$(mktemp -d)
	mount -t tmpfs -o usrquota,usrquota_block_hardlimit=1M none "$dir" \
		2>/dev/null && umount "$dir" || status=1
	rmdir "$dir"
	return $status
}

has_psi() {
	[[ -r /proc/pressure/memory ]] &&
		cat /proc/pressure/memory >/dev/null 2>&1
}

# Where memory groups can be made, in either version.
cgroup_v1_dir() {
	awk '$3 == "cgroup" && $4 ~ /(^|,)memory(,|$)/ { print $2; exit }' \
		/proc/self/mounts
}

cgroup_v2_dir() {
	local dir

	while read -r dir; do
		if grep -qw memory "$dir/cgroup.controllers" 2>/dev/null; then
			echo "$dir"
			return
		fi
	done < <(awk '$3 == "cgroup2" { print $2 }' /proc/self/mounts)
}

has_cgroup_v1() {
	[[ -w $(cgroup_v1_dir)/cgroup.procs ]]
}

has_cgroup_v2_memory() {
	local dir

	dir=$(cgroup_v2_dir)
	[[ $dir && -w $dir/cgroup.procs ]] || return
	grep -qw memory "$dir/cgroup.subtree_control" ||
		echo +memory >"$dir/cgroup.subtree_control" 2>/dev/null
}

has_cgroup() {
	has_cgroup_v1 || has_cgroup_v2_memory
}

has_zram() {
	has_root && command -v mkswap >/dev/null || return
	[[ -e /sys/class/zram-control/hot_add ]] ||
		modprobe zram 2>/dev/null
	[[ -e /sys/class/zram-control/hot_add ]]
}

has_real_pressure() {
	has_psi && has_zram && has_cgroup
}

# The modes a test should run in: for mode in $MODES.
MODES=cached
if has_passthrough; then
	MODES="passthrough cached"
fi
[[ ${QUICK:-0} != 1 ]] || MODES=$(one_of $MODES)

# ---- real pressure -------------------------------------------------------

PRESSURE_PIDS=()

# A memory group with a limit; prints its directory.
cgroup_new() {
	local limit=$1 dir

	if has_cgroup_v1; then
		dir=$(cgroup_v1_dir)/poolfs-test-$$-$RANDOM
		mkdir "$dir"
		note "cgroup.${dir##*/}" "$dir"
		echo "$limit" >"$dir/memory.limit_in_bytes"
	else
		dir=$(cgroup_v2_dir)/poolfs-test-$$-$RANDOM
		mkdir "$dir"
		note "cgroup.${dir##*/}" "$dir"
		echo "$limit" >"$dir/memory.max"
	fi
	echo "$dir"
}

# A compressed swap device in memory.
zram_new() {
	local size=$1 nr dev

	nr=$(cat /sys/class/zram-control/hot_add)
	note "zram.$nr" "$nr"
	echo "$size" >"/sys/block/zram$nr/disksize"
	dev=/dev/zram$nr
	wait_until 2 test -b "$dev" ||
		mknod -m 600 "$dev" b "$(cut -d: -f1 "/sys/block/zram$nr/dev")" \
			"$(cut -d: -f2 "/sys/block/zram$nr/dev")"
	mkswap "$dev" >/dev/null 2>&1
	swapon "$dev"
}

# real_pressure_start [SECONDS [LIMIT [EATEN]]]: from now on the machine waits
# for memory, and /proc/pressure/memory has told so: programs in a group of
# LIMIT bytes touch EATEN bytes each at random, and swap.  The less they get of
# a busy machine, the more of them there are.
real_pressure_start() {
	local seconds=${1:-30} limit=${2:-64M} eaten=${3:-256M} dir before i

	zram_new 4G
	dir=$(cgroup_new "$limit")
	for ((i = 0; i < 8; i++)); do
		before=$(stalled_us)
		eat_within "$dir" "$eaten" "$seconds"
		((i + 1 >= $(nproc) || i == 3)) || continue
		sleep 1
		(($(stalled_us) - before < 300000)) || return 0
	done
	fail "the machine does not wait for memory: $(</proc/pressure/memory)"
}

# eat_within GROUP BYTES SECONDS: the shell enters the group itself, so that
# nothing is touched outside of it.
eat_within() {
	bash -c 'echo $$ >"$1/cgroup.procs" && shift && exec "$@"' eat "$1" \
		"$TOOLS/eat_memory" "$2" "$3" >/dev/null 2>&1 3>&- &
	PRESSURE_PIDS+=("$!")
	note "pid.$!" "$!"
}

# stalled_us: for how long programs have waited for memory.
stalled_us() {
	sed -n 's/^some .*total=//p' /proc/pressure/memory
}

# real_pressure_stop, also pressure_stop: takes all of that away again.
real_pressure_stop() {
	pressure_stop
}

pressure_stop() {
	local note path pid

	for pid in "${PRESSURE_PIDS[@]}"; do
		kill -KILL "$pid" 2>/dev/null || true
		wait "$pid" 2>/dev/null || true
		forget "pid.$pid"
	done
	PRESSURE_PIDS=()
	for note in "$POOLFS_STATE"/cgroup.*; do
		[[ -e $note ]] || continue
		path=$(head -n 1 "$note")
		xargs -r kill -KILL <"$path/cgroup.procs" 2>/dev/null || true
		wait_until 5 cgroup_gone "$path" && rm -f "$note"
	done
	for note in "$POOLFS_STATE"/zram.*; do
		[[ -e $note ]] || continue
		path=$(head -n 1 "$note")
		swapoff "/dev/zram$path" 2>/dev/null || true
		wait_until 5 zram_gone "$path" && rm -f "$note"
	done
	return 0
}

# cgroup_gone DIR, zram_gone NR: true once it is; each call tries again.
cgroup_gone() {
	[[ ! -d $1 ]] || rmdir "$1" 2>/dev/null
}

zram_gone() {
	[[ ! -e /sys/block/zram$1 ]] ||
		{ echo "$1" >/sys/class/zram-control/hot_remove; } 2>/dev/null
}

# pressure_avg10: what the kernel says now, "some" of memory, in percent.
pressure_avg10() {
	sed -n 's/^some avg10=\([0-9.]*\).*/\1/p' /proc/pressure/memory
}
