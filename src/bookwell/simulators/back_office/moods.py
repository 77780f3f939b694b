"""How the simulated back office misbehaves when it is told to: towards events, and with its decisions."""

from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, field_validator

from bookwell.simulators.http import Answer, Delivery, json_answer

__all__ = ["BackOfficeMood", "outage_of"]


class BackOfficeMood(BaseModel):
    """What is wrong; nothing by default. `true` stands for the first kind of what has kinds.

    `outage` is what events meet. Decisions go out twice (`duplicates`: under the same id, or under another), after
    `late_seconds`, followed by their opposite (`contradictory`), with a wrong signature, or with a timestamp that is
    `timestamp_seconds` ahead of now (below 0: behind).
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    outage: Literal["error", "unavailable", "busy", "hang", "refuse", "gone", "redirect"] | None = None
    retry_after: int = Field(default=60, ge=0, le=86_400)
    duplicates: Literal["same_id", "new_id"] | None = None
    late_seconds: float = Field(default=0, ge=0, le=86_400, allow_inf_nan=False)
    contradictory: bool = False
    wrong_signature: bool = False
    timestamp_seconds: int = Field(default=0, ge=-86_400, le=86_400)

    @field_validator("outage", mode="before")
    @classmethod
    def _usual_outage(cls, value: Any) -> Any:
        return {True: "error", False: None}[value] if isinstance(value, bool) else value

    @field_validator("duplicates", mode="before")
    @classmethod
    def _usual_duplicates(cls, value: Any) -> Any:
        return {True: "same_id", False: None}[value] if isinstance(value, bool) else value


def outage_of(mood: BackOfficeMood) -> Answer | None:
    """What an event gets instead of a welcome; None while there is one."""
    later = {"Retry-After": str(mood.retry_after)}
    answers = {
        "error": json_answer({"error": "out of paper"}, 500),
        "unavailable": json_answer({"error": "closed for stocktaking"}, 503, later),
        "busy": json_answer({"error": "one at a time"}, 429, later),
        "hang": Answer(503, delivery=Delivery.NEVER),
        "refuse": Answer(503, delivery=Delivery.CUT),
        "gone": json_answer({"error": "moved out"}, 410),
        "redirect": Answer(307, b"", {"Location": "http://moved.example.net/elsewhere"}),
    }
    return answers[mood.outage] if mood.outage else None
