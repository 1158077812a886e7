#!/bin/sh
# The instance's side of the talk with its watcher, through objects in a bucket, and what ends the machine. It runs
# beside bootstrap.sh: sh channel.sh DIR
#
# DIR holds job.conf and channel.conf (shell assignments, see ChannelSettings). What it does:
#   beacon       puts beacon.json, in a form that changes only when something worth reading has, to an address
#   orders       reads a text of lines from another address and carries them out (see ControlOrder)
#   notices      asks the cloud's metadata service whether the machine is about to be taken away, and writes `interrupt`
#   copies       fetches rclone's configuration, and rclone, if there is none; `preparing` is there until then
#   the end      when bootstrap.sh is over, however it ended, and the last beacon is out, it switches the machine off
# Started again on another boot of the machine it finds that the calculation is gone, copies its results, says so, and
# switches the machine off.
#
# What it keeps in DIR: channel.pid, channel.urls (three lines: address of the beacon, of the orders, until when they hold),
# channel.synced (the last order for a copy), channel.problem (what people should read), channel.log, rebalance.
# Addresses and keys are secrets: curl gets them on its standard input, never as arguments.
set -u
umask 077
unset CDPATH
LC_ALL=C
export LC_ALL
NL='
'

cd "${1:?usage: sh channel.sh DIR}" || exit 74
DIR=$(pwd -P)
command . ./job.conf || exit 65
command . ./channel.conf || exit 65
PATH=$PATH:$DIR/bin

say() { printf '%s %s\n' "$(date -u '+%Y-%m-%dT%H:%M:%SZ')" "$1" >>channel.log 2>/dev/null; }

# Seconds since boot.
uptime_s() {
  read -r UP _ </proc/uptime
  UP=${UP%.*}
}

case $(date +%s%3N) in
  '' | *[!0-9]*) now() { NOW=$(date +%s)000; } ;;
  *) now() { NOW=$(date +%s%3N); } ;;
esac

# The start time of a process, or nothing. Its name may hold blanks and brackets.
start_of() {
  START=''
  { read -r stat_line <"/proc/$1/stat"; } 2>/dev/null || return 1
  # shellcheck disable=SC2086
  set -- ${stat_line##*')'}
  [ $# -ge 20 ] && [ "$1" != Z ] || return 1
  START=${20}
}

read -r BOOT </proc/sys/kernel/random/boot_id

# One at a time. The number of a process is used again, on another boot or on the same.
if { read -r pid start boot <channel.pid; } 2>/dev/null && [ "$boot" = "$BOOT" ] && start_of "$pid" && [ "$START" = "$start" ]; then
  exit 0
fi
start_of $$
printf '%s %s %s\n' $$ "$START" "$BOOT" >channel.pid
MAIN=$$ MAIN_START=$START

# A machine whose memory is full is to lose its calculation, not this.
{ echo -900 >/proc/$$/oom_score_adj; } 2>/dev/null

# --- requests ---

# Runs curl with a configuration. CODE: the status, 000 if there was none. BODY: the answer.
request() { # configuration, seconds
  reply=$(printf '%s\n' "$1" | curl -q -K - -g -sS --proto '=http,https' --connect-timeout 10 --max-time "${2:-30}" \
    --max-filesize 1048576 -w '\n%{http_code}' 2>/dev/null)
  CODE=${reply##*"$NL"}
  BODY=${reply%"$NL"*}
  case $CODE in [1-5][0-9][0-9]) ;; *) CODE=000 ;; esac
}

# A text as it may stand in a value of curl's configuration.
escaped() { printf '%s\n' "$1" | sed 's/[\\"]/\\&/g'; }

# Whether a text can be an address there.
is_address() {
  case $1 in *[!!-~]* | *'"'* | *\\*) return 1 ;; esac
  case $1 in http://?* | https://?*) return 0 ;; *) return 1 ;; esac
}

# --- the cloud's metadata service, and what the machine's role may ask for ---

METADATA_TOKEN='' METADATA_UNTIL=0

