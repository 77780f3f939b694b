"""Python 2.7 and an environment with what deploy/python27 needs: found, else brought into .venv, else named.

Newer Debians have no package of it, so that it comes from Debian 11, unpacked into a folder of ours: nothing is
installed on the machine, and no rights are needed. The environment is made with virtualenv, whose releases below 20.22
know Python 2.7; uv runs it apart from our own packages, because those releases have faults of their own.
"""

import fcntl
import hashlib
import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

__all__ = ["DoorEnvironment", "MissingPython27", "Python27", "bring_door_environment", "find_python27"]

VARIABLE = "BOOKWELL_PYTHON27"
_ROOT = Path(__file__).resolve().parents[2]
_REQUIREMENTS = _ROOT / "deploy/python27/requirements.txt"
_TOOLS = _ROOT / ".venv/.python27"
_VIRTUALENV = "virtualenv==20.21.1"
_RELEASE = "bullseye"
_KEYS = Path("/usr/share/keyrings/debian-archive-keyring.gpg")
_PACKAGES = ("python2.7-minimal", "libpython2.7-minimal", "libpython2.7-stdlib", "libssl1.1", "libffi7")
_MACHINE_FOLDERS = ("/usr/bin", "/usr/local/bin", "/opt/*/bin")
_QUESTION = "import json, ssl, sys, zlib; print(json.dumps([sys.executable, sys.version_info[:2]]))"
_ADVICE = f"""The door for Python 2.7 is tested with Python 2.7, and none is here. Do one of these:
  - install it (Debian 11, Ubuntu 22.04: sudo apt-get install python2.7; elsewhere: pyenv install 2.7.18);
  - name one that is installed in {VARIABLE}.
Or run other tests: make test ARGS="tests/unit tests/integration"."""


class MissingPython27(SystemExit):
    """Python 2.7 is needed, is not here and cannot be brought."""


@dataclass(frozen=True, slots=True)
class Python27:
    """An interpreter that runs; `libraries` is where the system libraries are that it needs besides the machine's."""

    program: Path
    libraries: Path | None = None

    @property
    def environment(self) -> dict[str, str]:
        """Our environment as its processes need it."""
        cleaned = {name: value for name, value in os.environ.items() if not name.startswith(("PYTHON", "VIRTUAL_ENV"))}
        return cleaned | ({"LD_LIBRARY_PATH": str(self.libraries)} if self.libraries else {})


@dataclass(frozen=True, slots=True)
class DoorEnvironment:
    """A virtual environment with the packages of requirements.txt; `bin` has its programs."""

    bin: Path
    environment: dict[str, str]


def bring_door_environment() -> DoorEnvironment:
    """The environment, made when it is not there yet.

    Raises:
        MissingPython27: without an interpreter; says what to install.
        subprocess.CalledProcessError: if its packages cannot be installed.
    """
    with _alone():
        python = find_python27() or _unpack()
        wanted = f"{python.program} {_VIRTUALENV}".encode() + _REQUIREMENTS.read_bytes()
        folder = _TOOLS / f"env-{hashlib.sha256(wanted).hexdigest()[:12]}"
        if not (folder / "complete").exists():
            _make_environment(python, folder)
        return DoorEnvironment(folder / "bin", python.environment)


def find_python27() -> Python27 | None:
    """The interpreter named in `BOOKWELL_PYTHON27`, else the first that runs in the usual places.

    Raises:
        MissingPython27: if the one that is named does not run, or is no Python 2.7.
    """
    if named := os.environ.get(VARIABLE):
        found = _examined(Python27(Path(named)))
        if found is None:
            raise MissingPython27(f"{VARIABLE}: {named} does not run as Python 2.7 with ssl and zlib.")
        return found
    return next((found for place in _usual_places() if (found := _examined(place)) is not None), None)


def _usual_places() -> Iterator[Python27]:
    if on_path := shutil.which("python2.7"):
        yield Python27(Path(on_path))
    pyenv = Path(os.environ.get("PYENV_ROOT") or Path.home() / ".pyenv")
    for folder in sorted(pyenv.glob("versions/2.7*/bin")):
        yield Python27(folder / "python2.7")
    for pattern in _MACHINE_FOLDERS:
        for program in sorted(Path("/").glob(f"{pattern}/python2.7".lstrip("/"))):
            yield Python27(program)
    yield from _unpacked()


