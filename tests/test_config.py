"""Settings: what wins over what, and how a wrong one is refused."""

import pytest

from featurize import config
from featurize.errors import RefusedInput
from featurize.featurizing.tags import load_labels
from featurize.inference.captions import load_prompt
from featurize.inference.weights import resolve
from featurize.prompting.template import load as load_template


def test_set_wins_over_the_profile_also_with_zero_and_false():
    settings = config.load("local", ["embed.gpus=0", "input.verify=false", "run.threads=3", "embed.batch_size=1"])
    assert settings.embed.gpus == 0
    assert settings.input.verify is False
    assert settings.run.threads == 3
    assert settings.embed.batch_size == 1


def test_another_backend_than_the_profiles_begins_an_empty_section():
    settings = config.load("local", ["describe.cpus=2", "describe.backend=fake"])
    assert settings.describe.model_dump() == {**type(settings.describe)(backend="fake").model_dump(), "cpus": 2}
    assert settings.embed.backend == "open_clip_image"
    with pytest.raises(RefusedInput, match=r"--set\): describe\.model: must be given$"):
        config.load("local", ["describe.backend=openai_endpoint"])
    same = config.load("local", ["describe.backend=transformers_captioner"])
    assert same.describe.model == "bundled:captioner"


def test_null_unsets_and_names_that_look_like_numbers_or_dates_stay_names():
    settings = config.load("local", ["describe=null", "store=2026", "input.artwork=2026-11-20"])
    assert settings.describe is None
    assert settings.store == "2026"
    assert settings.input.artwork == "2026-11-20"


@pytest.mark.parametrize(
    ("override", "told"),
    [
        ("prompts.tempalte=x", r"prompts\.tempalte: no such setting; did you mean prompts\.template\?"),
        ("prompts.max_lost.othr=1", r"max_lost\.othr: no such setting; did you mean prompts\.max_lost\.other\?"),
        ("prompt.template=x", r"prompt\.template: no such setting; did you mean prompts\.template\?"),
        ("promts={seed=1}", r"promts\.seed: no such setting; did you mean prompts\.seed\?"),
        ("template=x", r"template: no such setting; did you mean prompts\.template\?"),
        ("describe.titles=x", r"no such setting of transformers_captioner; did you mean input\.titles\?"),
        ("imput=x", r"imput: no such setting; did you mean input\?"),
        ("describe.max_pixel=9", r"no such setting of transformers_captioner; did you mean describe\.max_pixels\?"),
        ("embed.batchsize=9", r"no such setting of open_clip_image; did you mean embed\.batch_size\?"),
        ("describe={backend='openai_endpoint', adress='x'}", r"of openai_endpoint; did you mean describe\.address\?"),
        ("run.xyz=2", "run.xyz: no such setting$"),
        ("embed.backend=openai_endpoint", "embed: backend 'openai_endpoint' makes rows of description, not of image_"),
        ("embed.backend=null", "embed: the key 'backend' is missing"),
        ("embed.backend=3", "backend '3' is unknown; there are: "),
        ("a.b.c.d=1", "a.b.c.d: no such setting$"),
        ("promts={}", r"promts: no such setting; did you mean prompts\?"),
        ("prompts=x", "prompts: a section, not a value; set one of its settings"),
        ("embed=clip", "embed: a section, not a value"),
        ("embed.batch_size=0", "embed.batch_size: 0 is refused; wanted: whole number from 1$"),
        ("embed.backend=clap", "backend 'clap' is unknown; there are: fake, "),
        ("embed.backend=openclip_image", r"is unknown; there are: .*; did you mean open_clip_image\?"),
        ("run.executor=lokal", r'run\.executor: "lokal" is refused; wanted: ray or local; did you mean local\?$'),
        ("run.executor=dask", 'run.executor: "dask" is refused; wanted: ray or local$'),
        ("prompts.kind=2", "prompts.kind: 2 is refused; wanted: logged or nightly$"),
        ("run.threads=many", 'run.threads: "many" is refused; wanted: whole number from 1$'),
        ("run.max_failed=1.5", r"run\.max_failed: 1\.5 is refused; wanted: number above 0 to 1$"),
        ("prompts.max_lost.other=2", r"prompts\.max_lost\.other: 2 is refused; wanted: number from 0 to 1$"),
        ("prompts.rank=t1", 'prompts.rank: "t1" is refused; wanted: list of texts$'),
        ("prompts.rank=[[1]]", r"prompts\.rank\.0: \[1\] is refused; wanted: list of texts$"),
        ("prompts.memory=much", 'prompts.memory: "much" is refused; wanted: text, such as 500MB$'),
        ("prompts.as_of=2026-01-31T12:00:00", "prompts.as_of: .* is refused; wanted: moment with a zone"),
        ("input.verify=perhaps", 'input.verify: "perhaps" is refused; wanted: true or false$'),
        ("embed.device=gpu", 'embed.device: "gpu" is refused; wanted: cpu or cuda$'),
        ("describe={backend='openai_endpoint', model='m', address='ftp://u:pw@h'}", "describe.address: it is refused"),
        ("store", "expected a.b=value"),
        ("store=", "store is given and empty"),
        ("input.artwork=", "input.artwork is given and empty: give it a value, or leave it out$"),
        ("input.root=' '", "input.root is given and empty"),
        ("prompts.rank=['t1', '']", "prompts.rank is given and empty"),
        ("store.uri=x", "'store' is not a section"),
        ("embed={model='x'}", "the key 'backend' is missing"),
    ],
)
def test_a_wrong_setting_is_refused_by_its_key(override, told):
    with pytest.raises(RefusedInput, match=told):
        config.load("local", [override])


