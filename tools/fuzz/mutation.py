"""A file changed at random: bytes of any file, and values of JSON by what their place should not hold."""

import json
import random
from typing import Any

# What is valid somewhere and wrong elsewhere.
_VALUES = (
    *(
        "null",
        "true",
        "[]",
        "{}",
        "[[]]",
        '""',
        '"../x"',
        '"/x"',
        '"a\\u0000"',
        '"\\ud800"',
        '"\\udfff\\ud800"',
        '"NaN"',
    ),
    *("-1", "0", "1.5", "1e400", "-1e400", "1e-400", "NaN", "-Infinity", "9223372036854775808", "9" * 5000),
    *("[" * 1200, "[" * 1200 + "]" * 1200, '{"a":' * 2000, '"' + "x" * 100_000 + '"'),
)
_PIECES = (
    *(b"\0", b"\n", b"\r", b'"', b"'", b"[", b"(", b"{", b"}", b",", b";", b"=", b":", b"%", b"@", b"/", b"../", b"\\"),
    *(
        b"\xff",
        b"\xed\xa0\x80",
        b"\xef\xbb\xbf",
        b"\xff" * 8,
        b"\x7f\xff\xff\xff",
        b"\0" * 8,
        b"import x\n",
        b"include ",
    ),
)


def mutated(content: bytes, chance: random.Random) -> bytes:
    """The content after one to four changes."""
    for _ in range(chance.randint(1, 4)):
        content = (_json_changed(content, chance) if chance.random() < 0.5 else None) or _bytes_changed(content, chance)
    return content


def _json_changed(content: bytes, chance: random.Random) -> bytes | None:
    """One value, key or entry of a JSON text, or of one of its lines; None where there is none."""
    lines = content.split(b"\n")
    whole = _parsed(content)
    place = chance.randrange(len(lines))
    found = _parsed(lines[place]) if whole is None else whole
    if found is None:
        return None
    wrong = chance.choice(_VALUES)
    text = json.dumps(_changed(found, chance)).replace('"@"', wrong)
    if whole is not None:
        return text.encode(errors="surrogatepass")
    return b"\n".join([*lines[:place], text.encode(errors="surrogatepass"), *lines[place + 1 :]])


def _parsed(text: bytes) -> Any:
    try:
        found = json.loads(text)
    except (ValueError, RecursionError):
        return None
    return found if isinstance(found, list | dict) and found else None


def _changed(value: Any, chance: random.Random) -> Any:
    """The value with "@" somewhere, or without one of its entries."""
    if not isinstance(value, list | dict) or not value or chance.random() < 0.15:
        return "@"
    key = chance.choice(list(value)) if isinstance(value, dict) else chance.randrange(len(value))
    action = chance.random()
    if isinstance(value, dict) and action < 0.15:
        return {("@" if name == key else name): content for name, content in value.items()}
    if action < 0.25:
        entries = [name for name in value if name != key] if isinstance(value, dict) else None
        return {name: value[name] for name in entries} if entries is not None else value[:key] + value[key + 1 :]
    if isinstance(value, dict):
        return value | {key: _changed(value[key], chance)}
    return [*value[:key], _changed(value[key], chance), *value[key + 1 :]]


def _bytes_changed(content: bytes, chance: random.Random) -> bytes:
    place, other = (chance.randrange(len(content) + 1) for _ in range(2))
    length = chance.choice((1, 2, 8, 64))
    action = chance.randrange(7)
    if action == 0 and content:
        place = min(place, len(content) - 1)
        return content[:place] + bytes([content[place] ^ (1 << chance.randrange(8))]) + content[place + 1 :]
    if action == 1:
        return content[:place]
    if action == 2:
        return content[:place] + content[place + length :]
    if action == 3:
        return content[:place] + content[other : other + length] + content[place:]
    if action == 4:
        return content[:place] + chance.randbytes(length) + content[place + length :]
    if action == 5:
        return content[:place] + bytes(length) + content[place + length :]
    return content[:place] + chance.choice(_PIECES) + content[place:]
