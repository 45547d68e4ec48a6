"""README and docs say what is so: the reference of settings, the links, the questions, the example of own data."""

import os
import re
import subprocess
import sys
from pathlib import Path

import duckdb
import pictures
import pytest
from pydantic import BaseModel
from stand_in_endpoint import Reply, answering

from featurize import config
from featurize.errors import REASONS
from featurize.intake import inputs
from featurize.models import backends, load_backend
from featurize.storage import views
from jobs import settings

ROOT = Path(__file__).parents[1]
PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").glob("*.md"))]


def test_the_page_of_settings_is_what_the_declarations_say():
    written = (ROOT / "docs" / "settings.md").read_text(encoding="utf-8")
    made = "\n".join([*settings.markdown(), ""])
    assert written == made, "write it again: .venv/bin/python -m jobs.settings --markdown > docs/settings.md"


def keys_below(section, prefix):
    """Of sections what is in them, however deep."""
    for name, field in section.model_fields.items():
        if isinstance(field.default, BaseModel):
            yield from keys_below(type(field.default), f"{prefix}{name}.")
        else:
            yield f"{prefix}{name}"


def test_every_setting_of_every_section_and_backend_is_in_the_reference_with_all_its_words():
    told = {setting.key: setting for chapter in config.chapters() for setting in chapter.settings}
    declared = [{key} for key in keys_below(config.Settings, "")]
    for backend in backends():
        fields = load_backend(backend).Settings.model_fields
        declared += [{f"{section}.{each}" for section in (*config.SECTION_OF.values(), "MODEL")} for each in fields]
    for keys in declared:
        assert keys & told.keys(), keys
    for setting in told.values():
        assert setting.values, setting
        assert setting.default, setting
        assert setting.description, setting


def test_the_reference_tells_type_default_and_allowed_values():
    told = {setting.key: (setting.values, setting.default) for c in config.chapters() for setting in c.settings}
    assert told["run.executor"] == ("ray or local", "ray")
    assert told["run.max_failed"] == ("number above 0 to 1", "0.5")
    assert told["run.threads"] == ("whole number from 1", "null")
    assert told["limits.max_pixels"] == ("whole number from 1", "100_000_000")
    assert told["input.verify"] == ("true or false", "false")
    assert told["prompts.missing_description"] == ("placeholder, drop or skip", "placeholder")
    assert told["prompts.as_of"][0].startswith("moment with a zone")
    assert told["describe.address"] == ("address", "null")
    assert told["embed.model"] == ("text", config.MUST)


def test_make_settings_prints_a_page_no_wider_than_the_terminal():
    made = subprocess.run(
        [sys.executable, "-m", "jobs.settings"],
        cwd=ROOT,
        env={"COLUMNS": "60", "PYTHONPATH": str(ROOT), "PATH": ""},
        capture_output=True,
        text=True,
        check=True,
    )
    lines = made.stdout.splitlines()
    assert max(map(len, lines)) <= 60
    assert "  run.executor = ray (ray or local)" in lines
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    assert re.search(r"^settings: \$\(READY\) ## .*\n\t@\$\(PY\) -m jobs\.settings$", makefile, re.M)


def test_readme_is_short_and_links_every_page():
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    assert len(readme.splitlines()) <= 200
    for page in PAGES[1:]:
        assert f"]({page.relative_to(ROOT)})" in readme, page


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_lead_somewhere(page):
    for target in re.findall(r"\]\(([^)\s]+)\)", page.read_text(encoding="utf-8")):
        if target.startswith("http"):
            continue
        path, _, anchor = target.partition("#")
        file = page.parent / path if path else page
        assert file.exists(), target
        if anchor:
            heads = re.findall(r"^#+ (.*)$", file.read_text(encoding="utf-8"), re.M)
            assert anchor in {re.sub(r"[^\w -]", "", head.lower()).replace(" ", "-") for head in heads}, target


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_commands_and_settings_that_a_page_names_are_there(page):
    text, makefile = page.read_text(encoding="utf-8"), (ROOT / "Makefile").read_text(encoding="utf-8")
    code = "\n".join(re.findall(r"^    .*$|`[^`\n]+`", text, re.M))
    targets = set(re.findall(r"^([a-z-]+):.*##", makefile, re.M))
    lists = dict(re.findall(r"^([A-Z]+(?:_[a-z]+)?) := ([A-Z_ ]+)$", makefile, re.M))
    for name, own in re.findall(r"^(KNOWN_[a-z]+) := ([A-Z_ ]+)\$\(JOB\)$", makefile, re.M):
        lists[name] = own + lists["JOB"]
    variables = {target: set(lists.get(f"KNOWN_{target}", "PYTHON").split()) for target in targets}
    for target, rest in re.findall(r"(?:^|[ `])make ([a-z-]+)([^`#\n]*)", code, re.M):
        assert target in targets, target
        assert set(re.findall(r"(?:^| )([A-Z_]+)=", re.sub(r"\"[^\"]*\"|'[^']*'", "", rest))) <= variables[target], rest
    told = {setting.key.removeprefix("MODEL.") for chapter in config.chapters() for setting in chapter.settings}
    for key, of_model in re.findall(
        r"\b((?:input|limits|run|prompts|(?:embed|describe|MODEL)\.([a-z_]+))[.a-z_]*)=", code
    ):
        assert key in told or of_model in told, key


