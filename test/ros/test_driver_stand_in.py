"""Stand-ins of drivers on a graph: the expert moves them through the monitor, as any arm."""

from pathlib import Path

from il_ros.cli.running_graph import graph

CONFIG = Path(__file__).parents[2] / 'config'


def client_of(driver, robot, task, folder):
    return graph(
        CONFIG / f'contracts/{robot}_{task}.yaml',
        start=True,
        task=task,
        driver=CONFIG / f'drivers/{driver}.yaml',
        directory=folder,
    )


def test_the_expert_brings_the_tool_of_a_ur_to_its_goal(domain, tmp_path):
    with client_of('ur', 'ur10e', 'reach', tmp_path) as client:
        episode = client.episode(0, 'expert', [])
    assert episode.state.success, episode.trace.reason
    assert set(episode.state.violation_counts) == {0}
