from django.urls import path

from payments import case_views, review_views, views

app_name = "payments"
urlpatterns = [
    path("webhook/", views.webhook, name="webhook"),
    path("payees/<uuid:pk>/", views.payee, name="payee"),
    path("payees/<uuid:pk>/payout/", views.request_payout, name="request_payout"),
    path("payees/<uuid:pk>/answer/<uuid:payout_pk>/", views.reply, name="reply"),
    path("payees/<uuid:pk>/stripe/", views.onboard, name="onboard"),
    path("payees/<uuid:pk>/stripe/again/", views.onboard_again, name="onboard_again"),
    path("payees/<uuid:pk>/stripe/back/", views.onboarded, name="onboarded"),
    path("review/", review_views.desk, name="review_desk"),
    path("review/cases/", case_views.desk, name="cases"),
    path("review/cases/<int:pk>/", case_views.case, name="case"),
    path("review/cases/<int:pk>/again/", case_views.try_again, name="try_case_again"),
    path("review/cases/<int:pk>/settle/", case_views.settle, name="settle_case"),
    path("review/cases/<int:pk>/by-hand/", case_views.end_refund, {"how": "by-hand"}, name="refund_by_hand"),
    path(
        "review/cases/<int:pk>/not-owed/", case_views.end_refund, {"how": "not-owed"}, name="refund_not_owed"
    ),
    path("review/<uuid:pk>/", review_views.review, name="review"),
    path("review/answers/<uuid:pk>/", review_views.document, name="reply_document"),
    path("review/<uuid:pk>/approve/", review_views.approve, name="approve"),
    path("review/<uuid:pk>/hold/", review_views.hold, name="hold"),
    path("review/<uuid:pk>/reject/", review_views.reject, name="reject"),
]
