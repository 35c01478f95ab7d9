import pytest

from il_ros.bags import EpisodeReader
from il_ros.bags.bag_reader import BagReadOptions
from il_ros.core.contract import parse_contract
from il_ros.core.errors import ContractError, DatasetError


def test_messages_come_in_the_order_of_arrival_by_relative_name(record):
    with EpisodeReader(record(frames=3, namespace='/left')) as reader:
        found = [(m.topic, m.receive) for m in reader.messages(['wrench', 'joint_states'])]
        assert [topic for topic, _ in found] == 3 * ['wrench', 'joint_states']
        assert found == sorted(found, key=lambda item: item[1])
        first = next(iter(reader.messages(['joint_states'])))
        assert list(reader.deserialize(first).name) == ['b', 'a']
        assert list(reader.messages(['camera'])) == []


def test_missing_topics_are_named_with_those_that_there_are(record):
    with EpisodeReader(record(namespace='/left')) as reader:
        reader.require(['wrench'])
        with pytest.raises(DatasetError) as caught:
            reader.require(['wrench', 'camera'])
    assert str(caught.value) == (
        f'{reader.path}: no topic /left/camera in the bag; allowed: /left/contract, '
        '/left/joint_states, /left/monitor/executed, /left/wrench; to fix: record it, or correct '
        'the topic in the contract or the namespace'
    )


def test_a_bag_of_somebody_else_needs_a_contract(record, contract):
    path = record()
    (path / 'episode.json').unlink()
    with pytest.raises(DatasetError, match='does not say its contract; to fix: give the contract'):
        EpisodeReader(path)
    with EpisodeReader(path, contract) as reader:
        assert reader.info is None
        assert reader.namespace == '/'
        assert len(list(reader.messages(['wrench']))) == 10


def test_another_contract_is_refused_with_the_difference(record, contract):
    other = parse_contract(contract.text.replace('name: test', 'name: other'))
    with pytest.raises(ContractError, match=r"made for contract 'test'.*not 'other'"):
        EpisodeReader(record(), other)


def test_what_is_no_bag_is_named(tmp_path, contract):
    with pytest.raises(DatasetError, match=r'no metadata.yaml in it; allowed: a rosbag2 folder; '):
        EpisodeReader(tmp_path, contract)


@pytest.mark.parametrize('text', ['', 'a: [1', 'rosbag2_bagfile_information: {version: 99}'])
def test_damaged_metadata_is_named(record, text):
    path = record()
    (path / 'metadata.yaml').write_text(text)
    with pytest.raises(
        DatasetError, match=r'one/metadata.yaml: (damaged: .* to fix: run "il_ros|version 99)'
    ):
        EpisodeReader(path).__enter__()


@pytest.mark.parametrize('share', [0.0, 0.01, 0.5, 0.9])
def test_a_cut_file_is_named(record, share):
    path = record(frames=50)
    content = (path / 'one.mcap').read_bytes()
    (path / 'one.mcap').write_bytes(content[: int(share * len(content))])
    with pytest.raises(DatasetError, match='one: damaged bag: '), EpisodeReader(path) as reader:
        list(reader.messages(['wrench', 'joint_states']))


@pytest.mark.parametrize('name', ['../two/two.mcap', '/etc/passwd', 'link.mcap'])
def test_a_bag_that_leads_out_of_its_folder_is_refused(record, name):
    other, path = record('two'), record('one')
    (path / 'link.mcap').symlink_to(other / 'two.mcap')
    text = (path / 'metadata.yaml').read_text()
    (path / 'metadata.yaml').write_text(text.replace('one.mcap', name))
    with pytest.raises(DatasetError, match='allowed: files in the folder of the bag; to fix: do n'):
        EpisodeReader(path)


def test_an_amended_contract_reads_an_old_bag_only_on_request(record, contract):
    amended = parse_contract(contract.text.replace('rate: 20.0\nclock', 'rate: 10.0\nclock'))
    path = record()
    with pytest.raises(ContractError, match='made for contract'):
        EpisodeReader(path, amended)
    with EpisodeReader(path, amended, BagReadOptions(reinterpret=True)) as reader:
        assert reader.contract.rate == 10
        assert len(list(reader.messages(['wrench']))) == 10


def test_a_bag_of_somebody_else_may_have_a_namespace(record, contract):
    path = record(namespace='/left')
    (path / 'episode.json').unlink()
    with EpisodeReader(path, contract, BagReadOptions(namespace='/left')) as reader:
        assert 'wrench' in reader.relative_topics
        assert len(list(reader.messages(['wrench']))) == 10
