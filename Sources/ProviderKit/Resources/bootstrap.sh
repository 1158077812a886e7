#!/bin/sh
# Runs one calculation on an instance, the same way on every provider: stages the inputs, starts the command,
# keeps the beacon, keeps the limits when nobody watches, ends everything that was started: sh bootstrap.sh DIR
#
# DIR holds job.conf (shell assignments, see BootstrapJob) and the manifest of the inputs. What the script writes there:
#   identity     pid, start time, boot id, epoch ms; made by a hard link, so the first script in DIR is the only one
#   beacon.json  the status document, replaced as a whole if the disk has room
#   output.log   what the calculation printed
#   staged       number and bytes of the input files
#   result       a link whose target is no file but says how it ended, which a full disk has room for
#   reserve      room for the last beacon
# What others may write there: terminate (the instance is to end), no-final-sync, interrupt (the preemption notice).
# Times whose name ends in _cs are hundredths of a second.
set -u
umask 077
unset CDPATH
NL='
'
TAB=$(printf '\t')

cd "${1:?usage: sh bootstrap.sh DIR}" || exit 74
DIR=$(pwd -P; echo x)
DIR=${DIR%??}
command . ./job.conf || exit 65
export CLOUDJOBS_JOB_ID="$cj_job" CLOUDJOBS_ATTEMPT="$cj_attempt" CLOUDJOBS_TOKEN="$cj_token"
export CLOUDJOBS_MARK="$cj_token;"

PHASE=booting STARTED='' FINISHED='' EXIT='' ENDED_BY='' MESSAGE='' SYNCED='' CPU_PERCENT='' PROGRESS='' LAST_MOMENT='' HOST_KEY=''
STOP='' CHILD='' MONITOR='' NAP='' NEXT_BEAT=0 NEXT_SYNC=''

# --- time ---

case $(date +%s%3N) in
  '' | *[!0-9]*) now() { NOW=$(date +%s)000; } ;;
  *) now() { NOW=$(date +%s%3N); } ;;
esac

