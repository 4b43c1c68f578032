from stagedoor.celery import BEATS, TIMETABLE, app


def test_every_line_of_the_timetable_names_a_task() -> None:
    app.loader.import_default_modules()
    assert set(TIMETABLE) - set(app.tasks) == set()


def test_a_nudge_is_dropped_once_the_next_one_comes() -> None:
    assert app.conf.beat_schedule == BEATS
    assert [beat["options"]["expires"] for beat in BEATS.values()] == [
        beat["schedule"] for beat in BEATS.values()
    ]
