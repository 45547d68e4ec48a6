"""The captioner of clips with a tiny checkpoint of the real architecture: what it is given, and the job with it."""

from pathlib import Path

import duckdb
import pytest
import tiny_checkpoints
from clips import film, needs_ffmpeg
from PIL import Image

from featurize.errors import RefusedInput
from featurize.media.decode import Frames
from featurize.models.video_captioner import Extractor, Settings
from jobs import cli, featurize


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("checkpoints")
    tiny_checkpoints.build_captioner(folder / "video", template=tiny_checkpoints.VIDEO_TEMPLATE)
    tiny_checkpoints.build_captioner(folder / "pictures")
    return folder


def settings(model: Path, **changes: object) -> Settings:
    return Settings(
        model=str(model), dtype="float32", **{"frames": 4, "max_pixels": 4000, "max_new_tokens": 8, **changes}
    )


def clip(seconds: float, count: int = 4, size: tuple[int, int] = (64, 48)) -> Frames:
    pictures = tuple(Image.new("RGB", size, (60 * number % 256, 99, 200)) for number in range(count))
    return Frames(pictures, tuple(seconds * (number + 0.5) / count for number in range(count)), seconds, size)


@pytest.mark.slow
def test_qwen_vl_gets_one_video_and_the_time_between_its_frames(folder: Path) -> None:
    extractor = Extractor(settings(folder / "video"))
    prepared, _ = extractor.prepare(clip(10))
    # Two frames make one step in time; 2 x 2 patches of 14 pixels make one token.
    assert prepared["video_grid_thw"].tolist() == [[2, 4, 4]]
    assert "pixel_values" not in prepared
    assert prepared["second_per_grid_ts"].tolist() == [5.0]
    assert extractor.prepare(clip(60))[0]["second_per_grid_ts"].tolist() == [30.0]


@pytest.mark.slow
def test_a_template_without_videos_gets_pictures_each_behind_its_time(folder: Path) -> None:
    extractor = Extractor(settings(folder / "pictures"))
    prepared, _ = extractor.prepare(clip(10))
    assert prepared["image_grid_thw"].shape == (4, 3)
    text = extractor._processor.tokenizer.decode(prepared["input_ids"][0])
    assert [text.index(f"<{time} seconds>") for time in (1.2, 3.8, 6.2, 8.8)] == sorted(
        text.index(f"<{time} seconds>") for time in (1.2, 3.8, 6.2, 8.8)
    )
    rows = extractor.extract([extractor.prepare(clip(10)), extractor.prepare(clip(10))])
    assert rows["description"][0] == rows["description"][1]
    assert rows["frame_times"][0] == [1.25, 3.75, 6.25, 8.75]


@pytest.mark.slow
def test_a_checkpoint_that_takes_no_pictures_is_refused(folder: Path, tmp_path: Path) -> None:
    tiny_checkpoints.build_captioner(tmp_path / "blind", template="{{ messages[0]['content'][-1]['text'] }}")
    with pytest.raises(RefusedInput, match="takes neither a video nor 4 pictures"):
        Extractor(settings(tmp_path / "blind"))


@needs_ffmpeg
@pytest.mark.slow
def test_from_two_videos_to_descriptions(folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "clips").mkdir()
    film(tmp_path / "clips" / "a.mp4")
    film(tmp_path / "clips" / "b.webm", ("white", "black"), size="48x80")
    chosen = {
        "run.executor": "local", "embed": "null", "describe": "null", "store": "store", "input.artwork": "clips",
        "describe_clips": f'{{backend = "video_captioner", model = "{folder}/video", dtype = "float32", frames = 4, '
        "max_new_tokens = 8, max_pixels = 4000}",
    }  # fmt: skip
    given = [part for key, value in chosen.items() for part in ("--set", f"{key}={value}")]
    for _ in range(2):
        assert cli.main("featurize", featurize.__doc__, featurize.featurize, given) == 0
        rows = duckdb.sql(
            "SELECT clip_id, model_key, width, height, prompt_tokens > 4, output_tokens "
            "FROM 'store/clip_description/**/*.parquet' JOIN 'store/clip/**/*.parquet' USING (clip_sha256, run_id) "
            "ORDER BY clip_id"
        ).fetchall()
        assert [(row[0], *row[2:]) for row in rows] == [
            ("a.mp4", 64, 48, True, 8),
            ("b.webm", 48, 80, True, 8),
        ]
        assert all(row[1].startswith("video_captioner-") for row in rows)
