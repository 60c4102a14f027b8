"""A small OpenID provider for tests, strict about what a client has to send.

It signs everybody in as `user` at once. What it puts into an ID token may be changed by `forge`,
and how it is signed by `sign`, for tests of what a client has to refuse.
"""

import base64
import json
import secrets
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from hashlib import sha256
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, unquote, urlencode, urlsplit

import jwt
from cryptography.hazmat.primitives.asymmetric import ec, rsa

CLIENT, SECRET = "board", "s3cret:with/signs"
LIFETIME = 300


class OidcServer:
    """One provider.

    Attributes:
        issuer: Its address.
        user: What it says of whoever signs in.
        redirects: Addresses that the client has registered.
        forge: Changes the claims of an ID token.
        sign: Makes an ID token of its claims, in place of the key.
        keys: What it publishes.
        asked: Paths that were asked for.
    """

    def __init__(self, port: int) -> None:
        self.issuer = f"http://127.0.0.1:{port}"
        self.user: dict[str, Any] = {
            "sub": "u-1",
            "preferred_username": "Ada",
            "email": "a@b.example",
        }
        self.redirects: set[str] = set()
        self.forge: Callable[[dict[str, Any]], None] = lambda _: None
        self.sign: Callable[[dict[str, Any]], str] = self.signed
        self.asked: list[str] = []
        self._codes: dict[str, dict[str, str]] = {}
        self.rotate("k1", "RS256")

    def rotate(self, name: str, algorithm: str) -> None:
        """Sign with a new key, and publish that one alone."""
        self._name, self._algorithm = name, algorithm
        if algorithm == "RS256":
            self.key: Any = rsa.generate_private_key(65537, 2048)
            shown = jwt.algorithms.RSAAlgorithm.to_jwk(self.key.public_key(), as_dict=True)
        else:
            self.key = ec.generate_private_key(ec.SECP256R1())
            shown = jwt.algorithms.ECAlgorithm.to_jwk(self.key.public_key(), as_dict=True)
        self.keys = {"keys": [{**shown, "kid": name, "use": "sig"}]}

    def signed(self, claims: dict[str, Any]) -> str:
        return jwt.encode(claims, self.key, self._algorithm, headers={"kid": self._name})

    def metadata(self) -> dict[str, Any]:
        return {
            "issuer": self.issuer,
            "authorization_endpoint": f"{self.issuer}/authorize",
            "token_endpoint": f"{self.issuer}/token",
            "jwks_uri": f"{self.issuer}/keys",
            "authorization_response_iss_parameter_supported": True,
        }

    def authorize(self, query: dict[str, str]) -> str:
        """Return where a browser goes back to."""
        assert query["client_id"] == CLIENT, query
        assert query["response_type"] == "code", query
        assert query["code_challenge_method"] == "S256", query
        assert query["redirect_uri"] in self.redirects, query
        assert "openid" in query["scope"].split(), query
        code = secrets.token_urlsafe(16)
        self._codes[code] = query
        answer = {"code": code, "state": query["state"], "iss": self.issuer}
        return f"{query['redirect_uri']}?{urlencode(answer)}"

    def token(self, form: dict[str, str], login: str) -> dict[str, Any] | None:
        """Exchange a code, once, for who has asked for it."""
        given = base64.b64decode(login.removeprefix("Basic ")).decode().partition(":")
        asked = self._codes.pop(form.get("code", ""), None)
        if asked is None or (unquote(given[0]), unquote(given[2])) != (CLIENT, SECRET):
            return None
        digest = sha256(form["code_verifier"].encode()).digest()
        challenge = base64.urlsafe_b64encode(digest).rstrip(b"=").decode()
        if challenge != asked["code_challenge"] or form["redirect_uri"] != asked["redirect_uri"]:
            return None
        now = int(time.time())
        claims = {"iss": self.issuer, "aud": CLIENT, "iat": now, "exp": now + LIFETIME}
        claims |= {"nonce": asked["nonce"], **self.user}
        self.forge(claims)
        return {"access_token": "unused", "token_type": "Bearer", "id_token": self.sign(claims)}


@contextmanager
def running_oidc() -> Iterator[OidcServer]:
    """Run a provider while the block runs."""
    listener = ThreadingHTTPServer(("127.0.0.1", 0), _Handler)
    listener.daemon_threads = True
    listener.provider = OidcServer(listener.server_port)  # type: ignore[attr-defined]  # ours
    thread = threading.Thread(target=listener.serve_forever, args=(0.02,), daemon=True)
    thread.start()
    try:
        yield listener.provider  # type: ignore[attr-defined]  # ours
    finally:
        listener.shutdown()
        listener.server_close()
        thread.join()


class _Handler(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        provider: OidcServer = self.server.provider  # type: ignore[attr-defined]  # ours
        url = urlsplit(self.path)
        provider.asked.append(url.path)
        if url.path == "/.well-known/openid-configuration":
            self._answer(200, provider.metadata())
        elif url.path == "/keys":
            self._answer(200, provider.keys)
        elif url.path == "/authorize":
            query = {name: each[0] for name, each in parse_qs(url.query).items()}
            self.send_response(302)
            self.send_header("location", provider.authorize(query))
            self.end_headers()
        else:
            self._answer(404, {})

    def do_POST(self) -> None:
        provider: OidcServer = self.server.provider  # type: ignore[attr-defined]  # ours
        provider.asked.append(self.path)
        body = self.rfile.read(int(self.headers["content-length"])).decode()
        form = {name: each[0] for name, each in parse_qs(body).items()}
        answer = provider.token(form, self.headers.get("authorization", ""))
        self._answer(200 if answer else 400, answer or {"error": "invalid_grant"})

    def _answer(self, status: int, content: dict[str, Any]) -> None:
        body = json.dumps(content).encode()
        self.send_response(status)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *args: Any) -> None:
        """Say nothing."""
