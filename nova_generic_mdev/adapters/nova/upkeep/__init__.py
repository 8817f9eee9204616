# SPDX-License-Identifier: Apache-2.0
"""What is looked after when nobody asks: at start, and from time to time.

How Nova's driver uses it::

    self._upkeep = upkeep.Upkeep(devices, operations, sources.Sources(self))

    start()            at the end of init_host: what is claimed was brought back
    periodic()         from get_available_resource, which Nova calls in its
                       periodic update only and before it takes its own lock:
                       what is released here is in the inventory of that update
    settle(instance)   before a guest is made anew (hard reboot, rescue) or leaves
                       (resize): it costs nothing unless that guest is in doubt

=============  =========================================================
part           what it does
=============  =========================================================
`adoption`     mdevs in guests' XML that nobody claimed become claims;
               `adopting` decides which, `matching` of which class
`sweep`        claims that nobody needs are released, or given to others;
               `sweeping` decides which
`consumers`    who Placement's consumers are, and what they hold
`needs`        what all of these ask of others
reconcile      what a crash left is taken back, by the engine
=============  =========================================================

Nothing is raised: nova-compute does not end, and no update is given up, because
of what can be done at the next.  What is odd is said once, until it changes.
This package needs no Nova.
"""

from nova_generic_mdev.adapters.nova.upkeep.upkeep import Upkeep

__all__ = ['Upkeep']
