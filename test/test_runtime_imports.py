"""What runs on the robot imports nothing that fits, simulates or reads datasets."""

import pytest
from import_closure import closure

ON_ROBOT = {'core', 'monitors', 'nodes', 'policies', 'ros'}
MONITOR, POLICY = 'il_ros.nodes.monitor_node', 'il_ros.nodes.policy_node'


@pytest.mark.parametrize('node', [MONITOR, POLICY])
def test_what_runs_on_the_robot_imports_no_training_code(node):
    reached = closure(node, everywhere=True)
    assert 'il_ros.policies.bundle' in reached
    assert 'il_ros.policies.mlp' in reached  # by a registry alone
    assert {name.split('.')[1] for name in reached} <= ON_ROBOT


@pytest.mark.parametrize(('node', 'most'), [(MONITOR, 99), (POLICY, 55)])
def test_few_modules_are_imported_at_the_start(node, most):
    assert len(closure(node, everywhere=False)) <= most


@pytest.mark.parametrize(('node', 'most'), [(MONITOR, 123), (POLICY, 82)])
def test_few_modules_are_imported_at_all(node, most):
    assert len(closure(node, everywhere=True)) <= most


def test_an_import_inside_a_function_and_one_by_a_registry_are_seen():
    reached = closure('il_ros.policies.mlp', everywhere=True)
    assert 'il_ros.policies.torch_networks' in reached
    assert 'il_ros.policies.torch_networks' not in closure('il_ros.policies.mlp', everywhere=False)
    assert 'il_ros.monitors.scores.knn' in closure(MONITOR, everywhere=True)
    assert 'il_ros.monitors.scores.knn' not in closure(MONITOR, everywhere=False)
