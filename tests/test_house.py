"""The house rules that a reader relies on: who may import whom, what planning never loads, and the flags of a job."""

import ast
import re
import subprocess
import sys
from pathlib import Path

import pytest

from featurize import config
from featurize.models import backends
from featurize.storage import tables
from jobs import cli

ROOT = Path(__file__).parents[1]
LIBRARY = sorted((ROOT / "featurize").rglob("*.py"))
ORDER = [
    "errors",
    "metrics",
    "storage",
    "images",
    "media",
    "inference",
    "models",
    "rankers",
    "config",
    "report",
    "intake",
    "execution",
    "job_run",
    "ope",
    "demo",
    "featurizing",
    "prompting",
    "ranking",
    "posttraining",
    "evaluating",
    "recommending",
    "nightly",
    "reporting",
    "paper",
    "upkeep",
    "bundling",
    "bench",
]
HEAVY = {"torch", "transformers", "open_clip", "ray"}


def imports(path: Path, top_level_only: bool) -> set[str]:
    tree = ast.parse(path.read_text(encoding="utf-8"))
    nodes = tree.body if top_level_only else list(ast.walk(tree))
    found = set()
    for node in nodes:
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            found |= {node.module} | {f"{node.module}.{alias.name}" for alias in node.names}
    return found


@pytest.mark.parametrize("path", LIBRARY, ids=lambda path: str(path.relative_to(ROOT)))
def test_library_imports_neither_jobs_nor_heavy_packages_at_the_top(path):
    assert not any(name.split(".")[0] == "jobs" for name in imports(path, top_level_only=False))
    heavy = {name.split(".")[0] for name in imports(path, top_level_only=True)} & HEAVY
    # Training is nothing but torch, and no other code imports it.
    training = path.parent.name == "bundling" or (path.parent.name, path.stem) in (
        ("posttraining", "trainers"),
        ("posttraining", "batches"),
        ("posttraining", "kept"),
        ("posttraining", "head"),
        ("posttraining", "line"),
        ("recommending", "towers"),
    )
    assert heavy <= ({"ray"} if path.name == "ray_run.py" else {"torch", "transformers"} if training else set())


def room(module: str) -> str:
    """The room, or the file of the hall, that a module of the library is in."""
    return module.split(".")[1] if module.count(".") else ""


def test_imports_run_one_way():
    """Each room imports only those before it in ORDER; the two jobs do not know each other."""
    for path in LIBRARY:
        here = path.relative_to(ROOT).with_suffix("").parts[1]
        if here == "__init__":
            continue
        found = {room(name) for name in imports(path, top_level_only=False) if name.startswith("featurize.")}
        later = found & set(ORDER[ORDER.index(here) + 1 :])
        if here == "prompting":
            later |= found & {"featurizing"}
        assert not later, f"{path.relative_to(ROOT)} imports {', '.join(sorted(later))}"


def test_the_order_names_every_room():
    rooms = {path.relative_to(ROOT).with_suffix("").parts[1] for path in LIBRARY} - {"__init__"}
    assert rooms == set(ORDER)
    hall = {path.stem for path in (ROOT / "featurize").glob("*.py")}
    assert hall == {"__init__", "errors", "job_run", "metrics", "report"}


def test_only_ray_run_imports_ray():
    for path in LIBRARY:
        if path.name != "ray_run.py":
            assert "ray" not in imports(path, top_level_only=False), path


@pytest.mark.slow
def test_a_dry_run_of_every_profile_loads_no_heavy_package(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "pictures").mkdir()
    (tmp_path / "pictures" / "a.jpg").write_bytes(b"not looked into")
    program = """
import sys
from jobs import featurize, cli
code = cli.main("featurize", "doc", featurize.featurize, ["--dry-run", "--profile", sys.argv[1],
    "--set", "input.artwork=pictures", "--set", "store=store"])
print(code, *sorted({"torch", "transformers", "open_clip", "ray"} & set(sys.modules)))
"""
    for profile in ("local", "gpu", "cluster", "qwen2.5-vl"):
        subprocess.run([sys.executable, "-c", program, profile], check=True, capture_output=True)  # builds stand-ins
        done = subprocess.run([sys.executable, "-c", program, profile], check=True, capture_output=True, text=True)
        assert done.stdout.splitlines()[-1] == "0", done.stderr
    assert not (tmp_path / "store").exists()


def test_flags_of_a_job_are_these():
    flags = {flag for action in cli.parser("featurize", "doc")._actions for flag in action.option_strings}
    assert flags == {"-h", "--help", "--profile", "--set", "--run-id", "--dry-run"}


def test_every_column_of_every_table_has_a_comment():
    for path in sorted((ROOT / "schemas").glob("*.sql")):
        with tables.connect() as db:
            db.execute(path.read_text(encoding="utf-8"))
            bare = db.execute(
                "SELECT column_name FROM duckdb_columns() WHERE NOT internal AND comment IS NULL"
            ).fetchall()
        assert bare == [], path.name


def test_every_profile_loads():
    for path in (ROOT / "infra" / "profiles").glob("*.toml"):
        settings = config.load(path.stem)
        assert settings.embed is not None
        assert settings.embed.backend in backends()
        # An inference server of our own is for its worker alone; vLLM listens to the whole network by default.
        assert "--host 127.0.0.1" in (getattr(settings.describe, "serve", None) or "--host 127.0.0.1"), path


def test_no_tracked_file_knows_a_machine():
    listed = subprocess.run(["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=False)
    if listed.returncode:
        pytest.skip("not a git checkout")
    for name in listed.stdout.split():
        if name.endswith((".py", ".toml", ".md", ".sql", ".txt", "Makefile", "run")) and "test_house" not in name:
            assert not re.search(r"(?<![\w.])/(home|root|Users)/", (ROOT / name).read_text(encoding="utf-8")), name
