"""Missing servers: installed with apt where that can be done, else named."""

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from tests.infrastructure.kinds import Kind

__all__ = ["advice", "can_install", "install"]

_POLICY = Path("/usr/sbin/policy-rc.d")


def can_install() -> bool:
    """Whether we are root on Debian or a relative of it."""
    return os.geteuid() == 0 and Path("/etc/debian_version").exists() and shutil.which("apt-get") is not None


def install(packages: Sequence[str]) -> None:
    """Install Debian packages; no server among them starts by itself.

    Raises:
        subprocess.CalledProcessError: if apt cannot.
    """
    print(f"Installing {', '.join(packages)} with apt-get…", file=sys.stderr)
    environment = os.environ | {"DEBIAN_FRONTEND": "noninteractive"}
    with _nothing_starts():
        for command in (["update"], ["install", "--no-install-recommends", "-y", *packages]):
            subprocess.run(["apt-get", "-q", *command], check=True, env=environment, stdout=sys.stderr)


def advice(kinds: Sequence[Kind]) -> str:
    """What a person can do about missing servers."""
    packages = " ".join(kind.package for kind in kinds)
    variables = ", ".join(kind.variable for kind in kinds)
    return (
        f"The tests need {', '.join(kind.name for kind in kinds)}, and the programs are not here: "
        f"{', '.join(program for kind in kinds for program in kind.missing)}.\n"
        f"Do one of these:\n"
        f"  - install them (Debian, Ubuntu: sudo apt-get install {packages});\n"
        f"  - start Docker with its compose plugin;\n"
        f"  - name running servers in {variables} (a user who may create databases)."
    )


@contextmanager
def _nothing_starts() -> Iterator[None]:
    if _POLICY.exists():
        yield
        return
    _POLICY.write_text("#!/bin/sh\nexit 101\n")
    _POLICY.chmod(0o755)
    try:
        yield
    finally:
        _POLICY.unlink()
