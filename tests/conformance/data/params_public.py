"""Public data set for the recorded sessions."""


def i(n):
    return {"t": "int", "v": str(n)}


def s(v):
    return {"t": "str", "v": v}


def b(v):
    return {"t": "bytes", "hex": v.hex()}


def fl(v):
    return {"t": "float", "v": repr(v)}


def li(*x):
    return {"t": "list", "items": list(x)}


def tu(*x):
    return {"t": "tuple", "items": list(x)}


def se(*x):
    return {"t": "set", "items": list(x)}


def di(*kv):
    return {"t": "dict", "items": [list(p) for p in kv]}


none = {"t": "none"}
yes = {"t": "bool", "v": True}
no = {"t": "bool", "v": False}
EXC = {"err": "TooHot", "sub": "FarTooHot", "bad": "BadValue", "jerr": "JellyErr", "text": "the soup is hot"}
PARAMS = {
    "_module": "kitchen",
    "echo_root": {
        "method": "echo",
        "values": [
            s("hello network"),
            i(0),
            i(-5),
            i(2**31),
            i(-(2**40)),
            fl(2.5),
            yes,
            no,
            none,
            b(b"raw\x00\xff"),
            s("smörgås \U0001f35e"),
            li(),
            li(i(1), li(i(2))),
            tu(),
            tu(s("a"), b(b"b")),
            di(),
            di((s("k"), i(1)), (b(b"k"), i(2)), (i(3), none)),
            se(i(7)),
            s("list"),
            b(b"message"),
        ],
    },
    "two_three": {"getter": "getTwo", "inner": "three", "arg": 12, "factor": 2},
    "reference_back": {"getter": "getTwo", "checker": "checkTwo"},
    "client_reference": {"callback": "three", "arg": 12, "reply": "three was called"},
    "exceptions_safe": EXC,
    "exceptions_unsafe": EXC,
    "unknown_method": {"missing": "frobnicate", "kw": "zork"},
    "insecure_argument": {"cls": "Secret", "plain": "Bare", "n": 5},
    "copyable": {"a": "Pan", "b": "Pot", "btag": "pot-tag", "c": "Lid", "name": "copper", "num": 42},
    "cacheable": {
        "cls": "MasterDuckPond",
        "items": ["one duck", "two duck"],
        "new": "ugly duckling",
        "add": "addDuck",
        "remove": "removeDuck",
    },
    "login_chat": {
        "user": "alice",
        "password": "1234",
        "group": "lookingForFourth",
        "message": "hi there",
        "missing": "fly",
    },
    "login_failed": {"user": "alice", "password": "1234", "wrong": "4321", "nobody": "mallory"},
    "login_anonymous": {"greeting": "hello, ", "arg": "world"},
    "string_pager": {"data": b"0123456789".hex(), "times": 10, "chunk": 32},
    "file_pager": {"data": b"abcdefg".hex(), "sizes": [10, 0, 16384, 20000]},
    "kwargs": {"args": [1, "two"], "kw": {"alpha": 1, "beta": "x"}},
    "no_answer": {"a": "first", "b": "second", "c": "third"},
    "large_c2s": {"seed": "public", "n": 102400},
    "large_s2c": {"seed": "public2", "n": 102400},
    "pipelined_50": {"mul": 3, "every": 5},
    "repeated_references": {"id": 99},
    "lost_pending": {"last": "goodbye"},
}
