"""CreateCluster, DescribeClusters, ListClusters."""

from __future__ import annotations

import re

from localaws.actions import Action, page
from localaws.arns import Place, cluster_name
from localaws.definitions import Json
from localaws.errors import AwsError, invalid
from localaws.state import Cluster, State
from localaws.tags import read_tags, show_tags
from localaws.tasks import Status

_NAME = re.compile(r"^[A-Za-z0-9_-]{1,255}$")


class ClusterActions:
    def __init__(self, state: State, place: Place) -> None:
        self._state = state
        self._place = place

    @property
    def actions(self) -> dict[str, Action]:
        return {
            "CreateCluster": self.create,
            "DescribeClusters": self.describe,
            "ListClusters": self.list,
        }

    def create(self, params: Json) -> Json:
        """One that is there already is the answer, as it is."""
        name = params.get("clusterName", "default")
        if not _NAME.match(name):
            raise invalid("Cluster name contains invalid characters.")
        tags = read_tags(params.get("tags"))
        with self._state.transaction():
            if self._state.cluster(name) is None:
                self._state.put_cluster(Cluster(name=name, tags=tags, settings=params.get("settings", [])))
        return {"cluster": self._shown(self.get(name), {"TAGS", "SETTINGS"})}

    def get(self, reference: str | None) -> Cluster:
        """Raises ClusterNotFoundException."""
        cluster = self._state.cluster(cluster_name(reference))
        if cluster is None:
            raise AwsError("ClusterNotFoundException", "Cluster not found.")
        return cluster

    def describe(self, params: Json) -> Json:
        wanted = params.get("clusters") or ["default"]
        if len(wanted) > 100:
            raise invalid("Clusters cannot have more than 100 elements.")
        found = [(name, self._state.cluster(cluster_name(name))) for name in wanted]
        return {
            "clusters": [self._shown(one, set(params.get("include", ()))) for _, one in found if one is not None],
            "failures": [
                {"arn": self._place.cluster(cluster_name(name)), "reason": "MISSING"}
                for name, one in found
                if one is None
            ],
        }

    def list(self, params: Json) -> Json:
        return page("clusterArns", [self._place.cluster(one.name) for one in self._state.clusters()], params)

    def _shown(self, cluster: Cluster, include: set[str]) -> Json:
        live = [task.last_status for task in self._state.live_tasks() if task.cluster == cluster.name]
        return {
            "clusterArn": self._place.cluster(cluster.name),
            "clusterName": cluster.name,
            "status": "ACTIVE",
            "registeredContainerInstancesCount": 0,
            "runningTasksCount": sum(status is Status.RUNNING for status in live),
            "pendingTasksCount": sum(status in {Status.PROVISIONING, Status.PENDING} for status in live),
            "activeServicesCount": 0,
            "statistics": [],
            "tags": show_tags(cluster.tags) if "TAGS" in include else [],
            "settings": cluster.settings if "SETTINGS" in include else [],
            "capacityProviders": [],
            "defaultCapacityProviderStrategy": [],
        }
