"""What a recovered bag says of itself: counted anew, the rest as it was known."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from il_ros.bags.bag_check import BagContent, in_span
from il_ros.bags.bag_metadata import BagTopic
from il_ros.bags.episode_info import (
    EPISODE_FILE,
    FORMAT,
    EpisodeInfo,
    Recovery,
    TopicInfo,
    salvage_episode_info,
    write_episode_info,
)
from il_ros.core.contract import parse_contract
from il_ros.core.errors import IlRosError


def topics_of(content: BagContent) -> list[BagTopic]:
    """The topics of all files, each once."""
    return list(dict.fromkeys(t for scan in content.scans for t in scan.topics.values()))


def write_info(content: BagContent, folder: Path, name: str) -> bool:
    """Write `episode.json` anew, if the bag is one of ours; of a damaged one, what is whole.

    Returns:
        Whether there was something to write.
    """
    info = content.info or _salvaged(content, _info_of_contract(content, name))
    if info is None:
        return False
    if not in_span(info, content):
        info = replace(
            info,
            outcome='unknown',
            reason=f'episode.json was of another recording, which said: {info.outcome} '
            f'{info.reason}'.strip(),
            start_ns=0,
            stop_ns=0,
        )
    write_episode_info(
        folder,
        replace(
            info,
            format=FORMAT,
            state='recovered',
            messages=content.count.messages,
            duration=content.count.seconds,
            topics=_topic_infos(content, info),
            recovery=Recovery(
                chunks=sum(scan.chunks for scan in content.scans),
                dropped_bytes=sum(g.end - g.start for scan in content.scans for g in scan.gaps),
                dropped=tuple(content.dropped),
            ),
        ),
    )
    return True


def _salvaged(content: BagContent, known: EpisodeInfo | None) -> EpisodeInfo | None:
    """What is whole of a damaged `episode.json`; the contract in the bag is trusted more."""
    if EPISODE_FILE not in content.broken:
        return known
    said = salvage_episode_info(content.folder)
    if known is None:
        try:
            contract = parse_contract(said.get('contract', ''), source=EPISODE_FILE)
        except (IlRosError, ValueError):
            return None
        known = EpisodeInfo(
            episode_id=content.folder.name, contract=contract.text, contract_hash=contract.hash
        )
    own = ('format', 'contract', 'contract_hash', 'state', 'recovery')
    return replace(known, **{name: value for name, value in said.items() if name not in own})


def _topic_infos(content: BagContent, info: EpisodeInfo) -> dict[str, TopicInfo]:
    counts, infos = content.topics, {}
    for topic in topics_of(content):
        count = counts[topic.name]
        old = info.topics.get(topic.name, TopicInfo(type=topic.type, messages=0))
        infos[topic.name] = replace(
            old, type=topic.type, messages=count.messages, bytes=count.bytes, rate=count.rate
        )
    return infos


def _info_of_contract(content: BagContent, name: str) -> EpisodeInfo | None:
    """What the contract's message in the bag says of an episode whose `episode.json` is lost."""
    said = next((scan.contract for scan in content.scans if scan.contract), None)
    if said is None:
        return None
    topic, data = said
    try:
        # CDR, little endian: 4 bytes of head, 4 of length, the text, a zero byte.
        text = data[8:-1].decode()
        contract = parse_contract(text, source=topic)
    except (IlRosError, ValueError):
        return None
    return EpisodeInfo(
        episode_id=name,
        contract=contract.text,
        contract_hash=contract.hash,
        namespace=topic.removesuffix('/contract') or '/',
    )
