"""The load balancers: which door leads where, how long it waits, and what it must never write down."""

from __future__ import annotations

from typing import Any

from tests.deploy.templates import Template
from wallcrawler.settings import Settings

FRONT = Template("front")
SERVICES = {
    properties["ServiceName"]: properties
    for template in (Template("compute"), Template("workers"))
    for properties in template.resources("AWS::ECS::Service").values()
}


def attributes(kind: str, name: str) -> dict[str, str]:
    key = "TargetGroupAttributes" if kind.endswith("TargetGroup") else "LoadBalancerAttributes"
    return {one["Key"]: one["Value"] for one in FRONT.resources(kind)[name][key]}


def test_load_balancers_wait_longer_than_anybody_here() -> None:
    """A silent client is not cut off, a waiting create is answered, and a gateway drains for long."""
    alb = attributes("AWS::ElasticLoadBalancingV2::LoadBalancer", "Alb")
    draining = {
        name: int(attributes("AWS::ElasticLoadBalancingV2::TargetGroup", name)["deregistration_delay.timeout_seconds"])
        for name in ("ApiTargets", "GatewayTargets")
    }

    assert int(alb["idle_timeout.timeout_seconds"]) == 4000
    assert int(alb["client_keep_alive.seconds"]) >= Settings.model_fields["max_session_timeout"].default
    assert draining["ApiTargets"] > Settings.model_fields["create_deadline"].default
    assert draining["GatewayTargets"] >= 1800


def test_no_log_of_the_load_balancer_can_hold_connect_urls() -> None:
    """An access log has every URL, and a connect URL is the key to a browser."""
    logged = [
        name
        for name in FRONT.resources("AWS::ElasticLoadBalancingV2::LoadBalancer")
        if any("logs" in key for key in attributes("AWS::ElasticLoadBalancingV2::LoadBalancer", name))
    ]

    assert logged == []


def test_each_door_leads_where_it_should_and_nowhere_else() -> None:
    """Callers to the API and the gateway by host, guests to their routes alone; everything else is a 404."""
    rules = sorted(
        (rule["ListenerArn"], rule["Priority"], conditions(rule), outcome(rule["Actions"]))
        for rule in FRONT.resources("AWS::ElasticLoadBalancingV2::ListenerRule").values()
    )
    otherwise = {
        name: outcome(listener["DefaultActions"])
        for name, listener in FRONT.resources("AWS::ElasticLoadBalancingV2::Listener").items()
    }

    assert rules == [
        ("${GuestHttp}", 10, "/guest/*", "${GuestTargets}"),
        ("${Https}", 10, "${ApiHost} ${GatewayHost} /guest/* /metrics", "404"),
        ("${Https}", 20, "${ApiHost}", "${ApiTargets}"),
        ("${Https}", 30, "${GatewayHost}", "${GatewayTargets}"),
    ]
    assert otherwise == {"Https": "404", "GuestHttp": "404"}


def conditions(rule: dict[str, Any]) -> str:
    values = [
        value
        for condition in rule["Conditions"]
        for config in ("HostHeaderConfig", "PathPatternConfig")
        for value in condition.get(config, {}).get("Values", [])
    ]
    return " ".join(values)


def outcome(actions: list[dict[str, Any]]) -> str:
    (action,) = actions
    return str(action["TargetGroupArn"] if action["Type"] == "forward" else action["FixedResponseConfig"]["StatusCode"])


def test_services_are_registered_where_the_doors_lead() -> None:
    """The API behind both doors, the gateway behind one, workers behind none."""
    registered = {
        name: {one["TargetGroupArn"] for one in service.get("LoadBalancers", [])} for name, service in SERVICES.items()
    }

    assert registered == {
        "api": {"${ApiTargetGroup}", "${GuestTargetGroup}"},
        "gateway": {"${GatewayTargetGroup}"},
        "provisioner": set(),
        "notifier": set(),
    }
