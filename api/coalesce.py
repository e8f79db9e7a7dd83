"""Group commit towards the broker: small posts share a message, big ones are split.

A message leaves at once while fewer than a bound are unconfirmed; beyond that, rows gather until
one is, or until a message is full. So a quiet system adds no delay and a busy one fills its
messages. Each caller waits for the confirms of its own rows only, and learns only of their fate.
"""

from __future__ import annotations

import asyncio
from collections import deque
from dataclasses import dataclass
from typing import Protocol

from api.columns import Columns, chunk_of
from api.problems import Overloaded
from pipeline.clock import Clock
from pipeline.errors import BrokerUnavailable
from pipeline.messages import Chunk


class Publishes(Protocol):
    """Returns once the chunk is confirmed; raises BrokerUnavailable within its deadline."""

    async def publish(self, chunk: Chunk) -> None: ...


@dataclass(frozen=True, slots=True, eq=False)
class _Waiting:
    ingest: bytes
    number: int
    columns: Columns
    request_id: str
    confirmed: asyncio.Future[bytes]


class Coalescer:
    """Puts the rows of all requests of a process into chunks."""

    def __init__(
        self,
        publisher: Publishes,
        clock: Clock,
        *,
        chunk_rows: int,
        unconfirmed_chunks: int,
        pending_rows: int,
    ) -> None:
        self._publisher = publisher
        self._clock = clock
        self._chunk_rows = chunk_rows
        self._free = unconfirmed_chunks
        self._room = pending_rows
        self._waiting: deque[_Waiting] = deque()
        self._sending: set[asyncio.Task[None]] = set()

    def parts(self, items: int) -> int:
        """Into how many parts an ingest of that many rows and removals is split."""
        return -(-items // self._chunk_rows)

    async def submit(self, ingest: bytes, columns: Columns, request_id: str = "") -> list[bytes]:
        """Return the ids of the chunks when the broker has confirmed all rows.

        Raises Overloaded when too many rows are waiting already (nothing was taken), or
        BrokerUnavailable, after which some rows may have been taken: sending again is safe.
        """
        size = len(columns)
        if size > self._room:
            raise Overloaded("too many rows are waiting for the broker")
        self._room -= size
        try:
            parts = self._enqueue(ingest, columns, request_id)
            results = await asyncio.gather(*parts, return_exceptions=True)
        finally:
            self._room += size
        for result in results:
            if isinstance(result, BaseException):
                raise result
        return [chunk_id for chunk_id in results if isinstance(chunk_id, bytes)]

    async def drain(self) -> None:
        """Wait until nothing is on its way any more."""
        while self._sending:
            await asyncio.wait(self._sending)

    def _enqueue(
        self, ingest: bytes, columns: Columns, request_id: str
    ) -> list[asyncio.Future[bytes]]:
        loop = asyncio.get_running_loop()
        parts = [
            _Waiting(ingest, number, piece, request_id, loop.create_future())
            for number, piece in enumerate(columns.split(self._chunk_rows))
        ]
        self._waiting.extend(parts)
        self._send_waiting()
        return [part.confirmed for part in parts]

    def _send_waiting(self) -> None:
        while self._waiting and self._free:
            self._free -= 1
            task = asyncio.create_task(self._send(self._next_parts()))
            self._sending.add(task)
            task.add_done_callback(self._sending.discard)

    def _next_parts(self) -> list[_Waiting]:
        """From the front of the queue, as many as fit into a chunk."""
        taken = [self._waiting.popleft()]
        rows = len(taken[0].columns)
        while self._waiting and rows + len(self._waiting[0].columns) <= self._chunk_rows:
            taken.append(self._waiting.popleft())
            rows += len(taken[-1].columns)
        return taken

    async def _send(self, parts: list[_Waiting]) -> None:
        chunk_id = self._clock.uuid7()
        try:
            pieces = [(part.ingest, part.number, part.columns) for part in parts]
            trace = {part.ingest.hex(): part.request_id for part in parts}
            await self._publisher.publish(chunk_of(chunk_id, pieces, trace))
        except Exception as error:  # noqa: BLE001 - whatever it is, it is theirs to know
            _settle(parts, error)
        except asyncio.CancelledError:
            _settle(parts, BrokerUnavailable("stopped before the broker confirmed"))
            raise
        else:
            _settle(parts, chunk_id)
        finally:
            self._free += 1
            self._send_waiting()


def _settle(parts: list[_Waiting], outcome: bytes | Exception) -> None:
    """The outcome is the id of the chunk that was confirmed, or what went wrong."""
    for part in parts:
        if part.confirmed.done():
            continue
        if isinstance(outcome, bytes):
            part.confirmed.set_result(outcome)
        else:
            part.confirmed.set_exception(outcome)
