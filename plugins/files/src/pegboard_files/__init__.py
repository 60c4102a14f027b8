"""Files that are safe: atomic writes, checksums, versions and backups."""
