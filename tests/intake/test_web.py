"""Pictures on web hosts: what is fetched and what is not, politely, within limits, and from nowhere else."""

import hashlib
import io
import json
import socket
import time
import zlib
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, datetime

import duckdb
import pyarrow.parquet as pq
import pytest
from PIL import Image

from featurize.config import Input, Run, load
from featurize.errors import BadImage, RefusedInput, RunFailed
from featurize.execution import plan
from featurize.images.decode import Limits
from featurize.inference.extractor import model_key
from featurize.intake import catalogue
from featurize.intake.connecting import is_public
from featurize.intake.hosts import DOWN_AFTER
from featurize.intake.web import State, Web
from featurize.reporting.miniatures import Picture, Thumbnails
from featurize.storage import tables
from featurize.storage.lease import Lease
from featurize.storage.store import Store
from featurize.storage.tables import Origin
from tests import web_host
from tests.web_host import picture

LIMITS = Limits(max_bytes=1_000_000)
DECODER = model_key(plan.decoder(LIMITS))
MB = bytes(2**20)


@pytest.fixture(scope="module")
def pem(tmp_path_factory):
    return web_host.certificate(tmp_path_factory.mktemp("tls"), "localhost")


@pytest.fixture
def host(pem, monkeypatch):
    monkeypatch.setenv("SSL_CERT_FILE", str(pem))
    with web_host.running(pem) as host:
        yield host


@pytest.fixture
def web(host):
    return Web((host.name,), connections=4, seconds=5, max_bytes=LIMITS.max_bytes, loopback=True)


def drawn(number, form="PNG"):
    file = io.BytesIO()
    Image.new("RGB", (8 + number, 6), (40 * number, 90, 200)).save(file, form)
    return file.getvalue()


def manifest(folder, *uris):
    path = folder / "m.csv"
    path.write_text("\n".join(["artwork_id,title_id,uri", *(f"{n},t,{uri}" for n, uri in enumerate(uris))]))
    return path


def scan(store, artwork, host, dry_run=False, **wanted):
    wanted = wanted if "hosts" in wanted else {"hosts": (host.name,), "loopback": True} | wanted
    with tables.connect() as db, Lease(store, "test", "r") as lease:
        result = catalogue.scan(
            db,
            store,
            str(artwork),
            limits=LIMITS,
            decode_key=DECODER,
            origin=Origin("r", "v"),
            fence=None if dry_run else lease.fence,
            run=Run(),
            wanted=Input(**wanted),
        )
        return result, dict(db.execute("SELECT uri, image_sha256 FROM picture").fetchall())


def sha(data):
    return hashlib.sha256(data).hexdigest()


def deaf(asked):
    """Sends the file whatever it is asked, and says what state it is in."""
    asked.say(200, ETag='"1"', Content_Length=len(drawn(4)))
    asked.give(drawn(4))


