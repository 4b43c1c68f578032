from django.urls import URLPattern, URLResolver, path

from rooms import views, whip
from rooms.consumers import RoomConsumer

app_name = "rooms"
urlpatterns: list[URLPattern | URLResolver] = [
    path("m/<str:session_id>", whip.session, name="media_session"),
    path("<slug:slug>/", views.room, name="room"),
    path("<slug:slug>/state", views.state, name="state"),
    path("<slug:slug>/seat", views.seat, name="seat"),
    path("<slug:slug>/doors", views.doors, name="doors"),
    path("<slug:slug>/cost", views.cost, name="cost"),
    path("<slug:slug>/whep", whip.whep, name="whep"),
    path("<slug:slug>/whip", whip.whip, name="whip"),
]
websocket_urlpatterns = [path("rooms/<slug:slug>/socket", RoomConsumer.as_asgi())]
