# One mesh on this machine: its processes, ports and folders, and how each is started, asked and stopped. Sourced by
# deploy/up, deploy/down and deploy/service after lib/common.sh; call mesh_init first. lib/folder.sh has its data folder,
# lib/parts.sh what its services stand on.
# shellcheck shell=bash

# A service a line, in the order of starting: name, port of its gRPC, port of its /metrics, then `effects` where it runs a
# consumer group of effects too and `keys` where it seals or opens. Stopping goes the other way round: the front door,
# which is the last, closes first.
SERVICE_TABLE=(
  'user         50052 9465 effects keys'
  'inventory    50055 9468'
  'payment      50056 9469 effects keys'
  'shipping     50057 9470'
  'order        50053 9466'
  'notification 50054 9467 effects keys'
  'gateway      50051 9464 keys'
)

# Seconds a process has to drain after SIGTERM before it is killed: longer than its own deadline.
STOP_SECONDS=40

# What runs beside the services and is neither asked by gRPC nor measured: the mail server that keeps every mail in a
# folder.
HELPERS=(mailbox)

# The port on 127.0.0.1 of each listener. TRADEWIND_PORT_<NAME> replaces a default; --port-offset is added to all.
declare -A PORT
# Processes that this very shell started, by service.
declare -A CHILD_PID
# POSTGRES is not 5432, where Debian's package starts a server of its own.
declare -A DEFAULT_PORTS=([KAFKA]=9092 [KAFKA_CONTROLLER]=9093 [POSTGRES]=5433 [MAILBOX]=1025)

# SERVICES: the names of the table. BACKENDS: those behind the gateway, each with a store. EFFECTS: those with effects.
# KEYS: those with keys. PROCESSES: services and helpers. PORT_NAMES: as a person would list them.
SERVICES=()
BACKENDS=()
EFFECTS=()
KEYS=()
PROCESSES=()
PORT_NAMES=()
read_service_table() {
  local row name port metrics_port traits
  for row in "${SERVICE_TABLE[@]}"; do
    read -r name port metrics_port traits <<<"$row"
    SERVICES+=("$name")
    [[ "$name" == gateway ]] || BACKENDS+=("$name")
    [[ "$traits" != *effects* ]] || EFFECTS+=("$name")
    [[ "$traits" != *keys* ]] || KEYS+=("$name")
    DEFAULT_PORTS[${name^^}]=$port
    DEFAULT_PORTS[METRICS_${name^^}]=$metrics_port
  done
  PROCESSES=("${HELPERS[@]}" "${SERVICES[@]}")
  PORT_NAMES=("${SERVICES[@]}" KAFKA KAFKA_CONTROLLER POSTGRES "${HELPERS[@]}" "${SERVICES[@]/#/METRICS_}")
  PORT_NAMES=("${PORT_NAMES[@]^^}")
}
read_service_table

