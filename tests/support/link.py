"""A link to a server that a test can slow down, freeze, cut, or let swallow everything."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import struct
from collections.abc import AsyncIterator
from urllib.parse import urlsplit

_PORTS = {"postgresql": 5432, "amqp": 5672, "redis": 6379}
_RESET = struct.pack("ii", 1, 0)  # SO_LINGER: on, 0 s


class Link:
    """Forwards TCP connections; `url` is the server's URL by way of this link.

    `latency` and `slow_close` are seconds: before every piece of data, and before a close is
    passed on. With `black_hole` all data vanishes, and no connection notices.
    """

    def __init__(self, url: str) -> None:
        self._target = urlsplit(url)
        self._open = asyncio.Event()
        self._open.set()
        self._writers: set[asyncio.StreamWriter] = set()
        self._tasks: set[asyncio.Task[None]] = set()
        self.url = ""
        self.latency = 0.0
        self.slow_close = 0.0
        self.black_hole = False

    @contextlib.asynccontextmanager
    async def listening(self) -> AsyncIterator[Link]:
        server = await asyncio.start_server(self._accept, "127.0.0.1", 0)
        port = server.sockets[0].getsockname()[1]
        user = self._target.netloc.rpartition("@")[0]
        self.url = self._target._replace(netloc=f"{user}@127.0.0.1:{port}").geturl()
        try:
            yield self
        finally:
            server.close()
            self.cut()
            self._open.set()
            for task in self._tasks:
                task.cancel()
            await asyncio.gather(*self._tasks, return_exceptions=True)

    def freeze(self) -> None:
        """Forward nothing until `thaw`."""
        self._open.clear()

    def thaw(self) -> None:
        self._open.set()

    def cut(self) -> None:
        """Reset every connection; new ones are accepted."""
        for writer in self._writers:
            if not writer.is_closing():
                connection = writer.get_extra_info("socket")
                connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
            writer.transport.abort()
        self._writers.clear()

    def heal(self) -> None:
        """Forward again as a good link; what a black hole has torn is reset."""
        if self.black_hole:
            self.cut()
        self.latency = self.slow_close = 0.0
        self.black_hole = False
        self.thaw()

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        port = self._target.port or _PORTS[self._target.scheme]
        try:
            there, back = await asyncio.open_connection(self._target.hostname, port)
        except OSError:
            writer.transport.abort()
            return
        self._writers |= {writer, back}
        for pair in ((reader, back), (there, writer)):
            task = asyncio.create_task(self._forward(*pair))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    async def _forward(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(OSError):
            while data := await reader.read(65536):
                await self._open.wait()
                await asyncio.sleep(self.latency)
                if not self.black_hole:
                    writer.write(data)
                    await writer.drain()
        await asyncio.sleep(self.slow_close)
        writer.close()
        self._writers.discard(writer)
