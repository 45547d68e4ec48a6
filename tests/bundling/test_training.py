"""Training of the bundled models: it learns through the code that ships, and a stopped training goes on."""

import copy
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from featurize.bundling import captioner, texts, trainer
from featurize.bundling.captioner import Captioner
from featurize.bundling.clip import Clip
from featurize.bundling.muon import Muon, orthogonal
from featurize.bundling.parts import MARKS, cell_targets
from featurize.bundling.scenes import Scenes, Shape


@pytest.fixture(scope="module")
def scenes(tmp_path_factory: pytest.TempPathFactory) -> Scenes:
    return Scenes(tmp_path_factory.mktemp("scenes"), 60, shard=30)


@pytest.mark.slow
def test_scenes_are_rendered_once(tmp_path: Path) -> None:
    first = Scenes(tmp_path, 4, shard=4)
    times = {path: path.stat().st_mtime_ns for path in tmp_path.iterdir()}
    more = Scenes(tmp_path, 8, shard=4)
    assert len(times) == 1
    assert {path: path.stat().st_mtime_ns for path in times} == times
    shape = captioner.shape_of(more.scene(1).width, more.scene(1).height)
    (pixels, parts), (same_pixels, same_parts) = more.picture(1, shape), first.picture(1, shape)
    assert (pixels == same_pixels).all()
    assert parts == same_parts != []
    assert more.count == 8


@pytest.mark.slow
def test_cutting_the_edges_moves_what_is_in_the_picture(scenes: Scenes) -> None:
    shape = Shape(192, 128)
    for index in range(10):
        whole, parts = scenes.picture(index, shape)
        cut, moved = scenes.picture(index, shape, np.random.default_rng(index))
        assert not (whole == cut).all()
        for before, after in zip(parts, moved, strict=True):
            assert (before.kind, before.name) == (after.kind, after.name)
            assert after.box == pytest.approx(before.box, abs=0.07)
            assert after.box != before.box


def test_a_window_is_a_part_of_the_picture_about_something_in_it(scenes: Scenes) -> None:
    shape, window = Shape(192, 128), Shape(64, 96)
    for index in range(20):
        whole, parts = scenes.picture(index, shape)
        near, moved = scenes.picture(index, shape, np.random.default_rng(index), window)
        assert near.shape == (64, 96, 3)
        middles = [((x0 + x1) / 2, (y0 + y1) / 2) for x0, y0, x1, y1 in (part.box for part in moved)]
        assert any(0 <= x <= 1 and 0 <= y <= 1 for x, y in middles) or not parts
        corners = []
        for axis in (0, 1):  # where the window begins and ends, by the part that is largest
            before, after = max(
                ((p.box[axis::2], m.box[axis::2]) for p, m in zip(parts, moved, strict=True)),
                key=lambda pair: pair[0][1] - pair[0][0],
                default=((0, 1), (0, 1)),
            )
            scale = (before[1] - before[0]) / (after[1] - after[0])
            corners.append((before[0] - after[0] * scale, scale))
        (x, wide), (y, high) = corners
        assert 0.94 * 96 / 128 <= wide <= 96 / 128 + 1e-6
        assert 0.94 * 64 / 192 <= high <= 64 / 192 + 1e-6
        box = (x * 128, y * 192, (x + wide) * 128, (y + high) * 192)
        again = np.asarray(Image.fromarray(whole).resize((96, 64), Image.Resampling.BICUBIC, box))
        assert abs(again.astype(int) - near).mean() < 12


@pytest.mark.slow
def test_a_crowd_is_shown_twice_as_often(scenes: Scenes) -> None:
    crowds = np.array([scenes.scene(index).people_count >= 3 for index in range(scenes.count)])
    shares = scenes.shares()
    assert shares.sum() == pytest.approx(1)
    assert shares[crowds] == pytest.approx(2 * shares[~crowds][0])
    assert shares[~crowds] == pytest.approx(shares[~crowds][0])
    people = list(texts.CHOICES).index("people")
    for task in (Captioner(scenes), Clip(scenes)):
        task.batch_size = 8
        batches = [task.batch(step, 1.0) for step in range(60)]
        shown = torch.cat([batch["choices"][:, people] >= 3 for batch in batches]).float().mean()
        assert shown == pytest.approx(shares[crowds].sum(), abs=0.08)
        assert shown > crowds.mean() + 0.06


