"""What a Docker engine is asked for, from a container definition. Pure."""

from __future__ import annotations

from typing import Any

from docker.types import LogConfig, Ulimit

from localaws.containers import ContainerSpec


def options(spec: ContainerSpec, *, seccomp: str | None) -> dict[str, Any]:
    """What the engine is asked for, from the container definition. Pure."""
    definition = spec.definition
    linux = definition.get("linuxParameters", {})
    security = [*definition.get("dockerSecurityOptions", ()), *([f"seccomp={seccomp}"] if seccomp else ())]
    wanted: dict[str, Any] = {
        "entrypoint": list(spec.entry_point) if spec.entry_point else None,
        "environment": dict(spec.environment),
        "nano_cpus": spec.cpu * 1_000_000_000 // 1024 or None,
        "mem_limit": f"{spec.memory}m" if spec.memory else None,
        # The same as the memory: nothing is swapped, as on Fargate.
        "memswap_limit": f"{spec.memory}m" if spec.memory else None,
        "mem_reservation": f"{definition['memoryReservation']}m" if definition.get("memoryReservation") else None,
        "shm_size": f"{linux['sharedMemorySize']}m" if linux.get("sharedMemorySize") else None,
        "init": linux.get("initProcessEnabled"),
        "cap_add": linux.get("capabilities", {}).get("add"),
        "cap_drop": linux.get("capabilities", {}).get("drop"),
        "tmpfs": {
            one["containerPath"]: ",".join([f"size={one['size']}m", *one.get("mountOptions", ())])
            for one in linux.get("tmpfs", ())
        },
        "security_opt": security,
        "read_only": definition.get("readonlyRootFilesystem", False),
        "user": definition.get("user"),
        "working_dir": definition.get("workingDirectory"),
        "hostname": definition.get("hostname"),
        "dns": definition.get("dnsServers"),
        "extra_hosts": {one["hostname"]: one["ipAddress"] for one in definition.get("extraHosts", ())},
        "sysctls": {one["namespace"]: one["value"] for one in definition.get("systemControls", ())},
        "ulimits": [
            Ulimit(name=one["name"], soft=one["softLimit"], hard=one["hardLimit"])
            for one in definition.get("ulimits", ())
        ],
        "log_config": LogConfig(type="json-file", config={"max-size": "10m", "max-file": "1"}),
    }
    return {name: value for name, value in wanted.items() if value not in (None, {}, [])}


def repository_and_tag(image: str) -> tuple[str, str]:
    """For `pull`, which takes every tag of a repository where it is told none."""
    repository, at, digest = image.partition("@")
    if at:
        return repository, digest
    name, colon, tag = image.rpartition(":")
    return (name, tag) if colon and "/" not in tag else (image, "latest")
