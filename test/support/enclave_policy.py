"""What the nodes of a robot need of the graph, asked of the nodes themselves, as an SROS2 policy.

``PYTHONPATH=. python test/support/enclave_policy.py FOLDER`` prints config/security/policy.xml; the
folder is for what the nodes write.
"""

import sys
from pathlib import Path
from xml.etree import ElementTree as ET

import numpy as np

ROOT = Path(__file__).parents[2]
CONTRACT = ROOT / 'config/contracts/franka_pick_place.yaml'
EVERYWHERE = ('/clock', '/diagnostics', '/parameter_events', '/rosout', '/tf', '/tf_static')
RIGHTS = {
    'topics': ('publish', 'subscribe'),
    'services': ('reply', 'request'),
    'actions': ('execute', 'call'),
}
PARAMETERS = {
    'policy': ['bundle:={folder}/bundle'],
    'recorder': ['directory:={folder}/episodes'],
    'flight_recorder': ['directory:={folder}/flight_recorder'],
    'teleop': ['device:=joy', f'config:={ROOT / "config/teleop/gamepad.yaml"}'],
    'trainer': ['root:={folder}'],
}
NODES = ('monitor', 'policy', 'teleop', 'recorder', 'flight_recorder', 'expert', 'trainer')
HEAD = """\
<!-- What each node may do on the graph, for SROS2: docs/how-to/secure_graph.md.
     The topics of observations and of the command are those of the contract franka_pick_place:
     replace them by those of yours, and leave out the nodes that you do not start. -->
"""


def save_any_bundle(folder):
    """A bundle of random weights, with which the policy node knows what to look at."""
    from il_ros.core.contract import load_contract
    from il_ros.core.observation_features import Features, Normalizer
    from il_ros.policies.bundle import Bundle, Training
    from il_ros.policies.bundle_writer import save_bundle
    from il_ros.policies.mlp import MlpConfig, MlpPolicy, network_shapes

    contract, config = load_contract(CONTRACT), MlpConfig(hidden_dims=(4,), horizon=2)
    size, shape = Features(contract).size, (2, len(contract.action.names))
    shapes = network_shapes(config, size, shape)
    weights = {
        name: np.zeros(s, np.float32)
        for name, s in shapes.items()
        if name not in ('inputs', 'outputs')
    }
    policy = MlpPolicy(
        contract, config, weights=weights,
        inputs=Normalizer(mean=np.zeros(size), scale=np.ones(size), clip=5.0),
        outputs=Normalizer(mean=np.zeros(shape), scale=np.ones(shape)),
    )  # fmt: skip
    training = Training(algorithm='bc', config={}, metrics={}, data_hash='', episodes=(),
                        seeds=(), held_out=())  # fmt: skip
    save_bundle(Bundle(policy=policy, training=training), folder / 'bundle')


def rights_of(name, folder):
    """What a node that is up has on the graph: the names by right, as a policy writes them."""
    import rclpy
    from rclpy.lifecycle import TransitionCallbackReturn
    from rclpy.signals import SignalHandlerOptions

    from il_ros.core.registry import load

    args = ['--ros-args', '-p', f'contract:={CONTRACT}', '-p', 'autostart:=false']
    for parameter in PARAMETERS.get(name, ()):
        args += ['-p', parameter.format(folder=folder)]
    rclpy.init(args=args, signal_handler_options=SignalHandlerOptions.NO)
    kind = f'il_ros.nodes.{name}_node:{name.title().replace("_", "")}Node'
    node = load(kind)()
    try:
        assert node.trigger_configure() is TransitionCallbackReturn.SUCCESS
        assert node.trigger_activate() is TransitionCallbackReturn.SUCCESS
        here = [(node, *each) for each in node.get_node_names_and_namespaces()]
        return _gathered(here)
    finally:
        node.destroy_node()
        rclpy.shutdown()


