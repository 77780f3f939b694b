"""How a service of an installation is known by the others where no person stands behind a request.

Its key is derived from the secret that all of them share (`BOOKWELL_SECRET_KEY`). It opens nothing: it says by whom
anonymous requests are sent, so that they are not counted as one stranger's.
"""

import hmac

__all__ = ["SERVICE_HEADER", "is_service_key", "service_key"]

SERVICE_HEADER = "X-Bookwell-Service"


def service_key(secret: str, service: str) -> str:
    """What `service` sends in `SERVICE_HEADER`."""
    return hmac.digest(secret.encode(), f"bookwell service {service}".encode(), "sha256").hex()


def is_service_key(sent: str | None, secret: str, service: str) -> bool:
    """Whether a header is the service's key."""
    return sent is not None and hmac.compare_digest(sent.encode(), service_key(secret, service).encode())
