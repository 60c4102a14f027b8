"""The settings of `[plugins.auth]`.

Annotations are not strings here: the types of a setting are those of this code, whichever module
has its name while it is reloaded.
"""

from typing import Annotated, Literal
from urllib.parse import urlsplit

import msgspec

from pegboard_auth._mail import MailServer
from pegboard_auth._rate import Rate

__all__ = ["AuthConfig", "ProviderConfig"]

MINUTE = 60.0
HOUR = 60 * MINUTE
DAY = 24 * HOUR

Seconds = Annotated[float, msgspec.Meta(gt=0)]
Count = Annotated[int, msgspec.Meta(ge=1)]


class ProviderConfig(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Somebody else who says who people are: `[plugins.auth.providers.NAME]`.

    Attributes:
        issuer: What it calls itself: `https://`, and where its description is found.
        client_id: What we are called there.
        client_secret: What shows that we are it; empty for a client without one.
        title: What people call it; the name of the section if there is none.
        scope: What we ask for.
        sign_up: Whether somebody unknown gets an account.
        by_mail: Whether a mail address that the provider has checked leads to who has it here.
    """

    issuer: str
    client_id: str
    client_secret: str = ""
    title: str = ""
    scope: str = "openid profile email"
    sign_up: bool = False
    by_mail: bool = False

    def __post_init__(self) -> None:
        """Refuse a provider that anybody on the way could play.

        Raises:
            ValueError: If it is not reached over TLS and not on this machine.
        """
        parts = urlsplit(self.issuer)
        is_here = parts.scheme == "http" and parts.hostname in {"127.0.0.1", "localhost", "::1"}
        if not parts.hostname or not (parts.scheme == "https" or is_here):
            msg = f"{self.issuer!r} is no issuer: write it like https://accounts.example.org"
            raise ValueError(msg)


class AuthConfig(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What can be set about accounts and sessions. Durations are seconds.

    Attributes:
        url: URL of a PostgreSQL database, `postgresql://user:password@host/name`, that several
            machines share; a SQLite file below the data folder if there is none.
        keys: File of the keys that sign, the same on all machines; `auth/keys.json` of the data
            folder if there is none.
        session_idle: Time without a request after which a cookie session has ended.
        session_lifetime: Time after which any session has ended, used or not.
        rotate_after: Age from which on the cookie of a session is replaced by a fresh one.
        access_lifetime: Time that a bearer token is good for.
        refresh_lifetime: Time that a refresh token is good for.
        link_lifetime: Time that a one-time link is good for.
        cookie_name: Name of the session cookie; over TLS it has the prefix `__Host-`.
        cookie_same_site: `strict` hides the cookie from every request that another site begins;
            `lax` shows it where a link of another site is followed.
        cookie_secure: Whether the cookie is for TLS only; `auto` decides by the request, so that a
            proxy in front which ends TLS calls for `always`.
        trusted_origins: Origins such as `https://admin.example.org`, besides our own, whose pages
            may act with the cookie of a user.
        mail_url: Server that takes mail, `smtp://user:password@host:587` with STARTTLS, or
            `smtps://` for TLS from the beginning; `smtp+plain://host` for one of this machine.
            Links are sent by mail then. Needs `mail_from` and `public_url`.
        mail_from: Who mail is from, such as `Board <board@example.org>`.
        mails_per_account: Mails that one account is sent, whoever asks for them.
        providers: Where else people may sign in, by OpenID Connect, by names of ours.
        public_url: Where people reach this server, such as `https://example.org/app`: what links
            begin with. Empty for the address that is asked, on the command line for the one that
            the section `[serve]` names.
        sign_up: Whether anybody may make an account.
        password_min: Fewest characters of a password.
        password_threads: Most passwords that are checked at once, each with `argon2_memory`.
        password_queue: Most sign-ins that wait for that; more are answered with 503.
        argon2_memory: KiB of memory that one check takes.
        argon2_time: Passes over that memory.
        argon2_lanes: Threads that one check computes with.
        attempts_per_client: Sign-ins that may be tried from one client address.
        attempts_per_account: Sign-ins that may be tried for one name by devices that have never
            signed in to it; those that have are counted each for itself.
        max_sessions: Most sessions of one account; a further one ends the oldest.
        max_keys: Most API keys of one account.
        cached_sessions: Sessions that each worker keeps in memory.
        audit_days: Days that the audit trail is kept.
    """

    url: str = ""
    keys: str = ""
    session_idle: Seconds = 7 * DAY
    session_lifetime: Seconds = 30 * DAY
    rotate_after: Seconds = HOUR
    access_lifetime: Seconds = 10 * MINUTE
    refresh_lifetime: Seconds = 30 * DAY
    link_lifetime: Seconds = HOUR
    cookie_name: Annotated[str, msgspec.Meta(pattern=r"^[A-Za-z0-9_.-]{1,64}$")] = (
        "pegboard_session"
    )
    cookie_same_site: Literal["strict", "lax"] = "strict"
    cookie_secure: Literal["auto", "always", "never"] = "auto"
    trusted_origins: tuple[str, ...] = ()
    mail_url: str = ""
    mail_from: str = ""
    mails_per_account: str = "5/h"
    providers: dict[str, ProviderConfig] = {}
    public_url: str = ""
    sign_up: bool = False
    password_min: Annotated[int, msgspec.Meta(ge=8, le=256)] = 10
    password_threads: Count = 2
    password_queue: Count = 64
    argon2_memory: Annotated[int, msgspec.Meta(ge=8)] = 65_536
    argon2_time: Count = 3
    argon2_lanes: Count = 1
    attempts_per_client: str = "30/min"
    attempts_per_account: str = "10/min"
    max_sessions: Count = 50
    max_keys: Count = 20
    cached_sessions: Count = 10_000
    audit_days: Count = 90

    def __post_init__(self) -> None:
        """Refuse rates, origins and servers that nobody could mean.

        Raises:
            ValueError: If one of them is malformed, or needs another setting.
        """
        for text in (self.attempts_per_client, self.attempts_per_account, self.mails_per_account):
            Rate.parse(text)
        if self.mail_url:
            MailServer.parse(self.mail_url)
        if self.mail_url and not (self.mail_from and self.public_url):
            msg = "mail_url needs mail_from and public_url: what mail is from and its links lead to"
            raise ValueError(msg)
        if self.providers and not self.public_url:
            msg = "providers need public_url: where they send people back to"
            raise ValueError(msg)
        for origin in self.trusted_origins:
            if not origin.startswith(("http://", "https://")) or origin.count("/") != 2:
                msg = f"{origin!r} is no origin: write it like https://example.org"
                raise ValueError(msg)
