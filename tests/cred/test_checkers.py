"""Checkers: the right name gets in, and everything else is refused in the same words with the same work."""

from __future__ import annotations

import logging
import os
from pathlib import Path
from typing import Any

import pytest

from pbshell.cred import (
    ANONYMOUS,
    AllowAnonymousAccess,
    Anonymous,
    ChallengeResponse,
    FilePasswordDB,
    IAnonymous,
    InMemoryUsernamePasswordDatabaseDontUse,
    IUsernameHashedPassword,
    IUsernamePassword,
    UsernamePassword,
)
from pbshell.cred.credentials import new_challenge, response_to
from pbshell.defer import Deferred, Failure, succeed
from pbshell.errors import UnauthorizedLogin

LONG_AGO = 1_000_000_000


def outcome(deferred: Deferred[Any]) -> Any:
    """What a fired Deferred holds."""
    got: list[Any] = []
    deferred.addBoth(got.append)
    assert got, "the Deferred has not fired"
    return got[0]


def assert_refused(deferred: Deferred[Any]) -> None:
    failure = outcome(deferred)
    assert isinstance(failure, Failure)
    assert type(failure.value) is UnauthorizedLogin
    assert str(failure.value) == ""


def by_challenge(name: bytes, password: bytes) -> ChallengeResponse:
    challenge = new_challenge()
    return ChallengeResponse(name, challenge, response_to(challenge, password))


class Watched:
    """Credentials that tell which passwords they were checked against."""

    provides = (IUsernamePassword,)

    def __init__(self, username: Any, *, answer: Any = False) -> None:
        self.username = username
        self.password: bytes = b"shown"
        self.answer = answer
        self.checked: list[bytes] = []

    def checkPassword(self, password: bytes) -> Any:
        self.checked.append(password)
        return self.answer


class TestAnonymous:
    def test_everyone_who_shows_nothing_is_let_in_as_anonymous(self) -> None:
        checker = AllowAnonymousAccess()
        assert tuple(checker.credentialInterfaces) == (IAnonymous,)
        assert checker.requestAvatarId(Anonymous()) is ANONYMOUS

    def test_the_marker_is_the_empty_tuple_that_realms_compare_with(self) -> None:
        assert ANONYMOUS == ()


class TestInMemory:
    def test_it_takes_passwords_and_challenges(self) -> None:
        checker = InMemoryUsernamePasswordDatabaseDontUse()
        assert checker.credentialInterfaces == (IUsernamePassword, IUsernameHashedPassword)

    def test_the_right_password_gives_the_name_as_bytes(self) -> None:
        checker = InMemoryUsernamePasswordDatabaseDontUse(ada="lovelace", grace=b"hopper")
        assert outcome(checker.requestAvatarId(UsernamePassword("ada", "lovelace"))) == b"ada"
        assert outcome(checker.requestAvatarId(by_challenge(b"grace", b"hopper"))) == b"grace"

    def test_text_names_and_passwords_are_held_as_utf8(self) -> None:
        checker = InMemoryUsernamePasswordDatabaseDontUse()
        checker.addUser("ädä", "lövelace")
        checker.addUser(b"grace", b"hopper")
        assert checker.users == {"ädä".encode(): "lövelace".encode(), b"grace": b"hopper"}
        assert outcome(checker.requestAvatarId(UsernamePassword("ädä", "lövelace"))) == "ädä".encode()

    def test_a_second_addUser_changes_the_password(self) -> None:
        checker = InMemoryUsernamePasswordDatabaseDontUse(ada="old")
        checker.addUser("ada", "new")
        assert_refused(checker.requestAvatarId(UsernamePassword("ada", "old")))
        assert outcome(checker.requestAvatarId(UsernamePassword("ada", "new"))) == b"ada"

    def test_wrong_name_and_wrong_password_cannot_be_told_apart(self) -> None:
        checker = InMemoryUsernamePasswordDatabaseDontUse(ada="lovelace")
        for credentials in (UsernamePassword("ada", "no"), UsernamePassword("nobody", "lovelace")):
            assert_refused(checker.requestAvatarId(credentials))
        for response in (by_challenge(b"ada", b"no"), by_challenge(b"nobody", b"lovelace")):
            assert_refused(checker.requestAvatarId(response))

    def test_an_unknown_user_costs_a_check_too(self) -> None:
        checker = InMemoryUsernamePasswordDatabaseDontUse(ada="lovelace")
        known, unknown = Watched("ada"), Watched(b"nobody")
        assert_refused(checker.requestAvatarId(known))
        assert_refused(checker.requestAvatarId(unknown))
        assert known.checked == [b"lovelace"]
        assert len(unknown.checked) == 1

    def test_an_unknown_user_stays_out_whatever_his_credentials_say(self) -> None:
        checker = InMemoryUsernamePasswordDatabaseDontUse(ada="lovelace")
        assert_refused(checker.requestAvatarId(Watched("nobody", answer=True)))

    def test_credentials_may_answer_later(self) -> None:
        checker = InMemoryUsernamePasswordDatabaseDontUse(ada="lovelace")
        later: Deferred[bool] = Deferred()
        asked = checker.requestAvatarId(Watched("ada", answer=later))
        later.callback(True)
        assert outcome(asked) == b"ada"

    def test_its_repr_shows_no_password(self) -> None:
        checker = InMemoryUsernamePasswordDatabaseDontUse(ada="lovelace")
        assert repr(checker) == "<InMemoryUsernamePasswordDatabaseDontUse of 1 users>"


