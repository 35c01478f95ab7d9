"""A drafted contract needs few edits by hand, and is clean with them."""

import pytest

from benchmarks.contract_edits import MOST, RIGHT, edits


@pytest.mark.parametrize('driver', RIGHT)
def test_few_lines_are_edited_by_hand_and_the_check_is_clean(driver):
    found = edits(driver)
    assert len(found.lines) <= MOST
    assert found.wrong == ()
