"""Two robots under two namespaces on one graph do not hear one another."""

import os
from contextlib import ExitStack

import numpy as np

from il_ros.cli.running_graph import isolate
from il_ros.launching.launch_xml import evaluate
from il_ros.launching.process_supervisor import ProcessSupervisor

from .conftest import CONTRACT

LAUNCH = """<launch>
  <group><push_ros_namespace namespace="left"/>
    <include file="{file}"><arg name="contract" value="{contract}"/>
      <arg name="directory" value="{out}/left"/></include></group>
  <group><push_ros_namespace namespace="right"/>
    <include file="{file}"><arg name="contract" value="{contract}"/>
      <arg name="directory" value="{out}/right"/></include></group>
</launch>"""


def test_left_and_right_on_one_graph(contract, tmp_path):
    from il_ros.ros.graph_client import GraphClient

    isolate()
    file = tmp_path / 'two.launch.xml'
    demo = CONTRACT.parents[2] / 'launch/demo.launch.xml'
    file.write_text(LAUNCH.format(file=demo, contract=CONTRACT, out=tmp_path))
    with ExitStack() as stack:
        supervisor = stack.enter_context(ProcessSupervisor())
        for spec in evaluate(file, {}, scratch=tmp_path, environment=dict(os.environ)):
            for path, text in spec.files.items():
                path.write_text(text)
            supervisor.start(spec.name, spec.argv, env=spec.env)
        left = stack.enter_context(GraphClient(contract, namespace='/left'))
        right = stack.enter_context(GraphClient(contract, namespace='/right'))
        before = right.episode(1, 'expert', record=True)
        clocks = [left.node.count_publishers(f'{side}/clock') for side in ('/left', '/right', '')]
        assert clocks == [1, 1, 0]  # each has a time of its own
        one, two = left.episode(1, 'expert'), right.episode(2, 'expert')
        assert before.state.success
        assert one.state.success
        assert two.state.success
        # The same seed gives the same motion whatever the other arm does; another does not.
        first = min(before.trace.joints)
        np.testing.assert_allclose(one.trace.joints[first], before.trace.joints[first], atol=1e-9)
        assert not np.allclose(two.trace.joints[first], before.trace.joints[first], atol=1e-3)
        assert before.bag.startswith(str(tmp_path / 'right'))
