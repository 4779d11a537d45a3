"""What a viewer may say, and what it means to Chrome."""

from __future__ import annotations

import json
from contextlib import suppress
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from controller.liveview import messages
from controller.liveview.messages import Answer, Beat, Drawn, Go, Input, Reload, Travel, Watch, WrongMessage


def parsed(**told: Any) -> messages.Message:
    return messages.parsed(json.dumps(told))


def commanded(**told: Any) -> dict[str, Any]:
    """The parameters that Chrome gets, of a page of 1000 by 500."""
    message = parsed(**told)
    assert isinstance(message, Input)
    return message.on((1000, 500))


@pytest.mark.parametrize(
    ("told", "meant"),
    [
        ({"type": "drawn"}, Drawn()),
        ({"type": "beat"}, Beat()),
        ({"type": "watch", "page": "P"}, Watch("P")),
        ({"type": "go", "url": "example.com"}, Go("example.com")),
        ({"type": "travel", "by": -1}, Travel(-1)),
        ({"type": "reload"}, Reload()),
        ({"type": "answer", "accept": True, "text": "yes"}, Answer(accept=True, text="yes")),
        ({"type": "answer"}, Answer(accept=False, text="")),
    ],
)
def test_messages_are_what_they_say(told: dict[str, Any], meant: messages.Message) -> None:
    """Each kind of message, with what may be left out of it."""
    assert parsed(**told) == meant


@pytest.mark.parametrize(
    ("x", "y", "place"),
    [(0, 0, (0, 0)), (0.5, 0.5, (500, 250)), (1, 1, (1000, 500)), (-3, 7.5, (0, 500))],
)
def test_places_are_parts_of_the_picture(x: float, y: float, place: tuple[float, float]) -> None:
    """Whatever size the picture has on the viewer's screen; a drag that leaves it stays on its edge."""
    command = commanded(type="mouse", kind="down", x=x, y=y, button="left", buttons=1, clicks=2, modifiers=8)

    assert (command["x"], command["y"]) == place
    assert command["type"] == "mousePressed"
    assert (command["button"], command["buttons"], command["clickCount"], command["modifiers"]) == ("left", 1, 2, 8)


def test_the_wheel_turns_in_pixels() -> None:
    """Up to a bound."""
    command = commanded(type="wheel", x=0.5, y=0.5, dx=-10, dy=1e9)

    assert command["type"] == "mouseWheel"
    assert (command["deltaX"], command["deltaY"]) == (-10, messages.WIDEST_TURN)


@pytest.mark.parametrize(
    ("key", "modifiers", "kind", "text", "commands"),
    [
        ("a", 0, "keyDown", "a", None),
        ("A", 8, "keyDown", "A", None),
        ("ß", 0, "keyDown", "ß", None),
        ("Enter", 0, "keyDown", "\r", None),
        ("ArrowLeft", 8, "rawKeyDown", None, None),
        ("a", 2, "rawKeyDown", None, ["selectAll"]),
        ("a", 4, "rawKeyDown", None, ["selectAll"]),
        ("Z", 2 | 8, "rawKeyDown", None, ["redo"]),
        ("l", 2, "rawKeyDown", None, None),
    ],
)
def test_keys_write_or_do(key: str, modifiers: int, kind: str, text: str | None, commands: list[str] | None) -> None:
    """A character is written, unless Control or Command is held: then it does what it does in a field."""
    command = commanded(type="key", kind="down", key=key, code="K", keyCode=65, modifiers=modifiers)

    assert command["type"] == kind
    assert command.get("text") == text
    assert command.get("commands") == commands


def test_a_key_that_is_let_go_writes_nothing() -> None:
    """Nor does it anything."""
    command = commanded(type="key", kind="up", key="a", code="KeyA", keyCode=65)

    assert command["type"] == "keyUp"
    assert command.keys().isdisjoint({"text", "commands"})


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("", "not JSON"),
        ("[" * 100_000, "not JSON"),
        ("[]", "no object"),
        ("{}", "type must be one of drawn"),
        ('{"type": ["mouse"]}', "type must be one of"),
        ('{"type": "quit"}', "type must be one of"),
        ('{"type": "mouse", "kind": "jump"}', "kind must be one of move, down, up"),
        ('{"type": "mouse"}', "kind must be one of"),
        ('{"type": "mouse", "kind": "up", "x": "1"}', "x must be a number"),
        ('{"type": "mouse", "kind": "up", "x": NaN}', "x must be a number"),
        ('{"type": "mouse", "kind": "up", "x": true}', "x must be a number"),
        ('{"type": "mouse", "kind": "up", "button": "nose"}', "button must be one of"),
        ('{"type": "mouse", "kind": "up", "clicks": 4}', "clicks must be an integer from 0 to 3"),
        ('{"type": "mouse", "kind": "up", "modifiers": 1.5}', "modifiers must be an integer"),
        ('{"type": "key", "kind": "down", "key": "' + "x" * 33 + '"}', "key must be a string of at most 32"),
        ('{"type": "key", "kind": "down", "repeat": 1}', "repeat must be a boolean"),
        ('{"type": "travel", "by": 2}', "by must be -1 or 1"),
        ('{"type": "travel", "by": true}', "by must be -1 or 1"),
        ('{"type": "travel", "by": []}', "by must be -1 or 1"),
        ('{"type": "text", "text": null}', "text must be a string"),
    ],
)
def test_what_is_no_message_is_refused(text: str, why: str) -> None:
    """With the name of the field."""
    with pytest.raises(WrongMessage, match=why):
        messages.parsed(text)


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=5,
)
names = ["kind", "x", "y", "dx", "dy", "button", "buttons", "clicks", "modifiers", "key", "by", "text", "page", "url"]
types = ["drawn", "beat", "watch", "mouse", "wheel", "key", "text", "go", "travel", "reload", "answer"]


@given(
    kind=st.sampled_from(types) | json_values,
    fields=st.dictionaries(st.sampled_from(names), json_values | st.sampled_from(["move", "down", "left"])),
)
def test_whatever_comes_is_a_message_or_refused(kind: object, fields: dict[str, Any]) -> None:
    """And never anything else: a viewer is anybody with a link. What Chrome would get of it is JSON again."""
    message: messages.Message | None = None
    with suppress(WrongMessage):
        message = messages.parsed(json.dumps(fields | {"type": kind}))

    if isinstance(message, Input):
        assert json.loads(json.dumps(message.on((1024, 768)), allow_nan=False))


@given(st.binary(max_size=50))
def test_bytes_that_are_no_text_are_refused(message: bytes) -> None:
    """Without an exception of the decoder."""
    try:
        told = json.loads(message)
    except ValueError:
        with pytest.raises(WrongMessage):
            messages.parsed(message)
    else:
        assert not isinstance(told, dict) or "type" not in told
