"""Where ROS's launch system is installed, our runner starts the same processes from a file."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import yaml

from il_ros.cli.launch_command import _run_ros, _supervise
from il_ros.launching.launch_xml import evaluate

from .conftest import Write

FILE = """
    <arg name="robot" default="fr3"><choice value="fr3"/><choice value="ur5"/></arg>
    <arg name="number" default="8"/>
    <arg name="label" default="$(env NO_SUCH_VARIABLE 'two words')"/>
    <let name="on" value="True"/>
    <node pkg="arm" exec="monitor"/>
    <node pkg="arm" exec="arm" name="plain"
          args="-a $(var label) x$(var number)/y 'c d' $(dirname)"/>
    <node pkg="arm" exec="arm" namespace="only"><param name="a" value="$(var number)"/></node>
    <group>
      <push_ros_namespace namespace="left"/>
      <set_remap from="joint_states" to="/joint_states"/>
      <set_env name="ROBOT" value="$(var robot)"/>
      <node pkg="arm" exec="arm" name="robot" namespace="hand">
        <param name="int" value="$(var number)"/>
        <param name="float" value="$(var number)" type="float"/>
        <param name="text" value="$(var number)" type="str"/>
        <param name="quoted" value="'8'"/>
        <param name="exponent" value="1e3"/>
        <param name="bool" value="1" type="bool"/>
        <param name="list" value="[1.0, 2.0]"/>
        <param name="escaped" value="\\$(var a)"/>
        <param name="unreadable" value="a: b: c"/>
        <param name="empty" value=""/>
        <param from="$(dirname)/common.yaml"/>
        <param name="int" value="9"/>
        <remap from="a" to="b/$(var number)"/>
        <remap from="c" to="/d"/>
      </node>
      <include file="$(dirname)/inner.launch.xml" if="$(var on)">
        <arg name="side" value="$(var robot)"/>
        <arg name="place" value="$(dirname)"/>
      </include>
      <node pkg="arm" exec="arm" name="after" namespace="/own" args="$(var side) $(var kept)"/>
    </group>
    <group scoped="false"><let name="robot" value="ur5"/></group>
    <node pkg="arm" exec="arm" name="last" args="$(var robot)" unless="false"/>
    <executable cmd="$(find-pkg-share arm)/../../lib/arm/monitor
          $(var robot) a&quot;b&quot; \\$HOME"/>
"""
INNER = """
    <arg name="side"/>
    <arg name="place"/>
    <let name="kept" value="$(var on)"/>
    <push_ros_namespace namespace="inner"/>
    <node pkg="arm" exec="arm" name="inner"
          args="$(var side) $(var place) $(var number) $(dirname)"/>
"""


def reports(folder: Path) -> list[str]:
    """Give what every process said of itself, its parameter files read."""
    found = []
    for file in folder.iterdir():
        texts, robot = json.loads(file.read_text())
        said = [yaml.safe_load(text) if '\n' in text else text for text in texts]
        found.append(json.dumps([merged(said), robot], sort_keys=True, indent=1))
    return sorted(found)


def merged(said: list[Any]) -> list[Any]:
    """Take parameter files for one node that follow one another as one file."""
    result: list[Any] = []
    for word in said:
        last = result[-2] if len(result) > 1 and result[-1] == '--params-file' else None
        if isinstance(last, dict) and isinstance(word, dict) and set(last) == set(word):
            (node,) = word
            last[node]['ros__parameters'].update(word[node]['ros__parameters'])
            result.pop()
        else:
            result.append(word)
    return result


@pytest.mark.parametrize('given', [{}, {'number': '7.5', 'robot': 'ur5'}])
def test_the_same_file_starts_the_same_processes(
    prefix: Path,
    write: Write,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    given: dict[str, str],
) -> None:
    pytest.importorskip('launch_xml')
    pytest.importorskip('launch_ros')
    monkeypatch.setenv('ROS_LOG_DIR', str(tmp_path / 'log'))
    (tmp_path / 'common.yaml').write_text('/**:\n  ros__parameters:\n    a: 1\n')
    write(INNER, 'inner.launch.xml')
    path = write(FILE)
    for runner in ('ours', 'ros'):
        (tmp_path / runner).mkdir()
        monkeypatch.setenv('REPORTS', str(tmp_path / runner))
        if runner == 'ros':
            assert _run_ros(path, given) == 0
        else:
            assert _supervise(evaluate(path, given, scratch=tmp_path)) == 0
    ours = reports(tmp_path / 'ours')
    assert len(ours) == 8
    assert ours == reports(tmp_path / 'ros')


PAIR = """
    <let name="mine" value="$(dirname)/mine.yaml"/>
    <group>
      <set_remap from="joint_states" to="/joint_states"/>
      <include file="$(find-pkg-share il_ros)/launch/{file}">
        <arg name="namespace" value="left"/>
        <arg name="log_level" value="warn"/>
      </include>
    </group>
    <group>
      <push_ros_namespace namespace="cell"/>
      <include file="$(find-pkg-share il_ros)/launch/{file}">
        <arg name="namespace" value="right"/>
        <arg name="params_file" value="$(var mine)"/>
      </include>
    </group>
    <include file="$(find-pkg-share il_ros)/launch/{file}"/>
"""


@pytest.mark.parametrize('file', sorted(path.name for path in Path('launch').glob('*.xml')))
def test_the_files_of_the_package_start_the_same_processes_in_two_namespaces(
    package: Path, write: Write, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, file: str
) -> None:
    pytest.importorskip('launch_xml')
    pytest.importorskip('launch_ros')
    monkeypatch.setenv('ROS_LOG_DIR', str(tmp_path / 'log'))
    (tmp_path / 'mine.yaml').write_text('/**/monitor:\n  ros__parameters:\n    bundle: b\n')
    path = write(PAIR.format(file=file))
    for runner in ('ours', 'ros'):
        (tmp_path / runner).mkdir()
        monkeypatch.setenv('REPORTS', str(tmp_path / runner))
        if runner == 'ros':
            assert _run_ros(path, {}) == 0
        else:
            assert _supervise(evaluate(path, {}, scratch=tmp_path)) == 0
    ours = reports(tmp_path / 'ours')
    assert len(ours) % 3 == 0
    assert sum('__ns:=/cell/right' in report for report in ours) == len(ours) // 3
    assert sum('joint_states:=/joint_states' in report for report in ours) == len(ours) // 3
    assert ours == reports(tmp_path / 'ros')
