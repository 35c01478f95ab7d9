from __future__ import annotations

import os
import re
from pathlib import Path

import pytest
import yaml

from il_ros.launching.launch_arguments import declared
from il_ros.launching.launch_document import LaunchError
from il_ros.launching.launch_xml import ProcessSpec, evaluate

from .conftest import Write

SCRATCH = Path('/scratch')


def specs(path: Path, **arguments: str) -> list[ProcessSpec]:
    return evaluate(path, arguments, scratch=SCRATCH)


def commands(path: Path, **arguments: str) -> list[str]:
    return [' '.join(spec.argv) for spec in specs(path, **arguments)]


def refusal(path: Path, **arguments: str) -> str:
    with pytest.raises(LaunchError) as error:
        specs(path, **arguments)
    return str(error.value)


# nodes


def test_a_bare_node(prefix: Path, write: Write) -> None:
    (spec,) = specs(write('<node pkg="arm" exec="monitor"/>'))
    assert spec.argv == (f'{prefix}/lib/arm/monitor', '--ros-args')
    assert spec.name == 'monitor'
    assert spec.env == os.environ
    assert spec.files == {}


def test_a_full_node(prefix: Path, write: Write, tmp_path: Path) -> None:
    (tmp_path / 'common.yaml').touch()
    path = write("""
        <arg name="rate" default="20"/>
        <node pkg="arm" exec="arm" name="robot" namespace="left" output="screen"
              args="--quick $(var rate) 'two words'">
          <param name="rate" value="$(var rate)"/>
          <param name="label" value="$(var rate)" type="str"/>
          <param from="$(dirname)/common.yaml"/>
          <param name="limits.speed" value="[1.0, 2.0]"/>
          <remap from="wrench" to="force/$(var rate)"/>
          <remap from="a" to="b"/>
        </node>
    """)
    (spec,) = specs(path)
    assert spec.argv == (
        f'{prefix}/lib/arm/arm', '--quick', '20', 'two words', '--ros-args',
        '-r', '__node:=robot', '-r', '__ns:=/left',
        '--params-file', '/scratch/launch_params_1.yaml',
        '--params-file', f'{tmp_path}/common.yaml',
        '--params-file', '/scratch/launch_params_2.yaml',
        '-r', 'wrench:=force/20', '-r', 'a:=b',
    )  # fmt: skip
    assert spec.name == 'left/robot'
    first, second = (yaml.safe_load(text) for text in spec.files.values())
    assert first == {'/left/robot': {'ros__parameters': {'rate': 20, 'label': '20'}}}
    assert second == {'/left/robot': {'ros__parameters': {'limits.speed': [1.0, 2.0]}}}


@pytest.mark.parametrize('attributes', ['', 'name="robot"', 'namespace="left"'])
def test_parameters_of_a_node_not_fully_named_are_for_any(
    prefix: Path, write: Write, attributes: str
) -> None:
    path = write(f'<node pkg="arm" exec="arm" {attributes}><param name="a" value="1"/></node>')
    (spec,) = specs(path)
    (text,) = spec.files.values()
    assert yaml.safe_load(text) == {'/**': {'ros__parameters': {'a': 1}}}


@pytest.mark.parametrize(
    ('tags', 'message'),
    [
        ('<node pkg="arm" exec="leg"/>', r"executable 'leg' in .*/lib/arm; allowed: arm, monitor$"),
        (
            '<node pkg="leg" exec="arm"/>',
            r"2: unknown package 'leg'; allowed: (.*, )?arm(, .*)?; to",
        ),
        ('<node pkg="arm" exec="arm" name="a/b"/>', "2: 'a/b' is not a valid node name;"),
        ('<node pkg="arm" exec="arm" namespace="a b"/>', "2: '/a b' is not a valid namespace;"),
        ('<node pkg="arm" exec="arm" args="\'a"/>', '2: args: No closing quotation$'),
        (
            '<node pkg="arm" exec="arm" args="\'$(env HOME) a\'"/>',
            '2: args: No closing quotation$',
        ),
        (
            '<node pkg="arm" exec="arm" output="log"/>',
            "2: output='log': this runner shows all output; allowed: screen, both$",
        ),
        (
            '<node pkg="arm" exec="arm"><param name="a"/></node>',
            "2: <param> needs 'name' and 'value', or 'from'$",
        ),
        (
            '<node pkg="arm" exec="arm"><param name="a" from="b"/></node>',
            "2: <param> with 'from' takes no other attribute$",
        ),
        (
            '<node pkg="arm" exec="arm"><param from="/no.yaml"/></node>',
            "2: parameter file '/no.yaml' does not exist$",
        ),
        (
            '<node pkg="arm" exec="arm">\n<param name="a" value="x" type="int"/></node>',
            "3: parameter value 'x' is not of type 'int'$",
        ),
        (
            '<node pkg="arm" exec="arm">\n<param name="a" value="x"><param/></param></node>',
            '3: unknown tag <param> inside <param>; allowed: no tag$',
        ),
    ],
)
def test_refused_nodes(prefix: Path, write: Write, tags: str, message: str) -> None:
    text = refusal(write(tags))
    assert text.startswith('test.launch.xml:')
    assert re.search(message, text)


