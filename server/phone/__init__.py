"""The resident's page: an installable web app that shows codes without a network.

Everything that it needs is served from here and kept by its service worker; what it asks of the
server goes to ``/v1/phones``. It knows no sessions: the phone's key is who it is.
"""
