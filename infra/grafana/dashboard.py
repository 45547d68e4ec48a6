"""The Grafana dashboard as code: `python infra/grafana/dashboard.py > infra/grafana/artwork.json` writes it again.

Every question is asked of both spellings of a metric: on one machine as it is declared in featurize/metrics.py, on a
Ray cluster with `ray_` before it.
"""

from grafana_foundation_sdk.builders import bargauge, dashboard, stat, timeseries
from grafana_foundation_sdk.builders.common import ReduceDataOptions, VizLegendOptions
from grafana_foundation_sdk.builders.dashboard import DatasourceVariable
from grafana_foundation_sdk.builders.prometheus import Dataquery
from grafana_foundation_sdk.cog.encoder import JSONEncoder
from grafana_foundation_sdk.models.common import LegendDisplayMode, LegendPlacement
from grafana_foundation_sdk.models.dashboard import DataSourceRef, Threshold, ThresholdsMode
from grafana_foundation_sdk.models.units import BytesIEC as Bytes
from grafana_foundation_sdk.models.units import Seconds as Duration
from grafana_foundation_sdk.models.units import Short

SOURCE = DataSourceRef(type_val="prometheus", uid="${datasource}")
HEIGHT, HALF, WHOLE = 8, 12, 24


def either(name: str) -> str:
    """A metric by both of its names, with the labels of this project only."""
    return f"({name} or ray_{name})"


def query(expression: str, legend: str) -> Dataquery:
    return Dataquery().expr(expression).legend_format(legend)


def latest(title: str, words: str, expression: str, unit: str, *limits: float) -> stat.Panel:
    """One number, now: green, yellow from the first limit, red from the second."""
    colours = [(None, "green"), *zip(limits, ("yellow", "red"), strict=False)]
    steps = dashboard.ThresholdsConfig().mode(ThresholdsMode.ABSOLUTE)
    steps = steps.steps([Threshold(value=value, color=colour) for value, colour in colours])
    panel = stat.Panel().title(title).description(words).datasource(SOURCE).unit(unit).thresholds(steps)
    panel = panel.reduce_options(ReduceDataOptions().calcs(["lastNotNull"]))
    return panel.with_target(query(expression, "").ref_id("A")).height(4).span(6)


def over_time(title: str, words: str, unit: str, *queries: Dataquery, span: int = HALF) -> timeseries.Panel:
    legend = VizLegendOptions().display_mode(LegendDisplayMode.LIST).placement(LegendPlacement.BOTTOM).show_legend(True)
    panel = timeseries.Panel().title(title).description(words).datasource(SOURCE).unit(unit).min(0).legend(legend)
    for number, each in enumerate(queries):
        panel = panel.with_target(each.ref_id("AB"[number]))
    return panel.height(HEIGHT).span(span)


def stages() -> bargauge.Panel:
    expression = "sum by (phase, stage) (max_over_time(artwork_stage_seconds_total[$__range]))"
    expression += " or sum by (phase, stage) (max_over_time(ray_artwork_stage_seconds_total[$__range]))"
    panel = bargauge.Panel().title("Where time went").datasource(SOURCE).unit(Duration).min(0)
    panel = panel.description(
        "Seconds of all workers, by phase and stage. Much `wait` beside little `model`: too few CPUs"
    )
    panel = panel.reduce_options(ReduceDataOptions().calcs(["lastNotNull"]))
    return panel.with_target(query(expression, "{{phase}} {{stage}}").instant().ref_id("A")).height(HEIGHT).span(HALF)


def built() -> dashboard.Dashboard:
    done, failed = either("artwork_items_done_total"), either("artwork_items_failed_total")
    success, waiting = either("artwork_last_success_timestamp_seconds"), either("artwork_items_waiting")
    rate, tokens = either("artwork_items_per_second"), either("artwork_tokens_total")
    started, ended = either("artwork_run_started_timestamp_seconds"), either("artwork_run_ended_timestamp_seconds")
    board = dashboard.Dashboard("Artwork nights").uid("artwork-nights").tags(["artwork"]).timezone("utc")
    board = board.time("now-24h", "now").refresh("1m").readonly()
    board = board.with_variable(DatasourceVariable("datasource").label("Prometheus").type("prometheus"))
    board = board.with_panel(
        latest(
            "Since the last success",
            "Of the night; the alert fires after 30 hours",
            'time() - max(max_over_time(artwork_last_success_timestamp_seconds{task="nightly"}[7d])'
            ' or max_over_time(ray_artwork_last_success_timestamp_seconds{task="nightly"}[7d]))',
            Duration,
            26 * 3600,
            30 * 3600,
        )
    )
    board = board.with_panel(
        latest("Waiting", "Pictures, texts and prompts planned and not finished", f"sum({waiting})", Short)
    )
    board = board.with_panel(latest("In quarantine", "By the run that is told of", f"sum({failed})", Short, 1, 1000))
    board = board.with_panel(
        latest(
            "Running for",
            "Nothing where no run is under way",
            f"(time() - max({started})) * (max({ended}) == bool 0)",
            Duration,
        )
    )
    board = board.with_panel(
        over_time("Done", "Since the run began", Short, query(f"sum by (task, phase) ({done})", "{{task}} {{phase}}"))
    )
    board = board.with_panel(
        over_time(
            "Waiting", "Falls to nothing", Short, query(f"sum by (task, phase) ({waiting})", "{{task}} {{phase}}")
        )
    )
    board = board.with_panel(
        over_time("A second", "Start-up left out", Short, query(f"sum by (task, phase) ({rate})", "{{task}} {{phase}}"))
    )
    board = board.with_panel(
        over_time(
            "Failed",
            "By reason: docs/running.md says what each means",
            Short,
            query(f"sum by (phase, reason) ({failed})", "{{phase}} {{reason}}"),
        )
    )
    board = board.with_panel(stages())
    board = board.with_panel(
        over_time(
            "Tokens",
            "Of prompts and answers, a second",
            Short,
            query(f"sum by (phase, kind) ({tokens})", "{{phase}} {{kind}}"),
        )
    )
    memory, of_workers = either("artwork_memory_bytes"), either("artwork_worker_memory_bytes")
    board = board.with_panel(
        over_time(
            "Memory",
            "The most that a process has held",
            Bytes,
            query(f"max by (task) ({memory})", "{{task}}"),
            query(f"max by (phase) ({of_workers})", "worker of {{phase}}"),
        )
    )
    return board.with_panel(
        over_time(
            "Last success", "Hours since, by job", Duration, query(f"time() - max by (task) ({success})", "{{task}}")
        )
    )


if __name__ == "__main__":
    print(JSONEncoder(sort_keys=True, indent=1).encode(built().build()))
