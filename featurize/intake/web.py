"""Pictures at `https://` addresses of hosts that `input.hosts` names: fetched politely, within size and time limits.

Invariant: nothing is asked of any other host, at a redirect neither, and never more than `connections` requests at once
of one. What is told of a failure names the host and no more of an address, for a redirect may carry a token.
"""

from __future__ import annotations

import email.utils
import random
import re
import ssl
import threading
import time
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Protocol

import httpcore
import httpx

from featurize import __version__
from featurize.errors import BadImage, RefusedInput, RunFailed, did_you_mean
from featurize.images.decode import Limits
from featurize.images.formats import sniff
from featurize.inference.endpoint import retry_after_s
from featurize.intake.connecting import Network, NotPublic
from featurize.intake.hosts import Host, Passing, Spent
from featurize.storage.store import address

ATTEMPTS = 3
BACKOFF_S = 0.5
PATIENCE_S = 300.0
"""The longest Retry-After, of one picture all together, that is waited out."""
SILENCE_S = 10.0
"""A connection that is not made, or brings nothing, for so long is given up."""
REDIRECTS = 5
MOST_AT_ONCE = 64
"""Threads that fetch, however many hosts there are."""

_HEAD = 1024
"""Bytes by which a page is told from a picture."""
_LITTLE = 64 * 2**10
_PAGE = re.compile(
    rb"(?:\xef\xbb\xbf)?\s*(?:<!--.*?-->\s*)*<(?:!doctype\s+html|html|head|body|title|script)\b", re.I | re.S
)
_PAGE_TYPES = ("text/html", "application/xhtml+xml")
_ETAG = re.compile(r'(?:W/)?"[\x21\x23-\x7e]{0,200}"')
_PASSING = {408, 425, 429}
_HTTPS = "https://"


class Asks(Protocol):
    """The settings that are meant for here: `config.Input` has them."""

    @property
    def hosts(self) -> tuple[str, ...]: ...
    @property
    def host_connections(self) -> int: ...
    @property
    def read_seconds(self) -> float: ...
    @property
    def loopback(self) -> bool: ...


@dataclass(frozen=True)
class State:
    """What a host said of a picture: bytes, Last-Modified, and ETag; None where it did not."""

    size: int | None = None
    modified: datetime | None = None
    etag: str | None = None


@dataclass(frozen=True)
class Fetched:
    """The whole file, or None where it is still in the state that was known; and the state that it is in."""

    data: bytes | None
    state: State


