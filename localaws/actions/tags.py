"""TagResource, UntagResource, ListTagsForResource: for clusters, task definitions and tasks."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from localaws.actions import Action
from localaws.actions.clusters import ClusterActions
from localaws.actions.definitions import DefinitionActions
from localaws.definitions import Json
from localaws.errors import invalid
from localaws.state import State
from localaws.tags import Tags, limited, read_tags, show_tags


class TagActions:
    def __init__(self, state: State, clusters: ClusterActions, definitions: DefinitionActions) -> None:
        self._state = state
        self._clusters = clusters
        self._definitions = definitions

    @property
    def actions(self) -> dict[str, Action]:
        return {
            "TagResource": self.tag,
            "UntagResource": self.untag,
            "ListTagsForResource": self.list,
        }

    def tag(self, params: Json) -> Json:
        added = read_tags(params["tags"])
        self._change(params["resourceArn"], lambda tags: limited(tags | added))
        return {}

    def untag(self, params: Json) -> Json:
        gone = set(params["tagKeys"])
        self._change(params["resourceArn"], lambda tags: {key: tags[key] for key in tags if key not in gone})
        return {}

    def list(self, params: Json) -> Json:
        return {"tags": show_tags(self._change(params["resourceArn"], lambda tags: tags))}

    def _change(self, arn: str, change: Callable[[Tags], Tags]) -> Tags:
        """Store the changed tags of a resource, and return them. A change of tags alone makes no event."""
        kind = arn.rsplit(":", 1)[-1] if arn.count(":") < 6 else arn.split(":", 5)[5]
        with self._state.transaction():
            if kind.startswith("cluster/"):
                cluster = self._clusters.get(arn)
                cluster = replace(cluster, tags=change(cluster.tags))
                self._state.put_cluster(cluster)
                return cluster.tags
            if kind.startswith("task-definition/"):
                definition = self._definitions.get(arn)
                if definition is None:
                    raise invalid("The specified task definition is not found.")
                definition = replace(definition, tags=change(definition.tags))
                self._state.put_definition(definition)
                return definition.tags
            if kind.startswith("task/"):
                task = self._state.task(arn.rsplit("/", 1)[-1])
                if task is None or task.over:
                    raise invalid("The specified task is stopped. Specify a running task and try again.")
                task = replace(task, tags=change(task.tags))
                self._state.put_task(task)
                return task.tags
        raise invalid("Invalid resource ARN.")
