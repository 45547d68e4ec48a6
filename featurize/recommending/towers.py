"""Two recommenders on one item tower: Two-Towers (a mean of what was played) and SASRec (causal attention over it).

The item tower projects frozen vectors, adds an id, or is an id alone. Loss: cross-entropy over all titles (full
softmax) that were played in training, less those that the member had played before; so a title that nobody has played
yet is neither right nor wrong while it is unknown. SASRec: Kang and McAuley 2018, with this loss (arXiv 2309.07602).

Invariant: an epoch follows from the seed and the state before it, so training that goes on from a checkpoint ends in
the same weights as training that was never interrupted.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from featurize.recommending.plays import Cases, Hyper, Plays

MODELS = ("two_towers", "sasrec")
HEADS, BLOCKS = 2, 2
"""Of SASRec."""
CELLS = 2**24
"""Scores that are in memory at once."""


class ItemTower(nn.Module):
    """(titles, width) from frozen `vectors` (titles, d), or from ids alone where there are none."""

    def __init__(self, titles: int, vectors: Tensor | None, with_id: bool, hyper: Hyper) -> None:
        super().__init__()
        self.vectors: Tensor | None
        self.register_buffer("vectors", vectors, persistent=False)
        self.project = None if vectors is None else _principal(vectors, hyper.width)
        self.id = nn.Embedding(titles, hyper.width) if with_id else None
        if self.id is not None:
            nn.init.normal_(self.id.weight, std=hyper.width**-0.5 if vectors is None else 0.02)

    def of(self, vectors: Tensor) -> Tensor:
        """The projection of any vectors (n, d), such as those of single artworks."""
        assert self.project is not None
        found: Tensor = self.project(vectors)
        return found

    def forward(self) -> Tensor:
        found = torch.zeros(()) if self.vectors is None else self.of(self.vectors)
        return found if self.id is None else found + self.id.weight


class TwoTowers(nn.Module):
    """A member is the mean of a linear map of what they played: `of_history` of one title is what it adds to that."""

    def __init__(self, hyper: Hyper) -> None:
        super().__init__()
        self.map = nn.Linear(hyper.width, hyper.width)
        nn.init.eye_(self.map.weight)
        nn.init.zeros_(self.map.bias)
        self.drop = nn.Dropout(hyper.dropout)

    def of_history(self, titles: Tensor) -> Tensor:
        found: Tensor = self.map(titles)
        return found

    def forward(self, played: Tensor) -> Tensor:
        """(b, length, width) of the plays, in order, to the member after each of them."""
        count = torch.arange(1, played.shape[1] + 1, device=played.device)
        found: Tensor = self.of_history(self.drop(played)).cumsum(1) / count[:, None]
        return found


class Block(nn.Module):
    """Causal attention and a feed-forward layer, each normalised before and added to what came in."""

    def __init__(self, width: int, dropout: float) -> None:
        super().__init__()
        self.before, self.between = nn.LayerNorm(width), nn.LayerNorm(width)
        self.asked, self.mixed = nn.Linear(width, 3 * width), nn.Linear(width, width)
        self.wide, self.narrow = nn.Linear(width, 2 * width), nn.Linear(2 * width, width)
        self.drop = nn.Dropout(dropout)

    def forward(self, found: Tensor) -> Tensor:
        query, key, value = self.asked(self.before(found)).unflatten(-1, (3, HEADS, -1)).permute(2, 0, 3, 1, 4)
        seen = nn.functional.scaled_dot_product_attention(query, key, value, is_causal=True)
        found = found + self.drop(self.mixed(seen.transpose(1, 2).flatten(2)))
        more: Tensor = self.drop(self.narrow(nn.functional.gelu(self.wide(self.between(found)))))
        return found + more


class SasRec(nn.Module):
    """A member is what causal attention makes of what they played, in its order."""

    def __init__(self, hyper: Hyper) -> None:
        super().__init__()
        self.place = nn.Embedding(hyper.length, hyper.width)
        nn.init.normal_(self.place.weight, std=0.02)
        self.blocks = nn.Sequential(*(Block(hyper.width, hyper.dropout) for _ in range(BLOCKS)))
        self.drop = nn.Dropout(hyper.dropout)
        self.norm = nn.LayerNorm(hyper.width)

    def forward(self, played: Tensor) -> Tensor:
        """As `TwoTowers.forward`."""
        found: Tensor = self.norm(self.blocks(self.drop(played + self.place.weight[: played.shape[1]])))
        return found


class Recommender(nn.Module):
    """Item tower, member tower and the scale of their cosine."""

    def __init__(self, model: str, titles: int, vectors: Tensor | None, with_id: bool, hyper: Hyper) -> None:
        super().__init__()
        self.items = ItemTower(titles, vectors, with_id, hyper)
        self.member = {"two_towers": TwoTowers, "sasrec": SasRec}[model](hyper)
        self.scale = nn.Parameter(torch.tensor(2.0))

    def titles(self) -> Tensor:
        """(titles, width), of length 1."""
        return nn.functional.normalize(self.items(), dim=-1)

    def members(self, titles: Tensor, rows: Tensor) -> Tensor:
        """(b, length, width), of length 1, after each play of `rows` (b, length), which are numbers of titles."""
        return nn.functional.normalize(self.member(nn.functional.embedding(rows, titles)), dim=-1)


class Training:
    """One recommender on the plays of a split. `vectors` (titles, d) or None; `seed` decides all that is drawn."""

    def __init__(
        self,
        model: str,
        plays: Plays,
        vectors: NDArray[np.float32] | None,
        *,
        with_id: bool,
        hyper: Hyper,
        seed: int,
        device: str = "cpu",
    ) -> None:
        self.plays, self.hyper, self.seed, self.device = plays, hyper, seed, device
        self.chunks = plays.chunks(hyper.length)
        torch.manual_seed(seed)
        frozen = None if vectors is None else torch.from_numpy(vectors)
        self.net = Recommender(model, plays.titles, frozen, with_id, hyper).to(device)
        self.optimizer = torch.optim.AdamW(_groups(self.net, hyper.learning_rate), weight_decay=0.01)
        unplayed = np.ones(plays.titles, bool)
        unplayed[plays.title] = False
        self.unplayed = torch.from_numpy(unplayed).to(device)
        self.epoch, self.best, self.best_epoch = 0, -1.0, 0
        self.kept = _copy(self.net)

    def run(
        self, quality: Callable[[Training], float], checkpoint: Path, tell: Callable[[int], None] = lambda epoch: None
    ) -> None:
        """Train until `quality`, of the validation cases, has not risen for `patience` epochs; the best weights stay.

        A checkpoint is written after each epoch, and gone on from where there is one.
        """
        if checkpoint.exists():
            self._restore(checkpoint)
        else:
            self.best = quality(self)
        while self.epoch < self.hyper.epochs and self.epoch - self.best_epoch < self.hyper.patience:
            self._epoch()
            self.epoch += 1
            found = quality(self)
            if found > self.best:
                self.best, self.best_epoch, self.kept = found, self.epoch, _copy(self.net)
            self._save(checkpoint)
            tell(self.epoch)
        self.net.load_state_dict(self.kept)

    def _epoch(self) -> None:
        torch.manual_seed(self.seed * 100_003 + self.epoch)
        order = np.random.default_rng([self.seed, self.epoch]).permutation(len(self.chunks))
        self.net.train()
        for begin in range(0, len(order), self.hyper.batch):
            loss = self._loss(self.chunks[order[begin : begin + self.hyper.batch]])
            if loss is not None:
                self.optimizer.zero_grad()
                loss.backward()  # type: ignore[no-untyped-call]
                self.optimizer.step()

    def _loss(self, chunks: NDArray[np.int64]) -> Tensor | None:
        """Mean cross-entropy of the next title wherever that is one that the member had not played before."""
        rows, (at, place) = self.plays.inputs(chunks), self.plays.targets(chunks)
        if not len(at):
            return None
        titles = self.net.titles()
        members = self.net.members(titles, torch.from_numpy(rows).to(self.device))
        members = members.flatten(0, 1).index_select(0, self._there(at * rows.shape[1] + place))
        row = chunks[at, 0] + place + 1  # the target of each place is the play after it
        step = max(1, CELLS // self.plays.titles)
        losses = []
        for begin in range(0, len(at), step):
            some = slice(begin, begin + step)
            case, played = self.plays.played_before(row[some])
            out = self.unplayed.repeat(len(row[some]), 1)
            out[self._there(case), self._there(played)] = True
            scores = (members[some] @ titles.T * self.net.scale.exp()).masked_fill(out, -torch.inf)
            target = self._there(self.plays.title[row[some]])
            losses.append(nn.functional.cross_entropy(scores, target, reduction="sum"))
        return torch.stack(losses).sum() / len(at)

    def _there(self, numbers: NDArray[np.int64]) -> Tensor:
        return torch.from_numpy(numbers).to(self.device)

    @torch.inference_mode()
    def members(self, begin: NDArray[np.int64], end: NDArray[np.int64], plays: Plays) -> NDArray[np.float32]:
        """(n, width): a member after the rows from `begin` to `end` of `plays`, of which the last ones are read."""
        self.net.eval()
        low = np.maximum(begin, end - self.hyper.length)
        found = np.zeros((len(end), self.hyper.width), np.float32)
        known = np.flatnonzero(end > low)
        # What begins at the same row is read once, for all the ends.
        lows, which = np.unique(low[known], return_inverse=True)
        ends = np.zeros_like(lows)
        np.maximum.at(ends, which, end[known])
        order = np.argsort(ends - lows, kind="stable")
        place = np.empty_like(order)
        place[order] = np.arange(len(order))
        titles = self.net.titles()
        for begin_at in range(0, len(order), 512):
            some = order[begin_at : begin_at + 512]
            rows = plays.inputs(np.stack([lows[some], ends[some] + 1], 1))
            vectors = self.net.members(titles, self._there(rows)).cpu().numpy()
            asked = known[(place[which] >= begin_at) & (place[which] < begin_at + 512)]
            window = place[np.searchsorted(lows, low[asked])] - begin_at
            found[asked] = vectors[window, end[asked] - low[asked] - 1]
        return found

    @torch.inference_mode()
    def titles(self) -> NDArray[np.float32]:
        self.net.eval()
        found: NDArray[np.float32] = self.net.titles().cpu().numpy()
        return found

    @torch.inference_mode()
    def played(self) -> NDArray[np.float32] | None:
        """(titles, width) what a play of each adds to a member, before its mean is made unit-norm; None for SASRec."""
        self.net.eval()
        if not isinstance(self.net.member, TwoTowers):
            return None
        found: NDArray[np.float32] = self.net.member.of_history(self.net.titles()).cpu().numpy()
        return found

    @torch.inference_mode()
    def projected(self, vectors: NDArray[np.float32]) -> NDArray[np.float32]:
        """(n, width), of length 1, of any vectors (n, d) of the same features, such as those of single artworks."""
        self.net.eval()
        there = torch.from_numpy(vectors).to(self.device)
        found: NDArray[np.float32] = nn.functional.normalize(self.net.items.of(there), dim=-1).cpu().numpy()
        return found

    def scores(self, cases: Cases, plays: Plays) -> NDArray[np.float32]:
        """(cases, titles), unmasked."""
        return self.members(cases.begin, cases.end, plays) @ self.titles().T

    def _save(self, place: Path) -> None:
        state = {
            "net": self.net.state_dict(),
            "optimizer": self.optimizer.state_dict(),
            "kept": self.kept,
            "epoch": self.epoch,
            "best": self.best,
            "best_epoch": self.best_epoch,
        }
        hidden = place.with_name(f".{place.name}.tmp")
        torch.save(state, hidden)
        os.replace(hidden, place)

    def _restore(self, place: Path) -> None:
        state: dict[str, Any] = torch.load(place, map_location=self.device, weights_only=True)
        self.net.load_state_dict(state["net"])
        self.optimizer.load_state_dict(state["optimizer"])
        self.kept, self.epoch, self.best, self.best_epoch = (
            state[name] for name in ("kept", "epoch", "best", "best_epoch")
        )


def _principal(vectors: Tensor, width: int) -> nn.Linear:
    """A projection that begins with the principal axes: titles that are alike are so before anything is learnt."""
    made = nn.Linear(vectors.shape[1], width)
    nn.init.normal_(made.weight, std=1e-3)
    nn.init.zeros_(made.bias)
    _, sizes, axes = torch.linalg.svd(vectors.double(), full_matrices=False)
    axes = axes[:width][sizes[:width] > 1e-6 * sizes[0]]
    axes = axes * axes.gather(1, axes.abs().argmax(1, keepdim=True)).sign()
    with torch.no_grad():
        made.weight[: len(axes)] += axes.float()
    return made


def _groups(net: nn.Module, rate: float) -> list[dict[str, Any]]:
    """A layer that sums d numbers moves by d steps at once, so these are smaller: what it began with is not lost."""
    linear = [each for each in net.modules() if isinstance(each, nn.Linear)]
    own = {id(weight) for each in linear for weight in each.parameters()}
    others = [each for each in net.parameters() if id(each) not in own]
    groups = [{"params": list(each.parameters()), "lr": rate / each.in_features**0.5} for each in linear]
    return [{"params": others, "lr": rate}, *groups]


def _copy(net: nn.Module) -> dict[str, Tensor]:
    return {name: value.detach().clone() for name, value in net.state_dict().items()}
