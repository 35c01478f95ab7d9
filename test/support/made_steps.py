"""Steps of the made-up task of `conftest.Task`, as interactive imitation records them."""

from dataclasses import replace

import numpy as np

from il_ros.algorithms.transitions import ENDINGS, EXPERT, POLICY, Transitions
from il_ros.interactive.arm_transitions import observed
from il_ros.interactive.chunk_learner import TRAINING
from il_ros.policies.mlp import MlpConfig

SMALL = replace(
    TRAINING,
    policy=MlpConfig(hidden_dims=(24,), horizon=2, absolute=('hand',)),
    epochs=60,
    batch_size=32,
    learning_rate=5e-3,
    ema_decay=0.9,
    device='cpu',
)
"""A small policy, trained within a second or two."""


def made_steps(
    task, number, *, length=20, horizon=2, by_expert=True, asked=None, ending='success', round_=0
):
    """One episode: joint a goes to where the object is, joint b opens.

    Where the learner drives it commands nonsense, and `asked` (all by default) says where the
    expert was asked; he always answers with what would be right.
    """
    rng = np.random.default_rng(number)
    a, b, x, yaw = rng.uniform(-0.5, 0.5), 0.0, rng.uniform(0.2, 0.6), rng.uniform(-1, 1)
    seen, answers = [], []
    for step in range(length):
        seen.append(observed(task.contract, task.frame(step, a, b, x, yaw)))
        chunk, p, q = [], a, b
        for _ in range(horizon):
            p, q = p + 0.2 * (x - p), min(0.04, q + 0.004)
            chunk += [p, q]
        answers.append(chunk)
        a, b = chunk[:2]
    expert = np.array(answers, np.float32)
    nonsense = np.full_like(expert, -0.9)
    asked = np.ones(length, bool) if asked is None else np.asarray(asked)
    ends = np.zeros(length, np.uint8)
    ends[-1] = ENDINGS.index(ending)
    return Transitions(
        observation=np.array(seen, np.float32),
        policy=nonsense,
        expert=np.where(asked[:, None], expert, np.nan).astype(np.float32),
        executed=expert if by_expert else nonsense,
        source=np.full(length, EXPERT if by_expert else POLICY, np.uint8),
        asked=asked,
        policy_id=np.full(length, '', 'U16'),
        round=np.full(length, round_, np.int32),
        episode=np.full(length, number, np.int32),
        before_takeover=np.zeros(length, bool),
        ending=ends,
    )
