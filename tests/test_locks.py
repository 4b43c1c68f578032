"""Every lock names what it locks, and no more of it than it needs: docs/locks.md."""

import ast

from tests.test_house_rules import ROOT, SOURCES

PRODUCT = [path for path in SOURCES if path.relative_to(ROOT).parts[0] not in {"tests", "benchmarks"}]
# They delete the rows they lock, so that nobody may point at them meanwhile.
LOCKS_THE_KEY_TOO = {"ticketing/offers.py:put_up"}


def lock_calls() -> list[tuple[str, ast.Call]]:
    """Return each select_for_update() of the product, with the file and the function it stands in."""
    found = []
    for path in PRODUCT:
        for outer in ast.walk(ast.parse(path.read_text())):
            if not isinstance(outer, ast.FunctionDef | ast.AsyncFunctionDef):
                continue
            found += [
                (f"{path.relative_to(ROOT)}:{outer.name}", call)
                for call in ast.walk(outer)
                if isinstance(call, ast.Call)
                and isinstance(call.func, ast.Attribute)
                and call.func.attr == "select_for_update"
            ]
    return found


def given(call: ast.Call, name: str) -> object:
    return next((ast.literal_eval(word.value) for word in call.keywords if word.arg == name), None)


def test_there_are_locks_to_look_at() -> None:
    assert len(lock_calls()) > 20


def test_a_lock_names_the_rows_it_means() -> None:
    # Without `of` a joined row is locked as well: joining a club and opening its plan waited for each other.
    assert [where for where, call in lock_calls() if not given(call, "of")] == []


def test_a_lock_lets_others_point_at_the_row() -> None:
    # A row that is referred to by a new one is locked for its key: a full lock would wait for that.
    full = {where for where, call in lock_calls() if given(call, "no_key") is not True}
    assert full == LOCKS_THE_KEY_TOO


def test_the_page_of_locks_names_every_place() -> None:
    page = (ROOT / "docs" / "locks.md").read_text()
    modules = {where.partition(":")[0] for where, _call in lock_calls()}
    assert {module for module in modules if f"`{module}`" not in page} == set()
