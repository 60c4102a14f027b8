"""Signed tokens: what a forger may try."""

import base64
import json

import jwt
import pytest

from pegboard_auth._token import Claims, SigningKey, TokenCodec, TokenError

NOW = 1_800_000_000.0
OLD, NEW = SigningKey("k1", b"o" * 32), SigningKey("k2", b"n" * 32)
CODEC = TokenCodec("here", [NEW, OLD])
CLAIMS = Claims(use="access", sid="s1", uid="u1", issued=NOW, expires=NOW + 600)


def encoded(value):
    return base64.urlsafe_b64encode(json.dumps(value).encode()).rstrip(b"=").decode()


def test_what_was_signed_is_read_again():
    assert CODEC.check(CODEC.sign(CLAIMS), "access", NOW) == CLAIMS


def test_a_token_of_an_older_key_is_good_until_the_key_is_gone():
    token = TokenCodec("here", [OLD]).sign(CLAIMS)
    assert CODEC.check(token, "access", NOW) == CLAIMS
    with pytest.raises(TokenError, match="key"):
        TokenCodec("here", [NEW]).check(token, "access", NOW)
    dated = SigningKey("k1", OLD.secret, until=NOW)
    assert TokenCodec("here", [NEW, dated]).check(token, "access", NOW - 1) == CLAIMS
    with pytest.raises(TokenError, match="key"):
        TokenCodec("here", [NEW, dated]).check(token, "access", NOW)


def test_another_reader_of_tokens_agrees_about_them():
    audience = "pegboard:here:access"
    said = jwt.decode(
        CODEC.sign(CLAIMS),
        NEW.secret,
        ["HS256"],
        audience=audience,
        options={"verify_iat": False, "require": ["exp", "jti"]},
    )
    assert (said["sid"], said["sub"], said["exp"]) == ("s1", "u1", NOW + 600)


def test_a_header_that_nobody_knows_is_refused():
    payload = jwt.decode(CODEC.sign(CLAIMS), options={"verify_signature": False})
    for header in (
        {"crit": ["x"], "x": 1},
        {"jwk": {}},
        {"jku": "https://evil.example"},
        {"b64": False},
    ):
        known = {"kid": "k2", "typ": "access+jwt"}
        token = jwt.encode(payload, NEW.secret, "HS256", headers={**known, **header})
        with pytest.raises(TokenError):
            CODEC.check(token, "access", NOW)


def test_two_tokens_that_say_the_same_differ():
    assert CODEC.sign(CLAIMS) != CODEC.sign(CLAIMS)


@pytest.mark.parametrize("use", ["session", "device"])
def test_a_token_for_one_use_is_none_for_another(use):
    with pytest.raises(TokenError):
        CODEC.check(CODEC.sign(CLAIMS), use, NOW)


@pytest.mark.parametrize("use", ["session", "access"])
def test_the_audience_is_checked_beside_the_type(use):
    payload = jwt.decode(CODEC.sign(CLAIMS), options={"verify_signature": False})
    payload["aud"] = "pegboard:here:device"
    for aud in ("pegboard:here:device", ["pegboard:here:access", "pegboard:here:session"]):
        header = {"kid": "k2", "typ": f"{use}+jwt"}
        token = jwt.encode({**payload, "aud": aud}, NEW.secret, "HS256", headers=header)
        with pytest.raises(TokenError):
            CODEC.check(token, use, NOW)


def test_a_token_of_another_installation_with_the_same_key_is_refused():
    token = TokenCodec("elsewhere", [NEW]).sign(CLAIMS)
    with pytest.raises(TokenError):
        CODEC.check(token, "access", NOW)


def test_a_token_ends():
    token = CODEC.sign(CLAIMS)
    assert CODEC.check(token, "access", NOW + 599)
    with pytest.raises(TokenError, match="ended"):
        CODEC.check(token, "access", NOW + 600)


def test_a_token_from_the_future_is_refused():
    with pytest.raises(TokenError, match="future"):
        CODEC.check(CODEC.sign(CLAIMS), "access", NOW - 3600)


@pytest.mark.parametrize("alg", ["none", "None", "NONE", "HS512", "RS256", "ES256", "", None])
def test_no_other_algorithm_is_accepted(alg):
    _, payload, signature = CODEC.sign(CLAIMS).split(".")
    head = encoded({"alg": alg, "typ": "access+jwt", "kid": "k2"})
    for forged in (f"{head}.{payload}.{signature}", f"{head}.{payload}."):
        with pytest.raises(TokenError):
            CODEC.check(forged, "access", NOW)


def test_a_good_signature_of_another_algorithm_is_refused():
    payload = jwt.decode(CODEC.sign(CLAIMS), options={"verify_signature": False})
    header = {"kid": "k2", "typ": "access+jwt"}
    for algorithm in ("HS384", "HS512"):
        token = jwt.encode(payload, NEW.secret * 2, algorithm, headers=header)
        with pytest.raises(TokenError):
            CODEC.check(token, "access", NOW)


def test_every_changed_character_is_noticed():
    token = CODEC.sign(CLAIMS)
    for place in range(0, len(token), 7):
        other = "A" if token[place] != "A" else "B"
        with pytest.raises(TokenError):
            CODEC.check(token[:place] + other + token[place + 1 :], "access", NOW)


@pytest.mark.parametrize("missing", ["sub", "sid", "exp", "iat", "aud", "jti"])
def test_each_claim_has_to_be_there(missing):
    payload = jwt.decode(CODEC.sign(CLAIMS), options={"verify_signature": False})
    del payload[missing]
    token = jwt.encode(payload, NEW.secret, "HS256", headers={"kid": "k2", "typ": "access+jwt"})
    with pytest.raises(TokenError):
        CODEC.check(token, "access", NOW)


@pytest.mark.parametrize("text", ["", ".", "..", "a.b.c", "x" * 5000, "é.é.é", "null", "\x00"])
def test_what_is_no_token_is_refused_and_nothing_else_is_raised(text):
    with pytest.raises(TokenError):
        CODEC.check(text, "access", NOW)


def test_a_key_does_not_show_its_secret():
    assert "nnn" not in repr(NEW)
