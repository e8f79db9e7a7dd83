"""Settings from the environment."""

from __future__ import annotations

import pytest

from pipeline.errors import InvalidSettings
from pipeline.settings import Settings


def test_values_are_typed_and_others_keep_their_defaults():
    settings = Settings.from_environment({"SPENDLINE_API_PORT": "9000", "HOME": "/"})
    assert (settings.api_port, settings.api_host) == (9000, "127.0.0.1")


def test_a_secret_can_stand_in_a_file(tmp_path):
    file = tmp_path / "url"
    file.write_text("postgresql://u:secret@db/x\n")
    settings = Settings.from_environment({"SPENDLINE_DATABASE_URL_FILE": str(file)})
    assert settings.database_url == "postgresql://u:secret@db/x"


@pytest.mark.parametrize(
    ("environment", "named"),
    [
        ({"SPENDLINE_API_PROT": "1"}, "SPENDLINE_API_PROT"),
        ({"SPENDLINE_API_PORT": "http"}, "SPENDLINE_API_PORT"),
        ({"SPENDLINE_REDIS_URL_FILE": "/nowhere"}, "SPENDLINE_REDIS_URL_FILE"),
    ],
)
def test_a_wrong_setting_is_named(environment, named):
    with pytest.raises(InvalidSettings, match=named):
        Settings.from_environment(environment)


def test_a_password_is_never_printed():
    settings = Settings(database_url="postgresql://u:hunter2@db/x")
    assert "hunter2" not in repr(settings)
    assert "u:***@db" in repr(settings)


def test_replicas_are_separated_by_commas_that_hosts_of_one_may_hold_too():
    one, other = "postgresql://u:hunter2@a:1,b:2/x", "postgres://u:hunter2@c/x"
    for text in (f"{one},{other}", f" {one}, {other},\n", f"{one}\n{other}"):
        settings = Settings.from_environment({"SPENDLINE_REPLICA_URLS": text})
        assert settings.replicas == (one, other)
        assert "hunter2" not in repr(settings)
    assert Settings().replicas == ()


def test_a_replica_that_is_no_postgresql_is_named_without_its_password():
    wrong = "postgresql://c/x,redis://u:hunter2@c/x"
    with pytest.raises(InvalidSettings, match="SPENDLINE_REPLICA_URLS: number 2") as raised:
        Settings.from_environment({"SPENDLINE_REPLICA_URLS": wrong})
    assert "hunter2" not in str(raised.value)


@pytest.mark.parametrize(
    ("name", "value"),
    [("TRACES_URL", "collector:4318"), ("TRACES_SHARE", "1.5"), ("TRACES_SHARE", "nan")],
)
def test_a_wrong_setting_of_traces_is_named(name, value):
    with pytest.raises(InvalidSettings, match=f"SPENDLINE_{name}"):
        Settings.from_environment({f"SPENDLINE_{name}": value})


def test_a_password_of_the_collector_is_never_printed():
    assert "hunter2" not in repr(Settings(traces_url="https://u:hunter2@collector/v1/traces"))


def test_a_child_process_gets_the_same_settings():
    settings = Settings(api_port=9001, redis_url="redis://r/1", cache_seconds=5)
    assert Settings.from_environment(settings.to_environment()) == settings


def test_a_fail_point_is_refused_outside_of_tests():
    armed = {"SPENDLINE_FAIL_POINT": "copied"}
    with pytest.raises(InvalidSettings, match="SPENDLINE_FAIL_POINT"):
        Settings.from_environment(armed)
    allowed = Settings.from_environment(armed | {"SPENDLINE_ENVIRONMENT": "test"})
    assert allowed.fail_point == "copied"


def test_a_fail_point_that_does_not_exist_is_named():
    armed = {"SPENDLINE_ENVIRONMENT": "test", "SPENDLINE_FAIL_POINT": "anywhere"}
    with pytest.raises(InvalidSettings, match="SPENDLINE_FAIL_POINT"):
        Settings.from_environment(armed)
