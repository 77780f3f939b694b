-- The notifier has a database of its own beside that of tables.
CREATE DATABASE notifier;
