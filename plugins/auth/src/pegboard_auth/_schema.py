"""The tables. Times are seconds since 1970; of secrets only hashes are kept."""

from __future__ import annotations

from pegboard_database import Schema

__all__ = ["SCHEMA"]

_FIRST = """
create table accounts (
    uid text primary key,
    name text not null,
    name_key text not null unique,
    level integer not null,
    password text,
    disabled_at real,
    created_at real not null
) strict, without rowid;

create view accounts_shown as
    select uid, name, name_key, level, password is not null as has_password,
        disabled_at is not null as disabled, created_at
    from accounts;

create table sessions (
    sid text primary key,
    uid text not null references accounts on delete cascade,
    kind text not null,
    created_at real not null,
    seen_at real not null,
    expires_at real not null,
    client text not null,
    agent text not null,
    ended_at real,
    ended_why text
) strict, without rowid;
create index sessions_of on sessions (uid, ended_at, seen_at);
create index sessions_by_end on sessions (expires_at);

create table refresh_tokens (
    id text primary key,
    sid text not null references sessions on delete cascade,
    digest blob not null,
    expires_at real not null,
    used_at real
) strict, without rowid;
create index refresh_tokens_of on refresh_tokens (sid);

create table api_keys (
    id text primary key,
    uid text not null references accounts on delete cascade,
    title text not null,
    digest blob not null,
    level integer not null,
    scopes text not null,
    created_at real not null,
    expires_at real,
    ended_at real
) strict, without rowid;
create index api_keys_of on api_keys (uid);

create table links (
    id text primary key,
    uid text references accounts on delete cascade,
    purpose text not null,
    digest blob not null,
    expires_at real not null,
    used_at real
) strict, without rowid;

create table attempts (
    subject text primary key,
    full_until real not null
) strict, without rowid;
create index attempts_by_end on attempts (full_until);

create table changes (
    seq integer primary key autoincrement,
    subject text not null,
    at real not null
) strict;

create table audit (
    id integer primary key autoincrement,
    at real not null,
    event text not null,
    uid text not null,
    actor text not null,
    client text not null,
    detail text not null
) strict;
create index audit_by_time on audit (at);
"""

_SECOND = """
create table change_count (value integer not null);
insert into change_count select coalesce(max(seq), 0) from changes;

alter table accounts add column mail text;
alter table accounts add column mail_key text;
create unique index accounts_by_mail on accounts (mail_key);
drop view accounts_shown;
create view accounts_shown as
    select uid, name, name_key, level, password is not null as has_password,
        disabled_at is not null as disabled, created_at, mail
    from accounts;

alter table sessions add column own text not null default '{}';
alter table links add column detail text not null default '';

create table identities (
    issuer text not null,
    subject text not null,
    uid text not null references accounts on delete cascade,
    created_at real not null,
    primary key (issuer, subject)
) strict, without rowid;
create index identities_of on identities (uid);
create index api_keys_by_end on api_keys (expires_at);
"""
"""Since then: changes numbered without gaps, mail, values of mods, accounts at other providers."""

SCHEMA = Schema("auth", [_FIRST, _SECOND])
"""All of them."""