# Hundredths of a second since boot: needs no process, and no clock change moves it.
uptime_cs() {
  read -r UP _ </proc/uptime
  # 0.08 would be an octal number.
  [ "${UP%.*}" != 0 ] || UP=1.00
  UP=${UP%.*}${UP#*.}
}

# Not every sleep takes fractions.
if sleep 0.01 2>/dev/null; then
  seconds() { SECONDS_TEXT=$(($1 / 100)).$(($1 / 10 % 10))$(($1 % 10)); }
else
  seconds() { SECONDS_TEXT=$((($1 + 99) / 100)); }
fi

nap() {
  seconds "$1"
  sleep "$SECONDS_TEXT"
}

# --- processes ---

# The name in /proc/PID/stat may hold blanks, brackets and newlines.
stat_of() {
  stat_line=''
  { while IFS= read -r stat_part; do stat_line="$stat_line $stat_part"; done <"/proc/$1/stat"; } 2>/dev/null
  [ -n "$stat_line" ] || return 1
  # shellcheck disable=SC2086
  set -- ${stat_line##*')'}
  [ $# -ge 20 ] || return 1
  STATE=$1 PARENT=$2 SESSION_OF=$4 START=${20}
}

# PIDS: the processes of this instance except its own shells: members of its session and whoever carries its mark.
# The keeper comes first, so that it is told before its calculation is over.
# CPU: what they have used, in clock ticks. `read` takes a system call a byte, so grep and awk do it.
processes() {
  marked=$(grep -lF "CLOUDJOBS_MARK=$cj_token;" /proc/[0-9]*/environ 2>/dev/null)
  # /proc/self is the grep itself, which is to be left out; it is the only one of ours in this picture.
  stats=$(LC_ALL=C grep -aH '' /proc/self/stat /proc/[0-9]*/stat 2>/dev/null)
  found=$(printf '%s\n%s\n' "$marked" "$stats" | LC_ALL=C awk -v session="$SESSION" -v first="$CHILD" -v own=" $$ $SELF $MONITOR " '
    { pid = $0; sub(/^\/proc\//, "", pid); sub(/\/.*/, "", pid) }
    /^\/proc\/[0-9]+\/environ$/ { marked[pid] = 1; next }
    { sub(/^\/proc\/[0-9a-z]+\/stat:/, ""); text[pid] = text[pid] " " $0 }
    END {
      split(text["self"], field, " ")
      own = own field[1] " "
      sub(/.*\)/, "", text["self"])
      split(text["self"], field, " ")
      own = own field[2] " "
      for (pid in text) {
        sub(/.*\)/, "", text[pid])
        if (split(text[pid], field, " ") < 20 || field[1] ~ /[ZX]/ || index(own, " " pid " ") || pid == "self") continue
        if (field[4] != session && !(pid in marked)) continue
        pids = pid == first ? " " pid pids : pids " " pid
        cpu += field[12] + field[13] + field[14] + field[15]
      }
      printf "%.0f%s\n", cpu, pids
    }')
  CPU=${found%% *} PIDS=${found#"${found%% *}"}
}

# TERM, the grace period, KILL. 1 if something can't be ended.
# shellcheck disable=SC2086
end_processes() {
  processes
  [ -n "$PIDS" ] || return 0
  kill -TERM $PIDS 2>/dev/null
  kill -CONT $PIDS 2>/dev/null
  uptime_cs
  kill_at=$((UP + cj_grace_cs)) give_up_at=$((UP + cj_grace_cs + 1000)) pause=2
  while :; do
    nap $pause
    [ $pause -ge 32 ] || pause=$((pause * 2))
    processes
    [ -n "$PIDS" ] || return 0
    uptime_cs
    [ "$UP" -lt "$NEXT_BEAT" ] || beacon
    [ "$UP" -ge "$kill_at" ] || continue
    kill -KILL $PIDS 2>/dev/null
    [ "$UP" -lt "$give_up_at" ] || return 1
  done
}

# --- beacon ---

# $1 as it may stand in a JSON string.
clean() {
  CLEAN=$(printf '%s' "$1" | LC_ALL=C tr '"\\\000-\037\177' "'/ " | LC_ALL=C cut -c 1-500)
}

beacon() {
  now
  text="{\"version\":1,\"job\":\"$cj_job\",\"attempt\":$cj_attempt,\"phase\":\"$PHASE\",\"heartbeatAt\":$NOW"
  [ -z "$STARTED" ] || text="$text,\"startedAt\":$STARTED"
  [ -z "$FINISHED" ] || text="$text,\"finishedAt\":$FINISHED"
  [ -z "$EXIT" ] || text="$text,\"exitCode\":$EXIT"
  [ -z "$ENDED_BY" ] || text="$text,\"endedBy\":\"$ENDED_BY\""
  if [ -n "$MESSAGE" ]; then
    clean "$MESSAGE"
    text="$text,\"message\":\"$CLEAN\""
  fi
  # What was written up to then is on the remote.
  if { read -r good <sync/last-good.json; } 2>/dev/null; then
    good=${good#*'"startedAt":'}
    SYNCED=${good%%[!0-9]*}
  fi
  [ -z "$SYNCED" ] || text="$text,\"lastSyncAt\":$SYNCED"
  [ -z "$CPU_PERCENT" ] || text="$text,\"cpuPercent\":$CPU_PERCENT"
  [ -z "$PROGRESS" ] || text="$text,\"progressAt\":$PROGRESS"
  [ -z "$LAST_MOMENT" ] || text="$text,\"lastMoment\":$LAST_MOMENT"
  # A machine may make its keys only after this script has begun.
  if [ -z "$HOST_KEY" ] && { read -r kind key _ <"$cj_host_key"; } 2>/dev/null; then
    case $kind$key in *[!A-Za-z0-9+/=-]*) ;; *) HOST_KEY="$kind $key" ;; esac
  fi
  [ -z "$HOST_KEY" ] || text="$text,\"hostKey\":\"$HOST_KEY\""
  if { read -r report <sync/last.json; } 2>/dev/null; then
    case $report in '{"version":1,"job":"'"$cj_job"'",'*'}') text="$text,\"sync\":$report" ;; esac
  fi
  # Whether a copy is under way only its lock can tell: one that was killed leaves everything else behind.
  if [ -e sync/started ] && ! flock -n sync/lock true 2>/dev/null; then
    text="$text,\"syncingSince\":$(stat -c %Y sync/started 2>/dev/null || echo 0)000"
  fi
  uptime_cs
  NEXT_BEAT=$((UP + cj_heartbeat_cs))
  # A full disk has no room for another file, but this one has its block.
  { printf '%s}\n' "$text" >"beacon.$SELF" && mv -f "beacon.$SELF" beacon.json; } 2>/dev/null ||
    { rm -f "beacon.$SELF" && printf '%-3000s\n' "$text}" 1<>beacon.json; } 2>/dev/null
}

# --- monitor: heartbeats, limits and notices, in a process of its own so that the script can wait for the command ---

# Never runs beside a change of phase.
start_monitor() {
  monitor "$1" &
  MONITOR=$!
}

stop_monitor() {
  [ -n "$MONITOR" ] || return 0
  kill -TERM "$MONITOR" 2>/dev/null
  # A subshell that has just begun may lose the signal, so it is sent until the monitor is gone.
  while stat_of "$MONITOR" && [ "$STATE" != Z ]; do
    nap 1
    kill -TERM "$MONITOR" 2>/dev/null
  done
  wait "$MONITOR"
  MONITOR=''
}

# The first reason stays. A link, as a full disk has no room for words in a file.
ask_end() {
  [ -h end ] || ln -s "$1" end 2>/dev/null
  kill -USR1 $$
}

monitor() {
  trap '[ -z "$NAP" ] || kill "$NAP" 2>/dev/null; exit 0' TERM
  trap '' INT HUP USR1
  read -r SELF _ </proc/self/stat
  MONITOR='' CPU_BEFORE='' IDLE_FOR=0
  while :; do
    uptime_cs
    wait_cs=$((NEXT_BEAT - UP))
    [ "$wait_cs" -le "$cj_notice_cs" ] || wait_cs=$cj_notice_cs
    [ "$wait_cs" -ge 1 ] || wait_cs=1
    seconds "$wait_cs"
    sleep "$SECONDS_TEXT" &
    NAP=$!
    wait "$NAP"
    NAP=''
    stat_of "$SELF"
    [ "$PARENT" = $$ ] || orphaned
    if [ "$1" = limits ]; then
      # The script knows already, unless the signal fell between its last look and its wait.
      if [ -e stop ] || [ -e terminate ]; then kill -USR1 $$; fi
      if [ -e interrupt ]; then ask_end preempted; fi
      uptime_cs
      if [ -n "$END_CS" ] && [ "$UP" -ge "$END_CS" ]; then ask_end "$END_BY"; fi
    fi
    if [ -n "$cj_sync_cs" ] && [ "$PHASE" = running ]; then
      uptime_cs
      if [ -n "$NEXT_SYNC" ] && [ "$UP" -ge "$NEXT_SYNC" ]; then
        (trap - TERM && exec sh sync.sh . --if-changed) </dev/null >>sync.log 2>&1 &
        NEXT_SYNC=''
      fi
      [ -n "$NEXT_SYNC" ] || NEXT_SYNC=$((UP + cj_sync_cs))
    fi
    [ "$UP" -ge "$NEXT_BEAT" ] || continue
    [ "$PHASE" != running ] || measure
    beacon
  done
}

# CPU use since the last heartbeat, and the idle rule over it; when the calculation last wrote something.
measure() {
  PROGRESS=$(find output.log work -maxdepth 2 -printf '%T@\n' 2>/dev/null |
    LC_ALL=C awk '$1 > m { m = $1 } END { if (m) printf "%.0f", m * 1000 }')
  processes
  uptime_cs
  if [ -n "$CPU_BEFORE" ] && [ "$UP" -gt "$UP_BEFORE" ]; then
    used=$(((CPU - CPU_BEFORE) * 100 / CLOCK_TICKS))
    [ $used -ge 0 ] || used=0
    CPU_PERCENT=$((used * 100 / (UP - UP_BEFORE)))
    if [ "$CPU_PERCENT" -lt "$cj_idle_percent" ]; then IDLE_FOR=$((IDLE_FOR + UP - UP_BEFORE)); else IDLE_FOR=0; fi
    if [ -n "$cj_idle_cs" ] && [ $IDLE_FOR -ge "$cj_idle_cs" ]; then ask_end idle; fi
  fi
  CPU_BEFORE=$CPU UP_BEFORE=$UP
}

# The script was killed: the monitor takes its place.
orphaned() {
  trap : TERM
  if [ -z "$EXIT$ENDED_BY" ] && ! { learn && [ -z "$BY" ]; }; then
    reason_of_end
    [ "$ENDED_BY" != stopped_outside ] || MESSAGE='the bootstrap script was killed'
  fi
  conclude
}

# --- the end ---

# The calculation's parent, which records how it ended: a `wait` that a signal interrupts may lose the exit code.
# A signal is noted, not obeyed: the calculation got it too.
# shellcheck disable=SC2016
KEEPER='
  command . ./job.conf || exit 126
  by=
  trap "by=stopped_outside" TERM HUP USR1
  (
    cd work || exit 126
    set -- "$@" /bin/sh -c "$cj_command"
    cj_environment
    exec "$@"
  ) </dev/null >>output.log 2>&1
  code=$?
  trap "" TERM HUP USR1
  [ -z "$by" ] || by=$(readlink end || echo "$by")
  ln -s "exit=$code;by=$by" result
  exit $code'

# What was recorded: EXIT, and BY if the calculation was over only after it was asked to end. 1 if nothing is there.
learn() {
  [ -n "$STARTED" ] && result=$(readlink result) || return 1
  BY=${result#*;by=} EXIT=${result%%;*}
  EXIT=${EXIT#exit=}
}

reason_of_end() {
  if [ -e terminate ]; then
    ENDED_BY=terminated MESSAGE='ended on request'
  elif [ -e interrupt ]; then
    ENDED_BY=preempted MESSAGE=$(head -n 1 interrupt)
    MESSAGE=${MESSAGE:-the instance was preempted}
  elif ENDED_BY=$(readlink end); then
    case $ENDED_BY in "$END_BY") MESSAGE=$END_TEXT ;; idle) MESSAGE=$cj_idle_text ;; esac
  else
    ENDED_BY=stopped_outside MESSAGE="the instance was stopped from outside by SIG${STOP:-TERM}"
  fi
}

# Whether what kept the last sync from success may go by itself.
may_pass() {
  # Another copy was under way, or this one was killed: the report that is there is not its own.
  if [ "$sync_code" = 75 ] || [ "$sync_code" -gt 128 ]; then return 0; fi
  case $(sed -n 's/.*"reason":"\([a-z_]*\)".*/\1/p' sync/last.json 2>/dev/null) in
    network | rate_limit | changing | missing | interrupted | killed | other) return 0 ;;
    *) return 1 ;;
  esac
}

# Waits for another try of the last sync. 1 if there is no time for one.
pause_sync() {
  uptime_cs
  retry_at=$((UP + 1500))
  [ $retry_at -lt "$retry_until" ] || return 1
  while [ "$UP" -lt $retry_at ]; do
    [ ! -e no-final-sync ] || return 1
    nap 20
    uptime_cs
  done
}

final_sync() {
  if [ -z "$cj_final_sync" ] || [ -e no-final-sync ]; then return 0; fi
  [ "$SELF" != $$ ] || start_monitor heartbeats
  uptime_cs
  sync_until=$((UP + cj_final_sync_cs)) sync_problem=''
  # Somebody who asked for the end waits for it.
  retry_until=$sync_until
  [ ! -e terminate ] || retry_until=$((UP + 6000))
  while :; do
    (trap - TERM INT HUP USR1 && exec sh -c "$cj_final_sync") </dev/null >>sync.log 2>&1 &
    CHILD=$!
    while stat_of "$CHILD" && [ "$STATE" != Z ]; do
      uptime_cs
      if [ -e no-final-sync ] || [ "$UP" -ge "$sync_until" ]; then
        sync_problem='the last sync was not finished'
        stop_monitor
        end_processes
        break
      fi
      nap 20
    done
    wait "$CHILD"
    sync_code=$?
    if [ $sync_code = 0 ] || [ -n "$sync_problem" ] || ! may_pass || ! pause_sync; then break; fi
  done
  stop_monitor
  if [ -n "$sync_problem" ] || [ $sync_code -ne 0 ]; then
    why=$(sed -n 's/.*"message":"\([^"\\]*\).*/\1/p' sync/last.json 2>/dev/null)
    MESSAGE="$MESSAGE${MESSAGE:+; }${sync_problem:-the last sync failed with exit code $sync_code}${why:+: $why}"
  elif [ ! -e sync/last-good.json ]; then
    now
    SYNCED=$NOW
  fi
}

# Ends what is left of the calculation, syncs, says so, and leaves.
conclude() {
  stop_monitor
  # Inherited, so that a signal to the whole group can not cut the last words.
  trap '' TERM INT HUP USR1
  PHASE=finishing
  beacon
  if end_processes; then
    # Without a record its writer was killed, and `wait` knows.
    if [ -z "$EXIT" ] && ! learn && [ -n "$CHILD" ]; then
      wait "$CHILD"
      code=$?
      case $STARTED:$code in :* | *:127 | *:-1) ;; *) EXIT=$code ;; esac
    fi
  else
    MESSAGE="$MESSAGE${MESSAGE:+; }processes that can not be ended:$PIDS"
  fi
  if [ -z "$FINISHED" ]; then
    now
    FINISHED=$NOW
  fi
  [ -h result ] || ln -s "exit=$EXIT;by=$ENDED_BY" result
  rm -f reserve
  final_sync
  PHASE=finished CPU_PERCENT='' PROGRESS=''
  # A disk may have room again in a while; a folder that was removed does not come back.
  uptime_cs
  give_up_at=$((UP + 3 * cj_grace_cs))
  until beacon || [ "$UP" -ge "$give_up_at" ] || [ ! -e identity ]; do nap 50; done
  rm -f stop beacon.[0-9]*
  trap - TERM INT HUP USR1
  if [ -n "$cj_shutdown" ]; then sh -c "$cj_shutdown"; fi
  exit 0
}

