import pytest

from il_ros.cli.interop_command import export_, import_
from il_ros.core.errors import DatasetError
from il_ros.datasets.dataset import load_dataset

pytest.importorskip('pyarrow')
pytest.importorskip('h5py')


@pytest.mark.parametrize('kind', ['lerobot', 'robomimic'])
def test_out_and_in_again(make_dataset, same, tmp_path, capsys, kind):
    dataset = make_dataset()
    assert export_(tmp_path / 'dataset', tmp_path / 'out', format=kind) == 0
    assert import_(tmp_path / 'out', tmp_path / 'back', format=kind) == 0
    assert capsys.readouterr().out.count('3 episodes, 24 frames') == 2
    same(dataset, load_dataset(tmp_path / 'back'))


def test_a_mapping_and_a_contract_come_from_files(make_dataset, texts, tmp_path):
    make_dataset(texts.state)
    export_(tmp_path / 'dataset', tmp_path / 'out')
    (tmp_path / 'contract.yaml').write_text(texts.state)
    (tmp_path / 'map.yaml').write_text(
        'streams:\n'
        '  position: {feature: observation.state, index: [0, 1]}\n'
        '  speed: {feature: observation.state, names: [speed.a, speed.b]}\n'
        '  width: {feature: observation.width}\n'
        'action: {feature: action}\n'
    )
    import_(
        tmp_path / 'out', tmp_path / 'back',
        contract=tmp_path / 'contract.yaml', mapping=tmp_path / 'map.yaml',
    )  # fmt: skip
    assert 'synthetic' in load_dataset(tmp_path / 'back').episodes[0].notes


def test_robomimic_has_no_videos(make_dataset, tmp_path):
    make_dataset()
    with pytest.raises(DatasetError, match='robomimic has no videos'):
        export_(tmp_path / 'dataset', tmp_path / 'out', format='robomimic', images='video')
