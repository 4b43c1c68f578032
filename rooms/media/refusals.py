"""What a media process answers: a session that was opened, or why not."""

from dataclasses import dataclass


class Refused(Exception):
    """What was asked is not done. `code` is told to the caller beside the sentence."""

    code = "refused"


class Denied(Refused):
    """This seat, at this epoch, was dropped."""

    code = "denied"


class NotOnStage(Refused):
    """The seat does not hold the stage."""

    code = "not_on_stage"


class Full(Refused):
    """No more connections of this kind fit."""

    code = "full"


class Closing(Refused):
    """The room, or the whole process, is being closed."""

    code = "closing"


class BadKey(Refused):
    """Nothing can be sealed for this key."""

    code = "bad_key"


@dataclass(frozen=True)
class Opened:
    """A session that has been answered."""

    answer: str
    session: str


@dataclass(frozen=True)
class Standing:
    """What the web side says is true of a seat."""

    epoch: int
    stage: bool
    muted: bool
