"""Caches the answers of exports in memory and on disk: bounded, single flight, never pickled."""
