from django.urls import path

from accounts import again_views, views

app_name = "accounts"
urlpatterns = [
    path("", views.settings, name="settings"),
    path("export/", views.export, name="export"),
    path("close/", views.close, name="close"),
    path("show-again/", again_views.show_again, name="show_again"),
    path("undo/<str:token>/", again_views.undo_address, name="undo_address"),
    path("go-on/<str:token>/", views.go_on, name="go_on"),
]
