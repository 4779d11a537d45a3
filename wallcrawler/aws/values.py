"""JSON values as DynamoDB's typed ones, and back. Pure.

Every value comes back equal to what it was. DynamoDB has one kind of number: 2.0 is kept as 2, and comes back as that.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any, Final

from wallcrawler.ports import Item

#: A value with the name of its type: {"S": "text"}.
Typed = Mapping[str, Any]

#: Digits that DynamoDB keeps of a number.
DIGITS: Final = 38
#: Between these lie the sizes of its numbers.
SMALLEST: Final = 1e-130
LARGEST: Final = 1e126

#: What a map's key begins with where it was empty or began with this: DynamoDB has no empty names.
_MARK: Final = "\0"


def stored_item(item: Item) -> dict[str, Typed]:
    """Raises ValueError for what DynamoDB can't hold."""
    return {_stored_name(name): stored(value) for name, value in item.items()}


def loaded_item(item: Mapping[str, Typed]) -> Item:
    return {_loaded_name(name): loaded(value) for name, value in item.items()}


def stored(value: Any) -> Typed:
    """Raises ValueError for what DynamoDB can't hold: not a JSON value, or a number that is too long."""
    if value is None:
        return {"NULL": True}
    if isinstance(value, bool):
        return {"BOOL": value}
    if isinstance(value, str):
        return {"S": str(value)}
    if isinstance(value, int | float):
        return {"N": _stored_number(value)}
    if isinstance(value, Mapping):
        return {"M": stored_item(dict(value))}
    if isinstance(value, list | tuple):
        return {"L": [stored(one) for one in value]}
    raise ValueError(f"a {type(value).__name__} is no JSON value")


def loaded(value: Typed) -> Any:
    """Raises ValueError for a type that `stored` never writes."""
    match dict(value):
        case {"S": str(text)}:
            return text
        case {"N": str(number)}:
            return _loaded_number(number)
        case {"BOOL": bool(truth)}:
            return truth
        case {"NULL": _}:
            return None
        case {"M": dict(items)}:
            return loaded_item(items)
        case {"L": list(values)}:
            return [loaded(one) for one in values]
        case other:
            raise ValueError(f"no value of ours has the type {', '.join(other) or 'of nothing'}")


def _stored_number(number: float) -> str:
    if isinstance(number, int):
        if abs(number) >= 10**DIGITS:
            raise ValueError(f"a whole number must have at most {DIGITS} digits")
        return str(int(number))
    if not math.isfinite(number):
        raise ValueError(f"{number} is no JSON value")
    if number and not SMALLEST <= abs(number) < LARGEST:
        raise ValueError(f"a number must lie between {SMALLEST} and {LARGEST}")
    # In full where that is exact, otherwise in the at most 17 digits that tell a float from all others.
    return str(int(number)) if number.is_integer() and abs(number) < 10**DIGITS else repr(number)


def _loaded_number(text: str) -> float:
    # What has more digits was a float, which DynamoDB has written out: 1e40 is a one with forty zeros.
    whole = text.removeprefix("-").isdecimal() and len(text.removeprefix("-")) <= DIGITS
    return int(text) if whole else float(text)


def _stored_name(name: str) -> str:
    return _MARK + name if not name or name.startswith(_MARK) else name


def _loaded_name(name: str) -> str:
    return name.removeprefix(_MARK)
