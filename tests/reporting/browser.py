"""A real headless Chromium, driven over the pipe of its own DevTools protocol: pages as a person meets them."""

import base64
import itertools
import json
import os
import shutil
import subprocess
import tempfile
import time

PROGRAM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
FLAGS = ("--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--hide-scrollbars",
         "--disable-background-networking", "--no-first-run", "--remote-debugging-pipe")  # fmt: skip
WAIT = 60.0
"""Seconds for anything that a test waits for."""


class Browser:
    """One page. `problems` are errors of the console, exceptions of scripts and what the page asked others for."""

    def __init__(self):
        self.problems = []
        self._ids = itertools.count(1)
        self._folder = tempfile.TemporaryDirectory(prefix="chromium-", ignore_cleanup_errors=True)
        # The browser reads what it is told from its file 3, and answers in 4: JSON, each with a zero byte at its end.
        told, self._tell = os.pipe()
        self._hear, said = os.pipe()
        command = f'exec "$0" "$@" 3<&{told} 4>&{said}'
        self._process = subprocess.Popen(
            ["bash", "-c", command, PROGRAM, *FLAGS, f"--user-data-dir={self._folder.name}", "about:blank"],
            pass_fds=(told, said),
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        os.close(told)
        os.close(said)
        self._answers = os.fdopen(self._hear, "rb", buffering=2**20)
        self._session = None
        targets = self.call("Target.getTargets")["targetInfos"]
        page = next(each["targetId"] for each in targets if each["type"] == "page")
        self._session = self.call("Target.attachToTarget", targetId=page, flatten=True)["sessionId"]
        for domain in ("Page", "Runtime", "Log", "Network"):
            self.call(f"{domain}.enable")

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self._process.kill()
        self._process.wait()
        self._answers.close()
        os.close(self._tell)
        self._folder.cleanup()

    def call(self, method, **parameters):
        """What the browser answers; what happens meanwhile is noted."""
        number = next(self._ids)
        said = {"id": number, "method": method, "params": parameters}
        if self._session:
            said["sessionId"] = self._session
        os.write(self._tell, json.dumps(said).encode() + b"\0")
        while True:
            heard = self._next()
            if heard.get("id") == number:
                assert "error" not in heard, heard
                return heard["result"]
            self._note(heard)

    def _next(self):
        data = bytearray()
        while not data.endswith(b"\0"):
            byte = self._answers.peek(1)
            assert byte, "the browser is gone"
            end = byte.find(b"\0")
            data += self._answers.read(end + 1 if end >= 0 else len(byte))
        return json.loads(data[:-1])

    def _note(self, event):
        found = event.get("params", {})
        match event.get("method"):
            case "Runtime.exceptionThrown":
                self.problems.append(json.dumps(found["exceptionDetails"]))
            case "Log.entryAdded" if found["entry"]["level"] == "error":
                self.problems.append(found["entry"]["text"])
            case "Runtime.consoleAPICalled" if found["type"] in ("error", "warning", "assert"):
                self.problems.append(json.dumps(found["args"]))
            case "Network.requestWillBeSent" if not found["request"]["url"].startswith(("file:", "data:", "about:")):
                self.problems.append(f"asked for {found['request']['url']}")

    def size(self, width, height, phone=False):
        """Pixels of the window; as a phone, with two of the screen for each."""
        ratio = 2 if phone else 1
        self.call(
            "Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=ratio, mobile=phone
        )

    def scheme(self, name):
        """light or dark."""
        self.call("Emulation.setEmulatedMedia", features=[{"name": "prefers-color-scheme", "value": name}])

    def open(self, path):
        """Open a file; returns the seconds until it was loaded and its script had run."""
        begun = time.monotonic()
        self.call("Page.navigate", url=path.absolute().as_uri())
        self.wait("location.href !== 'about:blank' && document.readyState === 'complete'")
        return time.monotonic() - begun

    def ask(self, expression):
        """The value of JavaScript."""
        answer = self.call("Runtime.evaluate", expression=expression, returnByValue=True, awaitPromise=True)
        assert "exceptionDetails" not in answer, answer
        return answer["result"].get("value")

    def wait(self, expression):
        """Until it is true."""
        until = time.monotonic() + WAIT
        while not self.ask(expression):
            assert time.monotonic() < until, f"never true: {expression}"
            time.sleep(0.02)

    def type(self, words):
        """Letter by letter, into what has the focus."""
        for letter in words:
            self.call("Input.dispatchKeyEvent", type="keyDown", text=letter, key=letter)
            self.call("Input.dispatchKeyEvent", type="keyUp", key=letter)

    def press(self, key, code):
        for kind in ("keyDown", "keyUp"):
            self.call("Input.dispatchKeyEvent", type=kind, key=key, code=key, windowsVirtualKeyCode=code)

    def point(self, x, y, click=False):
        """Move the mouse there, in pixels of the window, and click."""
        self.call("Input.dispatchMouseEvent", type="mouseMoved", x=x, y=y)
        for kind in ("mousePressed", "mouseReleased") if click else ():
            self.call("Input.dispatchMouseEvent", type=kind, x=x, y=y, button="left", clickCount=1)

    def click(self, query):
        """Click in the middle of the first element that a CSS selector finds, once it is in view and drawn there."""
        found = f"document.querySelector({json.dumps(query)})"
        self.ask(f"{found}.scrollIntoView({{block: 'center', behavior: 'instant'}})")
        self.drawn()
        box = f"const b = {found}.getBoundingClientRect(); const [x, y] = [b.x + b.width / 2, b.y + b.height / 2];"
        hit = f"{found}.contains(document.elementFromPoint(x, y))"
        *at, is_hit = self.ask(f"(() => {{ {box} return [x, y, {hit}] }})()")
        assert is_hit, f"something else lies over {query}"
        self.point(*at, click=True)

    def drawn(self):
        """Until the page as it now is is what the mouse meets: a frame later it may still meet the one before."""
        self.ask("new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(() => done(1))))")

    def picture(self, path, whole=False):
        """A screenshot as PNG."""
        taken = self.call("Page.captureScreenshot", format="png", captureBeyondViewport=whole)
        path.write_bytes(base64.b64decode(taken["data"]))
