"""A certificate authority of our own: what stands in for AWS has to show a certificate for AWS's names."""

import socket
import ssl
from datetime import UTC, datetime, timedelta
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

VALID = timedelta(hours=2)
"""Longer than any run of the tests. It begins in the past, so that no clock is late for it."""


class Authority:
    """Signs certificates; who reads the bundle trusts them."""

    def __init__(self, directory: Path) -> None:
        self.bundle = directory / "authority.pem"
        """Its own certificate, as a bundle of CA certificates."""
        self._directory = directory
        self._key = ec.generate_private_key(ec.SECP256R1())
        self._name = named("tests of roentgen")
        constraints = x509.BasicConstraints(ca=True, path_length=0)
        own = self._certificate(self._name, self._key).add_extension(constraints, critical=True)
        self.bundle.write_bytes(pem(own.sign(self._key, hashes.SHA256())))

    def listener(self, listener: socket.socket, *names: str) -> ssl.SSLSocket:
        """The same listener, now speaking TLS with a certificate for these host names."""
        key = ec.generate_private_key(ec.SECP256R1())
        alternatives = x509.SubjectAlternativeName([x509.DNSName(name) for name in names])
        leaf = self._certificate(named(names[0]), key).add_extension(alternatives, critical=False)
        chain = self._directory / f"{names[0]}.pem"
        private = key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
        chain.write_bytes(private + pem(leaf.sign(self._key, hashes.SHA256())))
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(chain)
        # The thread that serves a connection makes the handshake: a client that makes none holds up nobody.
        return context.wrap_socket(listener, server_side=True, do_handshake_on_connect=False)

    def _certificate(self, subject: x509.Name, key: ec.EllipticCurvePrivateKey) -> x509.CertificateBuilder:
        now = datetime.now(UTC)
        return (
            x509.CertificateBuilder()
            .subject_name(subject)
            .issuer_name(self._name)
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - VALID)
            .not_valid_after(now + VALID)
        )


def named(name: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])


def pem(certificate: x509.Certificate) -> bytes:
    return certificate.public_bytes(serialization.Encoding.PEM)
