"""Every setting of localaws. The only place of it that reads the environment."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import Field, SecretStr, ValidationError, field_validator
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

from localaws.errors import StartupError


class Settings(BaseSettings):
    """What can be set. Each field is the environment variable LOCALAWS_<NAME>."""

    model_config = SettingsConfigDict(env_prefix="LOCALAWS_", frozen=True, extra="ignore", env_ignore_empty=True)

    host: Annotated[str, Field(description="The address that the ECS API listens on.")] = "127.0.0.1"
    port: Annotated[int, Field(ge=0, le=65535, description="Its port; 0 takes any that is free.")] = 4570
    threads: Annotated[int, Field(ge=2, le=256, description="Requests that are worked on at once.")] = 16
    home: Annotated[Path, Field(description="Where state is kept. Two instances need two homes.")] = Path("~/.localaws")
    region: Annotated[str, Field(pattern=r"^[a-z0-9-]+$", description="The region that ARNs name.")] = "us-east-1"
    account: Annotated[str, Field(pattern=r"^\d{12}$", description="The account that ARNs name.")] = "000000000000"
    clusters: Annotated[
        tuple[str, ...], NoDecode, Field(description="Clusters that exist from the start, separated by commas.")
    ] = ("default",)
    max_tasks: Annotated[
        int | None, Field(ge=1, description="More tasks than this at once are a failure: no capacity. Unset: no limit.")
    ] = None

    driver: Annotated[Literal["docker", "process"], Field(description="What runs the containers of tasks.")] = "docker"
    keep: Annotated[
        bool,
        Field(
            description="Leave tasks running when localaws is stopped, and find them again at its next start. "
            "Otherwise they are stopped with it."
        ),
    ] = False
    close_within: Annotated[
        float, Field(ge=0, description="Seconds that tasks have to end when localaws is stopped.")
    ] = 8.0
    docker_network: Annotated[str, Field(description="The Docker network that containers are put on.")] = "wallcrawler"
    docker_pull: Annotated[
        Literal["missing", "never"], Field(description="Whether an image that the engine lacks is pulled.")
    ] = "missing"
    docker_prefix: Annotated[
        str | None,
        Field(
            pattern=r"^[a-zA-Z0-9][a-zA-Z0-9_.-]*$",
            description="What names of containers begin with. Unset: the family of their task.",
        ),
    ] = None
    seccomp: Annotated[Path | None, Field(description="A seccomp profile for containers. Unset: the engine's own.")] = (
        None
    )
    images: Annotated[
        dict[str, list[str]],
        Field(description="For processes: JSON that gives images the command that a container of them would run."),
    ] = Field(default_factory=dict)

    endpoint_url: Annotated[str | None, Field(description="Where SQS and DynamoDB answer. Unset: AWS itself.")] = None
    access_key_id: Annotated[SecretStr, Field(description="The access key for that endpoint.")] = SecretStr("localaws")
    secret_access_key: Annotated[SecretStr, Field(description="Its secret.")] = SecretStr("localaws")
    events_queue: Annotated[
        str | None, Field(description="The queue, by name or URL, that task state changes are put on. Unset: none is.")
    ] = None
    pipe_source: Annotated[
        str | None, Field(description="The pipe's source: a table's name, or the ARN of a stream. Unset: no pipe.")
    ] = None
    pipe_queue: Annotated[str | None, Field(description="The pipe's target: a queue, by name or URL.")] = None
    pipe_poll: Annotated[
        float, Field(gt=0, le=10, description="Seconds between looks at a stream that nothing came from.")
    ] = 0.02
    pipe_rest: Annotated[
        float, Field(gt=0, le=10, description="The same, when nothing has come for a minute: each look costs CPU.")
    ] = 0.1
    pipe_start: Annotated[
        Literal["TRIM_HORIZON", "LATEST"], Field(description="Where a stream without a checkpoint is begun.")
    ] = "TRIM_HORIZON"

    log_format: Annotated[Literal["console", "json"], Field(description="How log lines look.")] = "console"
    log_level: Annotated[
        Literal["DEBUG", "INFO", "WARNING", "ERROR"], Field(description="The least level that is logged.")
    ] = "INFO"

    @field_validator("clusters", mode="before")
    @classmethod
    def _split(cls, given: Any) -> Any:
        return [name.strip() for name in given.split(",") if name.strip()] if isinstance(given, str) else given

    @property
    def home_dir(self) -> Path:
        return self.home.expanduser().resolve()

    @classmethod
    def load(cls, **given: Any) -> Settings:
        """From the environment, with `given` on top. Raises StartupError that names every wrong variable."""
        try:
            settings = cls(**given)
        except ValidationError as wrong:
            problems = "; ".join(f"LOCALAWS_{str(at['loc'][0]).upper()}: {at['msg']}" for at in wrong.errors())
            raise StartupError(problems) from None
        if (settings.pipe_source is None) != (settings.pipe_queue is None):
            raise StartupError("LOCALAWS_PIPE_SOURCE and LOCALAWS_PIPE_QUEUE: a pipe needs both")
        if settings.seccomp is not None and not settings.seccomp.is_file():
            raise StartupError(f"LOCALAWS_SECCOMP: there is no file {settings.seccomp}")
        return settings