# Waits for CHILD and sets CODE. 1 if the end was asked for before the child was over.
attend() {
  [ -n "$STOP" ] || wait "$CHILD"
  CODE=$?
  # An interrupted `wait` may have returned the signal. The keeper can't note SIGINT, which it ignores.
  [ -z "$STOP" ] || { learn && [ -z "$BY" ] && [ "$STOP$EXIT" != INT130 ]; }
}

# --- inputs ---

decode() {
  DECODED=$(printf '%s\n' "$1" | LC_ALL=C awk '
    BEGIN { for (i = 1; i < 256; i++) byte[sprintf("%02X", i)] = sprintf("%c", i) }
    {
      while (match($0, /%[0-9A-Fa-f][0-9A-Fa-f]/)) {
        printf "%s%s", substr($0, 1, RSTART - 1), byte[toupper(substr($0, RSTART + 1, 2))]
        $0 = substr($0, RSTART + 3)
      }
      printf "%s", $0
    }'
    echo x)
  DECODED=${DECODED%x}
}

# Copies what is in folder $1 into folder $2, without the folder of all instances and the paths of cj_skip.
copy_tree() (
  cd "$1" || exit 1
  here=$(pwd -P; echo x)
  here=${here%??}
  case $NL$DIR/$NL${cj_skip-} in
    *"$NL$here"/*) ;;
    *) cp -a -- . "$2"/; exit ;;
  esac
  for entry in ..?* .[!.]* *; do
    if [ ! -e "$entry" ] && [ ! -h "$entry" ]; then continue; fi
    case $NL${cj_skip-}$NL in
      *"$NL$here/$entry$NL"*) continue ;;
    esac
    if [ -d "$entry" ] && [ ! -h "$entry" ]; then
      case $NL$DIR/$NL${cj_skip-} in
        *"$NL$here/$entry"/*)
          if [ "$here/$entry" = "$DIR" ] || [ "$here/$entry" = "${DIR%/*}" ]; then continue; fi
          mkdir -p "$2/$entry" && copy_tree "$here/$entry" "$2/$entry" || exit 1
          continue
          ;;
      esac
    fi
    cp -a -- "$entry" "$2"/ || exit 1
  done
)

stage_one() {
  decode "$2"
  target=$DIR/work/$DECODED
  case $1 in
    file://*/)
      decode "${1#file://}"
      mkdir -p "$target" && copy_tree "$DECODED" "$target" && chmod u+rwx "$target"
      ;;
    file://*)
      decode "${1#file://}"
      mkdir -p "${target%/*}" && cp -a -- "$DECODED" "$target"
      ;;
    http://* | https://*)
      # The address may be a presigned one, so it is not shown in the list of processes.
      mkdir -p "${target%/*}" && printf 'url = "%s"\n' "$1" |
        curl -q -K - -fsS --proto '=http,https' --connect-timeout 20 --speed-limit 1000 --speed-time 60 \
          --retry "$cj_retries" --retry-connrefused --retry-max-time 600 -o "$target.part" && mv -f "$target.part" "$target"
      ;;
    *) echo "no way to fetch ${1%%:*} addresses" >&2 && return 1 ;;
  esac
}

