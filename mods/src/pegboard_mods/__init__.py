"""Mods worth running: a chat, shared files, a clock that streams, and what runs here."""
