"""boto3's clients, all made here.

Where services are and who we are is boto3's own to find out: AWS_ENDPOINT_URL_DYNAMODB and the like lead to stand-ins,
credentials come from where a machine has them, and so does a region that is not given.
"""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import urlsplit

import boto3
from botocore.config import Config

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient
    from mypy_boto3_ec2 import EC2Client
    from mypy_boto3_ecs import ECSClient
    from mypy_boto3_s3 import S3Client
    from mypy_boto3_sns import SNSClient
    from mypy_boto3_sqs import SQSClient

#: Seconds to connect, inside one region.
CONNECT_TIMEOUT: Final = 2.0
#: Seconds for an answer; somebody waits for most of them.
READ_TIMEOUT: Final = 5.0
#: The same for SQS, whose longest poll takes twenty.
POLL_TIMEOUT: Final = 25.0
#: The same for S3 and ECS, which take their time.
SLOW_TIMEOUT: Final = 15.0
#: Tries of one call, the first included. What takes more is put off by whoever asked.
ATTEMPTS: Final = 3


class Clients:
    """Each service's client, made when it is first asked for. Safe to use from many threads.

    `connections` is how many calls to one service may be under way at once: as many as there are threads.
    """

    def __init__(self, *, region: str | None = None, connections: int = 64) -> None:
        self._region = region
        self._connections = connections
        self._session: Any = None
        self._made: dict[str, Any] = {}
        # boto3's sessions are not thread-safe, its clients are.
        self._lock = threading.Lock()

    @property
    def dynamodb(self) -> DynamoDBClient:
        # One host name for every account, which is what firewalls and VPC endpoints know.
        client: DynamoDBClient = self._client("dynamodb", Config(account_id_endpoint_mode="disabled"))
        return client

    @property
    def ec2(self) -> EC2Client:
        client: EC2Client = self._client("ec2")
        return client

    @property
    def ecs(self) -> ECSClient:
        client: ECSClient = self._client("ecs", Config(read_timeout=SLOW_TIMEOUT))
        return client

    @property
    def s3(self) -> S3Client:
        client: S3Client = self._client("s3", Config(read_timeout=SLOW_TIMEOUT, signature_version="s3v4"))
        return client

    @property
    def sns(self) -> SNSClient:
        client: SNSClient = self._client("sns")
        return client

    @property
    def sqs(self) -> SQSClient:
        client: SQSClient = self._client("sqs", Config(read_timeout=POLL_TIMEOUT))
        return client

    def _client(self, service: str, own: Config | None = None) -> Any:
        with self._lock:
            if service not in self._made:
                self._made[service] = self._make(service, own or Config())
            return self._made[service]

    def _make(self, service: str, own: Config) -> Any:
        if self._session is None:
            self._session = boto3.session.Session(region_name=self._region)
        config = Config(
            connect_timeout=CONNECT_TIMEOUT,
            read_timeout=READ_TIMEOUT,
            retries={"mode": "standard", "total_max_attempts": ATTEMPTS},
            max_pool_connections=self._connections,
            tcp_keepalive=True,
        ).merge(own)
        client = self._session.client(service, config=config)
        if service == "s3" and _is_aws(client):
            # Without this, URLs are signed for the global host, which sends a new bucket's callers elsewhere.
            style = Config(s3={"addressing_style": "virtual", "us_east_1_regional_endpoint": "regional"})
            client = self._session.client(service, config=config.merge(style))
        return client

    def close(self) -> None:
        """Close all connections. The clients may not be used any more."""
        with self._lock:
            for client in self._made.values():
                client.close()
            self._made.clear()


def _is_aws(s3: Any) -> bool:
    """Whether it leads to S3 itself, which has a host for each bucket; stand-ins have one for all."""
    host = urlsplit(s3.meta.endpoint_url).hostname or ""
    return host.startswith("s3.") and host.endswith((".amazonaws.com", ".amazonaws.com.cn"))