class TestPasswordFile:
    def write(self, path: Path, text: str, *, seconds: int | None = LONG_AGO) -> Path:
        """Write the file; *seconds* since the epoch is its date."""
        path.write_text(text, encoding="utf-8")
        if seconds is not None:
            os.utime(path, (seconds, seconds))
        return path

    @pytest.fixture
    def path(self, tmp_path: Path) -> Path:
        return self.write(tmp_path / "accounts", "ada:lovelace\ngrace:hopper\nädä:sésame\n")

    def test_the_right_password_gives_the_name_as_bytes(self, path: Path) -> None:
        checker = FilePasswordDB(path)
        assert outcome(checker.requestAvatarId(UsernamePassword("ada", "lovelace"))) == b"ada"
        assert outcome(checker.requestAvatarId(by_challenge(b"grace", b"hopper"))) == b"grace"
        assert outcome(checker.requestAvatarId(UsernamePassword("ädä", "sésame"))) == "ädä".encode()
        assert not checker.complaints
        assert repr(checker) == f"FilePasswordDB({str(path)!r})"

    def test_wrong_name_and_wrong_password_cannot_be_told_apart(self, path: Path) -> None:
        checker = FilePasswordDB(str(path))
        assert_refused(checker.requestAvatarId(UsernamePassword("ada", "no")))
        assert_refused(checker.requestAvatarId(UsernamePassword("nobody", "lovelace")))

    def test_an_unknown_user_costs_a_check_too_and_stays_out(self, path: Path) -> None:
        unknown = Watched("nobody", answer=True)
        assert_refused(FilePasswordDB(path).requestAvatarId(unknown))
        assert len(unknown.checked) == 1

    def test_names_in_any_case_are_one_user_if_asked_for(self, path: Path) -> None:
        self.write(path, "Ada:Lovelace\n")
        strict, lenient = FilePasswordDB(path), FilePasswordDB(path, caseSensitive=False)
        assert_refused(strict.requestAvatarId(UsernamePassword("ADA", "Lovelace")))
        assert outcome(lenient.requestAvatarId(UsernamePassword("ADA", "Lovelace"))) == b"ada"
        assert_refused(lenient.requestAvatarId(UsernamePassword("ADA", "lovelace")))

    def test_other_fields_and_another_delimiter(self, path: Path) -> None:
        self.write(path, "7 | lovelace | x | ada\n")
        checker = FilePasswordDB(path, delim=" | ", usernameField=3, passwordField=1)
        assert outcome(checker.requestAvatarId(UsernamePassword("ada", "lovelace"))) == b"ada"

    def test_an_empty_delimiter_is_refused_at_once(self, path: Path) -> None:
        with pytest.raises(ValueError, match="delimiter"):
            FilePasswordDB(path, delim=b"")

    def test_blank_lines_and_comments_are_skipped(self, path: Path) -> None:
        self.write(path, "# our people\n\n   \nada:lovelace \r\n#no:body\n")
        checker = FilePasswordDB(path)
        assert outcome(checker.requestAvatarId(UsernamePassword("ada", "lovelace"))) == b"ada"
        assert_refused(checker.requestAvatarId(UsernamePassword("#no", "body")))
        assert not checker.complaints

    def test_a_bad_line_is_one_sentence_and_the_others_count(
        self, path: Path, caplog: pytest.LogCaptureFixture
    ) -> None:
        self.write(path, "ada:lovelace\ns3cret\n:world\nnobody:\nada:other\ngrace:hopper\n", seconds=None)
        checker = FilePasswordDB(path)
        for _ in range(3):
            assert outcome(checker.requestAvatarId(UsernamePassword("grace", "hopper"))) == b"grace"
        assert outcome(checker.requestAvatarId(UsernamePassword("ada", "lovelace"))) == b"ada"
        for name, password in (("", "world"), ("nobody", ""), ("ada", "other")):
            assert_refused(checker.requestAvatarId(UsernamePassword(name, password)))
        assert checker.complaints == (
            f"{path}, line 2: 1 of 2 fields, the line makes no account",
            f"{path}, line 3: an empty name or password, the line makes no account",
            f"{path}, line 4: an empty name or password, the line makes no account",
            f"{path}, line 5: this user has a line already, the first one counts",
        )
        assert tuple(record.getMessage() for record in caplog.records) == checker.complaints

    def test_a_missing_file_lets_nobody_in_and_is_logged_once(
        self, path: Path, caplog: pytest.LogCaptureFixture
    ) -> None:
        checker = FilePasswordDB(path)
        assert outcome(checker.requestAvatarId(UsernamePassword("ada", "lovelace"))) == b"ada"
        path.unlink()
        for _ in range(3):
            assert_refused(checker.requestAvatarId(UsernamePassword("ada", "lovelace")))
        sentence = f"{path}: No such file or directory; nobody can log in by this password file"
        assert list(checker.complaints) == [sentence]
        assert [(record.levelno, record.getMessage()) for record in caplog.records] == [(logging.ERROR, sentence)]
        self.write(path, "ada:lovelace\n")
        assert outcome(checker.requestAvatarId(UsernamePassword("ada", "lovelace"))) == b"ada"
        assert not checker.complaints

    def test_a_changed_file_is_read_again(self, path: Path) -> None:
        checker = FilePasswordDB(path)
        assert outcome(checker.requestAvatarId(UsernamePassword("ada", "lovelace"))) == b"ada"
        self.write(path, "ada:countess\n", seconds=LONG_AGO + 1)
        assert outcome(checker.requestAvatarId(UsernamePassword("ada", "countess"))) == b"ada"

    def test_a_file_that_is_the_same_is_not_read_again(self, path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        checker = FilePasswordDB(path)
        assert not checker.complaints
        monkeypatch.delattr(FilePasswordDB, "_parse")
        assert outcome(checker.requestAvatarId(UsernamePassword("ada", "lovelace"))) == b"ada"

    def test_two_changes_within_one_tick_of_the_file_system_are_both_seen(self, path: Path) -> None:
        checker = FilePasswordDB(path)
        for password in ("one", "two", "six"):
            self.write(path, f"ada:{password}\n", seconds=None)
            assert outcome(checker.requestAvatarId(UsernamePassword("ada", password))) == b"ada"

    def test_stored_hashes_are_compared_with_what_the_function_gives(self, path: Path) -> None:
        def salted(name: bytes, password: bytes, stored: bytes) -> str:
            salt = stored[:2].decode()
            return f"{salt}{password.decode()[::-1]}"

        self.write(path, "ada:xxecalevol\ngrace:yyreppoh\n")
        checker = FilePasswordDB(path, hash=salted)
        assert checker.credentialInterfaces == (IUsernamePassword,)
        assert outcome(checker.requestAvatarId(UsernamePassword("ada", "lovelace"))) == b"ada"
        assert_refused(checker.requestAvatarId(UsernamePassword("ada", "hopper")))
        assert_refused(checker.requestAvatarId(UsernamePassword("nobody", "lovelace")))

    def test_a_slow_hash_may_come_later_and_an_unknown_user_costs_one_too(self, path: Path) -> None:
        asked: list[tuple[bytes, bytes, bytes]] = []

        def slow(name: bytes, password: bytes, stored: bytes) -> Deferred[bytes]:
            asked.append((name, password, stored))
            return succeed(password)

        self.write(path, "ada:lovelace\n")
        checker = FilePasswordDB(path, hash=slow)
        assert outcome(checker.requestAvatarId(UsernamePassword("ada", "lovelace"))) == b"ada"
        assert_refused(checker.requestAvatarId(UsernamePassword("nobody", "lovelace")))
        assert asked == [(b"ada", b"lovelace", b"lovelace"), (b"nobody", b"lovelace", b"lovelace")]
