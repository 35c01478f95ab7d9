"""A bag with a second publisher, and what a build says of it."""

import json

import numpy as np
import pytest
from episode_fixtures import MS

from il_ros.bags.bag_reader import BagReadOptions
from il_ros.cli import dataset_command
from il_ros.core.errors import DatasetError
from il_ros.core.frames import NS
from il_ros.datasets.dataset_build import build_dataset
from il_ros.datasets.dataset_operations import append_bags, merge
from il_ros.datasets.message_checks import MessageChecks
from il_ros.datasets.summary.summarise_dataset import summarise


@pytest.fixture
def bag(open_writer, messages):
    """A bag of 30 ticks; joints a and b as they are, zeros of another publisher `shift` later."""

    def make(name, shift=None, scale=1.0):
        writer = open_writer(name)
        for i in range(30):
            stamp = NS + i * 50 * MS
            position = [0.5 + 0.01 * i, -0.5]
            events = [(stamp, '/joint_states', messages.joints(stamp, position))]
            if shift is not None and i % 5 == 0:
                zeros = messages.joints(stamp + shift, [0.0, 0.0])
                events.append((stamp + abs(shift) + 1000, '/joint_states', zeros))
            events.append((stamp - 1, '/wrench', messages.wrench(stamp, float(i))))
            command = messages.chunk(stamp, [-0.5 * scale, (0.5 + 0.01 * i) * scale])
            events.append((stamp + 30 * MS, '/monitor/executed', command))
            for receive, topic, data in sorted(events, key=lambda event: event[0]):
                writer.write(topic, data, receive)
        return writer.close('success')

    return make


def built(bags, tmp_path, name='set', **options):
    return build_dataset(bags, tmp_path / name, jobs=1, **options)


@pytest.mark.parametrize('shift', [0, 4 * MS])
def test_contradicting_messages_are_said_everywhere(bag, tmp_path, shift, capsys):
    dataset_command.build([bag('two', shift)], tmp_path / 'set', jobs=1)
    dataset_command.info(tmp_path / 'set')
    said = ' '.join(capsys.readouterr().out.split())
    # six zeros; every jump there and back again counts, the last one back to 0.76
    text = (
        '12 of 36 messages of position (joint_states) contradict the one before: b cannot move '
        '0.76 meanwhile; is there a second publisher?'
    )
    assert said.count(text) == 2
    manifest = json.loads((tmp_path / 'set/manifest.json').read_text())
    assert manifest['findings']['contradicting.position'] == text
    assert manifest['episodes'][0]['findings']['contradicting.position'] == text
    refused = '6 of 36 messages of position (joint_states) were not taken: its header stamp does'
    assert (refused in said) == (shift == 0)


def test_the_report_lists_what_is_odd(bag, tmp_path):
    found = summarise(built([bag('fine'), bag('two', 0)], tmp_path), thumbnails=0)
    assert [episode.id for episode in found.episodes] == ['two', 'fine']
    assert any('second publisher' in reason for reason in found.episodes[0].reasons)
    assert not any('second publisher' in reason for reason in found.episodes[1].reasons)
    assert any(note.startswith('1 of 2 episodes, first two: 12 of') for note in found.notes)


def test_a_bag_in_degrees_is_left_out_unless_it_is_taken_anyway(bag, tmp_path):
    fine, degrees = bag('fine'), bag('degrees', scale=57.3)
    dataset = built([fine, degrees], tmp_path)
    assert [entry.id for entry in dataset.episodes] == ['fine']
    (left,) = dataset.manifest.left_out
    assert left.reason.startswith(
        'degrees: action: 30 of 30 actions of a are out of limits: -28.65'
    )
    assert left.reason.endswith(
        "have its driver publish the contract's units, or correct its limits, or take them with "
        '--beyond-limits'
    )
    assert dataset.manifest.steps['quality']['kept_frames'] == dataset.frames == 30
    with pytest.raises(DatasetError, match='none of 1 episodes can be used'):
        built([degrees], tmp_path, 'none')
    taken = BagReadOptions(beyond_limits=True)
    anyway = built([degrees], tmp_path, 'anyway', reading=taken)
    assert anyway.frames == 30
    assert 'are out of limits' in anyway.manifest.findings['action_limits']
    # What is added is read as the rest was; what is merged keeps what is known of it.
    assert len(append_bags(tmp_path / 'anyway', [fine], jobs=1).episodes) == 2
    both = merge([tmp_path / 'set', tmp_path / 'anyway'], tmp_path / 'both')
    assert both.manifest.findings['action_limits'].startswith('1 of 2 episodes, first degrees: ')


def test_fast_but_possible_motion_contradicts_nothing(contract):
    checks, rng = MessageChecks(contract), np.random.default_rng(0)
    stamp, value = NS, np.zeros(2)
    for _ in range(300):
        step = int(rng.integers(1, 40)) * MS
        stamp += step
        value = value + rng.uniform(-1, 1, 2) * step / NS  # the limit is 1 rad/s
        checks.took('position', value + rng.normal(0, 1e-4, 2), stamp)
    assert checks.findings() == {}


def test_what_was_before_the_episode_contradicts_nothing(open_writer, messages, tmp_path):
    """The pre-roll of the recorder has the world before it was reset."""
    writer = open_writer('reset', start_ns=NS + 5 * 50 * MS)
    for i in range(12):
        stamp, far = NS + i * 50 * MS, 0.9 if i < 5 else 0.0
        writer.write('/wrench', messages.wrench(stamp, 0.0), stamp - 1)
        writer.write('/joint_states', messages.joints(stamp, [far, far]), stamp)
        writer.write('/monitor/executed', messages.chunk(stamp, [0.0, 0.01 * i]), stamp + MS)
    dataset = built([writer.close('success')], tmp_path)
    assert dataset.frames == 7
    assert set(dataset.manifest.findings) == {'constant'}


def test_a_joint_that_its_driver_does_not_measure_has_a_way_out(open_writer, messages, tmp_path):
    writer = open_writer('nan')
    for i in range(5):
        stamp = NS + i * 50 * MS
        writer.write('/wrench', messages.wrench(stamp, 0.0), stamp - 1)
        writer.write('/joint_states', messages.joints(stamp, [np.nan, 0.0]), stamp)
        writer.write('/monitor/executed', messages.chunk(stamp, [0.0, 0.0]), stamp + MS)
    with pytest.raises(DatasetError) as caught:
        built([writer.close('success')], tmp_path)
    assert (
        'position (joint_states): not finite; to fix: a driver sends NaN for what it does not '
        'measure; leave that out of the contract (its names, or the key), or say required: false'
    ) in str(caught.value)


def test_images_that_cannot_be_decoded_are_counted(camera_contract):
    checks = MessageChecks(camera_contract)
    for number in range(4):
        checks.took('wrist', object(), NS + number)
        if number:
            checks.refused('wrist', f'broken {number}')
    assert checks.findings() == {
        'rejected.wrist': '3 of 4 messages of wrist (wrist) were not taken: broken 3'
    }
