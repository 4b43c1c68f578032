from allauth.account.decorators import reauthentication_required
from allauth.account.views import password_set
from allauth.usersessions.views import list_usersessions
from django.contrib import admin
from django.contrib.auth.decorators import login_required
from django.urls import include, path

from stagedoor import health, views

urlpatterns = [
    path("", views.home, name="home"),
    path("healthz", health.healthz, name="healthz"),
    path("readyz", health.readyz, name="readyz"),
    path("timetablez", health.timetablez, name="timetablez"),
    path("styleguide/", views.styleguide, name="styleguide"),
    # allauth asks for no proof before these two; the first of two equal paths is taken.
    path(
        "account/password/set/",
        login_required(reauthentication_required(password_set, allow_get=True)),
        name="account_set_password",
    ),
    path(
        "account/sessions/",
        login_required(reauthentication_required(list_usersessions, allow_get=True)),
        name="usersessions_list",
    ),
    path("account/", include("allauth.urls")),
    path("me/", include("accounts.urls")),
    path("clubs/", include("clubs.urls")),
    path("", include("ticketing.urls")),
    path("payments/", include("payments.urls")),
    path("rooms/", include("rooms.urls")),
    path("admin/", admin.site.urls),
]
