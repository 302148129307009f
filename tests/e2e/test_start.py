"""How processes start, and what they say when they cannot."""

import base64
import os
import shutil
import signal
import socket
import struct
import subprocess
import tempfile
import time
from pathlib import Path

import pytest

from support.client import Client, order_request, stock_shop
from support.mesh import (
    BIN,
    KEY_HOLDERS,
    OWNERS,
    SECOND_OFFSET,
    SERVICES,
    TREE,
    process_is_running,
    processes_naming,
    quoted,
    wait_until,
)


def run(command):
    return subprocess.run(command, capture_output=True, text=True, timeout=30, stdin=subprocess.DEVNULL)


def replace_option(command, option, value):
    kept = [argument for argument in command if not argument.startswith(f"--{option}=")]
    return [*kept, f"--{option}={value}"]


def refusal(command):
    """Runs what must refuse to start; returns the last line it said."""
    done = run(command)
    assert done.returncode not in (0, None), done.stdout + done.stderr
    lines = (done.stdout + done.stderr).strip().splitlines()
    assert lines, f"{command} said nothing"
    assert "terminate called" not in done.stderr and "Segmentation" not in done.stderr, done.stderr
    return lines[-1]


@pytest.mark.parametrize("name", SERVICES)
def test_a_taken_port_is_named(mesh, second_mesh, name):
    command = replace_option(mesh.command(name), "metrics.address", "")
    command = replace_option(command, "store.directory", second_mesh.var / name) if name != "gateway" else command
    said = refusal(command)
    assert "grpc.address" in said and mesh.address(name) in said


@pytest.mark.parametrize("name", SERVICES)
def test_a_taken_metrics_port_is_named(mesh, second_mesh, name):
    command = replace_option(mesh.command(name), "grpc.address", second_mesh.address(name))
    command = replace_option(command, "store.directory", second_mesh.var / name) if name != "gateway" else command
    said = refusal(command)
    assert "metrics.address" in said and mesh.metrics_address(name) in said


@pytest.mark.parametrize("name", OWNERS)
def test_a_data_folder_that_cannot_be_written_is_named(mesh, second_mesh, tmp_path, name):
    blocked = tmp_path / "a-file"
    blocked.write_text("in the way")
    second_mesh.make_seal_key()
    command = replace_option(second_mesh.command(name), "store.directory", blocked / "data")
    command = replace_option(command, "kafka.brokers", mesh.address("kafka"))
    said = refusal(command)
    assert "store.directory" in said or str(blocked) in said


def test_a_data_folder_in_use_is_named(mesh, second_mesh):
    command = replace_option(second_mesh.command("order"), "store.directory", mesh.var / "order")
    command = replace_option(command, "kafka.brokers", mesh.address("kafka"))
    assert str(mesh.var / "order") in refusal(command)


@pytest.mark.parametrize("name", SERVICES)
def test_a_bad_value_and_an_unknown_setting_are_named(name):
    program = BIN / f"tradewind-{name}"
    done = run([program, "--kafka.partitions=many"])
    assert done.returncode != 0 and len(done.stderr.strip().splitlines()) == 1
    assert "kafka.partitions" in done.stderr and "many" in done.stderr
    done = run([program, "--kafka.broker=127.0.0.1:9092"])
    assert done.returncode != 0 and len(done.stderr.strip().splitlines()) == 1
    assert "kafka.brokers" in done.stderr


# Of each form once; tradewind/net and tradewind/config have the tests of every one.
WRONG_ADDRESSES = {
    "grpc.address": "127.0.0.1:99999",
    "metrics.address": "127.0.0.1",
    "kafka.brokers": "127.0.0.1:9092,kafka:x",
}


@pytest.mark.parametrize("name", SERVICES)
def test_addresses_are_checked_with_the_settings(name):
    program = BIN / f"tradewind-{name}"
    for setting, value in WRONG_ADDRESSES.items():
        done = run([program, "--check-config", f"--{setting}={value}"])
        assert done.returncode != 0 and len(done.stderr.strip().splitlines()) == 1
        assert setting in done.stderr and value.split(",")[-1] in done.stderr and "write host:port" in done.stderr
    done = run([program, "--check-config", "--grpc.address=0.0.0.0:7000", "--metrics.address=127.0.0.1:7000"])
    assert done.returncode != 0
    assert "grpc.address" in done.stderr and "metrics.address" in done.stderr and "twice" in done.stderr
    assert run([program, "--check-config", "--grpc.address=localhost:7000", "--metrics.address="]).returncode == 0


