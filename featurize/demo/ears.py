"""Who hears the clips of the clip world: a stand-in for a model of speech and one of sound, which knows the truth.

    python -m featurize.demo.ears <folder> --port <port>

It answers `/v1/audio/transcriptions` and `/v1/chat/completions` with what is spoken, or to be heard, in the clip that
the sound it is sent is a part of, and with no words to any other sound. It recognises nothing but these recordings: no
small model of speech comes with its weights from a package registry, and what it says is what a recogniser without any
mistake would say. Its folder has the form of weights (`config.json`, `model.safetensors`), so that jobs start it, know
it by its digest, and end it, as they do a real server.
"""

from __future__ import annotations

import argparse
import base64
import json
import re
import sys
import wave
from collections.abc import Mapping, Sequence
from contextlib import suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from safetensors.numpy import load_file, save_file

from featurize.demo.sounds import SOUNDS

Samples = NDArray[np.int16]
MOMENT = 4000
"""Samples by which a recording is known again: the loudest ones of what was sent, a quarter of a second."""


def gather(folder: Path, heard: Mapping[str, tuple[str | None, str | None]]) -> None:
    """Make weights of the <clip_id>.wav in `folder`, which go, and of the line and the name of the sound of each."""
    recordings, words = {}, {}
    for clip_id, (line, sound) in heard.items():
        place = folder / f"{clip_id}.wav"
        if place.exists():
            recordings[clip_id] = samples_of(place.read_bytes())
            words[clip_id] = {"line": line or "", "sound": SOUNDS[sound][2] if sound else ""}
            place.unlink()
    save_file(recordings, folder / "model.safetensors")
    told = {"model_type": "recordings", "words": words}
    (folder / "config.json").write_text(json.dumps(told, indent=1) + "\n", encoding="utf-8")


def samples_of(file: bytes) -> Samples:
    """Of a WAV of 16 bits, mono."""
    with wave.open(BytesIO(file)) as reader:
        return np.frombuffer(reader.readframes(reader.getnframes()), "<i2").astype(np.int16)


class Ears:
    """The recordings of a folder, and what is to be heard in each."""

    def __init__(self, folder: Path) -> None:
        self._words = json.loads((folder / "config.json").read_text(encoding="utf-8"))["words"]
        self._recordings = {name: each.tobytes() for name, each in load_file(folder / "model.safetensors").items()}

    def hear(self, samples: Samples, what: str) -> str:
        """The `line` or the `sound` of the recording that these are a part of; empty where there is none."""
        if not samples.size or not samples.any():
            return ""
        loud = np.convolve(samples.astype(float) ** 2, np.ones(min(MOMENT, len(samples))), "valid")
        begin = int(loud.argmax())
        part = samples[begin : begin + MOMENT].tobytes()
        for name, recording in self._recordings.items():
            at = recording.find(part)
            while at >= 0 and at % 2:  # not between two samples
                at = recording.find(part, at + 1)
            if at >= 0:
                return str(self._words[name][what])
        return ""


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: Server

    def do_GET(self) -> None:
        self._send(200, {"status": "ok"})

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        try:
            answer = self._answer(body)
        except (ValueError, KeyError, IndexError, TypeError, EOFError, wave.Error) as error:
            self._send(400, {"error": {"message": f"{type(error).__name__}: {error}"}})
            return
        self._send(*answer)

    def _answer(self, body: bytes) -> tuple[int, dict[str, Any]]:
        if self.path == "/v1/audio/transcriptions":
            return 200, {"text": self.server.ears.hear(samples_of(_uploaded(body)), "line")}
        if self.path != "/v1/chat/completions":
            return 404, {"error": {"message": "no such path"}}
        content = json.loads(body)["messages"][-1]["content"]
        files = [base64.b64decode(part["input_audio"]["data"]) for part in content if part["type"] == "input_audio"]
        heard = (self.server.ears.hear(samples_of(file), "sound") for file in files)
        words = " ".join(dict.fromkeys(filter(None, heard)))
        said = {"message": {"role": "assistant", "content": words}, "finish_reason": "stop"}
        return 200, {"choices": [said], "usage": {"prompt_tokens": len(files), "completion_tokens": len(words.split())}}

    def _send(self, status: int, answer: Mapping[str, Any]) -> None:
        data = json.dumps(answer).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        with suppress(BrokenPipeError):  # they did not wait
            self.wfile.write(data)

    def log_message(self, format: str, *args: object) -> None:
        pass


class Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 128

    def __init__(self, folder: Path, port: int) -> None:
        super().__init__(("127.0.0.1", port), _Handler)
        self.ears = Ears(folder)


def _uploaded(body: bytes) -> bytes:
    """The one WAV of a form. Errors: ValueError where there is none."""
    found = re.search(rb"RIFF(.{4})WAVE", body, re.S)
    if found is None:
        raise ValueError("the form has no WAV file")
    return body[found.start() : found.start() + 8 + int.from_bytes(found[1], "little")]


def main(argv: Sequence[str] | None = None) -> int:
    wanted = argparse.ArgumentParser(prog="python -m featurize.demo.ears", description=(__doc__ or "").splitlines()[0])
    wanted.add_argument("folder", type=Path)
    wanted.add_argument("--port", type=int, required=True)
    given = wanted.parse_args(argv)
    with Server(given.folder, given.port) as server:
        server.serve_forever()
    return 0


if __name__ == "__main__":
    sys.exit(main())
