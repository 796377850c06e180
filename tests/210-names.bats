#!/usr/bin/env bats
# SPDX-License-Identifier: GPL-2.0-or-later
# shellcheck disable=SC2164 # bodies run with set -e
#
# Plain files: names and directories.

load helpers
load boxes
load posix

teardown() {
	clean_up
}

# ---- directories -----------------------------------------------------------

directories() {
	is "40750:2 0 40700:2 EEXIST EEXIST" "$(posix umask 027 mkdir d 0777 \
		stat d mkdir d/sub 0700 stat d/sub mkdir d 0777 mkdir d/sub 0777 |
		cut -d ' ' -f 2-)"
	# its links tell how many directories are in it
	is "40750:3 0 0 40750:4 0 40750:3" "$(posix stat d mkdir d/two 0755 \
		create d/file w,creat 0644 stat d rmdir d/two stat d)"
	is "ENOTEMPTY ENOTDIR ENOENT ENOENT EINVAL ENOTEMPTY" "$(posix rmdir d \
		rmdir d/file rmdir none rmdir none/d rmdir d/. rmdir d/..)"
	is "EEXIST ENOENT ENOTDIR EEXIST EEXIST" "$(posix mkdir d/file 0755 \
		mkdir none/d 0755 mkdir d/file/d 0755 mkdir . 0755 mkdir d/.. 0755)"
	is "EISDIR EISDIR ENOENT ENOTDIR" "$(posix unlink d unlink d/sub \
		unlink none unlink d/file/f)"
	is "0 ENOENT 0 ENOENT 0 ENOENT" "$(posix rmdir d/sub rmdir d/sub \
		unlink d/file unlink d/file rmdir d stat d)"
	is "" "$(names_in .)"
	# .. is where it should be, also after a move
	mkdir -p a/b c
	mv a/b c/b
	is "$(stat -c %i c)" "$(stat -c %i c/b/..)"
	show posix stat a stat c stat c/b
}

@test "mkdir and rmdir: modes, links, and what they refuse" {
	same_as_tmpfs directories
}

# With types and inode numbers as stat knows them.
listing() {
	local i

	mkdir d
	mkdir d/dir
	: >d/file
	ln -s file d/link
	mkfifo d/fifo
	ln d/file d/hard
	is "d dir p fifo f file f hard l link" \
		"$(cd d && find . -mindepth 1 -printf '%y %f\n' | sort -k 2 |
			paste -sd ' ' -)"
	# the listing's own numbers, and those of stat
	is "$(cd d && ls -iU | sort -k 2 | awk '{ print $1, $2 }')" \
		"$(cd d && stat -c '%i %n' -- * | sort -k 2)"
	is "$(stat -c %i d/file)" "$(stat -c %i d/hard)"
	is 2 "$(find d -maxdepth 1 -samefile d/hard | wc -l)"
	mkdir e
	is ". .." "$(ls -a e | paste -sd ' ' -)"
	# what is made and removed is seen at once
	for i in {1..20}; do
		: >"e/$i"
		is "$i" "$(names_in e)"
		mv "e/$i" "e/x$i"
		is "x$i" "$(names_in e)"
		rm "e/x$i"
		is "" "$(names_in e)"
	done
	# again from the start: what has come meanwhile is there
	is "0 2 3 0 4" "$(posix opendir e readdir 9 touch e/a rewinddir readdir 9 \
		readdir 9 touch e/b rewinddir readdir 9)"
	is "0 4 3" "$(posix opendir e readdir 9 unlink e/a rewinddir readdir 9 |
		cut -d ' ' -f 1,2,4)"
}

# bats test_tags=slow
@test "listings: types, numbers, what is new and what is gone" {
	same_as_tmpfs listing
}

# ---- rename ----------------------------------------------------------------

