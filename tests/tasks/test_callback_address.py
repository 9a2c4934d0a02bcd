from ipaddress import IPv4Address, IPv6Address

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tasks.callback_address import AddressRules

PUBLIC = AddressRules()


@pytest.mark.parametrize("address", ["93.184.216.34", "8.8.8.8", "2606:2800:220:1:248:1893:25c8:1946"])
def test_public_addresses_are_where_callbacks_go(address: str) -> None:
    assert PUBLIC.admits(address)


@pytest.mark.parametrize(
    "address",
    [
        "127.0.0.1",
        "127.8.8.8",
        "::1",
        "10.0.0.1",
        "172.16.5.4",
        "192.168.1.1",
        "100.64.0.1",
        "169.254.169.254",
        "fe80::1",
        "fd00::1",
        "0.0.0.0",
        "::",
        "224.0.0.1",
        "255.255.255.255",
        "240.0.0.1",
        "::ffff:127.0.0.1",
        "::ffff:169.254.169.254",
        "::ffff:10.0.0.1",
        "64:ff9b::7f00:1",
        "64:ff9b::a9fe:a9fe",
        "2002:7f00:1::",
        "2002:a9fe:a9fe::1",
        "::7f00:1",
        "::a9fe:a9fe",
        "::ffff:0:127.0.0.1",
        "::ffff:0:10.0.0.1",
        "64:ff9b:1::7f00:1",
        "64:ff9b:1::808:808",
        "fec0::1",
        "4000::1",
        "100::1",
        "localhost",
        "not an address",
        "",
    ],
)
def test_what_only_we_can_reach_is_refused_however_it_is_written(address: str) -> None:
    assert not PUBLIC.admits(address)


@pytest.mark.parametrize("address", ["127.0.0.1", "::1", "::ffff:127.0.0.1"])
def test_loopback_is_allowed_only_where_the_installation_says_so(address: str) -> None:
    assert AddressRules(allow_loopback=True).admits(address)
    assert not AddressRules(allow_private=True).admits(address)


@pytest.mark.parametrize("address", ["10.0.0.1", "192.168.1.1", "fd00::1"])
def test_private_networks_are_allowed_only_where_the_installation_says_so(address: str) -> None:
    assert AddressRules(allow_private=True).admits(address)
    assert not AddressRules(allow_loopback=True).admits(address)


@pytest.mark.parametrize("address", ["169.254.169.254", "fe80::1", "0.0.0.0", "224.0.0.1"])
def test_the_cloud_s_own_addresses_are_never_allowed(address: str) -> None:
    assert not AddressRules(allow_loopback=True, allow_private=True).admits(address)


def test_plain_http_stays_on_this_machine() -> None:
    rules = AddressRules(allow_loopback=True, public=False)
    assert rules.admits("127.0.0.1")
    assert not rules.admits("93.184.216.34")


@given(st.ip_addresses(v=4))
def test_an_ipv4_address_is_judged_the_same_inside_an_ipv6_one(address: IPv4Address) -> None:
    mapped = str(IPv6Address(f"::ffff:{address}"))
    translated = str(IPv6Address((0x64FF9B << 96) | int(address)))
    assert PUBLIC.admits(mapped) == PUBLIC.admits(str(address))
    assert PUBLIC.admits(translated) == PUBLIC.admits(str(address))


@given(st.ip_addresses())
def test_nothing_that_is_not_public_is_admitted_without_being_allowed(address: IPv4Address | IPv6Address) -> None:
    if not address.is_global:
        assert not PUBLIC.admits(str(address)) or _stands_for_public(address)


def _stands_for_public(address: IPv4Address | IPv6Address) -> bool:
    inner = getattr(address, "ipv4_mapped", None) or getattr(address, "sixtofour", None)
    teredo = getattr(address, "teredo", None)
    inside = inner or (teredo[1] if teredo else None)
    return inside is not None and inside.is_global


@pytest.mark.parametrize("address", ["fec0::1", "64:ff9b:1::a00:1", "::ffff:0:127.0.0.1", "::a9fe:a9fe", "fe80::1"])
def test_private_networks_are_no_way_round(address: str) -> None:
    assert not AddressRules(allow_private=True).admits(address)


@pytest.mark.parametrize("address", ["::ffff:0:10.0.0.1", "fd00::1", "64:ff9b::10.0.0.1"])
def test_private_networks_are_admitted_where_allowed_however_written(address: str) -> None:
    assert AddressRules(allow_private=True).admits(address)
