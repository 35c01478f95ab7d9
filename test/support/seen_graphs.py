"""What six robots' drivers show of themselves, as `contract init` and `contract check` see it.

Topics, orders, rates, frames, controllers and actions are those of each driver's documentation and
sources; the URDFs are small ones of the same joints, limits and links.
"""

import numpy as np
from cdr_messages import STORE, cdr, joints, make, pose
from rosbags.rosbag2 import Writer

from il_ros.core.geometry import quaternion_from_matrix
from il_ros.core.seen_graph import SeenController, SeenEndpoint, SeenGraph, SeenSample, SeenTopic
from il_ros.core.urdf import arm_description, read_urdf

START = 1_700_000_000 * 10**9
JTC = 'joint_trajectory_controller/JointTrajectoryController'
PARALLEL = 'parallel_gripper_action_controller/GripperActionController'
BROADCASTER = 'joint_state_broadcaster/JointStateBroadcaster'
GRIPPER_COMMAND = 'control_msgs/action/GripperCommand'
PARALLEL_COMMAND = 'control_msgs/action/ParallelGripperCommand'
JOINTS, POSE = 'sensor_msgs/msg/JointState', 'geometry_msgs/msg/PoseStamped'


def string(text):
    data = text.encode() + b'\0'
    return b'\0\1\0\0' + len(data).to_bytes(4, 'little') + data


def topic(name, kind, rate, message, *, nodes=('driver',), count=0, start=START, best=False):
    """A topic with messages at a rate; `message(time, number)` makes the bytes of each."""
    offers = tuple(SeenEndpoint(node=f'/{node}', type=kind, reliable=not best) for node in nodes)
    made = SeenTopic(name=name, type=kind, publishers=offers)
    for i in range(count or max(20, round(0.4 * rate))):
        time = start + (round(i / rate * 10**9) if rate else 0)
        made.take(SeenSample(receive=time, data=message(time, i), publisher=nodes[i % len(nodes)]))
    return made


def states(name, rate, names, at, *, speed=0.0, nan=(), frame_id='base_link', **options):
    """JointStates that stand at `at` (by name, 0 by default); the speed is measured as `speed`."""
    position = [at.get(joint, 0.0) for joint in names]
    velocity = [float('nan') if joint in nan else speed for joint in names]

    def message(time, number):
        swing = 1e-4 * np.sin(number)
        return joints(
            names, [value + swing for value in position], velocity, stamp=time, frame_id=frame_id
        )

    return topic(name, JOINTS, rate, message, **options)


def poses(name, rate, frame_id, position, quaternion, **options):
    def message(time, _):
        return pose(quaternion, position, stamp=time, frame_id=frame_id)

    return topic(name, POSE, rate, message, **options)


def wrenches(name, rate, frame_id, **options):
    zero = make('geometry_msgs/msg/Vector3', x=0.1, y=0.2, z=0.3)
    wrench = make('geometry_msgs/msg/Wrench', force=zero, torque=zero)

    def message(time, _):
        return cdr('geometry_msgs/msg/WrenchStamped', wrench=wrench, stamp=time, frame_id=frame_id)

    return topic(name, 'geometry_msgs/msg/WrenchStamped', rate, message, **options)


def description(text, namespace=''):
    made = topic(
        f'{namespace}/robot_description', 'std_msgs/msg/String', 0, lambda *_: string(text), count=1
    )
    return made


def listener(name, kind, *, node='/controller_manager'):
    """A topic that a controller subscribes to, and nobody publishes."""
    return SeenTopic(name=name, type=kind, subscribers=(SeenEndpoint(node=node, type=kind),))


def camera(name, rate, height=480, width=640, encoding='bgr8'):
    channels = {'bgr8': 3, 'rgb8': 3, 'mono8': 1}[encoding]
    pixels = np.zeros(height * width * channels, np.uint8)

    def message(time, _):
        return cdr(
            'sensor_msgs/msg/Image', stamp=time, frame_id='optical', height=height, width=width,
            encoding=encoding, is_bigendian=0, step=width * channels, data=pixels,
        )  # fmt: skip

    return topic(name, 'sensor_msgs/msg/Image', rate, message, count=8)


