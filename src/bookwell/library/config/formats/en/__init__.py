"""How the admin writes things in English."""
