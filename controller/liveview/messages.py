"""What a viewer may say, and what it means to Chrome.

Pure: `parsed` makes a message of a text, or refuses it. Positions are parts of the picture, from 0 to 1, because a
viewer knows its picture's size and not the page's; `Input.on` makes them CSS pixels.

    {"type": "drawn"}                                     the last frame is on the viewer's screen: send another
    {"type": "beat"}                                      the viewer is still there
    {"type": "watch", "page": id}                         look at another tab
    {"type": "mouse", "kind": "move"|"down"|"up", "x", "y", "button", "buttons", "clicks", "modifiers"}
    {"type": "wheel", "x", "y", "dx", "dy", "modifiers"}  CSS pixels
    {"type": "key", "kind": "down"|"up", "key", "code", "keyCode", "location", "repeat", "modifiers"}
    {"type": "text", "text"}                              pasted, or composed by an input method
    {"type": "go", "url"}   {"type": "travel", "by": -1|1}   {"type": "reload"}
    {"type": "answer", "accept", "text"}                  to a dialog of the page
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field
from typing import Any

#: Bytes of the largest message.
LARGEST = 1 << 18

#: Pixels that the wheel may turn at once.
WIDEST_TURN = 10_000

_BUTTONS = ("none", "left", "middle", "right", "back", "forward")
_MOUSE = {"move": "mouseMoved", "down": "mousePressed", "up": "mouseReleased"}

#: CDP's bits for modifier keys, of which some mean that a key writes nothing.
_CONTROL, _META, _SHIFT = 2, 4, 8

#: What keys do in a field besides writing, where Control or Command is held.
_COMMANDS = {"a": "selectAll", "c": "copy", "x": "cut", "y": "redo", "z": "undo"}


class WrongMessage(ValueError):
    """Not a message; the text names the field."""


@dataclass(frozen=True, slots=True)
class Drawn:
    """A frame is on the viewer's screen."""


@dataclass(frozen=True, slots=True)
class Beat:
    """The viewer is there."""


@dataclass(frozen=True, slots=True)
class Watch:
    page: str


@dataclass(frozen=True, slots=True)
class Input:
    """A command of CDP's Input domain. `spare` is what may be left out when a page can't keep up."""

    method: str
    params: Mapping[str, Any] = field(repr=False)
    at: tuple[float, float] | None = None
    spare: bool = False

    def on(self, size: tuple[float, float]) -> dict[str, Any]:
        """The command's parameters for a page of this size, CSS pixels."""
        if self.at is None:
            return dict(self.params)
        return {**self.params, "x": self.at[0] * size[0], "y": self.at[1] * size[1]}


@dataclass(frozen=True, slots=True)
class Go:
    url: str


@dataclass(frozen=True, slots=True)
class Travel:
    """Back or forward."""

    by: int


@dataclass(frozen=True, slots=True)
class Reload:
    """Load the page again."""


@dataclass(frozen=True, slots=True)
class Answer:
    accept: bool
    text: str = field(repr=False)


Message = Drawn | Beat | Watch | Input | Go | Travel | Reload | Answer

#: What somebody may say who only watches.
WATCHING = (Drawn, Beat, Watch)


def parsed(text: str | bytes) -> Message:
    """Raises WrongMessage."""
    try:
        told = json.loads(text)
    except (ValueError, RecursionError):
        raise WrongMessage("the message is not JSON") from None
    if not isinstance(told, dict):
        raise WrongMessage("the message is no object")
    read = _READERS.get(told["type"]) if isinstance(told.get("type"), str) else None
    if read is None:
        raise WrongMessage(f"type must be one of {', '.join(_READERS)}")
    return read(told)


def _mouse(told: Mapping[str, Any]) -> Input:
    kind = _word(told, "kind", _MOUSE)
    params = {
        "type": _MOUSE[kind],
        "button": _word(told, "button", _BUTTONS, default="none"),
        "buttons": _whole(told, "buttons", 31),
        "clickCount": _whole(told, "clicks", 3),
        "modifiers": _whole(told, "modifiers", 15),
        "pointerType": "mouse",
    }
    return Input("Input.dispatchMouseEvent", params, _place(told), spare=kind == "move")


