"""What must hold before production starts: `manage.py check --deploy`."""

from collections.abc import Iterable, Sequence
from typing import Any

from django.apps import AppConfig
from django.conf import settings
from django.core.checks import CheckMessage, Error, Tags, Warning, register  # noqa: A004 -- Django's own names
from django.db import connection

Apps = Sequence[AppConfig] | None


@register(Tags.security, deploy=True)
def servers_are_named(app_configs: Apps, **_kwargs: Any) -> Iterable[CheckMessage]:
    """Production has servers of its own, never the embedded ones."""
    del app_configs
    embedded = str(settings.VAR_DIR)
    if embedded in str(settings.DATABASES["default"]["OPTIONS"].get("host", "")):
        yield Error("DATABASE_URL is not set.", hint="Name your PostgreSQL server.", id="stagedoor.E001")
    if embedded in settings.REDIS_URL:
        yield Error("REDIS_URL is not set.", hint="Name your Redis server.", id="stagedoor.E002")


@register(Tags.security, deploy=True)
def people_come_in_by_https(app_configs: Apps, **_kwargs: Any) -> Iterable[CheckMessage]:
    del app_configs
    if not settings.SECURE:
        yield Error(
            "BASE_URL is not https.",
            hint="Microphones, passkeys and secure cookies need https: BASE_URL=https://your.name",
            id="stagedoor.E003",
        )


@register(Tags.security, deploy=True)
def stripe_is_stripe(app_configs: Apps, **_kwargs: Any) -> Iterable[CheckMessage]:
    """Real keys, signed webhooks, and no stand-in."""
    del app_configs
    if not settings.STRIPE_SECRET_KEY:
        yield Error("STRIPE_SECRET_KEY is not set.", hint="Stripe's dashboard shows it.", id="stagedoor.E004")
    elif "_test_" in settings.STRIPE_SECRET_KEY:
        yield Warning("STRIPE_SECRET_KEY is a test key: no money will move.", id="stagedoor.W001")
    if not settings.STRIPE_WEBHOOK_SECRETS:
        yield Error(
            "STRIPE_WEBHOOK_SECRETS is not set.",
            hint="Without it no payment is believed. One secret per endpoint, separated by commas.",
            id="stagedoor.E005",
        )
    if settings.STRIPE_API_BASE:
        yield Error("STRIPE_API_BASE names a stand-in.", hint="Leave it empty.", id="stagedoor.E006")


@register(Tags.security, deploy=True)
def letters_leave_the_house(app_configs: Apps, **_kwargs: Any) -> Iterable[CheckMessage]:
    del app_configs
    if not settings.EMAIL_BACKEND.endswith(("smtp.EmailBackend",)):
        yield Error(
            "EMAIL_URL does not name a mail server.",
            hint="EMAIL_URL=smtp+tls://user:password@mail.example:587",
            id="stagedoor.E007",
        )


@register(Tags.database, deploy=True)
def the_books_belong_to_somebody_else(
    app_configs: Apps, databases: Sequence[str] | None = None, **_kwargs: Any
) -> Iterable[CheckMessage]:
    """Whoever owns a table may drop its triggers: the application works as another role than the owner's.

    Asked only with `--database`, as Django's own checks of databases are.
    """
    del app_configs
    if not databases:
        return
    with connection.cursor() as cursor:
        cursor.execute(
            """
            SELECT t.relname, pg_has_role(current_user, t.relowner, 'MEMBER'),
                   has_table_privilege(t.oid, 'TRUNCATE')
            FROM pg_class t WHERE t.relname IN ('payments_transfer', 'accounts_auditentry') ORDER BY 1
            """
        )
        for table, is_ours, may_truncate in cursor.fetchall():
            if is_ours or may_truncate:
                yield Warning(
                    f"The application's role may drop what protects {table}.",
                    hint="Let another role own the tables: docs/operations.md, PostgreSQL, has the SQL.",
                    id="stagedoor.W002",
                )


@register(Tags.security, deploy=True)
def relays_have_their_secret(app_configs: Apps, **_kwargs: Any) -> Iterable[CheckMessage]:
    del app_configs
    if bool(settings.TURN_URLS) != bool(settings.TURN_SECRET):
        yield Error(
            "TURN_URLS and TURN_SECRET go together, and one of them is not set.",
            hint="Set both, as docs/operations.md shows, or neither.",
            id="stagedoor.E008",
        )
