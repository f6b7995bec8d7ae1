"""Keys of one run: a certificate authority made for it, and what each host proves itself with.

The authority's private key exists only in the memory of the process that made it. Whoever has a key
that it signed is a host of the run; nobody else is, other runs' hosts included.
"""

from __future__ import annotations

import dataclasses
import datetime
import ipaddress
import os
import secrets
import ssl

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

# Longer than any run: an expired certificate would cut the run's hosts off from one another. A
# shorter time would protect little, as only this run's gateways trust the authority, and the keys
# end with them.
VALIDITY = datetime.timedelta(days=365)
# By how much the clock of another host may be behind the one on which the keys are made.
_CLOCK_SKEW = datetime.timedelta(days=1)


@dataclasses.dataclass(frozen=True)
class HostKeys:
    """What one host proves with that it belongs to the run; a secret of the run.

    It may be pickled. Its texts are in PEM form, and no `repr` has them.

    Attributes:
        name: the host's address or name, by which other hosts call it.
        authority: the certificate of the run's authority.
        certificate: the host's, signed by the authority.
        private_key: the host's, unencrypted.
    """

    name: str
    authority: str = dataclasses.field(repr=False)
    certificate: str = dataclasses.field(repr=False)
    private_key: str = dataclasses.field(repr=False)

    def accepting_context(self) -> ssl.SSLContext:
        """The TLS context for connections from other hosts of the run; it refuses all others."""
        context = self._context(ssl.PROTOCOL_TLS_SERVER)
        # A host of the run connects seldom: nothing is won by resuming sessions.
        context.num_tickets = 0
        return context

    def connecting_context(self) -> ssl.SSLContext:
        """The TLS context for connections to other hosts of the run.

        `wrap_socket` takes the other host's name as `server_hostname`, and its certificate must be
        for that name.
        """
        context = self._context(ssl.PROTOCOL_TLS_CLIENT)
        context.check_hostname = True
        return context

    def _context(self, protocol: ssl._SSLMethod) -> ssl.SSLContext:
        context = ssl.SSLContext(protocol)
        context.minimum_version = ssl.TLSVersion.TLSv1_3
        context.maximum_version = ssl.TLSVersion.TLSv1_3
        context.verify_mode = ssl.CERT_REQUIRED
        context.verify_flags |= ssl.VERIFY_X509_STRICT
        context.load_verify_locations(cadata=self.authority)
        # OpenSSL reads these from a file only. This one is in memory, and has no name.
        descriptor = os.memfd_create("quinoa-keys", os.MFD_CLOEXEC)
        try:
            os.write(descriptor, (self.certificate + self.private_key).encode())
            context.load_cert_chain(f"/proc/self/fd/{descriptor}")
        finally:
            os.close(descriptor)
        return context


class RunKeys:
    """The certificate authority of one run."""

    def __init__(self, certificate: x509.Certificate, private_key: ec.EllipticCurvePrivateKey):
        """Takes what `make` has made."""
        self._certificate = certificate
        self._private_key = private_key

    @classmethod
    def make(cls) -> RunKeys:
        """Makes an authority, unlike that of any other run."""
        private_key = ec.generate_private_key(ec.SECP256R1())
        name = _named(f"Quinoa run {secrets.token_hex(8)}")
        usage = _key_usage(key_cert_sign=True, crl_sign=True)
        certificate = (
            _begun(name, name, private_key.public_key())
            .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
            .add_extension(usage, critical=True)
            .sign(private_key, hashes.SHA256())
        )
        return cls(certificate, private_key)

    def for_host(self, name: str) -> HostKeys:
        """Makes the keys of a host, valid for a year.

        Args:
            name: the IP address or the DNS name by which other hosts call it.

        Raises:
            ValueError: it is no such name.
        """
        private_key = ec.generate_private_key(ec.SECP256R1())
        issuer = self._certificate.subject
        authority_key = self._private_key.public_key()
        certificate = (
            _begun(_named("Quinoa host"), issuer, private_key.public_key())
            .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
            .add_extension(_key_usage(digital_signature=True), critical=True)
            .add_extension(x509.SubjectAlternativeName([_general_name(name)]), critical=False)
            .add_extension(
                x509.ExtendedKeyUsage(
                    [ExtendedKeyUsageOID.SERVER_AUTH, ExtendedKeyUsageOID.CLIENT_AUTH]
                ),
                critical=False,
            )
            .add_extension(
                x509.AuthorityKeyIdentifier.from_issuer_public_key(authority_key), critical=False
            )
            .sign(self._private_key, hashes.SHA256())
        )
        return HostKeys(
            name,
            authority=_pem(self._certificate),
            certificate=_pem(certificate),
            private_key=private_key.private_bytes(
                serialization.Encoding.PEM,
                serialization.PrivateFormat.PKCS8,
                serialization.NoEncryption(),
            ).decode(),
        )


def _begun(
    subject: x509.Name, issuer: x509.Name, public_key: ec.EllipticCurvePublicKey
) -> x509.CertificateBuilder:
    """A certificate with what each has."""
    now = datetime.datetime.now(datetime.timezone.utc)
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(public_key)
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - _CLOCK_SKEW)
        .not_valid_after(now + VALIDITY)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(public_key), critical=False)
    )


def _named(name: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])


def _general_name(name: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ipaddress.ip_address(name))
    except ValueError:
        labels = name.split(".")
        if not all(label.replace("-", "").isalnum() for label in labels) or not name.isascii():
            raise ValueError(f"{name!r} is neither an IP address nor a host's name.") from None
        return x509.DNSName(name)


def _key_usage(
    *, digital_signature: bool = False, key_cert_sign: bool = False, crl_sign: bool = False
) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=digital_signature,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=key_cert_sign,
        crl_sign=crl_sign,
        encipher_only=False,
        decipher_only=False,
    )


def _pem(certificate: x509.Certificate) -> str:
    return certificate.public_bytes(serialization.Encoding.PEM).decode()
