# SPDX-License-Identifier: Apache-2.0
"""Sphinx builds the release notes with this; "make docs" runs it."""

project = 'nova-generic-mdev release notes'
copyright = 'nova-generic-mdev developers'

extensions = ['openstackdocstheme', 'reno.sphinxext']

master_doc = 'index'
html_theme = 'openstackdocs'

openstackdocs_repo_name = 'nova-generic-mdev'
openstackdocs_auto_name = False
openstackdocs_auto_version = False
openstackdocs_use_storyboard = False
html_theme_options = {'display_badge': False}
