"""Writes the compile commands of a build without its precompiled headers, or compiles by them.

    plain_commands.py FROM TO       writes TO, a compile_commands.json like FROM
    plain_commands.py --check FROM [SOURCE...]
                                    sees that each source in FROM, or each SOURCE, compiles; writes no object

Only sources of this tree count, not what the build generated or what a precompiled header is made of.
"""

import json
import os
import shlex
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path


def plain(words):
    """The command `words` without the precompiled header and without what serves it alone."""
    kept = []
    words = iter(words)
    for word in words:
        if word in ("-include", "--param"):
            value = next(words)
            if word == "-include" and not value.endswith("cmake_pch.hxx"):
                kept += [word, value]
        elif word != "-Winvalid-pch":
            kept.append(word)
    return kept


def plain_commands(commands, build):
    """The entries of `commands` whose source does not lie in the folder `build`."""
    return [
        {"directory": entry["directory"], "file": entry["file"], "command": shlex.join(plain(shlex.split(entry["command"])))}
        for entry in commands
        if not Path(entry["file"]).is_relative_to(build)
    ]


def without_object(words):
    """`words` as a command that looks at the source and writes nothing."""
    output = words.index("-o")
    return words[:output] + words[output + 2 :] + ["-fsyntax-only"]


def compiles(entry):
    """Whether the source of `entry` compiles; says why not."""
    done = subprocess.run(
        without_object(shlex.split(entry["command"])), cwd=entry["directory"], capture_output=True, text=True, check=False
    )
    if done.returncode != 0:
        print(f"{entry['file']} does not compile by itself:\n{done.stderr}", file=sys.stderr)
    return done.returncode == 0


def main(arguments):
    if arguments[0] == "--check":
        # A source that several programs are made of is looked at once.
        entries = {entry["file"]: entry for entry in json.loads(Path(arguments[1]).read_text())}
        wanted = {os.path.abspath(source) for source in arguments[2:]} or entries.keys()
        entries = {source: entry for source, entry in entries.items() if source in wanted}
        with ThreadPoolExecutor(os.cpu_count()) as pool:
            return 0 if entries and all(list(pool.map(compiles, entries.values()))) else 1
    source, target = map(Path, arguments)
    target.write_text(json.dumps(plain_commands(json.loads(source.read_text()), source.parent), indent=1))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