# --- many inputs by http ---

# Shared by the awk programs below: plain() undoes percent-encoding.
AWK_PLAIN='
  BEGIN { FS = "\t"; for (i = 1; i < 256; i++) byte[sprintf("%02X", i)] = sprintf("%c", i) }
  function plain(s,  r) {
    r = ""
    while (match(s, /%[0-9A-Fa-f][0-9A-Fa-f]/)) {
      r = r substr(s, 1, RSTART - 1) byte[toupper(substr(s, RSTART + 1, 2))]
      s = substr(s, RSTART + 3)
    }
    return r s
  }'

# Sorts the manifest into lists: single (handled one by one), folders, files (number of the line, bytes, SHA-256, path),
# odd (the same for paths that no list of lines can hold), links, mode.N and folder-mode.N. Paths begin with ./
sort_inputs() {
  LC_ALL=C awk "$AWK_PLAIN"'
    function folder(path) {
      while (sub(/\/[^\/]*$/, "", path) && path != "." && !(path in made)) {
        made[path] = 1
        print path >"staging/folders"
      }
    }
    # 1 if the path is odd: then its folders are made when it is its turn.
    function odd(path) { return path ~ /[\001-\037\177\\]/ }
    $1 !~ /^(https?|link|folder):/ || ($1 ~ /^http/ && $4 !~ /^[0-9]+$/) { print >"staging/single"; next }
    {
      path = "./" plain($2)
      if ($2 == "" || path ~ /\/\.\.(\/|$)/ || path ~ /\/$/ || path ~ /^\.\/\//) {
        print $2 ": is no path within the working directory"
        exit failed = 1
      }
      if ($3 != "" && $3 !~ /^([0-7]+|-)$/) { print $2 ": has no mode " $3; exit failed = 1 }
      if ($1 ~ /^link:/) { print substr($1, 6) "\t" $2 >"staging/links"; next }
      if (odd(path)) { print NR "\t" $0 >"staging/odd"; next }
      folder(path)
      if ($1 == "folder:") {
        if (!(path in made)) { made[path] = 1; print path >"staging/folders" }
        if ($3 != "" && $3 != "-") print path >("staging/folder-mode." $3)
        next
      }
      print NR "\t" $4 "\t" ($5 == "" ? "-" : $5) "\t" path >"staging/files"
      if ($3 != "-") print path >("staging/mode." $3)
    }
    END { exit failed }' inputs
}

