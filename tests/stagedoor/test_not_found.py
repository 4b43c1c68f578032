"""What leads nowhere shows the product's own page, in development as in production."""

from typing import Any

import pytest
from django.test import Client

pytestmark = pytest.mark.django_db
OURS = "This door leads nowhere"


@pytest.mark.parametrize("path", ["/no/such/page", "/events/nobody-made-this/", "/rooms/nor-this/"])
@pytest.mark.parametrize("debug", [True, False])
def test_a_page_that_is_not_there_is_our_own(path: str, debug: bool, settings: Any) -> None:  # noqa: FBT001 -- a parameter
    settings.DEBUG = debug
    page = Client().get(path)
    assert page.status_code == 404
    assert OURS in page.content.decode()
    assert "urlpatterns" not in page.content.decode()


def test_a_forgotten_slash_is_still_put_right(settings: Any) -> None:
    settings.DEBUG = True
    assert Client().get("/clubs/new").headers["Location"] == "/clubs/new/"
