"""Watches mods and plugins and brings their changes live while the app serves."""
