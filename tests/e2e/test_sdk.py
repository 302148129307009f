"""Services of one's own: made by `tradewind new`, built outside the tree against an installed Tradewind, and the examples;
each started beside the running system, which knows nothing of it."""

import contextlib
import re
import shutil
import signal
import subprocess
import sys
import time

import grpc
import pytest

from support.client import Client, Problem, order_request
from support.kafka import cloud_event_headers, kcat
from support.mesh import BIN, OWNERS, TREE, answers_as_healthy, routes, wait_until

BUILD = TREE / "build"
EXAMPLES = BUILD / "examples"
# Of what is started here; free on every machine that can run the other tests.
SERVICE, SERVICE_METRICS, GATEWAY = (f"127.0.0.1:{port}" for port in (30101, 30102, 30103))
# From typing `new subscriber` to the first event handled.
MOST_SECONDS = 120


def run(command, cwd, timeout=600):
    """Returns what it printed. `command`: a list, or a line for the shell."""
    done = subprocess.run(
        command,
        shell=isinstance(command, str),
        cwd=cwd,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        stdin=subprocess.DEVNULL,
        text=True,
        timeout=timeout,
    )
    assert done.returncode == 0, f"{command}\n{done.stdout}"
    return done.stdout


@contextlib.contextmanager
def running(command, log, cwd=None):
    """The program while the block runs; ends it with SIGTERM, and it must end well. Yields what it has printed so far."""
    with log.open("wb") as output:
        process = subprocess.Popen(
            [str(word) for word in command], cwd=cwd, stdin=subprocess.DEVNULL, stdout=output, stderr=subprocess.STDOUT
        )
    try:
        yield lambda: log.read_text(errors="replace")
    except BaseException:
        print(f"{command[0]} printed:\n{log.read_text(errors='replace')[-4000:]}")
        raise
    finally:
        process.send_signal(signal.SIGTERM)
        try:
            code = process.wait(timeout=60)
        except subprocess.TimeoutExpired:
            process.kill()
            raise
    assert code == 0, log.read_text(errors="replace")[-4000:]


def healthy(command):
    wait_until(lambda: answers_as_healthy([str(word) for word in command]), 30, f"{command[0]} to be healthy")


def commands_of(readme):
    """The lines of the first block: how the folder is built and tested."""
    return re.search(r"^```\n(.*?)^```$", readme.read_text(), re.MULTILINE | re.DOTALL)[1].splitlines()


@pytest.fixture(scope="module")
def installed(tmp_path_factory):
    prefix = tmp_path_factory.mktemp("installed")
    run(["cmake", "--install", BUILD, "--prefix", prefix], TREE)
    return prefix


def test_the_installation_refers_to_nothing_in_the_tree(installed):
    for path in (installed / "lib/cmake").rglob("*.cmake"):
        assert str(TREE) not in path.read_text(), path


# ---- what `tradewind new` makes --------------------------------------------------------------------------------------


def test_a_new_subscriber_handles_an_event_within_two_minutes(mesh, client, installed, tmp_path, monkeypatch):
    order = client.confirmed_order(order_request(client.new_user()))
    # As on a machine that has never compiled it.
    monkeypatch.setenv("CCACHE_DISABLE", "1")
    typed = time.monotonic()
    run([installed / "bin/tradewind", "new", "subscriber", "points", "--on", "order.v1.OrderConfirmed"], tmp_path)
    folder = tmp_path / "points"
    said = [run(command, folder) for command in commands_of(folder / "README.md")]
    assert "100% tests passed, 0 tests failed out of 1" in said[-1]
    built = time.monotonic()
    command = ["build/bin/tradewind-points", "--config", "config.yaml", f"--kafka.brokers={mesh.address('kafka')}"]
    with running(command, tmp_path / "log", cwd=folder) as printed:
        expected = f"points: OrderConfirmed 1 of {order['id']}"
        wait_until(lambda: expected in printed(), 30, expected)
        handled = time.monotonic()
        assert answers_as_healthy([str(folder / command[0]), "--config", str(folder / "config.yaml")])
    print(f"new subscriber to first event: {handled - typed:.1f} s, {built - typed:.1f} s of it building and testing")
    assert handled - typed < MOST_SECONDS
    check_compose(folder)


