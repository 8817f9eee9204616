# SPDX-License-Identifier: Apache-2.0
"""The helper: what it lets in, what comes back, and what it says when it cannot."""

from __future__ import annotations

import errno
import inspect
import multiprocessing
import os
import subprocess
import sys
import textwrap

import pytest
from oslo_config import cfg
from oslo_privsep import comm
from oslo_privsep import daemon
from oslo_privsep import priv_context

from nova_generic_mdev import exceptions
from nova_generic_mdev import privileged
from nova_generic_mdev.privileged import entry
from nova_generic_mdev.privileged import mdev
from tests.unit import scenes
from tests.unit.privileged.conftest import UUID


def test_it_keeps_no_capability():
    assert privileged.context.conf.capabilities == []


def test_the_helper_program_can_find_the_context():
    path = privileged.context.pypath
    assert path == 'nova_generic_mdev.privileged.context'
    command = privileged.context.helper_command('/run/x.sock')
    assert command[:2] == ['sudo', 'privsep-helper']
    assert command[command.index('--privsep_context') + 1] == path


def test_only_these_are_let_in_and_none_takes_a_path():
    found = {
        name
        for name, value in vars(entry).items()
        if privileged.context.is_entrypoint(value)
    }
    assert found == {'create', 'set_attribute', 'remove'}
    for name in found:
        signature = inspect.signature(getattr(entry, name))
        assert not {'root', 'path', 'vfio', 'sysfs'} & set(signature.parameters)


@pytest.fixture
def in_this_process(root, monkeypatch):
    """The entry points without a helper, on a tree of our own."""
    monkeypatch.setattr(entry, 'SYSFS', str(root))
    privileged.context.set_client_mode(False)
    yield
    privileged.context.set_client_mode(True)


@pytest.mark.usefixtures('in_this_process')
def test_the_entry_points_write_to_the_kernels_tree(root, device):
    # No group, so that nothing of this machine's /dev/vfio is looked at.
    (device / 'iommu_group').unlink()
    mdev.create('mtty', 'mtty-2', scenes.UUIDS[0])
    mdev.set_attribute(UUID, 'assign_adapter', '5')
    mdev.remove(UUID)
    types = root / 'devices/virtual/mtty/mtty/mdev_supported_types'
    assert (types / 'mtty-2/create').read_text() == scenes.UUIDS[0]
    assert (device / 'assign_adapter').read_text() == '5'
    assert (device / 'remove').read_text() == '1'


def through_the_helper(root, results):
    """In a process of its own, with a helper that was really forked."""
    entry.SYSFS = root
    # The fork needs no power of root's: the tree is ours.
    os.geteuid = lambda: 0
    privileged.start()
    for work in (
        lambda: mdev.create('mtty', 'mtty-2', scenes.UUIDS[0]),
        lambda: mdev.create('mtty', 'mtty-9', scenes.UUIDS[0]),
        lambda: mdev.create('mtty', '../x', scenes.UUIDS[0]),
        lambda: mdev.set_attribute(UUID, 'remove', '1'),
        lambda: mdev.set_attribute(UUID, 'vendor', '1'),
    ):
        try:
            work()
        except Exception as e:  # noqa: BLE001
            results.put((type(e).__name__, getattr(e, 'errno', None), str(e)))
        else:
            results.put(None)


def test_errors_come_back_as_they_were(root):
    context = multiprocessing.get_context('spawn')
    results = context.Queue()
    # Should it not end, the end of the tests must not wait for it.
    process = context.Process(
        target=through_the_helper, args=(str(root), results), daemon=True
    )
    process.start()
    done, missing, odd, forbidden, folder = [results.get(timeout=60) for _ in range(5)]
    process.join(60)
    assert done is None
    types = root / 'devices/virtual/mtty/mtty/mdev_supported_types'
    assert (types / 'mtty-2/create').read_text() == scenes.UUIDS[0]
    assert missing[:2] == ('FileNotFoundError', errno.ENOENT)
    assert odd[:2] == ('ValueError', None)
    assert "'../x' is not a valid mdev type" in odd[2]
    assert forbidden[0] == 'ValueError'
    assert folder[:2] == ('IsADirectoryError', errno.EISDIR)


# When it cannot be started


