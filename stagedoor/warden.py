"""python warden.py COMMAND-LINE-MARK PID: ends a server when whoever started it has ended, however that came.

PostgreSQL makes itself nobody's child, so no signal tells it that its parent was killed. The parent holds the
other end of our standard input, which the kernel closes with it. Nothing is imported that takes time.
"""

import os
import signal
import sys
import time

PATIENCE_SECONDS = 10.0


def main(mark: str, pid: int) -> None:
    """Wait for the end of our input, then end process `pid` if `mark` still stands in its command line."""
    while os.read(0, 1024):
        pass
    for farewell in (signal.SIGINT, signal.SIGQUIT):  # fast, then at once (PostgreSQL, pg_ctl)
        until = time.monotonic() + PATIENCE_SECONDS
        if not _is_there(mark, pid):
            return
        os.kill(pid, farewell)
        while _is_there(mark, pid) and time.monotonic() < until:
            time.sleep(0.05)


def _is_there(mark: str, pid: int) -> bool:
    try:
        with open(f"/proc/{pid}/cmdline", "rb") as line:  # noqa: PTH123 -- pathlib takes its time
            return mark.encode() in line.read()
    except OSError:
        return False


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]))
