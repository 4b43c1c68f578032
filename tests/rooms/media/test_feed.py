import pytest
from hypothesis import given
from hypothesis import strategies as st

from rooms.media.feed import BadTick, Tick, pack, unpack

names = st.text(min_size=1, max_size=40)
packets = st.binary(max_size=700)
ticks = st.builds(
    Tick,
    room=names,
    source=st.integers(0, 2**64 - 1),
    number=st.integers(0, 2**64 - 1),
    frames=st.integers(1, 3),
    house=packets,
    own=st.dictionaries(names, packets, max_size=20),
)


@given(ticks)
def test_what_was_packed_is_unpacked(tick: Tick) -> None:
    assert unpack(pack(tick)) == tick


@given(ticks, st.integers(0, 10_000))
def test_a_datagram_that_was_cut_short_is_refused(tick: Tick, cut: int) -> None:
    whole = pack(tick)
    with pytest.raises(BadTick):
        unpack(whole[: cut % len(whole)])


@given(st.binary(max_size=200))
def test_noise_is_a_tick_or_is_refused(noise: bytes) -> None:
    try:
        tick = unpack(noise)
    except BadTick:
        return
    assert pack(tick) == noise


def test_a_datagram_with_something_behind_it_is_refused() -> None:
    with pytest.raises(BadTick):
        unpack(pack(Tick("r", 1, 2, 1, b"x")) + b"y")
