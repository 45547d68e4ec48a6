"""How fast an LLM ranks: the whole job, its bare model, writing instead of reading, and beginnings that are shared.

The model has the size of the bundled ranker and random weights, which are as fast as any; the prompts are as long as
those of the default template, or have a history of twenty lines. What is compared takes turns, so that a machine that
slows down slows both.
"""

from __future__ import annotations

import os
import random
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from statistics import median
from typing import Any

from featurize import config
from featurize.bench import process
from featurize.bench.figures import Figure, Setup
from featurize.inference import letters
from featurize.inference.ranker import Given, Prompt, prompts
from featurize.rankers import llm
from featurize.ranking.job import Ranking
from featurize.storage import tables
from featurize.storage.store import Store, part_name

PROMPTS = 200
TITLES = 8
ROUNDS = 2
BATCHES = (1024, 2048, 4096)
"""Tokens of a batch of the bare model; the best one counts."""
WRITTEN = 48
"""Tokens of an answer in a sentence or two, as a model writes it that is asked for its reason first."""
MANY = (2_000, 20_000)
MOST_GROWTH = 3.0
"""MB in 1,000 prompts: ids and places of all prompts are planned with, and no words."""
RECIPE = "prompts-0000000000000000"
_WORDS = [
    *(
        "a",
        "tense",
        "calm",
        "epic",
        "tender",
        "menacing",
        "horror",
        "western",
        "action",
        "drama",
        "romance",
        "close-up",
    ),
    *("full", "wide", "shot", "of", "one", "two", "man", "woman", "cowboys", "hooded", "figures", "in", "on", "at"),
    *("the", "forest", "desert", "beach", "castle", "room", "titled", "with", "watched", "left", "min", "days", "ago"),
]
MEMORY = "from featurize.bench import ranking; ranking.work()"


