import pytest
from cdr_messages import joints
from made_episodes import CONTRACT, made

from il_ros.bags import EpisodeWriter
from il_ros.bags.episode_info import EPISODE_FILE
from il_ros.cli.main import main
from il_ros.cli.view_command import view
from il_ros.core.errors import DatasetError
from il_ros.datasets.dataset_writer import DatasetWriter

chunk = pytest.importorskip('rerun.chunk')


def ids(path):
    return [entry.recording_id for entry in chunk.RrdReader(str(path)).recordings()]


def test_an_episode_of_a_dataset_by_its_number(tmp_path, capsys):
    with DatasetWriter(tmp_path / 'set', CONTRACT) as writer:
        for i in range(2):
            writer.add(made(5, id=f'e{i}'))
        writer.finish()
    arguments = ['--episode', '1', '--out', str(tmp_path / 'e.rrd')]
    assert main(['view', str(tmp_path / 'set'), *arguments]) == 0
    assert ids(tmp_path / 'e.rrd') == ['e1']
    assert 'entities' in capsys.readouterr().out
    with pytest.raises(DatasetError, match='no episode 2; allowed: 0 to 1'):
        view(tmp_path / 'set', tmp_path / 'e.rrd', episode=2)


def test_a_bag_or_one_of_a_folder_of_bags(tmp_path):
    for name in ('one', 'two'):
        writer = EpisodeWriter(tmp_path / 'bags', name, CONTRACT)
        writer.add_topic('/joint_states', 'sensor_msgs/msg/JointState')
        for i in range(3):
            stamp = 10**9 + i * 10**8
            message = joints(('a', 'b', 'finger'), (0.1, 0.2, 0.0), (0, 0, 0), stamp=stamp)
            writer.write('/joint_states', message, stamp)
        bag = writer.close('success')
    assert (bag / EPISODE_FILE).exists()
    assert view(tmp_path / 'bags', tmp_path / 'e.rrd', episode=1) == 0
    assert ids(tmp_path / 'e.rrd') == ['two']
    assert view(tmp_path / 'bags' / 'one', tmp_path / 'e.rrd') == 0
    assert ids(tmp_path / 'e.rrd') == ['one']
    with pytest.raises(DatasetError, match='bags: no episode 2; allowed: 0 to 1'):
        view(tmp_path / 'bags', tmp_path / 'e.rrd', episode=2)


def test_what_is_neither_is_said(tmp_path):
    with pytest.raises(DatasetError, match='no episode in it'):
        view(tmp_path, tmp_path / 'e.rrd')
