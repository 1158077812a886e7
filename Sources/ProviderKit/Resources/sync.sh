#!/bin/sh
# Copies the results of a job to its remote folder, and says how that went. The same script for the periodic copies on
# the instance, for the last one, and for a person who asks over ssh or on the same machine.
#
#   sh sync.sh DIR [--final] [--dry-run] [--if-changed] [--wait SECONDS]      copies
#   sh sync.sh DIR --follow [the same]                                        starts that apart, or joins one under way,
#                                                                             and shows its events up to the last
#   sh sync.sh DIR --restore                                                  fetches what the last manifest stands for into
#                                                                             the results folder; 0 if there is none
#   sh sync.sh DIR --hashes                                                   shows what the results are now, with MD5s;
#                                                                             takes no lock and changes nothing
#
# DIR is the instance's directory; DIR/sync.conf holds shell assignments (see SyncJob). What is kept in DIR/sync:
#   lock          held while results are copied
#   started       is there, and as old as it, while a copy goes on
#   events        one JSON document a line: our own ("ev": start, plan, excluded, end, exit) and rclone's log of the
#                 results' own upload
#   last.json     how the last one went; last-good.json the last that succeeded
#   manifest      the last manifest that was written to the remote
#   stage/        the frozen results; growing: files that are copied, not linked, since they change in place
#
# No result that is on the remote is ever deleted, but of two that are the same in name and content one. What the last manifest stands for is never overwritten before the next
# manifest is there: a file that changed is first moved to _cs/kept. The manifest comes last, in one of two places in
# turn, so that the one before it is never touched.
#
# Exit codes: 0 done or nothing to do, 4 done but something could not be read, 64 asked in a wrong way, 74 failed, 75 busy,
# 78 not set up. Whoever follows gets it in a last line {"ev":"exit","rc":…}, too: a connection that breaks sends none.
set -u
umask 077
unset CDPATH
LC_ALL=C
export LC_ALL
NL='
'
TAB=$(printf '\t')

DIR=${1:?usage: sh sync.sh DIR [--final] [--dry-run] [--if-changed] [--wait SECONDS] [--follow | --hashes]}
shift
final=false dry=false changed_only='' patience=0 follow='' hashes='' restoring='' previous='' wrong=''
for argument in "$@"; do
  case $previous in --wait) patience=$argument previous='' && continue ;; esac
  case $argument in
    --final) final=true ;;
    --dry-run) dry=true ;;
    --if-changed) changed_only=yes ;;
    --follow) follow=yes ;;
    --hashes) hashes=yes ;;
    --restore) restoring=yes ;;
    --wait) previous=--wait ;;
    *) wrong=$argument ;;
  esac
done

say_exit() { printf '{"ev":"exit","rc":%s,"result":"failing","reason":"%s"}\n' "$1" "$2"; }

# Ends before there was anything to do.
refuse() { # exit code, reason, text
  printf 'sync.sh: %s\n' "$3" >&2
  [ -z "$follow$hashes" ] || say_exit "$1" "$2"
  trap - EXIT
  exit "$1"
}

# Whatever ends this process, whoever reads along is told.
[ -z "$follow$hashes" ] || trap 'say_exit 74 other; exit 74' EXIT
[ -z "$wrong" ] || refuse 64 usage "unknown argument $wrong"
case $previous$patience in *[!0-9]* | '') refuse 64 usage "--wait needs a number of seconds" ;; esac
cd "$DIR" 2>/dev/null || refuse 74 not_found "there is no folder $DIR"
DIR=$(pwd -P)
# A mistake in the file would end the shell at once.
[ -r sync.conf ] && sh -n ./sync.conf 2>/dev/null && . ./sync.conf || refuse 78 configuration "$DIR/sync.conf is missing or can not be read"
# Where a machine that had no rclone keeps it.
PATH=$PATH:$DIR/bin
[ -n "$hashes" ] || mkdir -p sync || refuse 74 disk_full "the folder $DIR/sync could not be made"

case $(date +%s%3N) in
  '' | *[!0-9]*) now() { NOW=$(date +%s)000; } ;;
  *) now() { NOW=$(date +%s%3N); } ;;
esac

# --- following ---

# Whether the events file ends with the line that says it is over.
is_over() {
  line=$(tail -n 1 sync/events 2>/dev/null)
  case $line in '{"ev":"exit"'*) return 0 ;; *) return 1 ;; esac
}

# Asked for a share only, or those who ask at the same moment would take each other for a copy.
is_free() { flock -s -n sync/lock true; }

# Shows the lines of the events file that is there now, and those that come, up to the one that says it is over.
show_events() {
  shown=sync/shown.$$
  trap 'trap - EXIT; rm -f "$shown"; exit 130' INT
  trap 'trap - EXIT; rm -f "$shown"; exit 143' TERM HUP
  # `tail` ends with this process, `sed` with the last line.
  tail -n +1 -F -s 0.1 --pid=$$ sync/events 2>/dev/null | sed -u "/^{\"ev\":\"exit\"/{w $shown
q
}" &
  shower=$!
  idle=0
  until [ -s "$shown" ] || [ $idle -ge 50 ]; do
    # The last line is written before the lock is given up; a lock without that line was held by one that was killed.
    if is_free; then
      if ! is_over; then
        kill $shower 2>/dev/null
        rm -f "$shown"
        refuse 74 interrupted "the copy was killed"
      fi
      idle=$((idle + 1))
    fi
    sleep 0.2
  done
  [ ! -s "$shown" ] || line=$(cat "$shown")
  kill $shower 2>/dev/null
  rm -f "$shown"
  code=${line##*'"rc":'}
  code=${code%%[!0-9]*}
  trap - EXIT
  exit "${code:-74}"
}

