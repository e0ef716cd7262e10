"""What the tests have in common keeps its promises."""

import pytest
from _pytest.outcomes import Failed, Skipped
from conftest import made_once, missing

pytestmark = pytest.mark.fast


@pytest.mark.parametrize(("ci", "outcome"), [("true", Failed), ("", Skipped)])
def test_what_is_missing_fails_where_nothing_may_be_skipped(monkeypatch, ci, outcome):
    monkeypatch.setenv("CI", ci)
    with pytest.raises(outcome, match=r"no python3\.13"):
        missing("there is no python3.13")


def test_a_folder_whose_maker_failed_is_made_anew(tmp_path):
    folder = tmp_path / "made"

    def fail():
        with made_once(folder):
            folder.mkdir()
            (folder / "half of it").touch()
            raise ValueError("by design")

    with pytest.raises(ValueError, match="by design"):
        fail()
    for turn in (True, False):
        with made_once(folder) as is_first:
            assert is_first is turn
            if is_first:
                folder.mkdir()
    assert not list(folder.iterdir())
