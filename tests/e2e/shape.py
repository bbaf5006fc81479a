"""The shape that a vendor documents for a body, as functions that check it: strict about what is missing, what is unknown,
types, and limits in the vendor's own unit.

A checker is called with a value and the place where it stands, and raises [`Wrong`].
"""

import re


class Wrong(Exception):
    """What the vendor would not take, and where it stands."""


def chars(text):
    return len(text)


def utf8(text):
    return len(text.encode())


def utf16(text):
    return len(text.encode("utf-16-le")) // 2


def text(most=None, unit=chars, least=1, like=None, never=None, code=False):
    """`never`: what has a meaning there; with `code` it has none between backticks."""

    def check(value, where):
        if not isinstance(value, str):
            raise Wrong(f"{where}: {type(value).__name__} in place of a text")
        length = unit(value)
        if length < least or (most is not None and length > most):
            raise Wrong(f"{where}: {length} {unit.__name__} where {least} to {most} are allowed")
        if like is not None and not re.fullmatch(like, value):
            raise Wrong(f"{where}: {value[:80]!r} is not like {like}")
        if never is not None and (found := re.search(never, re.sub("`[^`\n]*`", "", value) if code else value)):
            raise Wrong(f"{where}: has {found.group()!r}, which has a meaning there")

    return check


def only(*values):
    def check(value, where):
        # `True == 1` is not what a vendor thinks.
        if not any(type(value) is type(known) and value == known for known in values):
            raise Wrong(f"{where}: {value!r} is none of {values}")

    return check


def number(least, most):
    def check(value, where):
        if isinstance(value, bool) or not isinstance(value, int) or not least <= value <= most:
            raise Wrong(f"{where}: {value!r} is no number from {least} to {most}")

    return check


def flag(value, where):
    if not isinstance(value, bool):
        raise Wrong(f"{where}: {value!r} is not true or false")


def anything(value, where):
    """The vendor shows it as it is."""


def items(of, most, least=0):
    def check(value, where):
        if not isinstance(value, list) or not least <= len(value) <= most:
            raise Wrong(f"{where}: not a list of {least} to {most}")
        for at, one in enumerate(value):
            of(one, f"{where}[{at}]")

    return check


def fields(need, may=None):
    """An object with these keys and no others."""
    known = need | (may or {})

    def check(value, where):
        if not isinstance(value, dict):
            raise Wrong(f"{where}: {type(value).__name__} in place of an object")
        for key in need:
            if key not in value:
                raise Wrong(f"{where}: {key} is missing")
        for key, one in value.items():
            if key not in known:
                raise Wrong(f"{where}: {key} is unknown")
            known[key](one, f"{where}.{key}")

    return check


def texts_by_name(most):
    def check(value, where):
        if not isinstance(value, dict) or not all(isinstance(v, str) for v in value.values()):
            raise Wrong(f"{where}: not texts by name")
        if sum(len(k) + len(v) for k, v in value.items()) > most:
            raise Wrong(f"{where}: more than {most} characters")

    return check


def by(key, **shapes):
    """An object whose shape is told by one of its fields."""

    def check(value, where):
        shape = shapes.get(value.get(key)) if isinstance(value, dict) else None
        if shape is None:
            raise Wrong(f"{where}: {key} is none of {sorted(shapes)}")
        shape(value, where)

    return check


URL = text(2048, like=r"https?://\S+")
RFC3339 = text(40, like=r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?(Z|[+-]\d\d:\d\d)")
