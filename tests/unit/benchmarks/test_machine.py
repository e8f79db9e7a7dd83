"""What results say of the commit that was measured."""

import subprocess

import pytest

from benchmarks.harness import machine


@pytest.fixture
def tree(tmp_path, monkeypatch):
    """A committed tree with a module and a result."""
    for name in ("work.py", "benchmarks/results/latency.json"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text("1")
    identity = ("-c", "user.name=Ann", "-c", "user.email=ann@example.org")
    for arguments in (("init", "-q"), ("add", "."), (*identity, "commit", "-qm", "Begin")):
        subprocess.run(["git", "-C", tmp_path, *arguments], check=True)
    monkeypatch.setattr(machine, "_TREE", tmp_path)
    return tmp_path


def test_a_changed_tree_is_said_to_be_dirty(tree):
    clean = machine.describe_origin(7)["commit"]
    (tree / "work.py").write_text("2")
    assert machine.describe_origin(7)["commit"] == f"{clean}-dirty"


def test_new_results_do_not_make_a_tree_dirty(tree):
    clean = machine.describe_origin(7)["commit"]
    (tree / "benchmarks/results/latency.json").write_text("2")
    assert machine.describe_origin(7)["commit"] == clean
