"""Adapters to the protocols of other libraries: one folder each, all behind `protocol.Adapter`."""
