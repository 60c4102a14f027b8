"""Locks that hold across threads and processes, and check-outs with leases."""
