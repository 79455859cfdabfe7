"""What nobody else should read: which positions of an expression hold a secret, decided here for screens and files.

Knows the login of PB and how secrets are called; knows no bytes. User names are no secrets, and a reference is never
covered: the books must stay right.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from functools import lru_cache
from typing import Any, TypeAlias

from pbshell.errors import UsageError
from pbshell.wire.banana import Expression
from pbshell.wire.chunk import Side
from pbshell.wire.grammar import loans
from pbshell.wire.tags import TAGS, Values, shape_of
from pbshell.wire.verbs import VERBS, Answer, CacheMessage, Decref, ErrorAnswer, Luid, Message, Verb, is_luid

__all__ = ["LEVELS", "SECRET", "Path", "Redactor", "is_secret_name"]

#: How much is covered, the least first.
LEVELS = ("off", "auth", "strict")

#: Where something stands in an expression: a position in the list, then one in the list there, and so on.
Path: TypeAlias = tuple[int, ...]

#: bytes of a challenge and of a response
_DIGEST = 16
#: challengers of each side that are remembered
_CHALLENGERS = 1_024
#: bytes of a name that are looked at
_NAME = 200


class _Secret:
    """Stands where a secret stood."""

    __slots__ = ()

    def __repr__(self) -> str:
        return "***"


#: What stands in an expression where a secret stood.
SECRET = _Secret()


# ------------------------------------------------------------------------------------------------ names

#: What splits a name into words: whatever is no letter, and the humps of camelCase and HTTPStyle.
_BETWEEN = re.compile(rb"[^A-Za-z]+|(?<=[a-z])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])")
#: A word or two that name a secret. Written in one go they may end a word: ``dbpassword``, ``accesstoken``. ``author``,
#: ``tokenizer``, ``passenger`` and ``compass`` only contain them.
_SECRETS = re.compile(
    rb"\w*(?:pass ?(?:word|wd|phrase|code|key)|secret|token|credential|cookie|authorization"
    rb"|(?:api|access|auth|encryption|master|priv|private|session|shared|signing) ?key|session ?id)s?\b"
    rb"|\b(?:creds|pwd|jwt|otp)\b"
    # As part of a name these mean too much else.
    rb"|\A(?:pass|pw|auth)\Z"
)


@lru_cache(4096)
def is_secret_name(name: bytes) -> bool:
    """Whether a method, a keyword, a key or an attribute of this *name* is likely to hold a secret."""
    name = name[:_NAME]
    return any(_SECRETS.search(words.lower()) for words in (name, _BETWEEN.sub(b" ", name)))


def _names_secret(key: Expression) -> bool:
    """Whether *key*, bytes or jellied text, names a secret."""
    key = _plain(key)
    return type(key) is bytes and is_secret_name(key)


def _plain(key: Expression) -> Expression:
    """The bytes of a jellied text; anything else as it is."""
    return key[1] if type(key) is list and len(key) == 2 and key[0] == b"unicode" else key


# ------------------------------------------------------------------------------------------------ deciding


class Redactor:
    """Knows the secrets of one connection, which is told everything that both sides say, in order.

    *level* is one of `LEVELS`. ``auth``: a login is ``root.login(name)``, whose answer is a challenge and a reference;
    ``respond(response, mind)`` on that reference proves that the password is known. Challenge and response together
    are enough to try passwords. ``strict`` also covers what `is_secret_name` names.
    Raises UsageError for another level.
    """

    def __init__(self, level: str = "auth") -> None:
        if level not in LEVELS:
            raise UsageError(f"there is no redaction {level!r}: it is one of {', '.join(LEVELS)}")
        self.level = level
        self._strict = level == "strict"
        # By owner: the objects that wait for a response, and how often they are lent.
        self._challengers: dict[Side, dict[Luid, int]] = {Side.CLIENT: {}, Side.SERVER: {}}
        self._logins = False  # whether there are any, which is quicker asked

    def cover(self, sender: Side, verb: Verb, call: object = None) -> Verb:
        """*verb* as it may be shown. *call* is the verb that it answers, if it is an answer and that was seen."""
        word = _WORDS.get(type(verb))
        if word is None:
            return verb
        expression = _spelled(word, verb)
        called = _WORDS.get(type(call))
        paths = self.secrets(sender, expression, None if called is None else _spelled(called, call))
        if not paths:
            return verb
        covered: Verb = type(verb)(*_replaced(expression, paths)[1:])
        return covered

    def secrets(self, sender: Side, verb: Sequence[Expression], call: Sequence[Expression] | None = None) -> list[Path]:
        """Where the s-expression *verb*, well formed and from *sender*, holds secrets.

        *call* is what it answers, if it is an answer and that was seen; only its first four items are looked at. No
        path leads into another one, and no reference stands behind one.
        """
        if self.level == "off":
            return []
        word = verb[0]
        if word == b"message":
            return self._in_message(sender, verb)
        if word == b"answer":
            return self._in_answer(sender, verb[2], call)
        if word == b"decref":
            if self._logins:
                self._give_back(sender.other, verb[1])
        elif self._strict and word == b"cachemessage":
            return _in_call(verb)
        elif self._strict and word == b"error":
            return _named(verb[2], (2,))
        return []

    def _in_message(self, sender: Side, verb: Sequence[Expression]) -> list[Path]:
        target, method, args, kwargs = verb[2], verb[3], verb[5], verb[6]
        if method == b"login" and target == b"root":
            # PB sends nothing but the name; a server of one's own may ask for more.
            return [*_items(args, 2), *_pairs(kwargs, keep_user=True)]
        if (method == b"respond" and _begins_secret(args)) or (
            self._logins and self._is_challenger(sender.other, target)
        ):
            return [*_items(args, 1, None if self._strict else 2), *_pairs(kwargs)]
        return _in_call(verb) if self._strict else []

    def _in_answer(self, sender: Side, result: Expression, call: Sequence[Expression] | None) -> list[Path]:
        if _begins_secret(result) if call is None else _is_login(call):
            self._lend_challengers(sender, result)
            return list(_challenge(result))
        if self._strict:
            # Without the call nobody knows what was asked for.
            return _named(result, (2,), strings=call is None or is_secret_name(call[3]))
        return []

    def _is_challenger(self, owner: Side, target: Expression) -> bool:
        challengers = self._challengers[owner]
        return is_luid(target) and target in challengers

    def _lend_challengers(self, owner: Side, result: Expression) -> None:
        """Note the references in *result*, unless it is nothing but one: then the server gave the avatar at once."""
        if _is_reference(result):
            return
        challengers = self._challengers[owner]
        for loan in loans(result):
            if loan.kind == b"remote":
                challengers[loan.luid] = challengers.get(loan.luid, 0) + 1
        while len(challengers) > _CHALLENGERS:
            del challengers[next(iter(challengers))]
        self._logins = True

    def _give_back(self, owner: Side, luid: Luid) -> None:
        challengers = self._challengers[owner]
        if self._is_challenger(owner, luid):
            challengers[luid] -= 1
            if not challengers[luid]:
                del challengers[luid]
                self._logins = any(self._challengers.values())


def _is_login(call: Sequence[Expression]) -> bool:
    return bool(call[0] == b"message" and call[2] == b"root" and call[3] == b"login")


def _begins_secret(value: Expression) -> bool:
    """Whether *value* is a tuple that begins with what could be a challenge or a response."""
    return (
        type(value) is list
        and len(value) > 1
        and value[0] in (b"tuple", b"list")
        and type(value[1]) is bytes
        and len(value[1]) == _DIGEST
    )


def _is_reference(value: Expression) -> bool:
    return type(value) is list and len(value) == 2 and value[0] == b"remote"


# ------------------------------------------------------------------------------------------------ finding


def _challenge(result: Expression) -> Iterator[Path]:
    """All of a challenge."""
    if type(result) is list and result and result[0] in (b"tuple", b"list"):
        for position, item in enumerate(result[1:], 1):
            yield from _all(item, (2, position))
    else:
        yield from _all(result, (2,))


def _items(args: Expression, begin: int, end: int | None = None) -> Iterator[Path]:
    """The positional arguments from *begin* to *end*; the tag is item 0."""
    if type(args) is list and args and args[0] in (b"tuple", b"list"):
        for position, item in enumerate(args[begin:end], begin):
            yield from _all(item, (5, position))
    else:
        yield from _all(args, (5,))


def _pairs(kwargs: Expression, *, keep_user: bool = False) -> Iterator[Path]:
    """The values of keyword arguments, but for that of a user's name if it is to be kept."""
    if type(kwargs) is not list or not kwargs or kwargs[0] != b"dictionary":
        yield from _all(kwargs, (6,))
        return
    for position, pair in enumerate(kwargs[1:], 1):
        if type(pair) is not list or len(pair) != 2:
            yield from _all(pair, (6, position), untagged=True)
        elif not (keep_user and _plain(pair[0]) in _USER):
            yield from _all(pair[1], (6, position, 1))


