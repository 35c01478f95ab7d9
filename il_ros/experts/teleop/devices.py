"""The devices there are, and what each is made of."""

from __future__ import annotations

from pathlib import Path

from il_ros.core.config import parse, read_yaml
from il_ros.core.contract import Contract
from il_ros.core.errors import IlRosError
from il_ros.experts.teleop.jog import Jog
from il_ros.experts.teleop.joy import JoyConfig, JoyDevice
from il_ros.experts.teleop.keyboard import Keyboard, KeyboardConfig
from il_ros.experts.teleop.leader import LeaderConfig, LeaderDevice, LeaderFollower
from il_ros.experts.teleop.operator import Pilot
from il_ros.experts.teleop.twist import TwistConfig, TwistDevice

Config = JoyConfig | TwistConfig | LeaderConfig | KeyboardConfig
Device = JoyDevice | TwistDevice | LeaderDevice | Keyboard

DEVICES: dict[str, type[Config]] = {
    'joy': JoyConfig,
    'twist': TwistConfig,
    'leader': LeaderConfig,
    'keyboard': KeyboardConfig,
}


def load_config(device: str, path: str) -> Config:
    """Read the configuration of a device; an empty `path` takes its defaults, where it has them.

    Raises:
        IlRosError: If there is no such device, or with the dotted path of what is wrong.
    """
    if device not in DEVICES:
        raise IlRosError(f'unknown device {device!r}', where='device', allowed=DEVICES)
    if not path:
        return parse(DEVICES[device], {}, where='config')
    return parse(DEVICES[device], read_yaml(Path(path)), where=Path(path).name)


def make_device(config: Config, contract: Contract) -> Device:
    """What reads the messages or keys of a device.

    Raises:
        IlRosError: If the configuration does not fit the contract.
    """
    if isinstance(config, JoyConfig):
        return JoyDevice(config)
    if isinstance(config, TwistConfig):
        return TwistDevice(config, contract.base_frame)
    if isinstance(config, LeaderConfig):
        return LeaderDevice(config, contract)
    return Keyboard(config)


def make_pilot(config: Config, contract: Contract, horizon: int) -> Pilot:
    """What turns its readings into set-points, `horizon` a chunk.

    Raises:
        IlRosError: If the contract has not what it takes.
    """
    if isinstance(config, LeaderConfig):
        return LeaderFollower(contract, config, horizon)
    return Jog(contract, config.motion, horizon)
