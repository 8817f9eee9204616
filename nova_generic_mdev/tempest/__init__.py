# SPDX-License-Identifier: Apache-2.0
"""A plugin for tempest: what a cloud with this driver can be held to.

It asks Nova, Placement and a server's console, and nothing on the hosts, so that
it runs against any cloud.  ``tempest`` is imported here and nowhere else; the
extra ``tempest`` of this package installs it.

=============  =============================================================
module         what is in it
=============  =============================================================
`plugin`       what tempest finds by the entry point
`config`       the options of ``[generic_mdev]`` in ``tempest.conf``
`offers`       what Placement says of the providers of a resource class
`consoles`     a server's serial console, and waiting for a pattern there
`tests`        the tests: ``api`` and ``scenario``
=============  =============================================================
"""