# EC2's, version 2: every question needs a token, which is asked for first.
metadata() { # path
  uptime_s
  if [ -z "$METADATA_TOKEN" ] || [ "$UP" -ge "$METADATA_UNTIL" ]; then
    request "url = \"$cc_metadata/latest/api/token\"
request = \"PUT\"
header = \"X-aws-ec2-metadata-token-ttl-seconds: 21600\"" 5
    [ "$CODE" = 200 ] || return 1
    METADATA_TOKEN=$BODY METADATA_UNTIL=$((UP + 21000))
  fi
  request "url = \"$cc_metadata/latest/$1\"
header = \"X-aws-ec2-metadata-token: $METADATA_TOKEN\"" 5
  [ "$CODE" != 401 ] || METADATA_TOKEN=''
  [ "$CODE" = 200 ]
}

# The value of a key whose text has nothing to be unescaped.
value_of() { printf '%s' "$1" | tr -d '\n' | sed -n "s/.*\"$2\"[[:blank:]]*:[[:blank:]]*\"\\([^\"]*\\)\".*/\\1/p"; }

KEY_ID='' KEYS_UNTIL=0

credentials() {
  uptime_s
  if [ -n "$KEY_ID" ] && [ "$UP" -lt "$KEYS_UNTIL" ]; then return 0; fi
  KEY_ID=''
  [ "$cc_role" = yes ] && [ -n "$cc_metadata" ] || return 1
  metadata meta-data/iam/security-credentials/ || return 1
  metadata "meta-data/iam/security-credentials/${BODY%%"$NL"*}" || return 1
  KEY_ID=$(value_of "$BODY" AccessKeyId) KEY=$(value_of "$BODY" SecretAccessKey) KEY_TOKEN=$(value_of "$BODY" Token)
  KEYS_UNTIL=$((UP + 300))
  [ -n "$KEY_ID" ] && [ -n "$KEY" ]
}

# A request that curl signs (7.75 and newer). Nothing may be in it that older ones sign wrongly: no query, no header that
# is taken away; for S3 the hash of the body is named.
signed() { # url, service, region, configuration
  credentials || return 1
  request "url = \"$1\"
aws-sigv4 = \"aws:amz:$3:$2\"
user = \"$KEY_ID:$KEY\"
header = \"X-Amz-Security-Token: $KEY_TOKEN\"
$4"
}

# A request to an address that carries its right with it; if that is refused, as this machine.
allowed() { # url, configuration
  if [ "$1" != "$REFUSED" ]; then
    request "url = \"$1\"
$2"
    # 400: the keys with which it was signed have run out, before the address itself.
    case $CODE in 400 | 401 | 403) ;; *) return 0 ;; esac
  fi
  [ "$cc_role" = yes ] || return 0
  if signed "${1%%\?*}" s3 "$cc_region" "header = \"x-amz-content-sha256: UNSIGNED-PAYLOAD\"
$2"; then
    # It has run out, and does not come to life again.
    [ "$CODE" = 403 ] || REFUSED=$1
  else
    CODE=403
  fi
}
REFUSED=''

# --- what is kept between two runs ---

BEACON_URL=$cc_beacon_url CONTROL_URL=$cc_control_url UNTIL=$cc_until

read_urls() {
  { { read -r BEACON_URL && read -r CONTROL_URL && read -r UNTIL; } <channel.urls; } 2>/dev/null
}

# --- the beacon ---

# Sets STABLE: a beacon as it is published. What changes all the time says nothing: its object has a time of its own.
stabilise() {
  STABLE=$1
  cut_number "$STABLE" heartbeatAt && STABLE="${BEFORE}0$AFTER"
  if cut_number "$STABLE" cpuPercent && [ "$NUMBER" -ge 5 ]; then STABLE="${BEFORE}100$AFTER"; fi
  cut_number "$STABLE" progressAt && STABLE="$BEFORE$((NUMBER / 900000 * 900000))$AFTER"
  head=${STABLE%%',"sync":{'*}
  tail=${STABLE#"$head"}
  if [ -s channel.problem ]; then
    problem=$(head -n 1 channel.problem | tr '"\\\000-\037\177' "'/ " | cut -c 1-300)
    case $head in
      *',"message":"'*) head="${head%%',"message":"'*},\"message\":\"$problem; ${head#*',"message":"'}" ;;
      *) add_to_head ",\"message\":\"$problem\"" ;;
    esac
  fi
  [ -z "$UNTIL" ] || add_to_head ",\"channelUntil\":$UNTIL"
  STABLE=$head$tail
}

