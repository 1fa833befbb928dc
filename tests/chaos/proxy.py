"""A TCP proxy that misbehaves on command: it stalls connections, or swallows an answer and hangs up."""

from __future__ import annotations

import contextlib
import socket
import threading
from collections.abc import Callable, Iterator
from urllib.parse import urlsplit, urlunsplit

CHUNK = 65_536


class Link:
    """One client's connection through the proxy."""

    def __init__(self, client: socket.socket, server: socket.socket) -> None:
        self.client = client
        self.server = server
        self.said = b""
        """What the client has sent so far, its first megabyte."""
        self.flows = threading.Event()
        self.flows.set()
        self.swallow_next_answer = False

    def close(self) -> None:
        self.flows.set()
        for end in (self.client, self.server):
            with contextlib.suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)
            end.close()


class Proxy:
    def __init__(self, upstream: str) -> None:
        """`upstream`: the URL of a PostgreSQL."""
        self._parts = urlsplit(upstream)
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._lock = threading.Lock()
        self._rules: list[tuple[bytes, int]] = []
        self.links: list[Link] = []
        self.swallowed = 0
        self._stalled = False
        threading.Thread(target=self._accept, daemon=True).start()

    @property
    def url(self) -> str:
        """The upstream's URL, through the proxy."""
        login = self._parts.netloc.rpartition("@")[0]
        port = self._listener.getsockname()[1]
        return urlunsplit(self._parts._replace(netloc=f"{login}@127.0.0.1:{port}"))

    def stall(self, which: Callable[[Link], bool] | None = None) -> int:
        """Let these connections stand without a byte in either direction; with no condition all, and new ones too."""
        self._stalled = which is None
        chosen = [link for link in self.links if which is None or which(link)]
        for link in chosen:
            link.flows.clear()
        return len(chosen)

    def heal(self) -> None:
        self._stalled = False
        for link in self.links:
            link.flows.set()

    def swallow(self, marker: bytes, *, after: int) -> None:
        """Once: when a client has said `marker` and then sent `after` more messages, swallow the answer to the last of
        them when it comes, and hang up."""
        self._rules.append((marker, after))

    def close(self) -> None:
        self._listener.close()
        for link in self.links:
            link.close()

    def _accept(self) -> None:
        while True:
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            server = socket.create_connection((self._parts.hostname, self._parts.port))
            link = Link(client, server)
            if self._stalled:
                link.flows.clear()
            self.links.append(link)
            for pump in (self._upwards, self._downwards):
                threading.Thread(target=self._run, args=(pump, link), daemon=True).start()

    def _run(self, pump: Callable[[Link], None], link: Link) -> None:
        with contextlib.suppress(OSError):
            pump(link)
        link.close()

    def _upwards(self, link: Link) -> None:
        armed: int | None = None
        while data := link.client.recv(CHUNK):
            link.flows.wait()
            if len(link.said) < 1_000_000:
                link.said += data
            if armed is not None:
                armed -= 1
            with self._lock:
                for rule in self._rules:
                    if rule[0] in data:
                        self._rules.remove(rule)
                        armed = rule[1]
                        break
            link.swallow_next_answer = armed == 0
            link.server.sendall(data)

    def _downwards(self, link: Link) -> None:
        while data := link.server.recv(CHUNK):
            link.flows.wait()
            if link.swallow_next_answer:
                self.swallowed += 1
                return
            link.client.sendall(data)


@contextlib.contextmanager
def proxied(url: str) -> Iterator[Proxy]:
    proxy = Proxy(url)
    try:
        yield proxy
    finally:
        proxy.close()
