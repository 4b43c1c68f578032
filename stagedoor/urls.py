from django.contrib import admin
from django.urls import include, path

from stagedoor import health, views

urlpatterns = [
    path("", views.home, name="home"),
    path("healthz", health.healthz, name="healthz"),
    path("readyz", health.readyz, name="readyz"),
    path("timetablez", health.timetablez, name="timetablez"),
    path("styleguide/", views.styleguide, name="styleguide"),
    path("account/", include("allauth.urls")),
    path("me/", include("accounts.urls")),
    path("clubs/", include("clubs.urls")),
    path("", include("ticketing.urls")),
    path("payments/", include("payments.urls")),
    path("rooms/", include("rooms.urls")),
    path("admin/", admin.site.urls),
]
