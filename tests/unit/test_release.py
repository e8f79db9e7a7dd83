"""The changelog knows the version of the package."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

ROOT = Path(__file__).parents[2]


def test_the_version_of_the_package_is_the_newest_dated_entry_of_the_changelog() -> None:
    # Given the package and the changelog
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    changelog = (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")
    # When the dated entries are read
    versions = re.findall(r"^## (\S+) \(\d{4}-\d\d-\d\d\)$", changelog, re.MULTILINE)
    # Then the first is that of the package
    assert versions[0] == project["version"]
