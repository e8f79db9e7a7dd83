"""Random requests of pushes, updates, moves, removals and pending rows, and what they should come to."""

from __future__ import annotations

from datetime import date, timedelta

from hypothesis import strategies as st

from tests.unit.pipeline.builders import Push, Remove

_ids = st.sampled_from([f"t{i}" for i in range(5)])
_pending_ids = st.sampled_from(["p0", "p1"])
_accounts = st.sampled_from(["ann.a", "ann.b", "bob.a"])
_days = st.integers(0, 90).map(lambda n: date(2026, 1, 1) + timedelta(days=n))
_pushes = st.builds(
    Push,
    id=_ids,
    account=_accounts,
    amount=st.integers(-3, 3),
    day=_days,
    names_pending=st.none() | _pending_ids,
)
_pendings = st.builds(
    Push, id=_pending_ids, account=_accounts, amount=st.integers(-3, 3), pending=st.just(True)
)
_removals = st.builds(Remove, id=_ids | _pending_ids, account=_accounts)
items = _pushes | _pendings | _removals


class PlainModel:
    """The contract in twenty lines: what a careful person would do by hand."""

    def __init__(self) -> None:
        self.live: dict[tuple[str, str], Push] = {}
        self.dead: set[tuple[str, str]] = set()

    def apply(self, request: list[Push | Remove]) -> None:
        for item in [i for i in request if isinstance(i, Push)]:
            key = (item.account, item.id)
            if key in self.dead:
                continue
            if item.names_pending and not self._same(key, item):
                pending = (item.account, item.names_pending)
                self.live.pop(pending, None)
                self.dead.add(pending)
            self.live[key] = item
        for item in [i for i in request if isinstance(i, Remove)]:
            if self.live.pop((item.account, item.id), None):
                self.dead.add((item.account, item.id))

    def _same(self, key: tuple[str, str], item: Push) -> bool:
        return self.live.get(key) == item
