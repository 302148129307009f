"""How processes start, and what they say when they cannot."""

import subprocess
import time

import pytest

from support.client import Client, order_request, stock_shop
from support.mesh import BIN, KEY_HOLDERS, OWNERS, SERVICES, TREE, wait_until


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
        for process in processes.values():
            process.terminate()
        codes = {name: process.wait(timeout=60) for name, process in processes.items()}
    assert codes == dict.fromkeys(SERVICES, 0)


def test_a_service_that_waits_for_kafka_ends_when_told(second_mesh):
    process = subprocess.Popen(second_mesh.command("order"), stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
    for line in process.stderr:
        if "waiting for Kafka" in line:
            break
    process.terminate()
    assert process.wait(timeout=30) == 0
    process.stderr.close()


def test_a_second_up_is_quick_and_refuses_a_third(second_mesh):
    second_mesh.up()
    client = Client(second_mesh.address("gateway"))
    order = client.create_order(order_request(client.new_user()))
    client.close()
    again = run([TREE / "deploy/up", "--detach", "--var", second_mesh.var, "--port-offset", str(second_mesh.offset)])
    assert again.returncode != 0 and "already running" in again.stderr
    assert len(again.stderr.strip().splitlines()) == 1
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


def test_up_says_which_process_died(second_mesh):
    process = second_mesh.up_in_foreground()
    second_mesh.service("kill", "order")
    rest = process.stdout.read()
    assert process.wait(timeout=60) != 0
    assert "tradewind-order ended" in rest and "log/order.log" in rest


def test_down_wipes_when_told(second_mesh):
    second_mesh.up()
    second_mesh.down("--wipe")
    assert not second_mesh.var.exists()


@pytest.mark.parametrize("name", KEY_HOLDERS)
def test_a_missing_master_key_is_named_with_the_way_to_make_one(second_mesh, name):
    said = refusal(second_mesh.command(name))
    assert "seal.key_file" in said and "head -c 32 /dev/urandom | base64" in said
