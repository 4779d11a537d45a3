"""Who gets in with which token: everything that is not exactly right is an InvalidToken, and says so without it."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import time
from itertools import count
from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1, generate_private_key
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_pem_private_key,
)
from hypothesis import given
from hypothesis import strategies as st

from wallcrawler.tokens import AUDIENCES, LEEWAY, Audience, InvalidToken, Signer, Verifier

SIGNER = Signer.generate()
VERIFIER = Verifier(SIGNER.verify_keys)

#: Tokens are checked against the real time of day; these are issued around it.
NOW = time.time()


def mint(session_id: str = "session-1", audience: Audience = "cdp", *, by: Signer = SIGNER) -> str:
    return by.mint(session_id, audience, issued_at=NOW - 1000, expires_at=NOW + 600)


def forged(header: dict[str, Any], claims: dict[str, Any], sign: Any = lambda _: b"") -> str:
    """A token put together by hand."""
    parts = [base64.urlsafe_b64encode(json.dumps(part).encode()).rstrip(b"=") for part in (header, claims)]
    parts.append(base64.urlsafe_b64encode(sign(b".".join(parts))).rstrip(b"="))
    return b".".join(parts).decode()


CLAIMS = {"sub": "session-1", "aud": "cdp", "iat": int(NOW) - 1000, "exp": int(NOW) + 600}


def refused(token: str, *, session_id: str | None = "session-1", audiences: tuple[Audience, ...] = AUDIENCES) -> str:
    """Why this token opens nothing. The token is not in the text, and no part of it."""
    with pytest.raises(InvalidToken) as invalid:
        VERIFIER.verify(token, session_id=session_id, audiences=audiences)
    text = f"{invalid.value!r} {invalid.value.__cause__!r}"
    assert not any(part in text for part in token.split(".") if len(part) > 4)
    assert invalid.value.__suppress_context__ or invalid.value.__context__ is None
    return str(invalid.value)


@pytest.mark.parametrize("audience", AUDIENCES)
def test_what_was_minted_is_verified(audience: Audience) -> None:
    """With the public keys alone, for the session and the use that it was minted for."""
    claims = VERIFIER.verify(mint(audience=audience), session_id="session-1", audiences=[audience])

    assert (claims.session_id, claims.audience, claims.expires_at) == ("session-1", audience, int(NOW + 600))


def test_a_verifier_needs_no_private_key() -> None:
    """All that a guest gets is 32 public bytes under a name."""
    [(kid, key)] = SIGNER.verify_keys.items()

    assert len(base64.urlsafe_b64decode(key + "=")) == 32
    assert not hasattr(VERIFIER, "mint")
    assert kid == jwt.get_unverified_header(mint())["kid"]


def test_the_same_session_gets_the_same_token() -> None:
    """None is stored; a client may come back with the URL that it has."""
    assert mint() == mint()
    assert mint() != mint("session-2")
    assert mint() != mint(audience="view")


def test_a_signer_is_the_same_after_a_restart() -> None:
    """From its PEM it mints and verifies what it did before."""
    again = Signer.from_pem(SIGNER.pem())

    assert mint(by=again) == mint()
    assert again.verify_keys == SIGNER.verify_keys


def test_a_key_of_another_kind_is_refused_at_the_start() -> None:
    """And not at the first token."""
    elliptic = generate_private_key(SECP256R1()).private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())

    with pytest.raises(ValueError, match="not Ed25519"):
        Signer.from_pem(elliptic)


def test_keys_can_be_rotated() -> None:
    """While both are known, tokens of the old and the new key pass."""
    new = Signer.generate()
    both = Verifier({**SIGNER.verify_keys, **new.verify_keys})

    for token in (mint(), mint(by=new)):
        assert both.verify(token, session_id="session-1", audiences=["cdp"]).session_id == "session-1"


def test_older_keys_verify_and_the_first_one_signs() -> None:
    """One text holds them all, so that a deployment rotates by putting a new one in front."""
    new = Signer.generate()
    rotated = Signer.from_pem(new.pem() + b"\n" + SIGNER.pem())

    assert mint(by=rotated) == mint(by=new)
    assert rotated.verify_keys == {**new.verify_keys, **SIGNER.verify_keys}
    assert Verifier(rotated.verify_keys).verify(mint(), session_id="session-1", audiences=["cdp"])


@pytest.mark.parametrize(
    "pem", [b"", b" \n", b"no key at all", b"-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----"]
)
def test_a_text_that_holds_no_key_is_refused_without_being_quoted(pem: bytes) -> None:
    """It may be half a key."""
    with pytest.raises(ValueError, match="signing key") as refused:
        Signer.from_pem(pem)

    assert "AAAA" not in str(refused.value)


def test_a_token_of_another_session_opens_nothing() -> None:
    """Although it is good, and signed by us: the guest is bound to its own session."""
    assert refused(mint("session-2")) == "the token is for another session"
    assert VERIFIER.verify(mint("session-2"), session_id=None, audiences=AUDIENCES).session_id == "session-2"


@pytest.mark.parametrize("audience", AUDIENCES)
def test_a_token_is_for_one_use(audience: Audience) -> None:
    """Who may look may not drive, who drives may not report, and so on round."""
    others = tuple(other for other in AUDIENCES if other != audience)

    assert refused(mint(audience=audience), audiences=others) == "the token is for another use"


def test_a_token_expires_but_clocks_may_differ_a_little() -> None:
    """Within the leeway it passes, beyond it is expired."""
    now = time.time()
    just, long_ago = (SIGNER.mint("session-1", "cdp", issued_at=NOW, expires_at=now - ago) for ago in (1, LEEWAY + 2))

    assert VERIFIER.verify(just, session_id="session-1", audiences=["cdp"]).session_id == "session-1"
    assert refused(long_ago) == "the token has expired"


@pytest.mark.parametrize("length", [0, 1, 10, 0.5, -1, -10])
def test_a_truncated_token_opens_nothing(length: float) -> None:
    """Cut anywhere, it is not valid."""
    token = mint()

    refused(token[: int(length) if isinstance(length, int) else int(len(token) * length)])


@pytest.mark.parametrize("algorithm", ["none", "None", "NONE"])
def test_an_unsigned_token_opens_nothing(algorithm: str) -> None:
    """Whoever can write JSON could else drive every browser."""
    refused(forged({"alg": algorithm, "typ": "JWT", "kid": SIGNER.kid}, CLAIMS))


@pytest.mark.parametrize("key", ["text", "bytes"])
def test_a_token_that_is_signed_with_the_public_key_opens_nothing(key: str) -> None:
    """alg=HS256 with what everybody knows as its secret."""
    public = SIGNER.verify_keys[SIGNER.kid]
    secret = public.encode() if key == "text" else base64.urlsafe_b64decode(public + "=")

    refused(
        forged(
            {"alg": "HS256", "typ": "JWT", "kid": SIGNER.kid},
            CLAIMS,
            lambda signed: hmac.new(secret, signed, hashlib.sha256).digest(),
        )
    )


def test_a_token_of_a_foreign_key_opens_nothing() -> None:
    """Neither under its own name nor under ours."""
    stranger = Ed25519PrivateKey.generate()
    under_our_name = jwt.encode(CLAIMS, stranger, algorithm="EdDSA", headers={"kid": SIGNER.kid})
    without_name = jwt.encode(CLAIMS, stranger, algorithm="EdDSA")

    assert refused(mint(by=Signer.generate())) == "the token was signed with an unknown key"
    assert refused(under_our_name) == "the token is not valid"
    assert refused(without_name) == "the token was signed with an unknown key"


@pytest.mark.parametrize("missing", list(CLAIMS))
def test_a_token_that_leaves_something_out_opens_nothing(missing: str) -> None:
    """Even one that we signed: no claim has a default."""
    claims = {name: value for name, value in CLAIMS.items() if name != missing}

    refused(signed_by_us(claims))


@pytest.mark.parametrize(
    "wrong", [{"sub": 7}, {"sub": None}, {"exp": "tomorrow"}, {"iat": "today"}, {"aud": 7}, {"aud": None}]
)
def test_a_claim_of_another_type_opens_nothing(wrong: dict[str, Any]) -> None:
    """It is refused and does not break the guest."""
    refused(signed_by_us(CLAIMS | wrong))


def signed_by_us(claims: dict[str, Any]) -> str:
    """Claims that Signer.mint would never sign, signed with its key all the same."""
    key = load_pem_private_key(SIGNER.pem(), password=None)
    assert isinstance(key, Ed25519PrivateKey)
    return forged({"alg": "EdDSA", "typ": "JWT", "kid": SIGNER.kid}, claims, key.sign)


@pytest.mark.parametrize(
    "token",
    [
        "",
        ".",
        "..",
        "...",
        "a.b.c",
        "null",
        "Bearer x",
        forged({}, {}),
        forged({"kid": SIGNER.kid}, CLAIMS),
        forged({"alg": "EdDSA", "kid": [SIGNER.kid]}, CLAIMS),
        forged({"alg": "EdDSA", "kid": {}}, CLAIMS),
        forged({"alg": 7, "kid": SIGNER.kid}, CLAIMS),
        forged({"alg": "EdDSA", "kid": SIGNER.kid, "crit": ["everything"]}, CLAIMS),
        base64.urlsafe_b64encode(b"[]").decode() + ".e30.",
        "é.é.é",
        "A" * 100_000,
    ],
    ids=count(),
)
def test_garbage_opens_nothing(token: str) -> None:
    """Whatever a stranger sends is refused, and raises nothing else."""
    refused(token)


@given(token=st.text() | st.from_regex(r"[\w-]{0,20}\.[\w-]{0,20}\.[\w-]{0,20}", fullmatch=True))
def test_no_text_at_all_opens_anything(token: str) -> None:
    """The same for what nobody thought of."""
    with pytest.raises(InvalidToken):
        VERIFIER.verify(token, session_id=None, audiences=AUDIENCES)


@given(data=st.data())
def test_a_token_with_one_character_changed_opens_nothing(data: st.DataObject) -> None:
    """Header, claims and signature are each covered, but for base64's unused last bits."""
    token = mint()
    index = data.draw(st.integers(0, len(token) - 2))
    letters = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
    other = data.draw(st.sampled_from(letters).filter(lambda letter: letter != token[index]))

    with pytest.raises(InvalidToken):
        VERIFIER.verify(token[:index] + other + token[index + 1 :], session_id="session-1", audiences=AUDIENCES)
