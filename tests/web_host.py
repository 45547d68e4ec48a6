"""A web host on this machine, with TLS: says for each path what a test wants it to, and remembers what it was asked."""

import datetime
import ipaddress
import ssl
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from email.utils import format_datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

LONG_AGO = datetime.datetime(2026, 1, 2, 3, 4, 5, tzinfo=datetime.UTC)


def certificate(folder: Path, *names: str) -> Path:
    """A file with a key and a certificate, signed by itself, for these names and addresses."""
    key = ec.generate_private_key(ec.SECP256R1())
    who = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "a test")])
    alternatives: list[x509.GeneralName] = []
    for name in names:
        numbers = name.replace(".", "").isdecimal() or ":" in name
        alternatives.append(x509.IPAddress(ipaddress.ip_address(name)) if numbers else x509.DNSName(name))
    now = datetime.datetime.now(datetime.UTC)
    made = (
        x509.CertificateBuilder(who, who, key.public_key(), x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(now + datetime.timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName(alternatives), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    path = folder / f"{'-'.join(names).replace(':', '_')}.pem"
    form = serialization.PrivateFormat.PKCS8
    text = key.private_bytes(serialization.Encoding.PEM, form, serialization.NoEncryption())
    path.write_bytes(text + made.public_bytes(serialization.Encoding.PEM))
    return path


class Asked(BaseHTTPRequestHandler):
    """One request; a page is a function of it."""

    protocol_version = "HTTP/1.1"
    host: "Host"

    def do_GET(self) -> None:
        with self.host.lock:
            self.host.asked[self.path] += 1
            self.host.now += 1
            self.host.most_at_once = max(self.host.most_at_once, self.host.now)
        try:
            with suppress(ConnectionError, ssl.SSLError):  # the other side hung up
                self.host.pages.get(self.path, missing)(self)
        finally:
            with self.host.lock:
                self.host.now -= 1

    def say(self, status: int = 200, **headers: object) -> None:
        """The head of an answer; `_` in the names of headers stands for `-`."""
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name.replace("_", "-"), str(value))
        self.end_headers()

    def give(self, data: bytes) -> None:
        self.wfile.write(data)
        with self.host.lock:
            self.host.given[self.path] += len(data)

    def log_message(self, *_: object) -> None: ...


Page = Callable[[Asked], None]


class Host(ThreadingHTTPServer):
    """Pages by their paths, how often each was asked for, and the bytes of bodies that were taken off."""

    daemon_threads = True
    request_queue_size = 128

    def __init__(self, pem: Path) -> None:
        self.lock = threading.Lock()
        self.pages: dict[str, Page] = {}
        self.asked: Counter[str] = Counter()
        self.given: Counter[str] = Counter()
        self.now = self.most_at_once = 0
        super().__init__(("127.0.0.1", 0), type("Asked", (Asked,), {"host": self}))
        tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        tls.load_cert_chain(pem)
        self.socket = tls.wrap_socket(self.socket, server_side=True, do_handshake_on_connect=False)
        self.name = f"localhost:{self.server_port}"

    def uri(self, path: str) -> str:
        return f"https://{self.name}{path}"

    def handle_error(self, *_: object) -> None: ...


@contextmanager
def running(pem: Path) -> Iterator[Host]:
    with Host(pem) as host:
        thread = threading.Thread(target=host.serve_forever, args=(0.05,), daemon=True)
        thread.start()
        try:
            yield host
        finally:
            host.shutdown()


def missing(asked: Asked) -> None:
    asked.say(404, Content_Length=0)


def picture(data: bytes, etag: str | None = '"1"', modified: datetime.datetime | None = LONG_AGO) -> Page:
    """A file as most hosts serve it: with what tells its state, and 304 for who has it."""
    state = {"ETag": etag} if etag else {}
    if modified:
        state["Last_Modified"] = format_datetime(modified, usegmt=True)

    def page(asked: Asked) -> None:
        have = asked.headers["If-None-Match"] or asked.headers["If-Modified-Since"]
        if have is not None and have in state.values():
            asked.say(304, **state)
        else:
            asked.say(200, Content_Length=len(data), **state)
            asked.give(data)

    return page
