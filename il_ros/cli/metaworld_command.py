"""``il_ros metaworld``: records MetaWorld's experts and evaluates policies on its tasks."""

from __future__ import annotations

from pathlib import Path

from il_ros.cli.evaluation_run import run_plan, write_evaluation
from il_ros.cli.printing import Console
from il_ros.core.contract import load_contract
from il_ros.evaluation.evaluation_journal import EvaluationJournal
from il_ros.evaluation.report_videos import ReportVideos
from il_ros.evaluation.suites import draw_seeds
from il_ros.policies.bundle import load_bundle
from il_ros.rollouts.episode_cases import plan_suites
from il_ros.rollouts.evaluator import evaluation_identity
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
    """Build a dataset from seeded episodes of a MetaWorld expert; failed episodes are left out.

    Args:
        contract: Contract file, which selects parts of MetaWorld's observation.
        out: Folder of the dataset.
        task: MetaWorld's name of the task, e.g. reach-v3.
        episodes: Number of scenes.
        first: Index of the first seed in the range for demonstrations.
        noise: Standard deviation of the noise on each number of an action; the dataset holds the
            expert's action without noise (DART, Laskey et al. 2017).
        overwrite: Replace an existing dataset.
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
    """Evaluate policy and expert on the same unseen scenes and write the report of il_ros evaluate.

    To continue an interrupted evaluation, run the same command again.

    Args:
        bundle: Bundle of the policy.
        out: Folder of the report.
        task: MetaWorld's name of the task, e.g. reach-v3.
        episodes: Number of scenes.
        overwrite: Discard existing episodes and start anew.
    """
    console, engine = Console(), require_metaworld()
    loaded = load_bundle(bundle)
    plan = plan_suites(('nominal', 'expert'), episodes, {}, floor=0)
    identity = evaluation_identity(loaded, {}, task=task, heuristic='', run=engine)
    runs = MetaWorldEvaluator(loaded.policy, task)  # what it refuses discards no episode
    with EvaluationJournal(out, identity, anew=overwrite) as journal:
        run_plan(runs, plan, journal, task, console)
        results = journal.episodes
    command = (
        f'il_ros metaworld evaluate --bundle {bundle} --out {out} --task {task} '
        f'--episodes {episodes}'
    )
    videos = ReportVideos(missing='none are made of MetaWorld')
    summary = write_evaluation(results, out, loaded, videos=videos, command=command, watched=False)
    console.print(f'{summary["headline"]}\nreport: {out / "report.html"}')
    return 0
