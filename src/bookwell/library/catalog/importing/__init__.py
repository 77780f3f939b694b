"""Importing catalogues: CSV and MARC21 files become records, records become books, the rest is reported.

A file is read as a stream and stored in batches, each a transaction of its own. Nothing is remembered between runs
but the books: each keeps the digest of the record it came from, so that a file that is imported again, or whose
import was killed, is read from its beginning and changes only what differs.
"""
