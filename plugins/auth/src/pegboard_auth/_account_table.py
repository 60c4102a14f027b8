"""Accounts in the database."""

from __future__ import annotations

import secrets

import msgspec

from pegboard.errors import ConflictError, InputError, NotFoundError
from pegboard_auth._policy import name_key
from pegboard_auth._record import Account
from pegboard_auth._trail import note_change
from pegboard_database import Changes, ConstraintError, Rows

__all__ = [
    "Hashed",
    "add_account",
    "all_accounts",
    "everybody",
    "find_account",
    "find_by_mail",
    "find_hashed",
    "find_reachable",
    "get_account",
    "has_admin",
    "is_taken",
    "set_disabled",
    "set_level",
    "set_mail",
    "set_password",
]

ADMIN = 10


class Hashed(msgspec.Struct, frozen=True):
    """What a sign-in is checked against.

    Attributes:
        account: The account.
        password: Hash of the password, None without one.
    """

    account: Account
    password: str | None


def add_account(
    transaction: Changes, name: str, *, level: int, password: str | None, now: float
) -> Account:
    """Make an account.

    Raises:
        ConflictError: If the name, or one that looks like it, is taken.
    """
    uid = secrets.token_hex(12)
    try:
        transaction.execute(
            "insert into accounts (uid, name, name_key, level, password, created_at)"
            " values (?, ?, ?, ?, ?, ?)",
            uid,
            name,
            name_key(name),
            level,
            password,
            now,
        )
    except ConstraintError as error:
        msg = f"the name {name!r} is taken"
        raise ConflictError(msg) from error
    return get_account(transaction, uid)


def get_account(snapshot: Rows, uid: str) -> Account:
    """Return an account.

    Raises:
        NotFoundError: If there is none.
    """
    found = snapshot.first_as(Account, "select * from accounts_shown where uid = ?", uid)
    if found is None:
        msg = "there is no such account"
        raise NotFoundError(msg)
    return found


def find_account(snapshot: Rows, name: str) -> Account:
    """Return the account of a name.

    Raises:
        NotFoundError: If there is none.
    """
    query = "select * from accounts_shown where name_key = ?"
    found = snapshot.first_as(Account, query, name_key(name))
    if found is None:
        msg = f"there is no account {name!r}"
        raise NotFoundError(msg)
    return found


def find_hashed(snapshot: Rows, name: str) -> Hashed | None:
    """Return the account of a name with its hash, None where there is none."""
    row = snapshot.first("select uid, password from accounts where name_key = ?", name_key(name))
    return None if row is None else Hashed(get_account(snapshot, row[0]), row[1])


def all_accounts(snapshot: Rows) -> list[Account]:
    """Return all accounts, by name."""
    return snapshot.all_as(Account, "select * from accounts_shown order by name_key")


def everybody(snapshot: Rows) -> list[str]:
    """Return the identities of all accounts."""
    return [uid for (uid,) in snapshot.all("select uid from accounts")]


def has_admin(snapshot: Rows) -> bool:
    """Whether somebody can administer: has the level, a way in, and is not disabled."""
    query = """select 1 from accounts a where level >= ? and disabled_at is null
        and (password is not null or exists (select 1 from identities i where i.uid = a.uid))
        limit 1"""
    return snapshot.first(query, ADMIN) is not None


def set_level(transaction: Changes, uid: str, level: int, *, now: float) -> Account:
    """Change a level.

    Raises:
        NotFoundError: If there is no such account.
        InputError: If nobody could administer any more.
    """
    account = get_account(transaction, uid)
    transaction.execute("update accounts set level = ? where uid = ?", level, uid)
    _keep_an_admin(transaction, account)
    note_change(transaction, uid, now)
    return get_account(transaction, uid)


def set_disabled(transaction: Changes, uid: str, *, disabled: bool, now: float) -> Account:
    """Keep an account out, or let it in again.

    Raises:
        NotFoundError: If there is no such account.
        InputError: If nobody could administer any more.
    """
    account = get_account(transaction, uid)
    moment = now if disabled else None
    transaction.execute("update accounts set disabled_at = ? where uid = ?", moment, uid)
    _keep_an_admin(transaction, account)
    note_change(transaction, uid, now)
    return get_account(transaction, uid)


def set_password(transaction: Changes, uid: str, password: str | None) -> None:
    """Keep the hash of another password, None for none."""
    transaction.execute("update accounts set password = ? where uid = ?", password, uid)


def set_mail(transaction: Changes, uid: str, mail: str | None) -> Account:
    """Note where an account gets mail, None for nowhere.

    Raises:
        NotFoundError: If there is no such account.
        ConflictError: If another account has the address.
    """
    update = "update accounts set mail = ?, mail_key = ? where uid = ?"
    try:
        transaction.execute(update, mail, None if mail is None else name_key(mail), uid)
    except ConstraintError as error:
        raise ConflictError("another account has this mail address") from error
    return get_account(transaction, uid)


def find_by_mail(snapshot: Rows, mail: str) -> Account | None:
    """Return the account that gets mail at an address, None where there is none."""
    query = "select * from accounts_shown where uid = (select uid from accounts where mail_key = ?)"
    return snapshot.first_as(Account, query, name_key(mail))


def find_reachable(snapshot: Rows, name: str) -> Account | None:
    """Return the account of a name or mail address, if it gets mail and may sign in."""
    query = "select * from accounts_shown where name_key = ?"
    named = snapshot.first_as(Account, query, name_key(name))
    found = named if named is not None and named.mail else find_by_mail(snapshot, name)
    return found if found is not None and not found.disabled else None


def is_taken(snapshot: Rows, name: str) -> bool:
    """Whether an account has a name, or one that looks like it."""
    query = "select 1 from accounts where name_key = ?"
    return snapshot.first(query, name_key(name)) is not None


def _keep_an_admin(transaction: Changes, before: Account) -> None:
    was_admin = before.level >= ADMIN and not before.disabled and before.has_password
    if was_admin and not has_admin(transaction):
        msg = "nobody could administer any more: make another administrator first"
        raise InputError(msg)
