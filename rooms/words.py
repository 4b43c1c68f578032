"""What the page's script says to people. It has no words of its own, so that they can be translated."""

from django.utils.translation import gettext_lazy as _

WORDS = {
    "you": _("You"),
    "host": _("Host"),
    "moderator": _("Moderator"),
    "listener": _("On stage"),
    "reconnecting": _("Reconnecting"),
    "muted": _("Muted"),
    "connecting": _("Connecting"),
    "connection_connecting": _("Connecting to the room"),
    "connection_reconnecting": _("The connection was lost. Reconnecting"),
    "connection_lost": _("No connection to the room. Check your network; we keep trying."),
    "host_gone": _("The host has lost the connection. The room waits for them."),
    "host_left": _("The host has left the room. It waits for one to come back."),
    "nobody_on_stage": _("Nobody is on stage yet."),
    "doors_shut_host": _("The doors are shut. Only your team can come in."),
    "hands_one": _("1 hand is up"),
    "hands_many": _("%(count)s hands are up"),
    "no_hands": _("No hands are up. Listeners can raise theirs at any time."),
    "raise_hand": _("Raise hand"),
    "lower_hand": _("Lower hand"),
    "hand_is_up": _("Your hand is up. The hosts can see it."),
    "sound_on": _("Sound on"),
    "sound_off": _("Sound off"),
    "unmute": _("Unmute"),
    "mute": _("Mute"),
    "on_stage_now": _("You are on stage, muted. Tap Unmute when you want to speak."),
    "muted_by_host": _("A host has muted you. Tap Unmute when you want to speak again."),
    "off_stage_now": _("You are off stage and listening."),
    "step_up": _("Go on stage"),
    "step_down": _("Leave stage"),
    "invite": _("Invite"),
    "invited": _("Invited"),
    "withdraw": _("Withdraw"),
    "lower": _("Lower"),
    "more_for": _("Moderate %(name)s"),
    "mute_person": _("Mute"),
    "demote_person": _("Take off stage"),
    "remove_person": _("Remove from room"),
    "remove_title": _("Remove %(name)s?"),
    "voice_failing": _("Your microphone is reconnecting. Nobody can hear you at the moment."),
    "voice_back": _("You can be heard again."),
    "speech": _("Speech"),
    "music": _("Music"),
    "sound_now": _("%(tuned)s, %(length)s ms"),
    "sound_changed": _("From now on: %(sound)s"),
    "sound_failed": _("The sound could not be connected. Trying again."),
    "sound_blocked": _("Your browser is holding the sound back. Tap Listen."),
    "microphone_refused": _(
        "Your browser did not let this page use the microphone. "
        "Allow it next to the address, then tap Unmute again."
    ),
    "microphone_missing": _("No microphone was found. Connect one, then tap Unmute again."),
    "microphone_failed": _(
        "The microphone could not be started. Close other programs that use it, then try again."
    ),
    "place_title": _("Your place has changed"),
    "not_answered": _("The room did not answer. Try again."),
    "removed_title": _("You have been removed"),
    "closed_title": _("The room is closed"),
    "ticket_title": _("You have left the room"),
    "taken_over_title": _("You are in this room on another page"),
    "full_title": _("The room is full"),
    "elsewhere_title": _("You are already in this room"),
    "elsewhere_text": _(
        "You are listening on another page or device. Continue here, and the other page stops."
    ),
    "elsewhere_action": _("Continue here"),
    "left_title": _("You have left the room"),
    "left_text": _("You can come back while the doors are open."),
    "again": _("Come back in"),
    "stopped_title": _("Something stopped the room"),
    "try_again": _("Try again"),
    "doors_opened": _("The doors are open."),
    "copied": _("Copied"),
}


def for_page() -> dict[str, str]:
    """Return every word in the viewer's language."""
    return {name: str(words) for name, words in WORDS.items()}
