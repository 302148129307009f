# The data folder of a mesh: the mark that makes a folder a mesh's own, and the removal of what is in it. deploy/up marks a
# folder that is new or empty, or that it recognises as one of an earlier version. What is removed is removed by its name,
# and only in a marked folder, so that a folder which merely looks like a mesh's, and files that somebody put beside a
# mesh's, are never touched. Sourced after lib/mesh.sh; works on $VAR, which mesh_init sets.
# shellcheck shell=bash

MARK_NAME=tradewind.mesh
MARK_TITLE='Tradewind mesh, format 1'

# ---- the place ------------------------------------------------------------------------------------------------------

# Why $VAR cannot be the data folder of any mesh, empty or not; nothing where it can.
place_problem() {
  local protected
  if [[ -e "$VAR" && ! -d "$VAR" ]]; then
    printf '%s is not a folder' "$VAR"
    return
  fi
  for protected in "$ROOT" "${HOME:-/}" /; do
    protected=$(realpath -m -- "$protected")
    if [[ "$VAR" == "$protected" || "$protected" == "${VAR%/}"/* ]]; then
      printf '%s is or holds %s, which deploy/up must not take for its data' "$VAR" "$protected"
      return
    fi
  done
}

# mounts_within FOLDER: prints the mount points that are FOLDER or lie in it, of a table such as /proc/self/mountinfo on
# standard input. The table writes a blank, a tab, a line feed and a backslash in octal.
mounts_within() {
  local mount
  while read -r _ _ _ _ mount _; do
    mount=$(printf '%b' "${mount//\\/\\0}")
    if [[ "$mount" == "$1" || "$mount" == "$1"/* ]]; then printf '%s\n' "$mount"; fi
  done
}

# ---- what is in it --------------------------------------------------------------------------------------------------

# The folders in $VAR that deploy/up and the processes it starts make.
own_folders() { printf '%s\n' run log mail kafka postgres "${BACKENDS[@]}"; }

# What they write, as patterns of paths in $VAR. The folders `data` belong to Kafka and to PostgreSQL whole. Patterns that
# somebody else's files may well match, as mails and logs by any name do, count in a marked folder alone.
own_patterns() {
  local name
  if [[ -n "$(marked_cluster_id)" ]]; then printf '%s\n' mail/{'*.eml','*.part'} 'log/*.log'; fi
  printf '%s\n' "$MARK_NAME" ".$MARK_NAME.??????" cli.yaml seal.key '.seal.key.??????' seal.signed \
    '.cli.yaml.??????' run/up.lock run/up.pid run/store 'run/.store.??????' \
    kafka/{server.properties,kafka.log,kafka.pid,format.log,'hs_err_pid*.log',data} \
    postgres/{postgres.log,postgres.pid,url,superuser-password,initdb.log,initdb-password,data,'data.??????'} \
    log/{build,fetch,broker,postgres}.log
  for name in "${PROCESSES[@]}"; do printf '%s\n' "log/$name.log" "run/$name.pid"; done
  for name in "${BACKENDS[@]}"; do printf '%s\n' "$name/$name."{db,db-wal,db-shm,db-journal,lock}; done
}

# Paths in $VAR that match own_patterns, each ended by a null byte. A link is not ours, whatever its name, nor is what lies
# behind one.
own_entries() (
  shopt -s nullglob
  cd "$VAR" || return
  own_patterns | while read -r pattern; do
    for path in $pattern; do
      if [[ ! -L "$path" && ! -L "${path%/*}" ]]; then printf '%s\0' "$path"; fi
    done
  done
)

# Paths in $VAR that are not ours, each ended by a null byte; of a folder that is not ours the folder alone.
foreign_entries() {
  local path folder
  local -A own=()
  while IFS= read -r -d '' path; do own[$path]=1; done < <(own_entries)
  while read -r folder; do
    if [[ -d "$VAR/$folder" && ! -L "$VAR/$folder" ]]; then own[$folder]=1; fi
  done < <(own_folders)
  while IFS= read -r -d '' path; do
    if [[ -z "${own[$path]:-}" ]] && { [[ "$path" != */* ]] || [[ -n "${own[${path%/*}]:-}" ]]; }; then
      printf '%s\0' "$path"
    fi
  done < <(cd "$VAR" && find . -mindepth 1 -maxdepth 2 \( -path './kafka/data/*' -o -path './postgres/data/*' \) -prune \
    -o -printf '%P\0' 2>/dev/null)
}

