from django.urls import path

from clubs import officer_views, views

app_name = "clubs"
urlpatterns = [
    path("", views.club_list, name="list"),
    path("mine/", views.mine, name="mine"),
    path("new/", views.new, name="new"),
    path("invitations/<str:token>/", views.invitation, name="invitation"),
    path("<slug:slug>/", views.club, name="club"),
    path("<slug:slug>/join/", views.join, name="join"),
    path("<slug:slug>/membership/", views.membership, name="membership"),
    path("<slug:slug>/membership/cancel/", views.cancel_membership, name="cancel_membership"),
    path("<slug:slug>/membership/resume/", views.resume_membership, name="resume_membership"),
    path("<slug:slug>/manage/", officer_views.manage, name="manage"),
    path("<slug:slug>/manage/officers/", officer_views.officer_list, name="officers"),
    path(
        "<slug:slug>/manage/officers/<uuid:officer_id>/", officer_views.change_officer, name="change_officer"
    ),
    path(
        "<slug:slug>/manage/officers/<uuid:officer_id>/remove/",
        officer_views.remove_officer,
        name="remove_officer",
    ),
    path(
        "<slug:slug>/manage/invitations/<uuid:invitation_id>/withdraw/",
        officer_views.withdraw_invitation,
        name="withdraw_invitation",
    ),
    path("<slug:slug>/manage/plan/", officer_views.plan, name="plan"),
    path("<slug:slug>/manage/plan/close/", officer_views.close_plan, name="close_plan"),
    path("<slug:slug>/leave/", officer_views.leave, name="leave"),
]
