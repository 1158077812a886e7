#!/bin/sh
# Copies the results of a job to its remote folder, and says how that went. The same script for the periodic copies on
# the instance, for the last one, and for a person who asks over ssh or on the same machine.
#
#   sh sync.sh DIR [--final] [--dry-run] [--if-changed] [--wait SECONDS]      copies
#   sh sync.sh DIR --follow [the same]                                        starts that apart, or joins one under way,
#                                                                             and shows its events up to the last
#
# DIR is the instance's directory; DIR/sync.conf holds shell assignments (see SyncJob). What is kept in DIR/sync:
#   lock          held while results are copied
#   events        one JSON document a line: our own ("ev": start, plan, excluded, end, exit) and rclone's log
#   last.json     how the last one went; last-good.json the last that succeeded
#   stage/        the frozen results; growing: files that are copied, not linked, since they change in place
#
# Nothing that is on the remote is ever deleted. What the last manifest stands for is never overwritten before the next
# manifest is there: a file that changed is first moved to _cs/kept. The manifest comes last, in one of two places in
# turn, so that the one before it is never touched.
#
# Exit codes: 0 done or nothing to do, 4 done but something could not be read or is too new, 74 failed, 75 busy, 78 not set up.
set -u
umask 077
unset CDPATH
LC_ALL=C
export LC_ALL
NL='
'
TAB=$(printf '\t')

DIR=${1:?usage: sh sync.sh DIR [--final] [--dry-run] [--if-changed] [--wait SECONDS] [--follow]}
shift
cd "$DIR" || exit 74
DIR=$(pwd -P)
[ -e sync.conf ] || exit 78
. ./sync.conf || exit 78
mkdir -p sync || exit 74

final=false dry=false changed_only='' patience=0 follow=''
for argument in "$@"; do
  case ${previous-} in --wait) patience=$argument previous='' && continue ;; esac
  case $argument in
    --final) final=true ;;
    --dry-run) dry=true ;;
    --if-changed) changed_only=yes ;;
    --follow) follow=yes ;;
    --wait) previous=--wait ;;
    *) echo "sync.sh: unknown argument $argument" >&2 && exit 64 ;;
  esac
done
case $patience in *[!0-9]* | '') exit 64 ;; esac

case $(date +%s%3N) in
  '' | *[!0-9]*) now() { NOW=$(date +%s)000; } ;;
  *) now() { NOW=$(date +%s%3N); } ;;
esac

# --- following ---

# Shows the lines of the events file that is there now, and those that come, up to the one that says it is over.
show_events() {
  tail -n +1 -F sync/events 2>/dev/null &
  tail_pid=$!
  trap 'kill "$tail_pid" 2>/dev/null' EXIT
  trap 'exit 130' INT
  trap 'exit 143' TERM
  while :; do
    line=$(tail -n 1 sync/events 2>/dev/null)
    case $line in
      '{"ev":"exit"'*)
        sleep 0.3
        code=${line##*'"rc":'}
        code=${code%%[!0-9]*}
        return "${code:-74}"
        ;;
    esac
    # The last line is written before the lock is given up; a lock without that line was held by one that was killed.
    if flock -n sync/lock true; then
      line=$(tail -n 1 sync/events 2>/dev/null)
      case $line in '{"ev":"exit"'*) continue ;; esac
      printf '{"ev":"exit","rc":74,"result":"failing","reason":"killed"}\n'
      return 74
    fi
    sleep 0.2
  done
}

