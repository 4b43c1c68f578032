from pathlib import Path

import pytest

from tests.mutants import run
from tests.mutants.run import ROOT, Mutant


@pytest.mark.parametrize("mutant", run.listed(), ids=lambda mutant: mutant.name)
def test_the_list_is_about_the_code_that_stands(mutant: Mutant) -> None:
    spoilt = mutant.spoil((ROOT / mutant.file).read_text())
    assert spoilt != (ROOT / mutant.file).read_text()
    assert [name for name in mutant.tests if not (ROOT / name.partition("::")[0]).exists()] == []


def test_a_line_that_is_not_there_is_told() -> None:
    gone = Mutant("gone", "accounts/mail.py", "no such line", "another", ())
    with pytest.raises(ValueError, match=r"stands 0 times in accounts/mail\.py"):
        gone.spoil("text")


def test_no_two_mutants_have_one_name() -> None:
    names = [mutant.name for mutant in run.listed()]
    assert sorted(set(names)) == sorted(names)


@pytest.mark.parametrize(
    ("test", "how"),
    [
        ("def test_two():\n    assert two() == 2", "caught"),
        ("def test_two():\n    two()", "survived"),
        ("import nothing_of_this_name", "bad"),
    ],
)
def test_a_mutant_is_caught_where_a_test_fails(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, test: str, how: str
) -> None:
    monkeypatch.delenv("DJANGO_SETTINGS_MODULE")  # there is no Django in that tree
    (tmp_path / "two.py").write_text("def two() -> int:\n    return 2\n")
    (tmp_path / "test_two.py").write_text(f"from two import two\n{test}\n")
    mutant = Mutant("three", "two.py", "return 2", "return 3", ("test_two.py",))

    assert run.try_one(mutant, tmp_path) == how

    assert (tmp_path / "two.py").read_text().endswith("return 2\n")
