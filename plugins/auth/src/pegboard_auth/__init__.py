"""Accounts, sessions, tokens and API keys: says who asks, and keeps the others out."""