renames() {
	# a file onto a file, on itself, on another name of itself
	printf a >a
	printf b >b
	is "0 ENOENT 100644:1:1" "$(posix rename a b stat a stat b)"
	is a "$(<b)"
	ln b b2
	is "0 0 100644:2:1 100644:2:1" "$(posix rename b b rename b b2 stat b \
		stat b2)"
	# directories
	mkdir -p d/sub full/x empty
	is "0 ENOENT 0" "$(posix rename d/sub empty stat d/sub rmdir d)"
	is "ENOTEMPTY EISDIR ENOTDIR EINVAL EINVAL" "$(posix rename empty full \
		rename b full rename full b rename full full/y \
		rename full full/x/y)"
	show posix rename full/x full rename . x rename full/.. y
	is "ENOENT ENOENT ENOTDIR ENOENT" "$(posix rename none x rename b none/x \
		rename b b2/x rename none b)"
	is "0 40755:3" "$(posix rename full other stat other)"
	is "a a" "$(<b) $(<b2)"
	# into another directory and back, with what is in it
	mkdir -p p/q/r to
	printf deep >p/q/r/f
	is "0 40755:2 40755:3" "$(posix rename p/q to/q2 stat p stat to)"
	is deep "$(<to/q2/r/f)"
	is "0" "$(posix rename to/q2/r r)"
	is "deep" "$(<r/f)"
	is "$(stat -c %i .)" "$(stat -c %i r/..)"
	# symbolic links are moved, not followed
	ln -s r link
	is "0 120777:1:1 100644:1:4 ENOTDIR" "$(posix rename link link2 \
		stat link2 stat r/f rename r link2)"
	# many times, back and forth
	local i
	for i in {1..50}; do
		mv r s
		mv s r
	done
	is deep "$(<r/f)"
	show names_in .
}

@test "rename: files, directories, onto and into each other" {
	same_as_tmpfs renames
}

rename_flags() {
	printf a >a
	printf b >b
	mkdir -p d/sub e
	is "EEXIST EEXIST EEXIST 0 ENOENT" "$(posix rename2 a b noreplace \
		rename2 a d noreplace rename2 a a noreplace \
		rename2 a c noreplace stat a)"
	is "a b" "$(<c) $(<b)"
	is "0 ENOENT ENOENT 0 0" "$(posix rename2 b c exchange \
		rename2 b none exchange rename2 none b exchange \
		rename2 c c exchange rename2 b c exchange)"
	is "a b" "$(<c) $(<b)"
	# anything with anything
	is "0 40755:3 100644:1:1" "$(posix rename2 b d exchange stat b stat d)"
	is "b sub" "$(<d) $(names_in b)"
	is "0" "$(posix rename2 e b/sub exchange)"
	is "EINVAL EINVAL EINVAL" "$(posix rename2 b b/sub exchange \
		rename2 b/sub b exchange rename2 c d noreplace,exchange)"
	ln -s nowhere link
	is "0 120777:1:7 40755:3" "$(posix rename2 link b exchange stat b stat link)"
	is "0 100644:1:1 120777:1:7" "$(posix rename2 b c exchange stat b stat c)"
	show names_in .
}

@test "rename: RENAME_NOREPLACE and RENAME_EXCHANGE" {
	same_as_tmpfs rename_flags
}

# ---- hard links ------------------------------------------------------------

hard_links() {
	local fd i

	printf one >a
	mkdir d
	is "0 0 100644:3:3 100644:3:3" "$(posix link a b link a d/c stat a stat d/c)"
	printf more >>b
	is "onemore onemore" "$(<a) $(<d/c)"
	chmod 600 d/c
	is "100600:3:7 0 100600:2:7 ENOENT" "$(posix stat a unlink a stat b stat a)"
	# the first name goes while the second is open
	exec {fd}<>b
	rm b
	is "onemore 1" "$(cat <&"$fd") $(stat -L -c %h "/proc/self/fd/$fd")"
	printf last >&"$fd"
	is onemorelast "$(<d/c)"
	ln d/c a
	rm d/c
	is "onemorelast 1" "$(<a) $(stat -c %h a)"
	rm a
	is 0 "$(stat -L -c %h "/proc/self/fd/$fd")"
	is onemorelast "$(cat "/proc/self/fd/$fd")"
	exec {fd}<&-
	# what is refused
	printf two >a
	is "EPERM ENOENT EEXIST EEXIST ENOENT" "$(posix link d e link none x \
		link a a link a d link a none/x)"
	# a link of a symbolic link is one
	ln -s a link
	is "0 120777:2:1" "$(posix link link link2 stat link2)"
	# made again and again under old names
	for i in {1..30}; do
		ln a "n$i"
	done
	is 31 "$(stat -c %h a)"
	for i in {1..29}; do
		# of two names of one file neither goes
		is 0 "$(posix rename "n$i" n30)"
	done
	is 31 "$(stat -c %h a)"
	rm n*
	is "two 1" "$(<a) $(stat -c %h a)"
	show names_in .
}

