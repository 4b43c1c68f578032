"""Janus from Debian's package, set up for its best figures, to be measured beside ours.

One event loop, plugins Streaming and AudioBridge alone, a Unix socket for its API. It passes over loopback
interfaces, so it needs a private network where its address stands on another (see namespace.py).
"""

import json
import os
import shutil
import socket
import subprocess
import time
from pathlib import Path
from typing import Any, Final

STREAM_PORT: Final = 5_002
BRIDGE_PORT: Final = 5_004  # where AudioBridge sends the mix for the tone; nobody reads there
ROOM: Final = 1
_SECONDS_TO_START: Final = 15.0
_ATTEMPTS: Final = 10
_SHARED: Final = Path("/usr/lib/x86_64-linux-gnu/janus")

_CONFIGS: Final = {
    "janus.jcfg": """
general: {{ configs_folder = "{folder}"  plugins_folder = "{shared}/plugins"
  transports_folder = "{shared}/transports"  events_folder = "{folder}"  loggers_folder = "{folder}"
  debug_level = 2  admin_secret = "{secret}"  session_timeout = 0  event_loops = 1 }}
media: {{ ipv6 = false }}
plugins: {{ disable = "{unused_plugins}" }}
transports: {{ disable = "{unused_transports}" }}
""",
    "janus.transport.pfunix.jcfg": """
general: {{ enabled = true  json = "compact"  path = "{socket}"  type = "SOCK_SEQPACKET" }}
""",
    "janus.plugin.streaming.jcfg": """
tone: {{ type = "rtp"  id = 1  audio = true  video = false  audioiface = "{host}"
  audioport = {stream_port}  audiopt = 111  audiocodec = "opus" }}
""",
    "janus.plugin.audiobridge.jcfg": """
general: {{ local_ip = "{host}" }}
room-1: {{ sampling_rate = 48000  audiolevel_ext = false  record = false  allow_rtp_participants = true }}
""",
}


class NoJanus(Exception):
    """Janus is not installed, or did not start."""


class Janus:
    """A Janus process at `host`, which must stand on an interface that is not loopback."""

    def __init__(self, folder: Path, *, host: str) -> None:
        self.socket = folder / "janus"
        self._host = host
        self._log = folder / "log"
        program = shutil.which("janus")
        if program is None:
            raise NoJanus("Janus is not installed: apt-get install janus")
        _write_configs(folder, host=host, at=self.socket)
        self._command = [program, "--configs-folder", str(folder), "--interface", host]
        for _ in range(_ATTEMPTS):
            if self._start():
                return
        raise NoJanus(f"Janus did not start: {self._log.read_text(errors='replace')[-500:]}")

    @property
    def pid(self) -> int:
        return self._process.pid

    def open_bridge(self) -> str:
        """Let a plain RTP participant into AudioBridge's room and return where its packets go: HOST:PORT."""
        api = Api(self.socket)
        handle = api.attach("audiobridge")
        joined = api.message(
            handle,
            {
                "request": "join",
                "room": ROOM,
                "display": "tone",
                "rtp": {"ip": self._host, "port": BRIDGE_PORT, "payload_type": 111},
            },
        )
        self._bridge = api  # the participant stays as long as its session
        rtp = joined["plugindata"]["data"]["rtp"]
        return f"{rtp['ip']}:{rtp['port']}"

    def stop(self) -> None:
        self._process.terminate()
        try:
            self._process.wait(10)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()

    def _start(self) -> bool:
        """Return whether it came up: its Unix transport sometimes loses a race against its start."""
        with self._log.open("wb") as log:
            self._process = subprocess.Popen(  # noqa: S603 -- as installed
                self._command,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                cwd=self._log.parent,  # its core goes with that folder, should it dump one at its end
            )
        until = time.monotonic() + _SECONDS_TO_START
        while time.monotonic() < until and self._process.poll() is None:
            time.sleep(0.5)  # its plugins come after its transports
            if self._process.poll() is None and self.socket.exists():
                return True
        self.stop()
        return False


class Api:
    """One session, one question at a time."""

    def __init__(self, path: Path) -> None:
        self._line = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self._line.settimeout(10)
        self._line.connect(str(path))
        self._session = self._ask(janus="create")["data"]["id"]

    def attach(self, plugin: str) -> int:
        handle: int = self._ask(janus="attach", session_id=self._session, plugin=f"janus.plugin.{plugin}")[
            "data"
        ]["id"]
        return handle

    def message(self, handle: int, body: dict[str, object]) -> dict[str, Any]:
        """Return the event that answers `body`."""
        return self._ask(janus="message", session_id=self._session, handle_id=handle, body=body)

    def _ask(self, **question: object) -> dict[str, Any]:
        transaction = os.urandom(8).hex()
        self._line.send(json.dumps({**question, "transaction": transaction}).encode())
        while True:
            told: dict[str, Any] = json.loads(self._line.recv(65_536))
            if told.get("transaction") == transaction and told["janus"] != "ack":
                if told["janus"] == "error":
                    raise NoJanus(told["error"]["reason"])
                return told


def _write_configs(folder: Path, *, host: str, at: Path) -> None:
    words = {
        "folder": folder,
        "shared": _SHARED,
        "secret": os.urandom(16).hex(),
        "socket": at,
        "host": host,
        "stream_port": STREAM_PORT,
        "unused_plugins": _others("plugins", {"libjanus_streaming.so", "libjanus_audiobridge.so"}),
        "unused_transports": _others("transports", {"libjanus_pfunix.so"}),
    }
    for name, text in _CONFIGS.items():
        (folder / name).write_text(text.format(**words), encoding="ascii")


def _others(kind: str, wanted: set[str]) -> str:
    return ",".join(sorted(one.name for one in (_SHARED / kind).glob("*.so") if one.name not in wanted))
