import asyncio

import pytest

from benchmarks.relay import Address, Harm, Luck, NoWay, open_relay, without_candidates

ANSWER = (
    "m=audio 9 UDP/TLS/RTP/SAVPF 96\r\n"
    "a=candidate:one 1 udp 2130706431 127.0.0.1 {port} typ host\r\n"
    "a=candidate:two 1 udp 2130706431 ::1 4001 typ host\r\n"
    "a=end-of-candidates\r\n"
)
STUN, DTLS, RTCP, RTP = b"\x00\x01" + b"." * 20, b"\x16\xfe" + b"." * 20, b"\x80\xc9....", b"\x80\x60...."


def delays(harm: Harm, packets: int = 2_000) -> list[float | None]:
    luck = Luck(harm)
    return [luck.delay(number * 0.02) for number in range(packets)]


def test_the_same_seed_does_the_same_harm() -> None:
    harm = Harm(loss=0.1, jitter_ms=30.0, reorder=0.05, seed=4)

    assert delays(harm) == delays(harm)
    assert delays(harm) != delays(Harm(loss=0.1, jitter_ms=30.0, reorder=0.05, seed=5))


def test_the_share_of_loss_is_what_was_asked_for() -> None:
    assert delays(Harm(loss=0.1)).count(None) / 2_000 == pytest.approx(0.1, abs=0.02)


@pytest.mark.parametrize(("tail", "most"), [(False, 0.16), (True, 0.24)])
def test_jitter_alone_keeps_the_order_and_holds_nobody_too_long(*, tail: bool, most: float) -> None:
    held = delays(Harm(jitter_ms=80.0, tail=tail))
    arrivals = [number * 0.02 + (delay or 0.0) for number, delay in enumerate(held)]

    assert arrivals == sorted(arrivals)
    assert 0.95 * most < max(delay or 0.0 for delay in held) <= most + 1e-9


def test_what_goes_the_long_way_round_is_overtaken() -> None:
    held = delays(Harm(reorder=0.05))
    late = [delay for delay in held if delay]

    assert len(late) / len(held) == pytest.approx(0.05, abs=0.02)
    assert min(late) > 0.02


def test_jitter_does_not_change_which_packets_are_lost() -> None:
    lost = [number for number, delay in enumerate(delays(Harm(loss=0.05))) if delay is None]
    with_jitter = delays(Harm(loss=0.05, jitter_ms=80.0, reorder=0.1))

    assert [number for number, delay in enumerate(with_jitter) if delay is None] == lost


def test_an_offer_without_candidates_shows_no_way_past_the_relay() -> None:
    assert without_candidates(ANSWER) == "m=audio 9 UDP/TLS/RTP/SAVPF 96\r\n"


@pytest.mark.asyncio
async def test_only_what_a_client_sends_as_rtp_is_harmed() -> None:
    loop = asyncio.get_running_loop()
    server, client = Far(), Far()
    served, _ = await loop.create_datagram_endpoint(lambda: server, local_addr=("127.0.0.1", 0))
    port = served.get_extra_info("sockname")[1]
    answer, relay = await open_relay(ANSWER.format(port=port), Harm(loss=1.0))
    (near,) = [line.split()[5] for line in answer.splitlines() if line.startswith("a=candidate:")]
    away, _ = await loop.create_datagram_endpoint(lambda: client, remote_addr=("127.0.0.1", int(near)))
    for packet in (RTP, STUN, RTP, DTLS, RTCP):
        away.sendto(packet)
    async with asyncio.timeout(5):
        came = [await server.came.get() for _ in range(3)]
    served.sendto(RTP, came[0][1])
    async with asyncio.timeout(5):
        back = await client.came.get()
    for transport in (served, away):
        transport.close()
    relay.close()

    assert [packet for packet, _ in came] == [STUN, DTLS, RTCP]
    assert back[0] == RTP


@pytest.mark.asyncio
async def test_an_answer_that_names_no_address_is_refused() -> None:
    with pytest.raises(NoWay):
        await open_relay("m=audio 9 UDP/TLS/RTP/SAVPF 96\r\n", Harm())


class Far(asyncio.DatagramProtocol):
    def __init__(self) -> None:
        self.came: asyncio.Queue[tuple[bytes, Address]] = asyncio.Queue()

    def datagram_received(self, data: bytes, addr: Address) -> None:
        self.came.put_nowait((data, addr))
