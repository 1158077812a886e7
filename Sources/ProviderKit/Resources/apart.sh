# Starts a script so that it outlives whoever started this one: as a unit of its own where systemd runs, else as a session.
apart() { # name, script, its argument
  if [ -d "$up_systemd" ]; then
    # Nothing in these words may look like a variable, which systemd would expand. A calculation that is killed for want of
    # memory is not to take its script with it; and a script gets the time for its last words when the machine is stopped.
    restart=no
    [ "$1" != channel ] || restart=on-failure
    systemd-run --quiet --collect --unit="cloudjobs-$1" --setenv=HOME="${HOME:-/root}" -p KillMode=process -p TasksMax=infinity \
      -p OOMPolicy=continue -p TimeoutStopSec=300 -p After=network.target -p Restart="$restart" -p RestartSec=2 \
      /bin/sh "$2" "$3" </dev/null >/dev/null 2>&1 && return 0
  fi
  HOME=${HOME:-/root}
  export HOME
  if command -v setsid >/dev/null 2>&1; then
    setsid "$up_shell" "$2" "$3" </dev/null >>boot.log 2>&1 &
  else
    nohup "$up_shell" "$2" "$3" </dev/null >>boot.log 2>&1 &
  fi
}