def test_a_new_service_is_called_through_the_gateway(mesh, installed, tmp_path):
    run([installed / "bin/tradewind", "new", "service", "wish_list"], tmp_path)
    folder = tmp_path / "wish_list"
    said = [run(command, folder) for command in commands_of(folder / "README.md")]
    assert "100% tests passed, 0 tests failed out of 1" in said[-1]
    broker = f"--kafka.brokers={mesh.address('kafka')}"
    service = ["build/bin/tradewind-wish_list", "--config", "config.yaml", broker]
    gateway = [installed / "bin/tradewind-gateway", "--config", "gateway.yaml", broker]
    gateway += [f"--grpc.address={GATEWAY}", "--metrics.address=", f"--seal.key_file={mesh.seal_key}"]
    with running(service, tmp_path / "service.log", cwd=folder):
        with running(gateway, tmp_path / "gateway.log", cwd=folder), contextlib.closing(Client(GATEWAY)) as client:
            healthy([gateway[0], f"--grpc.address={GATEWAY}"])
            name = "wish_list.v1.WishListService"
            made = client.call(name, "CreateWishList", {"title": "birthday"}, timeout=20)
            assert client.call(name, "GetWishList", {"id": made["id"]}) == made
            with pytest.raises(grpc.RpcError) as caught:
                client.call(name, "CreateWishList", {"title": ""})
            assert Problem(caught.value).reason == "INVALID_FIELD"
    descriptors = folder / "build/share/tradewind/wish_list.binpb"
    tail = mesh.cli("tail", "wish_list.events.v1", "--until-end", f"--cli.descriptors={descriptors}")
    assert "WishListCreated" in tail and "birthday" in tail
    check_compose(folder)


def check_compose(folder):
    """docker-compose takes the entry beside the file of the tree."""
    if shutil.which("docker-compose") is None:
        return
    files = ["-f", TREE / "docker-compose.yml", "-f", folder / "compose.yaml"]
    assert f"tradewind-{folder.name}" in run(["docker-compose", *files, "config"], TREE)


def test_a_new_service_in_the_tree_needs_no_other_file_edited(tmp_path):
    """A copy of the tree's build files with nothing in services but what is new there."""
    tree = tmp_path / "tree"
    (tree / "services").mkdir(parents=True)
    for name in ("CMakeLists.txt", "CMakePresets.json", "cmake", "common", "proto", "third_party", "deploy", "LICENSE"):
        (tree / name).symlink_to(TREE / name)
    (tree / "services/CMakeLists.txt").symlink_to(TREE / "services/CMakeLists.txt")
    run([BIN / "tradewind", "new", "service", "wish_list", "--into", "services"], tree)
    run([BIN / "tradewind", "new", "subscriber", "points", "--on", "OrderConfirmed", "--into", "services"], tree)
    options = ["-G", "Ninja", "-DTRADEWIND_TESTS=OFF", "-DTRADEWIND_BENCHMARKS=OFF"]
    run(["cmake", "-S", tree, "-B", tmp_path / "build", *options], tmp_path)
    targets = run(["ninja", "-C", tmp_path / "build", "-t", "targets", "all"], tmp_path).splitlines()
    for target in ("bin/tradewind-wish_list: ", "bin/tradewind-points: ", "share/tradewind/wish_list.binpb: "):
        assert any(line.startswith(target) for line in targets), target


def test_what_cannot_be_made_is_refused_in_one_line(tmp_path):
    def refusal(*words):
        done = subprocess.run([BIN / "tradewind", "new", *words], cwd=tmp_path, capture_output=True, text=True, timeout=60)
        assert done.returncode == 2 and done.stderr.count("\n") == 1, done.stderr
        return done.stderr

    assert "did you mean order.v1.OrderConfirmed" in refusal("subscriber", "points", "--on", "order.v1.OrderConfirmd")
    assert "'order' already" in refusal("service", "order")
    assert "lower-case letters" in refusal("service", "WishList")
    (tmp_path / "points").mkdir()
    assert "is there already" in refusal("subscriber", "points", "--on", "OrderConfirmed")
    assert list(tmp_path.iterdir()) == [tmp_path / "points"]


# ---- the examples (loyalty is run by test_events.py, the effect by test_effects.py) ----------------------------------


