"""The `q` of a list."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.api.answers import Refusal
from services.api.metadata import matching

METADATA = {
    "stagehand": "true",
    "order": {"id": "17", "ship to": {"städt": "Köln"}},
    "count": 17,
    "flag": True,
    "": "x",
}


@pytest.mark.parametrize(
    ("q", "matches"),
    [
        ("user_metadata['stagehand']:'true'", True),
        ("  user_metadata['stagehand']:'true'\n", True),
        ("user_metadata['order']['id']:'17'", True),
        ("user_metadata['order']['ship to']['städt']:'Köln'", True),
        ("user_metadata['stagehand']:'false'", False),
        ("user_metadata['stagehand']:''", False),
        ("user_metadata['nothing']:'true'", False),
        ("user_metadata['nothing']:''", False),
        ("user_metadata['stagehand']['deeper']:'true'", False),
        ("user_metadata['order']:'17'", False),
        ("user_metadata['count']:'17'", False),
        ("user_metadata['flag']:'True'", False),
        ("user_metadata['flag']:'true'", False),
        ("user_metadata['Stagehand']:'true'", False),
    ],
)
def test_it_is_equality_of_strings(q: str, matches: bool) -> None:
    """At the end of a path, and of nothing that is no string."""
    assert matching(q)(METADATA) is matches


def test_the_empty_value_can_be_asked_for() -> None:
    """A string like any other."""
    assert matching("user_metadata['a']:''")({"a": ""})


@pytest.mark.parametrize(
    "q",
    [
        "",
        "stagehand",
        "user_metadata",
        "user_metadata:'true'",
        "user_metadata[stagehand]:'true'",
        "user_metadata['stagehand']",
        "user_metadata['stagehand']='true'",
        "user_metadata['stagehand']:true",
        'user_metadata["stagehand"]:"true"',
        "user_metadata['']:'x'",
        "user_metadata['a']:'b' OR user_metadata['c']:'d'",
        "user_metadata['a']:'it's'",
        "USER_METADATA['a']:'b'",
    ],
)
def test_another_form_is_refused_with_an_example(q: str) -> None:
    """Rather than matching everything, or nothing."""
    with pytest.raises(Refusal) as refusal:
        matching(q)

    assert refusal.value.status == 400
    assert refusal.value.message == "querystring/q must have the form user_metadata['key']:'value'"


plain = st.text(min_size=1, max_size=10).filter(lambda text: "'" not in text)


@given(path=st.lists(plain, min_size=1, max_size=4), value=plain, other=plain)
def test_what_is_stored_under_a_path_is_found_by_it(path: list[str], value: str, other: str) -> None:
    """Whatever the keys are, and nothing else is found."""
    metadata: object = value
    for step in reversed(path):
        metadata = {step: metadata}
    steps = "".join(f"['{step}']" for step in path)

    found = matching(f"user_metadata{steps}:'{value}'")

    assert isinstance(metadata, dict)
    assert found(metadata)
    assert found(json.loads(json.dumps(metadata)))
    assert matching(f"user_metadata{steps}:'{other}'")(metadata) == (other == value)
