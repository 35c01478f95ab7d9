import json
import shutil

import numpy as np
import pytest
from made_episodes import CONTRACT, made

from il_ros.cli.dataset_report_command import report
from il_ros.cli.main import main
from il_ros.core.errors import DatasetError
from il_ros.datasets.dataset_writer import DatasetWriter


@pytest.fixture
def dataset(tmp_path):
    with DatasetWriter(tmp_path / 'swing', CONTRACT) as writer:
        for i in range(3):
            action = 0.1 * np.sin(np.arange(40) / 10 + i)
            writer.add(made(action, id=f'e{i}', notes='<script>' if i else '', flagged=i == 2))
        writer.finish()
    return tmp_path / 'swing'


def test_the_page_lies_beside_the_dataset_unless_told_otherwise(dataset, tmp_path, capsys):
    assert report(dataset) == 0
    page = (tmp_path / 'swing.html').read_text(encoding='utf-8')
    assert 'Dataset swing' in page
    assert '<script' not in page
    assert '3 episodes, 1 suspicious' in capsys.readouterr().out


def test_page_and_json_are_of_one_summary(dataset, tmp_path):
    assert report(dataset, tmp_path / 'a' / 'r.html', tmp_path / 'b' / 'r.json', seed=4) == 0
    found = json.loads((tmp_path / 'b' / 'r.json').read_text(encoding='utf-8'))
    assert [e['id'] for e in found['episodes']] == ['e2', 'e0', 'e1']
    assert [path.name for path in (tmp_path / 'a').iterdir()] == ['r.html']
    assert not (tmp_path / 'swing.html').exists()


def test_what_is_no_dataset_is_said(tmp_path):
    with pytest.raises(DatasetError, match=r'no manifest\.json in it'):
        report(tmp_path)


def test_the_verb(dataset, tmp_path, capsys):
    arguments = ['dataset', 'report', str(dataset), '--out', str(tmp_path / 'x.html')]
    assert main(arguments) == 0
    assert (tmp_path / 'x.html').exists()
    assert main(['dataset', 'report', str(tmp_path / 'gone')]) == 2
    assert 'error: ' in capsys.readouterr().err


def test_pages_of_versions_do_not_collide_and_the_current_folder_has_a_name(
    dataset, tmp_path, monkeypatch, capsys
):
    for version in ('v1.1', 'v1.2'):
        shutil.copytree(dataset, tmp_path / version)
        assert report(tmp_path / version) == 0
    assert (tmp_path / 'v1.1.html').exists()
    assert (tmp_path / 'v1.2.html').exists()
    monkeypatch.chdir(dataset)
    assert main(['dataset', 'report', '.']) == 0
    assert (tmp_path / 'swing.html').exists()
    assert main(['dataset', 'report', '.', '--out', '.']) == 2
    assert 'cannot be written: Is a directory' in capsys.readouterr().err
