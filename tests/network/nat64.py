"""NAT64, for the kernel has none: TCP between IPv6 and IPv4 (RFC 7915, RFC 6052). No I/O."""

from __future__ import annotations

import struct
from collections.abc import Mapping
from ipaddress import IPv4Address, IPv6Address, IPv6Network

from network.segments import checksum

PREFIX = IPv6Network("64:ff9b::/96")
_TCP_PROTOCOL = 6
_CHECKSUM_AT = 16
_FIXED = 40


def embedded(address: str) -> str:
    """Return the IPv6 address that stands for an IPv4 address (RFC 6052, section 2)."""
    return str(IPv6Address(int(PREFIX.network_address) | int(IPv4Address(address))))


class Translation:
    """Translates packets of hosts that have one IPv4 address each for all of their connections.

    Args:
        hosts: their IPv6 addresses, and what stands for them.
    """

    def __init__(self, hosts: Mapping[str, str]) -> None:
        self._to_address = {IPv6Address(six).packed: IPv4Address(four).packed for six, four in hosts.items()}
        self._to_host = {four: six for six, four in self._to_address.items()}
        self._prefix = PREFIX.network_address.packed[:12]

    def translate(self, packet: bytes) -> bytes | None:
        """Return the packet of the other family; None if it is not one of the hosts' TCP packets."""
        version = packet[0] >> 4
        if version == 6 and packet[6] == _TCP_PROTOCOL and packet[8:24] in self._to_address:
            return self._to_ipv4(packet)
        if version == 4 and packet[9] == _TCP_PROTOCOL and packet[16:20] in self._to_host:
            return self._to_ipv6(packet)
        return None

    def _to_ipv4(self, packet: bytes) -> bytes:
        addresses = self._to_address[packet[8:24]] + packet[36:40]
        tcp = _summed(packet[_FIXED:], packet[8:40], addresses)
        head = struct.pack("!BBHHHBBH", 0x45, 0, 20 + len(tcp), 0, 0x4000, packet[7], _TCP_PROTOCOL, 0)
        total = struct.pack("!H", checksum(head + addresses))
        return head[:10] + total + addresses + tcp

    def _to_ipv6(self, packet: bytes) -> bytes:
        addresses = self._prefix + packet[12:16] + self._to_host[packet[16:20]]
        tcp = packet[(packet[0] & 15) * 4 : int.from_bytes(packet[2:4], "big")]
        head = struct.pack("!IHBB", 6 << 28, len(tcp), _TCP_PROTOCOL, packet[8])
        return head + addresses + _summed(tcp, packet[12:20], addresses)


def _summed(tcp: bytes, before: bytes, after: bytes) -> bytes:
    """Return a segment with the checksum for other addresses (RFC 1624)."""
    old = int.from_bytes(tcp[_CHECKSUM_AT : _CHECKSUM_AT + 2], "big")
    # checksum() is the complement of a sum, and adding the complement of a sum takes it away.
    words = struct.pack("!HHH", ~old & 0xFFFF, checksum(before), ~checksum(after) & 0xFFFF)
    return tcp[:_CHECKSUM_AT] + struct.pack("!H", checksum(words)) + tcp[_CHECKSUM_AT + 2 :]
