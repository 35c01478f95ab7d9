import os

import pytest

from il_ros.core.errors import BundleError, IlRosError
from il_ros.core.folders import new_folder


def fill(path, text='new', **options):
    with new_folder(path, **options) as folder:
        (folder / 'sub').mkdir()
        (folder / 'sub' / 'a.txt').write_text(text)


def fill_half(path, problem):
    with new_folder(path, overwrite=True) as folder:
        (folder / 'a.txt').write_text('half')
        raise problem


def test_a_folder_appears_whole_with_its_parents(tmp_path):
    path = tmp_path / 'deep' / 'out'
    with new_folder(path) as folder:
        (folder / 'a.txt').write_text('x')
        assert not path.exists()
    assert os.listdir(path.parent) == ['out']
    assert os.listdir(path) == ['a.txt']


def test_an_existing_folder_is_replaced_only_if_asked(tmp_path):
    fill(tmp_path / 'out', 'old')
    with pytest.raises(BundleError) as caught:
        fill(tmp_path / 'out', error=BundleError)
    assert str(caught.value) == (
        f'{tmp_path / "out"}: exists already; to fix: choose another name, or ask to overwrite it'
    )
    fill(tmp_path / 'out', overwrite=True)
    assert (tmp_path / 'out' / 'sub' / 'a.txt').read_text() == 'new'
    assert os.listdir(tmp_path) == ['out']


@pytest.mark.parametrize('problem', [KeyboardInterrupt(), ValueError('no')])
def test_an_interrupted_attempt_leaves_the_old_folder_and_nothing_else(tmp_path, problem):
    fill(tmp_path / 'out', 'old')
    with pytest.raises(type(problem)):
        fill_half(tmp_path / 'out', problem)
    assert os.listdir(tmp_path) == ['out']
    assert (tmp_path / 'out' / 'sub' / 'a.txt').read_text() == 'old'


def test_a_refusal_of_the_system_is_one_clear_error(tmp_path):
    (tmp_path / 'file').write_text('in the way')
    with pytest.raises(IlRosError, match='out: cannot be written: Not a directory; to fix: '):
        fill(tmp_path / 'file' / 'out')
    with pytest.raises(IlRosError, match=r'file: exists already; to fix: choose another name$'):
        fill(tmp_path / 'file', overwrite=True)
