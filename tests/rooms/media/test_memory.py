"""What a process no longer needs goes, and what it always needs is not looked through again."""

import gc
import weakref

from rooms.media import memory


class Circle:
    def __init__(self) -> None:
        self.itself = self


def test_circles_are_gone_once_memory_is_given_back() -> None:
    gc.disable()
    try:
        gone = weakref.ref(Circle())
        kept = gone() is not None
        memory.give_back()
    finally:
        gc.enable()
    assert kept
    assert gone() is None


def test_what_is_set_aside_is_left_out_of_collections() -> None:
    before = gc.get_freeze_count()
    try:
        memory.set_aside()
        assert gc.get_freeze_count() > before
    finally:
        gc.unfreeze()