if [ -n "$follow" ]; then
  { : >>sync/lock; } 2>/dev/null || refuse 74 disk_full "the folder $DIR/sync can not be written to"
  # A copy that is under way answers whoever wants a copy, but not whoever wants a plan.
  [ $dry = false ] || flock -w 600 sync/lock true || refuse 75 busy "a copy is under way, and has been for ten minutes"
  # One that has only just begun still has the events of the one before it, and one that is over the lock for a moment.
  tries=0
  while is_over && ! is_free && [ $tries -lt 40 ]; do
    sleep 0.05
    tries=$((tries + 1))
  done
  if is_free; then
    # Apart from whoever asked: a connection that breaks leaves no half-finished copy.
    now
    run=$$.$NOW
    set -- "$0" "$DIR" --wait 5
    [ $final = false ] || set -- "$@" --final
    [ $dry = false ] || set -- "$@" --dry-run
    [ -z "$changed_only" ] || set -- "$@" --if-changed
    CS_RUN=$run setsid sh "$@" </dev/null >/dev/null 2>&1 &
    tries=0
    until head -n 1 sync/events 2>/dev/null | grep -q "\"run\":\"$run\""; do
      tries=$((tries + 1))
      if [ $tries -ge 140 ] && ! is_free; then
        # Another one was quicker.
        [ $dry = false ] || refuse 75 busy "a copy is under way"
        printf '{"ev":"joined"}\n'
        break
      fi
      [ $tries -lt 400 ] || refuse 74 other "the copy could not be started"
      sleep 0.05
    done
  elif is_over; then
    refuse 75 busy "the upload of a copy that was ended still goes on"
  else
    printf '{"ev":"joined"}\n'
  fi
  show_events
fi

# --- texts ---