# The first few of foreign_entries, as a person reads them; false if there are none.
foreign_shown() {
  local -a entries
  mapfile -d '' -t entries < <(foreign_entries)
  ((${#entries[@]} > 0)) && names_shown "${entries[@]}"
}

# The names of what lies in $VAR.
top_shown() {
  local -a names
  mapfile -t names < <(ls -A -- "$VAR")
  names_shown "${names[@]}"
}

# The first five of its arguments as a shell would take them, and how many more there are.
names_shown() {
  printf '%q' "$1"
  (($# == 1)) || printf ', %q' "${@:2:4}"
  (($# <= 5)) || printf ' and %d more' $(($# - 5))
}

# ---- the mark -------------------------------------------------------------------------------------------------------

# The id of the Kafka cluster that the data in $VAR belongs to; nothing while there is no such data.
kafka_cluster_id() {
  [[ -L "$VAR/kafka" || -L "$VAR/kafka/data" ]] ||
    sed -n 's/^cluster\.id=\([A-Za-z0-9_-]\{1,\}\)$/\1/p' "$VAR/kafka/data/meta.properties" 2>/dev/null || true
}

# The cluster id in the mark of $VAR; nothing where there is no mark.
marked_cluster_id() {
  local title='' id=''
  [[ -f "$VAR/$MARK_NAME" && ! -L "$VAR/$MARK_NAME" ]] || return 0
  { read -r title && read -r id; } 2>/dev/null <"$VAR/$MARK_NAME" || return 0
  if [[ "$title" == "$MARK_TITLE" && "$id" =~ ^cluster\ ([A-Za-z0-9_-]+)$ ]]; then printf '%s' "${BASH_REMATCH[1]}"; fi
}

# As Kafka makes them: 16 random bytes in base64. One that starts with a dash would read as an option.
new_cluster_id() {
  local id=-
  while [[ "$id" == -* ]]; do id=$(head -c 16 /dev/urandom | base64 | tr '+/' '-_' | tr -d '='); done
  printf '%s' "$id"
}

# write_whole MODE FILE: makes FILE, with these permissions, of standard input, so that after a crash it is there whole or
# not at all.
write_whole() {
  local mode=$1 file=$2 part status=0
  part=$(mktemp "$(dirname "$file")/.$(basename "$file").XXXXXX") || return 1
  { cat >"$part" && chmod "$mode" "$part" && sync "$part" && mv -T "$part" "$file" && sync "$(dirname "$file")"; } ||
    status=1
  rm -f "$part"
  return $status
}

write_mark() {
  printf '%s\n' "$MARK_TITLE" "cluster $1" '' \
    'deploy/up wrote this file. deploy/down --wipe removes what deploy/up and its processes put into this folder, and' \
    'refuses where this file is missing or names another cluster than the Kafka data beside it.' |
    write_whole 644 "$VAR/$MARK_NAME" || fail "cannot write $VAR/$MARK_NAME"
}

# Whether stores in $VAR say that their tasks read the Kafka cluster $1: each task keeps its cluster's id, as text. In an
# SQLite database of ours the header says TWND. All but an empty first page may still be in its write-ahead log, where a
# service that ends leaves it.
stores_belong_to() {
  local name file
  for name in "${BACKENDS[@]}"; do
    file="$VAR/$name/$name.db"
    if [[ "$(head -c 15 "$file" 2>/dev/null | tr -d '\0')" == 'SQLite format 3' ]] &&
      grep -aqsF TWND "$file" "$file-wal" && grep -aqsF -- "$1" "$file" "$file-wal"; then
      return 0
    fi
  done
  [[ -f "$VAR/postgres/data/PG_VERSION" ]] &&
    grep -raqF -- "$1" "$VAR/postgres/data/base" "$VAR/postgres/data/pg_wal" 2>/dev/null
}

# Whether there is nothing in $VAR but what a first deploy/up of an earlier version left that did not come to start Kafka.
only_begun() {
  [[ -f "$VAR/run/up.lock" && "$(cat "$VAR/run/store" 2>/dev/null)" =~ ^(sqlite|postgres)$ ]] && ! foreign_shown >/dev/null
}

# Marks a folder without a mark whose stores name the cluster of the Kafka data beside them; false for another.
mark_recognised() {
  local id
  id=$(kafka_cluster_id)
  if [[ -z "$(marked_cluster_id)" && -n "$id" ]] && stores_belong_to "$id"; then write_mark "$id"; fi
}

# Makes $VAR, where it is missing, and sees that it is marked. Ends the script where the folder is somebody else's.
claim_mark() {
  local problem id marked
  problem=$(place_problem)
  [[ -z "$problem" ]] || fail "$problem; choose another folder with --var DIR"
  if ! mkdir -p "$VAR" 2>/dev/null || [[ ! -w "$VAR" ]]; then
    fail "cannot write to $VAR; choose another folder with --var DIR"
  fi
  id=$(kafka_cluster_id)
  marked=$(marked_cluster_id)
  if [[ -n "$marked" ]]; then
    [[ -z "$id" || "$id" == "$marked" ]] ||
      fail "$VAR is marked as the mesh on Kafka cluster $marked, and the Kafka data in it is of cluster $id; put the right kafka/ back, or choose another folder with --var DIR"
    if [[ -z "$id" ]] && stores_belong_to "$marked"; then
      fail "the services in $VAR have data that belongs to Kafka cluster $marked, and $VAR/kafka/data is missing; put it back, or begin anew after deploy/down --wipe"
    fi
  elif [[ -e "$VAR/$MARK_NAME" || -L "$VAR/$MARK_NAME" ]]; then
    fail "$VAR/$MARK_NAME is no mark of deploy/up; put back what was in it, or choose another folder with --var DIR"
  elif [[ -n "$id" ]]; then
    # A folder of an earlier version, which made no marks. Where its stores do not name the cluster, because no service has
    # taken a task yet or because they belong to another, it is used as it is: what does not fit is the services' to say.
    mark_recognised
  elif [[ -z "$(ls -A "$VAR")" ]] || only_begun; then
    write_mark "$(new_cluster_id)"
  else
    fail "$VAR is not empty and has no mark of deploy/up (it holds $(top_shown)); choose a new or an empty folder with --var DIR"
  fi
}

# ---- removal --------------------------------------------------------------------------------------------------------

# Why deploy/down --wipe must leave $VAR alone; nothing where it need not.
wipe_problem() {
  local problem id marked mounts folder
  problem=$(place_problem)
  if [[ -n "$problem" ]]; then
    printf '%s' "$problem"
    return
  fi
  if [[ "$VAR_AS_NAMED" != "$VAR" ]]; then
    printf 'the path %s goes through a link; to remove what it leads to, type: deploy/down --wipe --var %q' \
      "$VAR_AS_NAMED" "$VAR"
    return
  fi
  marked=$(marked_cluster_id)
  if [[ -z "$marked" ]]; then
    printf '%s has no mark of deploy/up (the file %s); a deploy/up on a folder of an earlier version marks it' \
      "$VAR" "$MARK_NAME"
    return
  fi
  id=$(kafka_cluster_id)
  if [[ -n "$id" && "$id" != "$marked" ]]; then
    printf '%s is marked as the mesh on Kafka cluster %s, and the Kafka data in it is of cluster %s' "$VAR" "$marked" "$id"
    return
  fi
  while read -r folder; do
    if [[ -L "$VAR/$folder" ]]; then
      printf '%s is a link; what it leads to is not removed, so remove that, and the link, by hand' "$VAR/$folder"
      return
    fi
  done < <(own_folders && say kafka/data && say postgres/data)
  mounts=$(mounts_within "$VAR" </proc/self/mountinfo | head -n 1)
  [[ -z "$mounts" ]] || printf '%s is a mount point; unmount it first' "$mounts"
}

# Removes what deploy/up and its processes put into $VAR, and $VAR itself if nothing else is in it. The mark goes last, so
# that what a crash interrupts can be done again.
wipe() {
  local path folder
  while IFS= read -r -d '' path; do
    case "$path" in
      "$MARK_NAME") ;;
      kafka/data) [[ -z "$(kafka_cluster_id)" ]] || rm -rf --one-file-system -- "${VAR:?}/$path" ;;
      postgres/data*)
        if [[ -f "$VAR/$path/PG_VERSION" ]]; then rm -rf --one-file-system -- "${VAR:?}/$path"; fi
        rmdir -- "$VAR/$path" 2>/dev/null || true
        ;;
      *) if [[ -f "$VAR/$path" ]]; then rm -f -- "${VAR:?}/$path"; fi ;;
    esac
  done < <(own_entries)
  while read -r folder; do
    if [[ -d "$VAR/$folder" && ! -L "$VAR/$folder" ]]; then
      # `data` too, of a Kafka that never came to format it.
      rmdir --ignore-fail-on-non-empty -- "$VAR/$folder/data" "$VAR/$folder" 2>/dev/null || true
    fi
  done < <(own_folders)
  # From within: find takes the path of a folder for a pattern.
  if [[ -n "$(cd "$VAR" && find . -mindepth 1 ! -path "./$MARK_NAME" -print -quit)" ]]; then
    # What is left is nobody's mesh: the next one there gets an id of its own.
    write_mark "$(new_cluster_id)"
    say "removed the mesh in $VAR; kept what deploy/up did not put there: $(left_shown)"
  else
    rm -f -- "$VAR/$MARK_NAME"
    rmdir -- "$VAR"
    say "removed $VAR"
  fi
}

# The names of what lies in $VAR beside the mark.
left_shown() {
  local -a names
  mapfile -d '' -t names < <(
    cd "$VAR" && find . -mindepth 1 -maxdepth 2 ! -path "./$MARK_NAME" ! \( -type d ! -empty \) -printf '%P\0'
  )
  names_shown "${names[@]}"
}
