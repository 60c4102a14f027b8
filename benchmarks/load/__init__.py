"""Processes that send load to a server over loopback."""