# Two awk functions: whether a text is UTF-8, and a text as it may stand inside a JSON string. `gsub` treats backslashes
# differently from awk to awk.
TEXT='function valid(s) {
  return s !~ /[\200-\377]/ || s ~ /^([\001-\177]|[\302-\337][\200-\277]|\340[\240-\277][\200-\277]|[\341-\354\356\357][\200-\277][\200-\277]|\355[\200-\237][\200-\277]|\360[\220-\277][\200-\277][\200-\277]|[\361-\363][\200-\277][\200-\277][\200-\277]|\364[\200-\217][\200-\277][\200-\277])*$/
}
function text(s,  i, c, r) {
  if (!valid(s)) gsub(/[\200-\377]/, "?", s)
  if (s !~ /[\\"\001-\037\177]/) return s
  for (i = 1; i <= length(s); i++) {
    c = substr(s, i, 1)
    r = r (c == "\\" || c == "\"" ? "\\" c : c ~ /[\001-\037\177]/ ? " " : c)
  }
  return r
}'

json() { # a text as it may stand inside a JSON string; not too long, and not ended within a character
  printf '%s' "$1" | tr '\000-\037\177' ' ' | awk "$TEXT"'
    { s = $0; if (length(s) > 500) { s = substr(s, 1, 500); sub(/[\300-\377][\200-\277]*$/, "", s) } printf "%s", text(s) }'
}

# --- what there is ---

# One line a file: f, bytes, time, path; or x, number of the rule, bytes, path.
scan() { # file for what could not be read
  (
    cd "$cs_source" || exit 1
    unread=$1
    set -- . -mindepth 1 -path '*[[:cntrl:]]*' ! -type d -printf 'x\tname\t%s\t(inode %i)\n'
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
    find "$@" -o -type f -printf 'f\t%s\t%T@\t%P\n' -o ! -type d -printf 'x\tkind\t%s\t%P\n' 2>"$unread"
    exit 0
  )
}

# Writes files.list, excluded.list and unreadable.list into a folder.
survey() {
  case $1 in /*) place=$1 ;; *) place=$DIR/$1 ;; esac
  scan "$place/unreadable.new" >"$place/scan.list" || return 1
  # Inputs that are as they were staged are no results.
  inputs=staged.list
  [ -e "$inputs" ] || : >"$place/none.list"
  [ -e "$inputs" ] || inputs=$place/none.list
  # Names that rclone writes otherwise than they are, or that no JSON can hold, would not be found again on the remote.
  awk -F "$TAB" -v inputs="$cs_inputs" "$TEXT"'
    FILENAME == ARGV[1] { if (inputs != "yes") staged[$3] = $1 "\t" $2; next }
    $1 == "f" && ($4 in staged) && staged[$4] == $2 "\t" $3 { print "x\tinput\t" $2 "\t" $4; next }
    $1 == "f" && $4 ~ /[\200-\377]/ && (!valid($4) || $4 ~ /\342\200\233|\342\220[\200-\241]/) { print "x\tname\t" $2 "\t" $4; next }
    { print }' "$inputs" "$place/scan.list" >"$place/sorted.list"
  awk -F "$TAB" '$1 == "f"' "$place/sorted.list" >"$place/files.list"
  awk -F "$TAB" '$1 == "x"' "$place/sorted.list" >"$place/excluded.list"
  # The log goes, too, and is no result.
  { cat "$place/files.list" && { [ ! -e output.log ] || find output.log -printf 'f\t%s\t%T@\t_cs/output.log\n'; }; } >"$place/state.list"
  sed -n 's/^find: *//p' "$place/unreadable.new" | head -n 1000 >"$place/unreadable.list"
  rm -f "$place/unreadable.new"
}

# --- what the results are now ---

if [ -n "$hashes" ]; then
  place=$(mktemp -d) || refuse 74 disk_full "no room for a temporary file"
  trap 'rm -rf "$place"; say_exit 74 other; exit 74' EXIT
  trap 'exit 143' TERM INT HUP
  survey "$place" || {
    rm -rf "$place"
    refuse 74 no_source "the results folder $cs_source can not be read"
  }
  awk -F "$TAB" '{ print $2 "\t" $3 "\t" $4 "\t" $4 }' "$place/files.list" >"$place/known.list"
  show_hashes() { # folder, list of sizes, times, paths and the paths to be shown
    cut -f 3 "$2" | (cd "$1" && tr '\n' '\0' | xargs -0 -r md5sum -z -- 2>/dev/null) | tr '\0' '\n' | awk -F "$TAB" "$TEXT"'
      FILENAME == ARGV[1] { size[$3] = $1; time[$3] = $2; known[$3] = $4; order[++count] = $3; next }
      # What comes between two that could be read could not.
      function skip(path) {
        while (next_one <= count && order[next_one] != path) printf "{\"ev\":\"unhashed\",\"path\":\"%s\"}\n", text(known[order[next_one++]])
        next_one++
      }
      BEGIN { next_one = 1 }
      {
        path = substr($0, 35)
        skip(path)
        point = index(time[path], ".")
        printf "{\"ev\":\"hash\",\"path\":\"%s\",\"size\":%s,\"md5\":\"%s\",\"modified\":%s}\n", text(known[path]), size[path],
          substr($0, 1, 32), substr(time[path], 1, point - 1) substr(time[path] "000", point + 1, 3)
        fflush()
      }
      END { skip("") }' "$2" -
  }
  show_hashes "$cs_source" "$place/known.list"
  awk "$TEXT"'{ sub(/^.\.\//, ""); sub(/.: [^:]*$/, ""); printf "{\"ev\":\"unhashed\",\"path\":\"%s\"}\n", text($0) }' "$place/unreadable.list"
  if [ -f output.log ]; then
    find output.log -printf '%s\t%T@\toutput.log\t_cs/output.log\n' >"$place/log.list"
    show_hashes . "$place/log.list"
  fi
  rm -rf "$place"
  trap - EXIT
  printf '{"ev":"exit","rc":0}\n'
  exit 0
fi

# --- one at a time ---

exec 9>>sync/lock || exit 74
if ! flock -w "$patience" 9; then exit 75; fi
: >sync/events
exec 3>>sync/events
: >sync/started

emit() { printf '%s\n' "$1" >&3; }

CHILD=''
stop_child() { [ -z "$CHILD" ] || kill -TERM "$CHILD" 2>/dev/null; }
trap 'stop_child; conclude 74 failing interrupted "the copy was interrupted"' TERM INT HUP

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
  # Fetching back is no copy, and whoever asked for it wants a line.
  if [ -n "$restoring" ]; then
    printf '%s\n' "$4"
  elif [ $dry = false ]; then
    if printf '%s}\n' "$text" >sync/last.new; then
      mv -f sync/last.new sync/last.json
      case $2 in synced | unchanged | incomplete) cp sync/last.json sync/good.new && mv -f sync/good.new sync/last-good.json ;; esac
    fi
  fi
  emit "{\"ev\":\"end\",${text#\{}}"
  clear_stage
  rm -rf sync/*.list sync/started sync/restored
  emit "{\"ev\":\"exit\",\"rc\":$1,\"result\":\"$2\"}"
  exit "$1"
}

# Folders of the results may be ones that can't be changed.
open_folders() { find sync/stage -type d ! -perm -700 -exec chmod u+rwx {} \; 2>/dev/null; }
clear_stage() {
  [ ! -e sync/stage ] || open_folders
  rm -rf sync/stage
}

emit "{\"ev\":\"start\",\"job\":\"$cs_job\",\"attempt\":$cs_attempt,\"startedAt\":$started,\"final\":$final,\"dryRun\":$dry${CS_RUN:+,\"run\":\"$CS_RUN\"}}"
# A machine that has just booted may still be getting rclone and its configuration.
tries=0
while [ -e preparing ] && [ $tries -lt 300 ]; do
  sleep 1
  tries=$((tries + 1))
done
if ! command -v "$cs_rclone" >/dev/null 2>&1; then
  conclude 78 failing no_rclone "the program $cs_rclone is not installed here"
fi

# --- rclone ---

# The times of folders say nothing here, and newer versions would set them on the remote with a request each.
RCLONE_NO_UPDATE_DIR_MODTIME=true
export RCLONE_NO_UPDATE_DIR_MODTIME

# Starts a program under the time limit and apart from the shell, which could not take a signal while it waits for one in
# the foreground. `timeout` ends whatever the program has started, too.
begin() {
  now
  left=$(((until - NOW + 999) / 1000))
  [ $left -ge 1 ] || return 124
  : >sync/rclone.log
  timeout -k 5 "$left" "$@" 2>>sync/rclone.log &
  CHILD=$!
}

# Waits for its end.
finish() {
  wait $CHILD
  code=$?
  CHILD=''
  return $code
}

bounded() { begin "$@" && finish; }
pause() { bounded sleep "$1" || :; }

# Runs rclone; its first error decides why it failed.
rclone_quietly() {
  bounded "$cs_rclone" --ask-password=false --use-json-log --retries 2 --low-level-retries 4 --contimeout 10s --timeout 60s "$@"
}

# The same with its log and its samples of progress among the events: for the results themselves and nothing else.
rclone_seen() {
  begin "$cs_rclone" --ask-password=false --use-json-log --retries 2 --low-level-retries 4 --contimeout 10s --timeout 60s \
    --stats 1s --stats-log-level NOTICE "$@" || return
  tail -n +1 -f -s 0.1 --pid=$CHILD sync/rclone.log >&3 2>/dev/null &
  tail_of_log=$!
  finish
  code=$?
  wait $tail_of_log
  return $code
}

# Sets REASON and WHY from rclone's log; its exit codes say little and differ between its versions.
classify() {
  now
  if [ "$1" = 124 ] || { [ "$1" = 137 ] && [ $NOW -ge $until ]; }; then
    REASON=time_limit WHY='the time limit was reached'
    return
  fi
  if [ "$1" -gt 128 ]; then
    REASON=interrupted WHY="rclone was ended by signal $(($1 - 128))"
    return
  fi
  found=$(awk '
    function keep(name) { if (rank[name] > best) { best = rank[name]; reason = name; why = text } }
    function plain(s,  i, c, r) {
      gsub(/\\u003c/, "<", s); gsub(/\\u003e/, ">", s); gsub(/\\u0026/, "and", s)
      for (i = 1; i <= length(s); i++) {
        c = substr(s, i, 1)
        if (c == "\\") { c = substr(s, ++i, 1); if (c ~ /[ntrbf]/) c = " " }
        r = r c
      }
      return r
    }
    BEGIN {
      split("other network changing rate_limit not_found unreadable unauthorized disk_full daily_limit quota revoked configuration", names, " ")
      for (i in names) rank[names[i]] = i + 0
    }
    /^\{/ {
      if ($0 !~ /"level":"(error|critical|fatal)"/) next
      text = $0
      if (match(text, /"msg":"([^"\\]|\\.)*"/)) text = plain(substr(text, RSTART + 7, RLENGTH - 8))
    }
    # Its last words are no JSON in older versions, nor is what it says before it has read its options.
    !/^\{/ {
      text = $0
      sub(/^[0-9]+\/[0-9]+\/[0-9]+ [0-9:]+ /, "", text)
      if (text ~ /^(NOTICE|INFO|DEBUG) *:/) next
      sub(/^(ERROR|CRITICAL|Fatal error) *: */, "", text)
    }
    {
      low = tolower(text)
      unreached = low ~ /no such host|connection refused|i\/o timeout|timeout awaiting|deadline exceeded|connection reset|connection closed|broken pipe|unreachable|no route to host|server misbehaving|proxyconnect|tls handshake|x509:|(^|[^a-z])eof($|[^a-z])|error 5[0-9][0-9]|: 5[0-9][0-9] |backenderror/
      if (low ~ /didn.t find section in config file|didn.t find backend called|unknown remote type|unknown (flag|command|shorthand)|unable to decrypt|failed to load config/) keep("configuration")
      else if (low ~ /invalid_grant|invalid_client|unauthorized_client|deleted_client|empty token|token expired/) keep("revoked")
      else if (low ~ /couldn.t fetch token/ && !unreached) keep("revoked")
      else if (low ~ /storagequotaexceeded|storage quota|teamdrivefilelimitexceeded/) keep("quota")
      else if (low ~ /upload limit error|dailylimitexceeded|user rate limit exceeded\., /) keep("daily_limit")
      else if (low ~ /no space left|disk quota exceeded/) keep("disk_full")
      else if (low ~ /source/ && low ~ /permission denied/) keep("unreadable")
      else if (low ~ /ratelimitexceeded|rate limit|error 429/) keep("rate_limit")
      else if (low ~ /error 40[13]|unauthorized|permission denied/) keep("unauthorized")
      else if (low ~ /source file is being updated|corrupted on transfer|can.t copy - source/) keep("changing")
      else if (unreached) keep("network")
      else if (low ~ /directory not found|object not found|error 404/) keep("not_found")
      else if (low ~ /failed to create file system/) keep("configuration")
      else if (low != "") keep("other")
    }
    END { print reason; print why }' sync/rclone.log)
  REASON=${found%%"$NL"*} WHY=${found#*"$NL"}
  # Newer versions say it by the code alone.
  case $REASON$1 in 3 | 4) REASON=not_found WHY='not found on the remote' ;; esac
  [ -n "$REASON" ] || REASON=other
  [ -n "$WHY" ] || WHY="rclone ended with exit code $1"
}

