"""A policy that needs no training: it does what the demonstrations of the made-up task do."""

import numpy as np

from il_ros.policies.policy import Policy


class Follower(Policy):
    """Goes to the object, as the demonstrations do; its embedding is the two joints."""

    kind = 'follower'

    def __init__(self, contract):
        self.contract = contract
        self.acted = 0

    def act(self, frame):
        self.acted += 1
        a, x = frame.values['arm'][0], frame.values['object'][0]
        steps = [a + (1 - 0.8 ** (i + 1)) * (x - a) for i in range(3)]
        return np.array([[a, 0.01] for a in steps])

    def embedding(self, frame):
        return np.array([frame.values['arm'][0], frame.values['hand'][0]])

    def reset(self):
        self.acted = 0

    def config(self):
        return {}

    def arrays(self):
        return {}

    @classmethod
    def load(cls, contract, config, arrays, device):
        return cls(contract)
