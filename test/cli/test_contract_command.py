"""`il_ros contract init`, from bags."""

import shlex

import pytest
from seen_graphs import fr3, graph, states, write_bag

from il_ros.cli.main import main
from il_ros.core.contract import load_contract


@pytest.fixture
def bag(tmp_path):
    return write_bag(fr3(), tmp_path / 'bag')


def test_a_contract_and_its_urdf_are_written_from_a_bag(bag, tmp_path, capsys):
    assert main(['contract', 'init', str(tmp_path / 'arm.yaml'), '--bag', str(bag)]) == 0
    contract = load_contract(tmp_path / 'arm.yaml')
    assert contract.name == 'arm'
    assert (tmp_path / 'arm.urdf').read_text().startswith('<robot name="fr3">')
    said = capsys.readouterr().out
    assert 'a bag does not tell the controllers' in said
    assert f'next: il_ros contract check {tmp_path / "arm.yaml"} --bag {bag}\n' in said


def test_the_check_that_comes_next_looks_from_the_same_namespace(tmp_path, capsys):
    bag = write_bag(graph(states('/left/joint_states', 20, ('a', 'b'), {})), tmp_path / 'bag')
    path = str(tmp_path / 'my arm.yaml')
    words = ['--bag', str(bag), '--namespace', '/left']
    assert main(['contract', 'init', path, *words]) == 0
    said = capsys.readouterr().out
    _, _, following = said.rpartition('next: il_ros ')
    assert shlex.split(following) == ['contract', 'check', path, *words]


def test_nothing_is_overwritten(bag, tmp_path, capsys):
    for name in ('arm.yaml', 'arm.urdf'):
        (tmp_path / name).write_text('mine')
        assert main(['contract', 'init', str(tmp_path / 'arm.yaml'), '--bag', str(bag)]) == 2
        assert f'{name}: it exists already' in capsys.readouterr().err
        assert (tmp_path / name).read_text() == 'mine'
        (tmp_path / name).unlink()
        assert not (tmp_path / 'arm.yaml').exists()


def test_a_urdf_that_is_given_is_used_where_it_lies(tmp_path):
    seen = graph(states('/joint_states', 20, ('a', 'b'), {}))
    write_bag(seen, tmp_path / 'bag')
    (tmp_path / 'arm.urdf').write_text(
        '<robot name="r"><link name="x"/><link name="y"/><joint name="a" type="revolute">'
        '<parent link="x"/><child link="y"/><limit lower="-1" upper="0.5" velocity="2"/></joint>'
        '</robot>'
    )
    words = ['contract', 'init', str(tmp_path / 'arm.yaml'), '--bag', str(tmp_path / 'bag')]
    assert main([*words, '--urdf', str(tmp_path / 'arm.urdf')]) == 0
    action = load_contract(tmp_path / 'arm.yaml').action
    assert action.limits.position_max == (0.5,)
    assert action.names == ('a',)  # the URDF has no joint b


@pytest.mark.parametrize(
    ('words', 'said'),
    [
        (['--rate', '0'], '--rate: got 0.0'),
        (['--rate', 'nan'], '--rate: got nan'),
        (['--seconds', '-1'], '--seconds: got -1.0'),
        (['--timeout', '1e9'], '--timeout: got 1000000000.0'),
        (['--urdf', 'none.urdf'], 'none.urdf: cannot be read'),
        (['--bag', 'none'], 'none'),
    ],
)
def test_a_wrong_option_is_one_line_and_nothing_is_written(
    words, said, tmp_path, capsys, monkeypatch
):
    monkeypatch.chdir(tmp_path)
    assert main(['contract', 'init', 'arm.yaml', *words]) == 2
    error = capsys.readouterr().err
    assert said in error
    assert error.count('\n') == 1
    assert not (tmp_path / 'arm.yaml').exists()


def test_a_contract_is_held_against_a_bag(bag, tmp_path, capsys):
    path = tmp_path / 'arm.yaml'
    assert main(['contract', 'init', str(path), '--bag', str(bag)]) == 0
    words = ['contract', 'check', str(path), '--bag', str(bag)]
    assert main(words) == 0
    said = capsys.readouterr().out
    assert 'observations.joint_position' in said
    assert '0 wrong' in said
    text = path.read_text().replace('topic: franka/joint_states', 'topic: joint_states', 1)
    path.write_text(text.replace('rate: 1000.0', 'rate: 100.0', 1))
    assert main(words) == 1
    said = capsys.readouterr().out
    assert 'observations.joint_position: 30.0 Hz, the contract expects 100' in said
    assert 'to fix: set rate: 30, or let the driver publish faster' in said
    assert main([*words, '--remap', 'joint_states']) == 2
    assert "--remap: got 'joint_states'; allowed: FROM:=TO" in capsys.readouterr().err