# Ends because of what rclone, or another bounded program, has last ended with.
give_up() {
  classify "$1"
  conclude 74 failing "$REASON" "$WHY"
}

# Writes what is in the remote folder: remote.list with path, MD5, bytes, by tabs, and folders.list. An empty hash where
# the remote knows none.
list_remote() {
  rclone_quietly lsf -R --hash MD5 --format phs --separator "$TAB" --exclude '/_cs/kept/**' "$cs_remote" >sync/listing.list
  code=$?
  # A folder that nobody has made yet is empty.
  [ $code = 0 ] || [ $code = 3 ] || return $code
  # A tab is in no name of ours.
  awk -F "$TAB" 'NF == 3 && $1 !~ /\/$/' sync/listing.list >sync/remote.list
  awk -F "$TAB" 'NF == 3 && $1 ~ /\/$/ { print $1 }' sync/listing.list >sync/folders.list
}

# The paths that the remote has twice, as Google Drive can.
doubled() { cut -f 1 sync/remote.list | sort | uniq -d; }

# Writes the MD5s of files below a folder: MD5, two spaces, path. What can't be read is left out.
hash_files() { # folder, file with the paths, file to write
  bounded sh -c 'cd "$1" && tr "\n" "\0" <"$2" | xargs -0 -r md5sum -z -- 2>/dev/null | tr "\0" "\n"' sh "$1" "$DIR/$2" >"$3"
}

# --- what there is ---

survey sync || conclude 74 failing no_source "the results folder $cs_source can not be read"
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

