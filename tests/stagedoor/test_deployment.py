import os
import subprocess
import sys
from pathlib import Path

import pytest

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


@pytest.mark.parametrize(
    ("setting", "value", "mark"),
    [
        ("DATABASE_URL", "", "stagedoor.E001"),
        ("REDIS_URL", "", "stagedoor.E002"),
        ("BASE_URL", "http://stagedoor.example", "stagedoor.E003"),
        ("STRIPE_SECRET_KEY", "", "stagedoor.E004"),
        ("STRIPE_SECRET_KEY", "sk_test_example", "stagedoor.W001"),
        ("STRIPE_WEBHOOK_SECRETS", "", "stagedoor.E005"),
        ("STRIPE_API_BASE", "http://127.0.0.1:8012", "stagedoor.E006"),
        ("EMAIL_URL", "filemail://", "stagedoor.E007"),
    ],
)
def test_what_is_missing_is_named(setting: str, value: str, mark: str) -> None:
    done = check(**{setting: value})
    assert done.returncode == 1
    assert mark in done.stderr
