"""One service of a deployment: DynamoDB, ECS, SQS, SNS, S3, and Redis. On AWS, or on stand-ins that speak like it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit

from wallcrawler import log as logs
from wallcrawler.aws.blobs import S3Blobs
from wallcrawler.aws.clients import Clients
from wallcrawler.aws.events import order_of, session_changed, trimmed
from wallcrawler.aws.fleet import EcsFleet
from wallcrawler.aws.queue import SqsSource
from wallcrawler.aws.tables import DynamoTables
from wallcrawler.aws.topic import SnsTopic
from wallcrawler.bell import RedisBell
from wallcrawler.catalog import Catalog
from wallcrawler.certificates import Certificates
from wallcrawler.clock import SystemClock
from wallcrawler.contexts import Contexts
from wallcrawler.downloads import Downloads
from wallcrawler.errors import SettingsError
from wallcrawler.extensions import Extensions
from wallcrawler.jobs import CeleryJobs, celery_app
from wallcrawler.links import Links
from wallcrawler.ports import Blobs
from wallcrawler.relay import RelayedBlobs
from wallcrawler.sessions import Sessions
from wallcrawler.settings import Settings, variable
from wallcrawler.tokens import Signer
from wallcrawler.wiring import Ports, guest_environment

log = logs.get()

#: What a service of a deployment needs besides REDIS_URL, by its name.
NEEDS: Final[Mapping[str, tuple[str, ...]]] = {
    "api": ("bucket", "signing_keys"),
    "provisioner": ("signing_keys", "subnets", "security_groups", "task_events_queue_url", "guest_api_url"),
    "notifier": ("session_changes_queue_url", "topic_arn"),
    "gateway": ("verify_keys",),
    "cli": (),
}


class _Unwired:
    """Stands where a port would, in a service that has no use for it."""

    def __init__(self, service: str, port: str) -> None:
        self._what = f"{service} has no {port}: see wiring.NEEDS"

    def __getattr__(self, name: str) -> Any:
        raise RuntimeError(self._what)


def deployed(settings: Settings, service: str) -> Ports:
    """The ports of one service of a deployment: DynamoDB, ECS, SQS, SNS, S3, and the Redis of REDIS_URL.

    `service` is a key of NEEDS; ports that it does not need are not there. Raises SettingsError that names every
    setting that is missing.
    """
    needs = NEEDS[service]
    keys = _Keys.of(settings)
    missing = [name for name in needs if not getattr(keys, name, None) and not getattr(settings, name, None)]
    missing += [] if settings.redis_url else ["redis_url"]
    if missing:
        raise SettingsError(f"{', '.join(variable(name) for name in missing)}: {service} needs them in this mode")
    redis_url = settings.redis_url.get_secret_value() if settings.redis_url else ""
    broker_url = settings.broker_url.get_secret_value() if settings.broker_url else redis_url

    def absent(port: str) -> Any:
        return _Unwired(service, port)

    aws = Clients(region=settings.aws_region)
    clock = SystemClock()
    tables = DynamoTables(aws.dynamodb, settings.table_prefix)
    bell = RedisBell(redis_url)
    new_celery = partial(celery_app, broker_url, sweep_every=settings.sweep_every)
    celery = new_celery()
    signer: Any = Signer.from_pem(keys.signing_keys) if keys.signing_keys else absent("signer")
    changes_url, topic_arn, bucket = settings.session_changes_queue_url, settings.topic_arn, settings.bucket
    relay = signer if keys.signing_keys else None
    blobs: Blobs = _blobs(S3Blobs(aws.s3, bucket), settings, relay) if bucket else absent("blobs")

    def close() -> None:
        bell.close()
        celery.close()

    log.info("adapters.chosen", tables="dynamodb", fleet="ecs", blobs="s3", topic="sns", bell="redis", service=service)
    return Ports(
        settings=settings,
        clock=clock,
        tables=tables,
        sessions=Sessions(tables, clock),
        catalog=Catalog(tables, clock),
        downloads=Downloads(tables, blobs, clock),
        extensions=Extensions(tables, blobs, clock),
        certificates=Certificates(tables, clock),
        fleet=_ecs_fleet(settings, aws) if "subnets" in needs else absent("fleet"),
        bell=bell,
        topic=SnsTopic(aws.sns, topic_arn) if topic_arn else absent("topic"),
        jobs=CeleryJobs(celery),
        blobs=blobs,
        contexts=Contexts(tables, blobs, clock, limit=settings.context_limit, keep=settings.context_versions),
        celery=celery,
        new_celery=new_celery,
        signer=signer,
        verify_keys=keys.verify_keys or {},
        links=Links(signer, gateway=settings.gateway_url, inside=settings.gateway_internal_url),
        changes=SqsSource(aws.sqs, changes_url, translate=session_changed) if changes_url else absent("changes"),
        close=close,
    )


def _blobs(blobs: S3Blobs, settings: Settings, signer: Signer | None) -> Blobs:
    """Raises SettingsError where URLs are to be relayed, and nobody said to where."""
    chosen = settings.blob_urls or ("relayed" if settings.mode == "compose" else "direct")
    # Who has no keys makes no URLs.
    if chosen == "direct" or signer is None:
        return blobs
    if settings.guest_api_url is None:
        raise SettingsError(f"{variable('guest_api_url')}: relayed URLs of blobs lead there")
    return RelayedBlobs(blobs, base_url=settings.guest_api_url, secret=signer.secret("blob URLs"))


def _ecs_fleet(settings: Settings, aws: Clients) -> EcsFleet:
    events = partial(trimmed, cluster=settings.cluster, family=settings.task_definition)
    return EcsFleet(
        aws.ecs,
        aws.ec2,
        cluster=settings.cluster,
        task_definition=settings.task_definition,
        container=settings.container,
        launch_type=settings.launch_type,
        subnets=_listed(settings.subnets),
        security_groups=_listed(settings.security_groups),
        assign_public_ip=settings.assign_public_ip,
        use_public_address=settings.assign_public_ip,
        environment=guest_environment(settings, settings.guest_api_url or "", *_internal(settings))
        | _loopback(settings),
        source=SqsSource(aws.sqs, settings.task_events_queue_url or "", translate=events, order=order_of),
    )


def _internal(settings: Settings) -> list[str | None]:
    """URLs of the control plane that a browser's network might lead to."""
    secrets = (settings.redis_url, settings.broker_url)
    return [settings.gateway_internal_url, *(url.get_secret_value() for url in secrets if url)]


