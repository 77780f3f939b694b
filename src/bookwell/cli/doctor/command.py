"""`bookwell doctor`, as a person or a monitor calls it."""

import json
from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict
from typing import Annotated

import typer

from bookwell.cli.doctor.findings import Finding, State

__all__ = ["doctor"]

_WIDTH = max(len(state) for state in State)


def doctor(as_json: Annotated[bool, typer.Option("--json", help="For programs.")] = False) -> None:
    """Look at everything that the settings name and say what to do; status 0 unless something failed."""
    from bookwell.cli.doctor.examining import examine_site  # noqa: PLC0415 -- heavy

    findings = examine_site()
    typer.echo(_json(findings) if as_json else _lines(findings))
    if any(each.state is State.FAILED for each in findings):
        raise typer.Exit(1)


def _lines(findings: Sequence[Finding]) -> str:
    counts = Counter(each.state for each in findings)
    lines = [_line(each) for each in findings]
    return "\n".join([*lines, ", ".join(f"{counts[state]} {state}" for state in State)])


def _line(finding: Finding) -> str:
    advice = f" -> {finding.advice}" if finding.advice else ""
    return " ".join(f"{finding.state:<{_WIDTH}}  {finding.check}: {finding.message}{advice}".splitlines())


def _json(findings: Sequence[Finding]) -> str:
    worst = max((each.state for each in findings), key=list(State).index, default=State.OK)
    return json.dumps({"state": worst, "findings": [asdict(each) for each in findings]}, indent=2)
