"""One room's packets on their way to everybody who listens: written once, protected for each, sent together.

Only the sender process has these. A key that has protected a packet never meets its sequence number again,
because numbers only go up and nothing here outlives the process.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final

import numpy as np

from rooms.media import pipe, rtcp, srtp
from rooms.media.datagrams import CHUNK, NAME_BYTES, ROW, Names, Sheet
from rooms.media.feed import Tick
from rooms.media.timeline import Timeline

REPORT_SECONDS: Final = 5.0
QUIET_SECONDS: Final = 0.2  # without a mix; then something is sent, so that the line is not taken for dead
FEWEST_REPORTS: Final = 8  # at a time, in a room that has as many
# Fullband CELT, 20 ms, mono, silent (RFC 6716 §3.1, §4.3): a shorter one a decoder would take for a loss,
# and go on with the last tone.
NOTHING: Final = b"\xf8\xff\xfe"
_HEAD_BYTES: Final = 12


@dataclass(slots=True)
class Member:
    """One listener. `at` is its place in its group, or -1 while it is in none."""

    id: int
    seat: str
    group: "Group"
    context: srtp.Pointer
    name: bytes
    at: int = -1
    flowing: bool = False


class Group:
    """Those whose packets are alike before they are protected, and equally long after it."""

    def __init__(self, payload_type: int) -> None:
        self.payload_type = payload_type
        self.members: list[Member] = []
        self.contexts: list[srtp.Pointer] = []
        self.names: Names = np.zeros((4, NAME_BYTES), np.uint8)
        self._due = 0.0  # reports
        self._turn = 0  # whose report is next

    def add(self, member: Member) -> None:
        member.at = len(self.members)
        if member.at == len(self.names):
            self.names = np.concatenate([self.names, np.zeros_like(self.names)])
        self.members.append(member)
        self.contexts.append(member.context)
        self.rename(member)

    def rename(self, member: Member) -> None:
        self.names[member.at] = np.frombuffer(member.name, np.uint8)

    def take_out(self, member: Member) -> None:
        """Remove a member; the last one takes its place."""
        last, at = self.members[-1], member.at
        self.members[at], self.contexts[at], last.at = last, self.contexts[-1], at
        self.names[at] = self.names[len(self.members) - 1]
        self.members.pop()
        self.contexts.pop()
        member.at = -1

    def due(self, seconds: float) -> tuple[int, int]:
        """Return the range of those whose report is due, `seconds` after it was last asked."""
        count = len(self.members)
        self._due += count * seconds / REPORT_SECONDS
        if self._due < max(1, min(count, FEWEST_REPORTS)):
            return 0, 0
        start = self._turn if self._turn < count else 0
        end = min(start + int(self._due), start + CHUNK, count)
        self._turn, self._due = end, min(self._due - (end - start), float(CHUNK))
        return start, end


class Press:
    """The memory and the socket through which every packet of a process goes, one chunk at a time."""

    def __init__(self, out: int, family: int) -> None:
        self.sheet = Sheet(family)
        self.packets = 0
        self.control_packets = 0
        self.octets = 0
        self._out = out
        self._rows = srtp.pointers(self.sheet.rows.ctypes.data, count=CHUNK, apart=ROW)
        self._lengths = srtp.int_pointers(self.sheet.lengths.ctypes.data, count=CHUNK)

    def send(self, contexts: Sequence[srtp.Pointer], names: Names) -> list[int]:
        """Protect and send what is on the sheet, row by row; return the rows that could not be protected."""
        broken = self._send(srtp.protect, contexts, names)
        self.packets += len(contexts) - len(broken)
        return broken

    def send_control(self, contexts: Sequence[srtp.Pointer], names: Names) -> None:
        """Do the same for RTCP."""
        self._send(srtp.protect_rtcp, contexts, names)
        self.control_packets += len(contexts)

    def send_bare(self, packet: bytes, name: bytes) -> None:
        """Send one packet as it is."""
        self.sheet.fill(packet, 1)
        self.sheet.address(_one(name))
        self.sheet.send(self._out, 0, 1)

    def _send(self, protect: srtp.Protect, contexts: Sequence[srtp.Pointer], names: Names) -> list[int]:
        sheet, count = self.sheet, len(contexts)
        sheet.address(names)
        if protect(contexts, self._rows, self._lengths):
            sheet.send(self._out, 0, count)
            self.octets += int(sheet.lengths[:count].sum())
            return []
        return self._send_whole(protect, contexts)

    def _send_whole(self, protect: srtp.Protect, contexts: Sequence[srtp.Pointer]) -> list[int]:
        """Go on behind each row that failed, so that nothing bare is ever sent."""
        sheet, count, broken = self.sheet, len(contexts), []
        start = 0
        while start < count:
            # The first row that has not grown is the one that failed; it was the last that was tried.
            bare = sheet.lengths[start:count] == sheet.plain_lengths[start:count]
            end = start + int(bare.argmax()) if bare.any() else count
            sheet.send(self._out, start, end)
            if end == count:
                break
            broken.append(end)
            start = end + 1
            protect(contexts[start:], self._rows[start:], self._lengths[start:])
        return broken


@dataclass
class Stream:
    """One room: its line of time, and who is sent what."""

    ssrc: int
    cname: str
    press: Press
    timeline: Timeline
    sent_at: float  # when the last packet was sent, or the stream made; seconds of the timeline's clock
    fed: bool = False  # since it was last looked at
    broken: list[int] = field(default_factory=list)  # members whose packets could not be protected
    started: list[int] = field(default_factory=list)  # members who were sent their first packet

    def __post_init__(self) -> None:
        self.members: dict[int, Member] = {}
        self._groups: dict[tuple[int, int], Group] = {}
        self._apart: dict[int, Member] = {}  # whose seat hears a mix of its own
        self._own: frozenset[str] = frozenset()
        self._held: list[Member] = []  # until the sequence number has wrapped
        self._silent: list[Member] = []  # who have been sent nothing yet
        self._reported_at = self._reported_apart_at = self.sent_at
        self._packets = 0  # of one listener; all get as many
        self._octets = 0

    def add(self, new: pipe.Add) -> None:
        """Let one more listen. Raises srtp.Broken."""
        profile = srtp.BY_NUMBER[new.profile]
        group = self._groups.setdefault((new.payload_type, new.profile), Group(new.payload_type))
        context = srtp.open_sending(profile, new.secret, ssrc=self.ssrc)
        member = self.members[new.listener] = Member(new.listener, new.seat, group, context, new.name)
        self._silent.append(member)
        if self.timeline.is_near_wrap:
            self._held.append(member)
        else:
            self._place(member)

    def move(self, listener: int, name: bytes) -> None:
        member = self.members[listener]
        member.name = name
        if member.at >= 0:
            member.group.rename(member)

    def remove(self, listener: int, last_words: bytes) -> None:
        """Say goodbye to a listener, and forget the key."""
        member = self.members.pop(listener)
        self._take_out(member)
        self.press.sheet.fill(rtcp.goodbye(ssrc=self.ssrc, cname=self.cname), 1)
        self.press.send_control([member.context], _one(member.name))
        if last_words:
            self.press.send_bare(last_words, member.name)
        srtp.close(member.context)

    def play(self, tick: Tick, *, at: float) -> bool:
        """Send one packet of the mix to everybody. False if it comes too late to be sent."""
        mark = self.timeline.mark(source=tick.source, number=tick.number, frames=tick.frames, at=at)
        if mark is None:
            return False
        self.fed = True
        if tick.own.keys() != self._own:
            self._part(frozenset(tick.own))
        self._send_own(mark, tick)
        self._send_house(mark, tick.house, at)
        return True

    def fill(self, *, at: float) -> None:
        """Send everybody a packet with nothing in it."""
        mark = self.timeline.fill(at=at)
        self._send_apart(mark, [NOTHING] * len(self._apart))
        self._send_house(mark, NOTHING, at)

    def report(self, *, at: float, unix: float) -> None:
        """Send those a sender report whose turn it is. `unix` is the same moment as `at` on the wall."""
        seconds, self._reported_at = min(at - self._reported_at, REPORT_SECONDS), at
        said = b""
        for group in self._groups.values():
            start, end = group.due(seconds)
            if start < end:
                said = said or self._said(at, unix)
                self.press.sheet.fill(said, end - start)
                self.press.send_control(group.contexts[start:end], group.names[start:end])
        if self._apart and at - self._reported_apart_at >= REPORT_SECONDS:
            self._reported_apart_at = at
            self._report_apart(said or self._said(at, unix))

    def _report_apart(self, said: bytes) -> None:
        members = list(self._apart.values())[:CHUNK]
        self.press.sheet.fill(said, len(members))
        self.press.send_control([member.context for member in members], _names(members))

    def _said(self, at: float, unix: float) -> bytes:
        return rtcp.sender_report(
            ssrc=self.ssrc,
            cname=self.cname,
            at=unix,
            timestamp=self.timeline.stamp(at=at),
            packets=self._packets,
            octets=self._octets,
        )

    def _place(self, member: Member) -> None:
        if member.seat in self._own:
            self._apart[member.id] = member
        else:
            member.group.add(member)

    def _take_out(self, member: Member) -> None:
        if member.at >= 0:
            member.group.take_out(member)
        self._apart.pop(member.id, None)
        if not member.flowing:
            self._silent = [one for one in self._silent if one is not member]
            self._held = [one for one in self._held if one is not member]

    def _part(self, own: frozenset[str]) -> None:
        """Give those a mix of their own who have one by now, and the house's to those who had."""
        self._own = own
        apart, self._apart = self._apart, {}
        for member in apart.values():
            self._place(member)
        for group in self._groups.values():
            for member in [one for one in group.members if one.seat in own]:
                group.take_out(member)
                self._apart[member.id] = member

    def _send_own(self, mark: tuple[int, int], tick: Tick) -> None:
        if self._apart:
            self._send_apart(mark, [tick.own[member.seat] for member in self._apart.values()])

    def _send_apart(self, mark: tuple[int, int], payloads: list[bytes]) -> None:
        everybody = list(self._apart.values())
        for start in range(0, len(everybody), CHUNK):
            members = everybody[start : start + CHUNK]
            for row, (member, payload) in enumerate(zip(members, payloads[start:], strict=False)):
                self.press.sheet.put(row, self._head(mark, member.group.payload_type) + payload)
            broken = self.press.send([member.context for member in members], _names(members))
            self.broken += [members[row].id for row in broken]

    def _send_house(self, mark: tuple[int, int], payload: bytes, at: float) -> None:
        for group in self._groups.values():
            packet = self._head(mark, group.payload_type) + payload
            for start in range(0, len(group.members), CHUNK):
                end = min(start + CHUNK, len(group.members))
                self.press.sheet.fill(packet, end - start)
                broken = self.press.send(group.contexts[start:end], group.names[start:end])
                self.broken += [group.members[start + row].id for row in broken]
        self._packets += 1
        self._octets += len(payload)
        self.sent_at = at
        if self._silent:
            self._welcome()

    def _welcome(self) -> None:
        """Note who has just been sent a first packet, and let those in who waited for the wrap."""
        waiting = {member.id for member in self._held}
        begun = [member for member in self._silent if member.id not in waiting]
        for member in begun:
            member.flowing = True
        self.started += [member.id for member in begun]
        self._silent = list(self._held)
        if self._held and not self.timeline.is_near_wrap:
            for member in self._held:
                self._place(member)
            self._held = []

    def _head(self, mark: tuple[int, int], payload_type: int) -> bytes:
        """Return the RTP header (RFC 3550 §5.1)."""
        sequence, stamp = mark
        word = 0x8000_0000 | payload_type << 16 | sequence
        return (word << 64 | stamp << 32 | self.ssrc).to_bytes(_HEAD_BYTES, "big")


def _names(members: Sequence[Member]) -> Names:
    return np.frombuffer(b"".join(member.name for member in members), np.uint8).reshape(-1, NAME_BYTES)


def _one(name: bytes) -> Names:
    return np.frombuffer(name, np.uint8).reshape(1, NAME_BYTES)