def _unpacked() -> Iterator[Python27]:
    """The one that an earlier run unpacked."""
    for libraries in (_TOOLS / "root/usr/lib").glob("*-linux-gnu*"):
        yield Python27(_TOOLS / "root/usr/bin/python2.7", libraries)


def _examined(python: Python27) -> Python27 | None:
    """The interpreter itself where a shim or a link stands for it; None if it does not run."""
    if not python.program.is_file():
        return None
    asked = subprocess.run(
        [str(python.program), "-c", _QUESTION], env=python.environment, capture_output=True, check=False
    )
    if asked.returncode:
        return None
    program, version = json.loads(asked.stdout)
    return Python27(Path(program), python.libraries) if version == [2, 7] else None


def _unpack() -> Python27:
    """Debian 11's, from wherever this Debian has its packages.

    Raises:
        MissingPython27: where that cannot be done.
    """
    if not (_KEYS.is_file() and shutil.which("apt-get") and shutil.which("dpkg-deb")):
        raise MissingPython27(_ADVICE)
    print("Unpacking Debian 11's Python 2.7…", file=sys.stderr)
    for archive in _archives():
        with tempfile.TemporaryDirectory() as scratch:
            if _downloaded(archive, Path(scratch)):
                shutil.rmtree(_TOOLS / "root", ignore_errors=True)
                for package in Path(scratch).glob("*.deb"):
                    subprocess.run(["dpkg-deb", "-x", str(package), str(_TOOLS / "root")], check=True)
                break
    found = next((found for place in _unpacked() if (found := _examined(place)) is not None), None)
    if found is None:
        raise MissingPython27(_ADVICE)
    return found


def _archives() -> list[str]:
    """Where apt finds this release's own packages."""
    command = ["apt-get", "indextargets", "--format", "$(REPO_URI)", "Created-By: Packages", "Component: main"]
    told = subprocess.run(command, capture_output=True, text=True, check=False).stdout.split()
    return sorted({archive for archive in told if "security" not in archive})


def _downloaded(archive: str, folder: Path) -> bool:
    """Whether the packages are in the folder now; apt has checked them with Debian's keys."""
    for place in ("lists/partial", "cache/archives/partial"):
        (folder / place).mkdir(parents=True)
    (folder / "status").touch()
    source = f"Types: deb\nURIs: {archive}\nSuites: {_RELEASE}\nComponents: main\nTargets: Packages\n"
    (folder / "debian.sources").write_text(f"{source}Signed-By: {_KEYS}\n")
    (folder / "apt.conf").write_text(
        f'Dir::State::lists "{folder}/lists";\nDir::State::status "{folder}/status";\nDir::Cache "{folder}/cache";\n'
        f'Dir::Etc::sourcelist "{folder}/debian.sources";\nDir::Etc::sourceparts "/dev/null";\n'
        'APT::Sandbox::User "";\n'
    )
    environment = os.environ | {"APT_CONFIG": str(folder / "apt.conf")}
    commands = (["update"], ["download", *_PACKAGES])
    return all(
        subprocess.run(
            ["apt-get", "-q", *command], cwd=folder, env=environment, stdout=sys.stderr, check=False
        ).returncode
        == 0
        for command in commands
    )


def _make_environment(python: Python27, folder: Path) -> None:
    print(f"Making an environment of {python.program} for deploy/python27…", file=sys.stderr)
    shutil.rmtree(folder, ignore_errors=True)
    uv = [str(_ROOT / "tools/uv"), "tool", "run", "--quiet", "--python", sys.executable, "--from", _VIRTUALENV]
    virtualenv = ["virtualenv", "--quiet", "--no-periodic-update", "--python", str(python.program), str(folder)]
    install = ["-m", "pip", "--quiet", "--no-python-version-warning", "--disable-pip-version-check", "install"]
    pip = [str(folder / "bin/python"), *install, "--no-deps", "--require-hashes", "-r", str(_REQUIREMENTS)]
    for command in ([*uv, *virtualenv], pip):
        subprocess.run(command, env=python.environment, check=True, stdout=sys.stderr)
    (folder / "complete").touch()


@contextmanager
def _alone() -> Iterator[None]:
    """Parallel test processes want the same environment; one makes it."""
    _TOOLS.mkdir(parents=True, exist_ok=True)
    with (_TOOLS / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


if __name__ == "__main__":
    bring_door_environment()
