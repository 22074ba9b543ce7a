"""How many members the maps of a MessagePack value announce: a decoded one cannot say. Pure."""

_FIXED = {0xC0: 0, 0xC2: 0, 0xC3: 0, 0xCA: 4, 0xCB: 8} | {
    head: 1 << at % 4 for at, head in enumerate(range(0xCC, 0xD4))
}
"""Head → bytes behind it: nil, the two truths, floats, integers."""

_LENGTH = {0xD9: 1, 0xDA: 2, 0xDB: 4}
"""Head of a text → bytes of its length."""

_ARRAY, _MAP = {0xDC: 2, 0xDD: 4}, {0xDE: 2, 0xDF: 4}
"""Head of an array or a map → bytes of its count."""


def announced_members(raw: bytes) -> int:
    """Return the number of members in all maps of ``raw``, counting a name as often as it stands.

    Args:
        raw: one valid MessagePack value without binary strings and extensions.
    """
    at = members = 0
    while at < len(raw):
        head = raw[at]
        at += 1
        if head in _FIXED:
            at += _FIXED[head]
        elif head in _LENGTH:
            at += _LENGTH[head] + _number(raw, at, _LENGTH[head])
        elif 0xA0 <= head <= 0xBF:  # noqa: PLR2004 - a text whose length stands in its head
            at += head & 0x1F
        elif 0x80 <= head <= 0x8F:  # noqa: PLR2004 - a map whose count stands in its head
            members += head & 0x0F
        elif head in _MAP:
            members += _number(raw, at, _MAP[head])
            at += _MAP[head]
        elif head in _ARRAY:
            at += _ARRAY[head]
    return members


def _number(raw: bytes, at: int, length: int) -> int:
    return int.from_bytes(raw[at : at + length])
