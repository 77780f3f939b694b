"""The state of a book in other libraries: asked of all at once, within one budget, and remembered."""
