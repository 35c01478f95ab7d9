"""What a simulated arm's cameras would publish, by the contract."""

from __future__ import annotations

import array

from rclpy.node import Node
from sensor_msgs.msg import CompressedImage, Image

from il_ros.core.contract import Contract
from il_ros.core.errors import ContractError
from il_ros.core.frames import NS
from il_ros.core.images import encode, rendered_frame
from il_ros.core.streams import COMPRESSED_IMAGE, ImageStream
from il_ros.ros.message_conversion import fill_stamp
from il_ros.ros.message_types import message_type
from il_ros.ros.qos import LATCHED, SENSOR_OUT
from il_ros.sim.world import World

_EARLY = 1_000_000  # ns; so much too soon is not too soon: stamps are rounded


class CameraPublishers:
    """One publisher for each of the contract's images; its key is the camera's name in the scene.

    Images are in colour, of the size that the contract says the camera sends, and each says in its
    frame which renderer made it.

    Args:
        node: Owner of the publishers.
        contract: Says which images there are.
        world: Renders them.

    Raises:
        ContractError: If the scene has no such camera, or images of depth are asked for.
        IlRosError: If no image can be rendered.
    """

    def __init__(self, node: Node, contract: Contract, world: World) -> None:
        self._world, self._images = world, contract.images
        for key, stream in contract.images.items():
            _check(key, stream, world)
        self._publishers = {
            key: node.create_publisher(
                message_type(stream.type), stream.topic, LATCHED if stream.latched else SENSOR_OUT
            )
            for key, stream in contract.images.items()
        }
        self._due = dict.fromkeys(contract.images, 0)
        if contract.images:
            node.get_logger().info(f'images are rendered by {world.renderer}')

    def publish(self, stamp: int) -> None:
        """Publish the images that are due at this instant [ns], if somebody listens."""
        for key, stream in self._images.items():
            due, period = self._due[key] or stamp, round(NS / stream.rate) if stream.rate else 0
            if stamp < due - _EARLY:
                continue
            self._due[key] = max(due, stamp - period) + period
            if self._publishers[key].get_subscription_count() or stream.latched:
                self._publishers[key].publish(self._message(key, stream, stamp))

    def _message(self, key: str, stream: ImageStream, stamp: int) -> Image | CompressedImage:
        height, width = stream.source_size or stream.size
        pixels = self._world.render(key, width, height)
        if stream.type == COMPRESSED_IMAGE:
            blob = encode(pixels, 'jpeg', stream.quality)
            message = CompressedImage(format='rgb8; jpeg compressed bgr8')
        else:
            blob = pixels.tobytes()
            message = Image(height=height, width=width, encoding='rgb8', step=3 * width)
        message.data = array.array('B', blob)  # rclpy looks at every byte of anything else
        return fill_stamp(message, stamp, rendered_frame(self._world.renderer, key))


def _check(key: str, stream: ImageStream, world: World) -> None:
    if key not in world.cameras:
        raise ContractError(
            'the simulator has no such camera', where=f'images.{key}', allowed=world.cameras
        )
    if stream.encoding == '16UC1':
        raise ContractError(
            'the simulator renders no depth', where=f'images.{key}.encoding', allowed='rgb8, mono8'
        )
