"""The images without a container: what docker/Dockerfile installs for a target, and nothing else."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import venv
from collections.abc import Iterator
from importlib import metadata
from pathlib import Path
from shutil import copytree, ignore_patterns, rmtree

from pipeline.settings import Settings

ROOT = Path(__file__).parents[2]
_DOCKERFILE = ROOT / "docker/Dockerfile"
_REQUIREMENT = re.compile(r"^([\w.-]+)==(\S+)", re.MULTILINE)


def copy_context(folder: Path) -> Path:
    """Copy what Dockerfile.dockerignore lets into the build, which is what the wheel is made of."""
    ignored = _DOCKERFILE.with_suffix(".dockerignore").read_text(encoding="utf-8")
    for name in re.findall(r"^!(.+)", ignored, re.MULTILINE):
        target = folder / name
        target.parent.mkdir(parents=True, exist_ok=True)
        if (ROOT / name).is_dir():
            copytree(ROOT / name, target, ignore=ignore_patterns("__pycache__"))
        elif (ROOT / name).is_file():
            target.write_bytes((ROOT / name).read_bytes())
    return folder


def build_wheel(source: Path, folder: Path) -> Path:
    """Build a wheel without the network, from a source tree or a source distribution."""
    _pip("wheel", "--no-deps", "--no-build-isolation", "--wheel-dir", folder, source)
    (wheel,) = folder.glob("*.whl")
    return wheel


class Image:
    """An environment with the lock file and the wheel of one target, and the target's command."""

    def __init__(self, target: str, wheel: Path, folder: Path) -> None:
        stage = _read_stage(target)
        self.folder = folder
        self.work = folder / "work"  # it is empty, so that `python -m` sees installed modules only
        self.command: list[str] = json.loads(re.findall(r"^CMD (.+)", stage, re.MULTILINE)[-1])
        self.requirements = dict(_read_requirements(stage))
        venv.create(folder, symlinks=True)
        self.work.mkdir()
        for name, version in self.requirements.items():
            _link(name, version, next(folder.glob("lib/python*/site-packages")))
        if "pip install --no-deps /wheels/*.whl" in stage:
            python = ("--python", folder / "bin/python")
            _pip(*python, "install", "--no-deps", "--no-index", "--no-compile", wheel)
        for paths in re.findall(r"^RUN rm -r (.+)", stage, re.MULTILINE):
            self._remove(paths.split())

    def _remove(self, paths: list[str]) -> None:
        """Remove what the stage removes: packages by name, programs by their path."""
        packages = next(self.folder.glob("lib/python*/site-packages"))
        for path in paths:
            target = packages / path.replace("/opt/venv", str(self.folder))
            rmtree(target) if target.is_dir() else target.unlink()

    def environment(self, settings: Settings) -> dict[str, str]:
        path = f"{self.folder}/bin:{os.environ['PATH']}"
        return {"PATH": path, "HOME": str(self.work)} | settings.to_environment()

    def run(self, settings: Settings, *command: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            command,
            cwd=self.work,
            env=self.environment(settings),
            capture_output=True,
            text=True,
            check=False,
            timeout=180,
        )


def _read_stage(target: str) -> str:
    """The instructions of one target, each on one line."""
    text = _DOCKERFILE.read_text(encoding="utf-8").replace("\\\n", " ")
    begin = text.index(f" AS {target}\n")
    return text[begin:].partition("\nFROM ")[0]


def _read_requirements(stage: str) -> Iterator[tuple[str, str]]:
    """Name and version of every package in the lock files that the stage names."""
    for lock in dict.fromkeys(re.findall(r"[\w./-]+\.lock", stage)):
        if (ROOT / lock).is_file():
            yield from _REQUIREMENT.findall((ROOT / lock).read_text(encoding="utf-8"))


def _link(name: str, version: str, site_packages: Path) -> None:
    """Link one installed distribution into an environment; AssertionError on another version."""
    distribution = metadata.distribution(name)
    assert distribution.version == version
    tops = {file.parts[0] for file in distribution.files or ()} - {"..", "__pycache__"}
    for top in tops:
        (site_packages / top).symlink_to(str(distribution.locate_file(top)))


def _pip(*arguments: str | Path) -> None:
    subprocess.run([sys.executable, "-m", "pip", "--quiet", *arguments], check=True, timeout=120)
