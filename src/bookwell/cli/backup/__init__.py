"""`bookwell backup` and `bookwell restore`: the databases, and what the data folder holds besides.

The order is what makes a backup of several databases one: services first, the notifier last. Whatever a service's rows
say was handed over is then in the notifier's copy, and what comes again after a restore is known there.
"""