# Adds members to the head of a beacon, which is the whole of it if nothing was copied yet.
add_to_head() {
  if [ -n "$tail" ]; then head=$head$1; else head="${head%\}}$1}"; fi
}

# BEFORE, NUMBER, AFTER: a text around the number of a key. 1 if the key is not there.
cut_number() {
  case $1 in *"\"$2\":"[0-9]*) ;; *) return 1 ;; esac
  BEFORE=${1%%"\"$2\":"*}"\"$2\":"
  AFTER=${1#*"\"$2\":"}
  NUMBER=${AFTER%%[!0-9]*}
  AFTER=${AFTER#"$NUMBER"}
}

# Sets TEXT to beacon.json. 1 if it is not there, or torn.
read_beacon() {
  { read -r TEXT <beacon.json; } 2>/dev/null
  case $TEXT in '{"version":1,"job":"'*'}') return 0 ;; *) return 1 ;; esac
}

# The body goes with the configuration: no file is needed, which a full disk would not take.
put_beacon() { # text
  [ -n "$BEACON_URL" ] || return 0
  allowed "$BEACON_URL" "request = \"PUT\"
header = \"Content-Type: application/json\"
data-binary = \"$(escaped "$1")\""
  case $CODE in 2??) return 0 ;; *) return 1 ;; esac
}

SEEN='' SENT='' SENT_AT=0 TRY_AT=0 PAUSE=2

# Whatever is worth reading goes at once; a heartbeat when it is time for one and there was one.
publish() {
  read_beacon || return 0
  uptime_s
  [ "$UP" -ge "$TRY_AT" ] || return 0
  if [ "$TEXT" = "$SEEN" ]; then return 0; fi
  stabilise "$TEXT"
  if [ "$STABLE" = "$SENT" ] && [ $((UP - SENT_AT)) -lt "$cc_heartbeat" ]; then return 0; fi
  if put_beacon "$STABLE"; then
    SEEN=$TEXT SENT=$STABLE SENT_AT=$UP PAUSE=2
  else
    [ "$PAUSE" = 30 ] || say "the beacon could not be published: status $CODE"
    TRY_AT=$((UP + PAUSE))
    [ $PAUSE -ge 30 ] || PAUSE=$((PAUSE * 2))
    [ $PAUSE -le 30 ] || PAUSE=30
  fi
}

# --- orders ---

is_main() { start_of $MAIN && [ "$START" = "$MAIN_START" ]; }

rest() { # seconds; 1 when there is nobody left to work for
  sleep "$1"
  is_main
}

signal_bootstrap() {
  if { read -r pid start boot _ <identity; } 2>/dev/null && [ "$boot" = "$BOOT" ] && start_of "$pid" && [ "$START" = "$start" ]; then
    kill -TERM "$pid"
    # One that was stopped would never see it.
    kill -CONT "$pid"
  fi
}

obey() { # the text
  new_beacon=$BEACON_URL new_control=$CONTROL_URL new_until=$UNTIL order_end='' order_quick='' order_sync=''
  while read -r word argument; do
    case $word in
      terminate) order_end=yes ;;
      no-final-sync) order_quick=yes ;;
      sync) order_sync="sync $argument" ;;
      beacon-url) ! is_address "$argument" || new_beacon=$argument ;;
      control-url) ! is_address "$argument" || new_control=$argument ;;
      until) case $argument in '' | *[!0-9]*) ;; *) new_until=$argument ;; esac ;;
    esac
  done <<EOF
$1
EOF
  if [ "$new_beacon$NL$new_control$NL$new_until" != "$BEACON_URL$NL$CONTROL_URL$NL$UNTIL" ]; then
    printf '%s\n%s\n%s\n' "$new_beacon" "$new_control" "$new_until" >channel.urls.new && mv -f channel.urls.new channel.urls
    BEACON_URL=$new_beacon CONTROL_URL=$new_control UNTIL=$new_until
  fi
  # In this order: who sees the end also sees that it is to be quick.
  if [ -n "$order_quick" ] && [ ! -e no-final-sync ]; then : >no-final-sync; fi
  if [ -n "$order_end" ] && [ ! -e terminate ]; then
    say 'the end was ordered'
    : >terminate
    signal_bootstrap
  fi
  if [ -n "$order_sync" ] && ! { [ -e channel.synced ] && [ "$order_sync" = "$(cat channel.synced)" ]; }; then
    printf '%s\n' "$order_sync" >channel.synced
    [ ! -e sync.conf ] || sh sync.sh . --if-changed </dev/null >>sync.log 2>&1 &
  fi
}

