"""A system that may be killed."""

import pytest

from support.client import Client
from support.mesh import CHAOS_OFFSET, Mesh, processes_naming


@pytest.fixture
def mesh(tmp_path):
    mesh = Mesh(tmp_path / "mesh", CHAOS_OFFSET)
    try:
        mesh.up()
        yield mesh
    finally:
        mesh.down()
    assert processes_naming(str(mesh.var)) == []


@pytest.fixture
def client(mesh):
    client = Client(mesh.address("gateway"))
    yield client
    client.close()
