"""One request swaps policy and calibration, or neither; never while the policy drives."""

import time
from dataclasses import replace

import pytest

rclpy = pytest.importorskip('rclpy')

from il_ros.msg import MonitorStatus  # noqa: E402
from il_ros.srv import LoadPolicy, SetMode  # noqa: E402
from rclpy.node import Node  # noqa: E402
from rclpy.signals import SignalHandlerOptions  # noqa: E402
from std_msgs.msg import String  # noqa: E402

from il_ros.core.contract import load_contract  # noqa: E402
from il_ros.core.errors import IlRosError  # noqa: E402
from il_ros.monitors.mode import Mode  # noqa: E402
from il_ros.nodes.monitor_node import MonitorNode  # noqa: E402
from il_ros.nodes.policy_node import PolicyNode  # noqa: E402
from il_ros.policies.bundle import Bundle, Training  # noqa: E402
from il_ros.policies.bundle_writer import save_bundle  # noqa: E402
from il_ros.policies.mlp import MlpConfig, MlpPolicy, network_shapes  # noqa: E402
from il_ros.ros import policy_loader  # noqa: E402
from il_ros.ros.qos import LATCHED, STATUS  # noqa: E402
from il_ros.ros.spin import make_executor  # noqa: E402

from .conftest import CONTRACT  # noqa: E402

PATIENCE = 20.0


def make_bundle(folder, seed):
    """A small policy of random weights for the arm of the other tests; gives its identity."""
    import numpy as np

    from il_ros.core.observation_features import Features, Normalizer

    contract, rng = load_contract(CONTRACT), np.random.default_rng(seed)
    config, shape = MlpConfig(hidden_dims=(4,), horizon=2), (2, len(contract.action.names))
    size = Features(contract).size
    weights = {
        name: rng.standard_normal(s).astype(np.float32)
        for name, s in network_shapes(config, size, shape).items()
        if name not in ('inputs', 'outputs')
    }
    inputs = Normalizer(mean=np.zeros(size), scale=np.ones(size), clip=5.0)
    outputs = Normalizer(mean=np.zeros(shape), scale=np.ones(shape))
    policy = MlpPolicy(contract, config, weights=weights, inputs=inputs, outputs=outputs)
    training = Training(
        algorithm='bc', config={}, metrics={}, data_hash='ab', episodes=('e0',), seeds=(0,),
        held_out=(),
    )  # fmt: skip
    bundle = Bundle(policy=policy, training=training)
    save_bundle(bundle, folder)
    return bundle.policy_id


@pytest.fixture(scope='module')
def bundles(tmp_path_factory):
    folder = tmp_path_factory.mktemp('bundles')
    ids = {str(folder / name): make_bundle(folder / name, seed) for seed, name in enumerate('ab')}
    return list(ids.items())


class Place:
    """A monitor, a policy node and their client in this process; the test spins whom it wants."""

    def __init__(self):
        words = [f'contract:={CONTRACT}', 'autostart:=false', 'device:=cpu']
        args = ['--ros-args', *(word for each in words for word in ('-p', each))]
        rclpy.init(args=args, signal_handler_options=SignalHandlerOptions.NO)
        self.monitor, self.policy, self.node = MonitorNode(), PolicyNode(), Node('client')
        for node in (self.monitor, self.policy):
            node.trigger_configure()
            node.trigger_activate()
        self.executor = make_executor()
        for node in (self.monitor, self.policy, self.node):
            self.executor.add_node(node)
        names = {'monitor': LoadPolicy, 'policy': LoadPolicy}
        self.clients = {
            name: self.node.create_client(kind, f'{name}/load') for name, kind in names.items()
        }
        self.mode = self.node.create_client(SetMode, 'monitor/set_mode')
        clients = [*self.clients.values(), self.mode]
        self.until(lambda: all(client.service_is_ready() for client in clients))

    def until(self, happened):
        deadline = time.monotonic() + PATIENCE
        while not happened():
            assert time.monotonic() < deadline, 'it never happened'
            self.executor.spin_once(timeout_sec=0.02)

    def ask(self, name, path, policy_id=''):
        return self.clients[name].call_async(LoadPolicy.Request(path=path, policy_id=policy_id))

    def load(self, *args):
        future = self.ask(*args)
        self.until(future.done)
        return future.result()

    @property
    def ids(self):
        """What monitor and policy have."""
        policy = self.policy._bundle
        return self.monitor._policy_id, policy.policy_id if policy else ''

    def close(self):
        for node in (self.monitor, self.policy, self.node):
            node.destroy_node()
        self.executor.shutdown()
        rclpy.try_shutdown()


