#!/usr/bin/env bats
# SPDX-License-Identifier: GPL-2.0-or-later
#
# Limits of users: one takes all that it can get of boxes, open files,
# transactions, ranges and waiting writes.  It hears EDQUOT at its share, root
# and others go on, and what it gives back is nobody's.
#
# Shares are made small, so that they are soon used up.
#
# shellcheck disable=SC2154,SC2016 # evaluated later, or by another shell

load helpers
load boxes
load volatile

teardown() { clean_up; }

export ATTACKER=54321 OTHER=54322

# limit ITEM used|share|max: of .pool/stats.
limit() {
	json "limits.$1.$2" "$POOL/.pool/stats"
}

# has UID ITEM: how many of them UID has, as root sees it.
has() {
	json ".users[\"$1\"].$2 // 0" "$POOL/.pool/stats"
}

# who CMD...: as the attacker, for a minute at most.
attacker() {
	as_id "$ATTACKER" "$ATTACKER" timeout 60 "$@"
}

# ops_of UID OP...: fileops as somebody.
ops_of() {
	local uid=$1

	shift
	as_id "$uid" "$uid" timeout 60 "$TOOLS/fileops" "$@" | paste -sd ' ' -
}

# others_work: root does all that there is to do, and another user, too.
others_work() {
	local uid

	for uid in 0 "$OTHER"; do
		as_id "$uid" "$uid" timeout 60 bash -ec '
			cat "$1/.pool/stats" "$1/.pool/metrics" >/dev/null
			mkdir "$1/box/of.$2"
			echo "from $2" >"$1/box/of.$2/send"
			timeout 20 head -c 5 <"$1/box/of.$2/recv" >/dev/null
			cat "$1/box/of.$2/tx"/* | grep -q "from $2"
			rm "$1/box/of.$2/tx"/*
			rmdir "$1/box/of.$2"
			echo plain >"$1/file.$2"
			rm "$1/file.$2"
		' - "$POOL" "$uid" 3>&- || fail "$uid cannot work"
	done
}

# next_worker: kills this one, and waits for the next.
next_worker() {
	local worker

	worker=$(json worker "$POOL/.pool/stats")
	kill -9 "$worker"
	wait_until 10 eval '[ "$(json worker "$POOL/.pool/stats")" != '"$worker"' ]'
}

# nobody_has_any: all that was charged has been given back.
nobody_has_any() {
	[[ $(json '.users | del(.["0"]) | length' "$POOL/.pool/stats") == 0 ]]
}

# small_boxes: their number is the limit, and not the sizes of their regions.
small_boxes() {
	echo '{"box_size": "64K"}' >"$POOL/.pool/config"
}

# fill_boxes NAME: the attacker makes boxes until it may not; prints why.
fill_boxes() {
	attacker bash -c 'mkdir "$1/box/$2".{1..300} 2>&1 | head -n 1' - \
		"$POOL" "$1" 3>&-
}

boxes() {
	local share

	small_boxes
	share=$(limit boxes share)
	((share < 300))
	[[ $(fill_boxes evil) == *"quota exceeded"* ]]
	is "$share" "$(has "$ATTACKER" boxes)"
	others_work
	next_worker
	is "$share" "$(has "$ATTACKER" boxes)"
	[[ $(fill_boxes more) == *"quota exceeded"* ]]
	others_work
	# chown moves a box, also to one who has too many
	mkdir "$POOL/box/gift"
	chown "$ATTACKER" "$POOL/box/gift"
	is $((share + 1)) "$(has "$ATTACKER" boxes)"
	chown "$OTHER" "$POOL/box/gift"
	is "$share" "$(has "$ATTACKER" boxes)"
	is 1 "$(has "$OTHER" boxes)"
	rmdir "$POOL/box"/*
	nobody_has_any
}

@test "boxes: one user makes all that it can" {
	as_root_in_every_mode boxes -o allow_other,mode=1777,size=16M,user_quota=5
}

regions() {
	local share box=$POOL/box/large

	share=$(limit region_bytes share)
	attacker mkdir "$box"
	is $((4 << 20)) "$(has "$ATTACKER" region_bytes)"
	attacker truncate -s $((share - share % (2 << 20))) "$box/data"
	fails attacker truncate -s $((share + (2 << 20))) "$box/data" 2>"$W/why"
	grep -q "quota exceeded" "$W/why"
	[[ $(attacker mkdir "$box.2" 2>&1) == *"quota exceeded"* ]]
	others_work
	next_worker
	is $((share - share % (2 << 20))) "$(has "$ATTACKER" region_bytes)"
	attacker truncate -s 1M "$box/data"
	is $((2 << 20)) "$(has "$ATTACKER" region_bytes)"
	attacker rmdir "$box"
	nobody_has_any
}

@test "regions: one user makes them as large as it can" {
	as_root_in_every_mode regions -o allow_other,mode=1777,size=16M
}

# hold_files FILE NR WHY GO: opens FILE until it may not, says how often and why,
# and holds them until GO is there.
hold_files() {
	local n=0 fd

	ulimit -S -n "$(ulimit -H -n)"
	# shellcheck disable=SC2034 # they are only held
	while exec {fd}<"$1"; do
		n=$((n + 1))
	done 2>"$3"
	echo "$n" >"$2"
	until [[ -e $4 ]]; do
		sleep 0.1
	done
}

open_files() {
	local share

	share=$(limit open share)
	mkdir -m 755 "$POOL/box/public"
	install -d -m 777 "$W/out"
	ATTACK=$(declare -f hold_files) background as_id "$ATTACKER" \
		"$ATTACKER" timeout 300 bash -c \
		'eval "$ATTACK"; hold_files "$@"' - \
		"$POOL/box/public/recv" "$W/out/nr" "$W/out/why" "$W/go"
	wait_until 30 test -s "$W/out/nr"
	is "$share" "$(<"$W/out/nr")"
	grep -q "quota exceeded" "$W/out/why"
	is "$share" "$(has "$ATTACKER" open)"
	others_work
	next_worker
	is "$share" "$(has "$ATTACKER" open)"
	others_work
	# not even those that show what it has
	fails attacker cat "$POOL/.pool/stats"
	: >"$W/go"
	wait_until 10 nobody_has_any
	attacker cat "$POOL/.pool/stats" >"$W/stats"
	rmdir "$POOL/box/public"
}

@test "open files: one user holds all that it can" {
	as_root_in_every_mode open_files -o allow_other,mode=1777,size=16M,user_quota=2
}

transactions_of_one() {
	local share

	share=$(limit transactions share)
	mkdir -m 755 "$POOL/box/public"
	chmod 222 "$POOL/box/public/send"
	is "$share" "$(attacker bash -c 'n=0
		while : >"$1"; do n=$((n + 1)); done 2>"$2"
		echo $n' - "$POOL/box/public/send" /dev/null)"
	is "$share" "$(has "$ATTACKER" transactions)"
	is "EDQUOT" "$(ops_of "$ATTACKER" open "$POOL/box/public/send" w)"
	is "0 3 0" "$(ops_of "$OTHER" open "$POOL/box/public/send" w write abc close)"
	others_work
	next_worker
	is "$share" "$(has "$ATTACKER" transactions)"
	is "EDQUOT" "$(ops_of "$ATTACKER" open "$POOL/box/public/send" w)"
	others_work
	# each that is freed makes room for another, also in a file that is open
	ops_into "$W/open" open "$POOL/box/public/send" w write abc close
	rm "$POOL/box/public/tx/1"
	is "0 1 0 EDQUOT EDQUOT 0" "$(ops_of "$ATTACKER" open \
		"$POOL/box/public/send" w write x fsync write y write z close)"
	find "$POOL/box/public/tx" -type f -delete
	rmdir "$POOL/box/public"
	nobody_has_any
}

@test "transactions: one user sends nothing, over and over" {
	as_root_in_every_mode transactions_of_one \
		-o allow_other,mode=1777,size=16M,user_quota=2
}

# pin_ranges pin|unpin FILE N: the first N even pages of FILE; prints how often
# each result came.
pin_ranges() {
	local i
	local -a args=()

	for ((i = 0; i < $3; i++)); do
		args+=($((i * 8192)) 4096)
	done
	attacker "$TOOLS/pinrange" "$1" "$2" "${args[@]}" | sort | uniq -c |
		awk '{ print $1, $2 }' | paste -sd ' ' -
}

ranges_of_one() {
	local share f="$POOL/file"

	share=$(limit ranges share)
	install -o "$ATTACKER" -m 666 /dev/null "$f"
	truncate -s $(((share + 10) * 8192)) "$f"
	is "$share 0 10 EDQUOT" "$(pin_ranges unpin "$f" $((share + 10)))"
	is "$share" "$(has "$ATTACKER" ranges)"
	"$POOLCTL" unpin "$f" $(((share + 5) * 8192 + 4096)) 4096
	is 1 "$(has 0 ranges)"
	others_work
	next_worker
	is "$share" "$(has "$ATTACKER" ranges)"
	is 1 "$(has 0 ranges)"
	is "$share 0 10 EDQUOT" "$(pin_ranges unpin "$f" $((share + 10)))"
	# who has no record left can still pin
	is "$((share + 10)) 0" "$(pin_ranges pin "$f" $((share + 10)))"
	"$POOLCTL" pin "$f"
	is 0 "$(limit ranges used)"
	rm "$f"
	nobody_has_any
}

@test "ranges: one user unpins every other page" {
	as_root_in_every_mode ranges_of_one \
		-o allow_other,mode=1777,size=16M,user_quota=2
}

# blocked_writer UID I: 1 MiB into the full box, in the background.
blocked_writer() {
	background as_id "$1" "$1" timeout 200 "$TOOLS/fileops" \
		open "$POOL/box/full/send" w zeros 1M close >"$W/w.$1.$2"
}

# heard UID WORD: how many senders of UID have got WORD.
heard() {
	cat "$W/w.$1".* | grep -cx "$2"
}

# wait_now NR: in all, so many requests wait.
wait_now() {
	[[ $(limit waiting used) == "$1" ]]
}

# drained: frees what is in the box; nothing is left, and nobody waits.
drained() {
	rm -f "$POOL/box/full/tx"/*
	wait_now 0 && nothing_in "$POOL/box/full/tx"
}

blocked_writers() {
	local i

	echo '{"box_size": "1M", "sender_quota": 100}' >"$POOL/.pool/config"
	mkdir -m 755 "$POOL/box/full"
	chmod 222 "$POOL/box/full/send"
	# it is the attacker's, who has no quota in it
	chown "$ATTACKER" "$POOL/box/full"
	# by none of those that wait: in a box of others each has a quota
	as_id 54329 54329 "$TOOLS/sendtx" --size 1M "$POOL/box/full/send"
	# a quarter of 16 MiB
	for ((i = 0; i < 10; i++)); do
		blocked_writer "$ATTACKER" "$i"
	done
	wait_until 20 wait_now 4
	wait_until 20 eval '[[ $(heard "$ATTACKER" EDQUOT) == 6 ]]'
	is $((4 << 20)) "$(has "$ATTACKER" waiting_bytes)"
	# others still wait
	blocked_writer "$OTHER" 0
	blocked_writer 0 0
	wait_until 20 wait_now 6
	is $((1 << 20)) "$(has 0 waiting_bytes)"
	others_work
	# nothing waits twice when they come again
	next_worker
	wait_until 20 wait_now 6
	is $((4 << 20)) "$(has "$ATTACKER" waiting_bytes)"
	others_work
	# all who wait are served, and nothing of who was refused arrives
	wait_until 30 drained
	wait_until 20 eval '[[ $(heard "$ATTACKER" 1048576) == 4 ]]'
	wait_until 20 eval '[[ $(heard "$OTHER" 1048576) == 1 ]]'
	wait_until 20 eval '[[ $(heard 0 1048576) == 1 ]]'
	# in cached mode the last one may have been queued since then
	wait_until 10 eval 'drained && rmdir "$POOL/box/full"'
	wait_until 10 nobody_has_any
}

@test "writes that wait: one user blocks 64 of them" {
	as_root_in_every_mode blocked_writers -o allow_other,mode=1777,size=16M
}

# What a quota does not allow is refused at once, whoever else has what in the
# box, and whoever waits; a sender within its quota waits.
refused_at_once() {
	local i full=$POOL/box/full

	echo '{"box_size": "1M", "sender_quota": 100}' >"$POOL/.pool/config"
	mkdir -m 755 "$full" "$POOL/box/large"
	truncate -s 16M "$POOL/box/large/data"
	chmod 222 "$full/send" "$POOL/box/large/send"
	chown "$ATTACKER" "$full"
	"$TOOLS/sendtx" --size 1M "$full/send"
	for i in 1 2; do
		# alone, and behind one that waits; by a new worker, too
		is "0 EDQUOT 0" "$(ops_of 0 open "$full/send" w zeros 1M close)"
		is "0 EDQUOT 0" "$(ops_of 0 open "$full/send" w zeros 8 close)"
		((i > 1)) || blocked_writer "$OTHER" 0
		wait_until 20 wait_now 1
		is "0 EDQUOT 0" "$(ops_of 0 open "$full/send" w zeros 1M close)"
		is "0 EDQUOT 0" "$(ops_of 0 open "$full/send" w zeros 8 close)"
		next_worker
	done
	# a share of the pool that is used up elsewhere
	is "0 1048576 0,0 1048576 0,0 1048576 0,0 1048576 0" \
		"$(of_1m "$ATTACKER" 4)"
	is "0 EDQUOT 0" "$(ops_of "$ATTACKER" open "$full/send" w zeros 8 close)"
	wait_until 20 wait_now 1
	rm "$full/tx/1"
	wait_until 20 eval '[[ $(heard "$OTHER" 1048576) == 1 ]]'
	is "0 EDQUOT 0" "$(ops_of "$ATTACKER" open "$full/send" w zeros 8 close)"
}

@test "above a quota EDQUOT comes at once, also to a full box where others wait" {
	as_root_in_every_mode refused_at_once -o allow_other,mode=1777,size=16M
}

# of_1m UID N: N transactions of 1 MiB; prints what each write got.
of_1m() {
	local i

	for ((i = 0; i < $2; i++)); do
		ops_of "$1" open "$POOL/box/large/send" w zeros 1M close
	done | paste -sd , -
}

content_of_one() {
	local box=$POOL/box/large

	attacker mkdir "$box"
	attacker truncate -s 16M "$box/data"
	attacker chmod 222 "$box/send"
	is "0 1048576 0,0 1048576 0,0 EDQUOT 0" "$(of_1m "$ATTACKER" 3)"
	is $((2 << 20)) "$(has "$ATTACKER" box_bytes)"
	others_work
	# nor in smaller steps, nor in a larger transaction
	is "0 1000 1000 EDQUOT EDQUOT 0" "$(ops_of "$ATTACKER" open \
		"$box/send" w zeros 1000 zeros 1000 zeros 100K write x close)"
	rm "$box/tx/1"
	is "0 500000 500000 EDQUOT EDQUOT EDQUOT 0" "$(ops_of "$ATTACKER" \
		open "$box/send" w zeros 500000 zeros 500000 zeros 500000 \
		write x fsync close)"
	next_worker
	is $((1 << 20)) "$(has "$ATTACKER" box_bytes)"
	is "0 1048576 0,0 EDQUOT 0" "$(of_1m "$ATTACKER" 2)"
	is "0 1048576 0" "$(of_1m 0 1)"
	rm "$box/tx"/*
	is 0 "$(limit box_bytes used)"
	rmdir "$box"
	nobody_has_any
}

@test "content of boxes: one user fills the pool" {
	as_root_in_every_mode content_of_one \
		-o allow_other,mode=1777,size=16M,user_quota=13
}

# Each file that the kernel knows has a record, in the same file system as those
# of boxes and open files: 553,980 empty files left no room in it.
files_leave_room() {
	local nr records=$(((64 << 20) + (16 << 20) / 4))

	nr=$(stat -f -c %c "$POOL")
	is $((records / 1024)) "$nr"
	# it is a limit, and what is left of it is told
	touch "$POOL/file"
	is $((nr - 2)) "$(stat -f -c %d "$POOL")"
	rm "$POOL/file"
}

@test "files: so many that their records leave room for others" {
	as_root_in_every_mode files_leave_room -o size=16M
}

# names_of UID: names of plain files that are UID's.
names_of() {
	find "$POOL" -user "$1" | wc -l
}

# counted UID: what is counted is what there is.
counted() {
	[[ $(has "$1" inodes) == "$(names_of "$1")" ]]
}

# fill_names DIR WHAT: the attacker makes empty files until it may not; prints
# why.
fill_names() {
	attacker bash -c 'for ((i = 0; i < 300; i++)); do
		: >"$1/$2.$i" || break
	done 2>&1 | sed "s/.*: //"' - "$1" "$2" 3>&-
}

inodes_of_one() {
	local share d=$POOL/mine f

	share=$(limit inodes share)
	is 40 "$share"
	attacker bash -ec 'mkdir "$1" && cd "$1" && mkdir d && mkfifo p &&
		ln -s d s && echo text >f && ln f l' - "$d" 3>&-
	is 6 "$(has "$ATTACKER" inodes)"
	is "Disk quota exceeded" "$(fill_names "$d" n)"
	is "$share" "$(has "$ATTACKER" inodes)"
	is "$share" "$(names_of "$ATTACKER")"
	for f in "mkdir $d/x" "mkfifo $d/x" "ln -s d $d/x" "ln $d/f $d/x"; do
		# shellcheck disable=SC2086 # words
		[[ $(attacker $f 2>&1) == *"quota exceeded"* ]] || fail "$f"
	done
	others_work
	next_worker
	is "$share" "$(has "$ATTACKER" inodes)"
	is "Disk quota exceeded" "$(fill_names "$d" again)"
	# a name that takes the place of another one
	attacker mv "$d/n.0" "$d/n.1"
	is $((share - 1)) "$(has "$ATTACKER" inodes)"
	# one file: nothing happens
	is 0 "$(attacker "$TOOLS/posixops" rename "$d/f" "$d/l")"
	counted "$ATTACKER"
	# root may give it more
	: >"$d/roots"
	ln "$d/roots" "$d/roots.too"
	chown "$ATTACKER" "$d/roots"
	is $((share + 1)) "$(has "$ATTACKER" inodes)"
	chown -h "$OTHER" "$d/roots" "$d/s"
	is 3 "$(has "$OTHER" inodes)"
	is $((share - 2)) "$(has "$ATTACKER" inodes)"
	next_worker
	counted "$ATTACKER"
	counted "$OTHER"
	rm -r "$d"
	wait_until 10 nobody_has_any
}

@test "inodes: one user makes all the files that it can" {
	as_root_in_every_mode inodes_of_one \
		-o allow_other,mode=1777,size=16M,nr_inodes=400,user_quota=10
}

inodes_come_back() {
	local d=$POOL/mine

	attacker mkdir "$d"
	install -d -m 777 "$W/out"
	# what is removed and open is there
	background as_id "$ATTACKER" "$ATTACKER" timeout 60 bash -c '
		exec 3>"$1/open" 4>"$1/two"
		ln "$1/two" "$1/two.too"
		rm "$1/open" "$1/two"
		: >"$2/ready"
		until [[ -e $3 ]]; do sleep 0.05; done' - \
		"$d" "$W/out" "$W/go" 3>&-
	wait_until 20 test -e "$W/out/ready"
	is 3 "$(has "$ATTACKER" inodes)"
	is 2 "$(names_of "$ATTACKER")"
	next_worker
	is 3 "$(has "$ATTACKER" inodes)"
	: >"$W/go"
	wait_until 20 counted "$ATTACKER"
	is 2 "$(has "$ATTACKER" inodes)"
	# what is purged, with one name and with three
	attacker bash -ec 'cd "$1"; mkdir e
		for f in one three; do
			echo "$f" >$f
			setfattr -n user.pool.volatile -v 1 $f
		done
		ln three e/three; ln three e/third' - "$d" 3>&-
	is 7 "$(has "$ATTACKER" inodes)"
	settled 2
	purge 100
	fails attacker ls "$d/one" 2>/dev/null
	is 6 "$(has "$ATTACKER" inodes)"
	attacker rmdir "$d/e"
	# the last of its names is removed when somebody looks for it
	fails attacker ls "$d/three" 2>/dev/null
	wait_until 10 counted "$ATTACKER"
	next_worker
	is 2 "$(has "$ATTACKER" inodes)"
	rm -r "$d"
	wait_until 10 nobody_has_any
}

@test "inodes: what is removed or purged is given back" {
	as_root_in_every_mode inodes_come_back \
		-o allow_other,mode=1777,size=16M
}

# What has a record, and no name: directories 80 levels down, and purged files.
records_without_files() {
	local share d=$POOL/mine

	share=$(limit inodes share)
	background as_id "$ATTACKER" "$ATTACKER" timeout 60 "$TOOLS/attack" \
		deaddirs "$POOL" 2000 >"$W/said"
	wait_until 50 grep -q ready "$W/said"
	# the attacker had to have room for one more
	(($(awk '/ready/ { print $2 }' "$W/said") <= share - 80))
	(($(has "$ATTACKER" inodes) >= share - 1))
	others_work
	next_worker
	(($(has "$ATTACKER" inodes) >= share - 1))
	(($(json tree.records "$POOL/.pool/stats") < 2 * share))
	others_work
	kill -TERM "$BG_PID" # of timeout, which passes it on
	wait "$BG_PID" || :
	rm -r "$POOL"/deaddirs.*
	wait_until 20 nobody_has_any
	# the kernel knows this one
	attacker bash -ec 'mkdir "$1"; echo text >"$1/f"; cat "$1/f"
		setfattr -n user.pool.volatile -v 1 "$1/f"' - "$d" 3>&-
	settled 1
	purge 100
	wait_until 20 eval '[[ ! -e $POOL/mine/f ]]'
	wait_until 20 counted "$ATTACKER"
	rm -r "$d"
	wait_until 10 nobody_has_any
}

@test "inodes: what is removed deep down and open is counted" {
	as_root_in_every_mode records_without_files \
		-o allow_other,mode=1777,size=16M,nr_inodes=2000,user_quota=10
}

inodes_over_kills() {
	local i d=$POOL/mine

	attacker mkdir "$d"
	background as_id "$ATTACKER" "$ATTACKER" timeout 120 "$TOOLS/churn" \
		"$d" "$W/stop"
	for i in {1..20}; do
		sleep 0.0"$i"
		next_worker
	done
	: >"$W/stop"
	wait "$BG_PID"
	wait_until 10 counted "$ATTACKER"
	rm -r "$d"
	wait_until 10 nobody_has_any
}

@test "inodes: counts are exact when the worker was killed" {
	as_root_in_every_mode inodes_over_kills \
		-o allow_other,mode=1777,size=16M
}

inodes_reserve() {
	local uid

	for uid in 60001 60002 60003 60004; do
		install -d -o "$uid" "$POOL/of.$uid"
	done
	for uid in 60001 60002 60003 60004; do
		ATTACKER=$uid fill_names "$POOL/of.$uid" n
	done >"$W/why"
	is "Disk quota exceeded,Disk quota exceeded,No space left on device,$(
		)No space left on device" "$(paste -sd , "$W/why")"
	is 175 "$(limit inodes used)"
	OTHER=0 others_work
	touch "$POOL/root".{1..25}
	fails touch "$POOL/root.26" 2>/dev/null
	is 200 "$(limit inodes used)"
	rm -r "$POOL/root".* "$POOL/of".*
	wait_until 10 nobody_has_any
}

@test "inodes: the owner's reserve" {
	as_root_in_every_mode inodes_reserve \
		-o allow_other,mode=1777,size=16M,nr_inodes=200,user_quota=40
}

# fill_attributes FILE: with 20,000 bytes each, until it may not; says why.
fill_attributes() {
	attacker bash -c 'for i in {1..100}; do
		setfattr -n "user.$i" -v "$(printf %020000d 0)" "$1" || exit
	done 2>&1 | sed "s/.*: //"' - "$1" 3>&-
}

inodes_of_attributes() {
	attacker touch "$POOL/a"
	is "No space left on device" "$(fill_attributes "$POOL/a")"
	(($(limit inodes used) <= 175))
	fails attacker setfattr -n user.long -v "$(printf %060000d 0)" \
		"$POOL/a" 2>"$W/why"
	grep -q "No space" "$W/why"
	# one that is the same already
	attacker setfattr -n user.1 -v "$(printf %020000d 0)" "$POOL/a"
	OTHER=0 others_work
	touch "$POOL/root".{1..25}
	rm "$POOL/a" "$POOL/root".*
	nobody_has_any
}

@test "inodes: attributes that are as large as many files" {
	linux_has 6 6 || skip_or_fail "tmpfs has no user. attributes"
	as_root_in_every_mode inodes_of_attributes \
		-o allow_other,mode=1777,size=16M,nr_inodes=200,user_quota=40
}

# users_in N: of an access control list, which has 4 entries more.
users_in() {
	seq -s , -f 'u:%.0f:r' 2001 $((2000 + $1))
}

# too_long OPTION...: setfacl as the user in AS has no room.
too_long() {
	fails $AS setfacl "$@" "$POOL/d" 2>"$W/why"
	grep -q "No space left" "$W/why"
}

access_lists() {
	local AS=attacker

	attacker mkdir "$POOL/d"
	attacker setfacl -m "$(users_in 28)" "$POOL/d"
	attacker setfacl -d -m "$(users_in 28)" "$POOL/d"
	too_long -m "$(users_in 29)"
	too_long -d -m "$(users_in 29)"
	attacker mkdir "$POOL/d/sub"
	is 28 "$(getfacl -cnp "$POOL/d/sub" | grep -c '^user:2')"
	is 28 "$(getfacl -cnp "$POOL/d/sub" | grep -c '^default:user:2')"
	setfacl -m "$(users_in 100)" "$POOL/d/sub"
	is 100 "$(getfacl -cnp "$POOL/d/sub" | grep -c '^user:2')"
	# what others make would have copies of it
	AS=
	too_long -d -m "$(users_in 100)"
}

@test "access control lists, which no limit counts, are short" {
	as_root_in_every_mode access_lists -o allow_other,mode=1777
}

# everybody_takes: user after user takes boxes; prints what they heard at last.
everybody_takes() {
	local uid

	for uid in 60001 60002 60003 60004 60005; do
		as_id "$uid" "$uid" timeout 60 bash -c \
			'mkdir "$1"/box/of.$2.{1..300} 2>&1 | head -n 1' - \
			"$POOL" "$uid" 3>&- | sed 's/.*: //'
	done | paste -sd , -
}

reserve() {
	local max left

	small_boxes
	max=$(limit boxes max)
	left=$((max / 8))
	is "Disk quota exceeded,Disk quota exceeded,Disk quota exceeded,$(
		)No space left on device,No space left on device" \
		"$(everybody_takes)"
	is $((max - left)) "$(limit boxes used)"
	OTHER=0 others_work
	mkdir "$POOL"/box/root.{1..200} 2>"$W/why" || true
	grep -q "No space left" "$W/why"
	is "$left" "$(has 0 boxes)"
	is "$max" "$(limit boxes used)"
	next_worker
	is "$max" "$(limit boxes used)"
	rmdir "$POOL"/box/*
	is 0 "$(limit boxes used)"
	nobody_has_any
}

# bats test_tags=slow
@test "the owner's reserve: all users together take what they can" {
	as_root_in_every_mode reserve -o allow_other,mode=1777,size=16M
}

own_pool() {
	local max share

	small_boxes
	max=$(limit boxes max)
	share=$(limit boxes share)
	((share < 300 && max < 1100))
	mkdir "$POOL"/box/{1..1100} 2>"$W/why" || true
	grep -q "No space left" "$W/why"
	is "$max" "$(limit boxes used)"
	is "$max" "$(json ".users[\"$(id -u)\"].boxes" "$POOL/.pool/stats")"
	rmdir "$POOL"/box/*
	is 0 "$(limit boxes used)"
}

# bats test_tags=slow
@test "in a pool of one's own there is no share, but an end" {
	in_every_way own_pool -o size=16M
}

settings() {
	local share

	is 30 "$(json user_quota "$POOL/.pool/config")"
	share=$(limit boxes share)
	is $(($(limit boxes max) * 30 / 100)) "$share"
	echo '{"user_quota": 10}' >"$POOL/.pool/config"
	is $(($(limit boxes max) / 10)) "$(limit boxes share)"
	next_worker
	is 10 "$(json user_quota "$POOL/.pool/config")"
	is $(($(limit boxes max) / 10)) "$(limit boxes share)"
}

@test "user_quota: an option and a key of .pool/config" {
	as_root_in_every_mode settings -o size=16M,user_quota=30
}

private() {
	attacker mkdir "$POOL/box/one" "$POOL/box/two"
	as_id "$OTHER" "$OTHER" mkdir "$POOL/box/three"
	is 2 "$(has "$ATTACKER" boxes)"
	is 1 "$(has "$OTHER" boxes)"
	is "[\"$ATTACKER\"]" \
		"$(attacker cat "$POOL/.pool/stats" | jq -c '.users | keys')"
	is "[]" "$(as_id 54323 54323 cat "$POOL/.pool/stats" |
		jq -c '.users | keys')"
}

@test "who has what is told to root, to others only their own" {
	as_root_in_every_mode private -o allow_other,mode=1777,size=16M
}
