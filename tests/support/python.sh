# The Python that tests, linters and docs/generate use, in an environment of its own under build/. Sourced after
# deploy/lib/common.sh, with TREE set.
# shellcheck shell=bash

# shellcheck disable=SC2034
PYTHON=$TREE/build/venv/bin/python

# need_python: makes the environment where it is not what tests/requirements.txt asks for.
need_python() {
  local venv=$TREE/build/venv wanted
  wanted=$(cksum <"$TREE/tests/requirements.txt")
  if [[ "$(cat "$venv/.installed" 2>/dev/null)" != "$wanted" ]]; then
    say "installing Python packages into build/venv"
    python3 -m venv --clear "$venv"
    "$venv/bin/pip" install -q --disable-pip-version-check -r "$TREE/tests/requirements.txt"
    printf '%s\n' "$wanted" >"$venv/.installed"
  fi
}