def _loopback(settings: Settings) -> dict[str, str]:
    """Where clients reach the gateway on their own loopback, a browser's pages reach their session on theirs."""
    gateway = urlsplit(settings.gateway_url or "")
    if gateway.hostname in {"127.0.0.1", "localhost"}:
        return {"WALLCRAWLER_GUEST_LOOPBACK_PORT": str(gateway.port or 80)}
    return {}


def _listed(text: str) -> list[str]:
    return [one.strip() for one in text.split(",") if one.strip()]


@dataclass(frozen=True, slots=True)
class _Keys:
    """The keys of a deployment: PEM for who signs, public ones for who only verifies."""

    signing_keys: bytes | None
    verify_keys: Mapping[str, str] | None

    @classmethod
    def of(cls, settings: Settings) -> _Keys:
        """Raises SettingsError."""
        pem = settings.signing_keys.get_secret_value() if settings.signing_keys else _text(settings.signing_keys_file)
        public = settings.verify_keys or _text(settings.verify_keys_file)
        try:
            if pem:
                return cls(pem.encode(), Signer.from_pem(pem.encode()).verify_keys)
            return cls(None, json.loads(public) if public else None)
        except ValueError as wrong:
            raise SettingsError(f"WALLCRAWLER_SIGNING_KEYS or WALLCRAWLER_VERIFY_KEYS: {wrong}") from None


def _text(path: Path | None) -> str | None:
    try:
        return path.read_text() if path else None
    except OSError as unreadable:
        raise SettingsError(f"{path} can't be read ({unreadable.strerror})") from None
