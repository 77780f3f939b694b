"""How the admin writes things, by language."""
