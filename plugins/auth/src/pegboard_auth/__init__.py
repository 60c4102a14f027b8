"""Accounts, sessions, tokens and API keys: says who asks, and keeps the others out."""

from pegboard_auth._accounts import Accounts
from pegboard_auth._admission import Tokens
from pegboard_auth._record import Account, AuditEvent, KeyRecord, SessionRecord
from pegboard_auth._trail import Actor

__all__ = [
    "Account",
    "Accounts",
    "Actor",
    "AuditEvent",
    "KeyRecord",
    "SessionRecord",
    "Tokens",
]
