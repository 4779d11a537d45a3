"""AWS's errors: what passes is TryLater, what stands is Refused, and neither tells what was sent."""

from __future__ import annotations

import traceback
from typing import Any

import pytest
from botocore import exceptions as boto
from botocore.exceptions import BotoCoreError, ClientError
from structlog.testing import capture_logs

from wallcrawler.aws.errors import BUSY, PASSING, Refused, put_off, translated
from wallcrawler.errors import TryLater

SECRET = "a-guests-token"


def answer(code: str, *, status: int = 400) -> ClientError:
    said: Any = {
        "Error": {"Code": code, "Message": f"wrong: {SECRET}"},
        "ResponseMetadata": {"HTTPStatusCode": status, "RetryAttempts": 2},
    }
    return ClientError(said, "PutItem")


def raised(error: Exception) -> Exception:
    """What comes out where this error goes in."""
    with pytest.raises(Exception) as caught, translated("DynamoDB"):  # noqa: PT011 - the tests look at it
        raise error
    return caught.value


@pytest.mark.parametrize("code", sorted(BUSY | PASSING))
def test_what_passes_is_to_be_tried_later(code: str) -> None:
    """With a time to wait that is not the same for all."""
    waits = set()
    for _ in range(5):
        ours = raised(answer(code))
        assert isinstance(ours, TryLater)
        assert code in str(ours)
        waits.add(ours.after)

    assert all(0 < wait < 5 for wait in waits)
    assert len(waits) > 1


@pytest.mark.parametrize("status", [429, 500, 502, 503, 504])
def test_a_service_that_is_broken_or_busy_is_to_be_tried_later(status: int) -> None:
    """Whatever it calls that."""
    assert isinstance(raised(answer("Whatever", status=status)), TryLater)


@pytest.mark.parametrize(
    "failure",
    [
        boto.EndpointConnectionError(endpoint_url="https://x"),
        boto.ConnectTimeoutError(endpoint_url="https://x"),
        boto.ReadTimeoutError(endpoint_url="https://x"),
        boto.ConnectionClosedError(endpoint_url="https://x"),
        boto.ResponseStreamingError(error="cut off"),
        boto.IncompleteReadError(actual_bytes=1, expected_bytes=2),
        boto.CredentialRetrievalError(provider="container", error_msg="timeout"),
        boto.MetadataRetrievalError(error_msg="timeout"),
    ],
    ids=lambda failure: type(failure).__name__,
)
def test_who_can_not_be_reached_is_to_be_tried_later(failure: BotoCoreError) -> None:
    """A service, or the one that hands out our credentials."""
    ours = raised(failure)

    assert isinstance(ours, TryLater)
    assert type(failure).__name__ in str(ours)


@pytest.mark.parametrize("code", ["AccessDeniedException", "ResourceNotFoundException", "ValidationException", ""])
def test_everything_else_is_refused(code: str) -> None:
    """Trying again would not help; the code is there for who knows what to do."""
    ours = raised(answer(code))

    assert isinstance(ours, Refused)
    assert not isinstance(ours, TryLater)
    assert ours.code == code


def test_what_botocore_refuses_by_itself_is_refused() -> None:
    """Parameters that fit no model, a machine without credentials or region."""
    for failure in (boto.ParamValidationError(report=SECRET), boto.NoCredentialsError(), boto.NoRegionError()):
        ours = raised(failure)

        assert isinstance(ours, Refused)
        assert ours.code == type(failure).__name__


def test_neither_the_text_nor_the_traceback_quotes_the_request() -> None:
    """Services and botocore do, and a request may hold a token."""
    for error in (answer("ValidationException"), answer("Throttling"), boto.ParamValidationError(report=SECRET)):
        ours = raised(error)

        assert SECRET not in str(ours)
        assert SECRET not in repr(ours)
        assert SECRET not in "".join(traceback.format_exception(ours))


def test_what_was_refused_is_told_to_the_operator() -> None:
    """Once, with AWS's own sentence where AWS said one; what botocore says would quote the request for certain."""
    with capture_logs() as lines:
        raised(answer("AccessDeniedException"))
        raised(boto.ParamValidationError(report=SECRET))
        raised(answer("Throttling"))

    assert [(line["event"], line["code"]) for line in lines] == [
        ("aws.refused", "AccessDeniedException"),
        ("aws.refused", "ParamValidationError"),
    ]
    assert (lines[0]["operation"], lines[0]["service"]) == ("PutItem", "DynamoDB")
    assert SECRET not in str(lines[1])


def test_what_was_refused_can_be_put_off() -> None:
    """For who has nobody to tell: after a longer while, and the operator has been told."""
    with capture_logs() as lines, pytest.raises(TryLater, match="AccessDeniedException") as later, put_off("SQS"):
        raise answer("AccessDeniedException")

    assert later.value.after > 2
    assert SECRET not in "".join(traceback.format_exception(later.value))
    assert [line["event"] for line in lines] == ["aws.refused"]


def test_our_own_errors_pass() -> None:
    """And so does whatever has nothing to do with AWS."""
    for error in (TryLater("x", after=1), ConnectionResetError("the caller hung up"), ValueError("x")):
        assert raised(error) is error