# executables


def test_executables(write: Write) -> None:
    path = write("""
        <arg name="text" default="a 'b"/>
        <executable cmd="echo -n $(var text) x$(var text)/y 'c d'" output="screen"/>
        <executable cmd="/bin/true" name="$(var text)" output="both"/>
    """)
    first, second = specs(path)
    assert first.argv == ('echo', '-n', "a 'b", "xa 'b/y", 'c d')
    assert (first.name, second.name) == ('echo', "a 'b")


def test_an_empty_command_is_refused(write: Write) -> None:
    text = "test.launch.xml:2: <executable> has an empty 'cmd'"
    assert refusal(write('<executable cmd=" "/>')) == text


# arguments, let, conditions


ARGUMENTS = """
    <arg name="robot" description="which arm"/>
    <arg name="side" default="left" description="where it stands">
      <choice value="left"/>
      <choice value="right"/>
    </arg>
    <executable cmd="$(var robot) $(var side)"/>
"""
LISTING = "robot (required): which arm; side (default 'left'; one of left, right): where it stands"


def test_arguments(write: Write) -> None:
    assert commands(write(ARGUMENTS), robot='fr3') == ['fr3 left']
    assert commands(write(ARGUMENTS), robot='fr3', side='right') == ['fr3 right']


def test_unknown_arguments_list_the_known_ones(write: Write) -> None:
    text = refusal(write(ARGUMENTS), robot='fr3', arm='left')
    assert text == f"test.launch.xml has no argument 'arm'; allowed: {LISTING}"
    text = refusal(write('<executable cmd="true"/>'), arm='left')
    assert text == "test.launch.xml has no argument 'arm'; allowed: it has no arguments"


def test_missing_arguments_list_the_known_ones(write: Write) -> None:
    assert refusal(write(ARGUMENTS)) == (
        f"test.launch.xml needs the argument 'robot'; allowed: {LISTING}; to fix: give robot:=value"
    )


def test_a_value_that_is_no_choice_is_refused(write: Write) -> None:
    assert refusal(write(ARGUMENTS), robot='fr3', side='top') == (
        'test.launch.xml:3: argument side:=top is not one of its choices; allowed: left, right'
    )


def test_defaults_may_use_what_is_above(write: Write) -> None:
    path = write("""
        <arg name="a" default="1"/>
        <arg name="b" default="$(var a)/2"/>
        <let name="c$(var a)" value="$(var b)/3"/>
        <let name="a" value="4"/>
        <arg name="a" default="5"/>
        <executable cmd="$(var a) $(var b) $(var c1)"/>
    """)
    assert commands(path) == ['4 1/2 1/2/3']


def test_variables_are_set_in_order(write: Write) -> None:
    path = write('<executable cmd="$(var a)"/>\n<arg name="a" default="1"/>')
    assert 'test.launch.xml:2: $(var a): there is no such variable here; allowed: none' in refusal(
        path
    )


def test_a_required_argument_under_a_condition_is_missed_only_there(write: Write) -> None:
    path = write("""
        <arg name="real" default="false"/>
        <group if="$(var real)"><arg name="address"/></group>
    """)
    assert commands(path) == []
    assert refusal(path, real='true') == "test.launch.xml:3: argument 'address' has no value"


