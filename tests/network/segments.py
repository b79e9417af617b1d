"""TCP segments over IP as bytes (RFC 9293, RFC 791, RFC 8200). No I/O."""

from __future__ import annotations

import struct
from dataclasses import dataclass
from ipaddress import IPv4Address, ip_address

FIN, SYN, RST, PSH, ACK = 1, 2, 4, 8, 16
_IP = struct.Struct("!BBHHHBBH4s4s")
_TCP = struct.Struct("!HHIIBBHHH")
_TCP_PROTOCOL = 6
_IPV6_HEADER = 40
_WINDOW_SCALE = 3
"""Kind of the TCP option (RFC 7323)."""


@dataclass(frozen=True, slots=True)
class Segment:
    """One TCP segment.

    Args:
        source: address and port.
        destination: address and port.
        sequence: of its first byte.
        acknowledged: next byte expected from the other side.
        flags: of `FIN`, `SYN`, `RST`, `PSH` and `ACK`.
        window: as in the header, not scaled.
        data: its payload.
        window_shift: from the option of a SYN.
    """

    source: tuple[str, int]
    destination: tuple[str, int]
    sequence: int
    acknowledged: int
    flags: int
    window: int = 65535
    data: bytes = b""
    window_shift: int = 0

    def pack(self) -> bytes:
        """Return the IP packet."""
        source, destination = (IPv4Address(address).packed for address, _ in (self.source, self.destination))
        fields = (self.source[1], self.destination[1], self.sequence, self.acknowledged, 5 << 4, self.flags)
        header = _TCP.pack(*fields, self.window, 0, 0)
        pseudo = source + destination + struct.pack("!HH", _TCP_PROTOCOL, len(header) + len(self.data))
        total = checksum(pseudo + header + self.data)
        header = _TCP.pack(*fields, self.window, total, 0)
        length = _IP.size + len(header) + len(self.data)
        start = (0x45, 0, length, 0, 0, 64, _TCP_PROTOCOL)
        ip = _IP.pack(*start, 0, source, destination)
        return _IP.pack(*start, checksum(ip), source, destination) + header + self.data


def unpack(packet: bytes) -> Segment | None:
    """Return the segment in an IP packet; None if it is another kind of packet."""
    version = packet[0] >> 4 if packet else 0
    if version == 4 and len(packet) > _IP.size and packet[9] == _TCP_PROTOCOL:
        tcp = packet[(packet[0] & 15) * 4 : int.from_bytes(packet[2:4], "big")]
        addresses = packet[12:16], packet[16:20]
    elif version == 6 and len(packet) > _IPV6_HEADER and packet[6] == _TCP_PROTOCOL:
        tcp = packet[_IPV6_HEADER:]
        addresses = packet[8:24], packet[24:40]
    else:
        return None
    source, destination = (str(ip_address(address)) for address in addresses)
    ports = _TCP.unpack_from(tcp)
    header = (ports[4] >> 4) * 4
    return Segment(
        source=(source, ports[0]),
        destination=(destination, ports[1]),
        sequence=ports[2],
        acknowledged=ports[3],
        flags=ports[5],
        window=ports[6],
        data=tcp[header:],
        window_shift=_window_shift(tcp[_TCP.size : header]),
    )


def _window_shift(options: bytes) -> int:
    while options and options[0]:
        if options[0] == 1:
            options = options[1:]
        elif options[0] == _WINDOW_SCALE:
            return options[2]
        else:
            options = options[options[1] :]
    return 0


def checksum(data: bytes) -> int:
    """Return the Internet checksum (RFC 1071)."""
    if len(data) % 2:
        data += b"\0"
    total: int = sum(struct.unpack(f"!{len(data) // 2}H", data))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return ~total & 0xFFFF
