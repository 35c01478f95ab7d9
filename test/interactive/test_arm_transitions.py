import numpy as np
import pytest
from made_steps import made_steps

from il_ros.algorithms.chunk_dataset import chunk_samples
from il_ros.algorithms.transitions import join
from il_ros.core.errors import DatasetError
from il_ros.core.frames import NS
from il_ros.interactive.arm_transitions import columns, dataset_of_steps, observed


def test_an_observation_is_what_the_contract_says_side_by_side(task):
    frame = task.frame(0, a=0.1, b=0.2, x=0.3, yaw=0.0)
    seen = observed(task.contract, frame)
    places = columns(task.contract)
    assert list(places) == ['arm', 'hand', 'speed', 'object', 'goal', 'wrench']
    assert seen.shape == (1 + 1 + 2 + 7 + 3 + 3,)
    for key, place in places.items():
        np.testing.assert_array_equal(seen[place], frame.values[key])


def test_labelled_steps_are_a_dataset_with_the_answers_as_labels(task):
    asked = np.arange(20) % 3 == 0
    steps = join([
        made_steps(task, 4),
        made_steps(task, 7, by_expert=False, asked=asked, ending='cut', round_=1),
    ])  # fmt: skip
    data, numbers = dataset_of_steps(task.contract, 'made', steps, labelled=True)
    assert numbers == [4, 7]
    assert [entry.id for entry in data.episodes] == ['made_0_4', 'made_1_7']
    assert [entry.length for entry in data.episodes] == [20, 7]
    assert [entry.outcome for entry in data.episodes] == ['success', 'failure']
    np.testing.assert_array_equal(data.label.reshape(27, 4), steps.expert[steps.labelled])
    np.testing.assert_array_equal(data.stamp[20:] - NS, np.flatnonzero(asked) * NS // 20)
    np.testing.assert_array_equal(data.values['object'], steps.observation[steps.labelled, 4:11])


def test_training_sees_the_answers_and_never_what_the_policy_did(task):
    steps = made_steps(task, 7, by_expert=False, asked=np.arange(20) < 5)
    data, _ = dataset_of_steps(task.contract, 'made', steps, labelled=False)
    samples = chunk_samples(data, 2)
    assert samples.mask[:5].all()
    assert not samples.mask[5:].any()
    np.testing.assert_array_equal(samples.chunk[:5].reshape(5, 4), steps.expert[:5])


def test_what_was_not_seen_is_not_valid(task):
    steps = made_steps(task, 1)
    steps.observation[3, columns(task.contract)['goal']] = np.nan
    data, _ = dataset_of_steps(task.contract, 'made', steps, labelled=False)
    assert data.valid['goal'].tolist() == [i != 3 for i in range(20)]
    assert data.valid['arm'].all()


def test_without_a_label_there_is_nothing_to_learn(task):
    steps = made_steps(task, 1, by_expert=False, asked=np.zeros(20, bool))
    with pytest.raises(DatasetError, match=r'no step has a label.*ask the expert more often'):
        dataset_of_steps(task.contract, 'made', steps, labelled=True)
