import re

import pytest

from bookwell.kit.tracing import accept_request_id, accept_traceparent

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
