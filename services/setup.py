"""`python -m services.setup`: make what a deployment on stand-ins needs before its services start. Safe to repeat.

Tables, queues, topic, bucket, cluster and task definition; the keys that sign session tokens, in files of a folder that
the services share; the first project. It prints no key: `wallcrawler keys create` does.
"""

from __future__ import annotations

import json
import os
import sys
import time
from pathlib import Path
from typing import Annotated

from pydantic import Field
from pydantic_settings import BaseSettings, SettingsConfigDict

from wallcrawler import log as logs
from wallcrawler.aws import stack
from wallcrawler.aws.clients import Clients
from wallcrawler.aws.errors import translated
from wallcrawler.aws.tables import DynamoTables
from wallcrawler.catalog import Catalog
from wallcrawler.clock import SystemClock
from wallcrawler.errors import Conflict, SettingsError, TryLater
from wallcrawler.settings import Settings
from wallcrawler.tokens import Signer

log = logs.get()

#: The id of the project that is made; fixed, so that making it again finds it.
FIRST_PROJECT = "00000000-0000-4000-8000-000000000001"

#: Seconds for the stand-ins, which start beside this, to answer; and between looks.
STARTED_WITHIN = 60.0
LOOKED_EVERY = 0.2


class SetupSettings(BaseSettings):
    """What only the set-up needs to be told."""

    model_config = SettingsConfigDict(env_prefix="WALLCRAWLER_SETUP_", frozen=True, env_ignore_empty=True)

    image: Annotated[str, Field(description="The browser's image.")] = "wallcrawler-browser"
    cpu: Annotated[int, Field(ge=128, description="Of a browser, in 1/1024 of a core.")] = 1024
    memory: Annotated[int, Field(ge=512, description="Of a browser, in MiB.")] = 2048
    keys: Annotated[Path, Field(description="The folder that gets the keys that sign.")] = Path("/keys")
    public: Annotated[Path, Field(description="The folder that gets the public keys.")] = Path("/public")


def main() -> None:
    """Raises SettingsError, and botocore's errors as they are."""
    settings, ours = Settings.load(), SetupSettings()
    logs.configure(service="setup", fmt=settings.log_format, level=settings.log_level)
    aws = Clients(region=settings.aws_region)
    wait_for(aws)
    made = stack.create(
        aws,
        table_prefix=settings.table_prefix,
        cluster=settings.cluster,
        family=settings.task_definition,
        container=settings.container,
        browser=stack.Browser(ours.image, cpu=ours.cpu, memory=ours.memory),
    )
    write_keys(ours.keys, ours.public)
    catalog = Catalog(DynamoTables(aws.dynamodb, settings.table_prefix), SystemClock())
    first_project(catalog, settings)
    log.info("setup.done", changes=made.session_changes_queue_url, events=made.task_events_queue_url)


def wait_for(aws: Clients) -> None:
    """Raises SettingsError where the stand-ins stay silent."""
    until = time.monotonic() + STARTED_WITHIN
    while True:
        try:
            with translated("DynamoDB"):
                aws.dynamodb.list_tables(Limit=1)
            with translated("ECS"):
                aws.ecs.list_clusters(maxResults=1)
        except TryLater as silent:
            if time.monotonic() > until:
                raise SettingsError(
                    f"AWS_ENDPOINT_URL: nothing answers after {STARTED_WITHIN:.0f} s: {silent}"
                ) from None
            time.sleep(LOOKED_EVERY)  # its container has started, and nothing tells when it listens
        else:
            return


def write_keys(folder: Path, public_folder: Path) -> None:
    """The signing key for who signs, and the public ones for who only verifies; kept where they are there already."""
    signing, public = folder / "signing-keys.pem", public_folder / "verify-keys.json"
    try:
        if not signing.exists():
            with os.fdopen(os.open(signing, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
                file.write(Signer.generate().pem())
        public.write_text(json.dumps(dict(Signer.from_pem(signing.read_bytes()).verify_keys)))
    except OSError as refused:
        raise SettingsError(f"WALLCRAWLER_SETUP_KEYS and _PUBLIC: {refused.filename} ({refused.strerror})") from None


def first_project(catalog: Catalog, settings: Settings) -> None:
    """A project, with the key of WALLCRAWLER_API_KEY where one is given."""
    try:
        catalog.add_project(
            "default",
            concurrency=settings.concurrency,
            default_timeout=settings.default_timeout,
            id=FIRST_PROJECT,
        )
        log.info("project.created", project_id=FIRST_PROJECT)
    except Conflict:
        log.debug("project.known", project_id=FIRST_PROJECT)
    if settings.api_key is not None:
        catalog.add_key(FIRST_PROJECT, name="first", key=settings.api_key.get_secret_value())


if __name__ == "__main__":
    try:
        main()
    except SettingsError as wrong:
        sys.exit(f"setup: {wrong}")
