"""Tracks jobs and runs durable ones: nested, crash-proof, on SQLite or PostgreSQL."""
