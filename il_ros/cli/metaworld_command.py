"""``il_ros metaworld``: datasets of MetaWorld's experts, and policies measured beside them."""

from __future__ import annotations

from pathlib import Path

from rich.console import Console

from il_ros.cli.evaluate_command import write
from il_ros.cli.evaluation_run import run_plan
from il_ros.core.contract import load_contract
from il_ros.evaluation.evaluation_journal import EvaluationJournal
from il_ros.evaluation.report_videos import ReportVideos
from il_ros.evaluation.suites import draw_seeds
from il_ros.policies.bundle import load_bundle
from il_ros.rollouts.episode_cases import plan_suites
from il_ros.rollouts.evaluator import evaluation_identity, missing
from il_ros.rollouts.metaworld_rollouts import MetaWorldEvaluator, record_experts
from il_ros.sim.mujoco_versions import require_metaworld


def record(
    contract: Path,
    out: Path,
    *,
    task: str,
    episodes: int = 50,
    first: int = 0,
    noise: float = 0.0,
    overwrite: bool = False,
) -> int:
    """Make a dataset of a MetaWorld expert's seeded episodes; those that fail are left out.

    Args:
        contract: Contract file: what of MetaWorld's observation is in the dataset.
        out: Folder of the dataset.
        task: MetaWorld's name of the task, e.g. reach-v3.
        episodes: How many scenes.
        first: Which seed of the demonstrations' range to begin with.
        noise: Standard deviation of what disturbs each number of an action, while the dataset
            holds what the expert wanted (DART, Laskey et al. 2017).
        overwrite: Replace a dataset that is there already.
    """
    dataset = record_experts(
        load_contract(contract),
        task,
        out,
        draw_seeds('demonstrations', episodes, first),
        noise=noise,
        overwrite=overwrite,
    )
    Console().print(
        f'{len(dataset.episodes)} episodes, {dataset.frames} frames: {out}; '
        f'left out as failed: {len(dataset.manifest.left_out)}'
    )
    return 0


def evaluate(
    bundle: Path,
    out: Path,
    *,
    task: str,
    episodes: int = 50,
    overwrite: bool = False,
) -> int:
    """Run policy and expert on the same unseen scenes, and write the report of il_ros evaluate.

    Each episode is on disk before the next one is run; the same command goes on where it stopped.

    Args:
        bundle: Bundle of the policy.
        out: Folder of the report.
        task: MetaWorld's name of the task, e.g. reach-v3.
        episodes: How many scenes.
        overwrite: Begin anew where there are episodes already.
    """
    console, engine = Console(), require_metaworld()
    loaded = load_bundle(bundle)
    plan = plan_suites(('nominal', 'expert'), episodes, {}, floor=0)
    identity = evaluation_identity(loaded, {}, task=task, heuristic='', run=engine)
    runs = MetaWorldEvaluator(loaded.policy, task)
    with EvaluationJournal(out, identity, anew=overwrite) as journal:
        if missing(plan, journal, task):
            run_plan(runs, plan, journal, task, console)
        results = journal.episodes
    command = (
        f'il_ros metaworld evaluate --bundle {bundle} --out {out} --task {task} '
        f'--episodes {episodes}'
    )
    films = ReportVideos(missing='none are made of MetaWorld')
    summary = write(results, out, loaded, films=films, command=command, watched=False)
    console.print(f'{summary["headline"]}\nreport: {out / "report.html"}')
    return 0
