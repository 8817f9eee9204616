# SPDX-License-Identifier: Apache-2.0
"""Sphinx builds the documentation with this; "make docs" runs it."""

project = 'nova-generic-mdev'
copyright = 'nova-generic-mdev developers'

extensions = [
    'cliff.sphinxext',
    'openstackdocstheme',
    'oslo_config.sphinxext',
    'sphinx.ext.autodoc',
]

master_doc = 'index'
exclude_patterns = []
html_theme = 'openstackdocs'
html_static_path = ['_static']
html_css_files = ['custom.css']
pygments_style = 'native'

openstackdocs_repo_name = 'nova-generic-mdev'
openstackdocs_auto_name = False
openstackdocs_auto_version = False
openstackdocs_use_storyboard = False
html_theme_options = {'display_badge': False, 'display_toc': True}

autodoc_member_order = 'bysource'
autodoc_typehints = 'signature'
autodoc_default_options = {'members': True, 'show-inheritance': True}
autodoc_preserve_defaults = True
autoprogram_cliff_application = 'nova-mdev'
# cliff's own options are the same everywhere; the page says so once.
autoprogram_cliff_ignored = [
    '--help', '--format', '--column', '--quote', '--noindent', '--max-width',
    '--fit-width', '--print-empty', '--sort-column', '--sort-ascending',
    '--sort-descending',
]  # fmt: skip
autoprogram_cliff_app_dist_name = 'nova-generic-mdev'
