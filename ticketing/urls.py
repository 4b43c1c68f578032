from django.urls import path

from ticketing import manage_views, views

app_name = "ticketing"

urlpatterns = [
    path("events/of/<slug:club_slug>/", views.club_events, name="club_events"),
    path("events/<slug:slug>/", views.event, name="event"),
    path("events/<slug:slug>/buy/", views.buy, name="buy"),
    path("orders/<uuid:pk>/", views.order, name="order"),
    path("orders/<uuid:pk>/state/", views.order_state, name="order_state"),
    path("orders/<uuid:pk>/pay/", views.pay, name="pay"),
    path("orders/<uuid:pk>/let-go/", views.let_go, name="let_go"),
    path("tickets/", views.my_tickets, name="my_tickets"),
    path("tickets/<uuid:pk>/new-link/", views.new_link, name="new_link"),
    path("tickets/pass/<str:token>/", views.claim, name="claim"),
    path("manage/<slug:club_slug>/events/", manage_views.events, name="manage_events"),
    path("manage/<slug:club_slug>/events/new/", manage_views.new_event, name="new_event"),
    path("manage/events/<slug:slug>/", manage_views.edit_event, name="edit_event"),
    path("manage/events/<slug:slug>/cancel/", manage_views.cancel_event, name="cancel_event"),
    path("manage/events/<slug:slug>/refund/", manage_views.refund_everyone, name="refund_everyone"),
    path("manage/events/<slug:slug>/sales/", manage_views.sales, name="sales"),
    path("manage/orders/<uuid:pk>/", manage_views.order, name="manage_order"),
    path("manage/orders/<uuid:pk>/refund/", manage_views.refund, name="refund"),
]
