# SPDX-License-Identifier: Apache-2.0
# pbr reads setup.cfg and names our one package before setuptools can guess
# that conf/, doc/ and tests/ are packages too.
import setuptools

setuptools.setup(setup_requires=['pbr>=5.8.0'], pbr=True)
