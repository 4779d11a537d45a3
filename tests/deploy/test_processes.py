"""The tasks and services: what each process is told, how it is reached, and how much time it gets to end."""

from __future__ import annotations

import re
import ssl
from typing import Any

import pytest
import redis
from kombu.connection import Connection

from controller.settings import GuestSettings
from services.gateway.gateway import GOODBYE_WITHIN
from tests.deploy.templates import AWS, Template
from wallcrawler.aws.tasks import GUEST_TOKEN, SESSION_ID
from wallcrawler.jobs import TASK_TIME_LIMIT
from wallcrawler.settings import Settings, variable
from wallcrawler.wiring import guest_environment
from wallcrawler.wiring.deployed import NEEDS

ROOT = AWS.parents[1]

TASKS: dict[str, dict[str, Any]] = {
    properties["Family"].removeprefix("wallcrawler-"): properties
    for template in (Template("browsers"), Template("compute"), Template("workers"))
    for properties in template.resources("AWS::ECS::TaskDefinition").values()
}
SERVICES = {
    properties["ServiceName"]: properties
    for template in (Template("compute"), Template("workers"))
    for properties in template.resources("AWS::ECS::Service").values()
}


def container(task: str) -> dict[str, Any]:
    (only,) = TASKS[task]["ContainerDefinitions"]
    return dict(only)


def told(task: str) -> dict[str, str]:
    return {one["Name"]: str(one["Value"]) for one in container(task)["Environment"]}


def test_there_is_a_task_for_every_process() -> None:
    """The four services, and the browser, which is nobody's service."""
    assert TASKS.keys() == {"browser", "api", "gateway", "provisioner", "notifier"}
    assert SERVICES.keys() == TASKS.keys() - {"browser"}


def secrets(task: str) -> set[str]:
    return {one["Name"] for one in container(task).get("Secrets", [])}


def given(monkeypatch: pytest.MonkeyPatch, environment: dict[str, str]) -> Settings:
    """The settings of a process with this environment; what only other stacks know is filled in."""
    filled = {
        "WALLCRAWLER_GUEST_API_URL": "http://inner",
        "WALLCRAWLER_ASSIGN_PUBLIC_IP": Template("network").outputs["AssignPublicIp"],
    }
    for name, value in (environment | filled).items():
        monkeypatch.setenv(name, value.replace("${", "").replace("}", ""))
    return Settings.load()


def test_services_are_told_the_same() -> None:
    """One block of settings, four times: no process thinks differently of the deployment."""
    blocks = {name: told(name) for name in SERVICES}

    assert all(block == blocks["api"] for block in blocks.values())


