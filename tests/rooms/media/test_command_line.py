"""The command line of the media processes, and what the environment says where it does not."""

import os

import pytest

from rooms.media import __main__ as command
from rooms.media import crew, machine

SETTINGS = ("BIND_IP", "PORT", "PUBLIC_IPS", "EDGES", "MIXERS", "LISTENERS_PER_EDGE", "METRICS_PORT")


@pytest.fixture(autouse=True)
def _bare_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in SETTINGS:
        monkeypatch.delenv(f"MEDIA_{name}", raising=False)
    monkeypatch.setenv("REDIS_URL", "redis://here")


def members(*words: str) -> list[tuple[str, int, dict[str, str]]]:
    """Return (role, number, options) of each member of the crew that the command line asks for."""
    crew_of = command.crew_of(command.arguments(["crew", *words]))
    return [
        (one.role, one.number, dict(zip(one.arguments[::2], one.arguments[1::2], strict=True)))
        for one in crew_of
    ]


def test_a_crew_is_two_mixers_and_as_many_edges_as_the_cores_allow() -> None:
    roles = [role for role, _, _ in members()]
    assert roles == ["mixer"] * 2 + ["edge"] * crew.pairs_for(os.cpu_count() or 1)


def test_the_environment_says_what_the_command_line_does_not(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MEDIA_BIND_IP", "127.0.0.1")
    monkeypatch.setenv("MEDIA_PUBLIC_IPS", "203.0.113.5, 2001:db8::5")
    monkeypatch.setenv("MEDIA_PORT", "40000")
    monkeypatch.setenv("MEDIA_EDGES", "2")
    monkeypatch.setenv("MEDIA_MIXERS", "1")
    monkeypatch.setenv("MEDIA_LISTENERS_PER_EDGE", "500")
    monkeypatch.setenv("MEDIA_METRICS_PORT", "9100")

    said = {"--bind-ip": "127.0.0.1", "--public-ip": "203.0.113.5,2001:db8::5"}
    assert members() == [
        ("mixer", 0, {**said, "--metrics-port": "9100"}),
        ("edge", 0, {**said, "--port": "40000", "--listeners": "500", "--metrics-port": "9101"}),
        ("edge", 1, {**said, "--port": "40001", "--listeners": "500", "--metrics-port": "9102"}),
    ]


def test_the_command_line_wins_over_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MEDIA_EDGES", "5")
    assert [role for role, _, _ in members("--edges", "1", "--mixers", "1")] == ["mixer", "edge"]


def test_an_address_that_is_none_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        command.arguments(["edge", "--name", "e", "--bind-ip", "localhost"])
    assert "invalid _addresses value: 'localhost'" in capsys.readouterr().err


def test_without_redis_nothing_starts(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.delenv("REDIS_URL")
    with pytest.raises(SystemExit):
        command.arguments(["crew"])
    assert "--redis-url" in capsys.readouterr().err


def test_this_machine_has_an_address() -> None:
    assert machine.addresses()
    assert machine.LOOPBACK in machine.near().bound


def test_behind_a_router_browsers_are_told_its_addresses_and_no_others() -> None:
    reach = machine.Reach(["10.0.0.7", "fd00::7"], ["203.0.113.5", "2001:db8::5", "203.0.113.6"])
    assert reach.told("10.0.0.7") == ["203.0.113.5", "203.0.113.6"]
    assert reach.told("fd00::7") == ["2001:db8::5"]


def test_a_public_address_of_this_machine_is_told_of_itself_alone() -> None:
    reach = machine.Reach(["203.0.113.5", "10.0.0.7"], ["203.0.113.5"])
    assert reach.told("203.0.113.5") == ["203.0.113.5"]
    assert reach.told("10.0.0.7") == []


def test_public_addresses_that_reach_nothing_are_refused() -> None:
    with pytest.raises(ValueError, match="None of the public addresses"):
        machine.Reach(["127.0.0.1"], ["2001:db8::5"])
