"""DAgger and behaviour cloning of `imitation` 1.0.1, timed; run in its own environment.

`.venv-imitation/bin/python benchmarks/peer_imitation.py OUT.json --experts FOLDER ...`. It imports
nothing of this package. Settings are the library's defaults but for the network, 64 x 64 tanh as
ours, and the batch of the throughput, 256.
"""

import argparse
import json
import tempfile
import time
from pathlib import Path

import gymnasium
import numpy as np
import torch
from imitation.algorithms import bc
from imitation.algorithms.dagger import SimpleDAggerTrainer
from imitation.data import rollout, types
from imitation.data.wrappers import RolloutInfoWrapper
from imitation.policies.base import NonTrainablePolicy
from stable_baselines3.common.evaluation import evaluate_policy
from stable_baselines3.common.policies import ActorCriticPolicy
from stable_baselines3.common.vec_env import DummyVecEnv


class Expert(NonTrainablePolicy):
    """The tanh network in a file of arrays."""

    def __init__(self, path, observation_space, action_space):
        super().__init__(observation_space, action_space)
        with np.load(path) as file:
            self._arrays = {name: file[name] for name in file.files if name != 'activation'}

    def _choose_action(self, obs):
        d = self._arrays
        x = (obs - d['mean']) / (d['std'] + 1e-6)
        x = np.tanh(x @ d['w0'] + d['b0'])
        x = np.tanh(x @ d['w1'] + d['b1'])
        return np.clip(x @ d['w_out'] + d['b_out'], -1.0, 1.0).astype(np.float32)


def trainer(sees, does, hidden, random, **settings):
    policy = ActorCriticPolicy(
        sees,
        does,
        lr_schedule=lambda _: 1e-3,
        net_arch=[hidden, hidden],
        activation_fn=torch.nn.Tanh,
    )
    return bc.BC(
        observation_space=sees,
        action_space=does,
        rng=random,
        policy=policy,
        device='cpu',
        **settings,
    )


def throughput(hidden, seconds):
    """Samples a second of BC on 20,000 samples, batch 256."""
    random = np.random.default_rng(0)
    sees = gymnasium.spaces.Box(-np.inf, np.inf, (17,))
    does = gymnasium.spaces.Box(-1.0, 1.0, (6,))
    samples = types.Transitions(
        obs=random.standard_normal((20_000, 17)),
        acts=random.uniform(-1, 1, (20_000, 6)).astype(np.float32),
        infos=np.array([{}] * 20_000),
        next_obs=random.standard_normal((20_000, 17)),
        dones=np.zeros(20_000, bool),
    )
    learner = trainer(sees, does, hidden, random, batch_size=256, demonstrations=samples)
    learner.train(n_batches=20, progress_bar=False, log_interval=10**9)
    batches, begun = 0, time.perf_counter()
    while time.perf_counter() - begun < seconds:
        learner.train(n_batches=78, progress_bar=False, log_interval=10**9)
        batches += 78
    return batches * 256 / (time.perf_counter() - begun)


def dagger(name, experts, labels, seed):
    random = np.random.default_rng(seed)
    venv = DummyVecEnv([lambda: RolloutInfoWrapper(gymnasium.make(f'{name}-v4'))])
    venv.seed(seed)
    sees, does = venv.observation_space, venv.action_space
    expert = Expert(experts / f'{name}-v4.npz', sees, does)
    begun, busy = time.perf_counter(), time.process_time()
    shown = rollout.rollout(
        expert, venv, rollout.make_sample_until(min_episodes=1), rng=random, unwrap=False
    )[:1]
    with tempfile.TemporaryDirectory() as folder:
        coach = SimpleDAggerTrainer(
            venv=venv,
            scratch_dir=folder,
            expert_policy=expert,
            expert_trajs=shown,
            bc_trainer=trainer(sees, does, 64, random),
            rng=random,
        )
        coach.train(labels, bc_train_kwargs={'progress_bar': False, 'log_interval': 10**9})
    seconds, busy = time.perf_counter() - begun, time.process_time() - busy
    gain, _ = evaluate_policy(coach.policy, venv, n_eval_episodes=10)
    return {
        'name': name,
        'labels': labels,
        'seed': seed,
        'seconds': seconds,
        'busy': busy,
        'gain': float(gain),
    }


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument('out', type=Path)
    parser.add_argument('--experts', type=Path)
    parser.add_argument('--dagger', nargs='*', default=[], help='environments, as Hopper')
    parser.add_argument('--labels', type=int, default=20_000)
    parser.add_argument('--seconds', type=float, default=8.0, help='of each measurement')
    parser.add_argument('--throughput', nargs='*', type=int, default=[], help='hidden widths')
    options = parser.parse_args()
    torch.set_num_threads(1)
    found = {
        'throughput': {
            str(hidden): throughput(hidden, options.seconds) for hidden in options.throughput
        },
        'dagger': [dagger(name, options.experts, options.labels, 0) for name in options.dagger],
    }
    options.out.write_text(json.dumps(found, indent=1) + '\n', encoding='utf-8')


if __name__ == '__main__':
    main()
