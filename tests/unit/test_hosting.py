"""The files that the repository's host reads: workflows and issue forms."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import yaml

HOSTED = Path(__file__).parents[2] / ".github"
WORKFLOWS = sorted((HOSTED / "workflows").glob("*.yaml"))
FORMS = sorted((HOSTED / "ISSUE_TEMPLATE").glob("*.yaml"))
COMMIT = re.compile(r"[\w-]+/[\w-]+@[0-9a-f]{40}")


def _named(file: Path) -> str:
    return file.stem


@pytest.mark.parametrize("file", WORKFLOWS, ids=_named)
def test_a_workflow_may_only_read_and_pins_its_actions(file: Path) -> None:
    # Given a workflow
    workflow = yaml.safe_load(file.read_text(encoding="utf-8"))
    jobs = workflow["jobs"].values()
    # When its rights and its actions are listed
    actions = [step["uses"] for job in jobs for step in job["steps"] if "uses" in step]
    # Then it reads the sources and nothing else, and no tag can be moved below it
    assert workflow["permissions"] == {"contents": "read"}
    assert not any("permissions" in job for job in jobs)
    assert actions
    assert [action for action in actions if not COMMIT.fullmatch(action)] == []


def test_pushes_and_pull_requests_run_what_ci_runs() -> None:
    # Given the workflow of the tests
    workflow = yaml.safe_load((HOSTED / "workflows" / "test.yaml").read_text(encoding="utf-8"))
    # When its triggers and commands are listed
    triggers = workflow[True]  # YAML 1.1 reads the key `on` as true
    commands = [step.get("run") for step in workflow["jobs"]["test"]["steps"]]
    # Then both events run the script of CI
    assert set(triggers) == {"push", "pull_request"}
    assert ".ci/run" in commands


@pytest.mark.parametrize("file", FORMS, ids=_named)
def test_an_issue_form_is_complete(file: Path) -> None:
    # Given a form
    form = yaml.safe_load(file.read_text(encoding="utf-8"))
    # When its questions are listed
    questions = [part for part in form["body"] if part["type"] != "markdown"]
    names = [part["id"] for part in questions]
    # Then it has what the host demands, and at least one answer is required
    assert {"name", "description", "body"} <= set(form)
    assert len(names) == len(set(names))
    assert all(part["attributes"]["label"] for part in questions)
    assert any(part.get("validations", {}).get("required") for part in questions)
