"""Keeps the files of scopes in S3-compatible object storage or in Redis, with a durable outbox."""