def controller(name, kind, names=(), *, state='active', interface='position'):
    interfaces = tuple(f'{joint}/{interface}' for joint in names)
    return SeenController(name=name, type=kind, state=state, interfaces=interfaces)


def graph(*topics, controllers=None, actions=(), **more):
    return SeenGraph(
        source='the running graph',
        live=True,
        seconds=5.0,
        topics={each.name: each for each in topics},
        controllers=controllers,
        unasked='' if controllers is not None else 'there is no controller manager',
        actions=dict(actions),
        **more,
    )


def urdf(name, *parts):
    """A URDF of `(joint, type, parent, child, limits)`; limits are lower, upper, velocity."""
    links = dict.fromkeys(link for part in parts for link in part[2:4])
    lines = [f'<robot name="{name}">', *(f'<link name="{link}"/>' for link in links)]
    for joint, kind, parent, child, *rest in parts:
        limits, mimic = (*rest, None, None)[:2]
        lines.append(f'<joint name="{joint}" type="{kind}"><origin xyz="0 0 0.1"/>')
        lines.append(f'<parent link="{parent}"/><child link="{child}"/><axis xyz="0 0 1"/>')
        if limits:
            low, high, speed = limits
            bounds = '' if low is None else f'lower="{low}" upper="{high}" '
            lines.append(f'<limit {bounds}velocity="{speed}" effort="1"/>')
        if mimic:
            lines.append(f'<mimic joint="{mimic}"/>')
        lines.append('</joint>')
    return '\n'.join([*lines, '</robot>'])


def placed(text, base, tip, at):
    """Position and quaternion of a link, by the package's own kinematics (`test_urdf.py`)."""
    described = arm_description(
        read_urdf(text, 'urdf'), base=base, tips={'': tip}, grippers={}, home={}
    )
    limb = described.limbs[0]
    position, rotation = limb.chain()[0].forward(np.array([at.get(n, 0.0) for n in limb.free]))
    return tuple(position), quaternion_from_matrix(rotation)


def chain(first, names, limits, *, link='link{}', kinds=None, after=()):
    """The parts of an arm whose first joint is on `first`, and what is fixed behind it."""
    parts, parent = [], first
    for i, (joint, bounds) in enumerate(zip(names, limits, strict=True), 1):
        child = link.format(i)
        kind = kinds[i - 1] if kinds else 'revolute'
        parts.append((joint, kind, parent, child, bounds))
        parent = child
    for child in after:
        parts.append((f'{parent}_{child}', 'fixed', parent, child))
        parent = child
    return parts


# --- UR10e and Robotiq 2F-85 --------------------------------------------------------------------
UR_JOINTS = (
    'shoulder_pan_joint', 'shoulder_lift_joint', 'elbow_joint', 'wrist_1_joint', 'wrist_2_joint',
    'wrist_3_joint',
)  # fmt: skip
KNUCKLE = 'robotiq_85_left_knuckle_joint'
_TURN = 6.283185307179586


def robotiq(on):
    mimics = ('right_knuckle', 'left_inner_knuckle', 'right_inner_knuckle', 'left_finger_tip')
    return [
        ('robotiq_85_base_joint', 'fixed', on, 'robotiq_85_base_link'),
        (KNUCKLE, 'revolute', 'robotiq_85_base_link', 'left_knuckle', (0.0, 0.8, 0.5)),
        *(
            (f'robotiq_85_{m}_joint', 'revolute', 'robotiq_85_base_link', m, (0, 0.8, 0.5), KNUCKLE)
            for m in mimics
        ),
    ]


