"""Unjelly: s-expressions to objects, as far as security and registry allow. Imports nothing that a peer names.

One Unjellier per run carries the broker, the perspective, which receipts were claimed, and what waits for a value that
comes later. Source: docs/reference/wire.md#jelly.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from pbshell.broker.atoms import ATOMS
from pbshell.broker.failures import COPYABLE_FAILURE, CopiedFailure
from pbshell.broker.references import RELEASED, RemoteCache, RemoteCopy, RemoteReference
from pbshell.broker.registry import Unjellyable
from pbshell.broker.security import SecurityOptions, globalSecurity
from pbshell.errors import LimitExceeded, ProtocolError, RefusedClass
from pbshell.wire.banana import Expression
from pbshell.wire.limits import DEFAULT_LIMITS
from pbshell.wire.tags import TAGS
from pbshell.wire.text import brief, visible
from pbshell.wire.verbs import Luid, is_luid

if TYPE_CHECKING:
    from pbshell.broker.broker import Broker

__all__ = ["Unjellier", "unjelly"]

#: Keys of one dictionary, items of one set, that may share a hash: Python needs quadratic time to tell them apart.
_SAME_HASH = 64


def unjelly(expression: Expression, security: SecurityOptions | None = None) -> Any:
    """The value of *expression*, without a connection: references mean nothing.

    Raises ProtocolError for what is no jelly, RefusedClass for what *security* does not allow.
    """
    return Unjellier(security=security).run(expression)


class _Later:
    """Stands for a value that is not there yet, or has come since."""

    __slots__ = ("_value", "_waiting")

    def __init__(self) -> None:
        self._waiting: list[Callable[[Any], None]] | None = []
        self._value: Any = None

    def when(self, tell: Callable[[Any], None]) -> None:
        """Call *tell* with the value, as soon as it is there."""
        if self._waiting is None:
            tell(self._value)
        else:
            self._waiting.append(tell)

    def resolve(self, value: Any) -> None:
        """The value is *value*."""
        waiting, self._waiting, self._value = self._waiting or (), None, value
        for tell in waiting:
            tell(value)


class Unjellier:
    """One run: the arguments of one call, or one result."""

    __slots__ = (
        "_after",
        "_defined",
        "_expected",
        "_finish",
        "_hashed",
        "_in_failure",
        "_laters",
        "_limits",
        "_make",
        "_nested",
        "_outside",
        "_ran",
        "broker",
        "claimed",
        "perspective",
        "security",
    )

    def __init__(
        self, broker: Broker | None = None, perspective: Any = None, security: SecurityOptions | None = None
    ) -> None:
        self.broker = broker
        self.perspective = perspective
        self.security = security or (globalSecurity if broker is None else broker.security)
        #: the receipts that found an owner here; what a refused message lent beyond them goes back at once
        self.claimed: list[tuple[bytes, Luid]] = []
        self._outside = False  # a hook has been asked, which may have left receipts unclaimed
        self._limits = DEFAULT_LIMITS if broker is None else broker.limits
        self._hashed = 0  # how many items it took to hash keys; what is shared is hashed each time
        self._in_failure = False
        self._ran = False
        self._begin()

    def _begin(self) -> None:
        self._defined: dict[int, Any] = {}
        self._expected: dict[int, _Later] = {}
        self._laters = 0  # how often something stood for a value that was not there yet
        self._make: list[Callable[[], None]] = []
        self._finish: list[Callable[[], None]] = []
        self._after: list[Any] = []
        # Tuples that hold tuples: how many lie in each other, and how many items there are to hash.
        self._nested: dict[int, tuple[tuple[Any, ...], int, int]] = {}

    def run(self, expression: Expression) -> Any:
        """The value of *expression*, complete. References inside it are its own: each run numbers anew.

        Raises PeerError: ProtocolError, RefusedClass or LimitExceeded, with the path; and whatever a hook raises.
        """
        if type(expression) is not list:
            return expression
        if self._ran:
            self._begin()
        self._ran = True
        try:
            return self._complete(expression)
        except RecursionError:
            raise ProtocolError("the value is nested too deeply for Python's stack") from None

    def _complete(self, expression: list[Expression]) -> Any:
        result: list[Any] = [None]
        self._put(result, 0, self._tagged(expression, None))
        for make in self._make:
            make()
        if self._expected:
            number = next(iter(self._expected))
            raise ProtocolError(f"dereference {number} has no reference")
        # Inner objects first, as they were met: a state may only be taken when everything in it is there.
        for finish in self._finish:
            finish()
        for each in self._after:
            type(each).postUnjelly(each)
        return result[0]

    @property
    def complete(self) -> bool:
        """Whether every receipt of what was read is certain to have been claimed."""
        return not self._outside

    def unjelly(self, expression: Expression) -> Any:
        """The value of *expression*, which may still be incomplete inside: cycles close when the run ends."""
        if type(expression) is not list:
            return expression
        return self._tagged(expression, None)

    def unjellyInto(self, container: Any, key: Any, expression: Expression) -> None:
        """``container[key]`` becomes the value of *expression*, now or when it is known."""
        self._put(container, key, self.unjelly(expression))

    def _put(self, container: Any, key: Any, value: Any) -> None:
        if type(value) is _Later:
            container[key] = None
            value.when(lambda actual: container.__setitem__(key, actual))
        else:
            container[key] = value

    # ------------------------------------------------------------------------------------ dispatch

    def _tagged(self, expression: list[Expression], number: int | None) -> Any:
        """*number* is the reference under which the value will be met again; containers define it before they fill."""
        if not expression:
            raise ProtocolError("an empty list is no jelly: a list begins with its tag")
        tag = expression[0]
        if type(tag) is not bytes:
            raise ProtocolError(f"jelly begins with a tag, not with {brief(tag)}")
        shape = TAGS.get(tag)
        if shape is not None:
            if not (self._in_failure or self.security.isTypeAllowed(tag)):
                raise _refused_tag(tag)
            count = len(expression) - 1
            if count < shape.fewest:
                raise ProtocolError(f"{tag.decode()} needs {shape.fewest} items behind it: {shape.means}")
            if shape.most is not None and count > shape.most:
                raise ProtocolError(f"{tag.decode()} has {count} items instead of {shape.most}: {shape.means}")
            atom = ATOMS.get(tag)
            return _READERS[tag](self, expression, number) if atom is None else atom(expression)
        if tag == COPYABLE_FAILURE:  # whatever security says: without it no peer could tell of a failure
            return self._failure(expression)
        return self._registered(tag, expression, number)

    def _registered(self, tag: bytes, expression: list[Expression], number: int | None) -> Any:
        registry = self.security.registry
        unjellyable = registry.unjellyable(tag)
        if unjellyable is not None:
            if not isinstance(unjellyable, type):
                self._leave_to_hook(expression)
                return unjellyable(self, expression)
            return self._copied(unjellyable, expression, number)
        factory = registry.factory(tag)
        if factory is not None:
            return self._made(factory, expression)
        allowed = self.security.allowed_class(tag)
        if allowed is not None:
            return self._plain(allowed, expression, number)
        cached = len(expression) == 3
        stranger = registry.unknown(tag, cached=cached)
        if stranger is not None:
            return self._copied(stranger, expression, number)
        raise _refused_class(tag, "YourRemoteCache" if cached else "YourRemoteCopy")

    def _copied(self, cls: type[Unjellyable], expression: list[Expression], number: int | None) -> Any:
        if issubclass(cls, RemoteCache):
            return self._cache(cls, expression, number)
        return self._instance_of(cls, expression, number)

    def _leave_to_hook(self, expression: list[Expression]) -> None:
        """What the hook takes of *expression* is its affair; what looks like a cached copy in it is none."""
        self._outside = True
        if len(expression) == 3 and is_luid(expression[1]):
            self.claimed.append((b"cached", expression[1]))

    def _instance_of(self, cls: type[Unjellyable], expression: list[Expression], number: int | None) -> Any:
        blank = cls.__new__(cls)
        if cls.unjellyFor is RemoteCopy.unjellyFor:
            _require_state(expression)
            self._define(number, blank)
            number = None
        else:
            self._leave_to_hook(expression)
        value = blank.unjellyFor(self, expression)
        self._define(number, value)
        self._postpone(value)
        return value

    def _made(self, factory: Callable[[Any], Any], expression: list[Expression]) -> Any:
        _require_state(expression)
        before = self._laters
        holder: list[Any] = [None]
        self._put(holder, 0, self.unjelly(expression[1]))
        if self._laters == before:
            value = factory(holder[0])
            self._postpone(value)
            return value
        later = self._later()

        def make() -> None:
            value = factory(holder[0])
            self._postpone(value)
            later.resolve(value)

        self._make.append(make)
        return later

    def _plain(self, cls: type, expression: list[Expression], number: int | None) -> Any:
        """An instance of a class that security allows: its state becomes its `__dict__` or goes to `__setstate__`."""
        if len(expression) > 1:
            _require_state(expression)
        blank: Any = cls.__new__(cls)  # type: ignore[call-overload]  # of a class, and not of a metaclass
        self._define(number, blank)

        def take(state: Any) -> None:
            if hasattr(blank, "__setstate__"):
                blank.__setstate__(state)
            elif isinstance(state, dict):
                blank.__dict__.update(state)

        self._with_state(expression[1] if len(expression) > 1 else [b"None"], take)
        self._postpone(blank)
        return blank

    def set_state(self, copy: RemoteCopy, expression: Expression) -> None:
        """Give *copy* its state, now or, where the state leads back to what is still being read, at the end."""
        self._with_state(expression, copy.setCopyableState)

    def _with_state(self, expression: Expression, take: Callable[[Any], None]) -> None:
        before = self._laters
        holder: list[Any] = [None]
        try:
            self._put(holder, 0, self.unjelly(expression))
        except RefusedClass as error:
            error.path = _attribute(error.path)
            raise
        if self._laters == before:
            take(holder[0])
        else:
            self._finish.append(lambda: take(holder[0]))

    def _postpone(self, value: Any) -> None:
        # Of its class, because its attributes are the peer's.
        if hasattr(type(value), "postUnjelly"):
            self._after.append(value)

    # ------------------------------------------------------------------------------------ identity

    def _define(self, number: int | None, value: Any) -> None:
        if number is None:
            return
        if number in self._defined:
            raise ProtocolError(f"reference {number} is defined twice")
        self._defined[number] = value
        later = self._expected.pop(number, None)
        if later is not None:
            later.resolve(value)

    def _later(self) -> _Later:
        self._laters += 1
        return _Later()

    def _reference(self, expression: list[Expression], _: int | None) -> Any:
        number, inner = _number(expression[1]), expression[2]
        value = self._tagged(inner, number) if type(inner) is list else inner
        if type(value) is _Later:
            # A tuple that waits for itself, or a factory that waits for its state.
            value.when(lambda actual: self._define(number, actual))
        elif self._defined.get(number, _Later) is not value:
            self._define(number, value)
        return value

    def _dereference(self, expression: list[Expression], _: int | None) -> Any:
        number = _number(expression[1])
        if number in self._defined:
            return self._defined[number]
        self._laters += 1
        return self._expected.setdefault(number, _Later())

    # ------------------------------------------------------------------------------------ containers

    def _items(self, expression: list[Expression], values: list[Any]) -> int:
        """Read the items behind the tag into *values*; returns how many are not there yet."""
        missing = 0
        add = values.append
        index = 0
        try:
            for index, item in enumerate(expression[1:]):  # noqa: B007 - the path of an error needs it
                if type(item) is not list:
                    add(item)
                    continue
                value = self._tagged(item, None)
                add(value)
                if type(value) is _Later:
                    missing += 1
        except RefusedClass as error:
            error.path = f"[{index}]{error.path}"
            raise
        return missing

    def _list(self, expression: list[Expression], number: int | None) -> Any:
        values: list[Any] = []
        self._define(number, values)
        if self._items(expression, values):
            for index, value in enumerate(values):
                if type(value) is _Later:
                    self._put(values, index, value)
        return values

    def _immutable(self, expression: list[Expression], make: Callable[[list[Any]], Any]) -> Any:
        """What can only be made when all its items are there."""
        values: list[Any] = []
        missing = self._items(expression, values)
        if not missing:
            return make(values)
        later = self._later()

        def arrived(index: int) -> Callable[[Any], None]:
            def put(value: Any) -> None:
                nonlocal missing
                values[index] = value
                missing -= 1
                if not missing:
                    later.resolve(make(values))

            return put

        for index, value in enumerate(values):
            if type(value) is _Later:
                value.when(arrived(index))
        return later

    def _tuple(self, expression: list[Expression], _: int | None) -> Any:
        return self._immutable(expression, self._make_tuple)

    def _make_tuple(self, values: list[Any]) -> tuple[Any, ...]:
        """*values* as a tuple, with a note of what it will take to hash it.

        A peer can send a tuple in two bytes a second time, so that a short message makes one of any depth and size.
        Python's hash of a tuple looks at every item again each time, and leaves the stack to chance.
        """
        made = tuple(values)
        if tuple in map(type, made):
            inner = [self._nested.get(id(each), (each, 1, len(each) + 1)) for each in made if type(each) is tuple]
            depth = max(each[1] for each in inner) + 1
            if depth > self._limits.depth:
                raise LimitExceeded(f"tuples nested {depth:,} deep", limit="depth", value=self._limits.depth)
            size = len(made) + 1 + sum(each[2] for each in inner)
            if size > self._limits.items:
                message = f"a tuple of {size:,} items, shared ones counted each time"
                raise LimitExceeded(message, limit="items", value=self._limits.items)
            self._nested[id(made)] = made, depth, size
        return made

    def _frozenset(self, expression: list[Expression], _: int | None) -> Any:
        return self._immutable(expression, lambda values: frozenset(self._hashable(values)))

    def _set(self, expression: list[Expression], number: int | None) -> Any:
        result: set[Any] = set()
        self._define(number, result)
        values: list[Any] = []
        if self._items(expression, values):
            late: dict[int, int] = {}
            for value in values:
                if type(value) is _Later:
                    value.when(lambda actual: result.add(self._late(late, actual)))
        result.update(self._hashable([value for value in values if type(value) is not _Later]))
        return result

    def _dictionary(self, expression: list[Expression], number: int | None) -> Any:
        result: dict[Any, Any] = {}
        self._define(number, result)
        # Many keys are looked at before they are entered: entering them is what a hostile choice makes slow.
        entered: list[tuple[Any, Any]] | None = [] if len(expression) > _SAME_HASH else None
        late: dict[int, int] = {}
        for pair in expression[1:]:
            if type(pair) is not list or len(pair) != 2:
                raise ProtocolError("a dictionary consists of pairs, key and value")
            key, value = pair
            if type(key) is list:
                key = self._tagged(key, None)
            if type(value) is list:
                try:
                    value = self._tagged(value, None)
                except RefusedClass as error:
                    error.path = f"[{_shown(key)}]{error.path}"
                    raise
            if type(key) is _Later:
                key.when(self._late_key(result, value, late))
            elif entered is not None:
                entered.append((key, value))
            else:
                self._enter(result, key, value)
        if entered is not None:
            self._hashable([key for key, _ in entered])
            for key, value in entered:
                self._put(result, key, value)
        return result

    def _enter(self, result: dict[Any, Any], key: Any, value: Any) -> None:
        if type(key) is tuple:
            self._weigh(key)
        try:
            self._put(result, key, value)
        except TypeError:
            raise _unhashable(key) from None

    def _late_key(self, result: dict[Any, Any], value: Any, late: dict[int, int]) -> Callable[[Any], None]:
        return lambda key: self._put(result, self._late(late, key), value)

    # ------------------------------------------------------------------------------------ hashes

    def _weigh(self, key: tuple[Any, ...]) -> None:
        """Count what it takes to hash *key*. Raises LimitExceeded when a message asks for more than it could carry."""
        nested = self._nested.get(id(key))
        self._hashed += len(key) if nested is None else nested[2]
        most = self._limits.items
        if self._hashed > most:
            message = f"keys of more than {most:,} items, shared ones counted each time"
            raise LimitExceeded(message, limit="items", value=most)

    def _hashable(self, keys: list[Any]) -> list[Any]:
        """*keys*, all of which can be hashed, and not too many to the same number."""
        for key in keys:
            if type(key) is tuple:
                self._weigh(key)
        try:
            hashes = list(map(hash, keys))
        except TypeError:
            raise _unhashable(next(key for key in keys if not _has_hash(key))) from None
        if len(keys) >= _SAME_HASH:
            _refuse_same_hash(max(Counter(hashes).values()))
        return keys

    def _late(self, late: dict[int, int], key: Any) -> Any:
        """*key*, which comes when the others are entered already; *late* counts the hashes of those that do."""
        self._hashable([key])
        late[hash(key)] = count = late.get(hash(key), 0) + 1
        _refuse_same_hash(count)
        return key

    # ------------------------------------------------------------------------------------ references

    def _broker_for(self, what: str) -> Broker:
        if self.broker is None:
            raise ProtocolError(f"{what} means nothing without a connection")
        return self.broker

    def _remote(self, expression: list[Expression], _: int | None) -> Any:
        broker = self._broker_for("a reference")
        luid = _luid(expression[1])
        self.claimed.append((b"remote", luid))
        # It owes its receipt before the books may refuse it.
        reference = RemoteReference(self.perspective, broker, luid)
        broker.books.receive(luid)
        return reference

    def _local(self, expression: list[Expression], _: int | None) -> Any:
        return self._broker_for("a reference").books.home(_luid(expression[1]))

    def _cached(self, expression: list[Expression], _: int | None) -> Any:
        broker = self._broker_for("a cached copy")
        luid = _luid(expression[1])
        copy = broker.books.copies.get(luid)
        if copy is None:
            raise ProtocolError(f"cached object {luid!r} came by number, and its state never did")
        return self._handle(broker, luid, copy)

    def _lcache(self, expression: list[Expression], _: int | None) -> Any:
        broker = self._broker_for("a cached copy")
        luid = _luid(expression[1])
        entry = broker.books.ours.caches.get(luid)
        if entry is None:
            raise ProtocolError(f"cached object {luid!r} came home, and none of that number is out")
        return entry.thing.object

    def _handle(self, broker: Broker, luid: Luid, copy: RemoteCache) -> RemoteCache:
        """The one object that stands for cached *luid*; it owes one decache more."""
        self.claimed.append((b"cached", luid))
        handle = broker.books.handle(luid)
        if handle is None or handle._owed == RELEASED:
            handle = copy.__class__.__new__(copy.__class__)
            handle.__dict__ = copy.__dict__
            handle.broker, handle.luid, handle._owed = broker, luid, 0
            broker.books.keep_handle(luid, handle)
        handle._owed += 1
        broker.books.receive_cache(luid)
        return handle

    def _cache(self, cls: type[RemoteCache], expression: list[Expression], number: int | None) -> RemoteCache:
        """``[tag luid state]``: a state that this and later receipts share."""
        broker = self._broker_for("a cached copy")
        if len(expression) != 3:
            raise ProtocolError(f"{visible(expression[0], 60)}: a Cacheable comes as class, luid and state")
        luid = _luid(expression[1])
        if luid in broker.books.copies:
            raise ProtocolError(f"the state of cached object {luid!r} came a second time")
        copy = cls.__new__(cls)
        copy.broker, copy.luid, copy._owed = broker, luid, 0
        broker.books.copies[luid] = copy
        try:
            handle = self._handle(broker, luid, copy)
            handle.__init__()  # type: ignore[misc]  # as Twisted does, and with no argument that a peer chose
            self._define(number, handle)

            def take(state: Any) -> None:
                handle.setCopyableState(state)
                copy.__dict__ = handle.__dict__

            self._with_state(expression[2], take)
        except BaseException:
            broker.books.copies.pop(luid, None)
            raise
        self._postpone(handle)
        return handle

    # ------------------------------------------------------------------------------------ failures

    def _failure(self, expression: list[Expression]) -> CopiedFailure:
        if len(expression) > 1:
            _require_state(expression)
        holder: list[Any] = [None]
        # Whatever data security forbids: without these few texts nobody could be told of a failure.
        self._in_failure = True
        try:
            self._put(holder, 0, self.unjelly(expression[1] if len(expression) > 1 else [b"None"]))
        finally:
            self._in_failure = False
        return CopiedFailure.from_state(holder[0])


# ---------------------------------------------------------------------------------------- small parts


def _luid(value: Expression) -> Luid:
    if not is_luid(value):
        raise ProtocolError(f"a luid is a string or a number of 60 bits, not {brief(value)}")
    return value  # type: ignore[no-any-return]  # int, float or bytes: banana has nothing else


def _number(value: Expression) -> int:
    if type(value) is not int or not is_luid(value):
        raise ProtocolError(f"references are numbered by ints of 60 bits, not by {brief(value)}")
    return value


def _require_state(expression: list[Expression]) -> None:
    if len(expression) != 2:
        name = visible(expression[0], 60)
        like = ": a Cacheable, which needs a RemoteCache here" if len(expression) == 3 else ""
        raise ProtocolError(f"{name} came with {len(expression) - 1} items instead of its state alone{like}")


def _class(unjellier: Unjellier, expression: list[Expression], _: int | None) -> type:
    name = expression[1]
    found = unjellier.security.allowed_class(name) if type(name) is bytes else None
    if found is None:
        raise _refused_tag(b"class")
    return found


def _instance(unjellier: Unjellier, expression: list[Expression], number: int | None) -> Any:
    """As old peers write an instance: ``[instance [class name] state]``."""
    cls = unjellier.unjelly(expression[1])
    if not isinstance(cls, type):
        raise ProtocolError("an instance begins with its class")
    return unjellier._plain(cls, [b"", expression[2]], number)


def _refused_tag(tag: bytes) -> RefusedClass:
    name = visible(tag, 60)
    return RefusedClass(name, "", f"SecurityOptions().allowTypes({name!r})", told=brief(tag, 80))


def _refused_code(_: Unjellier, expression: list[Expression], __: int | None) -> Any:
    raise _refused_tag(expression[0])


def _refused_class(tag: bytes, like: str) -> RefusedClass:
    name = visible(tag, 120)
    module = name.rpartition(".")[0]
    told = f"Module {module} not allowed (in type {name})." if module else brief(tag, 80)
    return RefusedClass(name, "", f"pb.setUnjellyableForClass({name!r}, {like})", told=told)


def _attribute(path: str) -> str:
    """``['name']`` of a state is ``.name`` of its object."""
    if not path.startswith("['"):
        return path
    name, bracket, rest = path[2:].partition("']")
    return f".{name}{rest}" if bracket and name.isidentifier() else path


def _unhashable(key: Any) -> ProtocolError:
    return ProtocolError(f"a {type(key).__name__} cannot be a key of a dictionary or an item of a set")


def _has_hash(value: Any) -> bool:
    try:
        hash(value)
    except TypeError:
        return False
    return True


def _refuse_same_hash(count: int) -> None:
    if count >= _SAME_HASH:
        raise ProtocolError(f"{count:,} keys share one hash, which makes a dictionary as slow as a list")


def _shown(key: Any) -> str:
    """*key* in a path; only what is short by nature is written out, and no code of a class is run for it."""
    if type(key) in (int, float, bytes, str, bool):
        return brief(key)
    return f"a {type(key).__name__}"


_READERS: Mapping[bytes, Callable[[Unjellier, list[Expression], int | None], Any]] = {
    b"list": Unjellier._list,
    b"tuple": Unjellier._tuple,
    b"set": Unjellier._set,
    b"frozenset": Unjellier._frozenset,
    b"dictionary": Unjellier._dictionary,
    b"reference": Unjellier._reference,
    b"dereference": Unjellier._dereference,
    b"class": _class,
    b"module": _refused_code,
    b"function": _refused_code,
    b"method": _refused_code,
    b"instance": _instance,
    b"remote": Unjellier._remote,
    b"local": Unjellier._local,
    b"cached": Unjellier._cached,
    b"lcache": Unjellier._lcache,
}
