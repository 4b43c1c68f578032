"""Binding requests and answers: what passes, what does not, and what no datagram can do."""

import zlib

import aioice.stun
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rooms.media import stun

PASSWORD = b"a password of 24 letters"
TRANSACTION = bytes(range(12))
V4 = ("192.0.2.1", 4_242)


def ask(*, name: str = "ours:theirs", nominate: bool = True) -> bytes:
    return stun.ask(
        name=name,
        password=PASSWORD,
        transaction=TRANSACTION,
        priority=7,
        tie_breaker=1 << 63,
        nominate=nominate,
    )


def is_signed(datagram: bytes, password: bytes = PASSWORD) -> bool:
    request = stun.read_request(datagram)
    return request is not None and stun.is_signed(
        datagram, integrity_at=request.integrity_at, password=password
    )


def without(datagram: bytes, name: int) -> bytes:
    """Return the message without one attribute, with its length and its fingerprint made right again."""
    at, kept = 20, b""
    while at < len(datagram):
        end = at + 4 + (int.from_bytes(datagram[at + 2 : at + 4], "big") + 3 & ~3)
        if int.from_bytes(datagram[at : at + 2], "big") not in {name, 0x8028}:
            kept += datagram[at:end]
        at = end
    return fingerprinted(datagram[:2] + (len(kept) + 8).to_bytes(2, "big") + datagram[4:20] + kept)


def fingerprinted(message: bytes) -> bytes:
    return message + b"\x80\x28\x00\x04" + (zlib.crc32(message) ^ 0x5354554E).to_bytes(4, "big")


@pytest.mark.parametrize("nominate", [True, False])
def test_a_request_says_for_whom_it_is_and_whether_it_nominates(nominate: bool) -> None:  # noqa: FBT001
    request = stun.read_request(ask(nominate=nominate))
    assert request is not None
    assert (request.us, request.them, request.transaction) == ("ours", "theirs", TRANSACTION)
    assert request.nominates == nominate


def test_only_the_password_signs_and_every_signed_byte_counts() -> None:
    datagram = ask()
    assert is_signed(datagram)
    assert not is_signed(datagram, b"another password, or so.")
    request = stun.read_request(datagram)
    assert request is not None
    for at in range(8, request.integrity_at + 24):
        changed = datagram[:at] + bytes([datagram[at] ^ 1]) + datagram[at + 1 : -8]
        assert not is_signed(fingerprinted(changed)), at


@pytest.mark.parametrize(
    "datagram",
    [
        pytest.param(without(ask(), 0x0006), id="no USERNAME"),
        pytest.param(without(ask(), 0x0008), id="no MESSAGE-INTEGRITY"),
        pytest.param(without(ask(), 0x0024), id="no PRIORITY"),
        pytest.param(ask()[:-8], id="no FINGERPRINT"),
        pytest.param(ask()[:-1] + b"\x00", id="a wrong FINGERPRINT"),
        pytest.param(ask(name="ours"), id="one half of a name"),
        pytest.param(ask() + b"\x00" * 4, id="something behind it"),
        pytest.param(b"\x01\x01" + ask()[2:], id="an answer"),
        pytest.param(
            stun.answer(TRANSACTION, address=V4, password=PASSWORD), id="an answer that is well made"
        ),
        pytest.param(b"", id="nothing"),
    ],
)
def test_what_is_no_whole_request_is_none(datagram: bytes) -> None:
    assert stun.read_request(datagram) is None


def test_an_attribute_that_must_be_understood_and_is_not_makes_it_none() -> None:
    message = ask()
    for name, passes in ((0x0099, False), (0xC057, True)):
        body = name.to_bytes(2, "big") + b"\x00\x04abcd" + message[20:-8]
        length = (len(body) + 8).to_bytes(2, "big")
        assert (
            stun.read_request(fingerprinted(message[:2] + length + message[4:20] + body)) is None
        ) != passes


@pytest.mark.parametrize(
    ("address", "told"),
    [
        (V4, V4),
        (("::ffff:192.0.2.1", 4_242, 0, 0), V4),
        (("2001:db8::7", 9, 0, 0), ("2001:db8::7", 9)),
        (("fe80::1%eth0", 9, 0, 2), ("fe80::1", 9)),
    ],
)
def test_an_answer_says_where_the_request_came_from(address: stun.Address, told: tuple[str, int]) -> None:
    answer = stun.answer(TRANSACTION, address=address, password=PASSWORD)
    assert stun.read_answer(answer, password=PASSWORD) == stun.Answer(TRANSACTION, told)
    assert stun.read_answer(answer, password=b"another") is None
    assert stun.read_answer(answer[:-8], password=PASSWORD) is None
    assert aioice.stun.parse_message(answer).attributes["XOR-MAPPED-ADDRESS"] == told


def test_another_implementation_reads_what_we_ask() -> None:
    read = aioice.stun.parse_message(ask())
    read.attributes.pop("MESSAGE-INTEGRITY")
    read.attributes.pop("FINGERPRINT")
    assert read.attributes == {
        "USERNAME": "ours:theirs",
        "PRIORITY": 7,
        "ICE-CONTROLLING": 1 << 63,
        "USE-CANDIDATE": None,
    }


@given(ours=st.integers(4, 256), theirs=st.integers(4, 256), nominate=st.booleans(), v6=st.booleans())
def test_an_answer_is_never_larger_than_its_request(ours: int, theirs: int, nominate: bool, v6: bool) -> None:  # noqa: FBT001
    request = ask(name=f"{'a' * ours}:{'b' * theirs}", nominate=nominate)
    shortest = without(without(request, 0x802A), 0x0025)  # what read_request still takes
    answer = stun.answer(TRANSACTION, address=("2001:db8::1", 9, 0, 0) if v6 else V4, password=PASSWORD)
    assert stun.read_request(shortest) is not None
    if len(stun.new_name()) <= ours:  # the name we gave
        assert len(answer) <= len(shortest)


@given(st.binary(max_size=200))
@settings(max_examples=300)
def test_no_datagram_makes_it_stumble(datagram: bytes) -> None:
    assert stun.read_request(datagram) is None
    assert stun.read_answer(datagram, password=PASSWORD) is None


@given(at=st.integers(0, 200), cut=st.integers(0, 30), put=st.binary(max_size=30), name=st.booleans())
@settings(max_examples=300)
def test_however_a_request_is_broken_it_is_none_or_still_well_made(
    at: int,
    cut: int,
    put: bytes,
    name: bool,  # noqa: FBT001
) -> None:
    whole = ask() if name else stun.answer(TRANSACTION, address=V4, password=PASSWORD)
    message = whole[:at] + put + whole[at + cut :]
    message = message[:2] + (max(len(message) - 12, 0)).to_bytes(2, "big") + message[4:-8]
    datagram = fingerprinted(message)
    request = stun.read_request(datagram)
    assert request is None or request.integrity_at + 24 <= len(datagram)
    assert stun.read_answer(datagram, password=b"another") is None


def test_names_and_passwords_are_of_the_letters_that_ice_allows_and_never_the_same() -> None:
    made = {stun.new_name() for _ in range(100)} | {stun.new_password() for _ in range(100)}
    assert len(made) == 200
    assert {len(one) for one in made} == {8, 24}
    assert all(letter.isalnum() or letter in "+/" for one in made for letter in one)