@pytest.mark.parametrize(
    ('value', 'expected'),
    [('true', ['yes']), (' True ', ['yes']), ('1', ['yes']), ('FALSE', ['no']), ('0', ['no'])],
)
def test_conditions(write: Write, value: str, expected: list[str]) -> None:
    path = write("""
        <arg name="a"/>
        <executable cmd="yes" if="$(var a)"/>
        <executable cmd="no" unless="$(var a)"/>
    """)
    assert commands(path, a=value) == expected


def test_a_condition_that_is_no_truth_value_is_refused(write: Write) -> None:
    assert refusal(write('<group if="yes"/>')) == (
        "test.launch.xml:2: if='yes' is no truth value; allowed: true, 1, false, 0"
    )
    assert refusal(write('<group scoped="$(env HOME)"/>')) == (
        "test.launch.xml:2: scoped='$(env HOME)' is no truth value; allowed: true, 1, false, 0"
    )


def test_what_a_condition_excludes_is_not_looked_up(write: Write) -> None:
    path = write("""
        <group if="false">
          <executable cmd="$(var nothing)"/>
          <include file="/no/such.launch.xml"/>
          <node pkg="nothing" exec="nothing"/>
        </group>
    """)
    assert commands(path) == []


# groups, environment, namespaces


def test_a_group_confines_what_it_sets(write: Write) -> None:
    tags = """
        <let name="a" value="1"/>
        <set_env name="ROBOT" value="left"/>
        <group SCOPED>
          <let name="a" value="2"/>
          <set_env name="ROBOT" value="right"/>
          <executable cmd="in $(var a) $(env ROBOT)"/>
        </group>
        <executable cmd="out $(var a) $(env ROBOT)"/>
    """
    confined, open_ = tags.replace('SCOPED', ''), tags.replace('SCOPED', 'scoped="false"')
    assert commands(write(confined)) == ['in 2 right', 'out 1 left']
    assert commands(write(open_)) == ['in 2 right', 'out 2 right']
    assert [spec.env['ROBOT'] for spec in specs(write(confined))] == ['right', 'left']


def test_the_environment_is_the_one_given(write: Write) -> None:
    (spec,) = evaluate(
        write('<executable cmd="$(env A)"/>'), {}, scratch=SCRATCH, environment={'A': 'x'}
    )
    assert (spec.argv, spec.env) == (('x',), {'A': 'x'})


def test_namespaces_nest_with_groups(prefix: Path, write: Write) -> None:
    path = write("""
        <group>
          <push_ros_namespace namespace="left"/>
          <node pkg="arm" exec="arm" name="a"/>
          <group>
            <push_ros_namespace namespace="hand"/>
            <node pkg="arm" exec="arm" name="b" namespace="finger"/>
            <node pkg="arm" exec="arm" name="c" namespace="/own"/>
          </group>
          <node pkg="arm" exec="arm" name="d"/>
        </group>
        <node pkg="arm" exec="arm" name="e"/>
    """)
    assert [spec.name for spec in specs(path)] == [
        'left/a', 'left/hand/finger/b', 'own/c', 'left/d', 'e',
    ]  # fmt: skip
    namespaces = [re.findall(r'__ns:=(\S*)', line) for line in commands(path)]
    assert namespaces == [['/left'], ['/left/hand/finger'], ['/own'], ['/left'], []]


def test_two_robots_from_one_file(prefix: Path, write: Write) -> None:
    write(
        """
        <arg name="robot"/>
        <push_ros_namespace namespace="$(var robot)"/>
        <node pkg="arm" exec="arm" name="arm">
          <param name="name" value="$(var robot)"/>
        </node>
        """,
        'robot.launch.xml',
    )
    path = write("""
        <group><include file="$(dirname)/robot.launch.xml">
          <arg name="robot" value="left"/></include></group>
        <group><include file="$(dirname)/robot.launch.xml">
          <arg name="robot" value="right"/></include></group>
    """)
    left, right = specs(path)
    assert (left.name, right.name) == ('left/arm', 'right/arm')
    texts = [yaml.safe_load(text) for spec in (left, right) for text in spec.files.values()]
    assert texts == [
        {'/left/arm': {'ros__parameters': {'name': 'left'}}},
        {'/right/arm': {'ros__parameters': {'name': 'right'}}},
    ]
    assert not set(left.files) & set(right.files)


