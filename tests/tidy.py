"""Runs clang-tidy over sources, several of a folder in one go, so that the headers they share are parsed once.

    tidy.py COMMANDS SOURCE...

COMMANDS is a folder with a compile_commands.json that names each SOURCE. Sources that are compiled alike are written one
after the other into one file, which clang-tidy takes for the source itself. Where it finds anything in that file, be it that two
sources use one name, each source is looked at by itself, and what is found then is printed and counts. What only shows in a
source that is compiled by itself, such as a missing #include, is seen by `tests/lint separate`.
"""

import json
import os
import shlex
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

# Sources in one go: with more there is little left to share, and the cores end at different times.
MOST = 8
# Seconds for one source.
LIMIT = 300


def batches_of(entries):
    """Lists of entries of compile_commands.json that lie in one folder and have one command but for their names."""
    alike = {}
    for entry in entries:
        words = shlex.split(entry["command"])
        output = words.index("-o") + 1
        command = [word for at, word in enumerate(words) if at != output and word != entry["file"]]
        alike.setdefault((str(Path(entry["file"]).parent), *command), []).append(entry)
    batches = []
    for same in alike.values():
        # As many batches as are needed, of nearly one size.
        count = -(-len(same) // MOST)
        batches += [same[at::count] for at in range(count)]
    return sorted(batches, key=len, reverse=True)


def tidy(folder, source, limit):
    """clang-tidy's exit code for `source`, whose command is in `folder`, and what it printed."""
    command = ["clang-tidy-14", "-p", folder, "--quiet", "--extra-arg=-Wno-unknown-warning-option", source]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=limit, check=False)
    except subprocess.TimeoutExpired:
        return 1, f"{source}: clang-tidy took more than {limit} s\n"
    return done.returncode, done.stdout + done.stderr


def clean_together(batch, folder):
    """Whether clang-tidy finds nothing in the sources of `batch` written one after the other below `folder`."""
    folder.mkdir(parents=True, exist_ok=True)
    together = folder / "together.cpp"
    together.write_text("".join(f'#line 1 "{entry["file"]}"\n{Path(entry["file"]).read_text()}\n' for entry in batch))
    command = [str(together) if word == batch[0]["file"] else word for word in shlex.split(batch[0]["command"])]
    entry = {"directory": batch[0]["directory"], "file": str(together), "command": shlex.join(command)}
    (folder / "compile_commands.json").write_text(json.dumps([entry]))
    return tidy(str(folder), str(together), LIMIT * len(batch))[0] == 0


def look_at(batch, number, commands):
    """Whether clang-tidy finds nothing in the sources of `batch`; prints what it finds."""
    if len(batch) > 1 and clean_together(batch, Path(commands) / "tidy" / str(number)):
        return True
    clean = True
    for entry in batch:
        code, said = tidy(commands, entry["file"], LIMIT)
        if code != 0:
            print(said, flush=True)
            clean = False
    return clean


def main(arguments):
    commands, *sources = arguments
    wanted = {os.path.abspath(source) for source in sources}
    entries = {entry["file"]: entry for entry in json.loads((Path(commands) / "compile_commands.json").read_text())}
    missing = wanted - entries.keys()
    if missing or not wanted:
        print(f"{commands}/compile_commands.json has no command for {', '.join(sorted(missing)) or 'no source'}", file=sys.stderr)
        return 1
    batches = batches_of([entries[source] for source in sorted(wanted)])
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        clean = list(pool.map(lambda pair: look_at(pair[1], pair[0], commands), enumerate(batches)))
    return 0 if all(clean) else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
