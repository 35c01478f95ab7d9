"""``il_ros migrate`` finds what older versions wrote, converts it, and loses nothing."""

import json
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

import pytest

from il_ros.cli import migrate_command
from il_ros.cli.main import main
from il_ros.cli.migrate_command import FILES, FOLDERS
from il_ros.core.atomic_files import write_atomic
from il_ros.core.errors import IlRosError
from il_ros.core.migration import Migration
from il_ros.core.registry import load
from il_ros.experts.teleop.devices import load_config

CONFIG = Path(__file__).parents[2] / 'config'
OLD = '# speeds\nhaste: 2.0  # m/s\n'
NEW = '# speeds\nspeed: 2.0  # m/s\n'


@dataclass(frozen=True, kw_only=True)
class Settings:
    renamed: ClassVar[dict[str, str]] = {'haste': 'speed'}

    speed: float = 1.0


@dataclass(frozen=True, kw_only=True)
class OtherSettings:
    renamed: ClassVar[dict[str, str]] = {'haste': 'rate'}

    rate: float = 1.0


def double(folder: Path) -> Migration:
    """A conversion of bundles of format 2 to format 3."""
    data = json.loads((folder / 'bundle.json').read_text())
    if data['format'] == 3:
        return Migration(changes=(), write=lambda target: None)
    if data['format'] != 2:
        raise IlRosError(f'format {data["format"]}', where=str(folder))

    def write(target: Path) -> None:
        shutil.copytree(folder, target)
        write_atomic(target / 'bundle.json', json.dumps(data | {'format': 3}))

    return Migration(changes=('format 2: now 3',), write=write)


@pytest.fixture
def kinds(monkeypatch):
    monkeypatch.setitem(FILES, 'settings', f'{__name__}:Settings')
    convertible = FOLDERS['bundle']._replace(convert=f'{__name__}:double')
    monkeypatch.setitem(FOLDERS, 'bundle', convertible)
    migrate_command._reader.cache_clear()
    yield
    migrate_command._reader.cache_clear()


@pytest.fixture
def runs(tmp_path, kinds):
    """A folder with an old file, an old bundle in a journal's folder, and what is not ours."""
    runs = tmp_path / 'runs'
    (runs / 'taught/bundle').mkdir(parents=True)
    (runs / 'settings.yaml').write_text(OLD)
    (runs / 'other.yaml').write_text('services: {}\n')
    (runs / 'taught/coaching.json').write_text(json.dumps({'format': 2, 'identity': {}}))
    (runs / 'taught/bundle/bundle.json').write_text(json.dumps({'format': 2}))
    (runs / 'taught/bundle/settings.yaml').write_text(OLD)  # belongs to the bundle
    return runs


def contents(folder):
    return {
        str(path.relative_to(folder)): path.read_text()
        for path in sorted(folder.rglob('*'))
        if path.is_file()
    }


def test_without_an_option_it_lists_and_writes_nothing(runs, capsys):
    before = contents(runs)
    assert main(['migrate', str(runs)]) == 1
    assert contents(runs) == before
    assert capsys.readouterr().out == (
        f'{runs}/settings.yaml: settings, to convert:\n'
        '  settings.yaml.haste: now speed\n'
        f'{runs}/taught/bundle: bundle, to convert:\n'
        '  format 2: now 3\n'
        f'{runs}/taught: journal of interactive training, up to date\n'
        '2 to convert: run again with --in-place or --out FOLDER\n'
    )


def test_in_place_keeps_the_originals_and_has_nothing_to_do_the_second_time(runs, capsys):
    before = contents(runs)
    assert main(['migrate', str(runs), '--in-place']) == 0
    after = contents(runs)
    assert after['settings.yaml'] == NEW
    assert after['settings.yaml.bak'] == OLD
    assert json.loads(after['taught/bundle/bundle.json']) == {'format': 3}
    assert after['taught/bundle.bak/bundle.json'] == before['taught/bundle/bundle.json']
    capsys.readouterr()
    assert main(['migrate', str(runs), '--in-place']) == 0
    assert contents(runs) == after
    assert 'convert' not in capsys.readouterr().out


def test_out_leaves_the_originals_alone(runs, tmp_path):
    before = contents(runs)
    assert main(['migrate', str(runs), '--out', str(tmp_path / 'new')]) == 0
    assert contents(runs) == before
    after = contents(tmp_path / 'new/runs')
    assert set(after) == set(before)
    assert after['settings.yaml'] == NEW
    assert json.loads(after['taught/bundle/bundle.json']) == {'format': 3}


def test_a_taken_name_is_refused(runs, tmp_path, capsys):
    (runs / 'settings.yaml.bak').write_text('mine')
    assert main(['migrate', str(runs / 'settings.yaml'), '--in-place']) == 2
    assert 'settings.yaml.bak: exists already; to fix: move it away' in capsys.readouterr().out
    assert (runs / 'settings.yaml').read_text() == OLD
    (tmp_path / 'new/runs').mkdir(parents=True)
    assert main(['migrate', str(runs), '--out', str(tmp_path / 'new')]) == 2
    assert 'exists already' in capsys.readouterr().err