if [ -n "$follow" ]; then
  : >>sync/lock
  # A copy that is under way answers whoever wants a copy, but not whoever wants a plan.
  [ $dry = false ] || flock -w 600 sync/lock true
  if flock -n sync/lock true; then
    # Apart from whoever asked: a connection that breaks leaves no half-finished copy.
    rm -f sync/started
    set -- "$0" "$DIR" --wait 5
    [ $final = false ] || set -- "$@" --final
    [ $dry = false ] || set -- "$@" --dry-run
    [ -z "$changed_only" ] || set -- "$@" --if-changed
    setsid sh "$@" </dev/null >/dev/null 2>&1 &
    tries=0
    while [ ! -e sync/started ] && [ $tries -lt 100 ]; do
      sleep 0.05
      tries=$((tries + 1))
    done
  else
    printf '{"ev":"joined"}\n'
  fi
  show_events
  exit
fi

# --- one at a time ---

exec 9>>sync/lock || exit 74
if ! flock -w "$patience" 9; then exit 75; fi
: >sync/events
exec 3>>sync/events
: >sync/started

# An awk function: a text as it may stand inside a JSON string. `gsub` treats backslashes differently from awk to awk.
TEXT='function text(s,  i, c, r) {
  if (s !~ /[\\"\001-\037\177]/) return s
  for (i = 1; i <= length(s); i++) {
    c = substr(s, i, 1)
    r = r (c == "\\" || c == "\"" ? "\\" c : c ~ /[\001-\037\177]/ ? " " : c)
  }
  return r
}'

json() { # a text as it may stand inside a JSON string
  printf '%s' "$1" | tr '\000-\037\177' ' ' | sed 's/\\/\\\\/g; s/"/\\"/g' | cut -c 1-500
}

emit() { printf '%s\n' "$1" >&3; }

stop_rclone() { [ -z "${RCLONE_PID-}" ] || kill -TERM "$RCLONE_PID" 2>/dev/null; }
trap 'stop_rclone; conclude 74 failing interrupted "the copy was interrupted"' TERM INT HUP

now
started=$NOW
until=$((started + cs_limit_cs * 10))

# Ends with what is known: the result (synced, unchanged, planned, incomplete, failing), a reason and a text.
conclude() {
  trap '' TERM INT HUP
  now
  text="{\"version\":1,\"job\":\"$cs_job\",\"attempt\":$cs_attempt,\"result\":\"$2\",\"startedAt\":$started,\"finishedAt\":$NOW,\"final\":$final"
  [ -z "${seq-}" ] || text="$text,\"seq\":$seq"
  [ -z "${files-}" ] || text="$text,\"files\":$files,\"bytes\":$bytes"
  text="$text,\"excluded\":${excluded:-0},\"unreadable\":${unreadable:-0}"
  [ -z "$3" ] || text="$text,\"reason\":\"$3\""
  [ -z "$4" ] || text="$text,\"message\":\"$(json "$4")\""
  if [ "$2" = failing ]; then
    since=$(sed -n 's/.*"failingSince":\([0-9]*\).*/\1/p' sync/last.json 2>/dev/null)
    text="$text,\"failingSince\":${since:-$started}"
  fi
  if [ $dry = false ]; then
    if printf '%s}\n' "$text" >sync/last.new; then
      mv -f sync/last.new sync/last.json
      case $2 in synced | unchanged | incomplete) cp sync/last.json sync/good.new && mv -f sync/good.new sync/last-good.json ;; esac
    fi
  fi
  emit "{\"ev\":\"end\",${text#\{}}"
  rm -rf sync/stage sync/*.list sync/started
  emit "{\"ev\":\"exit\",\"rc\":$1,\"result\":\"$2\"}"
  exit "$1"
}

emit "{\"ev\":\"start\",\"job\":\"$cs_job\",\"attempt\":$cs_attempt,\"startedAt\":$started,\"final\":$final,\"dryRun\":$dry}"
if ! command -v "$cs_rclone" >/dev/null 2>&1; then
  conclude 78 failing no_rclone "the program $cs_rclone is not installed here"
fi

# --- rclone ---

# Runs rclone with a time limit, its log among the events. Its first error decides why it failed.
rclone_run() {
  now
  left=$(((until - NOW + 999) / 1000))
  [ $left -ge 1 ] || return 124
  timeout -k 5 "$left" "$cs_rclone" --ask-password=false --use-json-log --stats 1s --stats-log-level NOTICE --retries 2 \
    --low-level-retries 4 --contimeout 10s --timeout 60s "$@" 2>sync/rclone.log &
  RCLONE_PID=$!
  # The log is passed on while rclone runs, so that progress is seen.
  tail -n +1 -f -s 0.1 --pid=$RCLONE_PID sync/rclone.log >&3 2>/dev/null &
  tail_of_log=$!
  wait $RCLONE_PID
  code=$?
  RCLONE_PID=''
  wait $tail_of_log
  return $code
}

# Sets REASON and WHY from rclone's log; its exit codes say little and differ between its versions.
classify() {
  if [ "$1" = 124 ] || [ "$1" = 137 ]; then
    REASON=time_limit WHY='the time limit was reached'
    return
  fi
  found=$(awk '
    function keep(name) { if (rank[name] > best) { best = rank[name]; reason = name; why = text } }
    BEGIN {
      rank["other"] = 1; rank["network"] = 2; rank["changing"] = 3; rank["rate_limit"] = 4; rank["not_found"] = 5
      rank["unauthorized"] = 6; rank["disk_full"] = 7; rank["daily_limit"] = 8; rank["quota"] = 9; rank["revoked"] = 10
      rank["configuration"] = 11
    }
    {
      if ($0 !~ /"level":"(error|critical|fatal)"/ && $0 ~ /^\{/) next
      text = $0
      if (match(text, /"msg":"([^"\\]|\\.)*"/)) text = substr(text, RSTART + 7, RLENGTH - 8)
      low = tolower(text)
      if (low ~ /didn.t find section in config file|failed to create file system|unknown remote type/) keep("configuration")
      if (low ~ /invalid_grant|couldn.t fetch token|token expired|empty token/) keep("revoked")
      else if (low ~ /storagequotaexceeded|storage quota/) keep("quota")
      else if (low ~ /upload limit|dailylimitexceeded|user rate limit exceeded\. *$/ && low ~ /fatal|stop/) keep("daily_limit")
      else if (low ~ /no space left|disk quota exceeded/) keep("disk_full")
      else if (low ~ /error 401|unauthorized|permission denied|insufficientpermissions|error 403: (the user|insufficient)/) keep("unauthorized")
      else if (low ~ /ratelimitexceeded|rate limit/) keep("rate_limit")
      else if (low ~ /source file is being updated|corrupted on transfer|can.t copy - source/) keep("changing")
      else if (low ~ /no such host|connection refused|i\/o timeout|connection reset|network is unreachable|tls handshake|eof/) keep("network")
      else if (low ~ /directory not found|object not found/) keep("not_found")
      else if (low != "") keep("other")
    }
    END { print reason; print why }' sync/rclone.log)
  REASON=${found%%"$NL"*} WHY=${found#*"$NL"}
  [ -n "$REASON" ] || REASON=other
  [ -n "$WHY" ] || WHY="rclone ended with exit code $1"
}

# What is in the remote folder: path, MD5, bytes, by tabs. An empty hash where the remote knows none.
list_remote() {
  now
  left=$(((until - NOW + 999) / 1000))
  [ $left -ge 1 ] || return 124
  timeout -k 5 "$left" "$cs_rclone" lsf -R --files-only --hash MD5 --format phs --separator "$TAB" --ask-password=false \
    --use-json-log --retries 2 --low-level-retries 4 --contimeout 10s --timeout 60s --exclude '/_cs/kept/**' \
    "$1" >sync/remote.list 2>sync/rclone.log
  code=$?
  # A folder that nobody has made yet is empty.
  if [ $code = 3 ]; then : >sync/remote.list && return 0; fi
  return $code
}

# --- what there is ---

# One line a file: f, bytes, time, path; or x, number of the rule, bytes, path.
scan() {
  cd "$cs_source" || return 1
  set -- . -mindepth 1 '(' -path "*$NL*" -o -path "*$TAB*" ')' ! -type d -printf 'x\tname\t%s\t(inode %i)\n'
  number=0
  rest=$cs_exclude
  while [ -n "$rest" ]; do
    pattern=${rest%%"$NL"*}
    case $rest in *"$NL"*) rest=${rest#*"$NL"} ;; *) rest='' ;; esac
    number=$((number + 1))
    [ -n "$pattern" ] || continue
    case $pattern in
      /*) set -- "$@" -o -type f -path ".$pattern" -printf "x\\t$number\\t%s\\t%P\\n" ;;
      */*) set -- "$@" -o -type f '(' -path "./$pattern" -o -path "*/$pattern" ')' -printf "x\\t$number\\t%s\\t%P\\n" ;;
      *) set -- "$@" -o -type f -name "$pattern" -printf "x\\t$number\\t%s\\t%P\\n" ;;
    esac
  done
  [ -z "$cs_max_bytes" ] || set -- "$@" -o -type f -size "+${cs_max_bytes}c" -printf 'x\tsize\t%s\t%P\n'
  find "$@" -o -type f -printf 'f\t%s\t%T@\t%P\n' -o ! -type d -printf 'x\tkind\t%s\t%P\n' 2>"$DIR/sync/unreadable.new"
  cd "$DIR" || return 1
}

