# SPDX-License-Identifier: Apache-2.0
"""One nova-compute as a process of its own: started, read, ended."""

import contextlib
import os
import pathlib
import re
import shutil
import subprocess
import sys
import time

# A busy test machine is slow; what does not come is told by its log.
_PATIENCE = 120.0
_POLL = 0.05
_TAIL = 60
_HERE = pathlib.Path(__file__).parent

OURS = 'generic_mdev.GenericMdevDriver'
STARTED = 'Join ServiceGroup membership for this service compute'
#: of no host
MDEV_TYPE = 'nowhere-1'

_CONF = """
[DEFAULT]
debug = true
log_options = true
transport_url = fake:/
compute_driver = {driver}
state_path = {folder}
instances_path = {folder}
my_ip = 127.0.0.1
host = one
[database]
connection = sqlite:///{folder}/main.sqlite
[api_database]
connection = sqlite:///{folder}/api.sqlite
[placement]
auth_type = admin_token
token = admin
endpoint = {placement}
endpoint_override = {placement}
[libvirt]
virt_type = qemu
cpu_mode = none
{more}
"""


class Compute:
    """A nova-compute of an environment, with a configuration in a folder.

    :param folder: empty; its configuration, state and log
    :param more: more of nova.conf
    :param prefix: the environment
    :param variables: more environment variables
    """

    def __init__(self, folder, driver=OURS, more='', prefix=sys.prefix, **variables):
        self.folder = pathlib.Path(folder)
        self.prefix = pathlib.Path(prefix)
        self._driver = driver
        self._more = more
        self._variables = variables
        self._log = self.folder / 'nova-compute.log'
        self._stack = contextlib.ExitStack()

    def __enter__(self):
        with self._stack:
            address = self._stack.enter_context(placement())
            conf = self._configure(address)
            log = self._stack.enter_context(self._log.open('w'))
            self.process = subprocess.Popen(
                [self.prefix / 'bin/nova-compute', '--config-file', conf],
                cwd=self.folder,
                env=self._environment(),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
            )
            self._stack.callback(self._end)
            self._stack = self._stack.pop_all()
        return self

    def __exit__(self, *exc_info):
        self._stack.close()

    def _configure(self, address):
        furnish(self.folder / 'beside')
        conf = self.folder / 'nova.conf'
        conf.write_text(
            _CONF.format(
                driver=self._driver,
                folder=self.folder,
                placement=address,
                more=self._more,
            )
        )
        return conf

    def _environment(self):
        ours = ('PYTHONPATH', 'PYTHONUNBUFFERED', 'PYTHONDONTWRITEBYTECODE')
        kept = {
            name: value
            for name, value in os.environ.items()
            if name not in ours and not name.startswith('OS_')
        }
        return kept | {'PYTHONPATH': str(self.folder / 'beside')} | self._variables

    def _end(self):
        # Its graceful end takes minutes.
        self.process.kill()
        self.process.wait()

    def log(self):
        """All that it said until now, on whichever stream."""
        return self._log.read_text()

    def tail(self):
        """What a reader of a failed test wants of it."""
        return ''.join(self.log().splitlines(keepends=True)[-_TAIL:])

    def wait_for(self, pattern):
        """Wait until it logs this; False if it ends before, or never does."""
        began = time.monotonic()
        while time.monotonic() - began < _PATIENCE:
            ended = self.process.poll() is not None
            if re.search(pattern, self.log()):
                return True
            if ended:
                return False
            time.sleep(_POLL)
        return False

    def wait(self):
        """Its exit status; None if it goes on."""
        began = time.monotonic()
        while self.process.poll() is None and time.monotonic() - began < _PATIENCE:
            time.sleep(_POLL)
        return self.process.returncode


def furnish(folder):
    """A directory of packages with the plugin that lets it run by itself."""
    info = folder / 'alone-1.dist-info'
    info.mkdir(parents=True)
    (info / 'METADATA').write_text('Metadata-Version: 2.1\nName: alone\nVersion: 1\n')
    (info / 'entry_points.txt').write_text('[os_vif]\nalone = alone:Plugin\n')
    shutil.copy(_HERE / 'alone.py', folder)


@contextlib.contextmanager
def placement():
    """A Placement that is there and always busy; its address."""
    program = [sys.executable, str(_HERE / 'busy.py')]
    with subprocess.Popen(program, stdout=subprocess.PIPE, text=True) as process:
        try:
            yield f'http://127.0.0.1:{int(process.stdout.readline())}'
        finally:
            process.kill()
