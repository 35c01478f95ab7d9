import os
from pathlib import Path

import pytest

from il_ros.core.atomic_folders import new_folder, require_free
from il_ros.core.errors import BundleError, IlRosError


def fill(path, text='new', **options):
    with new_folder(path, **options) as folder:
        (folder / 'sub').mkdir()
        (folder / 'sub' / 'a.txt').write_text(text)


def fill_half(path, problem):
    with new_folder(path, overwrite=True, marker='sub/a.txt') as folder:
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
    for marker, way in (('', ''), ('sub/a.txt', ', or replace it (--overwrite)')):
        with pytest.raises(BundleError) as caught:
            fill(tmp_path / 'out', error=BundleError, marker=marker)
        assert str(caught.value) == (
            f'{tmp_path / "out"}: exists already; to fix: choose another name{way}'
        )
    fill(tmp_path / 'out', overwrite=True, marker='sub/a.txt')
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


@pytest.mark.parametrize('marker', ['', 'manifest.json'])
def test_a_folder_that_somebody_else_filled_is_never_overwritten(tmp_path, marker):
    (tmp_path / 'precious').mkdir()
    (tmp_path / 'precious' / 'thesis.tex').write_text('years')
    with pytest.raises(IlRosError, match='precious: not overwritten: n'):
        fill(tmp_path / 'precious', overwrite=True, marker=marker)
    assert os.listdir(tmp_path) == ['precious']
    assert os.listdir(tmp_path / 'precious') == ['thesis.tex']
    (tmp_path / 'empty').mkdir()
    fill(tmp_path / 'empty', overwrite=True, marker=marker)
    assert os.listdir(tmp_path / 'empty') == ['sub']


@pytest.mark.parametrize('out', ['eps', 'eps/inside', '.', 'link', 'link/new'])
def test_a_folder_is_not_made_over_or_in_what_it_is_made_from(tmp_path, out):
    (tmp_path / 'eps').mkdir()
    (tmp_path / 'eps' / 'manifest.json').write_text('{}')
    (tmp_path / 'link').symlink_to('eps')
    with pytest.raises(IlRosError, match=r'what it is made from, .*eps; to fix'):
        require_free(
            tmp_path / out, overwrite=True, marker='manifest.json', inputs=[tmp_path / 'eps']
        )
    free = tmp_path / 'eps2'
    assert require_free(free, inputs=[tmp_path / 'eps']) == free.resolve()


def test_a_link_stays_and_what_it_leads_to_is_made(tmp_path):
    (tmp_path / 'link').symlink_to('disk/out')
    fill(tmp_path / 'link', 'old')
    fill(tmp_path / 'link', 'new', overwrite=True, marker='sub/a.txt')
    assert (tmp_path / 'link').is_symlink()
    assert (tmp_path / 'disk' / 'out' / 'sub' / 'a.txt').read_text() == 'new'
    assert sorted(os.listdir(tmp_path)) == ['disk', 'link']
    (tmp_path / 'circle').symlink_to('circle')
    with pytest.raises(IlRosError, match='circle: '):
        fill(tmp_path / 'circle')


def test_the_current_folder_has_a_name(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    fill(Path(), overwrite=True)
    assert os.listdir(tmp_path) == ['sub']