def ur(**changes):
    limits = [(-_TURN, _TURN, 2.0943951)] * 2 + [(-3.14159265, 3.14159265, 3.14159265)]
    limits += [(-_TURN, _TURN, 3.14159265)] * 3
    text = urdf(
        'ur10e',
        ('base_joint', 'fixed', 'world', 'base_link'),
        ('base_link-base', 'fixed', 'base_link', 'base'),
        ('base_link-inertia', 'fixed', 'base_link', 'base_link_inertia'),
        *chain('base_link_inertia', UR_JOINTS, limits, after=('flange', 'tool0')),
        *robotiq('tool0'),
    )
    at = {'shoulder_lift_joint': -1.57, 'elbow_joint': 1.2, 'wrist_1_joint': -1.2}
    names = sorted((*UR_JOINTS, KNUCKLE))
    arm = '/scaled_joint_trajectory_controller'
    values = {
        'states': states('/joint_states', 500, names, at, nodes=('joint_state_broadcaster',)),
        'controllers': (
            controller('/joint_state_broadcaster', BROADCASTER),
            controller('/io_and_status_controller', 'ur_controllers/GPIOController'),
            controller(arm, 'ur_controllers/ScaledJointTrajectoryController', UR_JOINTS),
            controller('/joint_trajectory_controller', JTC, UR_JOINTS, state='inactive'),
            controller('/forward_position_controller',
                       'position_controllers/JointGroupPositionController', UR_JOINTS,
                       state='inactive'),
            controller('/robotiq_gripper_controller', PARALLEL, (KNUCKLE,)),
        ),
        **changes,
    }  # fmt: skip
    return graph(
        values['states'],
        description(text),
        poses('/tcp_pose_broadcaster/pose', 500, 'base', *placed(text, 'base', 'tool0', at)),
        wrenches('/force_torque_sensor_broadcaster/wrench', 500, 'tool0_controller'),
        listener(f'{arm}/joint_trajectory', 'trajectory_msgs/msg/JointTrajectory'),
        listener('/joint_trajectory_controller/joint_trajectory',
                 'trajectory_msgs/msg/JointTrajectory'),
        controllers=values['controllers'],
        actions={
            f'{arm}/follow_joint_trajectory': 'control_msgs/action/FollowJointTrajectory',
            '/robotiq_gripper_controller/gripper_cmd': PARALLEL_COMMAND,
        },
    )  # fmt: skip


# --- Franka FR3 and hand ------------------------------------------------------------------------
FR3_JOINTS = tuple(f'fr3_joint{i}' for i in range(1, 8))
FR3_LOW = (-2.7437, -1.7837, -2.9007, -3.0421, -2.8065, 0.5445, -3.0159)
FR3_HIGH = (2.7437, 1.7837, 2.9007, -0.1518, 2.8065, 4.5169, 3.0159)
FR3_SPEED = (2.62, 2.62, 2.62, 2.62, 5.26, 4.18, 5.26)
FR3_AT = {'fr3_joint2': -0.785, 'fr3_joint4': -2.356, 'fr3_joint6': 1.571, 'fr3_joint7': 0.785}
FINGER, FINGER_2 = 'fr3_finger_joint1', 'fr3_finger_joint2'


