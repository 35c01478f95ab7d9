from il_ros.nodes.trainer import augmentation_files


def test_augmentation_files_are_parted_from_the_settings():
    given = ['epochs=3', 'augmentation=a.yaml', 'policy.horizon=4', 'augmentation=b/c.yaml']
    assert augmentation_files(given) == (
        ['a.yaml', 'b/c.yaml'],
        ['epochs=3', 'policy.horizon=4'],
    )
    assert augmentation_files([]) == ([], [])
