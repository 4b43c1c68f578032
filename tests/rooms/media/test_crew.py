import pytest

from rooms.media.crew import Member, pairs_for


@pytest.mark.parametrize(("cores", "pairs"), [(1, 2), (2, 2), (4, 3), (8, 7), (400, 64)])
def test_a_machine_carries_as_many_pairs_as_its_cores_allow_beside_its_mixers(cores: int, pairs: int) -> None:
    assert pairs_for(cores) == pairs


def test_each_life_has_a_name_of_its_own() -> None:
    member = Member("edge", 3, ())
    names = {member.new_name() for _ in range(100)}
    assert len(names) == 100
    assert all(name.startswith("edge-3-") for name in names)
