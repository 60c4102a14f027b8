"""The typed objects that hooks answer with, one short file each.

A hook is asked once, when something is registered or opened; the work then goes through one of
these objects by ordinary Python calls.
"""