watch_orders() {
  trap 'exit 0' TERM
  logged=''
  while :; do
    read_urls
    if [ -n "$CONTROL_URL" ]; then
      allowed "$CONTROL_URL" ''
      case $CODE in
        200) obey "$BODY" ;;
        404) ;;
        *) [ "$CODE" = "$logged" ] || say "the orders could not be read: status $CODE" ;;
      esac
      logged=$CODE
    fi
    rest "$cc_control" || exit 0
  done
}

# --- notices, a function for each kind of cloud: sets NOTICE if the machine is to be taken away ---

notice_ec2() {
  NOTICE=''
  if metadata meta-data/spot/instance-action; then
    at=$(value_of "$BODY" time)
    NOTICE="the spot instance is taken away${at:+ at $at} ($(value_of "$BODY" action))"
  elif [ ! -e rebalance ] && metadata meta-data/events/recommendations/rebalance; then
    printf '%s\n' "$BODY" >rebalance
    say 'the cloud recommends to move elsewhere'
  fi
}

watch_notices() {
  trap 'exit 0' TERM
  while :; do
    "notice_$cc_notices"
    if [ -n "$NOTICE" ]; then
      say "$NOTICE"
      # Without room for words the file alone says it.
      if ! { printf '%s\n' "$NOTICE" >interrupt.new && mv -f interrupt.new interrupt; } 2>/dev/null; then : >interrupt; fi
      exit 0
    fi
    rest "$cc_notice" || exit 0
  done
}

# --- what copies need ---

complain() {
  say "$1"
  printf '%s\n' "$1" >channel.problem
}

# The string of a JSON document's key, unescaped, as bytes.
json_string() { # key
  LC_ALL=C awk -v key="$1" '
    function utf8(n) {
      if (n < 128) return sprintf("%c", n)
      if (n < 2048) return sprintf("%c%c", 192 + int(n / 64), 128 + n % 64)
      if (n < 65536) return sprintf("%c%c%c", 224 + int(n / 4096), 128 + int(n / 64) % 64, 128 + n % 64)
      return sprintf("%c%c%c%c", 240 + int(n / 262144), 128 + int(n / 4096) % 64, 128 + int(n / 64) % 64, 128 + n % 64)
    }
    function hex(s,  i, n) {
      n = 0
      for (i = 1; i <= 4; i++) n = n * 16 + index("0123456789abcdef", tolower(substr(s, i, 1))) - 1
      return n
    }
    { s = s $0 "\n" }
    END {
      if (!match(s, "\"" key "\"[ \t\n]*:[ \t\n]*\"")) exit 1
      i = RSTART + RLENGTH
      while (i <= length(s)) {
        c = substr(s, i++, 1)
        if (c == "\"") exit 0
        if (c != "\\") { printf "%s", c; continue }
        c = substr(s, i++, 1)
        if (c == "u") {
          n = hex(substr(s, i, 4))
          i += 4
          if (n >= 55296 && n < 56320 && substr(s, i, 2) == "\\u") {
            n = 65536 + (n - 55296) * 1024 + hex(substr(s, i + 2, 4)) - 56320
            i += 6
          }
          if (n > 0) printf "%s", utf8(n)
        } else if (c == "n") printf "\n"
        else if (c == "t") printf "\t"
        else if (c == "r") printf "\r"
        else if (c == "b" || c == "f") continue
        else printf "%s", c
      }
      exit 1
    }'
}

