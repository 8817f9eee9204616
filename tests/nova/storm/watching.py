# SPDX-License-Identifier: Apache-2.0
"""The fake libvirt for many threads, which keeps a ledger of who has which mdev."""

import threading

from lxml import etree

from tests.nova import libvirtd


class Watching(libvirtd.Libvirtd):
    """Every guest's XML is compared with all others' when it is defined."""

    def __init__(self, host, hostname):
        super().__init__(host, hostname)
        # Nova's fake goes through them while other threads change them.
        self._vms = _Steady()
        self._running_vms = _Steady()
        self._one_at_a_time = threading.RLock()
        #: the guest of each mdev that is named in the XML of a defined guest
        self.owners = {}
        #: what no two guests may ever have had
        self.shared = []
        #: how many definitions there were
        self.definitions = 0

    def defineXML(self, xml):
        self._note(xml)
        return super().defineXML(xml)

    def _note(self, xml):
        guest = etree.fromstring(xml)
        name = guest.findtext('name')
        uuids = guest.xpath('//hostdev[@type="mdev"]/source/address/@uuid')
        with self._one_at_a_time:
            self.definitions += 1
            self._forget(name)
            for uuid in map(str, uuids):
                if uuid in self.owners:
                    self.shared.append((uuid, self.owners[uuid], name))
                self.owners[uuid] = name

    def _forget(self, name):
        mine = [uuid for uuid, owner in self.owners.items() if owner == name]
        for uuid in mine:
            del self.owners[uuid]

    def _undefine(self, dom):
        with self._one_at_a_time:
            super()._undefine(dom)
            self._forget(dom.name())

    def _mark_running(self, dom):
        with self._one_at_a_time:
            super()._mark_running(dom)

    def _mark_not_running(self, dom):
        with self._one_at_a_time:
            super()._mark_not_running(dom)


class _Steady(dict):
    """What is seen of it is as it was at one moment."""

    def values(self):
        return list(super().values())

    def items(self):
        return list(super().items())
