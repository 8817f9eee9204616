# SPDX-License-Identifier: Apache-2.0
"""Serve one WSGI application of OpenStack: ``serve MODULE:NAME PORT``."""

from __future__ import annotations

import importlib
import sys

import waitress

_THREADS = 8


def main() -> None:
    """Serve until it is stopped."""
    target, port = sys.argv[1:]
    # Some of the applications read the program's arguments as theirs.
    del sys.argv[1:]
    module, _, name = target.partition(':')
    application = getattr(importlib.import_module(module), name)
    waitress.serve(application, host='127.0.0.1', port=int(port), threads=_THREADS)


if __name__ == '__main__':
    main()