# Runs a program with the paths of a list, in the working directory: list, program and its options.
with_paths() {
  list=$1
  shift
  [ -s "$list" ] || return 0
  (cd work && tr '\n' '\0' <"$DIR/$list" | xargs -0 "$@" --)
}

# Writes what curl is to fetch, of the lines of the manifest whose numbers come in: config.1, config.2, …
plan_fetch() {
  rm -f staging/config.*
  # shellcheck disable=SC2016
  CJ_WORK=$DIR/work LC_ALL=C awk "$AWK_PLAIN"'
    function text(s,  i, c, r) {
      if (s !~ /[\\"\t\n\r\013]/) return s
      r = ""
      for (i = 1; i <= length(s); i++) {
        c = substr(s, i, 1)
        r = r (c == "\\" || c == "\"" ? "\\" c : c == "\t" ? "\\t" : c == "\n" ? "\\n" : c == "\r" ? "\\r" : c == "\013" ? "\\v" : c)
      }
      return r
    }
    listing { wanted[$1] = 1; next }
    (FNR in wanted) && $4 > 0 {
      if (count++ % 500 == 0) {
        if (name) close(name)
        name = "staging/config." ++number
      }
      printf "url = \"%s\"\noutput = \"%s\"\n", text($1), text(ENVIRON["CJ_WORK"] "/" plain($2)) >name
    }' listing=1 - listing= inputs
}

# Everything that a plan names, over connections that are kept; what could not be had is found out afterwards.
# The addresses may be presigned, so they are in a file, and what curl says is shown without them.
run_fetch() {
  : >staging/curl.log
  for config in staging/config.*; do
    [ -e "$config" ] || continue
    # shellcheck disable=SC2086
    curl -q -K "$config" -g -fsS $PARALLEL --proto '=http,https' --connect-timeout 20 --speed-limit 1000 --speed-time 60 \
      --retry "$cj_retries" --retry-connrefused --retry-max-time 600 2>>staging/curl.log
    rm -f "$config"
  done
}

# Whether a file is what the manifest says: path, bytes, SHA-256. Sets WRONG otherwise.
check_one() {
  if [ ! -f "$1" ]; then
    WRONG='could not be fetched'
    return 1
  fi
  if [ "$2" != - ]; then
    there=$(wc -c <"$1")
    if [ "$((there))" != "$2" ]; then
      WRONG="has $((there)) bytes instead of $2"
      return 1
    fi
  fi
  if [ "$3" != - ] && [ -n "$SHA256SUM" ]; then
    there=$(sha256sum <"$1")
    if [ "${there%% *}" != "$3" ]; then
      WRONG='has another SHA-256 than it should'
      return 1
    fi
  fi
}

# Writes staging/bad: number of the line, what is wrong.
check_files() {
  : >staging/bad
  : >staging/sizes
  : >staging/sums
  if [ -s staging/files ]; then
    cut -f 4 staging/files >staging/names
    with_paths staging/names stat -c '%s %n' >staging/sizes 2>/dev/null
    if [ -n "$SHA256SUM" ]; then
      LC_ALL=C awk -F "$TAB" '$3 != "-" { print $4 }' staging/files >staging/names
      with_paths staging/names sha256sum >staging/sums 2>/dev/null
    fi
    LC_ALL=C awk '
      FILENAME == "staging/sizes" { point = index($0, " "); size[substr($0, point + 1)] = substr($0, 1, point - 1); next }
      FILENAME == "staging/sums" { sum[substr($0, 67)] = substr($0, 1, 64); next }
      FNR == 1 { FS = "\t"; $0 = $0 }
      !($4 in size) { print $1 "\tcould not be fetched"; next }
      size[$4] != $2 { print $1 "\thas " size[$4] " bytes instead of " $2; next }
      ($4 in sum) && sum[$4] != tolower($3) { print $1 "\thas another SHA-256 than it should" }' \
      staging/sizes staging/sums staging/files >staging/bad
  fi
  if [ -s staging/odd ]; then
    while IFS=$TAB read -r number url path mode size sum; do
      case $url in folder:) continue ;; esac
      decode "$path"
      check_one "work/$DECODED" "$size" "${sum:--}" || printf '%s\t%s\n' "$number" "$WRONG" >>staging/bad
    done <staging/odd
  fi
}

fetch_many() {
  with_paths staging/folders mkdir -p || return 1
  if [ -s staging/odd ]; then
    while IFS=$TAB read -r number url path mode size sum; do
      decode "$path"
      case $url in
        folder:) mkdir -p "work/$DECODED" || return 1 ;;
        *)
          target=work/$DECODED
          mkdir -p "${target%/*}" || return 1
          if [ "$size" = 0 ]; then : >"$target"; fi
          ;;
      esac
    done <staging/odd
  fi
  LC_ALL=C awk -F "$TAB" '$2 == 0 { print $4 }' staging/files >staging/names
  with_paths staging/names touch || return 1
  cut -f 1 staging/files staging/odd | plan_fetch
  PARALLEL=''
  if curl --help all 2>/dev/null | grep -q -e --parallel; then PARALLEL='--parallel --parallel-max 16'; fi
  SHA256SUM=$(command -v sha256sum)
  run_fetch
  check_files
  if [ -s staging/bad ]; then
    plan_fetch <staging/bad
    run_fetch
    check_files
  fi
  if [ -s staging/bad ]; then
    IFS=$TAB read -r number wrong <staging/bad
    IFS=$TAB read -r url path mode <<EOF