# mesh_init ROOT VAR OFFSET: where the tree is, where the data goes, how far the ports are shifted. VAR_AS_NAMED becomes
# the path of the data as it was given, VAR the one without links.
mesh_init() {
  ROOT=$1
  VAR=$2
  local offset=$3 name variable value
  [[ "$offset" =~ ^[0-9]{1,5}$ ]] || fail "--port-offset: '$offset' is not a number from 0 to 99999"
  [[ -n "$VAR" ]] || fail '--var is empty, as it is where a variable in it is not set; name a folder'
  # A line feed at the end would be lost on the way, and the folder be another one.
  [[ "$VAR" != *[[:cntrl:]]* ]] || fail '--var holds a line feed or another control character; name another folder'
  [[ "$VAR" == /* ]] || VAR="$(pwd -P)/$VAR"
  # shellcheck disable=SC2034
  VAR_AS_NAMED=$(realpath -ms -- "$VAR")
  VAR=$(realpath -m -- "$VAR")
  # Java could not name it, nor would the operator's command read its own settings.
  iconv -f UTF-8 -t UTF-8 <<<"$VAR" >/dev/null 2>&1 || fail '--var is no UTF-8; name another folder'
  BIN="$ROOT/build/bin"
  # Settings of these scripts, which the executables do not know.
  CHILD=(env)
  for name in "${!DEFAULT_PORTS[@]}"; do
    variable="TRADEWIND_PORT_$name"
    value=${!variable:-${DEFAULT_PORTS[$name]}}
    [[ "$value" =~ ^[0-9]{1,5}$ ]] || fail "$variable: '$value' is not a port number"
    PORT[$name]=$((10#$value + 10#$offset))
    ((PORT[$name] > 0 && PORT[$name] < 65536)) ||
      fail "port ${PORT[$name]} is not between 1 and 65535; see $variable and --port-offset"
    CHILD+=(-u "$variable")
  done
  OFFSET_GIVEN=$((10#$offset))
  STORE=$(store_kind)
}

# Where the services of $VAR keep their data, as its first deploy/up has written down. Where that is lost, PostgreSQL's data
# tell; without any it is the default.
store_kind() {
  local kind
  kind=$(cat "$VAR/run/store" 2>/dev/null || true)
  if [[ "$kind" =~ ^(sqlite|postgres)$ ]]; then
    printf '%s' "$kind"
  elif [[ -e "$VAR/postgres/data/PG_VERSION" ]]; then
    printf postgres
  else
    printf sqlite
  fi
}

# Where the services find their data, unless that is a folder: in the environment, since a command line with a password
# is there for everyone to read.
export_store() {
  [[ $STORE == postgres ]] || return 0
  TRADEWIND_STORE_POSTGRES_URL=$(postgres url) || exit 1
  export TRADEWIND_STORE_POSTGRES_URL
}

# Joins its arguments by ", " in lines that, after an indent of $1, have at most $2 characters.
wrapped() {
  local indent=$1 width=$2 word line='' out=''
  shift 2
  while (($#)); do
    word=$1
    shift
    (($# == 0)) || word+=,
    if [[ -n "$line" ]] && ((${#line} + 1 + ${#word} > width)); then
      out+="$line"$'\n'"$(printf '%*s' "$indent" '')"
      line=$word
    else
      line+="${line:+ }$word"
    fi
  done
  printf '%s' "$out$line"
}

address_of() { printf '127.0.0.1:%d' "${PORT[$1]}"; }
pid_file() { printf '%s/run/%s.pid' "$VAR" "$1"; }
log_file() { printf '%s/log/%s.log' "$VAR" "$1"; }
# A path as a person would type it from the root of the tree; and so that a shell takes it for one word.
short() { printf '%s' "${1#"$ROOT/"}"; }
short_quoted() { printf '%q' "${1#"$ROOT/"}"; }
# The options that name this mesh, as a person has to type them, after a blank.
options_shown() {
  [[ "$VAR" == "$ROOT/var" ]] || printf ' --var %s' "$(short_quoted "$VAR")"
  ((OFFSET_GIVEN == 0)) || printf ' --port-offset %d' "$OFFSET_GIVEN"
}

# ---- one process ----------------------------------------------------------------------------------------------------

# When process $1 started, in clock ticks since boot. With the pid it names a process for good; a pid alone may have
# been given to another. Empty for a process that has ended, reaped or not: a dead one some of whose threads still live
# has not, and may hold its ports.
process_start() {
  local line
  local -a fields threads
  # The subshell keeps the shell's own complaint quiet when the process has just gone.
  line=$(cat "/proc/$1/stat" 2>/dev/null) || return 0
  # After the name, which may hold spaces and brackets: field 0 is the state, field 19 the start.
  read -ra fields <<<"${line##*) }"
  threads=("/proc/$1/task"/*)
  [[ "${fields[0]}" == [ZX] && ${#threads[@]} -le 1 ]] || printf '%s' "${fields[19]}"
}

# record_process NAME PID: pid in the first line, start in the second. False where it cannot be written.
record_process() {
  local start=''
  # A Ctrl-C may end what looks for the start.
  for _ in 1 2 3; do
    start=$(process_start "$2")
    [[ -z "$start" ]] || break
  done
  printf '%d\n%s\n' "$2" "$start" >"$VAR/run/$1.pid"
}

# Removes the record of a process. A file of that name which is none, as /run has many, is left alone.
forget_process() {
  local file
  file=$(pid_file "$1")
  if [[ -f "$file" ]] && ! grep -qv '^[0-9]*$' "$file" && (($(wc -l <"$file") != 1)); then rm -f "$file"; fi
}

# The pid recorded for $1 if that very process still runs, else nothing.
running_pid() {
  local pid='' start=''
  { read -r pid && read -r start; } 2>/dev/null <"$(pid_file "$1")" || return 0
  [[ "$pid" =~ ^[0-9]+$ && -n "$start" && "$(process_start "$pid")" == "$start" ]] || return 0
  printf '%s' "$pid"
}
is_running() { [[ -n "$(running_pid "$1")" ]]; }
is_stopped() { [[ -z "$(running_pid "$1")" ]]; }

# ---- one service ----------------------------------------------------------------------------------------------------

# COMMAND becomes the command line of service or helper $1.
service_command() {
  local upper=${1^^} backend services=''
  if [[ "$1" == mailbox ]]; then
    COMMAND=("$BIN/tradewind-mailbox" "--mailbox.address=$(address_of MAILBOX)" "--mailbox.directory=$VAR/mail")
    return
  fi
  COMMAND=("$BIN/tradewind-$1"
    "--kafka.brokers=$(address_of KAFKA)"
    "--grpc.address=$(address_of "$upper")"
    "--metrics.address=$(address_of "METRICS_$upper")")
  if [[ "$1" == gateway ]]; then
    for backend in "${BACKENDS[@]}"; do
      services+="tradewind.$backend.v1.${backend^}Service=$(address_of "${backend^^}"),"
    done
    COMMAND+=("--gateway.services=${services%,}")
  elif [[ $STORE == postgres ]]; then
    COMMAND+=("--store.kind=postgres")
  else
    COMMAND+=("--store.directory=$VAR/$1")
  fi
  if [[ " ${KEYS[*]} " == *" $1 "* ]]; then
    if [[ -z "${TRADEWIND_SEAL_KEY_FILE:-}" ]]; then COMMAND+=("--seal.key_file=$VAR/seal.key"); fi
    if [[ -e "$VAR/seal.signed" && -z "${TRADEWIND_SEAL_REQUIRE_SIGNED_ERASURES:-}" ]]; then
      COMMAND+=("--seal.require_signed_erasures=true")
    fi
  fi
  # Mails stay on this machine, unless a mail server was given.
  if [[ "$1" == notification && -z "${TRADEWIND_NOTIFICATION_SMTP_URL:-}" ]]; then
    COMMAND+=("--notification.smtp_url=smtp://$(address_of MAILBOX)")
  fi
}

# The names of the ports that service, helper or part $1 listens on.
ports_of() {
  case "$1" in
    kafka) say KAFKA KAFKA_CONTROLLER ;;
    postgres | mailbox) say "${1^^}" ;;
    *) say "${1^^}" "METRICS_${1^^}" ;;
  esac
}

# Writes $VAR/cli.yaml, with which the operator's command finds this mesh: `tradewind status --config var/cli.yaml`.
write_cli_settings() {
  local name key_file=${TRADEWIND_SEAL_KEY_FILE:-$VAR/seal.key}
  {
    printf 'kafka:\n  brokers: %s\n' "$(address_of KAFKA)"
    # Between single quotes YAML takes all but these for what it is.
    printf "seal:\n  key_file: '%s'\n" "${key_file//\'/\'\'}"
    printf 'cli:\n  gateway: %s\n  services:\n' "$(address_of GATEWAY)"
    for name in "${SERVICES[@]}"; do printf '    %s: %s\n' "$name" "$(address_of "${name^^}")"; done
    printf '  groups:\n'
    for name in "${BACKENDS[@]}"; do printf '    %s: %s\n' "$name" "$(address_of "METRICS_${name^^}")"; done
    for name in "${EFFECTS[@]}"; do printf '    %s.effects: %s\n' "$name" "$(address_of "METRICS_${name^^}")"; done
    printf '  pages:\n    gateway: %s\n' "$(address_of METRICS_GATEWAY)"
  } | write_whole 644 "$VAR/cli.yaml" || fail "cannot write $VAR/cli.yaml"
}

# Starts service $1 in a session of its own, so that a Ctrl-C at the terminal reaches only who stops things in order.
service_start() {
  local log
  # The mailbox keeps nothing there.
  [[ "$1" == mailbox ]] || export_store
  log=$(log_file "$1")
  service_command "$1"
  mkdir -p "$VAR/run" "$VAR/log" || fail "cannot make folders in $VAR; choose another with --var DIR"
  if [[ " ${KEYS[*]} " == *" $1 "* ]]; then need_seal_key; fi
  # Standard input too is closed to it, and the lock of deploy/up, which is not its to hold.
  "${CHILD[@]}" setsid "${COMMAND[@]}" >>"$log" 2>&1 </dev/null 9>&- &
  # shellcheck disable=SC2034
  CHILD_PID[$1]=$!
  record_process "$1" $! || {
    kill -TERM $!
    warn "cannot write to $VAR/run; tradewind-$1 was ended again"
    return 1
  }
}

service_is_healthy() {
  service_command "$1"
  "${CHILD[@]}" "${COMMAND[0]}" health "${COMMAND[@]:1}" >/dev/null 2>&1 9>&-
}

# The part without which nobody is worth waiting for, as ended_part found it. Looked for once a second: each look starts
# some processes, and so does each question for health.
ENDED_PART=''
ENDED_PART_LOOKED=-1
part_has_ended() {
  if ((SECONDS != ENDED_PART_LOOKED)); then
    ENDED_PART_LOOKED=$SECONDS
    ENDED_PART=$(ended_part)
  fi
  [[ -n "$ENDED_PART" ]]
}

# wait_is_over NAME: what to wait for after a start.
wait_is_over() { is_stopped "$1" || service_is_healthy "$1" || { [[ "$1" != mailbox ]] && part_has_ended; }; }

# Seconds a process has to become healthy. A port that an ended connection still holds is free after 60.
START_SECONDS=90

# service_wait NAME: until it is healthy; otherwise says what stands in the way, or what its log ends with.
service_wait() {
  local said="is not healthy after $START_SECONDS s"
  ENDED_PART=''
  if wait_until "$START_SECONDS" wait_is_over "$1"; then
    if is_stopped "$1"; then
      said='ended while starting'
    elif [[ -z "$ENDED_PART" ]] || service_is_healthy "$1"; then
      return 0
    else
      said='cannot become healthy'
    fi
  fi
  warn "tradewind-$1 $said; its log ($(log_file "$1")) ends with:"
  tail -n 5 "$(log_file "$1")" >&2
  ENDED_PART=$(ended_part)
  [[ "$1" == mailbox || -z "$ENDED_PART" ]] || say_part_ended "$ENDED_PART"
  return 1
}

# Ends service $1 with SIGTERM and waits; after STOP_SECONDS by SIGKILL, which is a failure.
service_stop() {
  local pid
  pid=$(running_pid "$1")
  if [[ -n "$pid" ]]; then
    end_process "$pid" "tradewind-$1"
    if ! wait_until "$STOP_SECONDS" is_stopped "$1"; then
      warn "tradewind-$1 (pid $pid) did not end within $STOP_SECONDS s of SIGTERM; killed. Its log: $(log_file "$1")"
      kill -KILL "$pid" 2>/dev/null || true
      wait_until 10 is_stopped "$1" || fail "process $pid does not end, not even by SIGKILL"
      forget_process "$1"
      return 1
    fi
  fi
  forget_process "$1"
}

# Ends the whole mesh, front door first, Kafka and PostgreSQL last. Tells whether all ended by themselves.
mesh_stop() {
  local i status=0
  for ((i = ${#PROCESSES[@]} - 1; i >= 0; i--)); do
    progress "stopping tradewind-${PROCESSES[i]} ($(elapsed))"
    service_stop "${PROCESSES[i]}" || status=1
  done
  # Only what deploy/up made is asked: a folder that is no mesh's may hold files of the same names.
  if [[ -f "$VAR/kafka/server.properties" ]]; then
    progress "stopping Kafka ($(elapsed))"
    kafka stop >/dev/null || status=1
  fi
  if [[ -f "$VAR/postgres/url" ]]; then
    progress "stopping PostgreSQL ($(elapsed))"
    postgres stop >/dev/null || status=1
  fi
  return $status
}
