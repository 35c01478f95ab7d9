"""``il_ros record``: records demonstrations or rollouts of a simulated arm as episode bags."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from rich.progress import track

from il_ros.cli.printing import Console
from il_ros.cli.running_graph import graph
from il_ros.core.errors import IlRosError
from il_ros.evaluation.suites import draw_seeds
from il_ros.sim.perturbations import Perturbation
from il_ros.sim.randomisation import NOTHING, Randomisation, load_randomisation

if TYPE_CHECKING:
    from il_ros.ros.graph_client import GraphClient


def record(
    contract: Path,
    out: Path,
    *,
    episodes: int = 60,
    source: Literal['expert', 'policy'] = 'expert',
    bundle: Path | None = None,
    task: str = 'pick_place',
    first: int = 0,
    noise: float = 0.0,
    randomisation: Path | None = None,
    start: bool = False,
    namespace: str = '/',
) -> int:
    """Record seeded episodes of a simulated task, in lock-step.

    Args:
        contract: Contract file.
        out: Folder for the episodes. On a running graph its recorder knows the folder
            (directory:=FOLDER of its launch file), and this has to be the same.
        episodes: Number of episodes.
        source: What drives the arm: expert (demonstrations) or policy (rollouts for calibration,
            with the novelty trigger off).
        bundle: Bundle that the policy and the monitor load first.
        task: Task of the simulator, with --start.
        first: Index of the first seed in the range of seeds.
        noise: Disturbance of the joints while recording [rad], so that demonstrations contain
            recoveries (DART, Laskey et al. 2017).
        randomisation: YAML file of the domain randomisation.
        start: Start a graph in lock-step instead of using a running one.
        namespace: Namespace of the running graph.
    """
    part = 'demonstrations' if source == 'expert' else 'calibration'
    seeds = draw_seeds(part, episodes, first)
    ranges = NOTHING if randomisation is None else load_randomisation(randomisation)
    with graph(contract, start=start, namespace=namespace, task=task, directory=out) as client:
        client.wait_for('recorder/start')
        if bundle is not None:
            client.load(bundle)
        console = Console()
        bags = run_recording(
            client, seeds, source=source, noise=noise, randomisation=ranges, console=console
        )
        _say_where(bags, out, console)
    return 0


def _say_where(bags: list[Path], out: Path, console: Console) -> None:
    """Say so where the recorder of a running graph wrote elsewhere than `out`."""
    folders = sorted({str(bag.resolve().parent) for bag in bags} - {str(out.resolve())})
    if folders:
        console.print(
            f'the bags are in {", ".join(folders)}, not in {out}: the graph that runs was started '
            'with that directory'
        )


def run_recording(
    client: GraphClient,
    seeds: Iterable[int],
    *,
    source: str,
    noise: float,
    console: Console,
    randomisation: Randomisation = NOTHING,
) -> list[Path]:
    """Record one episode for each seed; returns the bags.

    Raises:
        IlRosError: If no episode succeeded, which means that something is set up wrongly.
    """
    disturbed = [Perturbation(kind='command_noise', value=(noise,))] if noise else []
    seeds = list(seeds)
    good, stopped, last, bags = 0, 0, '', []
    notes = f'{source} in lock-step'
    if randomisation != NOTHING:
        notes += f', randomised (sha256 {randomisation.hash})'
    with client.watching(novelty=source != 'policy'):
        for seed in track(seeds, f'recording the {source}', console=console):
            perturbations = [*randomisation.draw(seed), *disturbed]
            episode = client.episode(seed, source, perturbations, record=True, notes=notes)
            good += episode.state.success and episode.trace.alarm is None
            stopped += episode.trace.alarm is not None
            bags.append(Path(episode.bag))
            last = episode.trace.reason or 'time limit of the task'
    if not good:
        raise IlRosError(f'none of {len(seeds)} episodes reached the goal; the last ended: {last}')
    console.print(
        f'{good} of {len(seeds)} episodes reached the goal; the monitor stopped {stopped}'
    )
    return bags