def test_every_reason_and_exit_code_is_explained():
    """Under the headings where people look for them."""
    running = (ROOT / "docs" / "running.md").read_text(encoding="utf-8")
    table = running.partition("\n## Quarantine\n")[2].partition("\n## ")[0]
    assert set(REASONS) <= set(re.findall(r"`(\w+)`", table))
    assert re.findall(r"^\| (\d) \|", running, re.M) == ["0", "1", "2", "3"]
    lost = (ROOT / "docs" / "prompts.md").read_text(encoding="utf-8").partition("\n## Nothing lost\n")[2]
    folder = ROOT / "featurize" / "prompting" / "sql"
    queries = "".join((folder / f"{name}.sql").read_text(encoding="utf-8") for name in ("impressions", "reasons"))
    reasons = set(re.findall(r"THEN '([a-z_]+)'", queries))
    reasons |= set(re.findall(r"SET reason = '([a-z_]+)'", "".join(map(Path.read_text, folder.glob("*.sql")))))
    assert {"few_candidates", "changed_impression"} <= reasons
    assert reasons <= set(re.findall(r"`(\w+)`", lost.partition("\n## ")[0]))


def test_lists_can_be_written_as_the_page_says(tmp_path):
    page = (ROOT / "docs" / "your-data.md").read_text(encoding="utf-8")
    spellings = re.findall(r"`([^`]*mystery[^`]*)`", page)
    assert len(spellings) >= 4
    for spelling in spellings:
        field = spelling if spelling.startswith('"') or "," not in spelling else '"' + spelling.replace('"', '""') + '"'
        (tmp_path / "titles.csv").write_text(f"title_id,name,genres\nt,Name,{field}\n", encoding="utf-8")
        (row,) = inputs.read("title", str(tmp_path / "titles.csv")).to_pylist()
        assert row["genres"] == ["mystery", "drama"], spelling


def test_every_table_is_told_of():
    results = (ROOT / "docs" / "results.md").read_text(encoding="utf-8")
    assert set(views.TABLES) <= set(re.findall(r"^\| `(\w+)` \|", results, re.M))


@pytest.mark.slow
def test_own_data_as_in_readme(tmp_path):
    """The files and commands of README, word for word, but with models that cost nothing."""
    own = (ROOT / "README.md").read_text(encoding="utf-8").partition("## Your own data")[2].partition("\n## ")[0]
    files = dict(re.findall(r"`([\w.]+)`[^`]*\n```(?:csv|json)\n(.*?)```", own, re.S))
    assert sorted(files) == ["artwork.csv", "history.csv", "impressions.jsonl", "titles.csv"]
    for name, content in files.items():
        (tmp_path / name).write_text(content, encoding="utf-8")
    for number, uri in enumerate(re.findall(r"demo/small/artwork/.*", files["artwork.csv"])):
        (tmp_path / uri).parent.mkdir(parents=True, exist_ok=True)
        pictures.photo(40 + number, 60).save(tmp_path / uri)
    (tmp_path / ".venv").symlink_to(sys.prefix)
    with answering(lambda seen: Reply()) as server:
        describe = f'backend = "openai_endpoint"\naddress = "{server.address}"\nmodel = "m"\nrevision = "r"'
        (tmp_path / "own.toml").write_text(f'[run]\nexecutor = "local"\n[describe]\n{describe}\n')
        commands = [line.strip() for line in re.findall(r"^    (make .*)$", own, re.M) if "path/to" not in line]
        assert [command.split()[1] for command in commands] == ["featurize", "sql", "prompts", "sql"]
        for command in commands:
            make = command.replace("make", f"make -f {ROOT / 'Makefile'} -o .venv/.ready PROFILE=own.toml", 1)
            environment = os.environ | {"PYTHONPATH": str(ROOT)}
            done = subprocess.run(
                ["bash", "-c", make], cwd=tmp_path, env=environment, capture_output=True, text=True, check=False
            )
            assert done.returncode == 0, done.stdout + done.stderr
    assert "Which artwork" in done.stdout
    told = duckdb.sql(f"SELECT answer, reward, prompt FROM '{tmp_path}/my-store/prompt/**/*.parquet'").fetchall()
    assert [(answer in "AB", reward) for answer, reward, _ in told] == [(True, 1.0)]
    assert '"Midnight Comet": 96 min, liked, 21 h ago' in told[0][2]
    assert "a cat" in told[0][2]
