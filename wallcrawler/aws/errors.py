"""Where AWS's errors become ours.

What may go through later is TryLater; the rest is Refused. The text of neither has AWS's own words in it, which may
quote what was sent: those are logged where they come from AWS, and dropped where they come from botocore.
"""

from __future__ import annotations

import random
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

from botocore import exceptions as boto
from botocore.exceptions import BotoCoreError, ClientError

from wallcrawler import log as logs
from wallcrawler.errors import TryLater, WallcrawlerError

log = logs.get()

#: Seconds until what AWS was too busy for, or did not answer, may go through. botocore has tried a few times by then.
AFTER: Final = 1.0

#: The same for what AWS has refused, which an operator has to put right first.
REFUSED_AFTER: Final = 5.0

#: Too many calls, in the words of all services.
BUSY: Final = frozenset(
    {
        "BandwidthLimitExceeded",
        "EC2ThrottledException",
        "KmsThrottled",
        "KMSThrottling",
        "KMSThrottlingException",
        "LimitExceededException",
        "OverLimit",
        "PriorRequestNotComplete",
        "ProvisionedThroughputExceededException",
        "RequestLimitExceeded",
        "RequestThrottled",
        "RequestThrottledException",
        "SlowDown",
        "Throttled",
        "ThrottledException",
        "Throttling",
        "ThrottlingException",
        "TooManyRequestsException",
        "TransactionInProgressException",
    }
)

#: Something that is over soon, though its status may say that the request was wrong. Credentials are renewed.
PASSING: Final = frozenset(
    {
        "ExpiredToken",
        "ExpiredTokenException",
        "InternalError",
        "InternalFailure",
        "InternalServerError",
        "RequestExpired",
        "RequestTimeout",
        "RequestTimeoutException",
        "ServerException",
        "ServiceUnavailable",
        "Unavailable",
    }
)

#: What botocore raises when a service, or whoever hands out credentials, can't be reached or stops in the middle.
AWAY: Final = (
    boto.ChecksumError,
    boto.ConnectionError,
    boto.CredentialRetrievalError,
    boto.HTTPClientError,
    boto.IncompleteReadError,
    boto.MetadataRetrievalError,
    boto.TokenRetrievalError,
)


class Refused(WallcrawlerError):
    """AWS will not do that, however often it is asked.

    `code` is AWS's word for the reason, `why` its sentence: look through it before it is shown to anybody.
    """

    def __init__(self, what: str, *, code: str, why: str = "") -> None:
        super().__init__(what)
        self.code = code
        self.why = why


@contextmanager
def translated(service: str) -> Iterator[None]:
    """Inside, errors of botocore become TryLater and Refused."""
    try:
        yield
    except ClientError as answer:
        raise of_answer(answer, service) from None
    except BotoCoreError as failure:
        raise of_failure(failure, service) from None


@contextmanager
def put_off(service: str) -> Iterator[None]:
    """The same, but that nothing is Refused: for who has nobody to tell, and can only come back.

    A queue may still be on its way, and a permission may be given.
    """
    try:
        with translated(service):
            yield
    except Refused as refused:
        raise TryLater(str(refused), after=soon(REFUSED_AFTER)) from None


def code_of(answer: ClientError) -> str:
    """AWS's word for what is wrong."""
    return answer.response.get("Error", {}).get("Code", "")


def message_of(answer: ClientError) -> str:
    """AWS's sentence on it. May quote the request."""
    return answer.response.get("Error", {}).get("Message", "")


def of_answer(answer: ClientError, service: str) -> WallcrawlerError:
    """Ours for an error that a service answered."""
    code, status = code_of(answer), answer.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0)
    if code in BUSY or status == 429:
        return TryLater(f"{service} is busy: {code}", after=soon())
    if code in PASSING or status >= 500:
        return TryLater(f"{service} does not answer: {code}", after=soon())
    why = message_of(answer)
    log.error("aws.refused", service=service, operation=answer.operation_name, code=code, why=why)
    return Refused(f"{service} refused {answer.operation_name}: {code}", code=code, why=why)


def of_failure(failure: BotoCoreError, service: str) -> WallcrawlerError:
    """Ours for an error that botocore had without an answer."""
    kind = type(failure).__name__
    if isinstance(failure, AWAY):
        return TryLater(f"{service} does not answer: {kind}", after=soon())
    log.error("aws.refused", service=service, code=kind)
    return Refused(f"{service} can't be asked: {kind}", code=kind)


def soon(seconds: float = AFTER) -> float:
    """About so many seconds: whoever was refused together shall not come back together."""
    return seconds * random.uniform(0.5, 1.5)  # noqa: S311 - no secret
