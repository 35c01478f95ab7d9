"""The verbs of the monitor: thresholds from rollouts, and a recorded episode judged again."""

import json
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from rosbags.typesys import Stores, get_types_from_msg, get_typestore

from il_ros.bags import EpisodeReader, EpisodeWriter
from il_ros.bags.recorded_bundles import recorded_bundles
from il_ros.calibration.calibrate import CalibrationConfig, calibrate
from il_ros.calibration.fit_scores import fit_bank
from il_ros.calibration.replay import replay
from il_ros.cli import monitor_command as cli
from il_ros.cli.main import main
from il_ros.core.contract import parse_contract
from il_ros.core.errors import BundleError, DatasetError
from il_ros.core.frames import Frame
from il_ros.core.observation_features import Features, Normalizer
from il_ros.datasets.dataset import load_dataset
from il_ros.datasets.dataset_writer import save_dataset
from il_ros.datasets.manifest import EpisodeEntry
from il_ros.datasets.memory_dataset import EpisodeFrames, assemble
from il_ros.monitors.monitor_config import MonitorConfig
from il_ros.monitors.score_watch import ScoreWatch
from il_ros.policies.bundle import Bundle, Training, load_bundle
from il_ros.policies.bundle_writer import save_bundle
from il_ros.policies.mlp import MlpConfig, MlpPolicy, network_shapes

MS = 1_000_000
NS = 10**9
MSG = Path(__file__).parents[2] / 'msg'
STORE = get_typestore(Stores.ROS2_JAZZY)
DURATION = STORE.types['builtin_interfaces/msg/Duration']
OWN = ('ActionChunk', 'MonitorScores', 'MonitorStatus')
for kind in OWN:
    STORE.register(get_types_from_msg((MSG / f'{kind}.msg').read_text(), f'il_ros/msg/{kind}'))
TEXT = """
version: 1
name: test
base_frame: base
rate: 20.0
clock: arm
observations:
  arm: {topic: joint_states, type: sensor_msgs/msg/JointState, fields: [position], names: [a, b],
        rate: 20.0}
  speed: {topic: joint_states, type: sensor_msgs/msg/JointState, fields: [velocity],
          names: [a, b], rate: 20.0}
action:
  names: [a, b]
  position: [arm]
  velocity: [speed]
  limits: {position_min: [-9, -9], position_max: [9, 9], velocity: [1, 1],
           acceleration: [1, 1], jerk: [1, 1]}
"""
CONTRACT = parse_contract(TEXT)
CHANNELS = (('look', 'mahalanobis', 'observation'), ('answer', 'tce', 'observation'))
POLICY, ALARM = 2, 4
IDENTITY = 'ab' * 32


def states(seed, length=40):
    """Joint positions of an episode, shape (length, 2): a slow wave with some noise."""
    rng = np.random.default_rng(seed)
    time = np.arange(length)[:, None] / 10
    return np.sin(time + np.array([0.0, 1.0])) + 0.05 * rng.normal(size=(length, 2))


def frame(i, position):
    values = {'arm': position, 'speed': np.zeros(2)}
    return Frame(
        stamp=NS + i * 50 * MS,
        values=values,
        valid=dict.fromkeys(values, True),
        age=dict.fromkeys(values, 0.0),
    )


def dataset(seeds):
    def episode(seed):
        positions = states(seed)
        frames = [frame(i, position) for i, position in enumerate(positions)]
        entry = EpisodeEntry(id=f'e{seed}', start=0, length=0, seed=seed, outcome='success')
        return EpisodeFrames(entry=entry, frames=frames, actions=positions + 0.01)

    return assemble(CONTRACT, [episode(seed) for seed in seeds])


def make_policy():
    config, rng = MlpConfig(hidden_dims=(8,), horizon=3, absolute=()), np.random.default_rng(0)
    size, shape = Features(CONTRACT).size, (3, 2)
    weights = {
        name: 0.1 * rng.standard_normal(s).astype(np.float32)
        for name, s in network_shapes(config, size, shape).items()
        if name not in ('inputs', 'outputs')
    }
    inputs = Normalizer(mean=np.zeros(size), scale=np.ones(size), clip=5.0)
    outputs = Normalizer(mean=np.zeros(shape), scale=np.ones(shape))
    return MlpPolicy(CONTRACT, config, weights=weights, inputs=inputs, outputs=outputs)


