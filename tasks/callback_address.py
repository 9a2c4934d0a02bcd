"""Which addresses a callback may go to: an app must not be able to make us speak to what only we can reach.

Checked again whenever a connection is made, since a name may point elsewhere by then.
"""

from __future__ import annotations

from dataclasses import dataclass
from ipaddress import IPv4Address, IPv6Address, IPv6Network, ip_address

#: Translated to IPv4 by a gateway: what counts is the address inside.
_NAT64 = IPv6Network("64:ff9b::/96")

Address = IPv4Address | IPv6Address


@dataclass(frozen=True, kw_only=True)
class AddressRules:
    """What is allowed; link-local addresses (cloud metadata) never are."""

    allow_loopback: bool = False
    allow_private: bool = False
    public: bool = True

    def admits(self, address: str) -> bool:
        """Return whether a callback may be sent to ``address`` (IPv4 or IPv6, no name)."""
        try:
            given = _inner(ip_address(address))
        except ValueError:
            return False
        if given.is_link_local or given.is_multicast or given.is_unspecified:
            return False
        if given.is_loopback:
            return self.allow_loopback
        if given.is_private and not given.is_reserved:
            return self.allow_private
        return self.public and given.is_global


def _inner(address: Address) -> Address:
    """Return the IPv4 address that an IPv6 address stands for, if it does."""
    if isinstance(address, IPv4Address):
        return address
    if address in _NAT64:
        return IPv4Address(int(address) & 0xFFFFFFFF)
    teredo = address.teredo
    return address.ipv4_mapped or address.sixtofour or (teredo[1] if teredo else address)