def fr3():
    limits = list(zip(FR3_LOW, FR3_HIGH, FR3_SPEED, strict=True))
    text = urdf(
        'fr3',
        ('fr3_base_joint', 'fixed', 'base', 'fr3_link0'),
        *chain('fr3_link0', FR3_JOINTS, limits, link='fr3_link{}',
               after=('fr3_link8', 'fr3_hand', 'fr3_hand_tcp')),
        (FINGER, 'prismatic', 'fr3_hand', 'fr3_leftfinger', (0.0, 0.04, 0.2)),
        (FINGER_2, 'prismatic', 'fr3_hand', 'fr3_rightfinger', (0.0, 0.04, 0.2), FINGER),
    )  # fmt: skip
    state = '/franka_robot_state_broadcaster'
    fingers = {FINGER: 0.04, FINGER_2: 0.04}
    tool = placed(text, 'base', 'fr3_hand_tcp', FR3_AT)
    return graph(
        states('/joint_states', 30, (*FR3_JOINTS, FINGER, FINGER_2), FR3_AT | fingers,
               frame_id='', nodes=('joint_state_publisher',)),
        states('/franka/joint_states', 1000, FR3_JOINTS, FR3_AT,
               nodes=('joint_state_broadcaster',)),
        states('/franka_gripper/joint_states', 15, (FINGER, FINGER_2), fingers, frame_id='',
               nodes=('franka_gripper',)),
        poses(f'{state}/current_pose', 1000, 'base', *tool, best=True),
        poses(f'{state}/last_desired_pose', 1000, 'base', *tool, best=True),
        wrenches(f'{state}/external_wrench_in_stiffness_frame', 1000, 'fr3_hand_tcp', best=True),
        wrenches(f'{state}/external_wrench_in_base_frame', 1000, 'base', best=True),
        states(f'{state}/desired_joint_states', 1000, FR3_JOINTS, FR3_AT, frame_id='base',
               nodes=('franka_robot_state_broadcaster',)),
        description(text),
        listener('/fr3_arm_controller/joint_trajectory', 'trajectory_msgs/msg/JointTrajectory'),
        controllers=(
            controller('/joint_state_broadcaster', BROADCASTER),
            controller('/fr3_arm_controller', JTC, FR3_JOINTS, interface='effort'),
        ),
        actions={
            '/fr3_arm_controller/follow_joint_trajectory':
                'control_msgs/action/FollowJointTrajectory',
            '/franka_gripper/gripper_action': GRIPPER_COMMAND,
            '/franka_gripper/move': 'franka_msgs/action/Move',
        },
    )  # fmt: skip


# --- xArm7 and gripper --------------------------------------------------------------------------
XARM_JOINTS = tuple(f'joint{i}' for i in range(1, 8))
XARM_MIMICS = (
    'left_finger_joint', 'left_inner_knuckle_joint', 'right_outer_knuckle_joint',
    'right_finger_joint', 'right_inner_knuckle_joint',
)  # fmt: skip


def xarm():
    bounds = [(-_TURN, _TURN), (-2.059, 2.0944), (-_TURN, _TURN), (-0.19198, 3.927),
              (-_TURN, _TURN), (-1.69297, 3.14159265), (-_TURN, _TURN)]  # fmt: skip
    text = urdf(
        'UF_ROBOT',
        ('world_joint', 'fixed', 'world', 'link_base'),
        *chain('link_base', XARM_JOINTS, [(*b, 3.14) for b in bounds],
               after=('link_eef', 'xarm_gripper_base_link', 'link_tcp')),
        ('drive_joint', 'revolute', 'xarm_gripper_base_link', 'left_outer_knuckle', (0, 0.85, 2)),
        *((m, 'revolute', 'xarm_gripper_base_link', m + '_link', (0, 0.85, 2), 'drive_joint')
          for m in XARM_MIMICS),
    )  # fmt: skip
    gripper = ('drive_joint', *XARM_MIMICS)
    every = (*XARM_JOINTS, *gripper)
    return graph(
        states('/joint_states', 10, every, {'joint4': 0.5}, nan=gripper, frame_id='',
               nodes=('joint_state_publisher',)),
        states('/xarm/joint_states', 100, XARM_JOINTS, {'joint4': 0.5},
               frame_id='joint-state data', nodes=('ufactory_driver',)),
        wrenches('/xarm/uf_ftsensor_ext_states', 100, 'uf_ft_sensor_ext_data'),
        wrenches('/xarm/uf_ftsensor_raw_states', 100, 'uf_ft_sensor_raw_data'),
        description(text),
        listener('/xarm7_traj_controller/joint_trajectory', 'trajectory_msgs/msg/JointTrajectory'),
        controllers=(controller('/xarm7_traj_controller', JTC, XARM_JOINTS),),
        actions={
            '/xarm7_traj_controller/follow_joint_trajectory':
                'control_msgs/action/FollowJointTrajectory',
            '/xarm_gripper/gripper_action': GRIPPER_COMMAND,
        },
    )  # fmt: skip