@dataclass(frozen=True)
class Web:
    """Whom may be asked, and how. Picklable; the connections and what is known of hosts are those of the process."""

    hosts: tuple[str, ...] = ()
    connections: int = 8
    """Requests under way at one host, at most."""
    seconds: float = 60
    """What fetching one picture may take in all its attempts, without waiting for its turn."""
    patience: float = PATIENCE_S
    max_bytes: int = Limits.max_bytes
    loopback: bool = False

    @classmethod
    def of(cls, wanted: Asks, limits: Limits) -> Web:
        return cls(
            wanted.hosts,
            wanted.host_connections,
            wanted.read_seconds,
            max_bytes=limits.max_bytes,
            loopback=wanted.loopback,
        )

    def shared(self, workers: int, stall_seconds: float) -> Web:
        """For each of so many processes at once, of which none may be without progress for `stall_seconds`."""
        return replace(
            self,
            connections=max(1, self.connections // workers),
            seconds=min(self.seconds, stall_seconds / 2),
            patience=min(self.patience, stall_seconds / 4),
        )

    @property
    def threads(self) -> int:
        """How many fetch at once, from all hosts."""
        return min(MOST_AT_ONCE, max(1, len(self.hosts)) * self.connections)

    def address(self, uri: str) -> str:
        """The one spelling of an address, as far as its host. Errors: RefusedInput, by what is wrong with it."""
        if not self.hosts:
            try:
                return address(uri)
            except RefusedInput as error:
                raise RefusedInput(f"{error}, and https:// of hosts that input.hosts names") from error
        try:
            url = httpx.URL(uri)
        except httpx.InvalidURL as error:
            raise RefusedInput(f"'{uri}' is no address ({error})") from error
        name = url.netloc.decode("ascii")
        if name not in self.hosts:
            near = did_you_mean(name, self.hosts)
            raise RefusedInput(f"'{uri}': its host {name} is not one of input.hosts = {', '.join(self.hosts)}{near}")
        rest = uri[len(_HTTPS) :]
        path = rest[rest.find("/") :] if "/" in rest else ""
        if "#" in rest or len(path) < 2:
            why = "what follows a # is never sent; in a path it is written %23" if "#" in rest else "it has no path"
            raise RefusedInput(f"'{uri}': {why}")
        return f"{_HTTPS}{name}{path}"

    def fetch(self, uri: str, known: State | None = None) -> Fetched:
        """The file at an address, unless it is still in the state that is known.

        What may pass is tried again, as and when the host asks for. Errors: BadImage not_found, forbidden, web_page,
        too_many_bytes, timeout, or unreadable for all else.
        """
        spent = Spent(self.seconds, self.patience)
        client = _client(self)
        for attempt in range(1, ATTEMPTS + 1):
            try:
                return client.get(uri, known or State(), spent)
            except Passing as passing:
                if attempt == ATTEMPTS or spent.seconds <= 0:
                    passing.host.failed += 1
                    raise passing.error from None
            time.sleep(BACKOFF_S * 2 ** (attempt - 1) * random.uniform(0.5, 1))
        raise AssertionError


NOWHERE = Web()


def is_web(uri: str) -> bool:
    return uri[: len(_HTTPS)].lower() == _HTTPS


class _Client:
    """The connections of a process, and the hosts at their other ends."""

    def __init__(self, web: Web) -> None:
        self._web = web
        self._network = Network(web.loopback)
        try:
            trusted = httpx.create_ssl_context()  # by SSL_CERT_FILE, or else by certifi
        except (OSError, ssl.SSLError) as error:
            raise RunFailed(f"the certificates of SSL_CERT_FILE or SSL_CERT_DIR cannot be read: {error}") from error
        # No proxy stands between, for it would do the connecting.
        self._pool = httpcore.ConnectionPool(
            trusted,
            max_connections=None,
            max_keepalive_connections=web.threads,
            keepalive_expiry=2,  # before the host does it
            network_backend=self._network,
        )
        self._hosts = {name: Host(name, web.connections) for name in web.hosts}

    def get(self, uri: str, known: State, spent: Spent) -> Fetched:
        """One attempt, redirects followed. Errors: BadImage; Passing."""
        url = httpx.URL(uri)
        for _ in range(REDIRECTS + 1):
            host = self._named(url)
            with host.place(spent):
                found = self._ask(host, url, known, spent)
            if isinstance(found, Fetched):
                return found
            try:
                url = url.join(found)
            except httpx.InvalidURL:
                raise host.bad("unreadable", "redirects to what is no address") from None
            if url.scheme != "https" or url.userinfo:
                raise host.bad("unreadable", "redirects to an address that is not https:// or has a user in it")
            if url.netloc.decode("ascii") not in self._hosts:
                raise host.bad(
                    "unreadable", f"redirects to {url.netloc.decode('ascii')}, which input.hosts does not name"
                )
        raise host.bad("unreadable", f"redirects more than {REDIRECTS} times")

    def _named(self, url: httpx.URL) -> Host:
        try:
            return self._hosts[url.netloc.decode("ascii")]
        except KeyError:
            raise BadImage("unreadable", "its host is not one of input.hosts", retryable=True) from None

    def _ask(self, host: Host, url: httpx.URL, known: State, spent: Spent) -> Fetched | str:
        """What one request brings: a picture, or where it is said to be."""
        if spent.seconds <= 0:
            raise host.bad("timeout", f"did not bring it within input.read_seconds = {self._web.seconds:g}")
        began = time.monotonic()
        self._network.deadline.at = began + spent.seconds
        timeout = dict.fromkeys(("connect", "read", "write", "pool"), SILENCE_S)
        try:
            # As one that asks for no compression is answered, no answer can be larger than it looks.
            with self._pool.stream(
                "GET", str(url.copy_with(fragment=None)), headers=_headers(known), extensions={"timeout": timeout}
            ) as response:
                return self._answer(host, response, known)
        except NotPublic as error:
            raise host.bad("unreadable", f"is not connected to: {error}") from None
        except httpcore.TimeoutException:
            took = time.monotonic() - began
            told = f"did not bring it in {took:.0f} s (input.read_seconds = {self._web.seconds:g})"
            raise Passing(host, host.bad("timeout", told)) from None
        except (httpcore.NetworkError, httpcore.ProtocolError) as error:
            bad = host.bad("unreadable", f"cannot be read from: {type(error).__name__}: {error}")
            if isinstance(error.__context__, ssl.SSLCertVerificationError):
                raise bad from None
            raise Passing(host, bad) from None
        finally:
            spent.seconds -= time.monotonic() - began

    def _answer(self, host: Host, response: httpcore.Response, known: State) -> Fetched | str:
        status, headers = response.status, httpx.Headers(response.headers)
        if status in _PASSING or status >= 500:
            wait = retry_after_s(headers.get("Retry-After", ""))
            host.closed_until = max(host.closed_until, time.monotonic() + wait)
            raise Passing(host, host.bad("unreadable", f"answered {status}"))
        host.failed = 0
        if status != 200:
            _drain(response)
        if status in (301, 302, 303, 307, 308) and "Location" in headers:
            return headers["Location"]
        state = _state(headers)
        if status == 304 and known != State():
            return Fetched(None, known)
        if status in (404, 410):
            raise host.bad("not_found", f"answered {status}: there is no such file")
        if status in (401, 403, 407, 451):
            raise host.bad("forbidden", f"answered {status}: it does not let us have it")
        if status != 200:
            raise host.bad("unreadable", f"answered {status}")
        if _same(state, known):
            return Fetched(None, known)
        data = self._body(host, response, headers)
        return Fetched(data, replace(state, size=len(data)))

    def _body(self, host: Host, response: httpcore.Response, headers: httpx.Headers) -> bytes:
        most = self._web.max_bytes
        size = _size(headers)
        if size is not None and size > most:
            raise BadImage("too_many_bytes", f"{size} bytes, more than limits.max_bytes = {most}")
        if headers.get("Content-Encoding", "identity").strip().lower() != "identity":
            raise host.bad("unreadable", "sent it compressed, which it was not asked for")
        data, looked = bytearray(), False
        for chunk in response.iter_stream():
            data += chunk
            if len(data) > most:
                raise BadImage("too_many_bytes", f"more than limits.max_bytes = {most}")
            if not looked and len(data) >= _HEAD:
                _refuse_page(host, data, headers)
                looked = True
        _refuse_page(host, data, headers)
        return bytes(data)


_clients: dict[Web, _Client] = {}
_one_each = threading.Lock()


def _client(web: Web) -> _Client:
    with _one_each:
        if web not in _clients:
            _clients[web] = _Client(web)
        return _clients[web]


def _headers(known: State) -> list[tuple[str, str]]:
    # One kind of answer is asked for whoever asks and whenever: hosts may choose another format by what is accepted.
    headers = [("User-Agent", f"personal-artwork/{__version__}"), ("Accept", "*/*"), ("Accept-Encoding", "identity")]
    if known.etag:
        headers.append(("If-None-Match", known.etag))
    if known.modified:
        headers.append(("If-Modified-Since", email.utils.format_datetime(known.modified.astimezone(UTC), usegmt=True)))
    return headers


def _state(headers: httpx.Headers) -> State:
    """What an answer says of the file. A Last-Modified may hide a change in the same second, so a fresh one is none."""
    etag, modified, date = headers.get("ETag"), _moment(headers, "Last-Modified"), _moment(headers, "Date")
    if etag is not None and not _ETAG.fullmatch(etag):
        etag = None
    if modified is not None and (date or datetime.now(UTC)) - modified < timedelta(seconds=2):
        modified = None
    return State(_size(headers), modified, etag)


def _same(now: State, known: State) -> bool:
    """Whether an answer is of the known state, from a host that does not say so with 304."""
    if now.etag or known.etag:
        return now.etag == known.etag
    return now.modified is not None and (now.modified, now.size) == (known.modified, known.size)


def _drain(response: httpcore.Response) -> None:
    """Read what little there is, so that the connection can serve the next request."""
    size = 0
    with suppress(httpcore.TimeoutException, httpcore.NetworkError, httpcore.ProtocolError):
        for chunk in response.iter_stream():
            size += len(chunk)
            if size > _LITTLE:
                return


def _size(headers: httpx.Headers) -> int | None:
    length = headers.get("Content-Length", "")
    return int(length) if re.fullmatch(r"\d{1,18}", length, re.ASCII) else None


def _moment(headers: httpx.Headers, name: str) -> datetime | None:
    try:
        return email.utils.parsedate_to_datetime(headers[name]).astimezone(UTC)
    except (KeyError, ValueError, OverflowError):
        return None


def _refuse_page(host: Host, data: bytearray, headers: httpx.Headers) -> None:
    """Errors: BadImage for a page, whatever it is called; a picture is one, too. Its kind is told from the bytes."""
    head = bytes(data[:_HEAD])
    if not head or sniff(head) is not None:
        return
    kind = headers.get("Content-Type", "").partition(";")[0].strip().lower()
    if kind in _PAGE_TYPES or _PAGE.match(head):
        raise host.bad("web_page", "answered with a page of HTML instead of a picture")
