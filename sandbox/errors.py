"""What a user of the sandbox can get wrong."""


class SandboxError(Exception):
    """A mistake that a user can fix (port taken, unreadable tape): one clear message."""
