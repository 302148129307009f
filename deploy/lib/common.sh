# Shared by the scripts in deploy/ and tests/: messages, one updating progress line, waiting. Sourced, never run.
# shellcheck shell=bash

# Name of the script for messages; set by whoever sources this.
: "${PROGRAM:=tradewind}"

say() { printf '%s\n' "$*"; }
warn() { printf '%s: %s\n' "$PROGRAM" "$*" >&2; }
fail() {
  warn "$*"
  exit 1
}

# Seconds since the script began, for progress lines.
elapsed() { printf '%d s' "$SECONDS"; }

PROGRESS_LAST=-1000
# progress TEXT: what is under way, how far, how long. On a terminal one line that is written over; elsewhere a line
# every ten seconds, so that a log stays readable.
progress() {
  if [[ -t 1 ]]; then
    local width=${COLUMNS:-100} text="$1"
    printf '\r\033[K%s' "${text:0:$((width - 1))}"
  elif ((SECONDS - PROGRESS_LAST >= 10)); then
    PROGRESS_LAST=$SECONDS
    printf '%s\n' "$1"
  fi
}
# progress_done TEXT: ends the updating line with what came of it.
progress_done() {
  if [[ -t 1 ]]; then printf '\r\033[K'; fi
  printf '%s\n' "$1"
  PROGRESS_LAST=-1000
}

# end_process PID NAME: asks it to end, and fails where that is for another user to do.
end_process() {
  kill -TERM "$1" 2>/dev/null || [[ ! -e /proc/$1 ]] ||
    fail "$2 (pid $1) belongs to user $(stat -c %U "/proc/$1"); stop it as that user"
}

# True when something listens on 127.0.0.1:$1.
port_taken() { (exec 3<>"/dev/tcp/127.0.0.1/$1") 2>/dev/null; }

# wait_until SECONDS COMMAND...: asks again every 50 ms until COMMAND succeeds; false when the time is over.
wait_until() {
  local deadline=$((SECONDS + $1))
  shift
  until "$@"; do
    if ((SECONDS >= deadline)); then return 1; fi
    sleep 0.05
  done
}
