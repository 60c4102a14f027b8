"""The programs measured: each file is one way to do the same work."""
