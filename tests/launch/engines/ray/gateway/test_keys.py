from __future__ import annotations

import contextlib
import pickle
import socket
import ssl
import threading
from collections.abc import Iterator

import pytest

from quinoa.launch.engines.ray.gateway.keys import HostKeys, RunKeys
from tests.launch.helpers import descriptors, descriptors_are_back_at


@pytest.fixture(scope="module")
def run() -> RunKeys:
    return RunKeys.make()


def unlike(run: RunKeys, *, certificate_of: RunKeys) -> HostKeys:
    """Keys that trust one run, and have a certificate of another."""
    trusts, has = run.for_host("10.0.0.2"), certificate_of.for_host("10.0.0.2")
    return HostKeys(has.name, trusts.authority, has.certificate, has.private_key)


@contextlib.contextmanager
def accepting(context: ssl.SSLContext) -> Iterator[tuple[socket.socket, list[object]]]:
    """The other end of a socket that a thread accepts TLS at, and what came of that."""
    ours, theirs = socket.socketpair()
    came: list[object] = []

    def accept() -> None:
        try:
            with context.wrap_socket(theirs, server_side=True) as tls:
                came.append(tls.version())
                came.append(tls.recv(16))
        except OSError as error:
            came.append(error)

    thread = threading.Thread(target=accept)
    thread.start()
    ours.settimeout(10.0)
    with ours:
        yield ours, came
        ours.close()
        thread.join(10.0)
    theirs.close()


def handshake(accepts: HostKeys, connects: ssl.SSLContext, name: str) -> list[object]:
    with (
        accepting(accepts.accepting_context()) as (ours, came),
        contextlib.suppress(OSError),
        connects.wrap_socket(ours, server_hostname=name) as tls,
    ):
        tls.sendall(b"hello")
    return came


@pytest.mark.parametrize("name", ["10.0.0.1", "fd00::1", "node-1.cluster.example"])
def test_hosts_of_a_run_accept_one_another(run, name):
    came = handshake(run.for_host(name), run.for_host("10.0.0.2").connecting_context(), name)
    assert came == ["TLSv1.3", b"hello"]


def test_a_host_that_has_another_name_than_the_one_called_is_refused(run):
    context = run.for_host("10.0.0.2").connecting_context()
    with accepting(run.for_host("10.0.0.1").accepting_context()) as (ours, came):
        with pytest.raises(ssl.SSLCertVerificationError, match="IP address mismatch"):
            context.wrap_socket(ours, server_hostname="10.0.0.3")
        del came


def test_a_key_of_another_run_is_refused(run):
    stranger = unlike(run, certificate_of=RunKeys.make())
    (came,) = handshake(run.for_host("10.0.0.1"), stranger.connecting_context(), "10.0.0.1")
    assert isinstance(came, ssl.SSLCertVerificationError)


def test_nobody_without_a_key_is_accepted(run):
    keyless = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    keyless.load_verify_locations(cadata=run.for_host("10.0.0.1").authority)
    (came,) = handshake(run.for_host("10.0.0.1"), keyless, "10.0.0.1")
    assert isinstance(came, ssl.SSLError)
    assert came.reason == "PEER_DID_NOT_RETURN_A_CERTIFICATE"


def test_a_host_cannot_sign_keys_itself(run):
    from cryptography import x509

    certificate = x509.load_pem_x509_certificate(run.for_host("10.0.0.1").certificate.encode())
    assert not certificate.extensions.get_extension_for_class(x509.BasicConstraints).value.ca
    usage = certificate.extensions.get_extension_for_class(x509.KeyUsage).value
    assert not usage.key_cert_sign


def test_older_versions_of_tls_are_refused(run):
    context = run.for_host("10.0.0.2").connecting_context()
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.maximum_version = ssl.TLSVersion.TLSv1_2
    (came,) = handshake(run.for_host("10.0.0.1"), context, "10.0.0.1")
    assert isinstance(came, ssl.SSLError)
    assert came.reason == "UNSUPPORTED_PROTOCOL"


def test_keys_of_a_host_travel_and_are_not_shown(run):
    keys = run.for_host("10.0.0.1")
    assert pickle.loads(pickle.dumps(keys)) == keys
    assert repr(keys) == "HostKeys(name='10.0.0.1')"
    assert "PRIVATE KEY" in keys.private_key
    assert "PRIVATE KEY" not in repr(run)


def test_the_key_of_the_authority_does_not_travel(run):
    with pytest.raises(TypeError):
        pickle.dumps(run)


def test_nothing_stays_open_and_no_file_has_a_key(run, tmp_path, monkeypatch):
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    before = descriptors()
    run.for_host("10.0.0.1").accepting_context()
    assert descriptors_are_back_at(before)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("name", ["", "a b", "10.0.0.1:80", "*.example", "host..example"])
def test_what_is_no_name_of_a_host_is_an_error(run, name):
    with pytest.raises(ValueError, match="neither an IP address nor a host's name"):
        run.for_host(name)