@pytest.mark.parametrize(
    ('error', 'told'),
    [
        pytest.param(
            daemon.FailedToDropPrivileges('privsep helper command exited non-zero (1)'),
            'exited non-zero (1)',
            id='sudo-says-no',
        ),
        pytest.param(
            FileNotFoundError(2, 'No such file', 'sudo'),
            'No such file: sudo',
            id='there-is-no-sudo',
        ),
    ],
)
def test_a_helper_that_cannot_be_started(monkeypatch, error, told):
    def refuse(method):
        assert method is priv_context.Method.ROOTWRAP
        raise error

    monkeypatch.setattr(priv_context, '_HELPER_COMMAND_PREFIX', ['sudo'])
    monkeypatch.setattr(privileged.os, 'geteuid', lambda: 1000)
    monkeypatch.setattr(privileged.context, 'start', refuse)
    with pytest.raises(exceptions.HostError, match='run as root') as caught:
        privileged.start()
    # Nobody would see sudo ask for a password.
    assert privileged.context.helper_command('x')[:2] == ['sudo', '-n']
    assert told in str(caught.value)


def test_it_is_started_once(monkeypatch):
    def no_more(method):
        raise AssertionError

    monkeypatch.setattr(privileged.context, 'start', no_more)
    monkeypatch.setattr(privileged.context, 'channel', object())
    privileged.start()


def test_a_helper_needs_no_helper(monkeypatch):
    def no_more(method):
        raise AssertionError

    monkeypatch.setattr(privileged.context, 'start', no_more)
    monkeypatch.setattr(privileged.context, 'client_mode', False)
    privileged.start()


def test_what_the_kernel_refuses_is_no_failure_of_the_helper(in_this_process):
    with pytest.raises(FileNotFoundError):
        mdev.remove(scenes.UUIDS[0])


@pytest.mark.parametrize(
    'error',
    [
        pytest.param(FileNotFoundError(2, 'No such file', 'sudo'), id='no sudo'),
        pytest.param(BrokenPipeError(32, 'Broken pipe'), id='it is gone'),
        pytest.param(OSError('Premature eof'), id='it went meanwhile'),
        pytest.param(daemon.FailedToDropPrivileges('exited (1)'), id='refused'),
        pytest.param(daemon.ProtocolError('Unexpected'), id='it speaks nonsense'),
        pytest.param(NameError('not exported'), id='of another release'),
        pytest.param(ImportError('no such class'), id='of a much older release'),
        pytest.param(comm.PrivsepTimeout(), id='no answer'),
    ],
)
@pytest.mark.parametrize('verb', ['create', 'set_attribute', 'remove'])
def test_a_failure_of_the_helper_is_no_answer_of_the_kernels(monkeypatch, error, verb):
    """Or else an mdev would count as gone because there is no sudo."""

    def fail(*arguments):
        raise error

    monkeypatch.setattr(entry, verb, fail)
    arguments = [UUID] if verb == 'remove' else ['mtty', 'mtty-1', UUID]
    with pytest.raises(exceptions.HostError, match='privileged helper'):
        getattr(mdev, verb)(*arguments)


def test_a_helper_that_does_not_answer_is_waited_for_no_longer_than_told(
    monkeypatch,
):
    class Channel:
        running = True

        def remote_call(self, name, args, kwargs, timeout):
            assert timeout == entry.SECONDS
            raise comm.PrivsepTimeout

    monkeypatch.setattr(privileged.context, 'channel', Channel())
    for call in (
        lambda: mdev.create('mtty', 'mtty-1', UUID),
        lambda: mdev.set_attribute(UUID, 'a', '1'),
        lambda: mdev.remove(UUID),
    ):
        with pytest.raises(exceptions.HostError, match='did not answer in time'):
            call()


# The forked helper, for real, in processes of their own


def script(text: str) -> subprocess.CompletedProcess[str]:
    """Run a script that has started a helper; its output is read to the end."""
    begin = (
        'import errno, os, signal, sys, threading, time\n'
        'from nova_generic_mdev import exceptions, privileged\n'
        'from nova_generic_mdev.privileged import entry, mdev\n'
        'os.geteuid = lambda: 0\n'
        'def helper():\n'
        '    task = f"/proc/self/task/{os.getpid()}/children"\n'
        '    (pid,) = open(task).read().split()\n'
        '    return int(pid)\n'
        'def status(pid):\n'
        '    lines = open(f"/proc/{pid}/status").read().splitlines()\n'
        '    return dict(line.split(":\\t", 1) for line in lines)\n'
    )
    return subprocess.run(
        [sys.executable, '-c', begin + textwrap.dedent(text)],
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
        env={**os.environ, 'PYTHONWARNINGS': 'ignore'},
    )


