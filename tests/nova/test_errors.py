# SPDX-License-Identifier: Apache-2.0
"""What Nova's compute manager is told of what goes wrong with us."""

from nova import exception
from nova import test

from nova_generic_mdev import exceptions
from nova_generic_mdev import model
from nova_generic_mdev.adapters.nova import errors

UUID = '4b20d080-1b54-4048-85b3-a6a62d165c01'
LOG = 'nova_generic_mdev.adapters.nova.errors'
PROBLEM = model.Problem(
    severity=model.Severity.ERROR, group='devices', option='enabled_mdev_types',
    problem='a word is missing', remedy='add it',
)  # fmt: skip

# A spawn that fails so goes to another host; any other does not.
ELSEWHERE = {
    exceptions.CapacityError('parent', 'type', 2, 1),
    exceptions.Draining('parent', 'type', 1, parent_drains=True),
    exceptions.RequestError(UUID, 'parent', 'VGPU', 'no rule serves it'),
}
# nova-compute does not start.
REFUSED = {exceptions.ConfigError([PROBLEM])}
FAILED = {
    exceptions.ClaimsError('/path', 'broken'),
    exceptions.HostError('parent', 'says nonsense'),
    exceptions.IncompatibleDevices({UUID: 'no device of this type is left'}),
    exceptions.InUse(UUID, 'guest'),
    exceptions.InvalidName('uuid', 'x', 'too short'),
    exceptions.InvalidValue('count', -1, 'negative'),
    exceptions.InvalidXml('guest', 'broken'),
    exceptions.MdevError('anything'),
    exceptions.NotFound('parent', 'not there'),
    exceptions.PlacementError('GET /', 'away'),
}


def kinds(of):
    """A class and all that are derived from it."""
    return {of}.union(*(kinds(kind) for kind in of.__subclasses__()))


class ErrorsTest(test.NoDBTestCase):
    def _assert_becomes(self, wanted, told):
        for error in told:
            with self.subTest(type(error).__name__):
                raised = self.assertRaises(exception.NovaException, self._fail, error)
                self.assertIs(wanted, type(raised))
                self.assertIn(str(error), str(raised))
                self.assertIs(error, raised.__cause__)

    def _fail(self, error):
        with errors.as_novas():
            raise error

    def test_every_kind_is_here(self):
        here = {type(error) for error in ELSEWHERE | REFUSED | FAILED}
        ours = {
            k
            for k in kinds(exceptions.MdevError)
            if k.__module__ == exceptions.__name__
        }
        self.assertEqual(ours, here)

    def test_another_host_may_have_it(self):
        self._assert_becomes(exception.ComputeResourcesUnavailable, ELSEWHERE)

    def test_the_service_does_not_start(self):
        self._assert_becomes(exception.InvalidConfiguration, REFUSED)

    def test_the_operation_fails(self):
        self._assert_becomes(exception.InternalError, FAILED)

    def test_only_what_the_operator_has_to_look_at_is_logged(self):
        for error in ELSEWHERE | FAILED:
            is_odd = isinstance(error, exceptions.RequestError)
            with self.subTest(type(error).__name__):
                assert_logs = self.assertLogs if is_odd else self.assertNoLogs
                with assert_logs(LOG, 'WARNING'):
                    self.assertRaises(exception.NovaException, self._fail, error)

    def test_what_is_not_ours_is_as_it_was(self):
        for error in (exception.InstanceNotFound(instance_id=UUID), ValueError('x')):
            with self.subTest(type(error).__name__):
                raised = self.assertRaises(type(error), self._fail, error)
                self.assertIs(error, raised)

    def test_nothing_wrong(self):
        with errors.as_novas():
            done = True
        self.assertTrue(done)
