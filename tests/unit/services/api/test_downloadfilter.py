"""The query of GET /v1/downloads: what it finds, and what is wrong with it."""

from __future__ import annotations

import pytest

from services.api import downloadfilter
from services.api.answers import Refusal, timestamp
from tests.unit.downloads import a_download

OWN = {"sessionId": "session-1"}


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ({}, True),
        ({"filename": "sandstorm-1719265797164.mp3"}, True),
        ({"filename": "sandstorm"}, False),
        ({"mimeType": "audio/mpeg"}, True),
        ({"mimeType": "audio/ogg"}, False),
        ({"minSize": "3", "maxSize": "3"}, True),
        ({"minSize": "3.5"}, False),
        ({"maxSize": "2"}, False),
        ({"createdAfter": "2024-06-24T21:49:57.164Z"}, True),
        ({"createdAfter": "2024-06-24T21:49:57.165Z"}, False),
        ({"createdBefore": "2024-06-24T23:49:57.164+02:00"}, True),
        ({"createdBefore": "2024-06-24T21:49:57.163Z"}, False),
        ({"createdBefore": "2024-06-24"}, False),
        ({"filename": "sandstorm-1719265797164.mp3", "maxSize": "2"}, False),
    ],
)
def test_a_download_is_found_by_what_is_known_of_it(query: dict[str, str], found: bool) -> None:
    """All that is named has to hold; both ends belong to a range."""
    assert downloadfilter.read(OWN | query).matches(a_download()) is found


def test_a_download_is_found_by_the_time_that_is_shown() -> None:
    """Whatever is beyond its milliseconds."""
    download = a_download(created_at=1_719_265_797.1649)
    shown = timestamp(download.created_at)

    wanted = downloadfilter.read(OWN | {"createdAfter": shown, "createdBefore": shown})

    assert wanted.matches(download)


def test_the_first_page_has_twenty() -> None:
    """Where the query says nothing else."""
    wanted = downloadfilter.read(OWN)

    assert (wanted.session_id, wanted.limit, wanted.offset) == ("session-1", 20, 0)


@pytest.mark.parametrize(
    ("query", "says"),
    [
        ({"sessionId": ""}, "querystring must have required property 'sessionId'"),
        ({"filename": "x" * 256}, "querystring/filename must NOT have more than 255 characters"),
        ({"mimeType": "x" * 256}, "querystring/mimeType must NOT have more than 255 characters"),
        ({"minSize": "-1"}, "querystring/minSize must be a number >= 0"),
        ({"minSize": "much"}, "querystring/minSize must be a number >= 0"),
        ({"maxSize": "nan"}, "querystring/maxSize must be a number >= 0"),
        ({"maxSize": "inf"}, "querystring/maxSize must be a number >= 0"),
        ({"createdAfter": "yesterday"}, 'querystring/createdAfter must match format "date-time"'),
        ({"createdBefore": ""}, 'querystring/createdBefore must match format "date-time"'),
        ({"limit": "0"}, "querystring/limit must be an integer from 1 to 100"),
        ({"limit": "101"}, "querystring/limit must be an integer from 1 to 100"),
        ({"limit": "1.5"}, "querystring/limit must be an integer >= 0"),
        ({"limit": "٣"}, "querystring/limit must be an integer >= 0"),
        ({"offset": "-1"}, "querystring/offset must be an integer >= 0"),
        ({"offset": "9" * 20}, "querystring/offset must be an integer >= 0"),
    ],
)
def test_what_is_wrong_is_named(query: dict[str, str], says: str) -> None:
    """The parameter, and what it takes."""
    with pytest.raises(Refusal) as refused:
        downloadfilter.read(OWN | query)

    assert (refused.value.status, refused.value.message) == (400, says)
