"""Measure Pegboard beside its peers, in turn, within one run on one machine.

Run as ``python -m benchmarks``; ``README.md`` says how to read the tables.
"""