def test_what_services_are_told_is_known_and_valid(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every name is a setting's, and the settings accept every value."""
    environment = told("api")
    known = {variable(field) for field in Settings.model_fields}

    settings = given(monkeypatch, environment)

    assert environment.keys() <= known
    assert secrets("api") | secrets("gateway") <= known
    assert (settings.mode, settings.host, settings.port) == ("aws", "0.0.0.0", 8080)
    assert settings.assign_public_ip is False
    # The numbers in metrics.yaml come from lines of this level and form.
    assert (settings.log_level, settings.log_format) == ("INFO", "json")


@pytest.mark.parametrize("service", SERVICES)
def test_every_service_is_told_all_that_it_needs(service: str) -> None:
    """As its wiring asks for it, and no key that it does not ask for."""
    needed = {variable(name) for name in (*NEEDS[service], "redis_url")}

    keys = {"WALLCRAWLER_SIGNING_KEYS", "WALLCRAWLER_VERIFY_KEYS", "REDIS_URL"}
    assert needed <= told(service).keys() | secrets(service)
    assert secrets(service) == needed & keys


def test_names_reach_the_provisioner_as_they_are_elsewhere() -> None:
    """The cluster, the family and the container of the other stack."""
    browsers, api = Template("browsers"), told("api")

    assert browsers.resources("AWS::ECS::Cluster")["Cluster"]["ClusterName"] == "wallcrawler-browsers"
    assert TASKS["browser"]["Family"] == "wallcrawler-browser"
    assert container("browser")["Name"] == Settings.model_fields["container"].default
    assert api["WALLCRAWLER_TABLE_PREFIX"] == "wallcrawler-"
    assert api["WALLCRAWLER_CLUSTER"] == "${BrowserCluster}"
    # A revision, not the family: what is started is what was deployed with the provisioner that starts it.
    assert api["WALLCRAWLER_TASK_DEFINITION"] == "${BrowserTaskDefinition}"
    assert browsers.outputs["BrowserTaskDefinition"] == "${Task}"


@pytest.mark.parametrize(("direct", "url"), [("false", "https://${GatewayHost}"), ("true", "")])
def test_connect_urls_lead_through_the_gateway_unless_in_direct_mode(direct: str, url: str) -> None:
    """An empty setting is an unset one."""
    (task,) = [
        one
        for one in Template("compute", DirectMode=direct).resources("AWS::ECS::TaskDefinition").values()
        if one["Family"] == "wallcrawler-api"
    ]
    environment = {one["Name"]: one["Value"] for one in task["ContainerDefinitions"][0]["Environment"]}

    assert environment["WALLCRAWLER_GATEWAY_URL"] == url


def test_a_guest_understands_what_it_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    """The task's environment and what comes with RunTask make a guest, on the port that is let in."""
    provisioner = given(monkeypatch, told("provisioner"))
    launch = {SESSION_ID: "s", GUEST_TOKEN: "t", "WALLCRAWLER_CHROME": "/bin/chromium"}

    told_guest = told("browser") | guest_environment(provisioner, str(provisioner.guest_api_url)) | launch
    guest = GuestSettings.from_environment(told_guest)

    assert container("browser")["PortMappings"] == [{"ContainerPort": guest.port, "Protocol": "tcp"}]
    assert str(guest.run_dir) == container("browser")["MountPoints"][0]["ContainerPath"]
    assert (guest.api_url, guest.log_format, guest.loopback_port) == ("http://inner", "json", 0)


def test_each_task_runs_the_image_of_its_own_target() -> None:
    """A target of the Dockerfile for each, with its own command, and an init process that reaps what is left behind."""
    targets = set(re.findall(r"^FROM \S+ AS (\S+)$", (ROOT / "Dockerfile").read_text(), re.MULTILINE))

    for name in TASKS:
        only = container(name)
        assert only["Image"] == f"123456789012.dkr.ecr.us-east-1.amazonaws.com/wallcrawler/{name}:${{Version}}"
        assert name in targets
        assert not {"Command", "EntryPoint"} & only.keys()
    assert 'ENTRYPOINT ["/usr/bin/tini", "--"]' in (ROOT / "Dockerfile").read_text()


def test_workers_are_asked_for_their_health_and_the_others_by_their_doors() -> None:
    """Without it, a deployment of workers that can't start would count as done."""
    for name in ("provisioner", "notifier"):
        port = told(name)["WALLCRAWLER_METRICS_PORT"]
        assert f"http://127.0.0.1:{port}/metrics" in container(name)["HealthCheck"]["Command"][-1]
    targets = Template("front").resources("AWS::ElasticLoadBalancingV2::TargetGroup").values()
    assert {target["HealthCheckPath"] for target in targets} == {"/healthz"}


@pytest.mark.parametrize("name", TASKS)
def test_a_container_can_write_to_one_place_and_has_no_capability(name: str) -> None:
    """What breaks into one finds a read-only system, and less than an ordinary root."""
    only = container(name)

    assert only["ReadonlyRootFilesystem"] is True
    assert [mount["ContainerPath"] for mount in only["MountPoints"]] == ["/tmp"]
    assert only["LinuxParameters"] == {"Capabilities": {"Drop": ["ALL"]}}
    assert TASKS[name]["NetworkMode"] == "awsvpc"
    assert TASKS[name]["RequiresCompatibilities"] == ["FARGATE"]


def test_processes_get_the_time_to_finish_what_they_do() -> None:
    """SIGKILL comes after the longest wait, the longest job and a browser's last rites; Fargate has 120 s at most."""
    stop = {name: container(name)["StopTimeout"] for name in TASKS}

    assert stop["api"] > Settings.model_fields["create_deadline"].default
    assert stop["provisioner"] > TASK_TIME_LIMIT
    assert stop["gateway"] > float(told("gateway")["WALLCRAWLER_DRAIN"]) + GOODBYE_WITHIN
    assert max(stop.values()) <= 120


def test_a_bad_deployment_goes_back_by_itself() -> None:
    """No service has fewer processes during a deployment than before it, and a broken image is rolled back."""
    for name, service in SERVICES.items():
        assert service["DesiredCount"] >= 2, name
        assert service["DeploymentConfiguration"] == {
            "MinimumHealthyPercent": 100,
            "MaximumPercent": 200,
            "DeploymentCircuitBreaker": {"Enable": True, "Rollback": True},
        }


def test_every_service_scales_between_bounds() -> None:
    """At least two of each, and at least one policy that moves them."""
    scaling = Template("scaling")
    targets = scaling.resources("AWS::ApplicationAutoScaling::ScalableTarget")
    policies = scaling.resources("AWS::ApplicationAutoScaling::ScalingPolicy")

    scaled = {target["ResourceId"] for target in targets.values()}
    moved = {policy["ScalingTargetId"] for policy in policies.values()}
    assert scaled == {
        f"service/${{ServicesCluster}}/${{{name}ServiceName}}" for name in ("Api", "Gateway", "Provisioner", "Notifier")
    }
    assert moved == {f"${{{name}}}" for name in targets}
    assert all(2 <= target["MinCapacity"] < target["MaxCapacity"] for target in targets.values())


def test_logs_are_where_people_look_and_are_not_kept_for_ever() -> None:
    """A group for each process, with the names that the documentation has."""
    groups = {
        properties["LogGroupName"]: properties["RetentionInDays"]
        for template in (Template("browsers"), Template("compute"), Template("workers"))
        for properties in template.resources("AWS::Logs::LogGroup").values()
    }

    names = {f"/wallcrawler/{name}" for name in SERVICES} | {"/aws/ecs/wallcrawler-controller"}
    assert groups == dict.fromkeys(names, 30)
    for name in TASKS:
        assert container(name)["LogConfiguration"]["LogDriver"] == "awslogs"


# -- Redis ------------------------------------------------------------------------------------------------------------


def redis_url() -> str:
    secret = Template("redis").resources("AWS::SecretsManager::Secret")["Url"]["SecretString"]
    password = "{{resolve:secretsmanager:${Password}:SecretString}}"
    assert password in secret
    filled = secret.replace(password, "p4ssw0rd").replace("${Redis.PrimaryEndPoint.Address}", "redis.example")
    return str(filled.replace("${Redis.PrimaryEndPoint.Port}", "6379"))


def test_both_clients_of_redis_check_its_certificate() -> None:
    """kombu checks none unless the URL asks for it, in a word that redis-py accepts as well."""
    url = redis_url()

    queue = Connection(url)  # type: ignore[no-untyped-call]
    bell = redis.Redis.from_url(url).connection_pool.make_connection()

    assert queue.ssl == {"ssl_cert_reqs": ssl.CERT_REQUIRED}
    assert (queue.hostname, queue.password) == ("redis.example", "p4ssw0rd")
    assert isinstance(bell, redis.SSLConnection)
    assert bell.cert_reqs == ssl.CERT_REQUIRED


def test_redis_survives_a_zone_and_evicts_no_job() -> None:
    """Two nodes in two zones, encrypted twice, with a password; a full queue refuses instead of forgetting."""
    template = Template("redis")
    group = template.resources("AWS::ElastiCache::ReplicationGroup")["Redis"]

    for promise in (
        "AutomaticFailoverEnabled",
        "MultiAZEnabled",
        "AtRestEncryptionEnabled",
        "TransitEncryptionEnabled",
    ):
        assert group[promise] is True
    assert group["AuthToken"].startswith("{{resolve:secretsmanager:")
    (parameters,) = template.resources("AWS::ElastiCache::ParameterGroup").values()
    assert parameters["Properties"] == {"maxmemory-policy": "noeviction"}
