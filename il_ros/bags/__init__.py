"""Episodes as bags: `EpisodeWriter` records one, `EpisodeReader` reads any rosbag2 folder."""

from il_ros.bags.reader import EpisodeReader, Message
from il_ros.bags.writer import EpisodeWriter

__all__ = ['EpisodeReader', 'EpisodeWriter', 'Message']
