import re

import pytest

from bookwell.kit.request_context import traceparent
from bookwell.kit.tracing import TRACEPARENT_LENGTH, accept_request_id, accept_traceparent, continue_trace

TRACE, SPAN = "4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7"


@pytest.mark.parametrize("sent", ["a", "desk-7.B_c", "x" * 64])
def test_request_id__well_formed__is_kept(sent: str) -> None:
    assert accept_request_id(sent) == sent


@pytest.mark.parametrize("sent", [None, "", " ", "a b", "é", "x" * 65, "a\n"])
def test_request_id__anything_else__is_made(sent: str | None) -> None:
    assert re.fullmatch(r"[0-9a-f]{32}", accept_request_id(sent))


@pytest.mark.parametrize("sent", [f"00-{TRACE}-{SPAN}-01", f"01-{TRACE}-{SPAN}-01-more"])
def test_traceparent__valid__keeps_the_trace_with_a_new_span(sent: str) -> None:
    answered = accept_traceparent(sent)

    assert re.fullmatch(rf"00-{TRACE}-[0-9a-f]{{16}}-01", answered)
    assert SPAN not in answered


@pytest.mark.parametrize(
    "sent",
    [None, "", f"ff-{TRACE}-{SPAN}-01", f"00-{'0' * 32}-{SPAN}-01", f"00-{TRACE}-{'0' * 16}-01", f"00-{TRACE}-{SPAN}"],
)
def test_traceparent__missing_or_invalid__is_made(sent: str | None) -> None:
    answered = accept_traceparent(sent)

    assert re.fullmatch(r"00-[0-9a-f]{32}-[0-9a-f]{16}-01", answered)
    assert TRACE not in answered
    assert "0" * 16 not in answered


def test_continue_trace__inside_another__ends_with_it_also_on_errors() -> None:
    def fail() -> None:
        with continue_trace():
            raise OSError(traceparent())

    with continue_trace(f"00-{TRACE}-{SPAN}-01"):
        before = traceparent()
        with pytest.raises(OSError, match="00-") as caught:
            fail()
        after = traceparent()

    assert before == after
    assert before[3:35] == TRACE
    assert before != f"00-{TRACE}-{SPAN}-01"
    assert TRACE not in str(caught.value)
    assert [len(before), len(str(caught.value))] == [TRACEPARENT_LENGTH] * 2
    assert traceparent() == ""
