"""Dashboard and alerts ask for metrics that there are, in Prometheus's language, and link to what there is."""

import importlib.util
import json
import re
from pathlib import Path

import pytest
import yaml

from featurize.metrics import METRICS

ROOT = Path(__file__).parents[2]
GRAFANA = ROOT / "infra" / "grafana"
OF_KUBERNETES = {"kube_cronjob_status_last_successful_time", "kube_cronjob_spec_suspend"}
"""Of kube-state-metrics."""


def rules():
    """The groups of alerts of Kubernetes, and of a machine."""
    on_kubernetes = yaml.safe_load((ROOT / "infra" / "kubernetes" / "prometheusrule.yaml").read_text(encoding="utf-8"))
    on_machine = yaml.safe_load((ROOT / "infra" / "systemd" / "alerts.yaml").read_text(encoding="utf-8"))
    return {"kubernetes": on_kubernetes["spec"]["groups"], "machine": on_machine["groups"]}


def alerts():
    return [each for groups in rules().values() for group in groups for each in group["rules"]]


def panels():
    return json.loads((GRAFANA / "artwork.json").read_text(encoding="utf-8"))["panels"]


def expressions():
    yield from ((alert["alert"], alert["expr"]) for alert in alerts())
    yield from ((panel["title"], target["expr"]) for panel in panels() for target in panel["targets"])


def names(expression):
    """The metrics it asks for, less the `ray_` that Ray puts before ours."""
    found = set(re.findall(r"\b(?:ray_)?(?:artwork|kube)_\w+", re.sub(r'"[^"]*"', "", expression)))
    return {name.removeprefix("ray_") for name in found}


def test_they_ask_for_metrics_that_there_are_and_for_all_of_them():
    asked = set()
    for where, expression in expressions():
        assert names(expression), where
        assert names(expression) <= METRICS.keys() | OF_KUBERNETES, where
        asked |= names(expression)
    assert asked >= METRICS.keys()


def test_labels_that_they_group_by_are_of_these_metrics():
    for where, expression in expressions():
        labels = set(re.findall(r"\w+", " ".join(re.findall(r"\bby \(([^)]*)\)", expression)))) - {"instance"}
        for name in names(expression) & METRICS.keys():
            if labels and len(names(expression)) == 1:
                assert labels <= set(METRICS[name].labels), where


def test_the_age_of_a_success_is_watched_where_there_was_none_too():
    """An age of what is not there is no age, and alarms nobody: another rule asks for it."""
    watched = []
    for where, groups in rules().items():
        asked = [each["expr"].strip() for group in groups for each in group["rules"]]
        for metric in re.findall(r"time\(\) - max(?: by \(\w+\) )?\((\w+\{[^}]*\})\)", "\n".join(asked)):
            watched.append(where)
            assert f"absent({metric})" in asked, metric
    assert watched == ["kubernetes", "machine"]


def test_prometheus_reads_them():
    parser = pytest.importorskip("promql_parser", reason="`make infra-check` installs it")
    for _, expression in expressions():
        parser.parse(expression.replace("$__range", "1h"))
    with pytest.raises(ValueError, match="unclosed"):
        parser.parse("sum(artwork_items_waiting")


def test_the_dashboard_is_what_its_code_makes():
    pytest.importorskip("grafana_foundation_sdk", reason="`make infra-check` installs it")
    spec = importlib.util.spec_from_file_location("dashboard", GRAFANA / "dashboard.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    made = module.JSONEncoder(sort_keys=True, indent=1).encode(module.built().build())
    assert (GRAFANA / "artwork.json").read_text(encoding="utf-8") == made + "\n", "write it again: see dashboard.py"


def test_alerts_lead_to_a_chapter_of_the_runbook():
    runbook = (ROOT / "docs" / "runbook.md").read_text(encoding="utf-8")
    heads = {re.sub(r"[^\w -]", "", head.lower()).replace(" ", "-") for head in re.findall(r"^#+ (.*)$", runbook, re.M)}
    for alert in alerts():
        page, _, anchor = alert["annotations"]["runbook"].partition("#")
        assert page == "docs/runbook.md"
        assert anchor in heads, alert["alert"]
