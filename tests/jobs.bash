# SPDX-License-Identifier: GPL-2.0-or-later
# shellcheck shell=bash disable=SC2154
#
# The queue of tests/run: programs that run beside each other.
#
#	job_add ALONE NEEDS LENGTH THEN NAME SECONDS CMD...
#	jobs_run
#
# It wants $out, a directory below this one, $reach, one that every user can
# enter, and $beside, how many run at once.
#
# Each job has a directory of its own, $out/jobs/ID, with what its tests note
# (POOLFS_STATE).  Another one, $reach/jobs/ID, is where every user may write:
# TMPDIR, and what the sanitizers report (POOLFS_SAN_LOG).  Nothing that one job
# leaves is taken for another's.  What it
# prints goes to a log and is shown by THEN when it has ended, never earlier, so
# that the lines of two jobs do not mix.
#
# A job moves one way:
#
#	waiting -> running -> ended
#
# Of those that wait the longest starts first, so that none of the long ones is
# left alone at the end, as soon as fewer than $beside run and the build that it
# NEEDS is there.  Those to be run ALONE come last, one by one.

job_count=0
job_alone=()
job_needs=()
job_length=()
job_then=()
job_name=()
job_limit=()
job_command=()
job_started=()
declare -A jobs_waiting=() # ID -> 1
declare -A jobs_running=() # pid -> ID
declare -A jobs_built=()   # what NEEDS has been met
jobs_halted=

# job_add ALONE NEEDS LENGTH THEN NAME SECONDS CMD...: CMD will be run for at
# most SECONDS, alone if ALONE is 1, and then "THEN ID STATUS" is called.  It
# lasts about LENGTH seconds.  NEEDS may be empty.
job_add() {
	local id=$job_count

	job_count=$((id + 1))
	job_alone[id]=$1
	job_needs[id]=$2
	job_length[id]=$3
	job_then[id]=$4
	job_name[id]=$5
	job_limit[id]=$6
	shift 6
	job_command[id]=${*@Q}
	jobs_waiting[$id]=1
}

# jobs_have NEEDED: who needs that may start.
jobs_have() {
	jobs_built[$1]=1
}

# jobs_halt: no other job starts.
jobs_halt() {
	jobs_halted=1
}

# job_log ID: where its output is.
job_log() {
	echo "$out/${job_name[$1]//[\/: ]/_}.log"
}

# job_seconds ID: how long it has run.
job_seconds() {
	echo $((SECONDS - job_started[$1]))
}

# job_environment ID: for the shell that is about to become the job.
job_environment() {
	export TMPDIR=$reach/jobs/$1/tmp
	export POOLFS_STATE=$PWD/$out/jobs/$1/state
	export POOLFS_SAN_LOG=$reach/jobs/$1/sanitizer
	export POOLFS_ALONE=${job_alone[$1]}
	export ASAN_OPTIONS=log_path=$POOLFS_SAN_LOG/asan:detect_leaks=1:abort_on_error=0:handle_abort=1
	export LSAN_OPTIONS=print_suppressions=0
	export UBSAN_OPTIONS=log_path=$POOLFS_SAN_LOG/ubsan:print_stacktrace=1
	export TSAN_OPTIONS=log_path=$POOLFS_SAN_LOG/tsan:second_deadlock_stack=1
	mkdir -p "$TMPDIR" "$POOLFS_STATE" "$POOLFS_SAN_LOG"
	chmod 755 "$reach/jobs" "$reach/jobs/$1"
	# ordinary users run a pool under a sanitizer, too
	chmod 1777 "$TMPDIR" "$POOLFS_SAN_LOG"
}

job_start() {
	local id=$1

	unset "jobs_waiting[$id]"
	job_started[id]=$SECONDS
	(
		job_environment "$id"
		eval "set -- ${job_command[id]}"
		# a shell has these two ignored in what it starts with "&"
		exec env --default-signal=INT,QUIT \
			timeout -k 10 "${job_limit[id]}" "$@"
	) >"$(job_log "$id")" 2>&1 &
	jobs_running[$!]=$id
}

# job_wait: until one has ended, and what that means.
job_wait() {
	local pid id status=0

	wait -n -p pid "${!jobs_running[@]}" || status=$?
	id=${jobs_running[$pid]}
	unset "jobs_running[$pid]"
	"${job_then[id]}" "$id" "$status"
	rm -rf --one-file-system "${reach:?}/jobs/$id"
}

# job_next ALONE: sets NEXT to the ID of the one to start now, or to nothing.
job_next() {
	local id need

	NEXT=
	[[ ! $jobs_halted ]] || return 0
	for id in "${!jobs_waiting[@]}"; do
		need=${job_needs[id]}
		[[ ${job_alone[id]} == "$1" ]] || continue
		[[ ! $need || ${jobs_built[$need]:-} ]] || continue
		if [[ ! $NEXT ]] || ((job_length[id] > job_length[NEXT])); then
			NEXT=$id
		fi
	done
}

# jobs_drain ALONE MOST: all that are to run alone, or all others, at most MOST
# at once.
jobs_drain() {
	local NEXT

	while :; do
		job_next "$1"
		if [[ $NEXT ]] && ((${#jobs_running[@]} < $2)); then
			job_start "$NEXT"
		elif ((${#jobs_running[@]})); then
			job_wait
		else
			return
		fi
	done
}

jobs_run() {
	jobs_drain 0 "$beside"
	jobs_drain 1 1
}

# jobs_kill: ends all that run, with their children, and waits until they have:
# timeout passes the signal on, and kills ten seconds later.
jobs_kill() {
	((${#jobs_running[@]})) || return 0
	kill -TERM "${!jobs_running[@]}" 2>/dev/null
	wait "${!jobs_running[@]}"
}