@pytest.fixture(scope="module")
def trained(scenes: Scenes, tmp_path_factory: pytest.TempPathFactory) -> tuple[Captioner, Path]:
    """A captioner as training leaves it (after no step), and what it exports."""
    task, folder = Captioner(scenes), tmp_path_factory.mktemp("captioner")
    task.export(folder)
    return task, folder


@pytest.mark.slow
def test_the_captioner_trains_on_what_transformers_computes(trained: tuple[Captioner, Path], scenes: Scenes) -> None:
    """Prompt, patches and loss of the fast path are those of the processor and model that load the export."""
    from transformers import AutoModelForImageTextToText, AutoProcessor

    task, folder = trained
    processor = AutoProcessor.from_pretrained(folder)
    model = AutoModelForImageTextToText.from_pretrained(folder, dtype=torch.float32).eval()
    task.model.load_state_dict(model.state_dict())  # rounded to bfloat16 by the export
    for index in range(6):
        scene = scenes.scene(index)
        shape = captioner.shape_of(scene.width, scene.height)
        pixels, parts = scenes.picture(index, shape)
        content = [{"type": "image"}, {"type": "text", "text": texts.PROMPTS[0]}]
        chat = [{"role": "user", "content": content}]
        asked = processor.apply_chat_template(chat, add_generation_prompt=True, tokenize=False)
        answer = texts.answer(scene) + texts.END
        inputs = processor(text=[asked + answer], images=[Image.fromarray(pixels)], return_tensors="pt")
        labels = processor.tokenizer(answer, return_tensors="pt")["input_ids"]
        with torch.inference_mode():
            logits = model(**inputs).logits[0, -labels.shape[1] - 1 : -1]
            expected = torch.nn.functional.cross_entropy(logits, labels[0]).item()
            batch = {
                "pixels": torch.from_numpy(np.stack([pixels])),
                "choices": torch.from_numpy(texts.choice_targets([scene])),
                "parts": torch.from_numpy(cell_targets(parts, shape.height // 32, shape.width // 32))[None],
                "ids": processor.tokenizer(captioner.prompt(texts.PROMPTS[0], shape) + answer, return_tensors="pt")[
                    "input_ids"
                ],
                "labels": labels,
                "marks": torch.zeros(len(inputs["pixel_values"]), len(MARKS), dtype=torch.bool),
            }
            assert torch.equal(batch["ids"], inputs["input_ids"])
            assert task.loss(batch)[1]["words"].item() == pytest.approx(expected, abs=1e-5)


@pytest.mark.slow
def test_every_patch_is_asked_for_its_own_marks(scenes: Scenes, monkeypatch: pytest.MonkeyPatch) -> None:
    """Targets, patches of the processor, and what the network makes of them are in one order."""
    task = Captioner(scenes)
    visual = task.model.model.visual
    batch = task.batch(1, 0.0)
    patches, grid = captioner.patchify(batch["pixels"])
    for block in visual.blocks:
        monkeypatch.setattr(block, "forward", lambda hidden, **_: hidden)
    with torch.inference_mode():
        task.loss(batch)
        embedded = visual.patch_embed(patches)
        assert torch.allclose(task._patches(grid), torch.nn.functional.layer_norm(embedded, embedded.shape[1:]))
    numbers = torch.arange(8 * 12).view(1, 8, 12, 1)
    pixels = numbers.repeat_interleave(8, 1).repeat_interleave(8, 2).expand(-1, -1, -1, 3).byte()
    shown = captioner.patchify(pixels)[0][:, 0]
    assert torch.equal(shown.argsort(), captioner._by_patch(numbers, 1).flatten().argsort())


@pytest.mark.slow
def test_clip_trains_on_what_open_clip_computes(scenes: Scenes) -> None:
    task = Clip(scenes)
    task.module.eval()
    sentences = ["a dog", texts.description(scenes.scene(0)), "night, " * 100]
    short = task.tokens(sentences[:2])
    whole = torch.nn.functional.pad(short, (0, 48 - short.shape[1]), value=task.tokenizer.pad_token_id)
    with torch.inference_mode():
        assert torch.allclose(task.encode_text(short), task.model.encode_text(whole), atol=1e-5)
        long = task.tokens(sentences)
        assert torch.allclose(task.encode_text(long), task.model.encode_text(long), atol=1e-5)


@pytest.mark.slow
@pytest.mark.parametrize("kind", [Clip, Captioner])
def test_a_stopped_training_goes_on_as_if_it_had_not_been(
    kind: type[Any], scenes: Scenes, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(kind, "batch_size", 4)
    cpu, task = torch.device("cpu"), kind(scenes)
    untaught = copy.deepcopy(task.module.state_dict())
    trainer.fit(task, tmp_path / "whole.pt", 16, "whole", cpu)
    expected = copy.deepcopy(task.module.state_dict())

    class Stop(Exception):
        pass

    def until_the_third(step: int, progress: float) -> Any:
        if step == 2:
            raise Stop
        return kind.batch(task, step, progress)

    monkeypatch.setattr(trainer, "SAVE_SECONDS", 0)
    monkeypatch.setattr(task, "batch", until_the_third)
    task.module.load_state_dict(untaught)
    with pytest.raises(Stop):
        trainer.fit(task, tmp_path / "halves.pt", 16, "first half", cpu)
    monkeypatch.undo()
    monkeypatch.setattr(kind, "batch_size", 4)
    with torch.no_grad():
        for parameter in task.module.parameters():
            parameter.zero_()  # all must come from the checkpoint
    trainer.fit(task, tmp_path / "halves.pt", 16, "second half", cpu)
    for name, value in task.module.state_dict().items():
        assert torch.allclose(value, expected[name], atol=1e-5), name


@pytest.mark.slow
def test_it_learns(scenes: Scenes, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Clip, "batch_size", 16)
    monkeypatch.setattr(trainer, "WARM_UP", 5)
    task = Clip(scenes)
    batch = task.batch(0, 0.0)
    before = task.loss(batch)[0].item()
    trainer.fit(task, tmp_path / "clip.pt", 16 * 30, "clip", torch.device("cpu"))
    assert task.loss(batch)[0].item() < 0.8 * before


@pytest.mark.slow
def test_the_captioner_learns_from_each_kind_of_lesson(
    scenes: Scenes, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Captioner, "batch_size", 4)
    monkeypatch.setattr(trainer, "WARM_UP", 5)
    task = Captioner(scenes)
    assert "choices" in task.batch(1, 0.9)
    lessons = [task.batch(step, 0.0) for step in range(4)]
    assert [sorted(lesson) for lesson in lessons] == [
        ["choices", "ids", "labels", "marks", "parts", "pixels"],
        ["marks", "parts", "pixels"],
        ["marks", "pixels"],
        ["marks", "parts", "pixels"],
    ]
    before = [task.loss(lesson)[0].item() for lesson in lessons]
    trainer.fit(task, tmp_path / "captioner.pt", 4 * 400, "captioner", torch.device("cpu"))
    left = [task.loss(lesson)[0].item() / old for lesson, old in zip(lessons, before, strict=True)]
    assert max(left) < 0.8, left


def test_the_schedule_rises_stays_and_falls() -> None:
    shares = [trainer.schedule(step, 4000) for step in range(4000)]
    assert shares[0] < 0.01
    assert shares[trainer.WARM_UP] == shares[2999] == 1
    assert shares[3500] == pytest.approx(0.5)
    assert 0 < shares[-1] < 0.01


def test_muon_makes_updates_of_one_size_in_every_direction() -> None:
    torch.manual_seed(0)
    for shape in ((48, 96), (96, 48)):
        values = torch.linalg.svdvals(orthogonal(torch.randn(shape)))
        assert 0.6 < values.min() < values.max() < 1.3
    weight = torch.nn.Parameter(torch.randn(8, 4))
    target = torch.randn(8, 4)
    optimizer = Muon([weight], lr=0.05)
    for _ in range(400):
        ((weight - target) ** 2).sum().backward()
        optimizer.step()
        optimizer.zero_grad()
    assert (weight - target).abs().max() < 0.2
