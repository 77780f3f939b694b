"""What images are built from: everything is named by its version and known by its digest."""

import re
import tomllib

import pytest

from tests.composition import ROOT

DOCKERFILES = ("deploy/docker/Dockerfile", "deploy/python27/Dockerfile")


def _lines(file: str) -> list[str]:
    text = (ROOT / file).read_text().replace("\\\n", " ")
    return [line for line in text.splitlines() if line and not line.startswith("#")]


@pytest.mark.parametrize("file", DOCKERFILES)
def test_bases__are_an_argument_or_a_stage(file: str) -> None:
    bases = [line.split()[1] for line in _lines(file) if line.startswith("FROM ")]
    stages = {line.rpartition(" AS ")[2] for line in _lines(file) if " AS " in line}

    assert [base for base in bases if base != "${BASE}" and base not in stages] == []


@pytest.mark.parametrize("file", DOCKERFILES)
def test_packages__are_installed_by_their_digests(file: str) -> None:
    installing = re.findall(r"\S*pip install[^&]*|uv sync[^&]*", "\n".join(_lines(file)))
    ways = ("--require-hashes", "--frozen", "--no-deps --no-build-isolation .")

    assert installing
    assert [command for command in installing if not any(way in command for way in ways)] == []


def test_uv__is_one_version_of_known_digests() -> None:
    text = (ROOT / "tools" / "uv-requirements.txt").read_text()

    assert re.findall(r"^([\w.-]+)==", text, re.MULTILINE) == ["uv"]
    assert len(re.findall(r"--hash=sha256:[0-9a-f]{64}", text)) >= 10
    assert "uv-requirements.txt" in (ROOT / "tools" / "uv").read_text()


def test_build__is_done_by_what_is_locked() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    lock = tomllib.loads((ROOT / "uv.lock").read_text())

    (backend,) = project["build-system"]["requires"]
    locked = {f"{package['name']}=={package['version']}" for package in lock["package"] if "version" in package}

    assert project["dependency-groups"]["build"] == [backend]
    assert backend in locked
