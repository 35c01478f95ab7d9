"""How often the frame builder ticks, whatever the rate of the driver that paces it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from benchmarks.demonstrations import CONTRACT
from il_ros.core.contract import Contract, load_contract
from il_ros.core.frames import NS, FrameBuilder

BEGIN = 1_700_000_000 * NS


@dataclass(frozen=True, kw_only=True)
class TickRateSizes:
    """How much of everything.

    Attributes:
        drivers: Rates of the driver's joint states [Hz].
        jitters: By how much its samples are late at most [s].
        seconds: How long each driver runs [s].
    """

    drivers: tuple[float, ...] = (
        *(20.0, 20.02, 20.1, 20.5, 21.0, 22.0, 24.0, 25.0, 27.0, 30.0, 33.3, 35.0, 39.0, 40.0),
        *(41.0, 50.0, 60.0, 62.5, 75.0, 99.0, 100.0, 125.0, 200.0, 240.0, 250.0, 333.0, 500.0),
        *(600.0, 1000.0),
    )
    jitters: tuple[float, ...] = (0.0, 0.001, 0.002, 0.005)
    seconds: float = 120.0


FULL = TickRateSizes()
SMOKE = TickRateSizes(drivers=(20.0, 30.0, 1000.0), jitters=(0.005,), seconds=20.0)


def run(sizes: TickRateSizes = FULL) -> dict[str, float]:
    """The error of the mean tick rate for every driver and jitter.

    Returns:
        `tick_rate_error_percent_max`: the largest of those for which the arm may move, and
        `tick_rate_refused`: how many drivers are refused for their rate. The next two are of
        drivers that also lose 2 % of their samples at random:
        `tick_rate_error_percent_max_with_loss` of those at least a tenth faster than the contract,
        which have samples to spare, and `tick_rate_refused_with_loss` of all.
    """
    contract = load_contract(CONTRACT)
    found: dict[str, float] = {}
    for name, lost, least in (('', 0.0, 0.0), ('_with_loss', 0.02, 1.1 * contract.rate)):
        errors = list(_errors(contract, sizes, lost))
        allowed = [error for hz, error in errors if error is not None and hz >= least]
        found[f'tick_rate_error_percent_max{name}'] = max(allowed)
        found[f'tick_rate_refused{name}'] = sum(error is None for _, error in errors)
    return found


def _errors(
    contract: Contract, sizes: TickRateSizes, lost: float
) -> Iterator[tuple[float, float | None]]:
    """Each driver's rate [Hz] with the error of the tick rate [%], None where it is refused."""
    for hz in sizes.drivers:
        for jitter in sizes.jitters:
            builder = FrameBuilder(contract, [contract.clock])
            ticks = _ticks(builder, contract, _stamps(hz, sizes.seconds, jitter, lost))
            rate = (len(ticks) - 1) * NS / (ticks[-1] - ticks[0])
            refused = bool(builder.schedule.problem)
            yield hz, None if refused else 100 * abs(rate / contract.rate - 1)


def _stamps(hz: float, seconds: float, jitter: float, lost: float) -> Sequence[int]:
    random = np.random.default_rng(round(hz * 1000))
    times = np.arange(int(hz * seconds)) / hz
    times += random.uniform(0.0, jitter, len(times))
    stamps: list[int] = np.round(times[random.random(len(times)) >= lost] * NS).astype(int).tolist()
    return [BEGIN + stamp for stamp in stamps]


def _ticks(builder: FrameBuilder, contract: Contract, stamps: Sequence[int]) -> list[int]:
    value = np.zeros(contract.streams[contract.clock].size)
    return [
        frame.stamp
        for stamp in stamps
        for frame in builder.add(contract.clock, value, header=stamp, receive=stamp)
    ]


if __name__ == '__main__':
    for figure, value in run().items():
        print(f'{figure}: {value:.3f}')