if [ -n "$changed_only" ] && [ $final = false ] && [ "$unreadable" = 0 ] && cmp -s sync/state.list sync/committed &&
  grep -q '"result":"\(synced\|unchanged\)"' sync/last.json 2>/dev/null; then
  seq=$(sed -n 's/.*"seq":\([0-9]*\).*/\1/p' sync/last.json)
  conclude 0 unchanged '' ''
fi

# --- what the remote has ---

# On Google Drive a name can be there twice: when an answer was lost while listings lagged, or when two programs wrote at
# once. rclone looks into one of two folders, not always the same one, so they are made one.
mend() {
  [ $dry = false ] || return 0
  if [ -n "$(sort sync/folders.list | uniq -d)" ] || [ -n "$(sort sync/remote.list | uniq -d)" ]; then
    rclone_quietly dedupe --dedupe-mode skip "$cs_remote" && list_remote || return
  fi
  # Of a manifest that is there twice only the newer one counts.
  if doubled | grep -q '^_cs/manifest\.[01]\.json$'; then
    rclone_quietly dedupe --dedupe-mode newest "$cs_remote/_cs" --include '/manifest.[01].json' || return
  fi
}

# The same for the job's folder itself: of its parent's other folders nothing is touched.
mend_top() {
  top=${cs_remote##*[:/]}
  case $cs_remote in *:*) ;; *) return 0 ;; esac
  case $top in '' | *[!A-Za-z0-9._-]*) return 0 ;; esac
  rclone_quietly dedupe --dedupe-mode skip --max-depth 1 --include "/$top/**" "${cs_remote%"$top"}"
  code=$?
  # Somebody has removed the folder with all that was in it: it is made again.
  [ $code != 3 ] || return 0
  return $code
}

# Finds the last manifest that is whole: the one with the higher number of the two.
find_base() {
  list_remote && mend || give_up $?
  : >sync/base.list
  base=0
  for slot in 0 1; do
    grep -q "^_cs/manifest\.$slot\.json$TAB" sync/remote.list || continue
    rclone_quietly cat "$cs_remote/_cs/manifest.$slot.json" >sync/manifest.list || give_up $?
    number=$(sed -n '1s/.*"seq":\([0-9]*\).*/\1/p' sync/manifest.list)
    # One that was cut off while it was written has no end.
    [ "$(tail -n 1 sync/manifest.list)" = ']}' ] || continue
    if [ "${number:-0}" -gt $base ]; then
      base=$number
      mv -f sync/manifest.list sync/base.list
    fi
  done
}

# --- what the last manifest stands for ---

# An awk function that reads one of its lines: path, size, md5, time.
ENTRY='function plain(s,  i, c, r) {
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
}'

