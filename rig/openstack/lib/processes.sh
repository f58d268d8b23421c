# Processes of the rig: each is known by its pid and its start time, so that a pid used anew is never signalled.
# Sourced, never run.

# Field N of /proc/PID/stat counted after the name, which may hold blanks: 1 is the state, 20 the start time.
stat_field() { sed 's/.*) //' "/proc/$1/stat" 2>/dev/null | cut -d' ' -f"$2"; }

# start NAME CMD...: in its own session, output in the logs, remembered in a file.
start() {
  local name=$1
  shift
  setsid "$@" >> "$LOG/$name.out" 2>&1 < /dev/null 9>&- &
  local pid=$!
  echo "$pid $(stat_field "$pid" 20)" > "$RUN/$name.pid"
}

# alive NAME: a zombie is dead, for pid 1 of a container may not reap.
alive() {
  local pid born
  read -r pid born < "$RUN/$1.pid" 2>/dev/null || return 1
  [[ $(stat_field "$pid" 20) == "$born" && $(stat_field "$pid" 1) != Z ]]
}

names() {
  local file
  for file in "$RUN"/*.pid; do [[ -e $file ]] && basename "$file" .pid; done
  return 0
}

# signal SIGNAL NAME: the whole session, whose leader it is.
signal() {
  local pid _
  alive "$2" || return 0
  read -r pid _ < "$RUN/$2.pid"
  kill "-$1" -- "-$pid" 2>/dev/null || kill "-$1" "$pid" 2>/dev/null || true
}

# wait_for SECONDS WHAT CMD...
wait_for() {
  local limit=$1 what=$2 i
  shift 2
  for ((i = 0; i < limit * 20; i++)); do
    "$@" > /dev/null 2>&1 && return
    sleep 0.05
  done
  die "$what is not ready after ${limit} s; its logs are in $LOG"
}

# strays: pids in the rig's namespace that carry its folder in their environment, also those that no file remembers.
# What somebody runs inside by `run` has no RIG_DIR, and so is not among them.
strays() {
  local pid
  for pid in $(ip netns pids "$RIG_NAMESPACE" 2>/dev/null); do
    grep -qzxF "RIG_DIR=$RIG_DIR" "/proc/$pid/environ" 2>/dev/null && echo "$pid"
  done
  return 0
}
