# What the services of a mesh stand on: Kafka, PostgreSQL, the master key, and the ports they listen on. Sourced after
# lib/mesh.sh and lib/folder.sh.
# shellcheck shell=bash

# ---- Kafka and PostgreSQL -------------------------------------------------------------------------------------------

kafka() { "$ROOT/deploy/kafka/broker" "$@" --dir "$VAR/kafka" 9>&-; }
postgres() { "$ROOT/deploy/postgres/server" "$@" --dir "$VAR/postgres" 9>&-; }
kafka_is_running() { kafka status >/dev/null 2>&1; }
postgres_is_running() { postgres status >/dev/null 2>&1; }

# The parts of this mesh, by the names that deploy/service takes.
part_names() {
  say kafka
  if [[ $STORE == postgres ]]; then say postgres; fi
}
part_title() {
  case "$1" in
    kafka) printf 'Kafka' ;;
    postgres) printf 'PostgreSQL' ;;
  esac
}
part_log() { printf '%s/%s/%s.log' "$VAR" "$1" "$1"; }
part_is_running() { "$1_is_running"; }

# part_command NAME: COMMAND becomes the command line that starts Kafka or PostgreSQL.
part_command() {
  local id
  if [[ "$1" == postgres ]]; then
    COMMAND=("$ROOT/deploy/postgres/server" start --dir "$VAR/postgres" --port "${PORT[POSTGRES]}")
    return
  fi
  COMMAND=("$ROOT/deploy/kafka/broker" start --dir "$VAR/kafka" --port "${PORT[KAFKA]}"
    --controller-port "${PORT[KAFKA_CONTROLLER]}")
  # New data gets the id that the folder was marked with.
  id=$(marked_cluster_id)
  if [[ -n "$id" ]]; then COMMAND+=(--cluster-id "$id"); fi
}

# part_start NAME: returns once it answers; otherwise shows why it does not.
part_start() {
  local log
  log=$(log_file "$([[ "$1" == kafka ]] && say broker || say postgres)")
  mkdir -p "$VAR/run" "$VAR/log" || fail "cannot make folders in $VAR; choose another with --var DIR"
  part_command "$1"
  if ! "${COMMAND[@]}" >"$log" 2>&1 9>&-; then
    progress_done "$(part_title "$1") did not start"
    cat "$log" >&2
    return 1
  fi
}

# The first part of this mesh that does not run; nothing where all do.
ended_part() {
  local name
  for name in $(part_names); do
    if ! part_is_running "$name"; then
      printf '%s' "$name"
      return
    fi
  done
}

# say_part_ended NAME: names it, what it said last and the way to bring it back.
say_part_ended() {
  warn "$(part_title "$1") does not run, and the services need it; its log ($(part_log "$1")) ends with:"
  tail -n 3 "$(part_log "$1")" >&2 2>/dev/null || true
  warn "to start it again, type: deploy/service start $1$(options_shown)"
}

# ---- the master key -------------------------------------------------------------------------------------------------

# Whether something in $VAR may be sealed already: topics of a mesh exist, or stores do.
has_data() {
  local name
  [[ -z "$(find "$VAR/kafka/data" -maxdepth 1 -type d -name '*.v1-[0-9]*' -print -quit 2>/dev/null)" ]] || return 0
  for name in "${BACKENDS[@]}"; do
    if [[ -s "$VAR/$name/$name.db" ]]; then return 0; fi
  done
  return 1
}

# What is wrong with the file $1 as a master key; nothing where nothing is. The services read the first word of it, in
# either alphabet of base64.
key_problem() {
  local -a words=()
  if [[ ! -e "$1" ]]; then
    printf 'is missing'
  elif [[ ! -f "$1" || ! -r "$1" ]]; then
    printf 'cannot be read'
  elif [[ ! -s "$1" ]]; then
    printf 'is empty'
  else
    read -r -d '' -a words < <(tr -d '\0' <"$1") || true
    [[ "${words[0]:-}" =~ ^[A-Za-z0-9+/_-]{43}=?$ ]] || printf 'does not hold the base64 of 32 bytes'
  fi
}

# Sees to the mesh's master key, without which nobody reads what is sealed on the log: makes it while there is no data, and
# asks for it where there is. Where TRADEWIND_SEAL_KEY_FILE names it, it is the services' to check.
need_seal_key() {
  local file=$VAR/seal.key problem=''
  if [[ -z "${TRADEWIND_SEAL_KEY_FILE:-}" ]]; then problem=$(key_problem "$file"); fi
  if has_data; then
    [[ -z "$problem" ]] ||
      fail "the master key $file $problem: bring back the one that this mesh was begun with, since no other can read what is sealed in its data"
    return
  fi
  case "$problem" in
    '') ;;
    'is missing' | 'is empty')
      (umask 077 && head -c 32 /dev/urandom | base64 | write_whole 600 "$file") || fail "cannot make $file"
      ;;
    *) fail "the master key $file $problem: put the right one there, or remove the file to have a new one made" ;;
  esac
  # Of a mesh that begins with this version no erasure was ever written without a proof.
  : >"$VAR/seal.signed"
}

# ---- ports ----------------------------------------------------------------------------------------------------------

# The range from which this machine takes ports for outgoing connections, as "first last".
outgoing_range() { cat /proc/sys/net/ipv4/ip_local_port_range 2>/dev/null || printf '0 0'; }

# held_by_connection PORT: whether a connection of some process has the port as its own end on 127.0.0.1 or everywhere, of
# tables such as /proc/net/tcp and /proc/net/tcp6 on standard input. That of a process which listens there counts as well:
# ask port_taken first. A connection that has ended but for its last wait (no inode) does not count.
held_by_connection() {
  local port
  printf -v port '%04X' "$1"
  awk -v port="$port" '
    $1 ~ /^[0-9]+:$/ && $4 != "0A" && $4 != "06" && $10 != 0 {
      split($2, place, ":")
      if (place[2] == port && place[1] ~ /^(0100007F|0+|0000000000000000FFFF00000100007F)$/) found = 1
    }
    END { exit !found }'
}
port_is_held() { cat /proc/net/tcp /proc/net/tcp6 2>/dev/null | held_by_connection "$1"; }
port_is_not_held() { ! port_is_held "$1"; }

# Seconds for which a port that an outgoing connection has is waited for.
PORT_SECONDS=10

# ports_free NAME...: names the setting of every one of these ports that somebody else has; false if there was one.
ports_free() {
  local name status=0 first last why
  read -r first last <<<"$(outgoing_range)"
  for name in "$@"; do
    if port_taken "${PORT[$name]}"; then
      warn "port ${PORT[$name]} is taken by another program: free it, or set TRADEWIND_PORT_$name or --port-offset N"
      status=1
    elif port_is_held "${PORT[$name]}"; then
      progress "waiting for port ${PORT[$name]}, which an outgoing connection of another program has"
      wait_until $PORT_SECONDS port_is_not_held "${PORT[$name]}" && continue
      why="port ${PORT[$name]} is held by an outgoing connection of another program"
      if ((PORT[$name] >= first && PORT[$name] <= last)); then
        why+=", since this machine takes ports from $first to $last for those"
      fi
      warn "$why: end that, set TRADEWIND_PORT_$name or --port-offset N to a port outside of that range, or keep it free with: sysctl -w net.ipv4.ip_local_reserved_ports=${PORT[$name]}"
      status=1
    fi
  done
  return $status
}