# bats test_tags=slow
@test "hard links share all, whichever name goes first" {
	same_as_tmpfs hard_links
}

# ---- symbolic links --------------------------------------------------------

symlinks() {
	local target

	is "0 7:nowhere 120777:1:7 EEXIST ENOENT" "$(posix symlink nowhere l \
		readlink l stat l symlink x l symlink x none/l)"
	is "ENOENT EINVAL ENOENT" "$(posix open l r touch f readlink f readlink none)"
	for length in 1 59 60 255 1000 4000 4095; do
		target=$(text "$length")
		is 0 "$(posix symlink "$target" "long$length")"
		is "$target" "$(readlink "long$length")"
		is "$length" "$(stat -c %s "long$length")"
	done
	is "ENAMETOOLONG ENOENT" "$(posix symlink "$(text 4096)" toolong \
		symlink "" empty)"
	# through them
	mkdir -p d/e
	ln -s d/e to
	printf through >to/f
	is "through through" "$(<d/e/f) $(<to/../e/f)"
	ln -s "$PWD/d/e/f" absolute
	is through "$(<absolute)"
	ln -s "../../to/f" d/e/up
	is through "$(<d/e/up)"
	# renamed, replaced, unlinked: the target stays
	ln -s d other
	mv -T other to
	is "d e" "$(readlink to) $(names_in to)"
	is "0 40755:3 ENOTDIR EINVAL" "$(posix unlink to stat d rmdir l \
		readlink d)"
	# modes and times are its own
	show posix chmod l 0600 stat l
	touch -h -d @5.123456789 l
	is 5.123456789 "$(stat -c %.9Y l)"
}

# bats test_tags=slow
@test "symbolic links: long, dangling, relative, absolute" {
	same_as_tmpfs symlinks
}

# ---- names -----------------------------------------------------------------

