"""The data folder of a mesh, its mark, its removal and its master key: what the scripts in deploy/ do without any process.

No test here starts Kafka or a service. Where a mistake would cost files outside of the test's folder, the function that
decides is asked instead of the script.
"""

import base64
import os
import shutil
import socket
import subprocess

import pytest
import yaml

from support.mesh import BIN, OWNERS, TREE

CLUSTER = "5L6g3nShT-eMCtK--X86sw"
KEY = "q83vEjRWeJCrze8SNFZ4kKvN7xI0VniQq83vEjRWeJA="


def run(*command, cwd=None, env=None):
    done = subprocess.run(
        [str(part) for part in command],
        cwd=cwd,
        env={**os.environ, **(env or {})},
        capture_output=True,
        text=True,
        timeout=60,
        stdin=subprocess.DEVNULL,
        check=False,
    )
    return done


def shell_command(var, code):
    libraries = " ".join(f'source "{TREE}/deploy/lib/{name}.sh";' for name in ("common", "mesh", "folder", "parts"))
    return ["bash", "-c", f'set -euo pipefail; PROGRAM=test; {libraries} mesh_init "{TREE}" "$1" 0; {code}', "test", var]


def shell(var, code, **env):
    """Runs shell code with the functions of deploy/lib, for a mesh in `var`."""
    return run(*shell_command(var, code), env=env)


def down(var, *options, cwd=None):
    return run(TREE / "deploy/down", "--var", var, *options, cwd=cwd)


def write(path, text=""):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    return path


def make_mesh(var, marked=True):
    """A folder as deploy/up leaves it, with a little of everything that it and its processes write."""
    write(var / "kafka/data/meta.properties", f"#\ncluster.id={CLUSTER}\nversion=1\n")
    write(var / "kafka/data/order.events.v1-0/00000000000000000000.log", "x")
    for name in ("server.properties", "kafka.log"):
        write(var / "kafka" / name)
    for name in OWNERS:
        header = b"SQLite format 3\0".ljust(68, b"\0") + b"TWND"
        write(var / name / f"{name}.db").write_bytes(header + b"\0\x1a\x16" + CLUSTER.encode())
        for end in ("db-wal", "db-shm", "lock"):
            write(var / name / f"{name}.{end}")
        write(var / "log" / f"{name}.log")
        write(var / "run" / f"{name}.pid", "1\n\n")
    names = ("run/up.lock", "run/store", "log/build.log", "log/broker.log", "log/order-2.log", "mail/1.eml", "cli.yaml")
    for name in names:
        write(var / name)
    write(var / "seal.key", KEY)
    if marked:
        write(var / "tradewind.mesh", f"Tradewind mesh, format 1\ncluster {CLUSTER}\n")
    return var


def everything(folder):
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*"))


# ---- an empty --var ----


@pytest.mark.parametrize(
    "command", [["up", "--detach"], ["down"], ["down", "--wipe"], ["service", "status", "order"], ["service", "stop", "kafka"]]
)
def test_refuses_an_empty_var(tmp_path, command):
    make_mesh(tmp_path)
    before = everything(tmp_path)
    done = run(TREE / "deploy" / command[0], *command[1:], "--var", "", cwd=tmp_path)
    assert done.returncode == 1 and "--var is empty" in done.stderr and len(done.stderr.splitlines()) == 1
    assert everything(tmp_path) == before


@pytest.mark.parametrize("command", ["up", "down"])
def test_refuses_a_var_that_is_no_utf8(tmp_path, command):
    done = subprocess.run(
        [f"{TREE}/deploy/{command}".encode(), b"--var", bytes(tmp_path) + b"/\xff"], capture_output=True, timeout=60, check=False
    )
    assert done.returncode == 1
    assert b"--var is no UTF-8; name another folder" in done.stderr


def test_refuses_a_var_with_a_line_feed(tmp_path):
    make_mesh(tmp_path / "mesh")
    done = down(f"{tmp_path}/mesh\n", "--wipe")
    assert done.returncode == 1 and "line feed" in done.stderr
    assert (tmp_path / "mesh/order/order.db").exists()


