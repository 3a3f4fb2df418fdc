"""A real Linux TCP/IP stack at the far end of a wire: a TAP device in a network namespace of its own.

Frames travel over stdin and stdout as a 16-bit big-endian length and that many bytes. The length 0xffff on stdin is
followed by a second length and a shell command to run in the namespace. Arguments: the address with prefix of the
device, then the command line of a server to run there; the namespace goes when this process does.
"""

import ctypes
import fcntl
import os
import select
import struct
import subprocess
import sys

CLONE_NEWNET = 0x40000000
TUNSETIFF = 0x400454CA
IFF_TAP = 0x0002
IFF_NO_PI = 0x1000


def read_exactly(fd, count):
    data = b""
    while len(data) < count:
        part = os.read(fd, count - len(data))
        if not part:
            return None
        data += part
    return data


def write_all(fd, data):
    while data:
        data = data[os.write(fd, data) :]


def main():
    address, server = sys.argv[1], sys.argv[2:]
    if ctypes.CDLL(None, use_errno=True).unshare(CLONE_NEWNET) != 0:
        raise OSError(ctypes.get_errno(), "unshare(CLONE_NEWNET)")
    tap = os.open("/dev/net/tun", os.O_RDWR)
    fcntl.ioctl(tap, TUNSETIFF, struct.pack("16sH22x", b"tap0", IFF_TAP | IFF_NO_PI))
    for command in (
        "ip link set lo up",
        "sysctl -qw net.ipv6.conf.tap0.disable_ipv6=1",
        f"ip address add {address} dev tap0",
        "ip link set tap0 up",
    ):
        subprocess.run(command, shell=True, check=True, stdout=sys.stderr)
    child = subprocess.Popen(server, stdin=subprocess.DEVNULL, stdout=sys.stderr)
    try:
        pump(tap)
    finally:
        child.kill()


def pump(tap):
    while True:
        ready, _, _ = select.select([tap, 0], [], [])
        if tap in ready:
            frame = os.read(tap, 65536)
            write_all(1, struct.pack(">H", len(frame)) + frame)
        if 0 in ready:
            header = read_exactly(0, 2)
            if header is None:
                return
            (length,) = struct.unpack(">H", header)
            if length == 0xFFFF:
                (length,) = struct.unpack(">H", read_exactly(0, 2))
                subprocess.run(read_exactly(0, length).decode(), shell=True, check=True, stdout=sys.stderr)
            else:
                os.write(tap, read_exactly(0, length))


main()
