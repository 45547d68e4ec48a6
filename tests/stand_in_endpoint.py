"""Somebody's endpoint: a real HTTP server that answers chat completions in a thread, or as a process of its own.

    python stand_in_endpoint.py <port> [<word that kills it>]

The process also starts a child that outlives it, as the engine of vLLM does, and says its pid at GET /child. With a
file `<port>.sick` in its folder it calls itself unwell.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import NamedTuple

COMPLETION = {
    "choices": [{"message": {"role": "assistant", "content": '{"caption": "a cat"}'}, "finish_reason": "stop"}],
    "usage": {"prompt_tokens": 5, "completion_tokens": 7},
}


class Reply(NamedTuple):
    status: int = 200
    body: str = json.dumps(COMPLETION)
    headers: dict[str, str] = {}  # noqa: RUF012
    after_s: float = 0
    cut: bool = False
    """Close the connection in the middle of the answer."""


class Seen(NamedTuple):
    at: float
    path: str
    headers: dict[str, str]
    body: str


class StandIn(ThreadingHTTPServer):
    """Answers each POST with what `reply` makes of it, and keeps what it has seen in `seen`."""

    daemon_threads = True
    request_queue_size = 128

    def __init__(self, port: int, reply: Callable[[Seen], Reply], get: Callable[[str], Reply] = lambda path: Reply()):
        super().__init__(("127.0.0.1", port), _Handler)
        self.reply, self.get = reply, get
        self.seen: list[Seen] = []
        self.address = f"http://127.0.0.1:{self.server_address[1]}/v1"


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: StandIn

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"])).decode(errors="replace")
        seen = Seen(time.monotonic(), self.path, dict(self.headers), body)
        self.server.seen.append(seen)
        self._send(self.server.reply(seen))

    def do_GET(self) -> None:
        self._send(self.server.get(self.path))

    def _send(self, reply: Reply) -> None:
        time.sleep(reply.after_s)
        self.send_response(reply.status)
        for name, value in {"Content-Length": str(len(reply.body) * (2 if reply.cut else 1)), **reply.headers}.items():
            self.send_header(name, value)
        self.end_headers()
        with suppress(BrokenPipeError):  # they did not wait
            self.wfile.write(reply.body.encode())
        self.close_connection = reply.cut

    def log_message(self, format: str, *args: object) -> None:
        pass


@contextmanager
def answering(reply: Callable[[Seen], Reply]) -> Iterator[StandIn]:
    """An endpoint in a thread."""
    with StandIn(0, reply) as server:
        Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
        yield server
        server.shutdown()


@contextmanager
def replying(*replies: Reply) -> Iterator[StandIn]:
    """An endpoint in a thread that gives these replies one after the other, the last one for ever."""
    left = list(replies)
    with answering(lambda seen: left.pop(0) if len(left) > 1 else left[0]) as server:
        yield server


def _main(port: int, deadly: str | None) -> None:
    child = subprocess.Popen(["sleep", "1000"])

    def reply(seen: Seen) -> Reply:
        if deadly and deadly in seen.body:
            os._exit(9)
        return Reply(after_s=0.1)

    def get(path: str) -> Reply:
        sick = Path(__file__).with_name(f"{port}.sick").exists()
        return Reply(503 if sick and path == "/health" else 200, str(child.pid))

    StandIn(port, reply, get).serve_forever()


if __name__ == "__main__":
    _main(int(sys.argv[1]), sys.argv[2] if len(sys.argv) > 2 else None)