def test_a_mail_server_is_checked_with_the_settings():
    program = BIN / "tradewind-notification"
    for url in ("smtp://mail.example.org:99999", "mail.example.org:25"):
        done = run([program, "--check-config", f"--notification.smtp_url={url}"])
        assert done.returncode == 2 and len(done.stderr.strip().splitlines()) == 1
        assert "notification.smtp_url" in done.stderr and url in done.stderr and "write smtp://host:port" in done.stderr


@pytest.mark.parametrize(
    "name, setting, then",
    [
        ("gateway", "grpc.address", "listening"),
        ("order", "metrics.address", "waiting for Kafka"),
        ("mailbox", "mailbox.address", "mails to"),
    ],
)
def test_a_port_that_an_outgoing_connection_has_is_waited_for(tmp_path, name, setting, then):
    with socket.socket() as server, socket.socket() as client:
        server.bind(("127.0.0.1", 0))
        server.listen()
        client.connect(server.getsockname())
        # Closed below without the last wait of a connection.
        client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        address = f"127.0.0.1:{client.getsockname()[1]}"
        command = [BIN / f"tradewind-{name}", f"--{setting}={address}"]
        if name == "mailbox":
            command.append(f"--mailbox.directory={tmp_path}")
        else:
            command += ["--metrics.address="] if setting != "metrics.address" else []
            command += ["--kafka.brokers=127.0.0.1:1", f"--store.directory={tmp_path}"]
        if name == "gateway":
            (tmp_path / "seal.key").write_text(base64.b64encode(os.urandom(32)).decode())
            command = [*command[:-1], f"--seal.key_file={tmp_path / 'seal.key'}", "--gateway.services=tradewind.order.v1.OrderService=127.0.0.1:1"]
        process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
        said = next(line for line in process.stderr if "waiting for the port" in line)
        assert address in said and setting in said and "takes ports for outgoing connections" in said
        client.close()
        assert any(then in line for line in process.stderr)
        process.send_signal(signal.SIGHUP)
        assert process.wait(timeout=30) == 0
        process.stderr.close()


@pytest.mark.parametrize("name", SERVICES)
def test_every_executable_explains_itself(name):
    program = BIN / f"tradewind-{name}"
    for option in ("--help", "--version", "--check-config", "--print-config"):
        done = run([program, option])
        assert done.returncode == 0, f"{option}: {done.stderr}"
    assert "--kafka.brokers" in run([program, "--help"]).stdout


def test_services_wait_for_kafka_and_say_so(second_mesh):
    processes = {}
    (second_mesh.var / "log").mkdir(parents=True)
    second_mesh.make_seal_key()
    try:
        for name in SERVICES:
            with (second_mesh.var / "log" / f"{name}.log").open("wb") as log:
                processes[name] = subprocess.Popen(
                    second_mesh.command(name), stdout=log, stderr=subprocess.STDOUT, stdin=subprocess.DEVNULL
                )
        for name in SERVICES:
            waits = [
                line
                for line in wait_until(
                    lambda: [line for line in second_mesh.log_lines(name) if "waiting for Kafka" in line["message"]],
                    20,
                    f"tradewind-{name} to say that it waits",
                )
            ]
            assert second_mesh.address("kafka") in str(waits[0])
            assert processes[name].poll() is None
            assert not second_mesh.is_healthy(name)
        second_mesh.kafka("start")
        for name in SERVICES:
            wait_until(lambda: second_mesh.is_healthy(name), 60, f"tradewind-{name} to be healthy once Kafka is there")
        stock_shop(second_mesh.address("gateway"))
        client = Client(second_mesh.address("gateway"))
        assert client.confirmed_order(order_request(client.new_user()))["state"] == "ORDER_STATE_CONFIRMED"
        client.close()
    finally:
        # As when the terminal goes away; deploy/down ends them by SIGTERM.
        for process in processes.values():
            process.send_signal(signal.SIGHUP)
        codes = {name: process.wait(timeout=60) for name, process in processes.items()}
    assert codes == dict.fromkeys(SERVICES, 0)
    for name in SERVICES:
        assert [line["message"] for line in second_mesh.log_lines(name)][-1] == "stopped"