@pytest.fixture(scope='module')
def made():
    """A bundle whose thresholds are of 30 episodes."""
    policy, training = make_policy(), Training(
        algorithm='bc', config={}, metrics={}, data_hash='ab', episodes=('e0',), seeds=(0,),
        held_out=(),
    )  # fmt: skip
    scores = fit_bank(policy, dataset(range(10)), range(10), CHANNELS)
    bare = Bundle(policy=policy, training=training, scores=scores)
    limit = calibrate(
        scores, policy, dataset(range(50, 80)), range(30), source='rollouts',
        policy_id=bare.policy_id, config=CalibrationConfig(alpha=0.1),
    )  # fmt: skip
    return replace(bare, threshold=limit)


@pytest.fixture
def path(made, tmp_path):
    save_bundle(made, tmp_path / 'bundle')
    return tmp_path / 'bundle'


@pytest.fixture
def bare(made, tmp_path):
    save_bundle(replace(made, threshold=None), tmp_path / 'bare')
    return tmp_path / 'bare'


# calibrate --------------------------------------------------------------------------------------


@pytest.fixture
def rollouts(tmp_path):
    save_dataset(dataset(range(100, 130)), tmp_path / 'rollouts')
    return tmp_path / 'rollouts'


def test_thresholds_are_set_and_told(bare, rollouts, capsys):
    arguments = ['monitor', 'calibrate', str(bare), str(rollouts), '--alpha', '0.1']
    assert main([*arguments, '--warn-alpha', '0.3', '--window', '3']) == 0
    loaded = load_bundle(bare)
    limit = loaded.threshold
    assert (limit.alpha, limit.warn_alpha, limit.window, limit.varying) == (0.1, 0.3, 3, True)
    assert limit.source == 'rollouts'
    told = capsys.readouterr().out.splitlines()
    assert told[0] == (
        f'policy {loaded.policy_id}: 20 episodes for the threshold, 10 for the scale of the scores'
    )
    assert told[1].startswith('look: stops above ')
    assert '(alpha 0.1), warns above ' in told[1]
    assert told[2].startswith('answer: stops above ')
    assert told[-1] == f'bundle {loaded.identity}'
    assert limit.data_hash == load_dataset(rollouts).manifest.data_hash


def test_thresholds_are_not_made_of_rollouts_that_were_changed(bare, rollouts):
    array = np.load(rollouts / 'arm.npy', 'r+')
    array[3, 0] += 0.01
    array.flush()
    before = (bare / 'bundle.json').read_bytes()
    with pytest.raises(DatasetError, match='rollouts: arm not as written'):
        cli.calibrate(bare, rollouts, 0.1)
    assert (bare / 'bundle.json').read_bytes() == before


def test_thresholds_may_follow_the_course_of_an_episode(bare, rollouts, capsys):
    assert main(['monitor', 'calibrate', str(bare), str(rollouts), '--alpha', '0.1',
                 '--varying']) == 0  # fmt: skip
    assert load_bundle(bare).threshold.varying
    assert ' to ' in capsys.readouterr().out.splitlines()[1]


def test_what_the_policy_was_trained_on_is_refused(bare, tmp_path):
    save_dataset(dataset(range(30)), tmp_path / 'seen')
    before = (bare / 'bundle.json').read_bytes()
    with pytest.raises(DatasetError, match='the policy was trained on e0 or the same seeds; allow'):
        cli.calibrate(bare, tmp_path / 'seen', 0.1)
    assert (bare / 'bundle.json').read_bytes() == before


def test_a_bundle_without_scores_is_refused(made, rollouts, tmp_path):
    save_bundle(replace(made, scores=None, threshold=None), tmp_path / 'none')
    with pytest.raises(
        BundleError, match=r'none: has no scores; allowed: a policy whose.*to fix: train it'
    ):
        cli.calibrate(tmp_path / 'none', rollouts, 0.1)


# replay -----------------------------------------------------------------------------------------


