"""The whole job over pictures on a web host: workers fetch them, and nothing that the host said in passing is kept."""

import io
import json
import time
from pathlib import Path

import duckdb
import pytest
from catalogues import catalogue, rows, run, runs
from PIL import Image

from tests import web_host
from tests.web_host import picture

CANARY = "c4n4ry-t0ken"
HTML = b"<html>Sign in</html>"


@pytest.mark.slow
def test_workers_fetch_politely_and_only_what_is_new(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    files = sorted(catalogue(tmp_path / "artwork", 20).rglob("*.png"))
    pem = web_host.certificate(tmp_path, "localhost")
    monkeypatch.setenv("SSL_CERT_FILE", str(pem))
    with web_host.running(pem) as host:

        def signed(asked: web_host.Asked) -> None:
            asked.say(302, Location=f"{asked.path}?token={CANARY}", Content_Length=0)

        def slow(page: web_host.Page) -> web_host.Page:
            return lambda asked: (time.sleep(0.05), page(asked))  # type: ignore[func-returns-value]

        for number, file in enumerate(files):
            host.pages[f"/{number}.png"] = signed
            host.pages[f"/{number}.png?token={CANARY}"] = slow(picture(file.read_bytes(), etag=f'"{number}"'))
        host.pages["/page.png"] = lambda asked: (asked.say(200, Content_Length=len(HTML)), asked.give(HTML))
        host.pages["/forbidden.png"] = lambda asked: asked.say(403, Content_Length=0)
        names = [*(f"{n}.png" for n in range(len(files))), "page.png", "forbidden.png", "missing.png"]
        lines = [f"{name},t,{host.uri(f'/{name}')}" for name in names]
        listed = tmp_path / "m.csv"
        listed.write_text("\n".join(["artwork_id,title_id,uri", *lines]))
        settings = {
            "run.executor": "ray",
            "input.hosts": json.dumps([host.name]),
            "input.host_connections": 3,
            "input.loopback": True,
            "embed.workers": 2,
            "embed.cpus": 1,
        }
        said = run(tmp_path / "store", listed, settings)
        sent = {name: count for name, count in host.asked.items() if CANARY in name}
        assert set(sent.values()) == {2}, "once to be hashed, once in a worker"
        assert host.most_at_once <= 3
        reasons = {row["uri"].rpartition("/")[2]: row["reason"] for row in quarantined(tmp_path / "store")}
        assert reasons == {"page.png": "web_page", "forbidden.png": "forbidden", "missing.png": "not_found"}

        file = io.BytesIO()
        Image.new("RGB", (9, 9), "red").save(file, "PNG")
        host.pages[f"/7.png?token={CANARY}"] = picture(file.getvalue(), etag='"new"')
        given = dict(host.given)
        said += run(tmp_path / "store", listed, settings)
        assert {n for n in given if host.given[n] > given[n]} == {f"/7.png?token={CANARY}", "/page.png"}
        assert host.asked[f"/3.png?token={CANARY}"] == 3, "asked once more, and no worker had to"
    last = runs(tmp_path / "store")[-1]
    assert (last["outcome"], last["counts"]["files read"], last["counts"]["new or changed"]) == ("done", 4, 1)
    run(tmp_path / "plain", tmp_path / "artwork")
    here, there = (set(map(str, rows(tmp_path / name)["image_embedding"])) for name in ("plain", "store"))
    assert here < there
    assert len(there) == len(here) + 1
    left = [path for path in tmp_path.joinpath("store").rglob("*") if path.is_file()]
    assert not any(CANARY.encode() in text for text in [said.encode(), *(path.read_bytes() for path in left)])


def quarantined(store: Path) -> list[dict[str, str]]:
    return duckdb.sql(f"SELECT uri, reason FROM '{store}/quarantine/**/*.parquet'").to_arrow_table().to_pylist()
