from il_ros.core.errors import BundleError, ContractError, DatasetError, IlRosError


def test_the_text_says_where_what_what_is_allowed_and_what_to_do():
    error = IlRosError('got 3', where='a.b', allowed=(1, 2), fix='choose one')
    assert str(error) == 'a.b: got 3; allowed: 1, 2; to fix: choose one'
    assert (error.problem, error.where, error.allowed, error.fix) == (
        'got 3', 'a.b', '1, 2', 'choose one'
    )  # fmt: skip


def test_what_is_not_known_is_left_out():
    assert str(IlRosError('got 3')) == 'got 3'
    assert str(IlRosError('got 3', allowed='a number')) == 'got 3; allowed: a number'


def test_all_are_of_one_family():
    assert all(issubclass(kind, IlRosError) for kind in (BundleError, ContractError, DatasetError))