@pytest.fixture
def place(domain):
    place = Place()
    yield place
    place.close()


def test_one_request_swaps_policy_and_calibration(place, bundles):
    for path, policy_id in bundles:
        response = place.load('monitor', path)
        assert (response.success, response.message) == (True, '')
        assert response.policy_id == policy_id
        assert place.ids == (policy_id, policy_id)


def test_what_the_policy_node_refuses_is_swapped_nowhere(place, bundles):
    (first, before), (second, _) = bundles
    assert place.load('monitor', first).success
    status = place.node.create_publisher(MonitorStatus, 'monitor/status', STATUS)
    status.publish(MonitorStatus(mode=MonitorStatus.POLICY))
    heard = place.policy._monitor
    place.until(lambda: heard._status and heard._status.mode == MonitorStatus.POLICY)
    response = place.load('monitor', second)
    assert not response.success
    assert response.message == (
        '/policy/load: /monitor/status: the policy drives; to fix: ask the monitor for hold'
    )
    assert (response.policy_id, place.ids) == (before, (before, before))


def test_what_the_monitor_refuses_does_not_reach_the_policy_node(place, bundles, tmp_path):
    (first, before), (second, other) = bundles
    assert place.load('monitor', first).success
    assert not place.load('monitor', str(tmp_path / 'nowhere')).success
    response = place.load('monitor', second, before)
    assert response.message == f'{second}: its policy is {other}; allowed: {before}'
    place.monitor._monitor._machine.mode = Mode.HOLD
    assert 'allowed: idle' in place.load('monitor', second).message
    assert place.ids == (before, before)


def test_no_mode_begins_while_a_bundle_is_loaded(place, bundles):
    (path, policy_id), _ = bundles
    place.executor.remove_node(place.policy)  # it does not answer yet
    future = place.ask('monitor', path)
    place.until(lambda: place.monitor._loads.busy)
    asked = place.mode.call_async(SetMode.Request(mode=MonitorStatus.HOLD))
    place.until(asked.done)
    assert asked.result().message.startswith('a bundle is being loaded')
    assert not future.done()
    place.executor.add_node(place.policy)
    place.until(future.done)
    assert future.result().success
    assert place.ids == (policy_id, policy_id)


@pytest.mark.parametrize(
    ('status', 'refused'),
    [
        (MonitorStatus(mode=MonitorStatus.POLICY), 'the policy drives'),
        (MonitorStatus(mode=MonitorStatus.EXPERT, takeover=True), 'an operator corrects'),
        (MonitorStatus(mode=MonitorStatus.EXPERT), ''),
        (MonitorStatus(mode=MonitorStatus.ALARM), ''),
    ],
)
def test_a_policy_that_drives_is_not_swapped(place, bundles, status, refused):
    (path, _), _ = bundles
    place.monitor.trigger_deactivate()  # its own status is gone
    publisher = place.node.create_publisher(MonitorStatus, 'monitor/status', STATUS)
    publisher.publish(status)
    heard = place.policy._monitor
    place.until(lambda: heard._status is not None and heard._status == status)
    response = place.load('policy', path)
    assert response.success is not bool(refused)
    assert refused in response.message
    place.node.destroy_publisher(publisher)  # the last word of a monitor that is gone
    place.until(lambda: not heard._heard.get_publisher_count())
    assert place.load('policy', path).success


def test_another_policy_than_the_named_one_is_refused(place, bundles):
    (first, before), (second, other) = bundles
    assert place.load('policy', first, before).success
    response = place.load('policy', second, before)
    assert response.message == f'{second}: its policy is {other}; allowed: {before}'
    assert place.ids == ('', before)


