"""S3Blobs: names, prefixes and troubles; the contract has the rest."""

from __future__ import annotations

import io
from collections.abc import Callable
from typing import Any

import pytest
from botocore.response import StreamingBody
from botocore.stub import Stubber
from urllib3.exceptions import ProtocolError

from wallcrawler.aws.blobs import S3Blobs
from wallcrawler.aws.clients import Clients
from wallcrawler.aws.errors import Refused
from wallcrawler.errors import NotFound, TryLater

Script = Callable[[Any], Stubber]


class BreaksOff(io.RawIOBase):
    """What S3 sends, until the connection is lost in the middle."""

    def __init__(self, first: bytes) -> None:
        self._first = first
        self.hung_up = False

    def read(self, size: int | None = -1) -> bytes:
        first, self._first = self._first, b""
        if not first:
            raise ProtocolError("connection broken")
        return first

    def close(self) -> None:
        self.hung_up = True


@pytest.mark.parametrize("name", ["", "/a", "a//b", "a/", "../a", "a/../b", "a/./b", ".", ".."])
def test_a_name_that_could_be_taken_for_another_is_refused(aws: Clients, stubbed: Script, name: str) -> None:
    """By clients and proxies that tidy paths up; nothing is asked of S3."""
    stubbed(aws.s3)
    blobs = S3Blobs(aws.s3, "a-bucket")

    for act in (
        lambda: blobs.put(name, io.BytesIO()),
        lambda: blobs.open(name),
        lambda: blobs.delete(name),
        lambda: blobs.url(name, method="GET", seconds=1),
    ):
        with pytest.raises(ValueError, match="name"):
            act()


def test_a_prefix_is_put_before_names_and_taken_away_again(aws: Clients, stubbed: Script) -> None:
    """Several deployments may share a bucket."""
    script = stubbed(aws.s3)
    script.add_response("delete_object", {}, {"Bucket": "a-bucket", "Key": "mine/contexts/c-1"})
    script.add_response(
        "list_objects_v2",
        {"Contents": [{"Key": "mine/contexts/c-1"}, {"Key": "mine/contexts/mine/c-2"}], "IsTruncated": False},
        {"Bucket": "a-bucket", "Prefix": "mine/contexts/"},
    )
    blobs = S3Blobs(aws.s3, "a-bucket", prefix="mine/")

    blobs.delete("contexts/c-1")

    assert list(blobs.names("contexts/")) == ["contexts/c-1", "contexts/mine/c-2"]
    assert "/mine/contexts/c-1?" in blobs.url("contexts/c-1", method="PUT", seconds=60)


def test_names_are_listed_over_all_pages(aws: Clients, stubbed: Script) -> None:
    """S3 lists a thousand at a time."""
    script = stubbed(aws.s3)
    script.add_response(
        "list_objects_v2", {"Contents": [{"Key": "a"}], "IsTruncated": True, "NextContinuationToken": "more"}
    )
    script.add_response(
        "list_objects_v2",
        {"Contents": [{"Key": "b"}], "IsTruncated": False},
        {"Bucket": "a-bucket", "Prefix": "", "ContinuationToken": "more"},
    )

    assert list(S3Blobs(aws.s3, "a-bucket").names("")) == ["a", "b"]


def test_there_are_urls_for_reading_and_writing_alone(aws: Clients) -> None:
    """Whoever asks for another gets none that looks like one."""
    with pytest.raises(ValueError, match="DELETE"):
        S3Blobs(aws.s3, "a-bucket").url("a", method="DELETE", seconds=60)


@pytest.mark.parametrize(("seconds", "expires"), [(60, 60), (59.9, 59), (0.5, 1)])
def test_a_url_ends_within_its_seconds(aws: Clients, seconds: float, expires: int) -> None:
    """S3 counts in whole ones, and has none shorter than one."""
    url = S3Blobs(aws.s3, "a-bucket").url("a", method="GET", seconds=seconds)

    assert f"X-Amz-Expires={expires}&" in url


def test_what_is_not_there_is_not_found_and_the_rest_is_trouble(aws: Clients, stubbed: Script) -> None:
    """A bucket that is not there is not a blob that is not there."""
    script = stubbed(aws.s3)
    for code, status in (("NoSuchKey", 404), ("NoSuchBucket", 404), ("AccessDenied", 403), ("SlowDown", 503)):
        script.add_client_error("get_object", code, http_status_code=status)
    blobs = S3Blobs(aws.s3, "a-bucket")

    for error in (NotFound, Refused, Refused, TryLater):
        with pytest.raises(error):
            blobs.open("a")


def test_a_body_that_breaks_off_is_to_be_tried_later(aws: Clients, stubbed: Script) -> None:
    """And is never taken for a whole one; hanging up is left to the reader."""
    stream: Any = BreaksOff(b"half")
    stubbed(aws.s3).add_response("get_object", {"Body": StreamingBody(stream, content_length=8)})

    with S3Blobs(aws.s3, "a-bucket").open("a") as body:
        with pytest.raises(TryLater):
            body.read()
        assert not stream.hung_up

    assert stream.hung_up


def test_a_body_that_is_too_short_is_to_be_tried_later(aws: Clients, stubbed: Script) -> None:
    """Its length was told beforehand."""
    stubbed(aws.s3).add_response("get_object", {"Body": StreamingBody(io.BytesIO(b"half"), content_length=8)})

    with S3Blobs(aws.s3, "a-bucket").open("a") as body, pytest.raises(TryLater):
        body.read()