def test_a_conversion_that_fails_leaves_the_original_and_nothing_else(runs, monkeypatch):
    def fail(*_):
        raise IlRosError('disk full')

    before = contents(runs)
    monkeypatch.setattr(migrate_command, 'write_atomic', fail)
    assert main(['migrate', str(runs / 'settings.yaml'), '--in-place']) == 2
    assert contents(runs) == before


def test_an_interruption_between_both_renames_puts_the_original_back(runs, monkeypatch):
    rename = Path.rename

    def interrupted(self, target):
        if self.name.endswith('.migrating'):
            raise KeyboardInterrupt
        return rename(self, target)

    before = contents(runs)
    monkeypatch.setattr(Path, 'rename', interrupted)
    assert main(['migrate', str(runs), '--in-place']) == 130
    assert contents(runs) == before


@pytest.mark.parametrize('kind', [kind for kind, one in FOLDERS.items() if not one.convert])
def test_a_format_that_cannot_be_converted_is_reported_with_what_to_do(kind, tmp_path, capsys):
    folder = tmp_path / 'x'
    folder.mkdir()
    marker = folder / FOLDERS[kind].marker
    formats = load(FOLDERS[kind].formats)
    current = formats if isinstance(formats, int) else max(formats)
    marker.write_text(json.dumps({'format': current}))
    assert main(['migrate', str(folder)]) == 0
    assert capsys.readouterr().out == f'{folder}: {kind}, up to date\n'
    for text, problem in (('{"format": 0}', 'format 0; allowed: '), ('{', 'cannot be read: ')):
        marker.write_text(text)
        assert main(['migrate', str(folder), '--in-place']) == 2
        out = capsys.readouterr().out
        assert out.startswith(f'{folder}: {kind}, not converted: ')
        assert problem in out


def test_a_file_of_no_kind_or_of_several_is_refused(kinds, tmp_path, monkeypatch, capsys):
    file = tmp_path / 'x.yaml'
    file.write_text('services: {}\n')
    assert main(['migrate', str(file)]) == 2
    assert 'no kind of file has these keys; allowed: contract, ' in capsys.readouterr().err
    file.write_text(OLD)
    monkeypatch.setitem(FILES, 'others', f'{__name__}:OtherSettings')
    assert main(['migrate', str(file)]) == 2
    text = 'may be a file of any of these kinds: settings, others; to fix: name the kind with'
    assert text in capsys.readouterr().err
    assert main(['migrate', str(file), '--kind', 'others', '--in-place']) == 0
    assert file.read_text() == OLD.replace('haste', 'rate')


@pytest.mark.parametrize(
    ('arguments', 'text'),
    [
        (['missing'], 'missing: no such file or folder'),
        (['.', '--kind', 'x'], "--kind: unknown kind 'x'; allowed: contract, "),
        (['.', '--in-place', '--out', 'y'], 'got --in-place and --out; allowed: one of them'),
    ],
)
def test_what_makes_no_sense_is_refused(arguments, text, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    assert main(['migrate', *arguments]) == 2
    assert text in capsys.readouterr().err
    assert main(['migrate', '.']) == 0
    assert capsys.readouterr().out == 'nothing there that this package wrote\n'


@pytest.mark.parametrize('folder', ['contracts', 'augmentation', 'randomisation', 'teleop'])
def test_what_ships_is_up_to_date(folder, capsys):
    files = sorted(CONFIG.glob(f'{folder}/*.yaml'))
    assert main(['migrate', *map(str, files)]) == 0
    assert capsys.readouterr().out.count('up to date') == len(files)


def test_a_gamepad_of_the_last_version_is_refused_with_the_new_key_and_converted(tmp_path, capsys):
    file = tmp_path / 'gamepad.yaml'
    now = (CONFIG / 'teleop/gamepad.yaml').read_text()
    file.write_text(now.replace('enable:', 'dead_man:'))
    text = "'dead_man' is now 'enable'; to fix: write 'enable' instead, or run il_ros migrate"
    with pytest.raises(IlRosError, match=text):
        load_config('joy', str(file))
    assert main(['migrate', str(file), '--in-place']) == 0
    assert capsys.readouterr().out.splitlines() == [
        f'{file}: joy device, converted:',
        '  gamepad.yaml.buttons.dead_man: now enable',
    ]
    assert file.read_text() == now
    assert load_config('joy', str(file)) == load_config('joy', str(CONFIG / 'teleop/gamepad.yaml'))


@pytest.mark.parametrize(
    'content', ['{', '[]', 100_000 * '[', '{"format": [4]}', '{"format": null}']
)
@pytest.mark.parametrize('marker', sorted({kind.marker for kind in FOLDERS.values()}))
def test_a_folder_whose_marker_is_damaged_is_said_and_stays_as_it_is(
    tmp_path, capsys, marker, content
):
    (tmp_path / marker).write_text(content)
    assert main(['migrate', str(tmp_path), '--in-place']) == 2
    said = capsys.readouterr().out
    assert said.startswith(f'{tmp_path}: ')
    assert ', not converted: ' in said
    assert [path.name for path in tmp_path.iterdir()] == [marker]
    assert (tmp_path / marker).read_text() == content
