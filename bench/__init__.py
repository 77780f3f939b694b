"""What Bookwell does in a second, beside what the machine could: `python -m bench --help`.

One run starts a throw-away MariaDB, fills a catalogue, starts every contender with two worker processes, and lets
`wrk` ask them in turns, so that a slow minute of the machine hits all alike. Figures are medians of the rounds, and
what counts are the ratios between rows of one run.
"""