$(sed -n "${number}p" inputs)
EOF
    decode "$path"
    # Its meter stands before it, on the same line.
    why=$(sed -n 's|https\{0,1\}://[^ ]*|…|g; s/.*\(curl: ([0-9]\)/\1/p' staging/curl.log | head -n 1)
    echo "$DECODED: $wrong${why:+ ($why)}"
    return 1
  fi
  if [ -s staging/odd ]; then
    while IFS=$TAB read -r number url path mode size sum; do
      decode "$path"
      case ${mode:--} in -) ;; *) chmod "$mode" "work/$DECODED" || return 1 ;; esac
    done <staging/odd
  fi
  for list in staging/mode.*; do
    [ ! -e "$list" ] || with_paths "$list" chmod "${list##*.}" || return 1
  done
}

# Links last, so that nothing is ever written through one; modes of folders at the very end.
finish_tree() {
  if [ -s staging/links ]; then
    while IFS=$TAB read -r link path; do
      decode "$path"
      target=work/$DECODED
      decode "$link"
      mkdir -p "${target%/*}" && ln -sfn -- "$DECODED" "$target" || return 1
    done <staging/links
  fi
  for list in staging/folder-mode.*; do
    [ ! -e "$list" ] || { sort -r "$list" >staging/names && with_paths staging/names chmod "${list##*.}"; } || return 1
  done
}

