import csv
import json
from dataclasses import replace
from pathlib import Path

import pytest

from il_ros.cli.monitor_evaluate_command import evaluate
from il_ros.core.errors import BundleError
from il_ros.policies.bundle import load_bundle
from il_ros.policies.bundle_writer import save_bundle

REACH = Path('config/contracts/franka_reach.yaml')
SUITE = """
goal_shown_elsewhere:
  - {kind: sensor_bias, target: goal_position, value: [0.0, 0.15, 0.25]}
goal_lost:
  - {kind: sensor_dropout, target: goal_position, start: 0.2}
"""


def run(bundle, folder):
    suite = folder / 'suite.yaml'
    suite.write_text(SUITE)
    return evaluate(bundle, REACH, suite, folder / 'out', task='reach', episodes=4, processes=1)


def test_tables_of_a_calibrated_bundle(reach_bundle, tmp_path, capsys):
    assert run(reach_bundle, tmp_path) == 0
    names = [*load_bundle(reach_bundle).calibration.bank.names, 'together', 'whole monitor']
    facts = json.loads((tmp_path / 'out/monitor.json').read_text())
    assert list(facts['scores']) == names
    # two of the four disturbed episodes are stopped by a hard check, and are not the scores' doing
    assert facts['episodes']['stopped'] == 2
    assert facts['perturbations']['goal_lost']['stopped_by_checks'] == 2
    assert facts['scores']['together']['episodes'] == 6
    whole = facts['scores']['whole monitor']
    assert (whole['episodes'], whole['failed'], whole['true_positive_rate']) == (8, 4, 1.0)
    assert facts['alpha'] == 0.05
    with (tmp_path / 'out/monitor.csv').open() as file:
        rows = list(csv.DictReader(file))
    assert [row['score'] for row in rows] == names
    assert float(rows[-1]['balanced_accuracy']) == whole['balanced_accuracy']
    lines = (tmp_path / 'out/monitor.md').read_text().splitlines()
    assert len(lines) == 2 + len(names)
    assert '8 episodes: 4 success, 2 time limit, 2 stopped' in capsys.readouterr().out


def test_a_bundle_that_is_not_calibrated_is_refused(reach_bundle, tmp_path):
    bundle = replace(load_bundle(reach_bundle), threshold=None)
    save_bundle(bundle, tmp_path / 'bare')
    with pytest.raises(BundleError, match=r'bare: is not calibrated; .*il_ros monitor calibrate'):
        run(tmp_path / 'bare', tmp_path)
