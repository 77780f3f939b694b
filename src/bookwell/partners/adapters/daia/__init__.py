"""Libraries that speak DAIA (availability), and PAIA (holds) where they gave us an account."""

from bookwell.partners.adapters.daia.adapter import DaiaAdapter
from bookwell.partners.adapters.daia.options import DaiaOptions
from bookwell.partners.adapters.protocol import AdapterKind

__all__ = ["KIND"]

KIND = AdapterKind(DaiaOptions, DaiaAdapter)
