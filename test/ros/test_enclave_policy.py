"""The example of an SROS2 policy names what the nodes have on the graph, no more and no less."""

import pytest
from enclave_policy import NODES, ROOT, policy_text, read_policy, rights_of, save_any_bundle

pytest.importorskip('rclpy')

POLICY = ROOT / 'config/security/policy.xml'
COMMAND = 'arm_controller/joint_trajectory'


@pytest.fixture(scope='module')
def folder(domain, tmp_path_factory):
    made = tmp_path_factory.mktemp('enclaves')
    save_any_bundle(made)
    return made


@pytest.fixture(scope='module')
def policy():
    return {path.removeprefix('/il_ros/'): rights for path, rights in read_policy(POLICY).items()}


@pytest.mark.parametrize('name', NODES)
def test_a_node_may_do_what_it_does_and_nothing_else(policy, folder, name):
    assert policy[name] == rights_of(name, folder), (
        'write it anew: PYTHONPATH=. python test/support/enclave_policy.py FOLDER > '
        'config/security/policy.xml'
    )


def test_it_is_written_as_the_nodes_say_it(policy):
    assert policy_text(policy) == POLICY.read_text()


def test_one_node_alone_commands_the_robot_and_one_speaks_for_the_policy(policy):
    def publishing(topic):
        return [name for name, rights in policy.items() if topic in rights['publish']]

    assert publishing(COMMAND) == ['monitor']
    assert publishing('monitor/status') == ['monitor']
    assert publishing('policy/action_chunk') == ['policy']
    assert publishing('joint_states') == []  # that is for the enclave of the driver


def test_what_an_operator_may_ask_for_is_there_and_starts_or_stops_no_node(policy):
    offered = {name for rights in policy.values() for name in rights['reply']}
    told = {name for rights in policy.values() for name in rights['publish']}
    operator = policy['operator']
    assert operator['request'] <= offered
    assert operator['subscribe'] <= told
    assert not [name for name in operator['request'] if 'parameter' in name or 'state' in name]
    assert operator['publish'] == {'/parameter_events', '/rosout'}