# includes


def test_an_included_file_sees_and_changes_the_variables(write: Write) -> None:
    inner = '<executable cmd="in $(var a)"/><let name="a" value="2"/><let name="b" value="3"/>'
    write(inner, 'inner.launch.xml')
    tags = '<include file="$(dirname)/inner.launch.xml"/>'
    after = '<executable cmd="out $(var a)"/>'
    assert commands(write(f'<let name="a" value="1"/>{tags}{after}')) == ['in 1', 'out 2']
    path = write(f'<let name="a" value="1"/><group>{tags}</group>{after}')
    assert commands(path) == ['in 1', 'out 1']


def test_passed_arguments_stay_unless_grouped(write: Write) -> None:
    write('<arg name="a" default="1"/>', 'inner.launch.xml')
    include = '<include file="$(dirname)/inner.launch.xml"><arg name="a" value="2"/></include>'
    assert commands(write(f'{include}<executable cmd="$(var a)"/>')) == ['2']


def test_files_are_found_from_the_file_that_includes_them(write: Write, tmp_path: Path) -> None:
    (tmp_path / 'deep').mkdir()
    write('<executable cmd="$(dirname)"/>', 'deep/inner.launch.xml')
    write('<include file="$(dirname)/inner.launch.xml"/>', 'deep/middle.launch.xml')
    path = write("""
        <include file="$(dirname)/deep/middle.launch.xml"/>
        <executable cmd="$(dirname)"/>
    """)
    assert commands(path) == [f'{tmp_path}/deep', str(tmp_path)]


def test_an_argument_may_be_for_a_file_further_in(write: Write) -> None:
    write('<arg name="seed"/><executable cmd="$(var seed)"/>', 'inner.launch.xml')
    path = write("""
        <include file="$(dirname)/inner.launch.xml">
          <arg name="seed" value="3"/>
        </include>
    """)
    assert [argument.name for argument in declared(path, {})] == ['seed']
    assert commands(path, seed='4') == ['3']  # what is passed inside holds


def test_required_arguments_of_an_included_file_must_be_passed(write: Write) -> None:
    write('<arg name="robot" description="which arm"/>', 'inner.launch.xml')
    path = write("""
        <arg name="robot" default="fr3"/>
        <include file="$(dirname)/inner.launch.xml"/>
    """)
    assert refusal(path) == (
        "test.launch.xml:3: inner.launch.xml needs the argument 'robot'; "
        'allowed: robot (required): which arm; to fix: give robot:=value'
    )


def test_an_include_may_not_pass_what_the_file_does_not_declare(write: Write) -> None:
    write('<arg name="robot" default="fr3"/>', 'inner.launch.xml')
    path = write("""
        <include file="$(dirname)/inner.launch.xml">
          <arg name="robto" value="fr3"/>
        </include>
    """)
    assert refusal(path) == (
        "test.launch.xml:2: inner.launch.xml has no argument 'robto'; "
        "allowed: robot (default 'fr3')"
    )


def test_errors_in_an_included_file_name_that_file(write: Write) -> None:
    write('\n<executable cmd="$(var a)"/>', 'inner.launch.xml')
    path = write('<include file="$(dirname)/inner.launch.xml"/>')
    assert refusal(path).startswith('inner.launch.xml:2: $(var a)')


def test_missing_and_circular_includes_are_refused(write: Write) -> None:
    text = "test.launch.xml:2: included file '/no.launch.xml' does not exist"
    assert refusal(write('<include file="/no.launch.xml"/>')) == text
    path = write('<include file="$(dirname)/test.launch.xml"/>')
    assert refusal(path) == 'test.launch.xml:2: test.launch.xml includes itself'


def test_declarations_are_listed_once_and_in_order(write: Write) -> None:
    write('<arg name="b" default="2"/><arg name="a" default="9"/>', 'inner.launch.xml')
    path = write("""
        <arg name="a" default="$(env A x)" description="first"/>
        <group if="false"><include file="$(dirname)/inner.launch.xml"/></group>
        <include file="$(var a).launch.xml"/>
        <arg name="c"/>
    """)
    assert [str(argument) for argument in declared(path, {})] == [
        "a (default '$(env A x)'): first", "b (default '2')", 'c (required)',
    ]  # fmt: skip
