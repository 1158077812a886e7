# Given to a new machine as user data, which cloud-init runs as root: fetches the bundle with everything else, and runs it.
# What it gets is in front of it (see LoaderScript). The address is a secret: it never is an argument of a program.
set -u
umask 077
unset CDPATH

tell() {
  printf 'cloudjobs: %s\n' "$1"
  { printf 'cloudjobs: %s\n' "$1" >"$up_console"; } 2>/dev/null
}

# A machine that does nothing is not to cost anything.
give_up() {
  tell "$1; the machine is switched off"
  sh -c "$up_off"
  exit 1
}

have() { command -v "$1" >/dev/null 2>&1; }

mkdir -p "$up_directory" && chmod 700 "$up_directory" && cd "$up_directory" || give_up "the folder $up_directory could not be made"
# Not every image runs this only once.
[ ! -e loaded ] || exit 0

# Whatever goes wrong from here on ends some day.
if [ -n "$up_backstop" ]; then
  printf 'sleep %s\n%s\n' "$up_backstop" "$up_off" >backstop.sh && apart backstop "$up_directory/backstop.sh" '' ||
    give_up "the folder $up_directory can not be written to"
fi

get() {
  if have curl; then
    printf 'url = "%s"\n' "$up_url" | curl -q -K - -g -fsS --proto '=http,https' --connect-timeout 10 --max-time 300 -o bundle.part
  elif have wget && wget --version 2>/dev/null | grep -q GNU; then
    printf '%s\n' "$up_url" | wget -q -T 60 -t 1 -O bundle.part -i -
  elif have python3; then
    printf '%s' "$up_url" | python3 -c 'import shutil, sys, urllib.request
with urllib.request.urlopen(sys.stdin.read(), timeout=60) as source, open("bundle.part", "wb") as target:
    shutil.copyfileobj(source, target)'
  else
    echo 'there is no curl, no wget and no python3' >&2
    return 1
  fi
}

# The other scripts need it, too. Without it the calculation runs all the same, but nobody hears of it.
install_curl() {
  for manager in $up_managers; do
    have "$manager" || continue
    case $manager in
      apt-get) install='apt-get -o DPkg::Lock::Timeout=60 update; DEBIAN_FRONTEND=noninteractive apt-get -o DPkg::Lock::Timeout=60 install -y curl' ;;
      zypper) install='zypper --non-interactive install curl' ;;
      apk) install='apk add curl' ;;
      *) install="$manager install -y curl" ;;
    esac
    timeout 180 sh -c "$install" </dev/null >>install.log 2>&1
    ! have curl || return 0
  done
}

# Seconds since boot, which no change of the clock moves.
uptime_s() {
  read -r up_time _ </proc/uptime
  up_time=${up_time%.*}
}

# The network may come up only after this has begun.
uptime_s
up_end=$((up_time + up_patience)) failed=''
while :; do
  have curl || install_curl
  if get 2>load.log; then
    "$up_shell" ./bundle.part 2>>load.log
    code=$?
    if [ $code = 0 ]; then
      : >loaded
      rm -f bundle.part load.log
      exit 0
    fi
    # It arrived cut off.
    [ $code = 65 ] || give_up "the bundle could not be unpacked: $(tail -n 1 load.log)"
  fi
  why=$(sed 's|https\{0,1\}://[^ ]*|…|g' load.log | tail -n 1)
  if [ "$why" != "$failed" ]; then
    tell "the bundle could not be fetched yet: $why"
    failed=$why
  fi
  uptime_s
  [ "$up_time" -lt "$up_end" ] || give_up "the bundle could not be fetched within $up_patience s: $why"
  sleep 5
done
