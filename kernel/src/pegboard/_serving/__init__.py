"""Serving an app: from the bound socket and the worker processes to the log and the banner."""
