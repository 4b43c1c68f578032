from django.urls import path

from accounts import views

app_name = "accounts"
urlpatterns = [
    path("", views.settings, name="settings"),
    path("export/", views.export, name="export"),
    path("close/", views.close, name="close"),
    path("go-on/<str:token>/", views.go_on, name="go_on"),
]