def _wheel(told: Mapping[str, Any]) -> Input:
    params = {
        "type": "mouseWheel",
        "deltaX": _number(told, "dx", -WIDEST_TURN, WIDEST_TURN),
        "deltaY": _number(told, "dy", -WIDEST_TURN, WIDEST_TURN),
        "modifiers": _whole(told, "modifiers", 15),
    }
    return Input("Input.dispatchMouseEvent", params, _place(told), spare=True)


def _key(told: Mapping[str, Any]) -> Input:
    kind = _word(told, "kind", ("down", "up"))
    key, modifiers = _text(told, "key", 32), _whole(told, "modifiers", 15)
    params: dict[str, Any] = {
        "type": "keyUp",
        "key": key,
        "code": _text(told, "code", 32),
        "windowsVirtualKeyCode": _whole(told, "keyCode", 255),
        "location": _whole(told, "location", 3),
        "modifiers": modifiers,
        "isKeypad": told.get("location") == 3,
    }
    if kind == "down":
        written = "" if modifiers & (_CONTROL | _META) else _written(key)
        params |= {"type": "keyDown" if written else "rawKeyDown", "autoRepeat": _truth(told, "repeat")}
        if written:
            params |= {"text": written, "unmodifiedText": written}
        if command := _command(key, modifiers):
            params["commands"] = [command]
    return Input("Input.dispatchKeyEvent", params)


def _written(key: str) -> str:
    """What a key writes; names of keys have more than one character."""
    return "\r" if key == "Enter" else key if len(key) == 1 else ""


def _command(key: str, modifiers: int) -> str | None:
    if not modifiers & (_CONTROL | _META):
        return None
    if key.lower() == "z" and modifiers & _SHIFT:
        return "redo"
    return _COMMANDS.get(key.lower())


def _pasted(told: Mapping[str, Any]) -> Input:
    return Input("Input.insertText", {"text": _text(told, "text", LARGEST)})


def _travel(told: Mapping[str, Any]) -> Travel:
    by = told.get("by")
    if isinstance(by, bool) or not isinstance(by, int) or abs(by) != 1:
        raise WrongMessage("by must be -1 or 1")
    return Travel(by)


def _answer(told: Mapping[str, Any]) -> Answer:
    return Answer(_truth(told, "accept"), _text(told, "text", LARGEST))


_READERS: Mapping[str, Callable[[Mapping[str, Any]], Message]] = {
    "drawn": lambda _: Drawn(),
    "beat": lambda _: Beat(),
    "watch": lambda told: Watch(_text(told, "page", 64)),
    "mouse": _mouse,
    "wheel": _wheel,
    "key": _key,
    "text": _pasted,
    "go": lambda told: Go(_text(told, "url", LARGEST)),
    "travel": _travel,
    "reload": lambda _: Reload(),
    "answer": _answer,
}


def _place(told: Mapping[str, Any]) -> tuple[float, float]:
    return _number(told, "x", 0, 1), _number(told, "y", 0, 1)


def _number(told: Mapping[str, Any], name: str, least: float, most: float) -> float:
    """A number, brought into its bounds: a drag may leave the picture."""
    value = told.get(name, 0)
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        raise WrongMessage(f"{name} must be a number")
    return min(max(value, least), most)


def _whole(told: Mapping[str, Any], name: str, most: int) -> int:
    value = told.get(name, 0)
    if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value <= most:
        raise WrongMessage(f"{name} must be an integer from 0 to {most}")
    return value


def _truth(told: Mapping[str, Any], name: str) -> bool:
    value = told.get(name, False)
    if not isinstance(value, bool):
        raise WrongMessage(f"{name} must be a boolean")
    return value


def _text(told: Mapping[str, Any], name: str, longest: int) -> str:
    value = told.get(name, "")
    if not isinstance(value, str) or len(value) > longest:
        raise WrongMessage(f"{name} must be a string of at most {longest} characters")
    return value


def _word(told: Mapping[str, Any], name: str, words: Collection[str], *, default: str | None = None) -> str:
    value = told.get(name, default)
    if not isinstance(value, str) or value not in words:
        raise WrongMessage(f"{name} must be one of {', '.join(words)}")
    return value