odd_names() {
	local name i=0 long

	long=$(text 255)
	is "0 0 0 0" "$(posix touch "$long" mkdir "d$(text 254)" 0755 \
		rename "$long" "r$(text 254)" symlink x "s$(text 254)" \
		link "r$(text 254)" "$long")"
	is "100644:2:0 40755:2" "$(posix stat "$long" stat "d$(text 254)")"
	long=$(text 256)
	is "ENAMETOOLONG ENAMETOOLONG ENAMETOOLONG ENAMETOOLONG ENAMETOOLONG ENAMETOOLONG ENAMETOOLONG ENAMETOOLONG" \
		"$(posix open "$long" w,creat open "$long" r mkdir "$long" 0755 \
			rename "$(text 255)" "$long" symlink x "$long" \
			link "$(text 255)" "$long" unlink "$long" stat "$long")"
	# 255 bytes, not characters
	long=$(printf 'ä%.0s' {1..127})
	is "0 ENAMETOOLONG" "$(posix mkdir "$long" 0755 mkdir "${long}ää" 0755)"
	rm -r -- *
	# all bytes but two are letters
	for name in " " $'\n' $'\t\e[0m' '*' '\' "'" '"' -rf '...' $'\xff\xfe' \
		$'\x01' '~' '$HOME' 'a b' %s .. .a 'a.' 'A' 'a' 'ä' $'a\xcc\x88'; do
		[[ $name != .. ]] || continue
		printf '%s' "$name" >"./$name"
		i=$((i + 1))
	done
	is "$i" "$(find . -mindepth 1 -print0 | tr -dc '\0' | wc -c)"
	for name in ./* ./.[!.]* ./...; do
		printf '%s' "${name#./}" | cmp - "$name"
	done
	find . -mindepth 1 -print0 | sort -z | sha256sum
	find . -mindepth 1 -delete
	is "" "$(names_in .)"
}

@test "names: 255 bytes, not one more, and any bytes" {
	same_as_tmpfs odd_names
}

# A path deeper than PATH_MAX, step by step.
deep() {
	local step i root=$PWD
	local -a dive=() rise=()

	step=$(text 200)
	for i in {1..30}; do
		dive+=(mkdir "$step" 0755 cd "$step")
		rise+=(cd .. rmdir "$step")
	done
	is "$(printf '0 %.0s' {1..60})0 4 4:deep" "$(posix "${dive[@]}" \
		open f rw,creat write deep pread 9 0)"
	# at the bottom names are still found, renamed and removed
	dive=()
	for i in {1..30}; do
		dive+=(cd "$step")
	done
	is "100644:1:4 0 0 100644:2:4 3 0 0" "$(posix "${dive[@]}" stat f \
		rename f g link g h stat g opendir . readdir 3 unlink g \
		unlink h | cut -d ' ' -f 31-34,36-)"
	is "ENAMETOOLONG" "$(posix stat "$step/$(printf "$step/%.0s" {1..30})f")"
	# moved as a whole; what is below is where it was
	is "0 0" "$(posix mkdir other 0755 rename "$step" other/top)"
	mv other/top "$step"
	rmdir other
	is 0 "$(posix "${dive[@]}" "${rise[@]}" | tr ' ' '\n' | sort -u)"
	cd "$root"
	is "" "$(names_in .)"
}

@test "directories deeper than PATH_MAX" {
	same_as_tmpfs deep
}

# Where names have been asked for before they were there.
looked_for() {
	local i

	for i in {1..20}; do
		is "ENOENT ENOENT" "$(posix stat "n$i" open "m$i" r)"
		printf "%s" "$i" >"n$i"
		mv "n$i" "m$i"
		is "ENOENT $i" "$(posix stat "n$i") $(<"m$i")"
		ln "m$i" "n$i"
		rm "m$i"
		is "ENOENT $i" "$(posix stat "m$i") $(<"n$i")"
		mkdir "m$i"
		is "EISDIR" "$(posix open "m$i" w)"
		rmdir "m$i"
		: >"m$i"
		is "100644:1:0" "$(posix stat "m$i")"
	done
	# another process makes it
	for i in {1..20}; do
		is "ENOENT 0 -9 100644:1:0" "$(posix stat "o$i" child \
			create "o$i" w,creat 0644 kill 9 end wait stat "o$i")"
	done
}

# bats test_tags=slow
@test "names that were not there, and then are" {
	same_as_tmpfs looked_for
}

# ---- directories that are gone ---------------------------------------------

removed_cwd() {
	mkdir gone
	is "0 0 40755:0 ENOENT ENOENT ENOENT ENOENT ENOENT ENOENT" "$(posix cd gone \
		rmdir ../gone stat . open f w,creat mkdir d 0755 symlink x l \
		mknod p fifo 0644 0 stat f getcwd)"
	mkdir gone
	show posix cd gone rmdir ../gone stat .. chmod . 0700 stat . \
		opendir . readdir 9 rmdir . rename . x link ../f f
	show posix mkdir gone2 0755 opendir gone2 rmdir gone2 readdir 9 readdir 9
	# a new one of the old name is not the old one
	is "0 0 0 0 40755:0 ENOENT 40755:2" "$(posix mkdir gone 0755 cd gone \
		rmdir ../gone mkdir ../gone 0755 stat . open f w,creat \
		stat ../gone)"
	rmdir gone
	# a working directory that is replaced, or moved
	mkdir -p a b/below
	is "0 0 40755:2 0 ENOENT" "$(posix cd a rename ../a ../c stat . \
		mkdir here 0755 stat ../a)"
	is here "$(names_in c)"
	mkdir empty
	is "0 0 40755:0 ENOENT ENOENT" "$(posix cd empty rename ../c ../empty \
		stat . mkdir x 0755 stat ../c)"
	is here "$(names_in empty)"
	show names_in .
}

@test "work in a directory that has been removed, moved or replaced" {
	same_as_tmpfs removed_cwd
}

# ---- very large directories ------------------------------------------------

many() {
	local n i missing twice made

	n=100000
	if ((!${SOAK:-0})); then
		[[ $WAY == root/passthrough ]] && ! sanitized || n=20000
	fi
	mkdir "$POOL/many"
	timeout 400 "$TOOLS/bigdir" fill "$POOL/many" $n
	for i in 1 2; do
		read -r missing twice made < <(timeout 300 "$TOOLS/bigdir" churn \
			"$POOL/many" $n)
		is "0 0" "$missing $twice"
		((made > 0)) || fail "nothing changed meanwhile"
		timeout 300 find "$POOL/many" -name 'young-*' -delete
	done
	is $n "$(timeout 300 ls -U "$POOL/many" | wc -l)"
	# any of them is found at once
	is "100644 ENOENT" "$(posix stat "$POOL/many/stable-$((n - 1))" |
		cut -d : -f 1) $(posix stat "$POOL/many/stable-$n")"
}

# the other ways differ in what stands in front of the same directory
# bats test_tags=slow
@test "100,000 names: each is listed once while others come and go" {
	in_every_way many
}

streams() {
	local i sum

	mkdir d
	for i in {1..500}; do
		: >"d/name-$i"
	done
	sum=$(posix opendir d readdir 1000 names)
	is "0 502 502" "${sum%:*}"
	# in pieces, with others removed and made between them
	is "0 10 492 ${sum##* }" "$(posix opendir d readdir 10 readdir 1000 names)"
	is "0 100 0 402 0 ${sum##* }" "$(posix opendir d readdir 100 touch d/new \
		unlink d/new readdir 402 readdir 9 names)"
	# what is removed while it is read is not there twice, nor the rest lost
	is "0 502 0" "$(posix opendir d readdir 1000 closedir)"
	rm -r d
	is "" "$(names_in .)"
}

@test "a directory stream goes on while names come and go" {
	same_as_tmpfs streams
}

# ---- box and .pool ---------------------------------------------------------

# busy WORD: what the pool itself needs is in use, or not permitted.
busy() {
	[[ $1 == EBUSY || $1 == EPERM ]] || fail "$1, not EBUSY or EPERM"
}

fixed_names() {
	local name word

	cd "$POOL"
	mkdir d
	printf content >f
	for name in box .pool; do
		is "EEXIST EEXIST EEXIST EEXIST EEXIST EISDIR EISDIR" "$(posix \
			mkdir "$name" 0755 symlink x "$name" link f "$name" \
			mknod "$name" fifo 0644 0 open "$name" w,creat,excl \
			open "$name" w unlink "$name")"
		is "EISDIR EEXIST EEXIST ENOTDIR" "$(posix rename f "$name" \
			rename2 f "$name" noreplace rename2 d "$name" noreplace \
			rename "$name" f)"
		for word in $(posix rmdir "$name" rename "$name" x \
			rename "$name" d/x rename2 f "$name" exchange \
			rename2 "$name" d exchange rename2 "$name" x noreplace); do
			busy "$word"
		done
		word=$(posix rename d "$name")
		[[ $word == ENOTEMPTY || $word == EEXIST ]] || busy "$word"
		[ -d "$name" ]
	done
	# all of it is still what it was
	is "d f" "$(names_in .)"
	is content "$(<f)"
	mkdir box/a
	printf message >box/a/send
	is message "$(cat box/a/tx/1)"
	timeout 60 cat .pool/stats >/dev/null
	# below the root these are names like any other
	mkdir d/box d/.pool
	printf plain >d/box/f
	is "plain 0" "$(<d/box/f) $(posix rename d/box d/.pool)"
	# nothing goes from one to the other but by a copy
	for word in $(posix rename f box/f rename f box/a/f rename f .pool/f \
		rename d box/d rename box/a d/a rename box/a/tx/1 m \
		rename box/a/tx d/tx link f box/f link f box/a/f \
		link box/a/tx/1 m link .pool/stats s link box/a/data data \
		rename box/a/data data rename .pool/stats f); do
		[[ $word == EXDEV ]] || busy "$word"
	done
	is "d f" "$(names_in .)"
	is "a" "$(names_in box)"
	is content "$(<f)"
	cp f box/a/send
	wait_until 5 test -e box/a/tx/2
	is content "$(cat box/a/tx/2)"
	cp box/a/tx/1 m
	is message "$(<m)"
}

@test "box and .pool cannot be replaced, moved or removed" {
	in_every_way fixed_names
}

@test "the root of the mount is a directory like any other, but for these" {
	in_every_way root_directory
}

root_directory() {
	is "" "$(names_in "$POOL")"
	is "40755" "$(posix stat "$POOL" | cut -d : -f 1)"
	: >"$POOL/f"
	mkdir "$POOL/d"
	is "d f" "$(names_in "$POOL")"
	is "0 40700" "$(posix chmod "$POOL" 0700 stat "$POOL" | cut -d : -f 1)"
	touch -d @77 "$POOL"
	is 77 "$(stat -c %Y "$POOL")"
	setfattr -n user.note -v root "$POOL"
	is root "$(getfattr --only-values -n user.note "$POOL" 2>/dev/null)"
	chmod 755 "$POOL"
	is "$(stat -c %i "$POOL")" "$(stat -c %i "$POOL/d/..")"
	rm -r "$POOL/f" "$POOL/d"
}