# Writes rclone's configuration; tries for a while, as a new role may take some time to be known everywhere.
fetch_configuration() {
  [ -n "$cc_conf_url$cc_secret_id" ] || return 0
  [ ! -s rclone.conf ] || return 0
  tries=0
  while :; do
    if [ -n "$cc_conf_url" ]; then
      allowed "$cc_conf_url" ''
      TEXT=$BODY
    elif signed "$cc_secret_url/" secretsmanager "$cc_secret_region" "request = \"POST\"
header = \"Content-Type: application/x-amz-json-1.1\"
header = \"X-Amz-Target: secretsmanager.GetSecretValue\"
data-binary = \"{\\\"SecretId\\\":\\\"$(escaped "$(escaped "$cc_secret_id")")\\\"}\""; then
      TEXT=$(printf '%s' "$BODY" | json_string SecretString && echo x) && TEXT=${TEXT%x} || TEXT=''
    else
      CODE=000 TEXT=''
    fi
    if [ "$CODE" = 200 ] && [ -n "$TEXT" ]; then break; fi
    tries=$((tries + 1))
    if [ $tries -ge "$cc_conf_tries" ]; then
      complain "results can not be copied: the configuration of rclone could not be fetched (status $CODE)"
      return 1
    fi
    rest 5 || exit 0
  done
  if ! { printf '%s' "$TEXT" >rclone.conf.new && mv -f rclone.conf.new rclone.conf; }; then
    complain 'results can not be copied: the configuration of rclone could not be written'
    return 1
  fi
  # It was there for this machine only.
  [ -z "$cc_conf_delete_url" ] || allowed "$cc_conf_delete_url" 'request = "DELETE"'
}

# rclone as a package, or from an archive.
install_rclone() {
  command . ./sync.conf
  if command -v "$cs_rclone" >/dev/null 2>&1; then return 0; fi
  [ "$cs_rclone" = rclone ] || return 1
  if [ -n "$cc_rclone_url" ] && unpack_rclone; then return 0; fi
  for manager in $cc_managers; do
    command -v "$manager" >/dev/null 2>&1 || continue
    case $manager in
      apt-get) install='apt-get -o DPkg::Lock::Timeout=120 update; DEBIAN_FRONTEND=noninteractive apt-get -o DPkg::Lock::Timeout=120 install -y rclone' ;;
      zypper) install='zypper --non-interactive install rclone' ;;
      apk) install='apk add rclone' ;;
      *) install="$manager install -y rclone" ;;
    esac
    timeout 300 sh -c "$install" </dev/null >>install.log 2>&1
    ! command -v rclone >/dev/null 2>&1 || return 0
  done
  return 1
}

unpack_rclone() {
  case $(uname -m) in
    x86_64) machine=amd64 ;;
    aarch64) machine=arm64 ;;
    armv7l) machine=arm-v7 ;;
    *) machine=$(uname -m) ;;
  esac
  address=$cc_rclone_url
  case $address in *'{arch}'*) address="${address%%'{arch}'*}$machine${address#*'{arch}'}" ;; esac
  rm -rf unpacked && mkdir -p unpacked bin || return 1
  printf 'url = "%s"\n' "$address" | curl -q -K - -g -fsSL --proto '=http,https' --connect-timeout 20 --max-time 200 --retry 3 \
    -o unpacked/rclone.zip 2>>install.log || return 1
  sum=$(printf '%s\n' "$cc_rclone_sums" | sed -n "s/^$machine //p")
  if [ -n "$sum" ]; then
    there=$(sha256sum <unpacked/rclone.zip)
    if [ "${there%% *}" != "$sum" ]; then
      echo 'the archive of rclone has another SHA-256 than it should' >>install.log
      return 1
    fi
  fi
  (
    cd unpacked || exit 1
    unzip -q rclone.zip || python3 -m zipfile -e rclone.zip . || bsdtar -xf rclone.zip || busybox unzip -q rclone.zip
  ) >>install.log 2>&1 </dev/null
  program=$(find unpacked -type f -name rclone | head -n 1)
  [ -n "$program" ] && chmod 755 "$program" && mv -f "$program" bin/rclone && rm -rf unpacked && bin/rclone version >>install.log 2>&1
}

prepare_copies() {
  if [ -e sync.conf ]; then
    fetch_configuration
    [ -e channel.problem ] || install_rclone ||
      complain "results can not be copied: there is no rclone, and it could not be installed"
  fi
  rm -f preparing
}

