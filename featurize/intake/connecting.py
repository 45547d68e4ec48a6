"""Connections for `web`: to public addresses only, and each request within its time.

Invariant: a name is resolved once for a connection, every address that it has is checked, and the connection is made to
one of these, so nothing between the check and the use can put another in its place. TLS is checked for the name.
"""

from __future__ import annotations

import ipaddress
import math
import socket
import ssl
import threading
import time
from collections.abc import Iterable
from functools import partial
from typing import Any

import httpcore

from featurize.intake import waiting

_NAT64 = ipaddress.ip_network("64:ff9b::/96")
"""What DNS64 makes of an address of version 4 (RFC 6052), which are the last 32 bits."""


class NotPublic(Exception):
    """A host's name has an address that nothing is fetched from."""


def is_public(address: str) -> bool:
    """Whether an address, as the resolver writes it, is one of the public Internet.

    Private, loopback, link-local, multicast and reserved ones are none, nor is one of version 6 that only wraps one.
    """
    ip = ipaddress.ip_address(address.partition("%")[0])
    if isinstance(ip, ipaddress.IPv6Address):
        if ip.ipv4_mapped is not None:
            return is_public(str(ip.ipv4_mapped))
        if ip in _NAT64:
            return is_public(str(ipaddress.IPv4Address(int(ip) & 0xFFFFFFFF)))
        if ip.sixtofour is not None or ip.teredo is not None or ip.is_site_local:
            return False
    return ip.is_global and not (ip.is_multicast or ip.is_reserved or ip.is_unspecified)


class Deadline(threading.local):
    """The moment, of `time.monotonic`, at which the request of this thread must be over."""

    at = math.inf

    def within(self, timeout: float | None) -> float:
        """The seconds that are left, at most `timeout`. Errors: httpcore.ReadTimeout when there are none."""
        left = self.at - time.monotonic()
        if left <= 0:
            raise httpcore.ReadTimeout("the time of the whole request is over")
        return left if timeout is None else min(left, timeout)


class Network(httpcore.NetworkBackend):
    """Connects as above. `loopback` also allows addresses of this machine, which tests need."""

    def __init__(self, loopback: bool) -> None:
        self.deadline = Deadline()
        self._loopback = loopback
        self._plain = httpcore.SyncBackend()

    def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[Any] | None = None,
    ) -> httpcore.NetworkStream:
        """Errors: NotPublic; httpcore.ConnectError, ConnectTimeout, ReadTimeout."""
        problem: Exception = httpcore.ConnectError("its name has no address")
        for address in self._addresses(host, port, self.deadline.within(timeout)):
            try:
                left = self.deadline.within(timeout)
                return _Stream(self._plain.connect_tcp(address, port, left, local_address, socket_options), self)
            except (httpcore.ConnectError, httpcore.ConnectTimeout) as error:
                problem = error
        raise problem

    def _addresses(self, host: str, port: int, seconds: float) -> list[str]:
        found: list[str] | None = None
        for _, found in waiting.answers(partial(_resolved, port), [host], threads=1, seconds=seconds):
            if found is None:
                raise httpcore.ConnectTimeout("its name was not resolved in time")
        for address in found or ():
            own = ipaddress.ip_address(address.partition("%")[0]).is_loopback
            if not (is_public(address) or (own and self._loopback)):
                raise NotPublic(f"its address {address} is not one of the public Internet")
        return found or []


def _resolved(port: int, host: str) -> list[str]:
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError) as error:
        raise httpcore.ConnectError(f"its name cannot be resolved ({error})") from error
    return list(dict.fromkeys(str(place[0]) for *_, place in found))


class _Stream(httpcore.NetworkStream):
    """A connection whose every wait ends at the deadline, however slowly bytes keep coming."""

    def __init__(self, inner: httpcore.NetworkStream, network: Network) -> None:
        self._inner = inner
        self._network = network

    def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        return self._inner.read(max_bytes, self._network.deadline.within(timeout))

    def write(self, buffer: bytes, timeout: float | None = None) -> None:
        self._inner.write(buffer, self._network.deadline.within(timeout))

    def close(self) -> None:
        self._inner.close()

    def start_tls(
        self, ssl_context: ssl.SSLContext, server_hostname: str | None = None, timeout: float | None = None
    ) -> httpcore.NetworkStream:
        left = self._network.deadline.within(timeout)
        return _Stream(self._inner.start_tls(ssl_context, server_hostname, left), self._network)

    def get_extra_info(self, info: str) -> Any:
        return self._inner.get_extra_info(info)