def test_a_picture_is_fetched_once_and_again_when_it_has_changed(tmp_path, host):
    (tmp_path / "local.png").write_bytes(drawn(0))
    host.pages = {
        "/a%20b.png": picture(drawn(1)),
        "/by-date.png": picture(drawn(2), etag=None),
        "/weak.webp": picture(drawn(3, "WEBP"), etag='W/"x"', modified=None),
        "/deaf.png": deaf,
        "/stateless.png": picture(drawn(5), etag=None, modified=None),
    }
    uris = [host.uri(path.replace("%20", " ")) for path in host.pages]
    listed = manifest(tmp_path, "local.png", *uris)
    store = Store(str(tmp_path / "store"))

    result, _ = scan(store, listed, host, dry_run=True)
    assert (result.read, result.pictures, host.asked) == (6, 6, {}), "a dry run asks nobody"
    assert result.notes == [
        "from input.hosts 5 pictures would be fetched; they would be asked whether 0 more have changed"
    ]

    result, found = scan(store, listed, host)
    assert (result.read, result.changed, result.quarantined) == (6, 6, {})
    assert found[uris[0]] == sha(drawn(1))
    states = duckdb.sql(
        f"SELECT size, epoch(modified), etag, format, width FROM '{store.glob('artwork')}' ORDER BY artwork_id::INT"
    ).fetchall()[1:]
    then = web_host.LONG_AGO.timestamp()
    assert states[:3] == [
        (len(drawn(1)), then, '"1"', "PNG", 9),
        (len(drawn(2)), then, None, "PNG", 10),
        (len(drawn(3, "WEBP")), None, 'W/"x"', "WEBP", 11),
    ]
    given = dict(host.given)

    result, _ = scan(store, listed, host, dry_run=True)
    assert (result.read, result.changed, result.pictures) == (1, 1, 6)
    assert result.notes == [
        "from input.hosts 1 pictures would be fetched; they would be asked whether 4 more have changed"
    ]

    result, again = scan(store, listed, host)
    assert (result.read, result.changed, again) == (1, 0, found)
    assert host.asked == dict.fromkeys(host.pages, 2)
    sent = {path for path in given if host.given[path] > given[path]}
    assert sent == {"/deaf.png", "/stateless.png"}, "the first is not taken off, for its head says that it is the same"
    assert result.notes == ["input.hosts were asked for 5 pictures; 4 of them have not changed and were not sent"]

    host.pages["/a%20b.png"] = picture(drawn(6), etag='"2"')
    result, changed = scan(store, listed, host)
    assert (result.read, result.changed) == (2, 1)
    assert {uri for uri in found if changed[uri] != found[uri]} == {uris[0]}
    assert changed[uris[0]] == sha(drawn(6))
    result, _ = scan(store, listed, host, verify=True)
    assert (result.read, result.changed) == (6, 0)

    before = dict(host.asked)
    for _ in range(2):
        scan(store, listed, host, ask_every_days=366)
    asked = {path for path in host.asked if host.asked[path] > before[path]}
    today = datetime.now(UTC).date().toordinal()
    turn = {path for path in asked if (zlib.crc32(host.uri(path).encode()) - today) % 366 == 0}
    assert asked - turn == {"/stateless.png"}, "it cannot be said of it that it is unchanged"

    for part in store.parts("artwork"):
        rows = pq.read_table(f"{store.path}/{part}")
        pq.write_table(rows.drop_columns("etag"), f"{store.path}/{part}")
    result, _ = scan(store, listed, host)
    assert (result.read, result.quarantined) == (3, {}), "rows of older versions: what is known by its date is not sent"


def chunked(asked, pieces, pause=0.0, **headers):
    asked.say(200, Transfer_Encoding="chunked", **headers)
    for piece in pieces:
        asked.give(b"%x\r\n%s\r\n" % (len(piece), piece))
        time.sleep(pause)
    asked.give(b"0\r\n\r\n")


def drip_head(asked):
    while True:
        asked.wfile.write(b"HTTP/1.1 200 OK\r\n" if not asked.host.given[asked.path] else b"X-More: 1\r\n")
        asked.host.given[asked.path] += 1
        time.sleep(0.1)


HTML = b"<!DOCTYPE html><title>Sign in</title>"
BAD = {
    "missing": (lambda asked: asked.say(404, Content_Length=0), "not_found", "answered 404"),
    "gone": (lambda asked: asked.say(410, Content_Length=0), "not_found", "answered 410"),
    "forbidden": (lambda asked: asked.say(403, Content_Length=0), "forbidden", "answered 403"),
    "sign in": (lambda asked: asked.say(401, Content_Length=0), "forbidden", "answered 401"),
    "page": (
        lambda asked: (asked.say(Content_Type="text/html; charset=utf-8", Content_Length=4), asked.give(b"oops")),
        "web_page",
        "a page of HTML",
    ),
    "page called a picture": (
        lambda asked: (asked.say(Content_Type="image/png", Content_Length=len(HTML)), asked.give(HTML)),
        "web_page",
        "a page of HTML",
    ),
    "100 MB": (
        lambda asked: (asked.say(Content_Length=100 * len(MB)), [asked.give(MB) for _ in range(100)]),
        "too_many_bytes",
        "104857600 bytes",
    ),
    "100 MB that it does not tell": (lambda asked: chunked(asked, [MB] * 100), "too_many_bytes", "more than limits"),
    "100 MB and another length": (
        lambda asked: chunked(asked, [MB] * 100, Content_Length=9),
        "too_many_bytes",
        "more than limits",
    ),
    "dripping": (lambda asked: chunked(asked, [b"x"] * 600, 0.1), "timeout", "read_seconds = 3"),
    "dripping head": (drip_head, "timeout", "read_seconds = 3"),
    "silent": (lambda asked: time.sleep(60), "timeout", "read_seconds = 3"),
    "cut": (
        lambda asked: (asked.say(Content_Length=999), asked.give(b"half"), setattr(asked, "close_connection", True)),
        "unreadable",
        "RemoteProtocolError",
    ),
    "bomb": (
        lambda asked: (asked.say(Content_Encoding="gzip", Content_Length=4), asked.give(b"\x1f\x8b12")),
        "unreadable",
        "compressed",
    ),
    "no content": (lambda asked: asked.say(204), "unreadable", "answered 204"),
    "no http": (lambda asked: asked.wfile.write(b"hello\r\n\r\n"), "unreadable", "RemoteProtocolError"),
    "error": (lambda asked: asked.say(500, Content_Length=0), "unreadable", "answered 500"),
}