scan >sync/scan.list || conclude 74 failing no_source "the results folder $cs_source can not be read"
# Inputs that are as they were staged are no results.
[ -e staged.list ] || : >sync/no-inputs.list
awk -F "$TAB" -v inputs="$cs_inputs" '
  FILENAME == ARGV[1] { if (inputs != "yes") staged[$3] = $1 "\t" $2; next }
  $1 == "f" && ($4 in staged) && staged[$4] == $2 "\t" $3 { print "x\tinput\t" $2 "\t" $4; next }
  { print }' "$(if [ -e staged.list ]; then echo staged.list; else echo sync/no-inputs.list; fi)" sync/scan.list >sync/sorted.list
awk -F "$TAB" '$1 == "f"' sync/sorted.list >sync/files.list
grep "^x" sync/sorted.list >sync/excluded.list || :
sed -n 's/^find: *//p' sync/unreadable.new | head -n 1000 >sync/unreadable.list
rm -f sync/unreadable.new
set -- $(awk -F "$TAB" '{ n++; b += $2 } END { printf "%.0f %.0f", n, b }' sync/files.list)
files=$1 bytes=$2
excluded=$(awk 'END { print NR }' sync/excluded.list)
unreadable=$(awk 'END { print NR }' sync/unreadable.list)

# A JSON array of what was left out and by which rule; the first thousand, then only counts.
excluded_json=$(CS_EXCLUDE=$cs_exclude awk -F "$TAB" "$TEXT"'
  BEGIN { split(ENVIRON["CS_EXCLUDE"], rule, "\n") }
  NR <= 1000 {
    name = $2 ~ /^[0-9]+$/ ? rule[$2] : $2
    printf "%s{\"path\":\"%s\",\"size\":%s,\"rule\":\"%s\"}", (NR > 1 ? ",\n" : ""), text($4), $3, text(name)
  }' sync/excluded.list)

emit "{\"ev\":\"plan\",\"files\":$files,\"bytes\":$bytes,\"excluded\":$excluded,\"unreadable\":$unreadable}"
if [ $dry = true ] && [ "$excluded" -gt 0 ]; then emit "{\"ev\":\"excluded\",\"files\":[$(printf '%s' "$excluded_json" | tr -d '\n')]}"; fi

if [ -n "$changed_only" ] && [ $final = false ] && [ "$unreadable" = 0 ] && cmp -s sync/files.list sync/committed &&
  grep -q '"result":"\(synced\|unchanged\)"' sync/last.json 2>/dev/null; then
  seq=$(sed -n 's/.*"seq":\([0-9]*\).*/\1/p' sync/last.json)
  conclude 0 unchanged '' ''
fi

# --- what the remote has ---

list_remote "$cs_remote" || {
  classify $?
  conclude 74 failing "$REASON" "$WHY"
}

# The last manifest that is whole: the one with the higher number of the two.
: >sync/base.list
base=0
for slot in 0 1; do
  grep -q "^_cs/manifest\.$slot\.json$TAB" sync/remote.list || continue
  now
  timeout -k 5 60 "$cs_rclone" cat --ask-password=false --contimeout 10s --timeout 30s --low-level-retries 4 "$cs_remote/_cs/manifest.$slot.json" \
    >sync/manifest.list 2>sync/rclone.log || {
    classify $?
    conclude 74 failing "$REASON" "$WHY"
  }
  number=$(sed -n '1s/.*"seq":\([0-9]*\).*/\1/p' sync/manifest.list)
  # One that was cut off while it was written has no end.
  [ "$(tail -n 1 sync/manifest.list)" = ']}' ] || continue
  if [ "${number:-0}" -gt $base ]; then
    base=$number
    mv -f sync/manifest.list sync/base.list
  fi
done
seq=$((base + 1))

# --- frozen ---

# A growing log, or a checkpoint that is replaced while it is copied, would arrive torn or not at all. Links cost
# nothing and keep what is replaced; what is changed in place is copied.
freeze() {
  rm -rf sync/stage
  mkdir -p sync/stage || return 1
  if cp -a --reflink=always "$cs_source/." sync/stage/ 2>/dev/null; then :; else
    rm -rf sync/stage
    mkdir -p sync/stage
    # What can't be linked (another owner's file, another file system) is copied below.
    cp -al "$cs_source/." sync/stage/ 2>/dev/null
  fi
  chmod -f u+rwx sync/stage
  now
  recent=$((NOW / 1000 - cs_settle_s))
  awk -F "$TAB" -v recent="$recent" -v limit="$cs_copy_bytes" '
    FILENAME == ARGV[1] { growing[$0] = 1; next }
    ($4 in growing) || ($3 > recent && $2 <= limit) { print $4 }' sync/growing.all sync/files.list >sync/copy.list
  # Only what is to go: everything else leaves the stage again.
  find sync/stage \( -path "*$NL*" -o -path "*$TAB*" \) ! -type d -exec rm -f {} +
  awk -F "$TAB" '{ print "./" $4 }' sync/files.list | sort >sync/wanted.list
  (cd sync/stage && find . ! -type d | sort | comm -23 - ../wanted.list | tr '\n' '\0' | xargs -0 -r rm -f --) || return 1
  (cd sync/stage && find . ! -type d | sort | comm -13 - ../wanted.list | sed 's,^\./,,') >>sync/copy.list
  sort -u sync/copy.list >sync/copies.list
  while IFS= read -r path; do copy_one "$path" || return 1; done <sync/copies.list
  return 0
}

# A whole copy of one file as it is now; one that is gone meanwhile is no result any more.
copy_one() {
  case $1 in */*) mkdir -p "sync/stage/${1%/*}" || return 1 ;; esac
  rm -f "sync/stage/$1"
  if cp -p --reflink=auto -- "$cs_source/$1" "sync/stage/$1" 2>sync/copy.log; then return 0; fi
  rm -f "sync/stage/$1"
  if grep -q 'No space left' sync/copy.log; then return 1; fi
  [ ! -e "$cs_source/$1" ] || printf '%s\n' "$1: $(sed 's/.*: //; q' sync/copy.log)" >>sync/unreadable.list
  return 0
}

: >>sync/growing
sort -u sync/growing >sync/growing.all
freeze || conclude 74 failing disk_full "the results could not be frozen: no room on this machine"
if [ -e output.log ]; then
  mkdir -p sync/stage/_cs && cp -p output.log sync/stage/_cs/output.log || conclude 74 failing disk_full "the log could not be frozen"
fi
unreadable=$(awk 'END { print NR }' sync/unreadable.list)

snapshot() { (cd sync/stage && find . -type f -printf '%P\t%s\t%T@\n' | sort); }
snapshot >sync/frozen.list

# --- packed ---

if [ -n "$cs_pack_files" ] && [ "$files" -gt "$cs_pack_files" ]; then
  awk -F "$TAB" -v limit="$cs_pack_bytes" '$2 <= limit && $1 !~ /^_cs\// { print $1 }' sync/frozen.list >sync/pack.list
  if tar -C sync/stage --sort=name --format=posix --pax-option=delete=atime,delete=ctime --no-recursion --verbatim-files-from -cf sync/pack.tar -T sync/pack.list 2>sync/pack.log; then
    awk -F "$TAB" 'FILENAME == ARGV[1] { packed[$0] = 1; next } $1 in packed { print $1 "\t" $2 }' sync/pack.list sync/frozen.list >sync/packed.list
    (cd sync/stage && tr '\n' '\0' <../pack.list | xargs -0 -r rm -f -- && find . -mindepth 1 -type d -empty -delete)
    mkdir -p sync/stage/_cs && mv -f sync/pack.tar sync/stage/_cs/packed.tar
    # Its time says nothing, and the same content is the same file.
    touch -d @0 sync/stage/_cs/packed.tar
    snapshot >sync/frozen.list
  else
    conclude 74 failing disk_full "the small files could not be packed: $(head -n 1 sync/pack.log)"
  fi
fi
[ -e sync/packed.list ] || : >sync/packed.list

# --- copied ---

# The files of the last manifest that are on the remote as it says, and are other ones here: moved aside first.
changed() {
  awk -F "$TAB" '
    function plain(s,  i, c, r) {
      if (s !~ /\\/) return s
      for (i = 1; i <= length(s); i++) {
        c = substr(s, i, 1)
        if (c == "\\") c = substr(s, ++i, 1)
        r = r c
      }
      return r
    }
    function entry(line) {
      path = line; sub(/^\{"path":"/, "", path); sub(/","size":.*/, "", path); path = plain(path)
      size = line; sub(/.*","size":/, "", size); sub(/,.*/, "", size)
      md5 = line; sub(/.*"md5":"/, "", md5); sub(/".*/, "", md5)
      time = line; sub(/.*"modified":"/, "", time); sub(/".*/, "", time)
    }
    FILENAME == ARGV[1] { if ($0 ~ /^\{"path":/ && $0 ~ /"modified":/) { entry($0); base[path] = md5 "\t" size; at[path] = size "\t" time }; next }
    FILENAME == ARGV[2] { if (($1 in base) && base[$1] == $2 "\t" $3) there[$1] = 1; next }
    ($1 in there) && at[$1] != $2 "\t" $3 { print $1 }' sync/base.list sync/remote.list sync/frozen.list
}

# Drive's own protection against copying for hours against a daily limit; other remotes take no notice.
upload() {
  changed >sync/changed.list
  if [ -s sync/changed.list ] && [ $dry = false ]; then
    rclone_run copy sync/stage "$cs_remote" --files-from-raw sync/changed.list --backup-dir "$cs_remote/_cs/kept" \
      --drive-stop-on-upload-limit --checksum --order-by size,ascending || return $?
  fi
  set --
  [ $dry = false ] || set -- --dry-run
  rclone_run copy sync/stage "$cs_remote" "$@" --drive-stop-on-upload-limit --check-first --order-by size,ascending \
    --transfers "$cs_transfers"
}

round=1
while :; do
  upload
  code=$?
  if [ $dry = true ]; then
    [ $code = 0 ] || { classify $code && conclude 74 failing "$REASON" "$WHY"; }
    conclude 0 planned '' ''
  fi
  # What changed in place under its link is copied whole, and from now on always.
  snapshot | comm -13 sync/frozen.list - | cut -f 1 >sync/moved.list
  if [ $code = 0 ] && [ ! -s sync/moved.list ]; then break; fi
  if [ $code != 0 ]; then
    classify $code
    case $REASON in changing) ;; *) conclude 74 failing "$REASON" "$WHY" ;; esac
  fi
  if [ $round -ge 3 ] || [ ! -s sync/moved.list ]; then
    [ $code != 0 ] || REASON=changing WHY="files changed while they were copied: $(head -n 3 sync/moved.list | tr '\n' ' ')"
    conclude 74 failing "$REASON" "$WHY"
  fi
  cat sync/moved.list >>sync/growing
  while IFS= read -r path; do copy_one "$path" || conclude 74 failing disk_full "no room on this machine"; done <sync/moved.list
  snapshot >sync/frozen.list
  # The moved-aside state has changed on the remote.
  list_remote "$cs_remote" || { classify $? && conclude 74 failing "$REASON" "$WHY"; }
  round=$((round + 1))
