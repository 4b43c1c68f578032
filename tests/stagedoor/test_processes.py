from stagedoor import processes


def test_without_an_address_the_media_process_is_on_every_one_as_firefox_needs() -> None:
    command = processes.media_command({"REDIS_URL": "redis://here", "MEDIA_BIND_IP": ""})

    assert command[1:] == ["-m", "rooms.media", "--redis-url", "redis://here", "--name", "media-1"]


def test_with_an_address_the_media_process_is_there_alone() -> None:
    command = processes.media_command({"REDIS_URL": "redis://here", "MEDIA_BIND_IP": "203.0.113.7"})

    assert command[-2:] == ["--bind-ip", "203.0.113.7"]