#: keywords that stand before the name of a user
_USER = (b"name", b"user", b"username", b"user_name")


def _in_call(verb: Sequence[Expression]) -> list[Path]:
    """What is named like a secret in a call: all of its arguments, or those."""
    if is_secret_name(verb[3]):
        return [*_items(verb[5], 1), *_pairs(verb[6])]
    found = _named(verb[5], (5,))
    # Most calls have no keyword arguments.
    return found if verb[6] == _EMPTY else found + _named(verb[6], (6,))


def _named(value: Expression, at: Path, *, strings: bool = False) -> list[Path]:
    """What stands in *value*, which is *at* this place, under a key or an attribute that is named like a secret.

    With *strings* also all strings. Does not recurse, so that no peer chooses our depth.
    """
    found: list[Path] = []
    stack = [(value, at)]
    while stack:
        item, where = stack.pop()
        if type(item) is not list:
            if strings and type(item) is bytes:
                found.append(where)
            continue
        if not item or (len(item) == 1 and not strings):
            continue
        tag = item[0]
        values = shape_of(item).values
        if values is Values.PAIRS:
            for position, pair in enumerate(item[1:], 1):
                if type(pair) is not list:
                    stack.append((pair, (*where, position)))
                elif len(pair) == 2 and _names_secret(pair[0]):
                    found += _all(pair[1], (*where, position, 1))
                else:
                    stack += [(part, (*where, position, place)) for place, part in enumerate(pair)]
        elif values is Values.NONE:
            # A text, or an object that writes itself in a way that nobody knows.
            if strings and (tag == b"unicode" or type(tag) is not bytes or tag not in TAGS):
                found.append(where)
        elif values is Values.LAST:
            stack.append((item[-1], (*where, len(item) - 1)))
        elif strings:
            stack += [(part, (*where, position)) for position, part in enumerate(item[1:], 1)]
        else:
            for position, part in enumerate(item):
                # Most of what is a list at all is a short text.
                if type(part) is list and part[:1] != _TEXT:
                    stack.append((part, (*where, position)))
    return found