def test_a_policy_that_shares_the_short_name_alone_does_not_drive(place, bundles):
    (path, policy_id), _ = bundles
    assert place.load('monitor', path).success
    place.monitor._answered[Mode.POLICY] = 10**18  # a chunk has come

    def asked():
        future = place.mode.call_async(SetMode.Request(mode=MonitorStatus.POLICY))
        place.until(future.done)
        return future.result().message

    heard = place.monitor._heard_policy
    assert place.policy._bundle.policy_hash == heard._hash
    assert heard._hash[:16] == policy_id
    assert 'policy/hash' not in asked()  # it is refused for other reasons
    own, stopped = heard._hash, []
    place.monitor._monitor.stop_for = stopped.append
    for other in (f'{policy_id}{48 * "0"}', f'{own}0', policy_id, 'x' * 10_000):
        place.policy._statement.say(other)
        place.until(lambda other=other: heard._hash == other[:65])
        shown = other if len(other) <= 64 else f'{other[:64]}... (65 characters)'
        text = f'/policy/hash: the policy is {shown}, the monitor has {own}'
        assert asked() == f'{text}; to fix: load one bundle in both: ask the ~/load of the monitor'
    assert stopped == []  # it does not drive
    machine = place.monitor._monitor._machine
    for mode, back in ((Mode.POLICY, None), (Mode.EXPERT, Mode.POLICY), (Mode.EXPERT, None)):
        machine.mode, machine._back = mode, back
        place.policy._statement.say('ab' * 32)
        place.until(lambda: heard._hash == 'ab' * 32)
        place.policy._statement.say(own)
        place.until(lambda: heard._hash == own)
    assert [fault.kind for fault in stopped] == ['chunk', 'chunk']
    machine.mode = Mode.IDLE


def test_a_policy_that_does_not_say_which_one_it_is_drives_where_none_is_pinned(place, bundles):
    (path, _), _ = bundles
    assert place.load('monitor', path).success
    heard, own = place.monitor._heard_policy, place.policy._bundle.policy_hash
    place.policy.trigger_deactivate()
    place.policy.trigger_cleanup()
    place.until(lambda: not heard._heard.get_publisher_count())
    assert heard.problem(own, stated=False) == ''
    text = '/policy/hash: the policy does not say which one it is'
    assert heard.problem(own, stated=True) == text
    assert heard.problem('', stated=True) == ''  # the monitor has none


def test_a_statement_does_not_outlive_its_publisher(place, bundles):
    (path, _), _ = bundles
    assert place.load('monitor', path).success
    heard, own = place.monitor._heard_policy, place.policy._bundle.policy_hash
    place.until(lambda: len(heard._sources) == 1)
    after = place.node.create_publisher(String, 'policy/hash', LATCHED)  # and it says nothing
    place.until(lambda: heard._heard.get_publisher_count() == 2)
    heard.require(own, stated=True)
    place.policy.trigger_deactivate()
    place.policy.trigger_cleanup()
    place.until(lambda: heard._heard.get_publisher_count() == 1)
    with pytest.raises(IlRosError, match='the policy does not say which one it is'):
        heard.require(own, stated=True)
    after.publish(String(data=own))
    place.until(lambda: heard.problem(own, stated=True) == '')
    heard.look()
    heard.require(own, stated=True)


def test_a_policy_node_that_has_loaded_another_bundle_is_refused(place, bundles):
    (path, policy_id), _ = bundles
    service = place.policy._deferred[0]
    answer = service._answer

    def describe(response):
        answer.describe(response)
        response.bundle_identity = 'f' * 64

    service._answer = replace(answer, describe=describe)
    response = place.load('monitor', path)
    assert not response.success
    assert f'/policy/load: loaded bundle {"f" * 64}; allowed: bundle ' in response.message
    assert place.ids == ('', policy_id)


def test_without_a_policy_node_the_calibration_alone_is_loaded(place, bundles, monkeypatch):
    monkeypatch.setattr(policy_loader, '_DISCOVERY', 0.1)
    (path, policy_id), _ = bundles
    place.policy.trigger_deactivate()
    place.policy.trigger_cleanup()
    place.until(lambda: not place.clients['policy'].service_is_ready())
    assert place.load('monitor', path).success
    assert place.ids == (policy_id, '')
    place.node.create_publisher(String, 'policy/hash', LATCHED)  # one that says nothing
    heard = place.monitor._heard_policy
    place.until(heard._heard.get_publisher_count)
    text = '/policy/hash: the policy does not say which one it is'
    assert heard.problem(place.monitor._policy_hash, stated=True) == text


def test_a_policy_node_that_does_not_answer_leaves_the_calibration(place, bundles, monkeypatch):
    monkeypatch.setattr(policy_loader, '_PATIENCE', 0.1)
    place.executor.remove_node(place.policy)
    response = place.load('monitor', bundles[0][0])
    assert response.message == '/policy/load: no answer within 0 s'
    assert place.ids == ('', '')
    place.executor.add_node(place.policy)
