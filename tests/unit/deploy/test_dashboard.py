"""The dashboard speaks of metrics that exist."""

from __future__ import annotations

import json
import re
from pathlib import Path

from prometheus_client.metrics import MetricWrapperBase

from services.gateway import meters
from wallcrawler import metrics

DASHBOARD = Path(__file__).parents[3] / "deploy/compose/observe/dashboard.json"

#: What Prometheus hangs on the names of histograms and counters.
SUFFIXES = ("", "_total", "_bucket")


def test_every_panel_asks_for_a_metric_and_labels_that_there_are() -> None:
    """A renamed metric leaves an empty panel, which looks like peace."""
    declared = [
        metric
        for module in (metrics, meters)
        for metric in vars(module).values()
        if isinstance(metric, MetricWrapperBase)
    ]
    known = {metric._name + suffix: set(metric._labelnames) | {"le"} for metric in declared for suffix in SUFFIXES}

    asked = [target["expr"] for panel in json.loads(DASHBOARD.read_text())["panels"] for target in panel["targets"]]

    assert len(asked) >= len({metric._name for metric in declared}) - 2
    for expression in asked:
        (name,) = re.findall(r"wallcrawler_\w+", expression)
        assert name in known
        labels = re.findall(r"by \(([\w, ]+)\)", expression)
        assert {label for group in labels for label in group.split(", ")} <= known[name]
