"""Celery, and the whole timetable in one place. A task is a nudge; the row is the truth."""

import os

from celery import Celery

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "stagedoor.settings")

app = Celery("stagedoor")
app.config_from_object("django.conf:settings", namespace="CELERY")
app.autodiscover_tasks()

EVERY_SECOND, EVERY_TEN_SECONDS, EVERY_MINUTE, HOURLY = 1.0, 10.0, 60.0, 3600.0
