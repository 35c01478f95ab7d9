from pathlib import Path

import pytest

from il_ros.core.errors import (
    BundleError,
    ContractError,
    DatasetError,
    IlRosError,
    one_line,
    printable,
    require,
    unwritable,
)


def test_the_text_says_where_what_what_is_allowed_and_what_to_do():
    error = IlRosError('got 3', where='a.b', allowed=(1, 2), fix='choose one')
    assert str(error) == 'a.b: got 3; allowed: 1, 2; to fix: choose one'
    assert (error.problem, error.where, error.allowed, error.fix) == (
        'got 3', 'a.b', '1, 2', 'choose one'
    )  # fmt: skip


def test_what_is_not_known_is_left_out():
    assert str(IlRosError('got 3')) == 'got 3'
    assert str(IlRosError('got 3', allowed='a number')) == 'got 3; allowed: a number'


def test_all_are_of_one_family():
    assert all(issubclass(kind, IlRosError) for kind in (BundleError, ContractError, DatasetError))


def test_require_names_the_value_its_place_and_what_is_allowed():
    require(True, 0.5, 'a.b', '0 < x < 1')
    with pytest.raises(DatasetError) as caught:
        require(False, 2, 'a.b', '0 < x < 1', DatasetError)
    assert str(caught.value) == 'a.b: got 2; allowed: 0 < x < 1'
    with pytest.raises(IlRosError, match="a: got 'x'; allowed: y, z"):
        require('', 'x', 'a', ('y', 'z'))


def test_an_unwritable_place_is_named_with_what_to_do():
    error = unwritable(Path('/a/b'), FileExistsError(17, 'File exists'), ContractError)
    assert isinstance(error, ContractError)
    assert str(error) == (
        '/a/b: cannot be written: File exists; '
        'to fix: choose a folder that you may write to, on a disk with room'
    )


def test_an_error_can_be_sent_and_printed_whatever_a_file_says():
    error = IlRosError(f'got {"x" * 5000}', where='\ud800', allowed=['a' * 5000])
    assert len(str(error)) < 5000
    assert '... (5004 characters)' in str(error)
    assert str(error).startswith('\\ud800: got xxx')
    str(error).encode()


def test_what_is_printed_does_not_control_a_terminal():
    text = printable('red \x1b[31m\x07, turned \u202e, lone \ud800, ° and ö\n\tremain')
    assert text == 'red \\x1b[31m\\x07, turned \\u202e, lone \\ud800, ° and ö\n\tremain'


def test_no_text_passes_for_a_line_of_the_log():
    assert one_line('device\n[INFO] fine\tand \x1b[2J\r\u2028') == (
        'device [INFO] fine and \\x1b[2J\\r\\u2028'
    )
    assert one_line('x' * 3000, 10) == 'xxxxxxxxxx... (3000 characters)'
