"""A TCP proxy of ours that loses, holds and cuts what passes through it, and counts each time; it knows no protocol."""

import asyncio
import socket
import threading
from collections import Counter
from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, Self
from urllib.parse import urlsplit, urlunsplit

LOOPBACK = "127.0.0.1"
CHUNK = 65536
#: What is looked for may come in two pieces: so many bytes of the past are looked at again.
OVERLAP = 4096
STARTED_S = 10.0


class Mode(StrEnum):
    """What happens to everybody who uses the proxy."""

    PASS = "pass"
    #: Nobody listens: new connections are refused, the existing ones were reset.
    REFUSE = "refuse"
    #: New connections are reset, and so are the existing ones.
    RESET = "reset"
    #: Bytes wait, in order, until the mode changes.
    HOLD = "hold"
    #: Bytes vanish, on new connections too; nothing is closed and nothing answers.
    BLACK_HOLE = "black-hole"
    #: Bytes vanish on the connections there are; new ones work.
    HALF_OPEN = "half-open"


class Way(StrEnum):
    """In which direction bytes travel."""

    REQUEST = "request"
    REPLY = "reply"


class Cut(StrEnum):
    """How a connection ends when a rule fires; each but the first is a reset."""

    #: It does not: the bytes are only counted.
    NOT = "not"
    #: The bytes that matched are not forwarded.
    BEFORE = "before"
    #: The bytes that matched are forwarded, and the connection ends at once.
    AFTER = "after"
    #: The bytes that matched are forwarded, and the connection ends when the first byte of an answer comes.
    AT_REPLY = "at-reply"


@dataclass
class Rule:
    """Cut a connection that carries bytes for which ``holds`` is true; ``times`` (count), then never again."""

    name: str
    holds: Callable[[bytes], bool]
    way: Way
    cut: Cut
    times: int


@dataclass(eq=False)
class _Link:
    """One client's connection with its connection to the server."""

    client: asyncio.StreamWriter
    server: asyncio.StreamWriter | None = None
    is_mute: bool = False
    dies_at_reply: str | None = None
    past: dict[Way, bytes] = field(default_factory=lambda: {Way.REQUEST: b"", Way.REPLY: b""})
    ended: asyncio.Event = field(default_factory=asyncio.Event)

    def reset(self) -> None:
        self.ended.set()
        for writer in (self.client, self.server):
            if writer is not None:
                _reset(writer)


def _reset(writer: asyncio.StreamWriter) -> None:
    endpoint = writer.get_extra_info("socket")
    if endpoint is not None and endpoint.fileno() >= 0:
        # Lingering for no time at all is what makes the kernel send a reset instead of an orderly end.
        endpoint.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\x01\x00\x00\x00\x00\x00\x00\x00")
    writer.transport.abort()


