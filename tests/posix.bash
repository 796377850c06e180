# SPDX-License-Identifier: GPL-2.0-or-later
# shellcheck shell=bash disable=SC2034,SC2164
#
# For the files that test plain files: tmpfs is the reference.  After
# "load helpers" and "load boxes".
#
#	@test "..." { same_as_tmpfs steps [OPTION...]; }
#
# STEPS is a function that works in the directory it is started in.  It runs in
# one of a tmpfs and in one of the pool, in every way of boxes.bash: what it
# demands must hold in both, and what it prints must be the same.  So it prints
# names, not paths, and nothing that depends on when or where it runs.

# reference_setup: a directory of a tmpfs; all users may work there.
reference_setup() {
	REFERENCE=$(mktemp -d /dev/shm/poolfs-test.XXXXXX)
	note "tmp.${REFERENCE##*.}" "$REFERENCE"
	chmod 1777 "$REFERENCE"
	is tmpfs "$(stat -f -c %T "$REFERENCE")"
	export REFERENCE
}

# same_as_tmpfs STEPS [OPTION...]
same_as_tmpfs() {
	local steps=$1

	shift
	reference_setup
	STEPS=$steps in_every_way compare_with_tmpfs "$@"
}

# root_same_as_tmpfs STEPS [OPTION...]: only as root.
root_same_as_tmpfs() {
	local steps=$1

	shift
	reference_setup
	STEPS=$steps as_root_in_every_mode compare_with_tmpfs "$@"
}

# The body of these.  BEFORE_STEPS, if set, is run in the pool's directory only.
compare_with_tmpfs() {
	local dir

	dir=$(mktemp -d "$REFERENCE/steps.XXXXXX")
	chmod 755 "$dir"
	(
		cd "$dir"
		ON=tmpfs
		"$STEPS"
	) >"$W/tmpfs"
	mkdir "$POOL/steps"
	(
		cd "$POOL/steps"
		ON=pool
		"$STEPS"
	) >"$W/pool"
	diff -u "$W/tmpfs" "$W/pool" >&2
}

# posix OP...: posixops, its words on one line.
posix() {
	timeout -k 1 300 "$TOOLS/posixops" "$@" | paste -sd ' ' -
}

# posix_into FILE OP...: the same in the background; its pid is in BG_PID.
posix_into() {
	local out=$1

	shift
	background "$TOOLS/posixops" "$@" >"$out"
}

# show CMD...: prints what it was and what it printed.
show() {
	printf '%s: ' "$*"
	"$@"
}

# names_in DIR: sorted, on one line.
names_in() {
	timeout 60 ls -A "$1" | sort | paste -sd ' ' -
}

# same_content FILE FILE
same_content() {
	timeout 300 cmp "$1" "$2"
}

# text N: so many characters.
text() {
	printf "%0${1}d" 0
}
