"""Episodes as bags: `EpisodeWriter` records one, `EpisodeReader` reads any rosbag2 folder."""

from il_ros.bags.bag_reader import BagMessage, EpisodeReader
from il_ros.bags.episode_writer import EpisodeWriter

__all__ = ['BagMessage', 'EpisodeReader', 'EpisodeWriter']
