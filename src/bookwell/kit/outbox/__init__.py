"""The outbox: what a change has to tell, as rows of its own transaction, and the relay that brings them out."""

from bookwell.kit.outbox.messages import OutgoingMessage

__all__ = ["OutgoingMessage"]