# Of the files of the last manifest those that are on the remote as it says: MD5, bytes, time, path.
in_place() {
  awk -F "$TAB" "$ENTRY"'
    FILENAME == ARGV[1] {
      if ($0 ~ /^\{"path":/ && $0 ~ /"modified":/) { entry($0); base[path] = md5 "\t" size; at[path] = time }
      next
    }
    ($1 in base) && base[$1] == $2 "\t" $3 && !seen[$1]++ { print base[$1] "\t" at[$1] "\t" $1 }' sync/base.list sync/remote.list
}

# Sets the folder of the results to what the last manifest stands for. Its files win over what is there: they are what
# became of it. Of a file that was replaced on the remote after the manifest, the one that was kept is taken.
restore() {
  rclone_quietly lsf -R --files-only --hash MD5 --format phs --separator "$TAB" "$cs_remote/_cs/kept" >sync/kept.list
  code=$?
  # Nothing was ever moved aside.
  [ $code = 0 ] || [ $code = 3 ] || give_up $code
  in_place >sync/in-place.list
  awk -F "$TAB" "$ENTRY"'
    FILENAME == ARGV[1] { here[$4] = 1; next }
    FILENAME == ARGV[2] { kept[$1 "\t" $2 "\t" $3] = 1; next }
    !/^\{"path":/ || !/"md5":/ { next }
    { entry($0) }
    path == "_cs/output.log" { next }
    !/"modified":/ { print md5 "  " path >"sync/packed-sums.list"; next }
    { print md5 "  " path >"sync/sums.list"; n++ }
    path in here { print path >"sync/from-remote.list"; next }
    (path "\t" md5 "\t" size) in kept { print path >"sync/from-kept.list"; next }
    { print path >"sync/lost.list" }' sync/in-place.list sync/kept.list sync/base.list
  if [ -s sync/lost.list ]; then
    conclude 74 failing missing "the remote does not hold what its last manifest stands for: $(head -n 3 sync/lost.list | tr '\n' ' ')"
  fi
  rm -rf sync/restored
  mkdir sync/restored || conclude 74 failing disk_full "no room on this machine"
  if [ -s sync/from-remote.list ]; then
    rclone_quietly copy "$cs_remote" sync/restored --files-from-raw sync/from-remote.list --transfers "$cs_transfers" || give_up $?
  fi
  if [ -s sync/from-kept.list ]; then
    rclone_quietly copy "$cs_remote/_cs/kept" sync/restored --files-from-raw sync/from-kept.list --transfers "$cs_transfers" || give_up $?
  fi
  compare_sums sync/sums.list
  if [ -e sync/restored/_cs/packed.tar ]; then
    tar -C sync/restored -xpf sync/restored/_cs/packed.tar 2>sync/rclone.log ||
      conclude 74 failing disk_full "the archive of the small files could not be unpacked: $(head -n 1 sync/rclone.log)"
    compare_sums sync/packed-sums.list
  fi
  rm -rf sync/restored/_cs
  restored=$(find sync/restored -type f -printf '%s\n' | awk '{ n++; b += $1 } END { printf "%.0f files (%.0f bytes)", n, b }')
  put_in_place || conclude 74 failing disk_full "the earlier results could not be put into $cs_source"
  cp sync/base.list sync/manifest
  at=$(sed -n '1s/.*"startedAt":\([0-9]*\).*/\1/p' sync/base.list)
  conclude 0 restored '' "$restored of the results as of $(date -u -d "@$((at / 1000))" '+%Y-%m-%d %H:%M:%S UTC') were fetched back from $cs_remote"
}

# Compares what was fetched with a list of MD5, two spaces, path. An MD5 that the remote did not know is not compared.
compare_sums() {
  [ -s "$1" ] || return 0
  awk '{ path = $0; sub(/^[^ ]*  /, "", path); print path }' "$1" >sync/look.list
  hash_files sync/restored sync/look.list sync/hashed.list || give_up $?
  awk '
    FILENAME == ARGV[1] { md5[substr($0, 35)] = substr($0, 1, 32); next }
    { path = $0; sub(/^[^ ]*  /, "", path); sum = substr($0, 1, index($0, " ") - 1) }
    !(path in md5) || (sum != "" && md5[path] != sum) { print path }' sync/hashed.list "$1" >sync/wrong.list
  [ ! -s sync/wrong.list ] ||
    conclude 74 failing changing "did not arrive as the manifest says: $(head -n 3 sync/wrong.list | tr '\n' ' ')"
}

# Nothing is written through a link, and a file may stand where a folder was.
put_in_place() {
  (cd sync/restored && find . -mindepth 1 -type d -printf '%P\n') >sync/dirs.list
  (cd sync/restored && find . -type f -printf '%P\n') >sync/names.list
  while IFS= read -r path; do
    if [ -h "$cs_source/$path" ] || { [ -e "$cs_source/$path" ] && [ ! -d "$cs_source/$path" ]; }; then
      rm -f "$cs_source/$path" || return 1
    fi
  done <sync/dirs.list
  while IFS= read -r path; do
    if [ -h "$cs_source/$path" ]; then continue; fi
    if [ -d "$cs_source/$path" ]; then
      rm -rf "${cs_source:?}/$path" || return 1
    elif [ -x "$cs_source/$path" ]; then
      # No remote knows modes.
      chmod u+x "sync/restored/$path"
    fi
  done <sync/names.list
  # By links where that can be: they are the same files.
  cp -al --remove-destination sync/restored/. "$cs_source"/ 2>/dev/null || cp -a --remove-destination sync/restored/. "$cs_source"/
}

if [ -n "$restoring" ]; then
  find_base
  if [ "$base" = 0 ]; then
    # A listing may lag behind the manifest of an attempt that has only just ended.
    pause "$cs_relist_s"
    find_base
  fi
  [ "$base" != 0 ] || conclude 0 fresh '' "there are no earlier results in $cs_remote; the calculation starts from the beginning"
  restore
fi

find_base
known=$(sed -n '1s/.*"seq":\([0-9]*\).*/\1/p' sync/manifest 2>/dev/null)
if [ "${known:-0}" -gt $base ] && [ $dry = false ]; then
  # A listing lags, or shows another folder of the same name. If it stays so, what was written from here holds.
  pause "$cs_relist_s"
  mend_top || give_up $?
  find_base
  if [ "$known" -gt $base ]; then
    base=$known
    cp sync/manifest sync/base.list
  fi
fi
seq=$((base + 1))

# --- frozen ---

# A growing log, or a checkpoint that is replaced while it is copied, would arrive torn or not at all. Links cost
# nothing and keep what is replaced; what is changed in place is copied.
freeze() {
  clear_stage
  mkdir -p sync/stage || return 1
  if cp -a --reflink=always "$cs_source/." sync/stage/ 2>/dev/null; then :; else
    clear_stage
    mkdir -p sync/stage
    # What can't be linked (another owner's file, another file system) is copied below.
    cp -al "$cs_source/." sync/stage/ 2>/dev/null
  fi
  open_folders
  now
  recent=$((NOW / 1000 - cs_settle_s))
  awk -F "$TAB" -v recent="$recent" -v limit="$cs_copy_bytes" '
    FILENAME == ARGV[1] { growing[$0] = 1; next }
    ($4 in growing) || ($3 > recent && $2 <= limit) { print $4 }' sync/growing.all sync/files.list >sync/copy.list
  # Only what is to go: everything else leaves the stage again.
  find sync/stage -path '*[[:cntrl:]]*' ! -type d -exec rm -f {} +
  awk -F "$TAB" '{ print "./" $4 }' sync/files.list | sort >sync/wanted.list
  (cd sync/stage && find . ! -type d | sort | comm -23 - ../wanted.list | tr '\n' '\0' | xargs -0 -r rm -f --) || return 1
  (cd sync/stage && find . ! -type d | sort | comm -13 - ../wanted.list | sed 's,^\./,,') >>sync/copy.list
  # A link is made to what can't be read, too; that it can't be is found out by copying it.
  (cd sync/stage && find . -type f ! -readable -printf '%P\n') >>sync/copy.list
  sort -u sync/copy.list >sync/copies.list
  # Together first, which is fast. What did not come along is copied by itself, and says why it can't be.
  (cd sync/stage && tr '\n' '\0' <../copies.list | xargs -0 -r rm -f --) || return 1
  stage=$DIR/sync/stage
  (cd "$cs_source" && tr '\n' '\0' <"$DIR/sync/copies.list" |
    xargs -0 -r cp -p --reflink=auto --parents --remove-destination -t "$stage" --) 2>/dev/null && return 0
  open_folders
  (cd sync/stage && find . -type f -printf '%P\n' | sort) >sync/staged-now.list
  comm -23 sync/copies.list sync/staged-now.list >sync/left.list
  while IFS= read -r path; do copy_one "$path" || return 1; done <sync/left.list
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

# Copies whole what was caught changing under its link, from now on always.
copy_changing() { # file with the paths
  cat "$1" >>sync/growing
  while IFS= read -r path; do copy_one "$path" || conclude 74 failing disk_full "no room on this machine"; done <"$1"
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

# Puts the small files of the stage into one archive. The same files make the same archive.
pack() {
  awk -F "$TAB" -v limit="$cs_pack_bytes" '$2 <= limit && $1 !~ /^_cs\// { print $1 }' sync/frozen.list >sync/pack.list
  tar -C sync/stage --sort=name --format=posix --pax-option=exthdr.name=%d/PaxHeaders/%f,delete=atime,delete=ctime --no-recursion \
    --verbatim-files-from -cf sync/pack.tar -T sync/pack.list 2>sync/pack.log
}

: >sync/packed.list
if [ -n "$cs_pack_files" ] && [ "$files" -gt "$cs_pack_files" ]; then
  round=1
  while :; do
    pack
    code=$?
    hash_files sync/stage sync/pack.list sync/hashed.list || give_up $?
    snapshot | comm -13 sync/frozen.list - | cut -f 1 >sync/moved.list
    [ -s sync/moved.list ] || break
    [ $round -lt 3 ] || conclude 74 failing changing "files changed while they were packed: $(head -n 3 sync/moved.list | tr '\n' ' ')"
    copy_changing sync/moved.list
    snapshot >sync/frozen.list
    round=$((round + 1))
  done
  if [ $code != 0 ]; then conclude 74 failing disk_full "the small files could not be packed: $(head -n 1 sync/pack.log)"; fi
  awk -F "$TAB" '
    FILENAME == ARGV[1] { md5[substr($0, 35)] = substr($0, 1, 32); next }
    $1 in md5 { print $1 "\t" $2 "\t" md5[$1] }' sync/hashed.list sync/frozen.list >sync/packed.list
  (cd sync/stage && tr '\n' '\0' <../pack.list | xargs -0 -r rm -f -- && find . -mindepth 1 -type d -empty -delete)
  # rclone takes files of the same size and time for the same, and archives often have the same size. So the time is made
  # from the content.
  sum=$(md5sum sync/pack.tar) || conclude 74 failing disk_full "the archive of the small files could not be read"
  sum=${sum%"${sum#???????}"}
  touch -d "@$((0x$sum))" sync/pack.tar
  mkdir -p sync/stage/_cs && mv -f sync/pack.tar sync/stage/_cs/packed.tar
  snapshot >sync/frozen.list
fi

# --- copied ---

# Writes changed.list: what in_place names and is another file here. What has only got another time is the same file, and
# that takes a look into it.
find_changed() {
  in_place >sync/in-place.list
  awk -F "$TAB" '
    FILENAME == ARGV[1] { base[$4] = $2 "\t" $3; size[$4] = $2; md5[$4] = $1; next }
    ($1 in base) && base[$1] != $2 "\t" $3 { print (size[$1] == $2 && md5[$1] != "" ? "look" : "differs") "\t" md5[$1] "\t" $1 }' \
    sync/in-place.list sync/frozen.list >sync/differs.list
  awk -F "$TAB" '$1 == "look" { print $3 }' sync/differs.list >sync/look.list
  : >sync/hashed.list
  if [ -s sync/look.list ]; then hash_files sync/stage sync/look.list sync/hashed.list || return; fi
  awk -F "$TAB" '
    FILENAME == ARGV[1] { here[substr($0, 35)] = substr($0, 1, 32); next }
    $1 == "differs" || here[$3] != $2 { print $3 }' sync/hashed.list sync/differs.list >sync/changed.list
}

# Moves aside what the last manifest stands for, of the files that a list names.
put_aside() { # file with the paths
  round_aside=1
  while :; do
    in_place | awk -F "$TAB" 'FILENAME == ARGV[1] { named[$0] = 1; next } $4 in named { print $4 }' "$1" - >sync/aside.list
    [ -s sync/aside.list ] || return 0
    rclone_quietly move "$cs_remote" "$cs_remote/_cs/kept" --files-from-raw sync/aside.list --ignore-times || return
    # Of two files with one name it may have been the other one that was moved.
    doubled | sort >sync/doubled.list
    [ -n "$(sort sync/aside.list | comm -12 - sync/doubled.list)" ] && [ $round_aside -lt 4 ] || return 0
    list_remote || return
    round_aside=$((round_aside + 1))
  done
}

# Drive's own protection against copying for hours against a daily limit; other remotes take no notice.
upload() {
  rclone_seen copy sync/stage "$cs_remote" --drive-stop-on-upload-limit --check-first --order-by size,ascending \
    --transfers "$cs_transfers" "$@"
}

# Only what the remote does not hold already. A file that it holds and that is written in place from now on would go without
# having been moved aside, and the last manifest would stand for nothing.
find_new() {
  awk -F "$TAB" '
    FILENAME == ARGV[1] { there[$4] = 1; next }
    FILENAME == ARGV[2] { delete there[$0]; next }
    !($1 in there) { print $1 }' sync/in-place.list sync/changed.list sync/frozen.list >sync/new.list
}

copy() {
  if [ $dry = true ]; then
    upload --dry-run
    return
  fi
  find_changed && put_aside sync/changed.list && find_new || return
  [ ! -s sync/new.list ] || upload --files-from-raw sync/new.list
}

round=1
while :; do
  copy
  code=$?
  if [ $dry = true ]; then
    [ $code = 0 ] || give_up $code
    conclude 0 planned '' ''
  fi
  # What changed in place under its link is copied whole, and from now on always.
  snapshot | comm -13 sync/frozen.list - | cut -f 1 >sync/moved.list
  if [ $code = 0 ] && [ ! -s sync/moved.list ]; then break; fi
  if [ $code != 0 ]; then
    classify $code
    # A file that gets shorter while it is sent looks like a cut connection.
    case $REASON in changing | network | other) ;; *) conclude 74 failing "$REASON" "$WHY" ;; esac
  fi
  if [ $round -ge 3 ] || [ ! -s sync/moved.list ]; then
    [ $code != 0 ] || REASON=changing WHY="files changed while they were copied: $(head -n 3 sync/moved.list | tr '\n' ' ')"
    conclude 74 failing "$REASON" "$WHY"
  fi
  copy_changing sync/moved.list
  snapshot >sync/frozen.list
  # The moved-aside state has changed on the remote.
  list_remote || give_up $?
  round=$((round + 1))
done

# --- checked, and only then said ---

# Compares a new listing with what was frozen, and writes missing.list, wrong.list (there, with another content) and
# certain.list (MD5, tab, path). The last copy of a job is compared by content; so is, at any time, what the remote has
# twice: one of the two may be an older one of the same size.
check() {
  list_remote || return 2
  awk -F "$TAB" -v final="$final" '
    FILENAME == ARGV[1] {
      key = $1 SUBSEP $3
      if (!(key in md5)) md5[key] = $2
      else if (md5[key] != $2) several[key] = 1
      next
    }
    {
      key = $1 SUBSEP $2
      if (!(key in md5)) print "missing\t\t" $1
      else if ((key in several) || (final == "true" && md5[key] != "")) print "look\t\t" $1
      else print "certain\t" md5[key] "\t" $1
    }' sync/remote.list sync/frozen.list >sync/found.list
  awk -F "$TAB" '$1 == "missing" { print $3 }' sync/found.list >sync/missing.list
  awk -F "$TAB" '$1 == "look" { print $3 }' sync/found.list >sync/look.list
  awk -F "$TAB" '$1 == "certain" { print $2 "\t" $3 }' sync/found.list >sync/certain.list
  : >sync/wrong.list
  if [ -s sync/look.list ]; then
    hash_files sync/stage sync/look.list sync/hashed.list || return 2
    awk -F "$TAB" '
      FILENAME == ARGV[1] { remote[$2 "\t" $1] = 1; next }
      { md5 = substr($0, 1, 32); path = substr($0, 35); if ((md5 "\t" path) in remote) print md5 "\t" path }' \
      sync/remote.list sync/hashed.list >sync/same.list
    cat sync/same.list >>sync/certain.list
    cut -f 2 sync/same.list | sort >sync/same-paths.list
    sort sync/look.list | comm -23 - sync/same-paths.list >sync/wrong.list
  fi
  [ ! -s sync/missing.list ] && [ ! -s sync/wrong.list ]
}

tries=1
while :; do
  check
  code=$?
  [ $code != 0 ] || break
  [ $code = 1 ] || give_up $code
  if [ $tries -ge 4 ]; then
    conclude 74 failing missing "not on the remote after the copy: $(cat sync/missing.list sync/wrong.list | head -n 3 | tr '\n' ' ')"
  fi
  if [ -s sync/wrong.list ]; then
    # Changed in place with its time set back, or an older one of two with this name: size and time did not tell.
    put_aside sync/wrong.list && upload --files-from-raw sync/wrong.list --ignore-times || give_up $?
  else
    # A listing may lag behind for some moments.
    pause "$cs_relist_s"
  fi
  tries=$((tries + 1))
done
# Where the remote knows no MD5 it may know another hash, which rclone compares.
if [ $final = true ] && grep -q "^$TAB" sync/certain.list; then
  rclone_quietly check sync/stage "$cs_remote" --one-way || give_up $?
fi

now
{
  printf '{"version":1,"job":"%s","attempt":%s,"seq":%s,"startedAt":%s,"finishedAt":%s,"final":%s,"excludedCount":%s,\n' \
    "$cs_job" "$cs_attempt" "$seq" "$started" "$NOW" "$final" "$excluded"
  printf '"excluded":[\n%s\n],\n"unreadable":[\n' "$excluded_json"
  awk "$TEXT"'{ printf "%s\"%s\"", (NR > 1 ? ",\n" : ""), text($0) } END { if (NR) print "" }' sync/unreadable.list
  printf '],\n"packed":[\n'
  awk -F "$TAB" "$TEXT"'
    { printf "%s{\"path\":\"%s\",\"size\":%s,\"md5\":\"%s\"}", (NR > 1 ? ",\n" : ""), text($1), $2, $3 } END { if (NR) print "" }' sync/packed.list
  printf '],\n"files":[\n'
  awk -F "$TAB" "$TEXT"'
    FILENAME == ARGV[1] { md5[$2] = $1; next }
    {
      printf "%s{\"path\":\"%s\",\"size\":%s,\"md5\":\"%s\",\"modified\":\"%s\"}", (FNR > 1 ? ",\n" : ""), text($1), $2,
        md5[$1], $3
    }
    END { print "" }' sync/certain.list sync/frozen.list
  printf ']}\n'
} >sync/manifest.list || conclude 74 failing disk_full "no room for the manifest"
rclone_quietly copyto sync/manifest.list "$cs_remote/_cs/manifest.$((seq % 2)).json" --ignore-times --drive-stop-on-upload-limit ||
  give_up $?
cp sync/manifest.list sync/manifest
cp sync/state.list sync/committed
if [ "$unreadable" != 0 ]; then
  conclude 4 incomplete unreadable "could not be read: $(head -n 1 sync/unreadable.list)"
fi
conclude 0 synced '' ''
