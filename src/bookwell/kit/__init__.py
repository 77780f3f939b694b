"""Plumbing that every service uses. The core knows no framework, `adapters/` do; nothing here knows a service."""