# --- the end ---

# Whether bootstrap.sh is over, with its monitor, which takes its place when it was killed.
is_over() {
  case ${TEXT-} in *'"phase":"finished"'*) return 0 ;; esac
  if ! { read -r pid start boot _ <identity; } 2>/dev/null; then
    uptime_s
    [ $((UP - BEGAN)) -ge "$cc_start" ]
    return
  fi
  if start_of "$pid" && [ "$START" = "$start" ]; then return 1; fi
  # Its other shells have its name and its folder.
  # shellcheck disable=SC2013
  for shell in $(grep -l '/[b]ootstrap\.sh' /proc/[0-9]*/cmdline 2>/dev/null); do
    [ "$(readlink "${shell%/cmdline}/cwd")" != "$DIR" ] || return 1
  done
  # It may have ended between two looks.
  ! read_beacon || case $TEXT in *'"phase":"finished"'*) return 0 ;; esac
  return 0
}

# Ends what carries the instance's mark.
end_processes() {
  for signal in TERM KILL; do
    tries=0
    while [ $tries -lt 10 ]; do
      marked=$(grep -lF "CLOUDJOBS_MARK=$cj_token;" /proc/[0-9]*/environ 2>/dev/null | sed 's,/proc/\([0-9]*\)/.*,\1,')
      left=''
      for pid in $marked; do
        if [ "$pid" != $$ ] && start_of "$pid"; then left="$left $pid"; fi
      done
      [ -n "$left" ] || return 0
      # shellcheck disable=SC2086
      kill -$signal $left 2>/dev/null
      sleep 1
      tries=$((tries + 1))
    done
  done
}

# The beacon that bootstrap.sh could not write any more.
last_words() { # message
  end_processes
  if [ -e sync.conf ] && [ ! -e no-final-sync ] && [ -z "${OVERDUE-}" ]; then
    timeout -k 10 "$cc_last_copy" sh sync.sh . --final --wait 30 </dev/null >>sync.log 2>&1
  fi
  now
  # shellcheck disable=SC2154
  read_beacon || TEXT="{\"version\":1,\"job\":\"$cj_job\",\"attempt\":$cj_attempt,\"phase\":\"booting\",\"heartbeatAt\":$NOW}"
  head=${TEXT%%',"sync":{'*}
  tail=${TEXT#"$head"}
  [ -n "$tail" ] || head=${head%\}}
  for key in cpuPercent progressAt syncingSince; do
    if cut_number "$head" $key; then
      name=",\"$key\":"
      head=${BEFORE%"$name"}$AFTER
    fi
  done
  head="${head%%'"phase":"'*}\"phase\":\"finished\"${head#*'"phase":"'*\"}"
  result=$(readlink result)
  code=${result%%;*}
  code=${code#exit=}
  by=${result#*;by=}
  [ -n "$result" ] || by=$2
  # Whoever asked for the end gets it, with or without a word of bootstrap.sh.
  if [ -e terminate ]; then by=terminated; elif [ -e interrupt ]; then by=preempted; fi
  case $head in *'"exitCode":'*) code='' ;; esac
  case $head in *'"endedBy":'*) by='' ;; esac
  head="$head${code:+,\"exitCode\":$code}${by:+,\"endedBy\":\"$by\"}"
  case $head in *'"finishedAt":'*) ;; *) head="$head,\"finishedAt\":$NOW" ;; esac
  case $head in *',"message":"'*) ;; *) head="$head,\"message\":\"$1\"" ;; esac
  if { read -r report <sync/last.json; } 2>/dev/null; then
    case $report in '{"version":1,"job":"'"$cj_job"'",'*'}') tail=",\"sync\":$report}" ;; esac
  fi
  TEXT=$head${tail:-\}}
  { printf '%s\n' "$TEXT" >beacon.last && mv -f beacon.last beacon.json; } 2>/dev/null
}

# The last one is worth some patience.
publish_last() {
  uptime_s
  give_up_at=$((UP + cc_last))
  pause=1
  while :; do
    read_urls
    stabilise "$TEXT"
    if put_beacon "$STABLE"; then return 0; fi
    uptime_s
    if [ $((UP + pause)) -ge $give_up_at ]; then
      say "the last beacon could not be published: status $CODE"
      return 1
    fi
    sleep $pause
    [ $pause -ge 16 ] || pause=$((pause * 2))
  done
}