class TcpProxy:
    """A proxy before ``port`` of 127.0.0.1, on a port of its own that stays the same.

    ``fired`` counts what it did: ``refused`` is the one thing nobody can count; ``reset``, ``swallowed`` (pieces that
    vanished), ``held`` (pieces that waited), ``accepted`` (connections), and each rule by its name.
    """

    def __init__(self, port: int) -> None:
        self.fired: Counter[str] = Counter()
        self._target = port
        self._mode = Mode.PASS
        self._rules: list[Rule] = []
        self._links: set[_Link] = set()
        self._tasks: set[asyncio.Task[Any]] = set()
        self._loop = asyncio.new_event_loop()
        self._passing = asyncio.Event()
        self._listener: socket.socket | None = None
        self._thread = threading.Thread(target=self._loop.run_forever, name="proxy", daemon=True)
        self._thread.start()
        self.port = 0
        self._do(self._listen)
        self._passing.set()

    @property
    def mode(self) -> Mode:
        return self._mode

    @mode.setter
    def mode(self, mode: Mode) -> None:
        self._do(lambda: self._change(mode))

    def url(self, url: str) -> str:
        """``url`` (with a host and port) as it is reached through this proxy."""
        parts = urlsplit(url)
        user, at, _ = parts.netloc.rpartition("@")
        return urlunsplit(parts._replace(netloc=f"{user}{at}{LOOPBACK}:{self.port}"))

    def cut(
        self,
        name: str,
        holds: bytes | Callable[[bytes], bool],
        *,
        way: Way = Way.REQUEST,
        cut: Cut = Cut.AT_REPLY,
        times: int = 1,
    ) -> None:
        """Cut the connection over which these bytes (or bytes for which this is true) pass, ``times`` times."""
        looks = holds if callable(holds) else lambda seen: holds in seen
        rule = Rule(name=name, holds=looks, way=way, cut=cut, times=times)
        self._loop.call_soon_threadsafe(self._rules.append, rule)

    def forget_cuts(self) -> None:
        self._loop.call_soon_threadsafe(self._rules.clear)

    def reset_all(self) -> None:
        """Reset the connections there are; new ones are not touched."""
        self._do(self._reset_links)

    def close(self) -> None:
        self._do(self._end)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(STARTED_S)
        self._loop.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _do(self, work: Callable[[], Any]) -> None:
        async def run() -> None:
            result = work()
            if asyncio.iscoroutine(result):
                await result

        done: Future[None] = asyncio.run_coroutine_threadsafe(run(), self._loop)
        done.result(STARTED_S)

    def _listen(self) -> None:
        self._listener = socket.create_server((LOOPBACK, self.port), backlog=256)
        self._listener.setblocking(False)
        self.port = self._listener.getsockname()[1]
        self._loop.add_reader(self._listener, self._accept, self._listener)

    def _accept(self, listener: socket.socket) -> None:
        try:
            endpoint, _ = listener.accept()
        except BlockingIOError:
            return  # whoever knocked went away
        endpoint.setblocking(False)
        task = asyncio.create_task(self._serve(endpoint))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    def _deafen(self) -> None:
        """Stop listening; who has not been accepted yet is reset by the kernel."""
        if self._listener is None:
            return
        self._loop.remove_reader(self._listener)
        self._listener.close()
        self._listener = None

    def _change(self, mode: Mode) -> None:
        if mode is Mode.REFUSE:
            self._deafen()
        elif self._listener is None:
            self._listen()
        self._mode = mode
        if mode is Mode.HOLD:
            self._passing.clear()
        else:
            self._passing.set()
        if mode is Mode.HALF_OPEN:
            for link in self._links:
                link.is_mute = True
        if mode in {Mode.REFUSE, Mode.RESET}:
            self._reset_links()

    def _reset_links(self) -> None:
        for link in tuple(self._links):
            self.fired["reset"] += 1
            link.reset()

    async def _end(self) -> None:
        self._deafen()
        self._passing.set()
        while self._tasks:
            for link in tuple(self._links):
                link.reset()
            await asyncio.wait(self._tasks)
        # What was aborted closes its sockets when the loop next comes round.
        for _ in range(3):
            await asyncio.sleep(0)

    async def _serve(self, endpoint: socket.socket) -> None:
        reader, writer = await asyncio.open_connection(sock=endpoint, limit=CHUNK)
        link = _Link(client=writer)
        self._links.add(link)
        self.fired["accepted"] += 1
        try:
            await self._carry(link, reader)
        finally:
            self._links.discard(link)

    async def _carry(self, link: _Link, from_client: asyncio.StreamReader) -> None:
        if self._mode in {Mode.RESET, Mode.REFUSE}:
            self.fired["reset"] += 1
            link.reset()
            return
        try:
            from_server, link.server = await asyncio.open_connection(LOOPBACK, self._target, limit=CHUNK)
        except OSError:
            link.reset()
            return
        pumps = (
            asyncio.ensure_future(self._pump(link, Way.REQUEST, from_client, link.server)),
            asyncio.ensure_future(self._pump(link, Way.REPLY, from_server, link.client)),
        )
        try:
            await asyncio.wait(pumps, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for pump in pumps:
                pump.cancel()
            await asyncio.gather(*pumps, return_exceptions=True)
            for writer in (link.client, link.server):
                writer.close()

    async def _pump(self, link: _Link, way: Way, source: asyncio.StreamReader, target: asyncio.StreamWriter) -> None:
        """Carry one direction until it ends; what goes wrong on either side ends both."""
        while data := await source.read(CHUNK):
            if not self._passing.is_set():
                self.fired["held"] += 1
                await self._passing.wait()
            if link.is_mute or self._mode is Mode.BLACK_HOLE:
                self.fired["swallowed"] += 1
                # A connection that lost bytes can never be whole again.
                link.is_mute = True
                continue
            if not await self._forward(link, way, data, target):
                return
        if link.is_mute:
            await link.ended.wait()  # the other side is not told of the end either

    async def _forward(self, link: _Link, way: Way, data: bytes, target: asyncio.StreamWriter) -> bool:
        if way is Way.REPLY and link.dies_at_reply is not None:
            self.fired[link.dies_at_reply] += 1
            link.reset()
            return False
        rule = self._matching(link, way, data)
        if rule is not None and rule.cut is Cut.BEFORE:
            self.fired[rule.name] += 1
            link.reset()
            return False
        target.write(data)
        await target.drain()
        if rule is not None and rule.cut is Cut.AFTER:
            self.fired[rule.name] += 1
            link.reset()
            return False
        if rule is not None and rule.cut is Cut.NOT:
            self.fired[rule.name] += 1
        elif rule is not None:
            link.dies_at_reply = rule.name
        return True

    def _matching(self, link: _Link, way: Way, data: bytes) -> Rule | None:
        seen = link.past[way] + data
        link.past[way] = seen[-OVERLAP:]
        for rule in self._rules:
            if rule.times > 0 and rule.way is way and rule.holds(seen):
                rule.times -= 1
                link.past[way] = b""
                return rule
        return None