def test_a_service_that_waits_for_kafka_ends_when_told(second_mesh):
    process = subprocess.Popen(second_mesh.command("order"), stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
    for line in process.stderr:
        if "waiting for Kafka" in line:
            break
    process.terminate()
    assert process.wait(timeout=30) == 0
    process.stderr.close()


def test_a_second_up_is_quick_refuses_a_third_and_brings_back_what_died(second_mesh):
    second_mesh.up()
    client = Client(second_mesh.address("gateway"))
    order = client.create_order(order_request(client.new_user()))
    client.close()
    again = run([TREE / "deploy/up", "--detach", "--var", second_mesh.var, "--port-offset", str(second_mesh.offset)])
    assert again.returncode != 0 and "already running" in again.stderr
    assert len(again.stderr.strip().splitlines()) == 1

    # As a full disk ends it: nobody restarts it, and the services live on.
    second_mesh.kafka("kill")
    pids = {name: second_mesh.pid(name) for name in SERVICES}
    options = ["--var", second_mesh.var, "--port-offset", str(second_mesh.offset)]
    # The service itself is well, and says so; what it needs is not.
    assert "Kafka does not run" in run([TREE / "deploy/service", "status", "order", *options]).stderr
    second_mesh.service("stop", "shipping")
    named = run([TREE / "deploy/service", "start", "shipping", *options])
    assert named.returncode == 1 and "Kafka does not run" in named.stderr
    assert f"deploy/service start kafka --var {quoted(second_mesh.var)} --port-offset {second_mesh.offset}" in named.stderr
    second_mesh.service("kill", "inventory")
    said = second_mesh.up()
    assert "running in part; not running: kafka inventory" in said and "DELIVERED" in said
    gone = ("shipping", "inventory")
    assert {name: second_mesh.pid(name) for name in SERVICES if name not in gone} == {
        name: pid for name, pid in pids.items() if name not in gone
    }
    second_mesh.service("stop", "kafka")
    assert run([TREE / "deploy/service", "status", "kafka", *options]).returncode == 3
    second_mesh.service("start", "kafka")
    second_mesh.down()

    begin = time.monotonic()
    second_mesh.up()
    took = time.monotonic() - begin
    print(f"\na second deploy/up took {took:.1f} s")
    # That it takes under ten is for tests/fresh/run to show, where no other mesh is running beside it.
    assert took < 30
    client = Client(second_mesh.address("gateway"))
    assert [found["id"] for found in client.orders_of(order["user_id"])] == [order["id"]]
    client.close()


def test_up_names_a_taken_port(mesh, second_mesh):
    done = run([TREE / "deploy/up", "--detach", "--var", second_mesh.var, "--port-offset", str(mesh.offset)])
    assert done.returncode != 0
    assert str(mesh.port("gateway")) in done.stderr and "TRADEWIND_PORT_GATEWAY" in done.stderr


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_build_ends_with_the_up_that_began_it(second_mesh, tmp_path, number):
    """It would go on, and keep the lock of the folder, so that nobody could start or wipe the mesh before it is done."""
    builder = tmp_path / "bin" / "ninja"
    builder.parent.mkdir()
    builder.write_text(f"#!/bin/sh\necho $$ >{tmp_path}/pid.new\nmv {tmp_path}/pid.new {tmp_path}/pid\nexec sleep 300\n")
    builder.chmod(0o755)
    options = ["--var", second_mesh.var, "--port-offset", str(second_mesh.offset)]
    environment = {**os.environ, "PATH": f"{builder.parent}:{os.environ['PATH']}"}
    up = subprocess.Popen([TREE / "deploy/up", *options], env=environment, stdin=subprocess.DEVNULL)
    wait_until((tmp_path / "pid").exists, 60, "the build to begin")
    building = int((tmp_path / "pid").read_text())
    up.send_signal(number)
    assert up.wait(timeout=30) == 128 + number
    wait_until(lambda: not process_is_running(building), 10, "the build to end")
    assert run(["flock", "--nonblock", second_mesh.var / "run/up.lock", "true"]).returncode == 0
    second_mesh.down("--wipe")


def test_up_ends_a_service_whose_record_is_lost(second_mesh):
    process = second_mesh.up_in_foreground()
    (second_mesh.var / "run/order.pid").write_text("")
    process.terminate()
    process.stdout.read()
    process.wait(timeout=60)
    assert processes_naming(str(second_mesh.var)) == []


def test_up_says_which_process_died(second_mesh):
    process = second_mesh.up_in_foreground()
    second_mesh.service("kill", "order")
    rest = process.stdout.read()
    assert process.wait(timeout=60) != 0
    assert "tradewind-order ended" in rest and "log/order.log" in rest


def test_up_says_that_kafka_ended_while_it_waits(second_mesh):
    options = ["--var", second_mesh.var, "--port-offset", str(second_mesh.offset)]
    process = subprocess.Popen(
        [TREE / "deploy/up", "--detach", *options],
        # So long a service that waits for Kafka takes to hear that it is to end.
        env={**os.environ, "TRADEWIND_KAFKA_REQUEST_TIMEOUT": "500ms"},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        stdin=subprocess.DEVNULL,
        text=True,
    )
    # The first service is started once Kafka answers, and none is healthy so soon.
    wait_until((second_mesh.var / "run/user.pid").exists, 60, "the first service")
    second_mesh.kafka("kill")
    said = process.communicate(timeout=120)[0]
    assert process.returncode == 1, said
    assert "Kafka does not run" in said
    assert f"deploy/service start kafka --var {quoted(second_mesh.var)} --port-offset {second_mesh.offset}" in said


def test_another_user_runs_a_built_tree_and_wipes():
    """In a copy of the tree that nobody can write, in a folder of that user's own."""
    folder = Path(tempfile.mkdtemp(prefix="tradewind-"))
    other = ["setpriv", "--reuid=nobody", "--regid=nogroup", "--clear-groups"] if os.geteuid() == 0 else []
    try:
        folder.chmod(0o755)
        tree, home = folder / "tree", folder / "home"
        for name in ("deploy", "build/bin", "build/share", "build/kafka/libs"):
            shutil.copytree(TREE / name, tree / name)
        shutil.copy(TREE / "build/build.ninja", tree / "build")
        run(["chmod", "-R", "a+rX,a-w", tree])
        home.mkdir()
        if other:
            shutil.chown(home, "nobody")
        before = sorted(path for path in tree.rglob("*"))
        command = [*other, tree / "deploy/up", "--detach", "--var", home / "mesh", "--port-offset", str(SECOND_OFFSET)]
        with (folder / "said").open("w+") as said:
            code = subprocess.run(command, stdout=said, stderr=said, stdin=subprocess.DEVNULL, timeout=300).returncode
            said.seek(0)
            text = said.read()
        wiped = run([*other, tree / "deploy/down", "--wipe", "--var", home / "mesh"])
        assert code == 0, text
        assert "taking what is built there as it is" in text and "DELIVERED" in text
        assert wiped.returncode == 0 and not (home / "mesh").exists(), wiped.stderr
        assert sorted(path for path in tree.rglob("*")) == before
        assert processes_naming(str(folder)) == []
    finally:
        run(["chmod", "-R", "u+w", folder])
        shutil.rmtree(folder)


def test_up_asks_back_an_empty_master_key(second_mesh):
    """Before anything is started; test_folder.py has every other case."""
    (second_mesh.var / "order").mkdir(parents=True)
    (second_mesh.var / "order/order.db").write_text("data")
    (second_mesh.var / "seal.key").touch()
    (second_mesh.var / "tradewind.mesh").write_text(f"Tradewind mesh, format 1\ncluster {'A' * 22}\n")
    done = run([TREE / "deploy/up", "--detach", "--var", second_mesh.var, "--port-offset", str(second_mesh.offset)])
    assert done.returncode == 1 and "bring back the one that this mesh was begun with" in done.stderr
    assert [path.name for path in second_mesh.var.glob("*seal.key*")] == ["seal.key"]
    assert (second_mesh.var / "seal.key").read_text() == ""


@pytest.mark.parametrize("name", KEY_HOLDERS)
def test_a_missing_master_key_is_named_with_the_way_to_make_one(second_mesh, name):
    said = refusal(second_mesh.command(name))
    assert "seal.key_file" in said and "head -c 32 /dev/urandom | base64" in said