_TEXT, _EMPTY = [b"unicode"], [b"dictionary"]


def _all(value: Expression, at: Path, *, untagged: bool = False) -> Iterator[Path]:
    """All of *value*, which is *at* this place, but for the references in it. *untagged*: it is a pair."""
    holding = _holding(value, untagged=untagged)
    stack = [(value, at, untagged)]
    while stack:
        item, where, is_pair = stack.pop()
        if id(item) not in holding:
            yield where
        elif is_pair:
            stack.extend((part, (*where, place), False) for place, part in enumerate(item))
        else:
            for place, part, inner in _inside(item):
                stack.append((part, (*where, place), inner))


def _holding(value: Expression, *, untagged: bool) -> set[int]:
    """The ids of the lists in *value* that are a loan, or have one in them."""
    holding: set[int] = set()
    if type(value) is not list:
        return holding
    nodes: list[tuple[Any, int, bool]] = [(value, -1, untagged)]  # and the number of the list around
    for number, (item, _, is_pair) in enumerate(nodes):  # which grows meanwhile
        if is_pair:
            nodes.extend((part, number, False) for part in item if type(part) is list)
            continue
        if _is_loan(item):
            here = number
            while here >= 0 and id(nodes[here][0]) not in holding:
                holding.add(id(nodes[here][0]))
                here = nodes[here][1]
        nodes.extend((part, number, inner) for _, part, inner in _inside(item) if type(part) is list)
    return holding


def _is_loan(item: list[Expression]) -> bool:
    """Whether the list *item*, itself, is a loan: `loans` books it."""
    if not item:
        return False
    if item[0] in (b"remote", b"local", b"cached", b"lcache"):
        return len(item) == 2 and is_luid(item[1])
    return len(item) == 3 and shape_of(item).values is Values.LAST and item[0] not in TAGS


def _inside(item: list[Expression]) -> Iterator[tuple[int, Expression, bool]]:
    """The jellied values right inside the list *item*: position, value, and whether that is an untagged pair."""
    if not item:
        return
    values = shape_of(item).values
    if values is Values.ALL:
        yield from ((position, part, False) for position, part in enumerate(item[1:], 1))
    elif values is Values.PAIRS:
        yield from ((position, part, type(part) is list) for position, part in enumerate(item[1:], 1))
    elif values is Values.LAST and len(item) > 1:
        yield len(item) - 1, item[-1], False


# ------------------------------------------------------------------------------------------------ covering

#: The verbs that may hold a secret, or tell where one will be.
_WORDS: dict[type, bytes] = {
    form.make: word for word, form in VERBS.items() if form.make in (Message, CacheMessage, Answer, ErrorAnswer, Decref)
}


def _spelled(word: bytes, verb: Any) -> list[Expression]:
    """*verb* as the s-expression that it was made from."""
    return [word, *(getattr(verb, field) for field in VERBS[word].fields)]


def _replaced(expression: list[Expression], paths: list[Path]) -> list[Expression]:
    """*expression* with SECRET at all *paths*; lists on the way there are copied, others are shared."""
    top = list(expression)
    copied: dict[Path, list[Expression]] = {(): top}
    for path in paths:
        inner = top
        for length, position in enumerate(path[:-1], 1):
            way = path[:length]
            if way not in copied:
                copied[way] = inner[position] = list(inner[position])
            inner = copied[way]
        inner[path[-1]] = SECRET
    return top
