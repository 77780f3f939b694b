"""compose.yaml and its overlays as `docker compose` reads them: variables put in, files merged, Dockerfiles beside.

It knows as much of the specification as the project's own files use.
"""

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

__all__ = ["DEMO", "PRODUCTION", "ROOT", "Composition", "Image", "VariableMissing", "images"]

ROOT = Path(__file__).parents[1]
DEMO = ("compose.yaml",)
PRODUCTION = ("compose.yaml", "compose.production.yaml")
_VARIABLE = re.compile(r"\$(?:\$|\{(?P<name>\w+)(?:(?P<operator>:?[-?])(?P<operand>[^}]*))?\})")
_REPLACED = frozenset({"command", "entrypoint", "test"})


class VariableMissing(Exception):
    """A file wants a variable and says so with `:?`; the message names it."""


@dataclass(frozen=True, slots=True)
class Composition:
    """The merged document; `services` are those that start without a profile."""

    document: Mapping[str, Any]

    @classmethod
    def read(cls, files: Sequence[str], variables: Mapping[str, str]) -> "Composition":
        """Read files of the project, the later ones on top.

        Raises:
            VariableMissing
        """
        merged: Any = {}
        for file in files:
            document = yaml.safe_load((ROOT / file).read_text(encoding="utf-8"))
            merged = _merge(merged, _put_in(document, variables))
        return cls(merged)

    @property
    def all_services(self) -> Mapping[str, Any]:
        """Those of profiles too."""
        services: Mapping[str, Any] = self.document["services"]
        return services

    @property
    def services(self) -> Mapping[str, Any]:
        """What starts by itself."""
        return {name: service for name, service in self.all_services.items() if not service.get("profiles")}

    def environment(self, service: str) -> Mapping[str, str]:
        """What a container finds in its environment; its image's besides."""
        return {name: str(value) for name, value in self.all_services[service].get("environment", {}).items()}


@dataclass(slots=True)
class Image:
    """One target of the Dockerfile, with what its bases say."""

    exposed: list[int] = field(default_factory=list)
    environment: dict[str, str] = field(default_factory=dict)
    command: list[str] = field(default_factory=list)
    health: list[str] = field(default_factory=list)
    user: str = ""


def images(file: Path = ROOT / "deploy/docker/Dockerfile") -> Mapping[str, Image]:
    """The targets of a Dockerfile by name."""
    found: dict[str, Image] = {}
    image = Image()
    for instruction, rest in _instructions(file.read_text(encoding="utf-8")):
        match instruction:
            case "FROM":
                base, _, name = rest.partition(" AS ")
                above = found.get(base, Image())
                image = found[name] = Image(
                    above.exposed[:], dict(above.environment), above.command[:], user=above.user
                )
            case "EXPOSE":
                image.exposed.append(int(rest))
            case "ENV":
                image.environment |= dict(pair.split("=", 1) for pair in rest.split())
            case "USER":
                image.user = rest
            case "CMD":
                image.command = json.loads(rest)
            case "HEALTHCHECK" if rest != "NONE":
                image.health = json.loads(rest.partition(" CMD ")[2])
    return found


def _instructions(text: str) -> Iterator[tuple[str, str]]:
    lines = "\n".join(line for line in text.splitlines() if not line.startswith("#"))
    for line in lines.replace("\\\n", " ").splitlines():
        if line.strip():
            instruction, _, rest = line.partition(" ")
            yield instruction, " ".join(rest.split())


def _put_in(value: Any, variables: Mapping[str, str]) -> Any:
    if isinstance(value, dict):
        return {key: _put_in(each, variables) for key, each in value.items()}
    if isinstance(value, list):
        return [_put_in(each, variables) for each in value]
    return _VARIABLE.sub(lambda found: _value_of(found, variables), value) if isinstance(value, str) else value


def _value_of(found: re.Match[str], variables: Mapping[str, str]) -> str:
    if found[0] == "$$":
        return "$"
    operator, operand = found["operator"] or "", found["operand"] or ""
    value = variables.get(found["name"])
    is_missing = value is None or (operator.startswith(":") and not value)
    if is_missing and operator.endswith("?"):
        raise VariableMissing(f"{found['name']}: {operand}")
    return operand if is_missing and operator else value or ""


def _merge(below: Any, above: Any, key: str = "") -> Any:
    """Mappings grow together, lists behind one another; whatever else is above replaces what is below."""
    if isinstance(below, dict) and isinstance(above, dict):
        both = {name: _merge(below[name], above[name], name) for name in below.keys() & above.keys()}
        return below | above | both
    if isinstance(below, list) and isinstance(above, list) and key not in _REPLACED:
        return [*below, *(each for each in above if each not in below)]
    return above