# What is taken away while it is young costs nothing, what switches itself off does. Orders are still obeyed, and whoever stops
# the machine does not have to wait.
await_taking() {
  [ -e interrupt ] && [ ! -e terminate ] || return 0
  uptime_s
  [ "$UP" -lt "$cc_free" ] || return 0
  say 'everything is saved; the machine waits to be taken away, which costs nothing in its first hour'
  trap 'exit 0' TERM INT HUP
  give_up_at=$((UP + cc_taking))
  while [ "$UP" -lt "$give_up_at" ] && [ ! -e terminate ]; do
    sleep "$cc_look" &
    wait $!
    uptime_s
  done
}

# A machine that does not go off at once is told again.
switch_off() {
  for child in $CHILDREN; do kill -TERM "$child" 2>/dev/null; done
  # There is nothing left to be waited for: the machine's end would wait for this script.
  trap - TERM INT HUP
  tries=0
  while :; do
    say 'the machine is switched off'
    sh -c "$cc_off" </dev/null >>channel.log 2>&1
    tries=$((tries + 1))
    [ "$cc_off_pause" != 0 ] && [ $tries -lt 20 ] || exit 0
    sleep "$cc_off_pause"
  done
}

# Started again when the machine is: whichever of the two is there.
install_restart() {
  if [ -d "$cc_systemd" ] && [ -d "$cc_units" ]; then
    printf '[Unit]\nDescription=Reports the end of a calculation after the machine was started again\nAfter=network-online.target\nWants=network-online.target\n\n[Service]\nExecStart=/bin/sh "%s/channel.sh" "%s"\nKillMode=process\nTimeoutStopSec=300\n\n[Install]\nWantedBy=multi-user.target\n' \
      "$DIR" "$DIR" >"$cc_units/cloudjobs-channel.service" && systemctl enable cloudjobs-channel.service >/dev/null 2>&1 && return 0
  fi
  [ -d "$cc_cron" ] && printf '@reboot root /bin/sh "%s/channel.sh" "%s" >/dev/null 2>&1\n' "$DIR" "$DIR" >"$cc_cron/cloudjobs"
}

# --- from the beginning ---

uptime_s
BEGAN=$UP TEXT='' CHILDREN='' END_AT=''
# Whoever stops the machine stops bootstrap.sh, too, whose last word is waited for.
trap '' TERM INT HUP
read_urls
# shellcheck disable=SC2034
if { read -r pid start boot _ <identity; } 2>/dev/null && [ "$boot" != "$BOOT" ]; then
  say 'the machine was started again'
  if ! { read_beacon && case $TEXT in *'"phase":"finished"'*) true ;; *) false ;; esac; }; then
    (prepare_copies)
    last_words 'the machine was started again, and the calculation was lost with it' stopped_outside
  fi
  publish_last
  switch_off
fi

install_restart || say 'nothing starts this again with the machine'
watch_orders &
CHILDREN=$!
if [ "$cc_notices" != none ]; then
  watch_notices &
  CHILDREN="$CHILDREN $!"
fi
prepare_copies &
CHILDREN="$CHILDREN $!"

while :; do
  read_urls
  publish
  if is_over; then break; fi
  uptime_s
  if [ -z "$END_AT" ]; then
    if [ -e terminate ] || [ -e interrupt ]; then
      END_AT=$((UP + cc_end))
    else
      case $TEXT in *'"phase":"finishing"'*) END_AT=$((UP + cc_end)) ;; esac
    fi
  elif [ "$UP" -ge "$END_AT" ]; then
    OVERDUE=yes
    break
  fi
  sleep "$cc_look"
done

case ${TEXT-} in
  *'"phase":"finished"'*) ;;
  *)
    if [ -n "${OVERDUE-}" ]; then
      last_words 'the instance did not come to its end in time' stopped_outside
    elif [ -e identity ]; then
      last_words 'the bootstrap script was killed' stopped_outside
    else
      last_words 'the bootstrap script could not be started' bootstrap_error
    fi
    ;;
esac
publish_last
await_taking
switch_off
