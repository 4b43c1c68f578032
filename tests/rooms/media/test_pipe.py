"""The messages between an edge and its sender."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rooms.media import pipe
from rooms.media.pipe import (
    Add,
    BadMessage,
    Beat,
    Figures,
    Flowing,
    Lost,
    Message,
    Move,
    Ping,
    Pong,
    Ready,
    Remove,
)

numbers = st.integers(0, 2**32 - 1)
names = st.text(max_size=40)
some = st.lists(numbers, max_size=40).map(tuple)
messages = st.one_of(
    st.builds(
        Add,
        listener=numbers,
        room=numbers,
        ssrc=numbers,
        payload_type=st.integers(0, 255),
        profile=st.integers(0, 65_535),
        secret=st.binary(max_size=30),
        name=st.binary(max_size=28),
        room_name=names,
        seat=names,
        cname=names,
    ),
    st.builds(Move, numbers, st.binary(max_size=28)),
    st.builds(Remove, numbers, st.binary(max_size=100)),
    st.builds(Ping, numbers),
    st.builds(Pong, numbers),
    st.builds(Ready, names),
    st.builds(Flowing, some),
    st.builds(Lost, some),
    st.builds(Beat, st.builds(Figures, packets=st.integers(0, 2**64 - 1)), some),
)


@given(messages)
def test_what_is_packed_is_unpacked_the_same(message: Message) -> None:
    assert pipe.unpack(pipe.pack(message)) == message


@given(messages, st.integers(1, 10))
def test_what_is_cut_short_is_refused_unless_it_is_a_shorter_list(message: Message, cut: int) -> None:
    packet = pipe.pack(message)[:-cut]
    try:
        shorter = pipe.unpack(packet)
    except BadMessage:
        return
    assert isinstance(shorter, Flowing | Lost | Beat)
    assert pipe.pack(shorter) == packet


@given(st.binary(max_size=200), st.sampled_from(b"AMRPprflb"))
def test_no_packet_makes_it_stumble(packet: bytes, kind: int) -> None:
    for one in (packet, bytes([kind]) + packet):
        try:
            message = pipe.unpack(one)
        except BadMessage:
            continue
        assert pipe.pack(message) == one


def test_the_largest_lists_fit_in_one_packet() -> None:
    most = tuple(range(pipe.MOST_NUMBERS))
    assert len(pipe.pack(Beat(Figures(), most))) <= pipe.MOST_BYTES


@pytest.mark.parametrize("packet", [b"", b"?", b"P", b"P12345"])
def test_what_is_none_of_ours_is_refused(packet: bytes) -> None:
    with pytest.raises(BadMessage):
        pipe.unpack(packet)
