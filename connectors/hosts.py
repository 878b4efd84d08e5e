"""What the name of a host says of the network that lies in between."""

import ipaddress


def is_this_machine(host: str) -> bool:
    """Whether ``host`` is a loopback address: what is sent there crosses no network."""
    name = host.lower().rstrip(".")
    try:
        return ipaddress.ip_address(name).is_loopback
    except ValueError:
        return name == "localhost" or name.endswith(".localhost")
