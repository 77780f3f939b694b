"""Libraries that run Koha, through its REST API."""

from bookwell.partners.adapters.koha.adapter import KohaAdapter
from bookwell.partners.adapters.koha.options import KohaOptions
from bookwell.partners.adapters.protocol import AdapterKind

__all__ = ["KIND"]

KIND = AdapterKind(KohaOptions, KohaAdapter)