stage() {
  mkdir -p work || return 1
  rm -rf staging
  if [ -s inputs ]; then
    mkdir staging && : >staging/single && : >staging/files && : >staging/odd && sort_inputs || return 1
    while IFS=$TAB read -r url path mode size sum; do
      stage_one "$url" "$path" </dev/null 2>stage.log || { echo "${path:-inputs}: $(head -n 2 stage.log)"; return 1; }
      case ${mode:--} in -) ;; *) chmod "$mode" "$target" || return 1 ;; esac
      SHA256SUM=$(command -v sha256sum)
      [ "${sum:--}" = - ] || check_one "$target" - "$sum" || { echo "$path: $WRONG"; return 1; }
    done <staging/single
    if [ -s staging/files ] || [ -s staging/odd ] || [ -s staging/folders ]; then fetch_many || return 1; fi
    finish_tree || return 1
    rm -rf staging
  fi
  LC_ALL=C ls -lnAR work | awk '/^-[-r][-w]/ && NF > 8 { n++; b += $5 } END { printf "%.0f %.0f\n", n, b }' >staged.new &&
    mv -f staged.new staged
  # Inputs that stay as they are now are no results.
  [ -z "$cj_sync_cs" ] || find work -type f -printf '%s\t%T@\t%P\n' >staged.list
}

