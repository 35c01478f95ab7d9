"""Monitor and policy load the bundles that they may, and say which one is in use."""

import time

import pytest

rclpy = pytest.importorskip('rclpy')

from il_ros.msg import MonitorStatus  # noqa: E402
from il_ros.srv import LoadPolicy  # noqa: E402
from made_bundles import CHANNELS, make_bundle, make_limit  # noqa: E402
from rclpy.executors import SingleThreadedExecutor  # noqa: E402
from rclpy.lifecycle import TransitionCallbackReturn  # noqa: E402
from rclpy.node import Node  # noqa: E402
from rclpy.parameter import Parameter  # noqa: E402
from rclpy.signals import SignalHandlerOptions  # noqa: E402

from il_ros.nodes.monitor_node import MonitorNode  # noqa: E402
from il_ros.nodes.policy_node import PolicyNode  # noqa: E402
from il_ros.policies.bundle import load_bundle  # noqa: E402
from il_ros.policies.bundle_signature import sign_bundle  # noqa: E402
from il_ros.policies.bundle_writer import save_bundle, save_threshold  # noqa: E402
from il_ros.policies.signing_keys import generate_keys  # noqa: E402
from il_ros.ros.qos import STATUS  # noqa: E402

SUCCESS, FAILURE = TransitionCallbackReturn.SUCCESS, TransitionCallbackReturn.FAILURE
PATIENCE = 20.0


@pytest.fixture(scope='module')
def files(task, tmp_path_factory):
    """A contract, a bundle that is signed and one that is not, and the public key."""
    folder = tmp_path_factory.mktemp('trust')
    (folder / 'contract.yaml').write_text(task.contract.text)
    generate_keys(folder / 'key', folder / 'key.pub')
    bundle = make_bundle(task, CHANNELS[:1])
    for name, first in (('signed', 50), ('unsigned', 80)):
        save_bundle(bundle, folder / name)
        save_threshold(folder / name, bundle, make_limit(task, bundle, first, varying=False))
    sign_bundle(folder / 'signed', load_bundle(folder / 'signed').identity, folder / 'key')
    return folder


@pytest.fixture
def started(domain, files):
    """Makes a node with parameters, on an executor; gives it and a call of its ~/load."""
    executor = []

    def start(kind, **parameters):
        given = [f'{name}:={value}' for name, value in parameters.items()]
        args = ['--ros-args', '-p', f'contract:={files / "contract.yaml"}']
        for each in given:
            args += ['-p', each]
        rclpy.init(args=args, signal_handler_options=SignalHandlerOptions.NO)
        node, caller = kind(), Node('caller', use_global_arguments=False)
        executor.append(SingleThreadedExecutor())
        for each in (node, caller):
            executor[0].add_node(each)
        client = caller.create_client(LoadPolicy, f'{node.get_name()}/load')

        def load(path):
            assert client.wait_for_service(PATIENCE)
            answer = client.call_async(LoadPolicy.Request(path=str(path)))
            executor[0].spin_until_future_complete(answer, PATIENCE)
            return answer.result()

        return node, caller, load

    yield start
    for node in executor[0].get_nodes():
        executor[0].remove_node(node)
        node.destroy_node()
    executor[0].shutdown()
    rclpy.shutdown()


def test_what_is_signed_cannot_be_switched_off_by_a_parameter(started, files):
    node, _, _ = started(MonitorNode, trusted_keys=f'["{files / "key.pub"}"]')
    assert node.trigger_configure() is SUCCESS
    for name, value in (('novelty', False), ('allow_uncalibrated', True)):
        (answer,) = node.set_parameters([Parameter(name, value=value)])
        assert not answer.successful
        assert 'where trusted_keys or bundle_identity is set' in answer.reason
    assert all(a.successful for a in node.set_parameters([Parameter('novelty', value=True)]))


def test_a_monitor_that_trusts_few_watches_every_policy(started, files):
    node, _, _ = started(
        MonitorNode, trusted_keys=f'["{files / "key.pub"}"]', allow_uncalibrated='true'
    )
    assert node.trigger_configure() is FAILURE


@pytest.mark.parametrize('kind', [MonitorNode, PolicyNode])
def test_a_key_without_a_name_is_refused(started, files, kind):
    node, _, _ = started(kind, trusted_keys=f'["{files / "key.pub"}", ""]')
    assert node.trigger_configure() is FAILURE


@pytest.mark.parametrize('kind', [MonitorNode, PolicyNode])
def test_with_trusted_keys_a_bundle_that_is_not_signed_is_not_loaded(started, files, kind):
    signed, unsigned = (load_bundle(files / name) for name in ('signed', 'unsigned'))
    assert signed.policy_id == unsigned.policy_id
    node, _, load = started(kind, trusted_keys=f'["{files / "key.pub"}"]')
    assert node.trigger_configure() is SUCCESS
    refused = load(files / 'unsigned')
    assert not refused.success
    assert 'is not signed; to fix: run "il_ros bundle sign"' in refused.message
    assert (refused.policy_id, refused.bundle_identity) == ('', '')
    taken = load(files / 'signed')
    assert (taken.success, taken.bundle_identity) == (True, signed.identity)
    again = load(files / 'unsigned')
    assert (again.success, again.bundle_identity) == (False, signed.identity)


@pytest.mark.parametrize('kind', [MonitorNode, PolicyNode])
def test_with_an_identity_no_other_bundle_is_loaded(started, files, kind):
    identity = load_bundle(files / 'signed').identity
    node, _, _ = started(kind, bundle_identity=identity, bundle=files / 'unsigned')
    assert node.trigger_configure() is FAILURE


def test_the_status_names_the_bundle_in_use_from_the_beginning(started, files):
    identity = load_bundle(files / 'unsigned').identity
    node, caller, load = started(MonitorNode, bundle_identity=identity, bundle=files / 'unsigned')
    heard = []
    caller.create_subscription(MonitorStatus, 'monitor/status', heard.append, STATUS)
    assert node.trigger_configure() is SUCCESS
    assert not load(files / 'signed').success
    assert node.trigger_activate() is SUCCESS
    deadline = time.monotonic() + PATIENCE
    while not heard and time.monotonic() < deadline:
        node.executor.spin_once(0.1)
    assert heard[0].bundle_identity == identity
    assert heard[0].policy_id == load_bundle(files / 'unsigned').policy_id
