"""The frameworks' side of the plumbing."""
