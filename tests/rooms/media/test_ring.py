import pytest
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey

from rooms.media.ring import MOST_BYTES, MOST_SEATS, Kept, NotSealed, Ring, open_sealed

KEY = X25519PrivateKey.generate()
PRIVATE, PUBLIC = KEY.private_bytes_raw(), KEY.public_key().public_bytes_raw()


def opened(ring: Ring) -> dict[str, list[Kept]]:
    return open_sealed(PRIVATE, ring.seal(PUBLIC)).speakers


def test_what_was_sealed_is_what_came_speaker_by_speaker() -> None:
    ring = Ring()
    ring.put("ada", b"one", timestamp=960, at=1.0)
    ring.put("ben", b"", timestamp=2**32 - 1, at=1.5)
    ring.put("ada", b"two", timestamp=1_920, at=2.0)
    assert opened(ring) == {
        "ben": [Kept(1.5, 2**32 - 1, b"")],
        "ada": [Kept(1.0, 960, b"one"), Kept(2.0, 1_920, b"two")],
    }


def test_five_minutes_are_kept_and_no_more() -> None:
    ring = Ring()
    for second in range(400):
        ring.put("ada", b"x", timestamp=second, at=float(second))
    assert [kept.at for kept in opened(ring)["ada"]] == [float(second) for second in range(99, 400)]


def test_who_has_fallen_silent_is_forgotten_in_time_too() -> None:
    ring = Ring()
    ring.put("ada", b"x", timestamp=0, at=0.0)
    ring.put("ben", b"y", timestamp=0, at=200.0)
    ring.put("ben", b"y", timestamp=0, at=301.0)
    one_left = list(opened(ring))
    ring.trim(now=602.0)
    assert (one_left, opened(ring)) == (["ben"], {})


def test_octets_and_seats_are_bounded() -> None:
    ring = Ring()
    for number in range(2 * MOST_SEATS):
        ring.put(f"seat-{number}", bytes(100), timestamp=0, at=0.0)
    assert list(opened(ring)) == [f"seat-{number}" for number in range(MOST_SEATS, 2 * MOST_SEATS)]
    for number in range(5_000):
        ring.put("loud", bytes(1_275), timestamp=number, at=1.0)
    assert ring.octets <= MOST_BYTES + MOST_SEATS * 200
    assert opened(ring)["loud"][-1].timestamp == 4_999


def test_dropped_it_is_empty() -> None:
    ring = Ring()
    ring.put("ada", b"x", timestamp=0, at=0.0)
    ring.drop()
    assert (opened(ring), ring.octets) == ({}, 0)


def test_nothing_of_it_can_be_read_in_the_blob_and_no_two_blobs_are_alike() -> None:
    ring = Ring()
    ring.put("ada-at-the-microphone", b"opus" * 50, timestamp=0, at=0.0)
    one, other = ring.seal(PUBLIC), ring.seal(PUBLIC)
    assert b"ada" not in one
    assert b"opus" not in one
    assert one[8:40] != other[8:40]
    assert one[52:] != other[52:]


@pytest.mark.parametrize("octet", [0, 8, 39, 40, 51, 52, -1])
def test_a_blob_with_one_changed_octet_is_refused(octet: int) -> None:
    ring = Ring()
    ring.put("ada", b"x", timestamp=0, at=0.0)
    blob = bytearray(ring.seal(PUBLIC))
    blob[octet] ^= 1
    with pytest.raises(NotSealed):
        open_sealed(PRIVATE, bytes(blob))


@pytest.mark.parametrize("blob", [b"", b"STAGERG1", b"STAGERG1" + bytes(60)])
def test_what_is_no_blob_is_refused(blob: bytes) -> None:
    with pytest.raises(NotSealed):
        open_sealed(PRIVATE, blob)


def test_another_key_does_not_open_it() -> None:
    with pytest.raises(NotSealed):
        open_sealed(X25519PrivateKey.generate().private_bytes_raw(), Ring().seal(PUBLIC))


def test_what_is_no_key_seals_nothing() -> None:
    with pytest.raises(ValueError, match="32"):
        Ring().seal(b"short")
