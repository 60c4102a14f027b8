"""Keeps the files of scopes in S3-compatible object storage or in Redis, with a durable outbox."""

from pegboard_storage_cloud._store import CloudStatistics, CloudStore

__all__ = ["CloudStatistics", "CloudStore"]
