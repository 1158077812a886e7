# Unpacks the files that follow it, private to the user, and starts the scripts among them. What it gets is in front of it
# (see InstanceBundle); the files are at the end, one after the other, whatever bytes they hold.
# Exit codes: 65 not whole, 74 not unpacked.
set -u
umask 077
unset CDPATH

unpack() {
  case $0 in /*) self=$0 ;; *) self=$(pwd)/$0 ;; esac
  mkdir -p "$up_directory" && chmod 700 "$up_directory" && cd "$up_directory" || exit 74
  # What was started already is not started again.
  [ ! -e identity ] || exit 0
  if [ "$(tail -c 23 "$self")" != '# cloudjobs-bundle-end' ]; then
    echo 'the bundle is not whole' >&2
    exit 65
  fi
  left=$up_bytes
  while read -r size mode name; do
    [ -n "$size" ] || continue
    tail -c "$left" "$self" | head -c "$size" >"$name.new" && [ "$(($(wc -c <"$name.new")))" = "$size" ] &&
      chmod "$mode" "$name.new" && mv -f "$name.new" "$name" || exit 74
    left=$((left - size))
  done <<END
$up_files
END
  # It holds addresses that nobody else is to have.
  rm -f "$self"
  [ ! -e channel.sh ] || apart channel "$up_directory/channel.sh" "$up_directory"
  [ ! -e bootstrap.sh ] || apart job "$up_directory/bootstrap.sh" "$up_directory"
}

unpack
exit 0
