"""A system that may be killed."""

import os
import secrets

import pytest

from support.client import Client, stock_shop
from support.mesh import CHAOS_OFFSET, Mesh, taken_down


@pytest.fixture
def mesh(tmp_path):
    with taken_down(Mesh(tmp_path / "mesh", CHAOS_OFFSET)) as mesh:
        mesh.up()
        stock_shop(mesh.address("gateway"))
        yield mesh


@pytest.fixture
def client(mesh):
    client = Client(mesh.address("gateway"))
    yield client
    client.close()


@pytest.fixture
def chaos_minutes():
    """How long the chaos run takes."""
    return float(os.environ.get("TRADEWIND_CHAOS_MINUTES", "3"))


@pytest.fixture
def chaos_seed():
    """What its faults and calls are drawn from; printed, so that a run can be repeated."""
    return int(os.environ.get("TRADEWIND_CHAOS_SEED", secrets.randbelow(1_000_000)))