@contextlib.contextmanager
def example(mesh, name, service, folder):
    """A client of a gateway that serves this example too."""
    broker = f"--kafka.brokers={mesh.address('kafka')}"
    command = [EXAMPLES / f"bin/tradewind-{name}", broker, f"--store.directory={folder / 'store'}"]
    command += [f"--grpc.address={SERVICE}", f"--metrics.address={SERVICE_METRICS}"]
    owners = routes({owner: mesh.address(owner) for owner in OWNERS})
    gateway = [BIN / "tradewind-gateway", broker, f"--grpc.address={GATEWAY}", "--metrics.address="]
    gateway += [f"--seal.key_file={mesh.seal_key}"]
    gateway += [f"--gateway.descriptors={EXAMPLES / f'share/{name}.binpb'}"]
    gateway += [f"--gateway.services={owners},{service}={SERVICE}"]
    with running(command, folder / "service.log"):
        healthy(command)
        with running(gateway, folder / "gateway.log"), contextlib.closing(Client(GATEWAY)) as client:
            healthy(gateway)
            yield client


def test_the_decider_answers_commands_through_the_gateway(mesh, tmp_path):
    cards = "gift_card.v1.GiftCardService"
    with example(mesh, "gift_card", cards, tmp_path) as client:
        card = client.call(cards, "IssueGiftCard", {"amount": "500"}, timeout=20)
        assert card["balance"] == "500"
        repeated = {"id": card["id"], "amount": "300", "request_id": "6f0bd8a3-7d0b-4a55-9c38-d4b2f6f9a001"}
        assert client.call(cards, "RedeemGiftCard", repeated)["balance"] == "200"
        assert client.call(cards, "RedeemGiftCard", repeated)["balance"] == "200"
        assert client.call(cards, "GetGiftCard", {"id": card["id"]})["balance"] == "200"
        with pytest.raises(grpc.RpcError) as caught:
            client.call(cards, "RedeemGiftCard", {"id": card["id"], "amount": "201"})
        assert Problem(caught.value).reason == "BALANCE_TOO_LOW"
        assert Problem(caught.value).metadata == {"balance": "200"}


def test_the_projection_answers_queries_through_the_gateway(mesh, client, tmp_path):
    demand = "demand.v1.DemandService"
    product = client.create_product()["id"]
    for quantity in (3, 4):
        client.confirmed_order(order_request(client.new_user(), product=product, quantity=quantity))
    expected = {"product_id": product, "orders": "2", "pieces": "7"}
    with example(mesh, "demand", demand, tmp_path) as reader:

        def shown():
            try:
                return reader.call(demand, "GetProductDemand", {"product_id": product})
            except grpc.RpcError as error:
                assert Problem(error).reason == "PRODUCT_DEMAND_NOT_FOUND", Problem(error)
                return None

        wait_until(lambda: shown() == expected, 30, str(expected))
        listed = reader.all_pages(demand, "ListProductDemands", "product_demands")
        assert expected in listed
        pieces = [int(item["pieces"]) for item in listed]
        assert pieces == sorted(pieces, reverse=True)


@pytest.mark.parametrize("protos", ["tree", "installed"])
def test_python_subscribes_with_kafka_and_the_protos(mesh, client, installed, tmp_path, protos):
    folder = TREE / "proto" if protos == "tree" else installed / "share/tradewind/proto"
    # Names of headers that are not UTF-8, as often as it takes until Python runs the call for them by its fast path.
    headers = {**cloud_event_headers("ext.Unknown", "x"), "\udcff\udcfe": "1"}
    arguments = [part for name, value in headers.items() for part in ("-H", f"{name}={value}")]
    kcat(mesh.address("kafka"), "-P", "-t", "order.events.v1", "-p", "0", *arguments, stdin=b"x\n" * 30)
    orders = [client.confirmed_order(order_request(client.new_user(), quantity=quantity)) for quantity in (1, 2, 3)]
    command = [sys.executable, TREE / "examples/python/subscribe.py", "--brokers", mesh.address("kafka")]
    command += ["--protos", folder, "--group", f"python_{protos}"]
    lines = [f"order {order['id']} of {order['user_id']}: {4 * (i + 1)} EUR\n" for i, order in enumerate(orders)]
    with running(command, tmp_path / "first.log") as printed:
        wait_until(lambda: all(line in printed() for line in lines), 30, "the orders so far")
    assert all(printed().count(line) == 1 for line in lines)

    # It goes on behind what it committed.
    last = client.confirmed_order(order_request(client.new_user()))
    with running(command, tmp_path / "second.log") as printed:
        wait_until(lambda: last["id"] in printed(), 30, "the order since then")
    assert not any(line in printed() for line in lines)