def header(stamp):
    time = STORE.types['builtin_interfaces/msg/Time'](sec=stamp // NS, nanosec=stamp % NS)
    return STORE.types['std_msgs/msg/Header'](stamp=time, frame_id='base')


def cdr(kind, stamp, **fields):
    return STORE.serialize_cdr(STORE.types[kind](header=header(stamp), **fields), kind)


def live(made, positions, drives):
    """What a monitor sees and says tick by tick: stamp, chunk, look, whether the policy drove."""
    bundle = replace(made)
    watch, driving, rows = ScoreWatch(bundle.calibration, MonitorConfig()), True, []
    bundle.policy.reset()
    for i, position in enumerate(positions):
        seen = frame(i, position)
        stamp, chunk = seen.stamp, bundle.policy.act(seen)
        driven = driving and i in drives
        reading = watch.read(bundle.score_inputs.of_frame(seen, chunk, stamp / NS), driven)
        driving = driving and not (driven and watch.stop_text(reading))
        rows.append((stamp, chunk, reading, driven, driving))
    return rows


def record(root, made, positions, *, drives=range(100), say=OWN, policy_id=None, shift=0.0):
    """A bag of what `live` gives, with these of our own topics."""
    writer = EpisodeWriter(root, 'one', CONTRACT)
    writer.add_topic('/joint_states', 'sensor_msgs/msg/JointState', None)
    names = {'ActionChunk': '/policy/action_chunk', 'MonitorScores': '/monitor/scores',
             'MonitorStatus': '/monitor/status'}  # fmt: skip
    for kind in say:
        text = (MSG / f'{kind}.msg').read_text()
        writer.add_topic(names[kind], f'il_ros/msg/{kind}', text)
    rows = live(made, positions, drives)
    for (stamp, chunk, reading, driven, driving), position in zip(rows, positions, strict=True):
        joints = {'name': ['a', 'b'], 'position': position, 'velocity': np.zeros(2),
                  'effort': np.zeros(0)}  # fmt: skip
        said = {
            'ActionChunk': {
                'step_dt': DURATION(sec=0, nanosec=50 * MS), 'names': ['a', 'b'], 'horizon': 3,
                'positions': chunk.ravel(),
                'source': POLICY, 'contract_hash': CONTRACT.hash,
                'policy_id': made.policy_id if policy_id is None else policy_id,
                'embedding': np.zeros(0, np.float32), 'sample_count': 0, 'samples': np.zeros(0),
            },
            'MonitorScores': {
                'names': list(reading.names), 'values': reading.values,
                'thresholds': reading.thresholds, 'score': reading.score + shift,
                'driving': driven and driving,
            },
            'MonitorStatus': {
                'mode': POLICY if driven and driving else ALARM, 'warning': reading.warned,
                'takeover': False, 'fault': 0, 'reason': 'why', 'score': reading.score + shift,
                'warning_threshold': reading.warn, 'exceeded': reading.exceeded,
                'triggered': reading.triggered,
                'policy_id': made.policy_id, 'bundle_identity': IDENTITY,
                'tick_cost': DURATION(sec=0, nanosec=0),
            },
        }  # fmt: skip
        writer.write('/joint_states', cdr('sensor_msgs/msg/JointState', stamp, **joints), stamp)
        for kind in say:
            writer.write(names[kind], cdr(f'il_ros/msg/{kind}', stamp, **said[kind]), stamp + MS)
    return writer.close('success'), rows


def judged(bag, path):
    bundle = load_bundle(path)
    with EpisodeReader(bag, bundle.contract) as reader:
        return replay(reader, bundle, MonitorConfig())


def strange(length=40):
    positions = states(200, length)
    positions[25:, 0] += 5.0
    return positions


@pytest.mark.parametrize('say', [OWN, OWN[::2], OWN[1:]])
def test_what_the_monitor_said_is_said_again(made, path, tmp_path, say):
    """With and without the chunks and the scores in the bag."""
    bag, rows = record(tmp_path / 'bags', made, strange(), say=say)
    found = judged(bag, path)
    assert found.same_policy == ('ActionChunk' in say)
    assert [tick.stamp for tick in found.ticks] == [stamp for stamp, *_ in rows]
    for tick, (_, _, reading, driven, _) in zip(found.ticks, rows, strict=True):
        assert tick.driving == driven
        np.testing.assert_allclose(tick.reading.values, reading.values)
        assert tick.reading.warned == reading.warned
    stop = next(stamp for stamp, *_, driving in rows if not driving)
    assert found.first('stop').stamp == found.stopped() == stop
    assert found.first('stop').stop.startswith('answer ')
    assert len(found.differences()) >= 25
    assert found.differences().max() < 1e-9


def test_it_is_told_with_its_agreement(made, path, tmp_path, capsys):
    bag, rows = record(tmp_path / 'bags', made, strange())
    out = tmp_path / 'out.json'
    assert main(['monitor', 'replay', str(bag), '--bundle', str(path), '--json', str(out)]) == 0
    told = capsys.readouterr().out
    driven = sum(row[3] for row in rows)
    assert f'40 frames, {driven} driven by the policy; the chunks in the bag' in told
    assert 'would have warned at 1.3' in told
    assert 'would have stopped at 1.35 s: answer ' in told
    assert 'what the monitor said then: the stop agrees; ' in told
    assert f'{driven} of {driven} scores agree' in told
    data = json.loads(out.read_text())
    assert data['channels'] == ['look', 'answer']
    assert len(data['ticks']) == 40
    assert data['first_stop']['stamp'] == data['stopped_then'] == NS + 27 * 50 * MS
    assert data['ticks'][0]['values'][1] is None  # nothing to compare the first chunk with
    assert data['largest']['look'][0] > 1


def test_a_nominal_episode_is_not_stopped(made, path, tmp_path, capsys):
    bag, _ = record(tmp_path / 'bags', made, states(201), say=())
    assert cli.replay(bag, path) == 0
    told = capsys.readouterr().out
    assert "the bundle's own chunks, made anew" in told
    assert 'would have stopped never' in told
    assert 'the bag does not say what the monitor said then' in told


def test_what_differs_is_told(made, path, tmp_path, capsys):
    bag, _ = record(tmp_path / 'bags', made, states(202), shift=0.5)
    found = judged(bag, path)
    np.testing.assert_allclose(found.differences(), 0.5)
    cli.replay(bag, path)
    assert '0 of 40 scores agree, largest difference 0.5 of a' in capsys.readouterr().out


def test_a_bag_names_the_bundle_that_the_monitor_had(tmp_path, made, capsys):
    bag, _ = record(tmp_path / 'bags', made, states(203))
    assert recorded_bundles(bag) == (IDENTITY,)
    assert main(['bags', 'info', str(bag)]) == 0
    assert IDENTITY[:50] in capsys.readouterr().out
    bag, _ = record(tmp_path / 'silent', made, states(203), say=('ActionChunk',))
    assert recorded_bundles(bag) == ()


def test_chunks_of_another_policy_are_made_anew(made, path, tmp_path):
    bag, _ = record(tmp_path / 'bags', made, states(203), policy_id='other')
    found = judged(bag, path)
    assert not found.same_policy
    assert np.isfinite(found.ticks[1].reading.values).all()


def test_only_what_the_policy_drove_counts(made, path, tmp_path):
    bag, _ = record(tmp_path / 'bags', made, strange(), drives=range(10))
    found = judged(bag, path)
    assert sum(tick.driving for tick in found.ticks) == 10
    assert found.first('stop') is None
    assert found.largest()['look'][0] < 1  # it was strange later, under another hand


def test_a_bundle_that_is_not_calibrated_is_refused(made, bare, tmp_path):
    bag, _ = record(tmp_path / 'bags', made, states(204, 5))
    with pytest.raises(BundleError) as caught:
        cli.replay(bag, bare)
    assert str(caught.value) == (
        f'{bare}: is not calibrated; to fix: run "il_ros monitor calibrate" on rollouts of its '
        'policy'
    )


def test_what_is_no_bag_is_refused(made, path, tmp_path):
    bag, _ = record(tmp_path / 'bags', made, states(205, 3))
    with pytest.raises(DatasetError, match=r'no metadata\.yaml in it'):
        cli.replay(tmp_path, path)
    shutil.rmtree(bag)
    empty, _ = record(tmp_path / 'empty', made, states(205, 0))
    with pytest.raises(DatasetError, match='no frame with all required observations'):
        cli.replay(empty, path)
