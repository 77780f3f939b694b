"""Headers that answers of every service have alike."""

__all__ = ["API_POLICY", "HSTS", "PAGE_POLICY", "VARY"]

API_POLICY = "default-src 'none'; frame-ancestors 'none'"
"""The Content-Security-Policy of what is no page."""

PAGE_POLICY = (
    "default-src 'none'; style-src 'self'; img-src 'self' data:; base-uri 'none'; form-action 'self'; "
    "frame-ancestors 'none'"
)
"""The one of a page without scripts, whose forms go to its own service."""

HSTS = "max-age=31536000; includeSubDomains"
VARY = "Accept, Authorization"
