"""boto3's clients: one of each, patient but not too patient, led where the environment says."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from wallcrawler.aws.blobs import S3Blobs
from wallcrawler.aws.clients import Clients
from wallcrawler.aws.queue import LONGEST_WAIT

SERVICES = ["dynamodb", "ec2", "ecs", "s3", "sns", "sqs"]


@pytest.fixture
def _known(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "AKIATEST")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "the-secret-access-key")
    monkeypatch.delenv("AWS_ENDPOINT_URL", raising=False)


@pytest.mark.usefixtures("_known")
def test_many_threads_get_the_same_client() -> None:
    """boto3 may not make two at once, and each would have connections of its own."""
    clients = Clients(region="us-west-2")

    with ThreadPoolExecutor(16) as pool:
        made = list(pool.map(lambda _: clients.sqs, range(32)))

    assert {id(client) for client in made} == {id(clients.sqs)}


@pytest.mark.parametrize("service", SERVICES)
def test_no_call_waits_for_ever(aws: Clients, service: str) -> None:
    """Nor tries for ever; and no thread waits for another's connection."""
    config: Any = getattr(aws, service).meta.config

    assert config.connect_timeout <= 2
    assert config.read_timeout <= 25
    assert config.retries == {"mode": "standard", "total_max_attempts": 3}
    assert config.max_pool_connections == 64
    assert config.tcp_keepalive is True


def test_a_long_poll_is_waited_for(aws: Clients) -> None:
    """SQS answers after its wait, which must not look like no answer."""
    config: Any = aws.sqs.meta.config

    assert config.read_timeout > LONGEST_WAIT


def test_each_service_is_asked_in_its_region(aws: Clients) -> None:
    """At the one host name that is the same for every account."""
    config: Any = aws.dynamodb.meta.config
    hosts = {service: getattr(aws, service).meta.endpoint_url for service in SERVICES}

    assert hosts == {service: f"https://{service}.us-west-2.amazonaws.com" for service in SERVICES}
    assert config.account_id_endpoint_mode == "disabled"


@pytest.mark.usefixtures("_known")
def test_the_environment_leads_elsewhere(monkeypatch: pytest.MonkeyPatch) -> None:
    """To stand-ins: one for all services, and others for some."""
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://ministack:4566")
    monkeypatch.setenv("AWS_ENDPOINT_URL_ECS", "http://localaws:4570")
    monkeypatch.setenv("AWS_DEFAULT_REGION", "eu-central-1")

    clients = Clients()

    assert clients.ecs.meta.endpoint_url == "http://localaws:4570"
    assert clients.dynamodb.meta.endpoint_url == "http://ministack:4566"
    assert clients.dynamodb.meta.region_name == "eu-central-1"


@pytest.mark.usefixtures("_known")
@pytest.mark.parametrize(
    ("region", "endpoint", "beginning"),
    [
        ("us-west-2", None, "https://a-bucket.s3.us-west-2.amazonaws.com/x?"),
        ("us-east-1", None, "https://a-bucket.s3.us-east-1.amazonaws.com/x?"),
        ("us-east-1", "http://ministack:4566", "http://ministack:4566/a-bucket/x?"),
        (
            "us-east-1",
            "https://bucket.vpce-1.s3.us-east-1.vpce.amazonaws.com",
            "https://bucket.vpce-1.s3.us-east-1.vpce.amazonaws.com/a-bucket/x?",
        ),
    ],
)
def test_signed_urls_lead_to_the_buckets_own_region(
    monkeypatch: pytest.MonkeyPatch, region: str, endpoint: str | None, beginning: str
) -> None:
    """S3 sends callers of its global host elsewhere, which breaks signatures; stand-ins have one host for all."""
    if endpoint:
        monkeypatch.setenv("AWS_ENDPOINT_URL_S3", endpoint)

    url = S3Blobs(Clients(region=region).s3, "a-bucket").url("x", method="GET", seconds=60)

    assert url.startswith(beginning)
    assert "X-Amz-Algorithm=AWS4-HMAC-SHA256" in url
    assert "the-secret-access-key" not in url


@pytest.mark.usefixtures("_known")
def test_clients_can_be_closed() -> None:
    """Also twice, and where there are none."""
    clients = Clients(region="us-west-2")
    clients.close()
    _ = clients.sqs

    clients.close()
    clients.close()
