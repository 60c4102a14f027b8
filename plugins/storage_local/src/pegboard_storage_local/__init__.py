"""Keeps the files of scopes on disk: durable, atomic, locked across processes."""
