"""What is missing for the tests is installed, or asked for, in one go."""

from __future__ import annotations

import pytest

from tests.support import programs


def test_all_that_is_missing_is_installed_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    # Given a machine that has promtool alone
    installed: list[list[str]] = []
    monkeypatch.setattr(programs.shutil, "which", {"promtool": "/usr/bin/promtool"}.get)
    monkeypatch.setattr(programs, "list_missing", list)
    monkeypatch.setattr(programs, "install_servers", lambda packages, _: installed.append(packages))
    # When
    programs.install_missing()
    # Then
    assert installed == [["postgres", "rabbitmq", "redis", "curl", "prometheus"]]


def test_nothing_is_installed_where_all_is_there(monkeypatch: pytest.MonkeyPatch) -> None:
    installed: list[list[str]] = []
    monkeypatch.setattr(programs.shutil, "which", "/usr/bin/{}".format)
    monkeypatch.setattr(programs, "list_missing", lambda _: [])
    monkeypatch.setattr(programs, "install_servers", lambda packages, _: installed.append(packages))

    programs.install_missing()

    assert installed == []
