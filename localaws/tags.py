"""Tags: checked as ECS checks them, kept as a mapping, shown as a list."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from localaws.errors import invalid

Tags = dict[str, str]


def read_tags(wire: Iterable[Mapping[str, str]] | None) -> Tags:
    """From `[{"key": ..., "value": ...}]`. Raises InvalidParameterException."""
    tags: Tags = {}
    for tag in wire or ():
        key, value = tag.get("key", ""), tag.get("value", "")
        if not 1 <= len(key) <= 128:
            raise invalid("Tag key must have a length between 1 and 128")
        if len(value) > 256:
            raise invalid("Tag value must have a length of at most 256")
        if key.lower().startswith("aws:"):
            raise invalid("Tag keys and values cannot start with 'aws:'")
        if key in tags:
            raise invalid(f"Duplicate tag keys found. Key: {key}")
        tags[key] = value
    return limited(tags)


def limited(tags: Tags) -> Tags:
    """The tags, if they are no more than a resource may have."""
    if len(tags) > 50:
        raise invalid("The number of tags exceeds the limit of 50")
    return tags


def show_tags(tags: Mapping[str, str]) -> list[dict[str, str]]:
    return [{"key": key, "value": value} for key, value in tags.items()]