done

# --- checked, and only then said ---

check() {
  list_remote "$cs_remote" || return 2
  awk -F "$TAB" 'FILENAME == ARGV[1] { remote[$1] = $3; next } !($1 in remote) || remote[$1] != $2 { print $1 }' sync/remote.list sync/frozen.list >sync/missing.list
  [ ! -s sync/missing.list ]
}
check
case $? in
  0) ;;
  1)
    # A listing may lag behind for a moment.
    sleep "$cs_relist_s"
    check || conclude 74 failing missing "not on the remote after the copy: $(head -n 3 sync/missing.list | tr '\n' ' ')"
    ;;
  *)
    classify 1
    conclude 74 failing "$REASON" "$WHY"
    ;;
esac
if [ $final = true ]; then
  rclone_run check sync/stage "$cs_remote" --one-way || {
    classify $?
    conclude 74 failing "$REASON" "$WHY"
  }
fi

now
{
  printf '{"version":1,"job":"%s","attempt":%s,"seq":%s,"startedAt":%s,"finishedAt":%s,"final":%s,"excludedCount":%s,\n' \
    "$cs_job" "$cs_attempt" "$seq" "$started" "$NOW" "$final" "$excluded"
  printf '"excluded":[\n%s\n],\n"unreadable":[\n' "$excluded_json"
  awk "$TEXT"'{ printf "%s\"%s\"", (NR > 1 ? ",\n" : ""), text($0) } END { if (NR) print "" }' sync/unreadable.list
  printf '],\n"packed":[\n'
  awk -F "$TAB" "$TEXT"'
    { printf "%s{\"path\":\"%s\",\"size\":%s}", (NR > 1 ? ",\n" : ""), text($1), $2 } END { if (NR) print "" }' sync/packed.list
  printf '],\n"files":[\n'
  awk -F "$TAB" "$TEXT"'
    FILENAME == ARGV[1] { md5[$1] = $2; next }
    {
      printf "%s{\"path\":\"%s\",\"size\":%s,\"md5\":\"%s\",\"modified\":\"%s\"}", (FNR > 1 ? ",\n" : ""), text($1), $2,
        md5[$1], $3
    }
    END { print "" }' sync/remote.list sync/frozen.list
  printf ']}\n'
} >sync/manifest.list || conclude 74 failing disk_full "no room for the manifest"
rclone_run copyto sync/manifest.list "$cs_remote/_cs/manifest.$((seq % 2)).json" --ignore-times || {
  classify $?
  conclude 74 failing "$REASON" "$WHY"
}
cp sync/files.list sync/committed
if [ "$unreadable" != 0 ]; then
  conclude 4 incomplete unreadable "could not be read: $(head -n 1 sync/unreadable.list)"
fi
conclude 0 synced '' ''
