"""Writes files so that a crash leaves the old content or the new."""