def test_each_trouble_has_a_reason_and_ends_in_time(host, web):
    web = replace(web, seconds=60, connections=len(BAD))
    host.pages = {f"/{number}": page for number, (page, *_) in enumerate(BAD.values())}

    def fetched(path, reason):
        began = time.monotonic()
        with pytest.raises(BadImage) as error:
            replace(web, seconds=3 if reason == "timeout" else 60).fetch(host.uri(path))
        return error.value, time.monotonic() - began

    with ThreadPoolExecutor(len(BAD)) as pool:
        found = dict(zip(BAD, pool.map(fetched, host.pages, [bad[1] for bad in BAD.values()]), strict=True))
    for (kind, (_, reason, told)), path in zip(BAD.items(), host.pages, strict=True):
        error, took = found[kind]
        assert (error.reason, error.retryable) == (reason, reason != "too_many_bytes"), kind
        assert told in error.detail, kind
        assert took < 40, kind
        assert host.asked[path] == (3 if kind in ("cut", "no http", "error") else 1), kind
        assert host.given[path] < 20 * len(MB), "the rest of a file that is too large stays there"


def test_a_page_that_is_called_html_may_be_a_picture(host, web):
    def page(asked):
        asked.say(Content_Type="text/html", Content_Length=len(drawn(1)))
        asked.give(drawn(1))

    host.pages["/a"] = page
    assert web.fetch(host.uri("/a")).data == drawn(1)


def test_a_fresh_date_is_no_state_for_a_second_change_may_share_it(host, web):
    host.pages["/a"] = picture(drawn(1), etag=None, modified=datetime.now(UTC))
    assert web.fetch(host.uri("/a")).state == State(len(drawn(1)))


def to(place, status=302):
    return lambda asked: asked.say(status, Location=place, Content_Length=0)


def test_redirects_lead_to_named_hosts_only(host, web):
    host.pages = {
        "/a": to("/b", 301),
        "/b": to(host.uri("/c?token=c4n4ry"), 307),
        "/c?token=c4n4ry": picture(drawn(1)),
        "/round": to("/round"),
        "/plain": to("http://localhost/a?c4n4ry"),
        "/user": to(f"https://me:c4n4ry@{host.name}/c"),
        "/other": to("https://c4n4ry.example/a"),
        "/port": to("https://localhost/a"),
        "/metadata": to("https://169.254.169.254/c4n4ry"),
        "/private": to("https://10.0.0.1/c4n4ry"),
        "/mapped": to("https://[::ffff:10.0.0.1]/c4n4ry"),
        "/number": to("https://167772161/c4n4ry"),
        "/nowhere": to("https://localhost:c4n4ry/"),
    }
    inner = ("10.0.0.1", "[::ffff:10.0.0.1]", "169.254.169.254", "167772161")
    web = replace(web, hosts=(*web.hosts, *inner))
    found = web.fetch(host.uri("/a"))
    assert (found.data, found.state.etag) == (drawn(1), '"1"')
    assert web.fetch(host.uri("/a"), found.state).data is None
    for path, told in {
        "/round": "redirects more than 5 times",
        "/plain": "not https:// or has a user",
        "/user": "not https:// or has a user",
        "/other": "redirects to c4n4ry.example, which input.hosts does not name",
        "/port": "redirects to localhost, which",
        "/metadata": "169.254.169.254 is not one of the public Internet",
        "/private": "10.0.0.1 is not one of the public",
        "/mapped": "ffff:.* is not one of the public",
        "/number": "10.0.0.1 is not one of the public",
        "/nowhere": "no address",
    }.items():
        with pytest.raises(BadImage, match=told) as error:
            web.fetch(host.uri(path))
        assert error.value.reason == "unreadable"
        assert path == "/other" or "c4n4ry" not in str(error.value)