def _gathered(nodes):
    """Rights of all nodes of a process, which share its enclave."""
    asked = {
        'publish': 'get_publisher_names_and_types_by_node',
        'subscribe': 'get_subscriber_names_and_types_by_node',
        'reply': 'get_service_names_and_types_by_node',
        'request': 'get_client_names_and_types_by_node',
    }
    rights = {
        right: {
            relative(found)
            for node, *name in nodes
            for found, _ in getattr(node, ask)(*name)
        }
        for right, ask in asked.items()
    }  # fmt: skip
    for right, of in (('execute', 'reply'), ('call', 'request')):
        rights[right] = {n.partition('/_action/')[0] for n in rights[of] if '/_action/' in n}
    own = rights['execute'] | rights['call']  # of these the right covers all topics and services
    for right in asked:
        rights[right] = {n for n in rights[right] if n.partition('/_action/')[0] not in own}
    return rights


def relative(name):
    """A name of the graph as a policy has it: relative to the robot's namespace."""
    return name if name in EVERYWHERE else name.removeprefix('/')


def read_policy(path):
    """Rights by enclave, then by right, of a policy file.

    Raises:
        AssertionError: If it is not as SROS2's schema of policies has it.
    """
    root = ET.parse(path).getroot()
    assert (root.tag, root.attrib) == ('policy', {'version': '0.2.0'})
    (contexts,) = root
    assert (contexts.tag, contexts.attrib) == ('contexts', {})
    return {context.attrib['path']: _context(context) for context in contexts}


def _context(context):
    (profiles,) = context
    (profile,) = profiles
    assert (context.tag, set(context.attrib)) == ('context', {'path'})
    assert (profiles.tag, profiles.attrib) == ('profiles', {})
    assert (profile.tag, profile.attrib['ns'], len(profile.attrib)) == ('profile', '/', 2)
    assert profile.attrib['node'] == context.attrib['path'].rpartition('/')[2]
    rights = {right: set() for some in RIGHTS.values() for right in some}
    for rule in profile:
        ((right, verdict),) = rule.attrib.items()
        assert (right in RIGHTS[rule.tag], verdict) == (True, 'ALLOW')
        names = [name.text for name in rule]
        assert {name.tag for name in rule} == {rule.tag.removesuffix('s')}
        assert sorted(set(names)) == names
        rights[right] |= set(names)
    return rights


def policy_text(rights):
    """The text of a policy that gives each node these rights."""
    lines = ['<?xml version="1.0" encoding="UTF-8"?>', HEAD.rstrip(), '<policy version="0.2.0">']
    lines.append('  <contexts>')
    for name, allowed in rights.items():
        lines += [f'    <context path="/il_ros/{name}">', '      <profiles>']
        lines.append(f'        <profile ns="/" node="{name}">')
        for rule, some in RIGHTS.items():
            for right in some:
                if not allowed[right]:
                    continue
                lines.append(f'          <{rule} {right}="ALLOW">')
                tag = rule.removesuffix('s')
                lines += [f'            <{tag}>{n}</{tag}>' for n in sorted(allowed[right])]
                lines.append(f'          </{rule}>')
        lines += ['        </profile>', '      </profiles>', '    </context>']
    lines += ['  </contexts>', '</policy>']
    return '\n'.join(lines) + '\n'


if __name__ == '__main__':
    folder = Path(sys.argv[1])
    save_any_bundle(folder)
    operator = dict.fromkeys([right for some in RIGHTS.values() for right in some], ())
    operator |= {
        'publish': ['/parameter_events', '/rosout'],
        'subscribe': ['/diagnostics', 'events', 'monitor/scores', 'monitor/status'],
        'request': ['monitor/load', 'monitor/set_mode', 'recorder/start', 'recorder/stop'],
    }
    rights = {name: rights_of(name, folder) for name in NODES} | {'operator': operator}
    print(policy_text(rights), end='')
