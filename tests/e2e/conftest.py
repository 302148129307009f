"""One system for all tests of this folder, brought up by deploy/up as a person would."""

import ssl
import subprocess

import pytest

from support.client import Client, stock_shop
from support.mesh import E2E_OFFSET, SECOND_OFFSET, Mesh, taken_down


@pytest.fixture(scope="session")
def first_up(tmp_path_factory):
    """The mesh, and what deploy/up printed when it started it."""
    # Also what every other test left must be gone by then.
    with taken_down(Mesh(tmp_path_factory.mktemp("mesh"), E2E_OFFSET)) as mesh:
        said = mesh.up()
        stock_shop(mesh.address("gateway"))
        yield mesh, said


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
    """A mesh that the test itself starts, beside the other one; there is nothing to buy in it. Its folder has a name that
    nothing may take for more than a name."""
    with taken_down(Mesh(tmp_path / 'ü & "a", \\b|c[d]', SECOND_OFFSET)) as mesh:
        yield mesh


@pytest.fixture(scope="session")
def certificate(tmp_path_factory):
    """A folder with cert.pem and key.pem of a server on this machine, for whoever is told to trust it."""
    folder = tmp_path_factory.mktemp("certificate")
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=localhost"]
        + ["-addext", "subjectAltName=DNS:localhost,IP:127.0.0.1"]
        + ["-keyout", folder / "key.pem", "-out", folder / "cert.pem"],
        check=True,
        capture_output=True,
    )
    return folder


@pytest.fixture(scope="session")
def tls(certificate):
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate / "cert.pem", certificate / "key.pem")
    return context
