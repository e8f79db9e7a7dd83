"""Group commit towards the broker: small posts share a message, big posts are split.

Rows go into lanes by their user, and a message carries rows of one lane. Workers that write
messages of different lanes seldom wait for each other's feeds.

A small post stays in one message. If it is never answered, it was taken as a whole or not at all.

On a quiet lane a message leaves at once. On a busy lane rows gather until a message is full, the
last message is stored, or `gather_seconds` have passed since it left. All lanes gather while too
many messages are unconfirmed. A quiet system therefore adds no delay, and busy workers get full
messages.

A message that is too large for the broker is sent in halves. A caller waits for the confirms of
its own rows only.
"""

from __future__ import annotations

import asyncio
from collections import deque
from dataclasses import dataclass, field
from typing import Final, Protocol

from aiohttp import web

from api.http.problems import Overloaded
from api.ingest.columns import PushedColumns, build_chunk
from pipeline.database.clock import Clock
from pipeline.errors import BrokerUnavailable, MessageTooLarge
from pipeline.observe import tracing
from pipeline.transactions.chunk import Chunk

_WHOLE_ROWS: Final = 250  # a post of more rows is split by users


class Publishes(Protocol):
    """Sends chunks to the broker.

    `publish` returns once the chunk is confirmed, or raises BrokerUnavailable within its
    deadline. It raises MessageTooLarge before anything is sent.
    """

    async def publish(self, chunk: Chunk) -> None: ...


@dataclass(frozen=True, slots=True, eq=False)
class _Waiting:
    ingest: bytes
    number: int
    columns: PushedColumns
    request_id: str
    span: object
    confirmed: asyncio.Future[bytes]


@dataclass(slots=True, eq=False)
class _Lane:
    """The waiting rows of a lane. From `due` on, a time of the loop, even a few may leave.

    `last` is the ingest and number of one part of the last message.
    """

    waiting: deque[_Waiting] = field(default_factory=deque)
    rows: int = 0
    due: float = 0.0
    last: tuple[bytes, int] | None = None

    def add_part(self, part: _Waiting) -> None:
        self.waiting.append(part)
        self.rows += len(part.columns)

    def take_parts(self, full: int) -> list[_Waiting]:
        """Take parts from the front until they have `full` rows."""
        taken: list[_Waiting] = []
        rows = 0
        while self.waiting and rows < full:
            taken.append(self.waiting.popleft())
            rows += len(taken[-1].columns)
        self.rows -= rows
        return taken


class Coalescer:
    """Gathers the rows of all requests of a process into chunks."""

    def __init__(
        self,
        publisher: Publishes,
        clock: Clock,
        *,
        chunk_rows: int,
        unconfirmed_chunks: int,
        pending_rows: int,
        lanes: int,
        gather_seconds: float,
    ) -> None:
        self._publisher = publisher
        self._clock = clock
        self._chunk_rows = chunk_rows
        self._whole_rows = min(chunk_rows // 8, _WHOLE_ROWS)
        self._free = unconfirmed_chunks
        self._room = pending_rows
        self._lanes = [_Lane() for _ in range(lanes)]
        self._gather_seconds = gather_seconds
        self._alarm: asyncio.TimerHandle | None = None
        self._sending: set[asyncio.Task[None]] = set()

    async def submit_rows(
        self, ingest: bytes, columns: PushedColumns, request_id: str = ""
    ) -> list[bytes]:
        """Wait until the broker has confirmed all rows; return the chunk id of each part.

        Raises Overloaded when too many rows are waiting; nothing was taken. Raises
        BrokerUnavailable when some rows may have been taken; sending again is safe.
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

    def note_stored(self, ingest: bytes, part: int) -> None:
        """End the gathering of the lane whose last message held this part."""
        for lane in self._lanes:
            if lane.last == (ingest, part):
                lane.due = 0.0
                self._send_waiting()

    async def drain(self) -> None:
        """Send what gathers now, and wait until every message is settled."""
        self._gather_seconds = 0
        for lane in self._lanes:
            lane.due = 0
        self._send_waiting()
        while self._sending:
            await asyncio.wait(self._sending)

    def _enqueue(
        self, ingest: bytes, columns: PushedColumns, request_id: str
    ) -> list[asyncio.Future[bytes]]:
        loop = asyncio.get_running_loop()
        pieces = [
            (lane, piece)
            for lane, rows in columns.split_by_user(len(self._lanes), whole=self._whole_rows)
            for piece in rows.split_rows(self._chunk_rows)
        ]
        confirms, here = [], tracing.get_span()
        for number, (lane, piece) in enumerate(pieces):
            part = _Waiting(ingest, number, piece, request_id, here, loop.create_future())
            self._lanes[lane].add_part(part)
            confirms.append(part.confirmed)
        self._send_waiting()
        return confirms

    def _send_waiting(self) -> None:
        """Send what may leave, beginning with the earliest due lane; set the alarm for the rest."""
        now = asyncio.get_running_loop().time()
        lanes = sorted((lane for lane in self._lanes if lane.waiting), key=lambda lane: lane.due)
        for lane in lanes:
            while (
                self._free and lane.waiting and (lane.rows >= self._chunk_rows or lane.due <= now)
            ):
                parts = lane.take_parts(self._chunk_rows)
                self._send(parts)
                lane.due = now + self._gather_seconds
                lane.last = parts[0].ingest, parts[0].number
        self._set_alarm(min((lane.due for lane in lanes if lane.waiting), default=0.0))

    def _set_alarm(self, due: float) -> None:
        """Call `_send_waiting` when the first lane is due, unless a confirm must come first."""
        if self._alarm is not None:
            self._alarm.cancel()
            self._alarm = None
        if due and self._free:
            self._alarm = asyncio.get_running_loop().call_at(due, self._send_waiting)

    def _send(self, parts: list[_Waiting]) -> None:
        self._free -= 1
        task = asyncio.create_task(self._deliver(parts))
        self._sending.add(task)
        task.add_done_callback(self._sending.discard)

    async def _deliver(self, parts: list[_Waiting]) -> None:
        try:
            await self._publish(parts)
        finally:
            self._free += 1
            self._send_waiting()

    async def _publish(self, parts: list[_Waiting]) -> None:
        chunk_id = self._clock.make_uuid7()
        try:
            pieces = [(part.ingest, part.number, part.columns) for part in parts]
            trace = {part.ingest.hex(): part.request_id for part in parts}
            spans = [part.span for part in parts]
            with tracing.open_span("publish chunk", "producer", among=spans, chunk_id=chunk_id):
                trace |= tracing.make_carrier()
                await self._publisher.publish(build_chunk(chunk_id, pieces, trace))
        except Exception as error:  # noqa: BLE001 - the callers get it
            if isinstance(error, MessageTooLarge) and len(parts) > 1:
                await self._publish_halves(parts)
            else:
                _settle(parts, error)
        except asyncio.CancelledError:
            _settle(parts, BrokerUnavailable("stopped before the broker confirmed"))
            raise
        else:
            _settle(parts, chunk_id)

    async def _publish_halves(self, parts: list[_Waiting]) -> None:
        middle = len(parts) // 2
        await asyncio.gather(self._publish(parts[:middle]), self._publish(parts[middle:]))


COALESCER: Final = web.AppKey("coalescer", Coalescer)


def _settle(parts: list[_Waiting], outcome: bytes | Exception) -> None:
    """Give all parts their outcome: the id of the confirmed chunk, or the error."""
    for part in parts:
        if part.confirmed.done():
            continue
        if isinstance(outcome, bytes):
            part.confirmed.set_result(outcome)
        else:
            part.confirmed.set_exception(outcome)
