"""A real S3 server on loopback, and a proxy in front of it that fails as object storage does.

Of the requests, a share gets 500 or 503 before anything is done, and a share of the uploads is cut off half-way. An
upload that does not arrive whole is never passed on, as S3 itself shows an object only when all its bytes are there.
"""

import http.client
import os
import random
import socket
import subprocess
import sys
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

from catalogues import wait_until

OF_THE_CONNECTION = {"connection", "expect", "content-length", "transfer-encoding", "date", "server"}
Fault = Callable[[str, str], str | None]
"""(method, path) -> "500", "503", "cut" (half the request is read, then the line goes dead), or None."""


def never(method: str, path: str) -> None:
    """No fault at all."""


class UnreliableS3(ThreadingHTTPServer):
    daemon_threads = True

    def __init__(self, server_port: int) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.behind = server_port
        self.fault: Fault = never
        self.failed: Counter[str] = Counter()

    @property
    def address(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"

    def handle_error(self, request: object, client_address: object) -> None:
        pass  # a client that was killed


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: UnreliableS3

    def log_message(self, *_: object) -> None:
        pass

    def _pass_on(self) -> None:
        fault = self.server.fault(self.command, self.path)
        if fault:
            self.server.failed[fault] += 1
        if fault == "cut":
            self.rfile.read(int(self.headers.get("Content-Length") or 0) // 2)
            self.connection.shutdown(socket.SHUT_RDWR)
            self.close_connection = True
            return
        body = self._body()
        if fault:
            self.send_response(int(fault))
            self.send_header("Content-Length", "0")
            self.end_headers()
            return
        behind = http.client.HTTPConnection("127.0.0.1", self.server.behind)
        headers = {k: v for k, v in self.headers.items() if k.lower() not in OF_THE_CONNECTION}
        behind.request(self.command, self.path, body, headers)
        answer = behind.getresponse()
        data = answer.read()
        self.send_response(answer.status)
        for key, value in answer.getheaders():
            if key.lower() not in OF_THE_CONNECTION:
                self.send_header(key, value)
        length = answer.getheader("Content-Length") if self.command == "HEAD" else None
        self.send_header("Content-Length", length or str(len(data)))
        self.end_headers()
        self.wfile.write(data)
        behind.close()

    def _body(self) -> bytes:
        """All of it; ConnectionError when the client went away before its end."""
        if self.headers.get("Transfer-Encoding") != "chunked":
            return self._exactly(int(self.headers.get("Content-Length") or 0))
        body = b""
        while size := int(self.rfile.readline().split(b";")[0], 16):
            body += self._exactly(size)
            self.rfile.readline()
        while self.rfile.readline().strip():
            pass
        return body

    def _exactly(self, length: int) -> bytes:
        data = self.rfile.read(length)
        if len(data) < length:
            raise ConnectionError("cut off")
        return data

    do_GET = do_HEAD = do_PUT = do_POST = do_DELETE = _pass_on


def now_and_then(share: float, seed: int) -> Fault:
    """A fault in that share of the requests; half of the failing uploads are cut."""
    dice, lock = random.Random(seed), threading.Lock()

    def fault(method: str, path: str) -> str | None:
        with lock:
            if dice.random() >= share:
                return None
            return dice.choice(["500", "503", *(["cut", "cut"] if method == "PUT" else [])])

    return fault


@contextmanager
def serve(folder: Path) -> Iterator[UnreliableS3]:
    """The proxy, with the server behind it; without faults until some are set."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    command = [Path(sys.executable).with_name("moto_server"), "-H", "127.0.0.1", "-p", str(port)]
    with (folder / "moto.log").open("wb") as log:
        server = subprocess.Popen(command, stdout=log, stderr=log, env={**os.environ, "OMP_NUM_THREADS": "1"})
    try:
        wait_until(lambda: socket.socket().connect_ex(("127.0.0.1", port)) == 0)
        with UnreliableS3(port) as proxy:
            threading.Thread(target=proxy.serve_forever, daemon=True).start()
            yield proxy
            proxy.shutdown()
    finally:
        server.kill()
        server.wait()
