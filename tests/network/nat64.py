"""NAT64 for one host, for the kernel has none: TCP between IPv6 and IPv4 (RFC 7915, RFC 6052). No I/O."""

from __future__ import annotations

import struct
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
    """Translates packets of one IPv6 host, which has one IPv4 address for all of its connections.

    Args:
        host: its IPv6 address.
        stands_for: its IPv4 address.
    """

    def __init__(self, host: str, stands_for: str) -> None:
        self._host, self._address = IPv6Address(host).packed, IPv4Address(stands_for).packed
        self._prefix = PREFIX.network_address.packed[:12]

    def translate(self, packet: bytes) -> bytes | None:
        """Return the packet of the other family; None if it is not one of the host's TCP packets."""
        version = packet[0] >> 4
        if version == 6 and packet[6] == _TCP_PROTOCOL and packet[8:24] == self._host:
            return self._to_ipv4(packet)
        if version == 4 and packet[9] == _TCP_PROTOCOL and packet[16:20] == self._address:
            return self._to_ipv6(packet)
        return None

    def _to_ipv4(self, packet: bytes) -> bytes:
        addresses = self._address + packet[36:40]
        tcp = _summed(packet[_FIXED:], packet[8:40], addresses)
        head = struct.pack("!BBHHHBBH", 0x45, 0, 20 + len(tcp), 0, 0x4000, packet[7], _TCP_PROTOCOL, 0)
        total = struct.pack("!H", checksum(head + addresses))
        return head[:10] + total + addresses + tcp

    def _to_ipv6(self, packet: bytes) -> bytes:
        addresses = self._prefix + packet[12:16] + self._host
        tcp = packet[(packet[0] & 15) * 4 : int.from_bytes(packet[2:4], "big")]
        head = struct.pack("!IHBB", 6 << 28, len(tcp), _TCP_PROTOCOL, packet[8])
        return head + addresses + _summed(tcp, packet[12:20], addresses)


def _summed(tcp: bytes, before: bytes, after: bytes) -> bytes:
    """Return a segment with the checksum for other addresses (RFC 1624)."""
    old = int.from_bytes(tcp[_CHECKSUM_AT : _CHECKSUM_AT + 2], "big")
    # checksum() is the complement of a sum, and adding the complement of a sum takes it away.
    words = struct.pack("!HHH", ~old & 0xFFFF, checksum(before), ~checksum(after) & 0xFFFF)
    return tcp[:_CHECKSUM_AT] + struct.pack("!H", checksum(words)) + tcp[_CHECKSUM_AT + 2 :]
