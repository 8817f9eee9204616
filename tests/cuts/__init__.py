# SPDX-License-Identifier: Apache-2.0
"""Cuts the engine short everywhere: SIGKILL before and after each of its effects.

=============  ===============================================================
module         what
=============  ===============================================================
``moments``    numbers the moments of a run at which something may be changed;
               who kills at one of them, kills there each time
``machines``   what outlives a killed process: a kernel, libvirt, files
``lines``      how a process that will be killed reaches them
``pictures``   what is on a machine and in its record, compared
``stories``    what the engine is asked for, and what there was before
``trials``     a story on a machine: the request, and how it goes on
``restarts``   the ways to go on after a process was killed
``judging``    what is wrong after that
``cutting``    runs a story once, finds its effects, and cuts it at each
``faults``     mistakes that this must not overlook
=============  ===============================================================

An effect is whatever changed the machine, seen from outside: no list of effects
is kept, so a new one is cut as those that were there before.
"""
