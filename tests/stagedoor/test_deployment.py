import os
import re
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
PRODUCTION = {
    "DEBUG": "0",
    "SECRET_KEY": "".join(chr(33 + n % 90) for n in range(80)),
    "BASE_URL": "https://stagedoor.example",
    "ALLOWED_HOSTS": "stagedoor.example",
    "DATABASE_URL": "postgresql://stagedoor@db.example/stagedoor",
    "REDIS_URL": "redis://redis.example:6379/0",
    "EMAIL_URL": "smtp+tls://user:password@mail.example:587",
    "DEFAULT_FROM_EMAIL": "door@stagedoor.example",
    "STRIPE_SECRET_KEY": "sk_live_example",
    "STRIPE_WEBHOOK_SECRETS": "whsec_example",
}


def check(**changed: str) -> subprocess.CompletedProcess[str]:
    ours = {name: os.environ[name] for name in ("PATH", "HOME") if name in os.environ}
    return subprocess.run(
        [sys.executable, "manage.py", "check", "--deploy", "--fail-level", "WARNING"],
        cwd=ROOT,
        env={**ours, **PRODUCTION, **changed},
        check=False,
        capture_output=True,
        text=True,
    )


def test_the_documented_environment_is_clean() -> None:
    done = check()
    assert (done.returncode, done.stdout.strip()) == (0, "System check identified no issues (1 silenced).")


# One process for all of them: each costs as long as the whole product takes to start.
MISSING = {
    "DATABASE_URL": "",
    "REDIS_URL": "",
    "BASE_URL": "http://stagedoor.example",
    "STRIPE_SECRET_KEY": "",
    "STRIPE_WEBHOOK_SECRETS": "",
    "STRIPE_API_BASE": "http://127.0.0.1:8012",
    "EMAIL_URL": "filemail://",
    "TURN_URLS": "turn:turn.example",
}


def marks(done: subprocess.CompletedProcess[str]) -> list[str]:
    return sorted(set(re.findall(r"stagedoor\.[EW][0-9]{3}", done.stderr)))


def test_all_that_is_missing_is_named() -> None:
    done = check(**MISSING)
    assert (done.returncode, marks(done)) == (1, [f"stagedoor.E{number:03}" for number in range(1, 9)])


def test_a_test_key_is_named_alone() -> None:
    done = check(STRIPE_SECRET_KEY="sk_test_example")
    assert (done.returncode, marks(done)) == (1, ["stagedoor.W001"])
