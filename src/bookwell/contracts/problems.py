"""The one shape of error, RFC 9457, with our extensions."""

from pydantic import BaseModel, Field

PROBLEM_MEDIA_TYPE = "application/problem+json"
PROBLEM_TYPE_BASE = "https://bookwell.dev/problems/"


class FieldProblem(BaseModel):
    """One wrong field: `pointer` is a fragment JSON Pointer into the body, `parameter` a query parameter."""

    code: str
    detail: str
    pointer: str | None = None
    parameter: str | None = None


class Problem(BaseModel):
    """Body of every error answer; `code` is stable, `detail` is for people and never parsed."""

    type: str
    title: str
    status: int
    detail: str
    instance: str
    code: str
    trace_id: str
    retryable: bool
    errors: list[FieldProblem] = Field(default_factory=list)
