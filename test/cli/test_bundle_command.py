import json

import pytest
from made_bundles import CHANNELS, make_bundle, make_limit

from il_ros.cli.main import main
from il_ros.policies.bundle import load_bundle
from il_ros.policies.bundle_writer import save_bundle, save_threshold


@pytest.fixture
def folder(task, tmp_path):
    bundle = make_bundle(task, CHANNELS[:1])
    save_bundle(bundle, tmp_path / 'bundle')
    save_threshold(tmp_path / 'bundle', bundle, make_limit(task, bundle, varying=False))
    return tmp_path / 'bundle'


def run(capsys, *arguments):
    code = main(['bundle', *map(str, arguments)])
    said = capsys.readouterr()
    return code, said.out + said.err


def test_a_bundle_is_shown_signed_verified_and_told_apart_from_another(folder, capsys):
    key, other = folder.with_name('key'), folder.with_name('other')
    identity = load_bundle(folder).identity
    for each in (key, other):
        code, said = run(capsys, 'keygen', each)
        assert code == 0
    assert f'public key: {other}.pub\nfingerprint ' in said
    code, said = run(capsys, 'info', folder)
    assert code == 0
    assert said.startswith(f'bundle {identity}\n')
    assert 'signature  │ none' in said

    assert run(capsys, 'verify', folder)[1].endswith('not signed\n')
    code, said = run(capsys, 'verify', folder, '--keys', f'{key}.pub')
    assert code == 2
    assert 'is not signed' in said
    code, said = run(capsys, 'sign', folder, '--key', key)
    fingerprint = said.split()[-1]
    assert (code, said) == (0, f'bundle {identity}\nsigned with key {fingerprint}\n')
    code, said = run(capsys, 'verify', folder, '--keys', f'{other}.pub', f'{key}.pub')
    assert (code, said.splitlines()[-1]) == (0, f'signed with key {fingerprint}')
    assert ', not verified: give its file with --keys' in run(capsys, 'verify', folder)[1]
    assert run(capsys, 'verify', folder, '--keys', f'{other}.pub')[0] == 2
    assert run(capsys, 'verify', folder, '--identity', identity)[0] == 0
    assert run(capsys, 'verify', folder, '--identity', '0' * 64)[0] == 2


def test_what_was_changed_is_not_signed_nor_shown(folder, capsys):
    assert run(capsys, 'keygen', folder.with_name('key'))[0] == 0
    file = folder / 'bundle.json'
    info = json.loads(file.read_text())
    info['calibration']['stop'] *= 2
    file.write_text(json.dumps(info))
    for verb in (['info', folder], ['verify', folder]):
        assert 'changed by hand' in run(capsys, *verb)[1]
    code, said = run(capsys, 'sign', folder, '--key', folder.with_name('key'))
    assert (code, 'changed by hand' in said) == (2, True)
    assert not (folder / 'signature.json').exists()
