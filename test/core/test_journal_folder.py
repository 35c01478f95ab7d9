import json
from pathlib import Path

import pytest

from il_ros.core.errors import DatasetError, IlRosError
from il_ros.core.journal_folder import JournalFolder
from il_ros.interactive.round_journal import RoundJournal


class Diary(JournalFolder):
    manifest, format, locked = 'diary.json', 3, 'days.txt'
    content, run, fix = 'days', 'year', 'choose another folder'


def test_the_identity_is_written_once_and_compared_later(tmp_path):
    with Diary(tmp_path / 'new', {'who': 'ann', 'years': [1, 2], 'note': ''}) as diary:
        assert diary.folder == tmp_path / 'new'
    assert Diary.read_identity(tmp_path / 'new') == {'who': 'ann', 'years': [1, 2], 'note': ''}
    with Diary(tmp_path / 'new', {'who': 'ann', 'years': (1, 2), 'note': ''}):
        pass  # JSON has lists alone
    with pytest.raises(IlRosError) as caught:
        Diary(tmp_path / 'new', {'who': 'bob', 'years': [1, 2], 'note': ''})
    assert str(caught.value) == (
        f'{tmp_path}/new: the days there are of another year: who is ann there and bob here; '
        'to fix: choose another folder'
    )


def test_content_without_a_manifest_is_refused_and_anew_forgets_it(tmp_path):
    (tmp_path / 'days.txt').write_text('monday')
    with pytest.raises(IlRosError, match=r'days without diary\.json: it is not known what they'):
        Diary(tmp_path, {})
    with Diary(tmp_path, {'who': 'ann'}, anew=True):
        assert (tmp_path / 'days.txt').read_text() == ''
    with Diary(tmp_path, {'who': 'bob'}, anew=True):
        assert Diary.read_identity(tmp_path) == {'who': 'bob'}


def test_another_format_is_refused(tmp_path):
    (tmp_path / 'diary.json').write_text(json.dumps({'format': 2, 'identity': {}}))
    with pytest.raises(IlRosError, match='not understood: format 2; allowed: format 3 of this'):
        Diary(tmp_path, {})


def test_it_is_locked_until_it_is_closed_even_after_an_error(tmp_path):
    with (
        Diary(tmp_path, {'who': 'ann'}),
        pytest.raises(IlRosError, match='another process is writing here'),
    ):
        Diary(tmp_path, {'who': 'ann'})
    with pytest.raises(IlRosError, match='another year'):
        Diary(tmp_path, {'who': 'bob'})
    with Diary(tmp_path, {'who': 'ann'}):
        pass


def test_a_folder_that_cannot_be_made_is_named(tmp_path):
    Path(tmp_path / 'file').touch()
    with pytest.raises(IlRosError, match=r'file/days\.txt: cannot be written: '):
        Diary(tmp_path / 'file', {})


def test_rounds_without_their_manifest_belong_to_nobody(tmp_path):
    with RoundJournal(tmp_path, {'who': 'ann'}) as journal:
        manifest = tmp_path / journal.manifest
    (tmp_path / 'round_000').mkdir()
    with RoundJournal(tmp_path, {'who': 'ann'}):
        pass
    manifest.unlink()
    with pytest.raises(DatasetError, match=r'rounds without coaching\.json: it is not known'):
        RoundJournal(tmp_path, {'who': 'ann'})
