"""What lies on a mesh's disk."""

import contextlib


def files_with(mesh, words):
    """Every file under var/ that holds one of the words (bytes, in lower case), in whatever case it holds them: stores,
    logs, and Kafka's data. Mails are left out, since that folder stands for the mailbox of who they are for."""
    found = []
    for path in mesh.var.rglob("*"):
        # Kafka and the stores remove files of their own meanwhile.
        with contextlib.suppress(FileNotFoundError):
            if path.is_file() and mesh.var / "mail" not in path.parents:
                content = path.read_bytes().lower()
                found += [f"{path.relative_to(mesh.var)}: {word}" for word in words if word.lower() in content]
    return found
