"""JSON values as DynamoDB's: nothing is lost on the way, and what can't be kept is refused before it is sent."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest
from boto3.dynamodb.types import TypeDeserializer
from hypothesis import given
from hypothesis import strategies as st

from wallcrawler.aws.values import Typed, loaded, loaded_item, stored, stored_item

texts = st.text(st.characters(codec="utf-8"), max_size=10)
numbers = (
    st.integers(-(10**38) + 1, 10**38 - 1)
    | st.floats(1e-129, 1e125)
    | st.floats(-1e125, -1e-129)
    | st.just(0.0)
    | st.integers(-(2**53), 2**53).map(float)
)
values = st.recursive(
    st.none() | st.booleans() | numbers | texts,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(texts, inner, max_size=3),
    max_leaves=8,
)


def normalized(value: Typed) -> Typed:
    """As DynamoDB gives it back: numbers without an exponent, nor zeros that say nothing."""
    ((kind, inner),) = value.items()
    if kind == "N":
        whole, _, broken = format(Decimal(inner), "f").partition(".")
        return {"N": f"{whole}.{broken.rstrip('0')}".removesuffix(".")}
    if kind == "M":
        return {"M": {name: normalized(one) for name, one in inner.items()}}
    return {"L": [normalized(one) for one in inner]} if kind == "L" else value


def same(one: Any, other: Any) -> bool:
    """Equal, and a boolean only equal to a boolean; floats may come back as the same whole number."""
    if isinstance(one, bool) or isinstance(other, bool):
        return one is other
    if isinstance(one, dict) and isinstance(other, dict):
        return one.keys() == other.keys() and all(same(one[key], other[key]) for key in one)
    if isinstance(one, list) and isinstance(other, list):
        return len(one) == len(other) and all(map(same, one, other))
    return bool(one == other)


@given(values)
def test_every_value_comes_back(value: Any) -> None:
    """Whatever DynamoDB does to its numbers meanwhile."""
    assert same(loaded(stored(value)), value)
    assert same(loaded(normalized(stored(value))), value)


@given(st.floats(-1e125, 1e125).filter(lambda number: number == 0 or abs(number) > 1e-129))
def test_a_float_is_the_same_float(number: float) -> None:
    """To its last digit, also where DynamoDB writes it out as a whole number."""
    assert float(loaded(normalized(stored(number)))) == number


@given(st.integers(-(10**38) + 1, 10**38 - 1))
def test_a_whole_number_is_the_same_whole_number(number: int) -> None:
    """Also beyond what a float can hold: ids of other systems are such numbers."""
    back = loaded(normalized(stored(number)))

    assert (type(back), back) == (int, number)


@given(st.dictionaries(texts, values, max_size=4))
def test_an_item_is_what_boto3_would_read(item: dict[str, Any]) -> None:
    """Its own reader understands what is written here."""
    kept: Any = stored_item(item)
    read = {name: TypeDeserializer().deserialize(value) for name, value in kept.items()}

    assert len(read) == len(item)
    for name, value in item.items():
        if isinstance(value, str) and name and not name.startswith("\0"):
            assert read[name] == value


def test_names_are_never_empty() -> None:
    """DynamoDB has none, callers' metadata may; what is written in their place is told from all others."""
    item = {"": 1, "\0": 2, "\0\0": 3, "a": {"": {"": 4}}}

    kept = stored_item(item)

    assert "" not in kept
    assert "" not in kept["a"]["M"]
    assert loaded_item(kept) == item


@pytest.mark.parametrize(
    "value", [float("nan"), float("inf"), -float("inf"), 1e126, 1e-131, -1e300, 10**38, 10**40, 5e-324, {"a": [1e300]}]
)
def test_a_number_that_dynamodb_has_not_is_refused(value: Any) -> None:
    """Before anything is sent."""
    with pytest.raises(ValueError, match=r"number|JSON"):
        stored(value)


@pytest.mark.parametrize("value", [b"bytes", {1, 2}, object(), Decimal(1), [b"x"]])
def test_what_is_not_json_is_refused(value: Any) -> None:
    """A record that holds such a thing is a mistake of ours."""
    with pytest.raises(ValueError, match="no JSON value"):
        stored(value)


@pytest.mark.parametrize("value", [{"B": b"x"}, {"SS": ["a"]}, {}, {"N": 1}, {"S": 1}])
def test_types_that_are_never_written_are_not_read(value: Typed) -> None:
    """Somebody else has written them, and guessing would hide that."""
    with pytest.raises(ValueError, match="no value of ours"):
        loaded(value)