def test_an_unknown_profile_and_a_broken_one_are_named(tmp_path):
    known = r"clips, cluster, gpu, local, minilm, qwen2\.5-vl"
    with pytest.raises(RefusedInput, match=f"profile 'laptop' is unknown; there are: {known}"):
        config.load("laptop")
    with pytest.raises(RefusedInput, match=r"profile 'locl' is unknown; there are: .*; did you mean local\?"):
        config.load("locl")
    (tmp_path / "mine.toml").write_text("store = \n")
    with pytest.raises(RefusedInput, match=r"mine\.toml: .*line 1"):
        config.load(str(tmp_path / "mine.toml"))


def test_settings_are_frozen():
    with pytest.raises(ValueError, match="frozen"):
        config.load("local").store = "elsewhere"


def test_a_profile_with_an_unknown_key_is_refused_with_the_nearest(tmp_path):
    (tmp_path / "mine.toml").write_text(
        "[describe]\nbackend = 'openai_endpoint'\nmax_new_token = 9\n[rnu]\nthreads = 2\n"
    )
    with pytest.raises(RefusedInput) as refused:
        config.load(str(tmp_path / "mine.toml"))
    assert "describe.max_new_token: no such setting of openai_endpoint; did you mean describe.max_new_tokens?" in str(
        refused.value
    )
    assert "rnu.threads: no such setting; did you mean run.threads?" in str(refused.value)


@pytest.mark.parametrize(
    ("load", "name", "near"),
    [
        (load_labels, "demo-v2", "demo-v1"),
        (load_labels, "artwork_v1", "artwork-v1"),
        (load_template, "multiple_choice_v1", "multiple-choice-v1"),
        (load_prompt, "artwork-short", "artwork-short-v1"),
        (lambda name: resolve(name, None, "config.json"), "bundled:captionr", "captioner"),
    ],
)
def test_an_unknown_name_of_the_package_is_refused_with_all_and_the_nearest(load, name, near):
    with pytest.raises(RefusedInput, match=rf"'{name}' is .*{near}.*; did you mean {near}\?$"):
        load(name)
