"""Which addresses a callback may go to: an app must not be able to make us speak to what only we can reach.

Checked again whenever a connection is made, since a name may point elsewhere by then.
"""

from __future__ import annotations

from dataclasses import dataclass
from ipaddress import IPv4Address, IPv6Address, IPv6Network, ip_address

#: What counts is the IPv4 address in their last 32 bits: NAT64 (RFC 6052), IPv4-compatible (RFC 4291), SIIT (RFC 2765).
_IPV4_INSIDE = (IPv6Network("64:ff9b::/96"), IPv6Network("::/96"), IPv6Network("::ffff:0:0:0/96"))
#: ``::`` and ``::1`` stand for themselves.
_NOT_IPV4 = (IPv6Address("::"), IPv6Address("::1"))
#: All that is global in IPv6 today; translated prefixes of a local network (RFC 8215) and the like are outside it.
_GLOBAL_UNICAST = IPv6Network("2000::/3")
#: IPv6 addresses of a private network; the retired "site-local" ones (fec0::/10) are none.
_UNIQUE_LOCAL = IPv6Network("fc00::/7")

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
        if isinstance(given, IPv6Address) and given not in _GLOBAL_UNICAST:
            return self.allow_private and given in _UNIQUE_LOCAL
        if given.is_private and not given.is_reserved:
            return self.allow_private
        return self.public and given.is_global


def _inner(address: Address) -> Address:
    """Return the IPv4 address that an IPv6 address stands for, if it does."""
    if isinstance(address, IPv4Address):
        return address
    if address not in _NOT_IPV4 and any(address in network for network in _IPV4_INSIDE):
        return IPv4Address(int(address) & 0xFFFFFFFF)
    teredo = address.teredo
    return address.ipv4_mapped or address.sixtofour or (teredo[1] if teredo else address)
