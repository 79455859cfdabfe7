"""What certificates say is read without trusting them, and what is none is refused."""

from __future__ import annotations

import ssl
from datetime import UTC, datetime

import pytest
import trustme
from hypothesis import given
from hypothesis import strategies as st

from pbshell.net.certificates import BadCertificate, parse


def der(pem: trustme.Blob) -> bytes:
    return ssl.PEM_cert_to_DER_cert(pem.bytes().decode())


def test_a_certificate_tells_for_whom_it_is_and_until_when() -> None:
    authority = trustme.CA(organization_name="Ours", organization_unit_name="Tests")
    leaf = authority.issue_cert(
        "a.example.org",
        "192.0.2.7",
        "2001:db8::7",
        common_name="A",
        not_after=datetime(2031, 5, 6, 7, 8, 9, tzinfo=UTC),
    )

    found = parse(der(leaf.cert_chain_pems[0]))

    assert found.names == ("a.example.org", "192.0.2.7", "2001:db8::7")
    assert found.subject == "A"
    assert found.issuer == "Ours, Tests"
    assert found.ends == datetime(2031, 5, 6, 7, 8, 9, tzinfo=UTC)
    assert found.begins < datetime.now(UTC)
    assert not found.is_self_signed
    assert parse(der(authority.cert_pem)).is_self_signed


def test_a_time_behind_2050_is_read() -> None:
    leaf = trustme.CA().issue_cert("x", not_after=datetime(2999, 1, 2, tzinfo=UTC))

    assert parse(der(leaf.cert_chain_pems[0])).ends == datetime(2999, 1, 2, tzinfo=UTC)


def test_what_is_cut_off_is_refused_wherever_that_is() -> None:
    whole = der(trustme.CA().issue_cert("localhost").cert_chain_pems[0])

    for length in range(len(whole)):
        with pytest.raises(BadCertificate):
            parse(whole[:length])


@given(st.binary(max_size=200))
def test_any_bytes_are_a_certificate_or_refused(data: bytes) -> None:
    with pytest.raises(BadCertificate):
        parse(data)


@given(st.integers(0, 400), st.binary(min_size=1, max_size=8))
def test_a_damaged_certificate_is_read_or_refused(place: int, noise: bytes) -> None:
    whole = bytearray(CERTIFICATE)
    whole[place : place + len(noise)] = noise
    try:
        found = parse(bytes(whole))
    except BadCertificate:
        return
    assert all(name.isprintable() for name in (*found.names, found.subject, found.issuer))


CERTIFICATE = der(trustme.CA().issue_cert("localhost").cert_chain_pems[0])
