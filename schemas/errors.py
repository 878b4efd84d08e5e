"""The root of all errors that Tidemark raises on purpose.

``TidemarkError``
    ``ConfigError``              wrong usage or configuration; no request was made
    ``connectors.ExchangeError`` an exchange did not answer as needed
    ``warehouse.StorageError``   something could not be stored or read

A message says what is wrong, where, and how to fix it. None carries a secret.
"""


class TidemarkError(Exception):
    """Something a user can act on: shown as one message, never as a traceback."""


class ConfigError(TidemarkError):
    """Wrong usage or configuration. The command line ends with exit code 2."""