# --- Kinova Gen3 and Robotiq 2F-85 --------------------------------------------------------------
GEN3_JOINTS = tuple(f'joint_{i}' for i in range(1, 8))


def gen3():
    kinds = ['continuous', 'revolute'] * 3 + ['continuous']
    limits = [(None, None, 1.3963), (-2.24, 2.24, 1.3963), (None, None, 1.3963),
              (-2.57, 2.57, 1.3963), (None, None, 1.2218), (-2.09, 2.09, 1.2218),
              (None, None, 1.2218)]  # fmt: skip
    text = urdf(
        'gen3',
        ('base_joint', 'fixed', 'world', 'base_link'),
        *chain('base_link', GEN3_JOINTS, limits, kinds=kinds, after=('end_effector_link',)),
        *robotiq('end_effector_link'),
    )
    arm = '/joint_trajectory_controller'
    return graph(
        states('/joint_states', 1000, (*GEN3_JOINTS, KNUCKLE), {'joint_2': 0.3, 'joint_4': 1.5},
               nodes=('joint_state_broadcaster',)),
        description(text),
        listener(f'{arm}/joint_trajectory', 'trajectory_msgs/msg/JointTrajectory'),
        controllers=(
            controller('/joint_state_broadcaster', BROADCASTER),
            controller(arm, JTC, GEN3_JOINTS),
            SeenController(name='/twist_controller', state='inactive',
                           type='picknik_twist_controller/PicknikTwistController',
                           interfaces=('tcp/twist.linear.x', 'tcp/twist.linear.y')),
            controller('/robotiq_gripper_controller', PARALLEL, (KNUCKLE,)),
            controller('/fault_controller', 'picknik_reset_fault_controller/ResetFault'),
        ),
        actions={
            f'{arm}/follow_joint_trajectory': 'control_msgs/action/FollowJointTrajectory',
            '/robotiq_gripper_controller/gripper_cmd': PARALLEL_COMMAND,
        },
    )  # fmt: skip


# --- SO-101 -------------------------------------------------------------------------------------
SO101_ARM = ('shoulder_pan', 'shoulder_lift', 'elbow_flex', 'wrist_flex', 'wrist_roll')


def so101():
    limits = [(-1.91986, 1.91986, 10), (-1.74533, 1.74533, 10), (-1.69, 1.69, 10),
              (-1.65806, 1.65806, 10), (-2.74385, 2.84121, 10)]  # fmt: skip
    text = urdf(
        'so101_arm',
        *chain('base_link', SO101_ARM, limits, after=('gripper_frame_link',)),
        ('gripper', 'revolute', 'link5', 'moving_jaw_so101_v1_link', (-0.174533, 1.74533, 10)),
    )
    names = sorted((*SO101_ARM, 'gripper'))
    forward = '/follower/forward_controller'
    return graph(
        states('/follower/joint_states', 100, names, {'elbow_flex': 0.4, 'gripper': 0.2},
               nodes=('follower/joint_state_broadcaster',)),
        states('/leader/joint_states', 100, names, {'elbow_flex': 0.4, 'gripper': 0.2},
               nodes=('leader/joint_state_broadcaster',)),
        description(text, '/follower'),
        description(text.replace('so101_arm', 'so101_leader'), '/leader'),
        camera('/static_camera/image_raw', 30),
        camera('/follower/cam_gripper/image_raw', 30),
        listener(f'{forward}/commands', 'std_msgs/msg/Float64MultiArray'),
        controllers=(
            controller('/follower/joint_state_broadcaster', BROADCASTER),
            controller(forward, 'forward_command_controller/ForwardCommandController',
                       (*SO101_ARM, 'gripper')),
            controller('/follower/trajectory_controller', JTC, (*SO101_ARM, 'gripper'),
                       state='inactive'),
            controller('/leader/joint_state_broadcaster', BROADCASTER),
        ),
    )  # fmt: skip


