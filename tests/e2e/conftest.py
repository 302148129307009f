"""One system for all tests of this folder, brought up by deploy/up as a person would."""

import pytest

from support.client import Client, stock_shop
from support.mesh import E2E_OFFSET, SECOND_OFFSET, Mesh, processes_naming


@pytest.fixture(scope="session")
def first_up(tmp_path_factory):
    """The mesh, and what deploy/up printed when it started it."""
    mesh = Mesh(tmp_path_factory.mktemp("mesh"), E2E_OFFSET)
    try:
        said = mesh.up()
        stock_shop(mesh.address("gateway"))
        yield mesh, said
    finally:
        mesh.down()
    # Also what every other test left must be gone by now.
    assert processes_naming(str(mesh.var)) == []


@pytest.fixture(scope="session")
def mesh(first_up):
    return first_up[0]


@pytest.fixture
def client(mesh):
    client = Client(mesh.address("gateway"))
    yield client
    client.close()


@pytest.fixture
def second_mesh(tmp_path):
    """A mesh that the test itself starts, beside the other one; there is nothing to buy in it."""
    mesh = Mesh(tmp_path / "mesh", SECOND_OFFSET)
    yield mesh
    mesh.down()
    assert processes_naming(str(mesh.var)) == []