def test_the_forked_helper_has_no_capability():
    done = script("""
        privileged.start()
        facts = status(helper())
        print({facts[name] for name in ('CapEff', 'CapPrm', 'CapInh')})
    """)
    assert done.stdout == "{'0000000000000000'}\n", done.stderr


def test_the_forked_helper_needs_no_other_program():
    done = script("""
        os.environ['PATH'] = '/nonexistent'
        privileged.start()
        try:
            mdev.remove('ffffffff-2222-4333-8444-000000000001')
        except FileNotFoundError:
            print('asked the kernel')
    """)
    assert done.stdout == 'asked the kernel\n', done.stderr


@pytest.mark.parametrize(
    'end',
    [
        pytest.param('', id='the caller ends'),
        pytest.param('os.kill(os.getpid(), signal.SIGKILL)', id='it is killed'),
        pytest.param('os._exit(0)', id='it ends at once'),
    ],
)
def test_the_forked_helper_never_goes_on_in_the_callers_code(end):
    """Its last log message, to a socket that nobody has any more, raises in it."""
    done = script(f"""
        import logging
        logging.basicConfig(level=logging.DEBUG, filename=os.devnull)
        try:
            privileged.start()
        finally:
            os.write(2, b'went on\\n')
        {end}
    """)
    # It is read to its end, and a helper that lives on would hold it open.
    assert done.stderr.count('went on') == 1


def test_a_terminals_interrupt_leaves_the_helper_to_undo_with():
    done = script("""
        # What runs in the background of a shell has it ignored.
        signal.signal(signal.SIGINT, signal.default_int_handler)
        privileged.start()
        try:
            os.kill(helper(), signal.SIGINT)
            os.kill(os.getpid(), signal.SIGINT)
            time.sleep(30)
        except KeyboardInterrupt:
            try:
                mdev.remove('ffffffff-2222-4333-8444-000000000001')
            except FileNotFoundError:
                print('undone')
    """)
    assert done.stdout == 'undone\n', done.stderr


def test_removals_that_block_use_up_no_thread_of_the_helper(root, device):
    """More of them than it has threads, and then one that does not block."""
    (device / 'iommu_group').unlink()
    (device / 'remove').unlink()
    os.mkfifo(device / 'remove')
    done = script(f"""
        import fcntl
        from nova_generic_mdev.privileged import writer
        entry.SYSFS = {str(root)!r}
        remove = writer.remove
        writer.remove = lambda *a, **k: remove(*a, seconds=0.2, **k)
        fifo = os.open({str(device / 'remove')!r}, os.O_RDWR)
        os.write(fifo, b'x' * fcntl.fcntl(fifo, fcntl.F_GETPIPE_SZ))
        privileged.start()
        for _ in range(2 * os.cpu_count() + 1):
            try:
                mdev.remove({UUID!r})
            except OSError as e:
                assert e.errno == errno.EBUSY
            else:
                raise AssertionError('it did not block')
        mdev.create('mtty', 'mtty-2', {scenes.UUIDS[0]!r})
        print('still there')
    """)
    # Its standard error is read to its end here, although the writes go on.
    assert done.stdout == 'still there\n', done.stderr


# Its configuration


@pytest.fixture
def global_configuration():
    yield cfg.CONF
    cfg.CONF([], default_config_files=[], default_config_dirs=[])


@pytest.mark.usefixtures('global_configuration')
def test_the_options_of_nova_conf_are_the_helpers(tmp_path):
    path = tmp_path / 'nova.conf'
    path.write_text(
        '[generic_mdev_privileged]\n'
        'helper_command = sudo nova-rootwrap /etc/nova/rootwrap.conf privsep-helper\n'
        'user = nobody\n'
    )
    privileged.configure([f'--config-file={path}'])
    command = privileged.context.helper_command('/run/x')
    assert command[:3] == ['sudo', 'nova-rootwrap', '/etc/nova/rootwrap.conf']
    assert privileged.context.conf.user == 'nobody'


@pytest.mark.usefixtures('global_configuration')
def test_the_helper_is_told_the_files(tmp_path):
    path = tmp_path / 'nova.conf'
    path.write_text('')
    privileged.configure([f'--config-file={path}'])
    command = privileged.context.helper_command('/run/x')
    at = command.index('--config-file')
    assert command[at - 1 : at + 2] == ['privsep-helper', '--config-file', str(path)]


def test_its_options_are_some_that_the_library_reads():
    theirs = {opt.name: opt for opt in priv_context.OPTS}
    for opt in privileged.list_opts():
        assert type(opt) is type(theirs[opt.name])
        assert opt.default == theirs[opt.name].default
