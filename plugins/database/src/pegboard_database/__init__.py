"""SQLite for plugins that keep records."""
