"""Everything a night needs, as one run: new artwork, prompts, rankings, tonight's choices, and what they are worth.

Featurize the catalogue; make prompts of what was logged since; ask, rank and choose for tonight; rank the held-out
prompts and evaluate. Every part asks the committed rows what is missing: the same date again does nothing.
"""

from __future__ import annotations

from featurize.config import Settings
from featurize.evaluating.job import Evaluating
from featurize.featurizing.job import Featurizing
from featurize.nightly.job import Night
from featurize.prompting.job import Prompting
from featurize.ranking.job import Ranking
from jobs import cli, evaluate, featurize, prompts, rank


def nightly(settings: Settings, run_id: str, dry_run: bool) -> None:
    with Night(settings, run_id, dry_run) as night:
        night.do("featurize", Featurizing, featurize.steps)
        if night.logs_impressions:  # rankers learn from them, so they come first
            night.do("prompts_logged", Prompting, prompts.steps, needs="description")
        night.do("prompts_nightly", Prompting, prompts.steps, kind="nightly", needs="description")
        night.do("rank_nightly", Ranking, rank.steps, kind="nightly", needs="prompt")
        if night.logs_impressions:
            ranked = night.do("rank_logged", Ranking, rank.steps, needs="prompt")
            judged = ranked.able if ranked else ()
            night.do("evaluate", Evaluating, evaluate.steps, needs="ranking", judged=judged)
    print(night.summary())


if __name__ == "__main__":
    cli.leave(cli.main("nightly", __doc__ or "", nightly))