# --- One follower of ALOHA ----------------------------------------------------------------------
ALOHA_ARM = ('waist', 'shoulder', 'elbow', 'forearm_roll', 'wrist_angle', 'wrist_rotate')


def aloha(ros2_control=False):
    """One robot of four; with `interbotix_xsarm_ros_control` it has controllers."""
    limits = [(-3.14158, 3.14158, 3.14159), (-1.85005, 1.25664, 3.14159),
              (-1.76278, 1.6057, 3.14159), (-3.14158, 3.14158, 3.14159),
              (-1.8675, 2.23402, 3.14159), (-3.14158, 3.14158, 3.14159)]  # fmt: skip
    at = {'shoulder': -0.96, 'elbow': 1.16, 'wrist_angle': -0.3, 'gripper': 1.0,
          'left_finger': 0.05, 'right_finger': -0.05}  # fmt: skip
    topics = []
    for side in ('follower_left', 'follower_right', 'leader_left', 'leader_right'):
        text = urdf(
            side,
            *chain(f'{side}/base_link', ALOHA_ARM, limits, link=side + '/link{}',
                   after=(f'{side}/ee_arm_link', f'{side}/ee_gripper_link')),
            ('gripper', 'continuous', f'{side}/ee_arm_link', f'{side}/gripper_prop_link',
             (None, None, 3.14159)),
            ('left_finger', 'prismatic', f'{side}/ee_arm_link', f'{side}/left_finger_link',
             (0.021, 0.057, 1.0)),
            ('right_finger', 'prismatic', f'{side}/ee_arm_link', f'{side}/right_finger_link',
             (-0.057, -0.021, 1.0), 'left_finger'),
        )  # fmt: skip
        names = (*ALOHA_ARM, 'gripper', 'left_finger', 'right_finger')
        topics += [
            states(f'/{side}/joint_states', 100, names, at, frame_id='', nodes=(f'{side}/xs_sdk',)),
            description(text, f'/{side}'),
            listener(f'/{side}/commands/joint_group', 'interbotix_xs_msgs/msg/JointGroupCommand'),
            listener(f'/{side}/commands/joint_single', 'interbotix_xs_msgs/msg/JointSingleCommand'),
        ]
    for name in ('cam_high', 'cam_low', 'cam_left_wrist', 'cam_right_wrist'):
        topics.append(camera(f'/{name}/camera/color/image_rect_raw', 60))
    if not ros2_control:
        return graph(*topics)
    controllers = []
    for side in ('follower_left', 'follower_right'):
        for kind, names in (('arm', ALOHA_ARM), ('gripper', ('left_finger',))):
            controllers.append(controller(f'/{side}/{kind}_controller', JTC, names))
            topics.append(listener(f'/{side}/{kind}_controller/joint_trajectory',
                                   'trajectory_msgs/msg/JointTrajectory'))  # fmt: skip
    return graph(*topics, controllers=tuple(controllers))


DRIVERS = {'ur': ur, 'fr3': fr3, 'xarm': xarm, 'gen3': gen3, 'so101': so101, 'aloha': aloha}
ROBOTS = {'aloha': '/follower_left'}


def write_bag(seen, path):
    """The messages of a graph as a bag that `ros2 bag record` could have written."""
    with Writer(path, version=9) as bag:
        for each in seen.topics.values():
            if each.samples:
                connection = bag.add_connection(each.name, each.type, typestore=STORE)
                for sample in each.samples:
                    bag.write(connection, sample.receive, sample.data)
    return path
