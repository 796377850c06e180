# SPDX-License-Identifier: GPL-2.0-or-later
# shellcheck shell=bash disable=SC2034,SC2086
#
# For the files that test boxes: each test is a function, run on a new pool for
# each user and mode that there are here.
#
#	@test "..." { in_every_way body [OPTION...]; }
#
# The body runs in a shell of its own, as that user, with "set -e" and all the
# functions of the test file.  Variables it finds, besides those of
# helpers.bash:
#
#	B	$POOL/box		WAY	root/passthrough, user/cached...
#	W	a directory of its own	MODE	passthrough or cached

# The ways that can run here.  Under a sanitizer one of each mode is enough.
ways() {
	local mode
	local -a all=()

	if [[ $EUID == 0 ]]; then
		for mode in $MODES; do
			[[ $mode == cached ]] && sanitized ||
				all+=("root/$mode")
		done
	fi
	all+=(user/cached)
	if [[ ${QUICK:-0} == 1 ]]; then
		one_of "${all[@]}"
	else
		printf '%s\n' "${all[@]}"
	fi
}

# in_every_way BODY [OPTION...]: with a pool that has these options.
in_every_way() {
	local way body=$1

	shift
	need fuse
	[[ $EUID != 0 ]] || need user_mount
	for way in $(ways); do
		in_way "$way" "$body" "$@"
	done
}

# as_root_in_every_mode BODY [OPTION...]: what needs several users.
as_root_in_every_mode() {
	local mode body=$1

	shift
	need fuse root
	for mode in $MODES; do
		in_way "root/$mode" "$body" "$@"
	done
}

# in_way WAY BODY [OPTION...]
in_way() {
	local way=$1 body=$2 start=pool_start status=0 end=$((SECONDS + 1))

	shift 2
	[[ $way != user/* ]] || start=pool_as_user_start
	"$start" --mode="${way#*/}" "$@"
	W=$(mktemp -d "$POOL_TMP/work.XXXXXX")
	chmod 755 "$W"
	[[ -z $POOL_AS || $EUID != 0 ]] || chown "$POOLFS_TEST_USER" "$W"
	# shellcheck disable=SC1007,SC2097,SC2098 # POOL_AS is used here, too
	WAY=$way BODY=$body POOL=$POOL POOL_AS= POOL_TMP=$POOL_TMP W=$W \
		POOLFS_STATE=$W/state FUNCTIONS=$(own_functions) \
		$POOL_AS timeout -k 5 "$(way_timeout)" bash -c \
		'. "$1/tests/helpers.bash"; . "$1/tests/boxes.bash"; way_main' \
		- "$TOP" 3>&- 4>&- </dev/null || status=$?
	((status == 0)) || fail "$body failed as $way: status $status"
	pool_stop
}

way_timeout() {
	echo $((${BATS_TEST_TIMEOUT:-900} - 10))
}

# The functions of the test file, as text.
own_functions() {
	local name

	while read -r _ _ name; do
		[[ $name == bats_* ]] || declare -f "$name"
	done < <(declare -F)
}

# What the shell of a body does.
way_main() {
	B=$POOL/box
	MODE=${WAY#*/}
	eval "$FUNCTIONS"
	trap 'way_end' EXIT
	trap 'echo "$WAY: $BODY: failed: $BASH_COMMAND" >&2' ERR
	set -eE
	"$BODY"
}

way_end() {
	local note

	for note in "$POOLFS_STATE"/pid.*; do
		[[ ! -e $note ]] || kill -KILL "$(head -n 1 "$note")" || true
	done 2>/dev/null
}

# ---- small words of the bodies -------------------------------------------

# is WANTED GOT
is() {
	[[ $1 == "$2" ]] || fail "wanted: $1
   got: $2"
}

# ops OP...: fileops, its words on one line.
ops() {
	timeout -k 1 100 "$TOOLS/fileops" "$@" | paste -sd ' ' -
}

# ops_into FILE OP...: the same in the background; its pid is in BG_PID.
ops_into() {
	local out=$1

	shift
	background "$TOOLS/fileops" "$@" >"$out"
}

# words FILE: what ops_into has printed until now.
words() {
	paste -sd ' ' "$1"
}

# said FILE WORDS: whether that is it, for wait_until.
said() {
	[[ $(words "$1") == "$2" ]]
}

# new_box NAME [SIZE]: and BOX is its path.
new_box() {
	BOX=$B/$1
	mkdir "$BOX"
	[[ ! ${2:-} ]] || truncate -s "$2" "$BOX/data"
}

# box FIELD: out of the stat of BOX.
box() {
	json "$1" "$BOX/stat"
}

# box_has FIELD VALUE: for wait_until.
box_has() {
	[[ $(box "$1") == "$2" ]]
}

# pool FIELD: out of the stats of the pool.
pool() {
	json "$1" "$POOL/.pool/stats"
}

# header: the next transaction's, without waiting for one.
header() {
	timeout -k 1 60 dd if="$BOX/recv" bs=4096 count=1 iflag=nonblock \
		status=none
}

# waiting: how many requests wait in the pool.
waiting() {
	pool waiting
}

# waits NUMBER: for wait_until.
waits() {
	[[ $(waiting) == "$1" ]]
}

# transactions: what is in tx/, on one line, in order.
transactions() {
	timeout 60 ls "$BOX/tx" | sort -n | paste -sd ' ' -
}

# events: all of them so far.
events() {
	timeout -k 1 60 dd if="$POOL/.pool/events" bs=64K iflag=nonblock \
		status=none 2>/dev/null || true
}

# shrinker FILE: the path of the shrinker of boxes' pages.
shrinker() {
	echo "$POOL/.pool/shrinker"/box-pages-*/"$1"
}

# scan NR: asks it for so many pages.
scan() {
	echo "0 0 $1" >"$(shrinker scan)"
}

# available: the pages it could give.
available() {
	awk '{ print $2 }' "$(shrinker count)"
}

# random_file SIZE: the path of a new one.
random_file() {
	local f

	f=$(mktemp "$W/random.XXXXXX")
	head -c "$1" /dev/urandom >"$f"
	echo "$f"
}
