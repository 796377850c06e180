# SPDX-License-Identifier: GPL-2.0-or-later
# shellcheck shell=bash disable=SC2034
#
# For the files that test volatile files and ranges; after "load posix".

export ATTRIBUTE=user.pool.volatile

# volatile FILE...: mark them.
volatile() {
	setfattr -n user.pool.volatile -v 1 "$@"
}

# is_volatile FILE: "1", or the error of getfattr.
is_volatile() {
	getfattr --absolute-names --only-values -n user.pool.volatile "$1" 2>&1
}

# The paths of the two shrinkers' files.
of_files() {
	echo "$POOL/.pool/shrinker"/volatile-files-*/"$1"
}

of_ranges() {
	echo "$POOL/.pool/shrinker"/volatile-ranges-*/"$1"
}

# freeable: pages of volatile files that nobody uses.
freeable() {
	awk '{ print $2 }' "$(of_files count)"
}

freeable_is() {
	[[ $(freeable) == "$1" ]]
}

# purge PAGES: so many of them, at least, in whole files.
purge() {
	echo "0 0 $1" >"$(of_files scan)"
}

# settled PAGES: a last close is known a moment after close() returns.
settled() {
	wait_until 5 freeable_is "$1" ||
		fail "$(freeable) pages can be purged, not $1"
}

# made FILE SIZE: new content, volatile; SUM is its checksum.
made() {
	head -c "$2" /dev/urandom >"$1"
	volatile "$1"
	SUM=$(sum "$1")
}

sum() {
	sha256sum <"$1"
}

# gone FILE...: it is absent for every call that asks by name.
gone() {
	local f

	for f; do
		is "ENOENT ENOENT ENOENT ENOENT ENOENT ENOENT ENOENT" \
			"$(posix stat "$f" open "$f" r open "$f" rw \
				resize "$f" 10 chmod "$f" 0600 \
				rename "$f" "$f.moved" link "$f" "$f.linked")"
	done
}

kill_worker() {
	local before

	before=$(pool_pid worker)
	kill -KILL "$before"
	[[ $(pool_pid worker) != "$before" ]]
}

# kill_often KEEPER: the worker, again and again.
kill_often() {
	local child

	while sleep "0.$((RANDOM % 300 + 150))"; do
		for child in $(<"/proc/$1/task/$1/children"); do
			kill -KILL "$child" || true
		done 2>/dev/null
	done
}

# facts_to_show: a file that bodies may write comments to.
facts_to_show() {
	tmp
	FACTS=$POOL_TMP/facts
	: >"$FACTS"
	chmod 666 "$FACTS"
	export FACTS
}
