"""Credentials: names as bytes, secrets never shown, the arithmetic of a PB login."""

from __future__ import annotations

import hashlib

import pytest

from pbshell.cred import Anonymous, IAnonymous, IUsernameHashedPassword, IUsernamePassword, UsernamePassword
from pbshell.cred.credentials import (
    DIGEST_SIZE,
    ChallengeResponse,
    ICredentials,
    IUsernameMD5Password,
    as_bytes,
    interface_name,
    new_challenge,
    provided_by,
    response_to,
)

CHALLENGE = bytes(range(16))


def md5(data: bytes) -> bytes:
    return hashlib.md5(data).digest()


@pytest.mark.parametrize("name", ["ädä", "ädä".encode()])
@pytest.mark.parametrize("password", ["sésame", "sésame".encode()])
def test_text_becomes_utf8_bytes(name: str | bytes, password: str | bytes) -> None:
    credentials = UsernamePassword(name, password)
    assert credentials.username == b"\xc3\xa4d\xc3\xa4"
    assert credentials.password == b"s\xc3\xa9same"


def test_a_name_of_another_type_is_refused_without_showing_it() -> None:
    with pytest.raises(TypeError, match=r"^a password is text or bytes, not int$"):
        UsernamePassword("ada", 4711)  # type: ignore[arg-type]


def test_a_lone_surrogate_is_no_error_of_its_own() -> None:
    assert as_bytes("\ud800", "a user name") == b"\xed\xa0\x80"


def test_a_password_is_checked_as_text_or_bytes() -> None:
    credentials = UsernamePassword("ada", "lövelace")
    assert credentials.checkPassword("lövelace")
    assert credentials.checkPassword("lövelace".encode())
    assert not credentials.checkPassword(b"lovelace")
    assert not credentials.checkPassword(b"")


def test_the_response_of_the_protocol_description_comes_out() -> None:
    assert response_to(CHALLENGE, b"sesame").hex() == "681ea94488d22b1c746d4058f5495bc8"
    assert response_to(CHALLENGE, b"sesame") == md5(md5(b"sesame") + CHALLENGE)


def test_a_response_proves_the_password_and_its_digest() -> None:
    shown = ChallengeResponse(b"ada", CHALLENGE, response_to(CHALLENGE, "lövelace".encode()))
    assert shown.checkPassword("lövelace")
    assert shown.checkPassword("lövelace".encode())
    assert shown.checkMD5Password(md5("lövelace".encode()))
    assert not shown.checkPassword(b"wrong")
    assert not shown.checkMD5Password(md5(b"wrong"))


@pytest.mark.parametrize("response", [b"", b"short", bytes(16), bytes(1000)])
def test_a_response_of_any_length_but_the_right_one_is_just_wrong(response: bytes) -> None:
    assert not ChallengeResponse(b"ada", CHALLENGE, response).checkPassword(b"")


def test_a_response_to_another_challenge_is_wrong() -> None:
    replayed = response_to(bytes(16), b"sesame")
    assert not ChallengeResponse(b"ada", CHALLENGE, replayed).checkPassword(b"sesame")


def test_challenges_are_sixteen_bytes_and_never_the_same() -> None:
    challenges = {new_challenge() for _ in range(1000)}
    assert len(challenges) == 1000
    assert {len(each) for each in challenges} == {DIGEST_SIZE}


def test_no_secret_is_in_a_repr() -> None:
    secret = response_to(CHALLENGE, b"sesame")
    shown = [repr(UsernamePassword("ada", "sesame")), repr(ChallengeResponse(b"ada", CHALLENGE, secret))]
    assert shown == ["UsernamePassword(b'ada', '***')", "ChallengeResponse(b'ada', '***', '***')"]
    assert repr(Anonymous()) == "Anonymous()"


def test_credentials_say_what_they_stand_for() -> None:
    assert provided_by(Anonymous()) == (IAnonymous,)
    assert provided_by(UsernamePassword("a", "b")) == (IUsernamePassword,)
    assert provided_by(ChallengeResponse(b"", b"", b""))[:2] == (IUsernameHashedPassword, IUsernameMD5Password)
    assert provided_by(object()) == ()


def test_interfaces_carry_the_names_of_twisted() -> None:
    twisted = pytest.importorskip("twisted.cred.credentials")
    for interface in (ICredentials, IAnonymous, IUsernamePassword, IUsernameHashedPassword):
        theirs = getattr(twisted, interface.__name__)
        assert interface_name(interface) == f"{theirs.__module__}.{theirs.__name__}"


def test_a_pb_login_provides_what_it_provides_in_twisted() -> None:
    spread = pytest.importorskip("twisted.spread.pb")
    interface = pytest.importorskip("zope.interface")
    theirs = [f"{each.__module__}.{each.__name__}" for each in interface.implementedBy(spread._PortalAuthChallenger)]
    assert list(map(interface_name, ChallengeResponse.provides)) == theirs


def test_an_interface_of_ones_own_is_told_by_its_own_name() -> None:
    class Ticket: ...

    assert interface_name(Ticket) == f"{__name__}.Ticket"
