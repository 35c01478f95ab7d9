"""From a contract: a monitor, and what goes into it at a tick."""

from __future__ import annotations

from il_ros.core.action_spaces import spaces_of
from il_ros.core.arm_geometry import Geometry
from il_ros.core.arms import ArmPair, arm_of, require_commanded
from il_ros.core.contract import Contract
from il_ros.core.contract_checks import GRIPPERS
from il_ros.core.errors import ContractError
from il_ros.core.frames import Frame
from il_ros.core.geometry import nearest_turn
from il_ros.core.limits import Array
from il_ros.monitors.calibrated_scores import Calibration
from il_ros.monitors.monitor import Monitor
from il_ros.monitors.monitor_config import MonitorConfig
from il_ros.monitors.monitor_input import MonitorInput
from il_ros.monitors.scores.score import ScoreInput


def make_monitor(
    contract: Contract, calibration: Calibration | None, config: MonitorConfig
) -> Monitor:
    """The monitor of a contract, with what is known of a policy.

    Args:
        contract: Joints, limits, arm, fallback.
        calibration: Scores and thresholds of the policy; None without any.

    Raises:
        UnknownNameError: If the contract names an arm that is not known.
        ContractError: If it does not command all joints of its arm, or more than these and
            grippers; or keeps one arm at a distance from itself; or demands a workspace and names
            no arm.
    """
    return Monitor(
        limits=contract.limits,
        contract_hash=contract.hash,
        dt=contract.period,
        geometry=_geometry(contract),
        calibration=calibration,
        config=config,
        fallback=contract.fallback,
        setpoints=contract.setpoints,
        delay=contract.command_delay,
        grippers=[name for x in contract.outputs if x.adapter in GRIPPERS for name in x.joints],
        spaces=spaces_of(contract),
        base_frame=contract.base_frame,
    )


def _geometry(contract: Contract) -> Geometry | None:
    arm = arm_of(contract)
    if contract.workspace.separation and not isinstance(arm, ArmPair):
        raise ContractError(
            f'{contract.arm_name} is one arm',
            where=f'contract {contract.name}.workspace.separation',
            allowed='0, but for a pair',
        )
    if isinstance(arm, ArmPair) and contract.wrench is not None:
        raise ContractError(
            'it names one wrist of a pair, and the other would not be watched',
            where=f'contract {contract.name}.wrench',
            allowed='none for a pair of arms',
        )
    if arm is None:
        _require_nothing_of_the_arm(contract)
        return None
    names = contract.action.names
    require_commanded(arm, names, where=f'contract {contract.name}.action.names')
    return Geometry.of_arm(arm, names)


def _require_nothing_of_the_arm(contract: Contract) -> None:
    """Refuse what only an arm's kinematics could watch, where the contract names none."""
    demanded = {'workspace': contract.workspace.bounded, 'tool.keys': bool(contract.tool.keys)}
    for key, wanted in demanded.items():
        if wanted:
            raise ContractError(
                'it names no arm, so nobody would know where the tool is',
                where=f'contract {contract.name}.{key}',
                allowed='nothing without an arm',
                fix=f'name the arm (`arm: {{urdf: FILE, tip: LINK}}`), or remove `{key}`',
            )


def monitor_input(
    contract: Contract,
    frame: Frame,
    stamp: float,
    *,
    invalid: tuple[str, ...],
    unconfirmed: str = '',
    reference: Array | None = None,
    clock: str = '',
    score_input: ScoreInput | None = None,
) -> MonitorInput:
    """What the monitor looks at in a frame.

    Args:
        contract: What the frame's observations are.
        stamp: Its stamp as the monitor counts time [s].
        invalid: One text for each required stream that is not valid.
        unconfirmed: Why no motion may begin at its posture; empty where one may.
        reference: Where the controller wants the joints, (N,); None where it does not say so.
        clock: What is known of the clock that stamped it, where that is noteworthy.
        score_input: What the scores see of it, by the same clock; none where nothing is scored.
    """
    action, wrench = contract.action, contract.wrench
    position = _part(frame, action.position)
    if reference is not None and position is not None:
        reference = nearest_turn(reference, position, contract.endless)
    contact = _part(frame, (wrench.key,)) if wrench else None
    following = [key for key, stream in contract.observations.items() if stream.follows_arm]
    return MonitorInput(
        stamp=stamp,
        position=position,
        velocity=_part(frame, action.velocity),
        score_input=score_input,
        force=contact[:3] if contact is not None else None,
        torque=contact[3:] if contact is not None else None,
        following={key: frame.values[key] for key in following if frame.valid[key]},
        invalid=invalid,
        unconfirmed=unconfirmed,
        reference=reference,
        clock=clock,
    )


def _part(frame: Frame, keys: tuple[str, ...]) -> Array | None:
    return frame.vector(keys) if keys and frame.all_valid(keys) else None