def test_this_machine_is_asked_for_nothing_but_in_tests(host, web):
    with pytest.raises(BadImage, match=r"address (127.0.0.1|::1) is not one of the public Internet"):
        replace(web, loopback=False).fetch(host.uri("/a"))
    assert not host.asked


@pytest.mark.parametrize(
    ("address", "public"),
    [
        *dict.fromkeys(["8.8.8.8", "2606:4700::1111", "::ffff:8.8.8.8", "64:ff9b::808:808"], True).items(),
        *dict.fromkeys(["10.1.2.3", "172.16.0.1", "192.168.1.1", "100.64.0.1", "127.0.0.1", "0.0.0.0"], False).items(),
        *dict.fromkeys(["169.254.169.254", "224.0.0.1", "240.0.0.1", "255.255.255.255", "192.0.2.1"], False).items(),
        *dict.fromkeys(["::", "::1", "fe80::1%eth0", "fc00::1", "fec0::1", "ff02::1", "2001:db8::1"], False).items(),
        *dict.fromkeys(["::ffff:127.0.0.1", "64:ff9b::a00:1", "2002:a00:1::", "2001:0:a00:1::"], False).items(),
    ],
)
def test_public_addresses(address, public):
    assert is_public(address) is public


def test_the_address_that_was_checked_is_the_one_connected_to(host, web, monkeypatch):
    """A name that means another machine each time it is asked for."""
    host.pages["/a"] = picture(drawn(1))
    real, asked = socket.getaddrinfo, []

    def rebinding(name, *rest, **more):
        if name != "localhost":
            return real(name, *rest, **more)
        asked.append(name)
        return real("127.0.0.1" if len(asked) == 1 else "10.0.0.1", *rest, **more)

    monkeypatch.setattr(socket, "getaddrinfo", rebinding)
    assert web.fetch(host.uri("/a")).data == drawn(1)
    assert asked == ["localhost"]
    with pytest.raises(BadImage, match=r"10\.0\.0\.1 is not one of the public"):
        replace(web, seconds=4).fetch(host.uri("/a"))


def test_a_certificate_of_another_name_is_not_trusted(tmp_path, monkeypatch):
    other = web_host.certificate(tmp_path, "elsewhere")
    monkeypatch.setenv("SSL_CERT_FILE", str(other))
    with web_host.running(other) as host:
        web = Web((host.name,), loopback=True)
        with pytest.raises(BadImage, match="certificate verify failed: Hostname mismatch") as error:
            web.fetch(host.uri("/a"))
        assert (error.value.reason, dict(host.asked)) == ("unreadable", {})


def test_certificates_that_cannot_be_read_end_the_run(host, web, monkeypatch):
    monkeypatch.setenv("SSL_CERT_FILE", "/no/such.pem")
    with pytest.raises(RunFailed, match="SSL_CERT_FILE"):
        web.fetch(host.uri("/a"))


def test_no_more_requests_at_once_than_a_host_has_places(host, web):
    def slow(asked):
        time.sleep(0.03)
        picture(drawn(1))(asked)

    host.pages = {f"/{number}": slow for number in range(40)}
    with ThreadPoolExecutor(16) as pool:
        assert {found.data for found in pool.map(web.fetch, map(host.uri, host.pages))} == {drawn(1)}
    assert host.most_at_once == web.connections == 4
    assert replace(web, connections=9).shared(4, 300).connections == 2
    assert web.shared(16, 300).connections == 1