# ---- removal ----


# What a shell, a pattern, sed, YAML, a comma list or Java's properties take for something else.
ODD_NAME = 'ü & "a", \\b|c[d]*\'e'


@pytest.mark.parametrize("name", ["mesh", ODD_NAME])
def test_wipes_a_marked_folder(tmp_path, name):
    var = make_mesh(tmp_path / name)
    done = down(var, "--wipe")
    assert done.returncode == 0, done.stderr
    assert f"removed {var}" in done.stdout and not var.exists()


def test_wipes_by_a_relative_path(tmp_path):
    make_mesh(tmp_path / "a mesh")
    done = down("a mesh", "--wipe", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert everything(tmp_path) == []


@pytest.mark.parametrize("like_a_mesh", [False, True])
def test_keeps_a_folder_without_a_mark(tmp_path, like_a_mesh):
    var = tmp_path / "sham"
    if like_a_mesh:
        make_mesh(var, marked=False)
    for name in ("run/order.pid", "run/up.pid", "log/syslog", "precious/work.txt", "kafka/kafka.pid"):
        write(var / name, "4711\n")
    before = everything(var)
    done = down(var, "--wipe")
    assert done.returncode == 1 and "tradewind.mesh" in done.stderr
    assert everything(var) == before


def test_keeps_what_others_put_beside_a_mesh(tmp_path):
    var = make_mesh(tmp_path / "mesh")
    foreign = ["notes.txt", ".hidden", "loyalty/loyalty.db", "log/notes.txt", "order/order.db.backup", "run/order.pid.d/x"]
    foreign += ["seal.key.backup", "mail/letter.txt", "kafka/notes.txt", "backup/kafka/data/meta.properties"]
    for name in foreign:
        write(var / name, "mine")
    done = down(var, "--wipe")
    assert done.returncode == 0, done.stderr
    left = [str(path.relative_to(var)) for path in var.rglob("*") if path.is_file()]
    assert sorted(left) == sorted([*foreign, "tradewind.mesh"])
    assert "notes.txt" in done.stdout
    # The folder is still one that may be used, by a mesh with an identity of its own.
    assert CLUSTER not in (var / "tradewind.mesh").read_text()
    assert shell(var, "claim_mark").returncode == 0


@pytest.mark.parametrize("place", ["log", "run", "order", "kafka", "kafka/data", "mail", "postgres"])
def test_follows_no_link_out_of_a_mesh(tmp_path, place):
    var = make_mesh(tmp_path / "mesh")
    outside = tmp_path / "outside"
    for name in ("order.log", "order.pid", "order.db", "kafka.log", "1.eml", "url", "data/PG_VERSION", "meta.properties"):
        write(outside / name, f"cluster.id={CLUSTER}\n")
    before = everything(outside)
    shutil.rmtree(var / place, ignore_errors=True)
    (var / place).symlink_to(outside)
    done = down(var, "--wipe")
    assert done.returncode == 1 and f"{var / place} is a link" in done.stderr
    assert everything(outside) == before
    # Nor do the functions that remove, were they asked.
    shell(var, "wipe")
    assert everything(outside) == before
    assert (var / place).is_symlink()


def test_follows_no_link_in_place_of_a_file(tmp_path):
    var = make_mesh(tmp_path / "mesh")
    outside = write(tmp_path / "outside.log", "mine")
    (var / "log/order.log").unlink()
    (var / "log/order.log").symlink_to(outside)
    assert down(var, "--wipe").returncode == 0
    assert outside.read_text() == "mine" and (var / "log/order.log").is_symlink()


@pytest.mark.parametrize("named", ["alias", "alias/", "alias/.", "folder/mesh"])
def test_wipes_nothing_through_a_link(tmp_path, named):
    var = make_mesh(tmp_path / "real/mesh")
    (tmp_path / "alias").symlink_to(var)
    (tmp_path / "folder").symlink_to(tmp_path / "real")
    before = everything(var)
    done = down(f"{tmp_path}/{named}", "--wipe")
    assert done.returncode == 1 and f"deploy/down --wipe --var {var}" in done.stderr
    assert everything(var) == before


@pytest.mark.parametrize(
    "mark",
    ["", "cluster only\n", f"Tradewind mesh, format 1\ncluster {'B' * 22}\n", f"Tradewind mesh, format 9\ncluster {CLUSTER}\n"],
)
def test_keeps_a_folder_whose_mark_does_not_fit(tmp_path, mark):
    var = make_mesh(tmp_path / "mesh")
    (var / "tradewind.mesh").write_text(mark)
    before = everything(var)
    assert down(var, "--wipe").returncode == 1
    assert everything(var) == before
    assert shell(var, "claim_mark").returncode == 1


def test_keeps_a_folder_whose_mark_is_a_link(tmp_path):
    var = make_mesh(tmp_path / "mesh")
    (var / "tradewind.mesh").rename(tmp_path / "mark")
    (var / "tradewind.mesh").symlink_to(tmp_path / "mark")
    assert down(var, "--wipe").returncode == 1
    assert (var / "order/order.db").exists()


def test_refuses_places_that_hold_more_than_a_mesh(tmp_path):
    home = make_mesh(tmp_path / "home")
    for var in (home, tmp_path, "/", TREE, TREE.parent):
        done = shell(var, "wipe_problem", HOME=str(home))
        assert "is or holds" in done.stdout, f"{var}: {done.stdout}{done.stderr}"
        done = shell(var, "claim_mark", HOME=str(home))
        assert done.returncode == 1 and "is or holds" in done.stderr


def test_finds_mount_points_in_a_folder(tmp_path):
    table = "\n".join(
        f"{number} 1 0:1 / {place} rw - ext4 /dev/x rw"
        for number, place in enumerate(["/", "/data", "/data/a\\040mesh/kafka", "/data/a\\040meshes", "/data/b"])
    )
    for folder, found in (("/data/a mesh", ["/data/a mesh/kafka"]), ("/data/b", ["/data/b"]), ("/data/c", [])):
        done = shell(tmp_path, f"mounts_within '{folder}' <<<'{table}'")
        assert done.stdout.splitlines() == found, done.stderr


# ---- the mark ----


def test_marks_a_new_and_an_empty_folder(tmp_path):
    for var in (tmp_path / "new", tmp_path / "empty"):
        if var.name == "empty":
            var.mkdir()
        done = shell(var, "claim_mark; marked_cluster_id")
        assert done.returncode == 0 and len(done.stdout) == 22, done.stderr
        # The same folder keeps its identity.
        assert shell(var, "claim_mark; marked_cluster_id").stdout == done.stdout
        assert everything(var) == ["tradewind.mesh"]


def test_gives_new_kafka_data_the_identity_of_the_mark(tmp_path):
    done = shell(tmp_path / "mesh", 'claim_mark; part_command kafka; echo "${COMMAND[*]}"; marked_cluster_id')
    command, identity = done.stdout.splitlines()
    assert command.endswith(f"--cluster-id {identity}")


@pytest.mark.parametrize("content", ["precious.txt", "work/precious.txt", "log/precious.log", "mail/precious.eml"])
def test_marks_no_folder_with_other_content(tmp_path, content):
    var = tmp_path / "mesh"
    for folder in ("run", "log"):
        (var / folder).mkdir(parents=True)
    write(var / content)
    for begun in (False, True):
        if begun:
            write(var / "run/up.lock")
            write(var / "run/store", "sqlite\n")
        done = shell(var, "claim_mark")
        assert done.returncode == 1 and "is not empty" in done.stderr and content.partition("/")[0] in done.stderr
        assert not (var / "tradewind.mesh").exists()


def test_marks_what_an_interrupted_first_start_left(tmp_path):
    for name in ("run/up.lock", "run/up.pid", "log/build.log", "log/fetch.log", "kafka/server.properties"):
        write(tmp_path / name)
    # Names alone are no evidence.
    assert shell(tmp_path, "claim_mark").returncode == 1
    write(tmp_path / "run/store", "sqlite\n")
    assert shell(tmp_path, "claim_mark").returncode == 0


def test_marks_a_mesh_of_an_earlier_version(tmp_path):
    var = make_mesh(tmp_path / "mesh", marked=False)
    write(var / "loyalty/loyalty.db")
    done = shell(var, "claim_mark; marked_cluster_id")
    assert done.stdout == CLUSTER and done.stderr == ""
    assert down(var, "--wipe").returncode == 0
    assert (var / "loyalty/loyalty.db").exists() and not (var / "order").exists()


def test_marks_a_mesh_whose_stores_are_all_in_their_logs(tmp_path):
    """As services leave them: a first page that is empty, and everything in the write-ahead log."""
    var = make_mesh(tmp_path / "mesh", marked=False)
    for name in OWNERS:
        database = var / name / f"{name}.db"
        (var / name / f"{name}.db-wal").write_bytes(b"\x37\x7f\x06\x82" + database.read_bytes())
        database.write_bytes(b"SQLite format 3\0".ljust(4096, b"\0"))
    assert shell(var, "claim_mark; marked_cluster_id").stdout == CLUSTER


def test_marks_a_mesh_once_its_services_have_taken_tasks(tmp_path):
    var = make_mesh(tmp_path / "mesh", marked=False)
    stores = {name: (var / name / f"{name}.db").read_bytes() for name in OWNERS}
    for name in OWNERS:
        (var / name / f"{name}.db").write_bytes(stores[name].replace(CLUSTER.encode(), b""))
    code = f'claim_mark; [[ ! -e "$VAR/tradewind.mesh" ]]; printf %s {CLUSTER} >>"$VAR/user/user.db"; mark_recognised; '
    assert shell(var, code + "marked_cluster_id").stdout == CLUSTER


def test_marks_no_mesh_of_another_program(tmp_path):
    var = make_mesh(tmp_path / "mesh", marked=False)
    for name in OWNERS:
        (var / name / f"{name}.db").write_bytes(b"TWND " + CLUSTER.encode())
    assert shell(var, "claim_mark; mark_recognised; marked_cluster_id").stdout == ""


def test_marks_no_mesh_whose_stores_belong_elsewhere(tmp_path):
    var = make_mesh(tmp_path / "mesh", marked=False)
    write(var / "kafka/data/meta.properties", f"cluster.id={'B' * 22}\n")
    # It starts all the same: what does not fit is the services' to say.
    assert shell(var, "claim_mark; mark_recognised").returncode == 0
    assert not (var / "tradewind.mesh").exists()
    assert down(var, "--wipe").returncode == 1


def test_names_missing_kafka_data(tmp_path):
    var = make_mesh(tmp_path / "mesh")
    shutil.rmtree(var / "kafka/data")
    done = shell(var, "claim_mark")
    assert done.returncode == 1 and f"{var}/kafka/data is missing" in done.stderr
    assert down(var, "--wipe").returncode == 0 and not var.exists()


# ---- the master key ----


@pytest.mark.parametrize("key", [None, "", "\n", KEY[:20], "not a key at all\n"])
def test_asks_for_the_key_of_a_mesh_with_data(tmp_path, key):
    var = make_mesh(tmp_path / "mesh")
    (var / "seal.key").unlink()
    if key is not None:
        (var / "seal.key").write_text(key)
    done = shell(var, "need_seal_key")
    assert done.returncode == 1 and "bring back the one that this mesh was begun with" in done.stderr
    assert f"{var}/seal.key" in done.stderr and "urandom" not in done.stderr
    assert [path.read_text() for path in var.glob("*seal.key*")] == ([] if key is None else [key])


@pytest.mark.parametrize("kept", ["kafka/data", "order"])
def test_asks_for_the_key_while_anything_may_be_sealed(tmp_path, kept):
    var = make_mesh(tmp_path / "mesh")
    (var / "seal.key").unlink()
    for name in ("kafka", *OWNERS):
        if name != kept.partition("/")[0]:
            shutil.rmtree(var / name)
    assert shell(var, "need_seal_key").returncode == 1


@pytest.mark.parametrize("key", [None, ""])
def test_makes_a_key_for_a_mesh_without_data(tmp_path, key):
    if key is not None:
        (tmp_path / "seal.key").write_text(key)
    done = shell(tmp_path, "umask 000; need_seal_key")
    assert done.returncode == 0, done.stderr
    # The second says that no erasure of this mesh was ever written without a proof.
    assert everything(tmp_path) == ["seal.key", "seal.signed"]
    assert (tmp_path / "seal.key").stat().st_mode & 0o777 == 0o600
    made = (tmp_path / "seal.key").read_text()
    assert shell(tmp_path, "need_seal_key").returncode == 0
    assert (tmp_path / "seal.key").read_text() == made


@pytest.mark.parametrize("key", [KEY, KEY.rstrip("="), f"\n {KEY.replace('+', '-')} comment\n"])
def test_takes_a_key_as_the_services_do(tmp_path, key):
    var = make_mesh(tmp_path / "mesh")
    (var / "seal.key").write_text(key)
    assert shell(var, "need_seal_key").returncode == 0
    assert (var / "seal.key").read_text() == key


def test_overwrites_no_key_that_somebody_mistyped(tmp_path):
    (tmp_path / "seal.key").write_text(KEY[:30])
    done = shell(tmp_path, "need_seal_key")
    assert done.returncode == 1 and "remove the file" in done.stderr
    assert (tmp_path / "seal.key").read_text() == KEY[:30]


@pytest.mark.parametrize("whose", ["made", "brought", "elsewhere"])
def test_a_new_mesh_requires_signed_erasures_whoever_made_its_key(tmp_path, whose):
    var = tmp_path / "mesh"
    var.mkdir()
    env = {}
    if whose == "brought":
        write(var / "seal.key", KEY)
    elif whose == "elsewhere":
        env["TRADEWIND_SEAL_KEY_FILE"] = str(write(tmp_path / "key", KEY))
    command = 'need_seal_key; service_command user; printf "%s\\n" "${COMMAND[@]}"'
    done = shell(var, command, **env)
    assert done.returncode == 0, done.stderr
    assert "--seal.require_signed_erasures=true" in done.stdout.splitlines()
    assert ("--seal.key_file" in done.stdout) == (whose != "elsewhere")
    # What the environment says counts.
    done = shell(var, command, **env, TRADEWIND_SEAL_REQUIRE_SIGNED_ERASURES="false")
    assert done.returncode == 0 and "require_signed" not in done.stdout


def test_a_mesh_of_before_takes_unsigned_erasures_wherever_its_key_is(tmp_path):
    var = make_mesh(tmp_path / "mesh")
    for key in ("", str(write(tmp_path / "key", KEY))):
        done = shell(var, "need_seal_key; service_command user; echo ${COMMAND[@]}", TRADEWIND_SEAL_KEY_FILE=key)
        assert done.returncode == 0 and "require_signed" not in done.stdout, done.stderr
    assert not (var / "seal.signed").exists()


# ---- the master key in containers ----


COMPOSE = yaml.safe_load((TREE / "docker-compose.yml").read_text())["services"]
SEALING = [name for name, service in COMPOSE.items() if "TRADEWIND_SEAL_KEY_FILE" in service.get("environment", {})]


def in_container(name, folder, *command, **env):
    """Runs what service `name` of docker-compose.yml does, or `command` in its place, on the keys in `folder`."""
    service = COMPOSE[name]
    words = [*service.get("entrypoint", []), *(command or service["command"])]
    words = [word.replace("$$", "$").replace("/etc/tradewind/seal", str(folder)) for word in words]
    return run(*words, cwd=folder, env=env)


def required_by(name, folder, **env):
    done = in_container(name, folder, "printenv", "TRADEWIND_SEAL_REQUIRE_SIGNED_ERASURES", **env)
    return done.stdout.strip()


def test_containers_make_a_key_once(tmp_path):
    assert in_container("seal-key", tmp_path).returncode == 0
    key = tmp_path / "seal.key"
    made = key.read_text()
    assert len(base64.b64decode(made)) == 32 and key.stat().st_mode & 0o777 == 0o600
    assert in_container("seal-key", tmp_path).returncode == 0 and key.read_text() == made
    assert sorted(SEALING) == sorted(["gateway", "notification", "payment", "user"])
    for name in SEALING:
        assert required_by(name, tmp_path) == "true"
        assert required_by(name, tmp_path, TRADEWIND_SEAL_REQUIRE_SIGNED_ERASURES="false") == "false"


def test_containers_ask_back_an_empty_key(tmp_path):
    assert in_container("seal-key", tmp_path).returncode == 0
    key = tmp_path / "seal.key"
    made = key.read_text()
    key.write_text("")
    done = in_container("seal-key", tmp_path)
    assert done.returncode == 1 and "bring back the one that this mesh was begun with" in done.stderr
    assert key.read_text() == "" and everything(tmp_path) == ["seal.key", "seal.signed"]
    key.write_text(made)
    assert in_container("seal-key", tmp_path).returncode == 0 and required_by("user", tmp_path) == "true"


def test_containers_of_before_take_unsigned_erasures(tmp_path):
    key = write(tmp_path / "seal.key", KEY)
    assert in_container("seal-key", tmp_path).returncode == 0
    assert key.read_text() == KEY and required_by("gateway", tmp_path) == ""
    # Of a mesh of before whose key was lost for a while, and replaced.
    key.unlink()
    assert in_container("seal-key", tmp_path).returncode == 0 and required_by("user", tmp_path) == "true"
    key.write_text(KEY)
    assert in_container("seal-key", tmp_path).returncode == 0 and required_by("user", tmp_path) == ""


# ---- Kafka and PostgreSQL by hand ----


def test_says_nothing_of_a_process_that_has_gone(tmp_path):
    process = subprocess.Popen(["true"])
    process.wait()
    for script, part in (("kafka/broker", "kafka"), ("postgres/server", "postgres")):
        write(tmp_path / f"{part}.pid", f"{process.pid}\n")
        done = run(TREE / "deploy" / script, "status", "--dir", tmp_path)
        assert done.returncode == 3 and done.stderr == ""


@pytest.mark.parametrize(
    "script, options", [("kafka/broker", ["--fresh"]), ("postgres/server", []), ("postgres/server", ["--fresh"])]
)
def test_removes_no_data_that_it_did_not_make(tmp_path, script, options):
    precious = write(tmp_path / "data/precious.txt", "mine")
    done = run(TREE / "deploy" / script, "start", "--dir", tmp_path, "--port", "1", *options)
    assert done.returncode == 1 and f"{tmp_path}/data is no data of" in done.stderr
    assert precious.read_text() == "mine"


def test_fetches_kafka_into_no_folder_of_others(tmp_path):
    precious = write(tmp_path / "precious.jar", "mine")
    (tmp_path / "bin").mkdir()
    write(tmp_path / "bin/mvn", "#!/bin/sh\nexit 0\n").chmod(0o755)
    path = f"{tmp_path / 'bin'}:{os.environ['PATH']}"
    done = run(TREE / "deploy/kafka/broker", "fetch", "--libs", tmp_path, env={"PATH": path})
    assert done.returncode == 1 and "did not put there" in done.stderr
    assert precious.read_text() == "mine"
    assert run(TREE / "deploy/kafka/broker", "fetch", "--libs", "").returncode == 1


# ---- ports, and what a person pastes ----


def test_names_a_port_that_an_outgoing_connection_has(tmp_path):
    with socket.socket() as server, socket.socket() as client, socket.socket() as other:
        server.bind(("127.0.0.1", 0))
        server.listen()
        client.connect(server.getsockname())
        port = client.getsockname()[1]
        done = shell(tmp_path, "PORT_SECONDS=0; ports_free ORDER", TRADEWIND_PORT_ORDER=str(port))
        assert done.returncode == 1
        assert f"port {port} is held by an outgoing connection" in done.stderr and "TRADEWIND_PORT_ORDER" in done.stderr
        assert "ip_local_reserved_ports" in done.stderr
        other.bind(("127.0.0.1", 0))
        free = other.getsockname()[1]
    done = shell(tmp_path, "PORT_SECONDS=0; ports_free ORDER", TRADEWIND_PORT_ORDER=str(free))
    assert done.returncode == 0, done.stderr


def test_sees_a_connection_in_either_table(tmp_path):
    """Tables as of a port 50053 (C385): state 01 is a connection, 06 its last wait, 0A a listener; then who owns it, an inode."""
    row = "   1: {place}:C385 0100007F:0016 {state} 00000000:00000000 00:00000000 00000000     0        0 {inode} 1"
    every, loopback, mapped = "0" * 8, "0100007F", "0" * 16 + "FFFF00000100007F"
    for place in (every, loopback, "0" * 32, mapped):
        for state, inode, held in (("01", 7, True), ("02", 7, True), ("06", 0, False), ("0A", 7, False), ("05", 0, False)):
            table = row.format(place=place, state=state, inode=inode)
            done = shell(tmp_path, f"held_by_connection 50053 <<<'{table}'")
            assert done.returncode == (0 if held else 1), f"{table}: {done.stderr}"
    elsewhere = row.format(place="0A00000A", state="01", inode=7)
    assert shell(tmp_path, f"held_by_connection 50053 <<<'{elsewhere}'").returncode == 1
    assert shell(tmp_path, f"held_by_connection 50054 <<<'{elsewhere}'").returncode == 1


def test_waits_for_a_port_that_an_outgoing_connection_gives_back(tmp_path):
    with socket.socket() as server:
        server.bind(("127.0.0.1", 0))
        server.listen()
        client = socket.socket()
        client.connect(server.getsockname())
        port = client.getsockname()[1]
        waiting = subprocess.Popen(
            shell_command(tmp_path, "ports_free ORDER"),
            env={**os.environ, "TRADEWIND_PORT_ORDER": str(port)},
            stdout=subprocess.PIPE,
            text=True,
        )
        assert "waiting for port" in waiting.stdout.readline()
        client.close()
        assert waiting.wait(timeout=30) == 0
        waiting.stdout.close()


@pytest.mark.parametrize("lost", ["", "sqlit", None])
@pytest.mark.parametrize("kind", ["sqlite", "postgres"])
def test_tells_the_kind_of_store_though_its_name_is_lost(tmp_path, kind, lost):
    var = make_mesh(tmp_path / "mesh")
    if kind == "postgres":
        write(var / "postgres/data/PG_VERSION", "15\n")
    if lost is None:
        (var / "run/store").unlink()
    else:
        write(var / "run/store", lost)
    assert shell(var, 'printf "%s" "$STORE"').stdout == kind


def test_writes_settings_that_the_operators_command_can_read(tmp_path):
    var = make_mesh(tmp_path / ODD_NAME)
    assert shell(var, "write_cli_settings").returncode == 0
    assert yaml.safe_load((var / "cli.yaml").read_text())["seal"]["key_file"] == str(var / "seal.key")
    shown = run(BIN / "tradewind", "status", "--print-config", "--config", var / "cli.yaml")
    assert yaml.safe_load(shown.stdout)["seal"]["key_file"] == str(var / "seal.key")


def test_prints_options_that_can_be_pasted(tmp_path):
    var = tmp_path / "it's a $mesh"
    shown = shell(var, "options_shown").stdout
    assert run("bash", "-c", f'printf "%s\\n"{shown}').stdout.splitlines() == ["--var", str(var)]