def measure(setup: Setup) -> list[Figure]:
    """Prompts per second and the four ratios, and the growth of the job's memory."""
    with tempfile.TemporaryDirectory(prefix="bench-ranking-") as name:
        folder = Path(name)
        model = _model(folder / "model")
        count = max(TITLES * 2, PROMPTS * setup.images // 1000)
        found = [*_job(folder, model, count), *_written(model, count), _shared(model, count)]
    return [*found, *_memory(setup)]


def _job(folder: Path, model: Path, count: int) -> list[Figure]:
    """The whole job over the bare model at its best batch size, neither of which has a beginning to share."""
    rows = [_row(number, member=number, lines=4) for number in range(count)]
    ratios, rates = [], []
    bare = dict.fromkeys(BATCHES, 0.0)
    asked = llm.Ranker(_settings(False), Given(str(model), cpus=_cpus()))
    questions = sorted(
        (asked._reader.question(prompt.messages, len(prompt.artwork_ids)).ids for prompt in prompts(rows)), key=len
    )
    for number in range(ROUNDS):
        for size in BATCHES:
            bare[size] = count / _seconds(partial(_bare, asked, questions, size))
        store = _store(folder / f"store{number}", rows)
        rate = _ranked(store, model)
        ratios.append(rate / max(bare.values()))
        rates.append(rate)
    best = max(bare, key=lambda size: bare[size])
    note = (
        f"{count} prompts of {sum(map(len, questions)) / count:.0f} tokens; the bare model in batches of {best} tokens"
    )
    return [
        Figure("prompts ranked by an LLM", median(rates), "prompts/s", note),
        Figure("  job / bare model", median(ratios), "ratio", at_least=0.90),
    ]


def _written(model: Path, count: int) -> list[Figure]:
    """Reading the letters over writing an answer, the same model and prompts."""
    asked = llm.Ranker(_settings(True), Given(str(model), cpus=_cpus()))
    some = list(prompts(_row(number, member=number, lines=4) for number in range(max(TITLES, count // 4))))
    texts = [letters.text(asked._reader._tokenizer, prompt.messages) for prompt in some]
    ratios: dict[int, list[float]] = {2: [], WRITTEN: []}
    for _ in range(ROUNDS):
        read = _seconds(partial(_read, asked, some))
        for tokens, found in ratios.items():
            found.append(_seconds(partial(_write, asked, texts, tokens)) / read)
    return [
        Figure(f"  reading / writing {WRITTEN} tokens", median(ratios[WRITTEN]), "times", at_least=5),
        Figure("  reading / writing the letter alone", median(ratios[2]), "times"),
    ]


def _shared(model: Path, count: int) -> Figure:
    """Eight titles of each member, whose beginnings are computed once, over all of it for each."""
    some = list(prompts(_row(number, member=number // TITLES, lines=20) for number in range(count // TITLES * TITLES)))
    both = [llm.Ranker(_settings(share), Given(str(model), cpus=_cpus())) for share in (False, True)]
    ratios = []
    for _ in range(ROUNDS):
        alone, shared = (_seconds(partial(_read, ranker, some)) for ranker in both)
        ratios.append(alone / shared)
    note = f"{TITLES} titles of each member, histories of 20 lines"
    return Figure("  beginnings shared / not", median(ratios), "times", note, at_least=2)


def _memory(setup: Setup) -> list[Figure]:
    """Peak of the job's process with few and with many prompts."""
    peaks = []
    counts = [max(100, count * setup.images // 1000) for count in MANY]
    for count in counts:
        with tempfile.TemporaryDirectory(prefix="bench-ranking-") as name:
            folder = Path(name)
            _store(folder / "store", [_row(number, member=number // 5, lines=4) for number in range(count)])
            peaks.append(process.run([sys.executable, "-c", MEMORY], folder).peak_bytes / 1e6)
    growth = 1000 * (peaks[1] - peaks[0]) / (counts[1] - counts[0])
    note = "; ".join(f"{count:,} prompts: {peak:,.0f} MB" for count, peak in zip(counts, peaks, strict=True))
    return [Figure("  growth of memory in 1,000 prompts", growth, "MB", note, at_most=MOST_GROWTH)]


def work() -> None:
    """What the process whose memory is measured does."""
    _rank(config.load("local", ["store=store", 'rank.rankers=["random"]', "run.executor=local"]))


def _cpus() -> int:
    """Threads of the model: all that the machine has, as the executor in this process gives it."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _settings(share: bool) -> llm.Settings:
    return llm.Settings(share_prefix=share)


def _model(folder: Path) -> Path:
    from featurize.bundling import ranker, ranker_tokens

    words = ranker_tokens.tokenizer([" ".join(_WORDS)] * 60)
    ranker.build(words).save_pretrained(folder)
    words.save_pretrained(folder)
    return folder


def _row(number: int, member: int, lines: int) -> dict[str, Any]:
    """A row of `prompt` whose beginning is that of its member's others."""
    own, rng = random.Random(member), random.Random(-1 - number)

    def words(source: random.Random, count: int) -> str:
        return " ".join(source.choice(_WORDS) for _ in range(count))

    history = "\n".join(
        f'- "{words(own, 2)}" ({words(own, 2)}): watched {own.randrange(90)} min, {own.randrange(9)} days ago'
        for _ in range(lines)
    )
    offered = [f'{letters.LETTERS[place]}. "{words(rng, 10)}"; titled' for place in range(5)]
    content = f'Lately:\n{history}\n\nTitle: "{words(rng, 2)}"\n' + "\n".join(offered)
    system = "Which artwork makes the member watch the title? Answer with its letter."
    return dict.fromkeys(tables.contract("prompt").schema.names) | {
        "prompt_id": part_name([str(number)]),
        "kind": "logged",
        "impression_id": f"i{number}",
        "member_id": f"m{member:06}",
        "title_id": f"t{number % 50}",
        "asked_at": datetime(2026, 1, 1, tzinfo=UTC),
        "artwork_ids": [f"a{place}" for place in range(5)],
        "messages": [{"role": "system", "content": system}, {"role": "user", "content": content}],
        "prompt": content,
        "answer": "A",
        "reward": 0.0,
        "propensity": 0.2,
        "split": "held_out",
        "template_key": "template-0",
        "model_key": "words-0",
        "recipe_key": RECIPE,
        "tokens": len(content),
        "tokens_by": "characters",
        "run_id": "bench",
        "code_version": "bench",
        "computed_at": datetime(2026, 1, 1, tzinfo=UTC),
    }


def _store(folder: Path, rows: Sequence[dict[str, Any]]) -> Store:
    """A store with these prompts."""
    store = Store(str(folder))
    model: dict[str, list[Any]] = {"model_key": [RECIPE], "backend": ["prompts"], "fingerprint": ['{"kind": "logged"}']}
    model |= {"run_id": ["bench"], "code_version": ["bench"], "computed_at": [datetime(2026, 1, 1, tzinfo=UTC)]}
    store.commit("model", "", RECIPE, tables.rows("model", model))
    columns = {name: [row[name] for row in rows] for name in rows[0]}
    store.commit("prompt", f"{RECIPE}/2026-01-01", "prompts", tables.rows("prompt", columns))
    return store


def _ranked(store: Store, model: Path) -> float:
    """Prompts a second of the whole job, from when its model is loaded."""
    chosen = [f'store="{store.uri}"', f'rank.models=["{model}"]', 'rank.rankers=["llm"]', "run.executor=local"]
    report = _rank(config.load("local", [*chosen, "rank.llm.share_prefix=false", f"rank.llm.cpus={_cpus()}"]))
    return float(report.phases[-1].rate)


def _rank(settings: config.Settings) -> Any:
    with Ranking(settings, "bench") as job:
        job.find_prompts()
        for ranker in job.rankers():
            job.rank(ranker)
    return job.report


def _bare(asked: llm.Ranker, questions: Sequence[Sequence[int]], size: int) -> None:
    """One forward pass after the other, of tokens that are there already; the logits of one place."""
    import torch

    prefill = asked._prefill
    begin = 0
    with torch.inference_mode():
        while begin < len(questions):
            count = max(1, size // len(questions[begin]))
            rows = questions[begin : begin + count]
            width = max(map(len, rows))
            ids = torch.tensor([[*row, *[0] * (width - len(row))] for row in rows], device=prefill._device)
            prefill._last = torch.full((len(rows),), width - 1, device=prefill._device)
            prefill._model(input_ids=ids, use_cache=False).logits.float().log_softmax(-1).cpu()
            begin += count


def _read(asked: llm.Ranker, some: Sequence[Prompt]) -> None:
    """Rank them."""
    for _ in asked.rank(some):
        pass


def _write(asked: llm.Ranker, texts: Sequence[str], tokens: int) -> None:
    """Let the same model write so many tokens, in batches of the same size."""
    import torch

    tokenizer, prefill = asked._reader._tokenizer, asked._prefill
    begin = 0
    while begin < len(texts):
        count = max(1, prefill.batch_tokens // len(letters.encode(tokenizer, texts[begin])))
        some = list(texts[begin : begin + count])
        batch = tokenizer(some, add_special_tokens=False, padding=True, return_tensors="pt").to(prefill._device)
        prefill._last = torch.full((len(some),), -1, device=prefill._device)
        with torch.inference_mode():
            options = {"do_sample": False, "pad_token_id": tokenizer.pad_token_id}
            prefill._model.generate(
                input_ids=batch["input_ids"],
                attention_mask=batch["attention_mask"],
                min_new_tokens=tokens,
                max_new_tokens=tokens,
                **options,
            )
        begin += count


def _seconds(action: Callable[[], object]) -> float:
    begun = time.perf_counter()
    action()
    return time.perf_counter() - begun