# What earlier attempts have made. It wins over inputs of the same name, since it is what became of them.
restore() {
  [ -n "${cj_restore-}" ] || return 0
  sh sync.sh . --restore >restore.log 2>&1 </dev/null
  code=$?
  sed 's/^/cloudjobs: /' restore.log >>output.log
  [ $code = 0 ] && return
  echo "the earlier results could not be fetched back: $(tail -n 1 restore.log)"
  return 1
}

# --- from the beginning ---

stat_of $$
# A session that somebody else leads is not ours to end; then only the mark counts.
SELF=$$ SESSION=none
[ "$SESSION_OF" != $$ ] || SESSION=$$
now
uptime_cs
# Before anybody can learn the pid from the identity. Not `: >stop`, which ends a shell that can't write.
for signal in TERM INT HUP; do
  # shellcheck disable=SC2064
  trap "STOP=$signal; true 2>/dev/null >stop" $signal
done
trap 'STOP=${STOP:-USR1}' USR1
CLOCK_TICKS=$(getconf CLK_TCK 2>/dev/null || echo 100)
read -r boot </proc/sys/kernel/random/boot_id
printf '%s %s %s %s\n' $$ "$START" "$boot" "$NOW" >"identity.$$" || exit 74
if ! ln "identity.$$" identity 2>/dev/null; then
  # Somebody was first, or this file system knows no links.
  if [ -e identity ] || ! mkdir claim 2>/dev/null; then
    rm -f "identity.$$"
    exit 0
  fi
  mv "identity.$$" identity
fi
rm -f "identity.$$"
# Before anybody can ask for a copy, or for the end, which makes a last one: without the folder it would fail.
mkdir -p work 2>/dev/null
# Random: zeros may take no room.
head -c 65536 /dev/urandom >reserve 2>/dev/null

END_CS='' END_BY='' END_TEXT=''
if [ -n "$cj_max_cs" ]; then END_CS=$((UP + cj_max_cs)) END_BY=max_duration END_TEXT=$cj_max_text; fi
if [ -n "$cj_budget_cs" ] && { [ -z "$cj_max_cs" ] || [ "$cj_budget_cs" -lt "$cj_max_cs" ]; }; then
  END_CS=$((UP + cj_budget_cs)) END_BY=budget END_TEXT=$cj_budget_text
fi
[ -z "$END_CS" ] || LAST_MOMENT=$((NOW + (END_CS - UP) * 10))

[ ! -e terminate ] || STOP=TERM
PHASE=staging
beacon
if [ -z "$STOP" ]; then
  start_monitor limits
  { stage && restore; } >staging.log 2>&1 </dev/null &
  CHILD=$!
fi
attend || { reason_of_end; conclude; }
if [ "$CODE" -ne 0 ]; then
  MESSAGE=$(head -n 3 staging.log)
  case $MESSAGE in
    'the earlier results'*) ;;
    *) MESSAGE="the inputs could not be staged: ${MESSAGE:-is the disk full?}" ;;
  esac
  ENDED_BY=bootstrap_error
  conclude
fi
stop_monitor

# Commands in the background ignore SIGINT and SIGQUIT; a calculation is to have them back.
env_path=$(command -v env)
"$env_path" --default-signal=INT,QUIT true 2>/dev/null || env_path=''
if [ -z "$STOP" ]; then
  now
  PHASE=running STARTED=$NOW
  /bin/sh -c "$KEEPER" keeper ${env_path:+"$env_path" --default-signal=INT,QUIT} &
  CHILD=$!
fi
beacon
start_monitor limits
attend || { reason_of_end; conclude; }
now
FINISHED=$NOW EXIT=${EXIT:-$CODE}
conclude