def test_a_host_is_left_alone_for_as_long_as_it_wants(host, web):
    def busy(asked):
        if host.asked[asked.path] == 1:
            asked.say(429, Retry_After=1, Content_Length=0)
        else:
            picture(drawn(1))(asked)

    host.pages = {"/a": busy, "/b": picture(drawn(2)), "/c": lambda asked: asked.say(503, Retry_After=900)}
    with ThreadPoolExecutor(2) as pool:
        began = time.monotonic()
        first = pool.submit(web.fetch, host.uri("/a"))
        while not host.asked:
            time.sleep(0.01)
        time.sleep(0.1)
        assert web.fetch(host.uri("/b")).data == drawn(2)
        assert time.monotonic() - began > 1, "another picture waits as well"
        assert first.result().data == drawn(1)
    with pytest.raises(BadImage, match="wants to be asked again in 900 s, and that is too long"):
        web.fetch(host.uri("/c"))
    with pytest.raises(BadImage, match="that is too long"):
        web.fetch(host.uri("/b"))
    assert (host.asked["/b"], host.asked["/c"]) == (1, 1)


def test_a_host_that_is_down_is_not_waited_for_by_every_picture(web, host):
    host.pages["/cut"] = lambda asked: setattr(asked, "close_connection", True)

    def fails(_):
        with pytest.raises(BadImage, match="cannot be read from"):
            web.fetch(host.uri("/cut"))

    web = replace(web, connections=DOWN_AFTER)
    with ThreadPoolExecutor(DOWN_AFTER) as pool:
        list(pool.map(fails, range(DOWN_AFTER)))
    asked = host.asked["/cut"]
    with pytest.raises(BadImage, match=f"gave no answer to {DOWN_AFTER} pictures in a row"):
        web.fetch(host.uri("/cut"))
    assert host.asked["/cut"] == asked


@pytest.mark.parametrize(
    ("uri", "told"),
    [
        (
            "https://cdn.example.org/a.jpg",
            "its host cdn.example.org is not one of input.hosts = cdn.example.com; did you",
        ),
        ("https://cdn.example.com:8443/a.jpg", "its host cdn.example.com:8443 is not one"),
        ("http://cdn.example.com/a.jpg", "only local paths"),
        ("https://cdn.example.com", "has no path"),
        ("https://cdn.example.com/a#c4n4ry.jpg", "written %23"),
        ("https://me:c4n4ry@cdn.example.com/a.jpg", "a user or password; credentials come from"),
        ("https://cdn.example.com/a.jpg?sig=c4n4ry", "a query; credentials come from"),
    ],
)
def test_an_address_that_is_not_fetched_refuses_the_manifest_by_its_line(tmp_path, uri, told):
    listed = manifest(tmp_path, "https://CDN.example.com:443/a.jpg", uri)
    store = Store(str(tmp_path / "store"))
    wanted = {"hosts": ("cdn.example.com",)}
    with pytest.raises(RefusedInput, match=rf"m\.csv:3: .*{told}") as error:
        scan(store, listed, None, dry_run=True, **wanted)
    assert "#" in uri or "c4n4ry" not in str(error.value)


def test_a_report_shows_them_where_their_host_is_named(host):
    host.pages["/a.png"] = picture(drawn(1))
    shown = Picture(sha(drawn(1)), host.uri("/a.png"), 9, 6)
    for names, told in (([host.name], ""), ([], "its host is not one of input.hosts")):
        settings = load("local", [f"input.hosts={json.dumps(names)}", "input.loopback=true"])
        thumbnails = Thumbnails(settings, 1)
        thumbnails.add([shown])
        assert len(thumbnails.data) == len(names)
        assert told in thumbnails.missing.get(shown.image_sha256, "")


@pytest.mark.parametrize("name", ["https://cdn.example.com", "cdn.example.com/a", "me@cdn", "*.example.com", "", "a?b"])
def test_what_is_no_host_is_refused(name):
    with pytest.raises(RefusedInput, match=r"input\.hosts"):
        load("local", [f'input.hosts=["{name}"]'])


def test_hosts_have_one_spelling():
    hosts = load("local", ['input.hosts=["CDN.Example.com:443", "bücher.example:8443"]']).input.hosts
    assert hosts == ("cdn.example.com", "xn--bcher-kva.example:8443")
