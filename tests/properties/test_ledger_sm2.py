"""SM2 against the standard's own example and against OpenSSL, both ways; what is no key is refused."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import (
    decode_dss_signature,
    encode_dss_signature,
)
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from hypothesis import given, settings, strategies as st

from jinsuan.ledger import sm2
from jinsuan.ledger.chain import SIGNED_AS
from jinsuan.ledger.signing import (
    Ed25519Checker,
    Ed25519Signer,
    Sm2Checker,
    Sm2Signer,
    checker_of,
    new_private_pem,
    signer_of,
)
from tests.flows.seal_keys import SM2_WAY, openssl, private_pem, why_no_openssl

HEAD = bytes(range(32))
with_openssl = pytest.mark.skipif(bool(why_no_openssl()), reason=why_no_openssl())

# GB/T 32918.5-2017, appendix A.2.
POINT = bytes.fromhex(
    "0409F9DF311E5421A150DD7D161E4BC5C672179FAD1833FC076BB08FF356F35020"
    "CCEA490CE26775A52DC6EA718CC1AA600AED05FBF35E084A6632F6072DA9AD13"
)
SECRET = bytes.fromhex("3945208F7B2144B13F36E38AC6D39F95889393692860B51A42FB81EF4DF7C5B8")
R = 0xF5A03B0648D2C4630EEAC513E1BB81A15944DA3827D5B74143AC7EACEEE720B3
S = 0xB1B6AA29DF212FD8763182BC0D421CA1BB9038FD1F7F42D4840B69C485BBC1AA


def test_the_example_of_the_standard_is_good_and_its_neighbours_are_not() -> None:
    key = sm2.PublicKey(POINT)
    assert key.good(b"message digest", encode_dss_signature(R, S))
    assert not key.good(b"message digesu", encode_dss_signature(R, S))
    assert not key.good(b"message digest", encode_dss_signature(R, S + 1))
    assert not key.good(b"message digest", encode_dss_signature(S, R))


def test_the_example_s_secret_has_its_point_and_signs() -> None:
    key = sm2.PrivateKey(SECRET, sm2.PublicKey(POINT))
    assert key.public.good(b"x", key.sign(b"x"))
    assert SECRET.hex() not in repr(key)
    pem = _private(SECRET, POINT)
    assert sm2.PrivateKey.from_pem(pem) == key


def _private(secret: bytes, point: bytes) -> bytes:
    old = sm2.PrivateKey.from_pem(private_pem("sm2"))
    der = sm2._der(private_pem("sm2"), b"PRIVATE KEY")
    return sm2._pem(der.replace(old.secret, secret).replace(old.public.point, point), "PRIVATE KEY")


def test_a_key_is_what_its_file_says() -> None:
    assert isinstance(signer_of(new_private_pem()), Ed25519Signer)
    signer = signer_of(private_pem("sm2"))
    assert isinstance(signer, Sm2Signer)
    assert isinstance(checker_of(signer.public_pem), Sm2Checker)
    assert isinstance(checker_of(signer_of(new_private_pem()).public_pem), Ed25519Checker)
    assert checker_of(signer.public_pem).key_id == signer.key_id
    assert signer.key_id != signer_of(private_pem("sm2", 1)).key_id


GOOD = signer_of(private_pem("sm2")).sign(HEAD)


def test_words_around_a_key_do_not_matter() -> None:
    signer = signer_of(b"our key:\n" + private_pem("sm2") + b"\nkeep it safe\n")
    assert checker_of(b"# theirs\n" + signer.public_pem).key_id == signer.key_id


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 69), st.integers(1, 255))
def test_no_other_bytes_are_a_good_signature(place: int, change: int) -> None:
    checker = checker_of(signer_of(private_pem("sm2")).public_pem)
    signature = bytearray(GOOD)
    assert checker.good(HEAD, bytes(signature))
    signature[place % len(signature)] ^= change
    assert not checker.good(HEAD, bytes(signature))


def test_a_signature_spelled_otherwise_is_refused() -> None:
    signer = signer_of(private_pem("sm2"))
    checker = checker_of(signer.public_pem)
    r, s = decode_dss_signature(signer.sign(HEAD))
    for other in ((r, s + sm2._N), (r + sm2._N, s), (0, s), (r, 0), (r, sm2._N - r)):
        assert not checker.good(HEAD, encode_dss_signature(*other))
    good = encode_dss_signature(r, s)
    for spelled in (b"", good + b"\0", b"\x30\x81" + good[1:], b"\xff" * 70):
        assert not checker.good(HEAD, spelled)


P256 = ec.generate_private_key(ec.SECP256R1()).private_bytes(
    Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()
)
OTHER = sm2.PrivateKey.from_pem(private_pem("sm2", 1)).public.point


@pytest.mark.parametrize(
    "pem",
    [
        _private(SECRET, OTHER),
        _private(bytes(32), POINT),
        _private((sm2._N - 1).to_bytes(32, "big"), POINT),
        private_pem("sm2")[:-40],
        private_pem("sm2").replace(b"PRIVATE KEY", b"EC PRIVATE KEY"),
        signer_of(private_pem("sm2")).public_pem,
        private_pem("ed25519").replace(b"PRIVATE", b"PUBLIC"),
        P256,
        b"",
        b"-----BEGIN PRIVATE KEY-----\n",
    ],
    ids=[
        "other point",
        "zero",
        "order",
        "cut",
        "label",
        "public",
        "ed25519",
        "p256",
        "empty",
        "begin",
    ],
)
def test_what_is_no_private_key_is_refused(pem: bytes) -> None:
    with pytest.raises(ValueError, match=r"."):
        signer_of(pem)


@pytest.mark.parametrize(
    "point", [POINT[:-1], POINT + b"\0", POINT[:-1] + b"\x14", b"\2" + POINT[1:]]
)
def test_what_is_no_point_is_no_public_key(point: bytes) -> None:
    with pytest.raises(ValueError, match=r"point|curve"):
        checker_of(sm2._pem(sm2._PUBLIC + point, "PUBLIC KEY"))


def test_without_the_package_the_error_says_what_to_install(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    private, public = private_pem("sm2"), signer_of(private_pem("sm2")).public_pem
    monkeypatch.setitem(sys.modules, "gmalg", None)
    for act in (
        lambda: signer_of(private),
        lambda: checker_of(public),
        lambda: new_private_pem("sm2"),
    ):
        with pytest.raises(sm2.Sm2Missing, match=r"pip install \"jinsuan\[sm\]\""):
            act()
    assert signer_of(new_private_pem()).sign(HEAD)


@with_openssl
def test_openssl_reads_our_keys_and_finds_our_signature_good(tmp_path: Path) -> None:
    signer = signer_of(private_pem("sm2"))
    key, public, message = tmp_path / "key.pem", tmp_path / "public.pem", tmp_path / "message"
    key.write_bytes(private_pem("sm2"))
    public.write_bytes(signer.public_pem)
    message.write_bytes(SIGNED_AS + HEAD)
    assert openssl("pkey", "-in", key, "-pubout").stdout == signer.public_pem
    assert openssl("pkey", "-in", key).stdout == private_pem("sm2")

    signature = tmp_path / "signature"
    verify = ("pkeyutl", "-verify", "-pubin", "-inkey", public, *SM2_WAY, "-in", message)
    signature.write_bytes(signer.sign(HEAD))
    assert openssl(*verify, "-sigfile", signature).returncode == 0
    signature.write_bytes(signer.sign(HEAD[::-1]))
    assert openssl(*verify, "-sigfile", signature).returncode == 1


@with_openssl
def test_keys_and_signatures_of_openssl_are_good_here(tmp_path: Path) -> None:
    key, message, out = tmp_path / "key.pem", tmp_path / "message", tmp_path / "signature"
    message.write_bytes(SIGNED_AS + HEAD)
    for _ in range(3):
        assert openssl("genpkey", "-algorithm", "SM2", "-out", key).returncode == 0
        public = openssl("pkey", "-in", key, "-pubout").stdout
        signed = openssl("pkeyutl", "-sign", "-inkey", key, *SM2_WAY, "-in", message, "-out", out)
        assert signed.returncode == 0, signed.stderr
        signer, checker = signer_of(key.read_bytes()), checker_of(public)
        assert signer.public_pem == public and signer.key_id == checker.key_id
        assert checker.good(HEAD, out.read_bytes())
        assert not checker.good(HEAD[::-1], out.read_bytes())
        assert checker.good(HEAD, signer.sign(HEAD))
